"""Holds this project against the authors' code, number by number.

    python experiments/compare_original.py              recorded traces
    python experiments/compare_original.py --original DIR   and its functions
    python experiments/compare_original.py --original DIR --python2 PYTHON

DIR is a checkout of github.com/weihua916/imsat, PYTHON a Python 2.7 with
Chainer 1.21, which runs that checkout itself beside ours.  The last line says
that all agrees, and whether the checkout was changed, or where it first parts
(exit code 1).
"""
import os
import sys
import warnings
from pathlib import Path

import numpy

import imsat  # before Chainer
import chainer
from common.results import get_versions
from common.scripts import a_path, main, parser_for
from imsat import devices
from imsat.datasets import load_dataset
from imsat.parameters import Units
from imsat.storage import atomic_write
from original import report
from original.comparison import Trace, first_parting
from original.functions import Sizes, compare_definitions, replay_functions
from original.replay import (
    STEP_FILES, replay_forward, replay_steps, replay_terms)
from original.source import (
    COMMIT, OriginalRun, is_changed, read_original)
from original.trajectory import compare_trajectory, draw_start

# Points that batches are drawn from.
POINTS = 5000
# What is of no use without another option.
NEEDS = {'original': ('seed', 'batch_size', 'dim', 'hidden', 'clusters',
                      'bits'),
         'python2': ('iterations', 'data_dir')}


def get_options(argv=None):
    parser = parser_for(__doc__)
    add = parser.add_argument
    add('--original', type=a_path, metavar='DIR',
        help=f'checkout of github.com/weihua916/imsat, commit {COMMIT}; '
             f'what it holds is run as code')
    add('--python2', type=a_path, metavar='PYTHON',
        help='a Python 2.7 with Chainer 1.x, see docs/comparison.md; goes '
             'with --original')
    add('--device', type=int, default=-1, metavar='-1|N',
        help='where ours computes: -1 the CPU, N GPU number N; default -1')
    add('--threads', type=int, default=devices.available_cores(), metavar='N',
        help='of BLAS, ours and the original\'s; default: all cores')
    add('--out', type=a_path, metavar='DIR',
        default='results/compare-original',
        help='for report.md and differences.png; default %(default)s')
    add('--seed', type=int, default=0, metavar='N',
        help='of random inputs, weights and directions; default 0')
    add('--iterations', type=int, default=20, metavar='N',
        help='of training beside the original; default 20')
    add('--batch-size', type=int, default=Sizes.batch_size,
        help='of random inputs; the original itself has 250; default '
             '%(default)s')
    add('--dim', type=int, default=Sizes.dim,
        help='of inputs; default %(default)s: images of MNIST, where '
             '--data-dir or IMSAT_DATA has them, for training, and else '
             'random numbers')
    add('--hidden', type=Units().parse, metavar='H-H',
        help='units of the two hidden layers; default 1200-1200 for '
             'clustering, 400-400 for hashing')
    add('--clusters', type=int, default=Sizes.clusters, metavar='K',
        help='default %(default)s')
    add('--bits', type=int, default=Sizes.bits, metavar='D',
        help='default %(default)s')
    add('--data-dir', type=a_path, metavar='DIR',
        help="folder of MNIST's four IDX files; default: the environment "
             'variable IMSAT_DATA')
    args = parser.parse_args(argv)
    if args.python2 and not args.original:
        raise imsat.InputError('--python2 runs the checkout that --original '
                               'names; give both')
    if args.hidden is not None and len(args.hidden) != 2:
        raise imsat.InputError('the original has two hidden layers; give '
                               '--hidden H-H')
    for name, least in (('threads', 1), ('iterations', 1), ('batch_size', 2),
                        ('dim', 1), ('clusters', 2), ('bits', 2)):
        if getattr(args, name) < least:
            raise imsat.InputError(
                f'--{name.replace("_", "-")} is {getattr(args, name)}; give '
                f'at least {least}')
    for needed, names in NEEDS.items():
        for name in names:
            if not getattr(args, needed) \
                    and getattr(args, name) != parser.get_default(name):
                raise imsat.InputError(
                    f'--{name.replace("_", "-")} is for what --{needed} runs; '
                    f'give both, or leave it out')
    if args.data_dir and args.dim != Sizes.dim:
        raise imsat.InputError(
            f'--data-dir has images of {Sizes.dim} pixels, and --dim is '
            f'{args.dim}; leave one of them out')
    return args


def run(args):
    device = devices.get_device(args.device)
    paths = read_original(args.original) if args.original else {}
    changed = [path.name for path in paths.values() if is_changed(path)]
    if args.python2:
        # Whether it runs is said at once and not after the other two.
        with OriginalRun(args.python2, paths['cluster'], {}, [], args.threads):
            pass
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    parts = []

    def say(*texts):
        """Prints what is written to a file at last."""
        print(*texts, sep='\n', flush=True)
        parts.extend(texts)

    say("# Comparison with the authors' code\n",
        f'    python experiments/compare_original.py '
        f'{" ".join(sys.argv[1:])}\n',
        f'{devices.describe(device)}; {args.threads} BLAS threads; '
        f'{in_words(get_versions())}\n')
    if changed:
        say(f'Not those of commit {COMMIT}: '
            + ', '.join(f'`{name}`' for name in changed)
            + f' of {args.original}.\n')
    comparisons = replay_traces(say, device)
    if paths:
        comparisons += run_definitions(say, args, paths, device)
    else:
        say("Not asked for: the original's own functions (--original DIR).\n")
    if args.python2:
        comparisons += run_original(say, args, paths, device, out)
    else:
        say('Not asked for: the original itself (--original DIR --python2 '
            'PYTHON).\n')
    parting = first_parting(comparisons)
    say('## Where we part ways\n',
        "`--faithful` on clustering.py and hashing.py chooses the original's "
        'wherever there is a switch.  It is not the default: where the two '
        "differ, the paper's t = 10 is what people expect.\n",
        report.departures_table(), '## Summary\n',
        "Largest differences relative to an array's largest element, without "
        'arrays that rounding decides.\n',
        report.summary_table(comparisons),
        f'agrees with {"a changed checkout" if changed else "the original"}'
        if parting is None else f'parts from the original first at {parting}'
        + ('; the checkout was changed' if changed else ''))
    with atomic_write(out / 'report.md', 'w', encoding='utf-8') as f:
        f.write('\n'.join(parts) + '\n')
    return 0 if parting is None else 1


def in_words(versions):
    return ', '.join(f'{name} {version}'
                     for name, version in versions.items() if version)


def replay_traces(say, device):
    comparisons = []
    for dtype in 'df':
        comparisons += replay_functions(dtype, device)
        for name in STEP_FILES:
            trace = Trace(name, dtype)
            for replay in replay_forward, replay_steps, replay_terms:
                comparisons += replay(trace, device)
    say('## Recorded traces\n',
        'Every function, and one and five training steps of both tasks, as '
        'recorded from the original with Chainer 1.21. In float32 the '
        "original's own distance from float64 is part of what is allowed.\n",
        report.comparison_table(comparisons))
    return comparisons


def run_definitions(say, args, paths, device):
    sizes = Sizes(args.batch_size, args.dim,
                  args.hidden[0] if args.hidden else Sizes.hidden,
                  args.clusters, args.bits)
    comparisons, timings, failures = compare_definitions(
        paths, sizes, device, args.seed)
    say("## The original's functions on today's Chainer\n",
        f'{sizes}; stand-ins for `use_cudnn`, CuPy and float32, the text '
        f'untouched.\n',
        report.comparison_table(comparisons), report.speed_table(timings),
        f'What can not run on Chainer {chainer.__version__}:\n',
        ''.join(f'- {name}: {reason}\n'
                for name, reason in failures.items()) or 'nothing\n')
    return comparisons


def training_points(args):
    """Points to draw batches from, shape (N, d), and what they are."""
    rng = numpy.random.RandomState(args.seed)
    if args.dim == 784 and (args.data_dir or os.environ.get('IMSAT_DATA')):
        x = load_dataset('mnist', args.data_dir).x
        return x[rng.permutation(len(x))[:POINTS]], 'images of MNIST'
    x = rng.uniform(-1, 1, (POINTS, args.dim)).astype(numpy.float32)
    return x, 'random points'


def run_original(say, args, paths, device, out):
    x, points = training_points(args)
    trajectories = []
    for task, n_outputs, hidden in (
            ('cluster', args.clusters, imsat.IMSATClustering.hidden),
            ('hash', args.bits, imsat.IMSATHasher.hidden)):
        trace = draw_start(x, task, n_outputs, args.hidden or hidden,
                           args.iterations, args.seed)
        trajectories.append(compare_trajectory(
            args.python2, paths[task], task, trace, device, args.threads))
    comparisons = [c for t in trajectories for c in t.judged]
    report.draw_differences(out / 'differences.png', trajectories)
    say('## The original itself\n',
        f'{args.iterations} iterations with batches of 250 {points}, from the '
        f"original's initial weights; it runs on "
        f'{in_words(trajectories[0].versions)}. All take the same batches and '
        f'directions in turns, an iteration each. Shown are largest '
        f'differences over largest elements, and for how many iterations they '
        f'agree: in float64 to 1e-6; in float32 single steps, each from the '
        f"original's weights and statistics, as in the table below; free, to "
        f'1e-3, for as long as rounding lets them.\n',
        report.trajectory_table(trajectories),
        'Losses are differences of terms of order 1, one for each output or '
        'pair of outputs, of which 1e-14 (float32 5e-7) is rounding.\n',
        report.speed_table(report.speeds(trajectories)),
        'The verdict rests on all of the float64 run and on single float32 '
        'steps, and on the losses of two free ones. A single step takes from '
        'the original what magnifies rounding, and compares it beside: '
        '`direction`, that of VAT, a gradient over its length; `relu`, the '
        'largest input of a ReLU, of order 1, that is on the other side of 0, '
        'where gradients jump; and `after`, what our Adam makes of the '
        "original's gradients.\n",
        report.comparison_table(comparisons),
        '![Differences over iterations](differences.png)\n')
    return comparisons


if __name__ == '__main__':
    warnings.simplefilter('always', UserWarning)
    sys.exit(main(run, get_options, resume=None))
