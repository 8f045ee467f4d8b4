"""imsat told how large the clusters are, on groups of unlike sizes.

    python experiments/benchmark_priors.py --seeds 10
    python experiments/benchmark_priors.py --datasets usps --data-dir DIR
    python experiments/benchmark_priors.py --seeds 3 --no-prior

ACC of IMSAT (VAT), 200-200 units, with the true sizes as prior and all else
by default, for seeds from 0 on; at the end a table, with K-means beside it.
"""
import sys
import time
import warnings

import numpy
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_moons

import imsat
from benchmarks.data import UNEQUAL, blobs, usps
from common import markdown
from common.scripts import a_path, main, parser_for, positive


def zeros_and_ones(data_dir):
    """USPS' zeros, and about a ninth as many ones."""
    return some_of(usps(data_dir), {0: 1553, 1: 172})


def some_of(data, sizes):
    """So many random points of some classes, which are numbered anew."""
    x, y = data
    index = numpy.sort(numpy.concatenate([
        numpy.random.default_rng(0).permutation(numpy.flatnonzero(y == k))[:n]
        for k, n in sizes.items()]))
    return x[index], numpy.unique(y[index], return_inverse=True)[1]


DATA = {
    'two': lambda _: blobs([900, 100], 10, 15),
    'four': lambda _: blobs([600, 200, 120, 80], 20, 10),
    'five': lambda _: blobs(UNEQUAL, 10, 8),
    'seven': lambda _: blobs([700, 350, 250, 180, 130, 100, 70], 54, 8),
    'usps': zeros_and_ones,
    # Nothing was chosen by these.
    'three': lambda _: blobs([800, 150, 50], 30, 9),
    'six': lambda _: blobs([400, 300, 150, 80, 50, 40], 15, 9),
    'digits': lambda _: some_of(load_digits(return_X_y=True),
                                {0: 170, 3: 80, 6: 30}),
    'moons': lambda _: some_of(make_moons(
        2000, noise=.05, random_state=1), {0: 800, 1: 200}),
}


def get_options(argv=None):
    parser = parser_for(__doc__)
    add = parser.add_argument
    add('--datasets', nargs='+', choices=DATA, default=[
        name for name in DATA if name != 'usps'],
        help='default: all but usps')
    add('--seeds', type=positive, default=10, metavar='N',
        help='0 to N - 1; default 10')
    add('--epochs', type=positive, metavar='N', help='default: auto')
    add('--no-prior', action='store_true', help='the sizes are not told')
    add('--data-dir', type=a_path, metavar='DIR', help='above usps/usps.h5')
    return parser.parse_args(argv)


def run(args):
    more = {'epochs': args.epochs} if args.epochs else {}
    rows = []
    for name in args.datasets:
        x, y = DATA[name](args.data_dir)
        sizes = numpy.bincount(y)
        prior = None if args.no_prior else sizes / len(y)
        accuracies = []
        for seed in range(args.seeds):
            start = time.perf_counter()
            model = imsat.IMSATClustering(
                len(sizes), hidden=(200, 200), prior=prior,
                random_state=seed, **more)
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')
                labels = model.fit_predict(x)
            accuracies.append(100 * imsat.clustering_accuracy(y, labels))
            print(f'{name}, seed {seed}: ACC {accuracies[-1]:.1f}, sizes '
                  f'{numpy.bincount(labels, minlength=len(sizes))}, objective '
                  f'{model.objective_:.4f}, '
                  f'{time.perf_counter() - start:.0f} s', flush=True)
        kmeans = KMeans(len(sizes), n_init=10, random_state=0).fit(x)
        rows.append([name, ', '.join(map(str, sizes)), *(
            f'{value:.1f}' for value in (
                100 * imsat.clustering_accuracy(y, kmeans.labels_),
                numpy.mean(accuracies), min(accuracies))), ', '.join(
                f'{accuracy:.1f}' for accuracy in accuracies)])
    print(markdown.table(
        ['', 'sizes', 'K-means', 'mean', 'worst', 'by seed'], rows))


if __name__ == '__main__':
    sys.exit(main(run, get_options, resume=None))
