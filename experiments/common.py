"""What the scripts of all tasks share: options, run folders, errors."""
import argparse
import errno
import platform
import subprocess
import sys
import warnings
from pathlib import Path

import numpy
import scipy
import sklearn
import threadpoolctl

import imsat
import chainer
from imsat import devices
from imsat.datasets import SOURCES
from imsat.files import load_json, save_json
from imsat.neighbors import digest

# Options that say how to run, not what to compute.
RUN_OPTIONS = ('out', 'resume', 'quiet', 'config', 'data_dir',
               'snapshot_seconds')

# What the authors' code fixes and every script here has an option for; the
# table of departures in imsat/original says what differs otherwise.
FAITHFUL = dict(epochs=50, batch_size=250, restarts=1, neighbor=11, xi=10,
                power_iterations=1, initialization='original',
                sampling='permutation')


def get_parser(task, description, hidden):
    """The options that all tasks have, with the ``hidden`` units of one."""
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(task=task)
    add = parser.add_argument
    add('--dataset', default='digits', metavar='NAME|FILE',
        help=f'one of {", ".join(SOURCES)}; or FILE.npz with x and optionally '
             f'y, or FILE.csv, a point a line (a column named y holds '
             f'labels); default digits')
    add('--data-dir', metavar='DIR',
        help="folder above the publishers' files; default: the environment "
             'variable IMSAT_DATA; MNIST, 20news and RCV1 are fetched where '
             'they are not there')
    add('--out', metavar='DIR',
        help=f'results; default results/{task}-DATASET-seedN')
    add('--seed', type=int, default=0, metavar='N',
        help='of every random number; default 0')
    add('--device', type=int, default=-1, metavar='-1|N',
        help='-1 the CPU, N GPU number N; default -1')
    add('--threads', type=int, metavar='N',
        help='of BLAS; the last digits depend on it; default: all cores')
    add('--epochs', type=int, default=50,
        help='of floor(N / batch size) iterations each; default 50')
    add('--batch-size', type=int, default=250,
        help='|B| of Eq. 15; default 250')
    add('--hidden', default=hidden, type=hidden_sizes,
        help=f'units of the hidden layers (section 4.1), or "linear"; '
             f'default {hidden}')
    add('--restarts', type=int, metavar='N',
        help='runs from different seeds, of which the one with the lowest '
             'objective is kept, without labels; default 1, the paper\'s')
    add('--lam', type=float, default=.1,
        help='lambda of Eqs. 1, 7, 10, 14: weight of the information; '
             'default .1')
    add('--alpha', type=float, default=.25,
        help='Eq. 17: perturbations have length alpha sigma_t(x); default .25')
    add('--neighbor', type=int, default=10, metavar='T',
        help='t of Eq. 17, the paper\'s 10 by default (the authors\' code '
             'takes the 11th)')
    add('--xi', type=float, default=10,
        help='step of the finite difference in Eq. 6\'s power iteration, in '
             'the units of the data; default 10')
    add('--power-iterations', type=int, default=1, metavar='N',
        help='of Eq. 6, each a forward and a backward pass; default 1')
    add('--initialization', choices=sorted(imsat.links.INITIALIZATIONS),
        default='original', help='of the weights: "original", the default, '
        'as the authors\' code draws them; "he" smaller, see the README')
    add('--sampling', choices=imsat.training.iterators.SAMPLINGS,
        default='permutation', help='the first |B| of a fresh permutation '
        'every iteration, as in the authors\' code (default), or a sweep over '
        'all points')
    add('--faithful', action='store_true',
        help="do as the authors' code in all that it fixes and an option "
             'chooses here, e.g. --neighbor 11; an option that says otherwise '
             'is refused')
    add('--config', metavar='FILE',
        help='take the options from the config.json of an earlier run')
    add('--resume', action='store_true',
        help='go on from the last snapshot below --out')
    add('--snapshot-seconds', type=float, default=10, metavar='S',
        help='least time between two snapshots, at ends of epochs; default '
             '10')
    add('--quiet', action='store_true', help='no progress, no summary')
    return parser


def hidden_sizes(text):
    if text == 'linear':
        return []
    sizes = [int(size) for size in text.split('-')]
    if min(sizes) < 1:
        raise ValueError
    return sizes


def parse(parser, argv, digits_restarts=1, faithful=()):
    """Options from the command line and, below them, a config.json.

    ``faithful`` are options besides :data:`FAITHFUL` with the values that the
    authors' code has.
    """
    args = parser.parse_args(argv)
    chosen = {**FAITHFUL, **dict(faithful)} if args.faithful else {}
    parser.set_defaults(**chosen)
    if args.config:
        options = load_json(args.config)['options']
        unknown = set(options) - set(vars(args))
        if unknown:
            raise imsat.InputError(f'{args.config} has options that are not '
                                   f'known: {", ".join(sorted(unknown))}')
        parser.set_defaults(**options)
    args = parser.parse_args(argv)
    for name, value in chosen.items():
        if getattr(args, name) != value:
            raise imsat.InputError(
                f"--faithful takes {name} {value}, as the authors' code does, "
                f'but {getattr(args, name)} was asked for; leave one of them '
                f'out')
    del args.faithful  # it stands in the other options
    if args.restarts is None:
        args.restarts = digits_restarts if args.dataset == 'digits' else 1
    if args.threads is None:
        args.threads = devices.available_cores()
    if args.out is None:
        args.out = (f'results/{args.task}-{Path(args.dataset).stem}'
                    f'-seed{args.seed}')
    return args


def estimator_arguments(args):
    """The arguments that the estimators of all tasks share."""
    return dict(
        hidden=args.hidden, initialization=args.initialization,
        n_init=args.restarts, epochs=args.epochs, batch_size=args.batch_size,
        lam=args.lam, alpha=args.alpha, n_neighbors=args.neighbor, xi=args.xi,
        power_iterations=args.power_iterations, sampling=args.sampling,
        device=args.device, cache=True, out=args.out, resume=args.resume,
        snapshot_seconds=args.snapshot_seconds, verbose=not args.quiet,
        random_state=args.seed)


def describe(data, **more):
    """What config.json says of the points that are learnt from."""
    return dict(n=len(data.x), dimension=data.x.shape[1],
                sha256=digest(data.x), notes=data.notes, **more)


def prepare_out(args, data):
    """Writes config.json; refuses a folder that holds another run.

    ``data`` describes what is learnt from, besides the options.
    """
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    options = {key: value for key, value in vars(args).items()
               if key not in RUN_OPTIONS}
    config = dict(options=options, data=data, versions=get_versions())
    path = out / 'config.json'
    if path.exists():
        earlier = load_json(path)
        for group in 'options', 'data':
            for key, value in config[group].items():
                before = earlier.get(group, {}).get(key)
                if before != value:
                    raise imsat.InputError(
                        f'{out} holds a run with another {key} ({before} and '
                        f'not {value}); choose another --out or remove that '
                        f'folder')
        if args.resume:
            return
    save_json(path, config)


def git_commit():
    here = Path(__file__).parent
    try:
        return subprocess.run(
            ['git', 'describe', '--always', '--dirty', '--abbrev=10'],
            cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def get_versions():
    return dict(imsat=imsat.__version__, commit=git_commit(),
                python=platform.python_version(),
                chainer=chainer.__version__, numpy=numpy.__version__,
                scipy=scipy.__version__, sklearn=sklearn.__version__)


def training_results(args, model, scores=lambda logits: {}):
    """What result.json says of the training, for every task.

    ``scores`` gives those of a restart, from its logits.
    """
    best = model.restarts_[model.best_restart_]
    hidden = 'logits', 'log'
    kept = {key: value for key, value in best.items() if key not in hidden}
    return {
        **kept, 'seed': args.seed,
        'seconds': sum(r['seconds'] for r in model.restarts_),
        'device': devices.describe(devices.get_device(args.device)),
        'threads': args.threads,
        'restarts': [
            {**{key: value for key, value in restart.items()
                if key not in hidden},
             **scores(restart['logits']), 'kept': i == model.best_restart_}
            for i, restart in enumerate(model.restarts_)],
        'versions': get_versions()}


def fail(message):
    message = ' '.join(str(message).split())
    print(f'{Path(sys.argv[0]).name}: {message}', file=sys.stderr)
    return 2


def run_script(function, resume='the same command goes on where it was'):
    """Calls a script's function; an error that the user can mend becomes a
    sentence.

    Args:
        function: Called without arguments.
        resume (str): What to do after an interruption; None for nothing.

    Returns:
        int: The exit code: what the function returns, 0 for None; 2 after an
        error, 130 after Ctrl-C.
    """
    warnings.formatwarning = lambda message, *args: f'warning: {message}\n'
    then = f'; {resume}' if resume else ''
    try:
        return function() or 0
    except imsat.InputError as e:
        return fail(e)
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return fail(f'{e}; free some space: what was saved before is '
                        f'whole{then}')
        return fail(f'{e}; name another file or folder, or change its '
                    f'permissions')
    except KeyboardInterrupt:
        print(f'\nstopped{then}', file=sys.stderr)
        return 130


def main(run, parse, resume='--resume goes on from the last snapshot'):
    """:func:`run_script` of ``run(parse())``, with ``--threads``."""
    def function():
        args = parse()
        with threadpoolctl.threadpool_limits(args.threads):
            return run(args)
    return run_script(function, resume)
