"""imsat with its defaults beside other methods, on data of many kinds.

    python experiments/benchmark_defaults.py --seeds 5 --datasets iris,moons
    python experiments/benchmark_defaults.py --seeds 5 --table docs/defaults.md
    python experiments/benchmark_defaults.py --seeds 1 --rules

Every method is told the number of clusters and nothing else, but for HDBSCAN,
which finds it.  What was run before below --out is not run again; the last
line also writes the table of all that is there between two marks of that
file.  gemclus (pip install gemclus) is left out where it is not installed.
--rules compares other steps xi of VAT, and prints a table.
"""
import functools
import importlib.util
import operator
import sys
import time
import warnings
from pathlib import Path

import numpy
from sklearn import datasets
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

import imsat
from benchmarks.data import HELD_OUT, UNEQUAL, blobs, scattered, usps
from common import markdown
from common.results import get_versions
from common.scripts import (
    a_file_to_be, a_path, main, parser_for, positive)
from imsat import devices
from imsat.datasets import load_dataset
from imsat.storage import load_json, save_json


def of_sklearn(load, scaled=True):
    x, y = load(return_X_y=True)
    return StandardScaler().fit_transform(x) if scaled else x, y


def part(name, n, classes=None):
    """``n`` random points of the first classes of one of the data sets."""
    def load(data_dir):
        data = load_dataset(name, data_dir, verbose=False)
        index = numpy.random.default_rng(0).permutation(len(data.y))
        if classes:
            index = index[data.y[index] < classes]
        return data.x[index[:n]], data.y[index[:n]]
    return load


def posts(data_dir):
    """Five groups of 20 Newsgroups, 3,000 posts."""
    x, y = part('20news', 20000)(data_dir)
    index = numpy.flatnonzero(numpy.isin(y, (1, 7, 10, 13, 17)))[:3000]
    return x[index], y[index]


# Many clusters: a fit takes ten minutes, or an hour.
LONG = {f'blobs, {k}': functools.partial(
    lambda k, _: scattered([50] * k, 16, 2.5, 0), k) for k in (200, 1000)}
DATA = {
    'iris': lambda _: of_sklearn(datasets.load_iris, False),
    'wine': lambda _: of_sklearn(datasets.load_wine),
    'breast cancer': lambda _: of_sklearn(datasets.load_breast_cancer),
    'digits': lambda _: of_sklearn(datasets.load_digits, False),
    'USPS': lambda data_dir: usps(data_dir, 3000),
    '20news, 5 groups': posts,
    'MNIST, 5,000': part('mnist', 5000),
    'Omniglot, 20 characters': part('omniglot', 4000, 20),
    'blobs': lambda _: blobs([200] * 5, 10, 8),
    'blobs, 2-d': lambda _: blobs([200] * 4, 2, 12),
    'blobs, 50-d': lambda _: blobs([200] * 5, 50, 8),
    'blobs, offset 1000': lambda _: blobs([200] * 5, 10, 8, 1000),
    'blobs, times 1e-4': lambda _: blobs([200] * 5, 10, 8, 0, 1e-4),
    'blobs, times 1e6': lambda _: blobs([200] * 5, 10, 8, 0, 1e6),
    'blobs, unequal': lambda _: blobs(UNEQUAL, 10, 8),
    'moons': lambda _: datasets.make_moons(1000, noise=.05, random_state=0),
    'circles': lambda _: datasets.make_circles(1000, noise=.05, factor=.3,
                                               random_state=0),
    **HELD_OUT, **LONG}


def gemclus(k, seed):
    from gemclus.mlp import MLPMMD
    return MLPMMD(k, random_state=seed)


# By name, a function of the number of clusters and the seed.
METHODS = {
    'imsat': lambda k, seed: imsat.IMSATClustering(k, random_state=seed),
    'K-means': lambda k, seed: KMeans(k, n_init=10, random_state=seed),
    'Gaussian mixture': lambda k, seed: GaussianMixture(
        k, random_state=seed, reg_covar=1e-3),
    'HDBSCAN': lambda k, seed: HDBSCAN(copy=True),
    'GemClus': gemclus,
}
ONCE = 'HDBSCAN',  # without random numbers


class ByRule:
    """A smaller network, mu = 4, and a step xi of VAT.

    Args:
        xi: Function of the median of sigma_10 to it.
    """

    def __init__(self, xi, k, seed):
        self.xi, self.k, self.seed = xi, k, seed

    def fit_predict(self, x):
        sigma = numpy.median(imsat.neighbor_distance(x, 10))
        return imsat.IMSATClustering(
            self.k, hidden=(200, 200), mu=4., xi=self.xi(float(sigma)),
            random_state=self.seed).fit_predict(x)


RULES = {name: functools.partial(ByRule, xi) for name, xi in {
    'xi auto': lambda sigma: 'auto', 'xi = 10': lambda sigma: 10., **{
        f'{multiple:g} sigma': functools.partial(operator.mul, multiple)
        for multiple in (1.3, .8, .5, .25, .1)}}.items()}


def get_options(argv=None):
    parser = parser_for(__doc__)
    add = parser.add_argument
    add('--datasets', default=','.join(
        name.replace(',', '') for name in DATA if name not in LONG),
        metavar='NAME,...', help='by their names without commas; default: '
        f'all but {" and ".join(LONG).replace(",", "")}')
    add('--methods', metavar='NAME,...',
        help=f'of {", ".join(METHODS)}; default: all')
    add('--rules', action='store_true',
        help=f'in place of methods, {", ".join(RULES)}, 200-200 units, mu 4; '
             f'sigma is the median of sigma_10')
    add('--seeds', type=positive, default=5, metavar='N',
        help='0 to N - 1; default 5')
    add('--data-dir', type=a_path, metavar='DIR',
        help='above the files of USPS and others')
    add('--out', type=a_path, default='results/defaults', metavar='DIR',
        help='default results/defaults')
    add('--table', type=a_file_to_be, metavar='FILE',
        help='a Markdown file to write the table into')
    args = parser.parse_args(argv)
    if args.rules and (args.methods or args.table):
        raise imsat.InputError('--rules has methods and a table of its own; '
                               'leave --methods and --table out')
    return args


def chosen(names, known):
    plain = {name.replace(',', ''): name for name in known}
    for name in names.split(','):
        if name not in plain:
            raise imsat.InputError(f'there is no {name!r}; choose among '
                                   f'{", ".join(plain)}')
    return [plain[name] for name in names.split(',')]


def result_file(out, name):
    return Path(out) / f'{name.replace(",", "").replace(" ", "-")}.json'


def score(model, x, y):
    """Fits a model; what came out."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        labels = model.fit_predict(x)
    return dict(accuracy=float(imsat.clustering_accuracy(y, labels)),
                seconds=time.perf_counter() - start,
                used=len(numpy.unique(labels)),
                warnings=getattr(model, 'warnings_', []),
                versions=get_versions(),
                device=devices.describe(devices.get_device(-1)))


def run(args):
    names = chosen(args.datasets, DATA)
    methods = list(RULES) if args.rules else chosen(
        args.methods or ','.join(METHODS), METHODS)
    makers = {**METHODS, **RULES}
    if importlib.util.find_spec('gemclus') is None:
        methods = [name for name in methods if name != 'GemClus']
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = result_file(out, name)
        results = load_json(path) if path.exists() else {}
        data = None
        for method in methods:
            done = results.setdefault(method, {})
            for seed in map(str, range(
                    1 if method in ONCE else args.seeds)):
                if seed in done:
                    continue
                if data is None:
                    x, y = data = DATA[name](args.data_dir)
                k = len(numpy.unique(y))
                if hasattr(x, 'toarray') and method not in ('imsat', *RULES):
                    x = x.toarray()
                done[seed] = score(makers[method](k, int(seed)), x, y)
                print(f'{name}: {method}, seed {seed}, ACC '
                      f'{done[seed]["accuracy"]:.1%}, '
                      f'{done[seed]["seconds"]:.0f} s', flush=True)
                save_json(path, results)
    if args.rules:
        print(table_of(RULES, out))
    if args.table:
        markdown.write_between(args.table, table_of(METHODS, out))


def table_of(methods, out):
    """The table of all results."""
    rows = []
    for name in DATA:
        file = result_file(out, name)
        if file.exists():
            results = load_json(file)
            rows.append([name, *(cell(results.get(method))
                                 for method in methods)])
    return markdown.table(['', *methods], rows)


def cell(runs):
    """Mean and worst of some runs in %, and how many there are."""
    if not runs:
        return ''
    accuracies = [100 * run['accuracy'] for run in runs.values()]
    mean = f'{numpy.mean(accuracies):.1f}'
    if len(accuracies) == 1:
        return f'{mean} /1'
    return f'{mean} ({min(accuracies):.1f}) /{len(accuracies)}'


if __name__ == '__main__':
    sys.exit(main(run, get_options, resume='the same command goes on'))
