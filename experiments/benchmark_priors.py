"""imsat told how large the clusters are, on groups of unlike sizes.

    python experiments/benchmark_priors.py --seeds 10
    python experiments/benchmark_priors.py --datasets usps --data-dir DIR

ACC of IMSAT (VAT), 200-200 units, with the true sizes as prior and all else
by default, for seeds from 0 on; at the end a table.
"""
import sys
import time
import warnings

import numpy

import imsat
from benchmarks.data import UNEQUAL, blobs, usps
from common import markdown
from common.scripts import a_path, main, parser_for, positive


def zeros_and_ones(data_dir):
    """USPS' zeros, and about a ninth as many ones."""
    x, y = usps(data_dir)
    index = numpy.sort(numpy.concatenate([
        numpy.random.default_rng(0).permutation(numpy.flatnonzero(y == k))[:n]
        for k, n in ((0, 1553), (1, 172))]))
    return x[index], y[index]


DATA = {
    'two': lambda _: blobs([900, 100], 10, 15),
    'four': lambda _: blobs([600, 200, 120, 80], 20, 10),
    'five': lambda _: blobs(UNEQUAL, 10, 8),
    'seven': lambda _: blobs([700, 350, 250, 180, 130, 100, 70], 54, 8),
    'usps': zeros_and_ones,
}


def get_options(argv=None):
    parser = parser_for(__doc__)
    add = parser.add_argument
    add('--datasets', nargs='+', choices=DATA, default=[
        name for name in DATA if name != 'usps'], help='default: all blobs')
    add('--seeds', type=positive, default=10, metavar='N',
        help='0 to N - 1; default 10')
    add('--epochs', type=positive, metavar='N', help='default: auto')
    add('--data-dir', type=a_path, metavar='DIR', help='above usps/usps.h5')
    return parser.parse_args(argv)


def run(args):
    more = {'epochs': args.epochs} if args.epochs else {}
    rows = []
    for name in args.datasets:
        x, y = DATA[name](args.data_dir)
        sizes = numpy.bincount(y)
        accuracies = []
        for seed in range(args.seeds):
            start = time.perf_counter()
            model = imsat.IMSATClustering(
                len(sizes), hidden=(200, 200), prior=sizes / len(y),
                random_state=seed, **more)
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                labels = model.fit_predict(x)
            accuracies.append(100 * imsat.clustering_accuracy(y, labels))
            print(f'{name}, seed {seed}: ACC {accuracies[-1]:.1f}, sizes '
                  f'{numpy.bincount(labels, minlength=len(sizes))}, objective '
                  f'{model.objective_:.4f}, '
                  f'{time.perf_counter() - start:.0f} s', flush=True)
        rows.append([name, ', '.join(map(str, sizes)), *(
            f'{f(accuracies):.1f}' for f in (numpy.mean, min)), ', '.join(
                f'{accuracy:.1f}' for accuracy in accuracies)])
    print(markdown.table(['', 'sizes', 'mean', 'worst', 'by seed'], rows))


if __name__ == '__main__':
    sys.exit(main(run, get_options, resume=None))
