"""What the scripts of all tasks share: options, run folders, errors."""
import argparse
import contextlib
import errno
import functools
import os
import platform
import subprocess
import sys
import warnings
from pathlib import Path

import filelock
import numpy
import scipy
import sklearn
import threadpoolctl

import imsat
import chainer
from imsat import devices, methods, pictures
from imsat.datasets import SOURCES
from imsat.files import load_json, save_json
from imsat.neighbors import digest

# Options that say how to run, not what to compute.
RUN_OPTIONS = ('out', 'resume', 'quiet', 'config', 'data_dir',
               'snapshot_seconds', 'kmeans')

# What the authors' code fixes and every script here has an option for; the
# table of departures in imsat/original says what differs otherwise.
FAITHFUL = dict(method='imsat-vat', epochs=50, batch_size=250, restarts=1,
                neighbor=11, xi=10, power_iterations=1,
                initialization='original', sampling='permutation')

DEFAULT_METHOD = 'imsat-vat'
# Options of a method, of no use to some.
METHOD_OPTIONS = {
    'device', 'epochs', 'batch_size', 'hidden', 'restarts', 'lam', 'alpha',
    'weight_decay', 'neighbor', 'xi', 'power_iterations', 'initialization',
    'sampling', 'mu', 'prior', 'delta', 'distortion'}
# Options of the methods that their estimators call otherwise.
ARGUMENTS = {'restarts': 'n_init', 'neighbor': 'n_neighbors',
             'seed': 'random_state'}


def get_parser(task, description):
    """The options that all tasks have.

    Those without a default here take that of the method, see ``parse``.
    """
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(task=task)
    add = parser.add_argument
    add('--method', default=DEFAULT_METHOD, metavar='NAME',
        help=f'one of {", ".join(methods.TASKS[task])}; default '
             f'{DEFAULT_METHOD}; options without a default below have that '
             f'of the method (section 4.2.3)')
    add('--dataset', default='digits', metavar='NAME|FILE',
        help=f'one of {", ".join(SOURCES)}; or FILE.npz with x and optionally '
             f'y, or FILE.csv, a point a line (a column named y holds '
             f'labels); default digits')
    add('--data-dir', metavar='DIR',
        help="folder above the publishers' files; default: the environment "
             'variable IMSAT_DATA; MNIST, 20news and RCV1 are fetched where '
             'they are not there')
    add('--out', metavar='DIR',
        help=f'results; default results/{task}-DATASET-seedN, before seedN '
             f'the method if it is another than {DEFAULT_METHOD}')
    add('--seed', type=int, default=0, metavar='N',
        help='of every random number; default 0')
    add('--device', type=int, metavar='-1|N',
        help='-1 the CPU, N GPU number N; default -1')
    add('--threads', type=positive, metavar='N',
        help='of BLAS; the last digits depend on it; default: all cores')
    add('--epochs', type=int,
        help='of floor(N / batch size) iterations each; IMSAT: 50')
    add('--batch-size', type=int, help='|B| of Eq. 15; IMSAT: 250')
    add('--hidden', type=hidden_sizes,
        help='units of the hidden layers (section 4.1), e.g. 1200-1200, or '
             '"linear"; of deep-hash 60-30, but for 32 bits the paper has '
             '80-50')
    add('--restarts', type=int, metavar='N',
        help='runs from different seeds, of which the one with the lowest '
             'objective is kept, without labels; of K-means: initialisations; '
             'IMSAT: 1, as in the paper')
    add('--lam', type=float,
        help='lambda of Eqs. 1, 7, 10, 14: weight of the information; '
             'IMSAT (VAT): .1')
    add('--alpha', type=float,
        help='Eq. 17: perturbations have length alpha sigma_t(x); IMSAT '
             '(VAT): .25')
    add('--weight-decay', type=float, metavar='RATE',
        help='R of Eq. 1 is RATE / 2 times the squares of all parameters; '
             'RIM: .005')
    add('--neighbor', type=int, metavar='T',
        help='t of Eq. 17, the paper\'s 10 by default (the authors\' code '
             'takes the 11th)')
    add('--xi', type=float,
        help='step of the finite difference in Eq. 6\'s power iteration, in '
             'the units of the data; default 10')
    add('--power-iterations', type=int, metavar='N',
        help='of Eq. 6, each a forward and a backward pass; default 1')
    add('--initialization', choices=sorted(imsat.links.INITIALIZATIONS),
        help='of the weights: "original", the default, as the authors\' code '
             'draws them; "he" smaller, see the README')
    add('--sampling', choices=imsat.training.iterators.SAMPLINGS,
        help='the first |B| of a fresh permutation every iteration, as in the '
             'authors\' code (IMSAT), or a sweep over all points')
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


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'{text} is not a whole number from '
                                         f'1')
    return number


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
        options = load_config(args.config)['options']
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
    choose_defaults(args, digits_restarts)
    if args.threads is None:
        args.threads = devices.available_cores()
    if args.out is None:
        method = '' if args.method == DEFAULT_METHOD else f'-{args.method}'
        args.out = (f'results/{args.task}-{Path(args.dataset).stem}{method}'
                    f'-seed{args.seed}')
    return args


def choose_defaults(args, digits_restarts):
    """Gives the options that were not given their method's defaults.

    Those that the method makes no use of are None, and warned of.
    """
    defaults = methods.get_method(args.task, args.method).get_defaults()
    if args.method == DEFAULT_METHOD and args.dataset == 'digits':
        defaults['n_init'] = digits_restarts
    for option in sorted(METHOD_OPTIONS & vars(args).keys()):
        argument = ARGUMENTS.get(option, option)
        value = getattr(args, option)
        if argument not in defaults:
            if value is not None:
                warnings.warn(f'{args.method} makes no use of --'
                              + option.replace('_', '-'))
            setattr(args, option, None)
        elif value is None:
            value = defaults[argument]
            # As JSON gives it back.
            setattr(args, option,
                    list(value) if isinstance(value, tuple) else value)


def make_model(args, **arguments):
    """The estimator of the method, from the options and ``arguments``.

    Whatever the estimator doesn't take is left out.
    """
    method = methods.get_method(args.task, args.method)
    given = dict(vars(args), cache=True, verbose=not args.quiet, **arguments)
    for option, argument in ARGUMENTS.items():
        given[argument] = given.pop(option)
    return method.make(**{name: given[name] for name in method.get_defaults()
                          if name in given})


def describe(data, **more):
    """What config.json says of the points that are learnt from."""
    return dict(n=len(data.x), dimension=data.x.shape[1],
                sha256=digest(data.x), notes=data.notes, **more)


@contextlib.contextmanager
def run_folder(args, data):
    """The folder of a run, for a block that works in it alone.

    Writes config.json; refuses a folder that holds another run or one that
    could go on, or where one is at work.  ``data`` describes what is learnt
    from, besides the options.
    """
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    try:
        # Freed by the system if the process dies.
        lock = filelock.FileLock(out / '.lock').acquire(blocking=False)
    except filelock.Timeout as e:
        raise imsat.InputError(f'another run is at work in {out}; wait for '
                               f'its end or choose another --out') from e
    with lock:
        # What was half written when an earlier attempt died; nothing else
        # that may lie there.
        for path in out.glob('**/.snapshot-*.npz.*~'):
            path.unlink()
        config = dict(options=options_of(args), data=data,
                      versions=get_versions())
        path = out / 'config.json'
        is_finished = (out / 'result.json').exists()
        # What was refused before it learnt anything left its options alone.
        if path.exists() and (is_finished or has_learnt(out)):
            earlier = load_config(path)
            for group in 'options', 'data':
                refuse_another(out, earlier.get(group, {}), config[group])
            if not (args.resume or is_finished):
                raise imsat.InputError(
                    f'{out} holds a run that was interrupted; go on with it '
                    f'by --resume, choose another --out or remove that folder')
        if not (args.resume and path.exists()):
            save_json(path, config)
        yield out


def has_learnt(out):
    """Whether a run left a log or a snapshot, its own or a restart's."""
    return (out / 'log').exists() or any(out.glob('**/snapshot-*.npz'))


def load_config(path):
    """What a config.json says, a dict with ``options`` in any case."""
    config = load_json(path)
    if not isinstance(config, dict) \
            or not isinstance(config.get('options'), dict):
        raise imsat.InputError(f'{path} is not the config.json of a run; name '
                               f'another file or remove it')
    return config


def options_of(args):
    """The options that say what is computed, for config.json."""
    return {key: value for key, value in vars(args).items()
            if key not in RUN_OPTIONS}


def refuse_another(out, earlier, now):
    """Raises InputError if the run in a folder differs from this one."""
    for key, value in now.items():
        before = earlier.get(key)
        if before != value:
            raise imsat.InputError(
                f'{out} holds a run with another {key} ({before} and not '
                f'{value}); ask for the same to go on with it, choose another '
                f'--out or remove that folder')


@functools.cache  # of the code that runs, whatever is checked out meanwhile
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


def training_results(args, model, scores=None):
    """What result.json says of the training, for every task.

    ``scores`` gives those of a restart, from its logits.
    """
    best = model.restarts_[model.best_restart_]
    hidden = 'logits', 'log'
    kept = {key: value for key, value in best.items() if key not in hidden}
    return {
        **kept, 'seed': args.seed,
        'seconds': sum(r['seconds'] for r in model.restarts_),
        'device': devices.describe(devices.get_device(
            -1 if args.device is None else args.device)),
        'threads': args.threads,
        'restarts': [
            {**{key: value for key, value in restart.items()
                if key not in hidden},
             **(scores(restart['logits']) if scores else {}),
             'kept': i == model.best_restart_}
            for i, restart in enumerate(model.restarts_)],
        'versions': get_versions()}


def save_log(out, model):
    """Writes the log and draws it, if the method has one.

    Returns the names of the pictures.
    """
    logs = [restart['log'] for restart in model.restarts_]
    if not logs[0]:
        return []
    save_json(out / 'log', logs[model.best_restart_])
    pictures.learning_curves(out / 'learning_curves.png', logs,
                             model.best_restart_)
    return ['learning_curves.png']


def in_seconds(result):
    """How long a training took, in words."""
    text = f'{result["seconds"]:.0f} s'
    if result.get('steps_per_second') is not None:
        text += f', {result["steps_per_second"]:.1f} steps/s'
    return text


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
        int: The exit code: what the function returns, 0 for None; 1 if
        nobody reads what it prints, 2 after an error, 130 after Ctrl-C.
    """
    warnings.formatwarning = lambda message, *args: f'warning: {message}\n'
    then = f'; {resume}' if resume else ''
    try:
        return function() or 0
    except imsat.InputError as e:
        return fail(e)
    except BrokenPipeError:
        # "| head" has seen enough; what is left to print has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
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
