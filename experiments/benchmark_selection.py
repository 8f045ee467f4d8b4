"""What tells good runs from bad ones without labels: many single runs, and
what each rule would pick of them.

    python experiments/benchmark_selection.py digits blobs --runs 20
    python experiments/benchmark_selection.py mnist --epochs 15 --data-dir DIR
    python experiments/benchmark_selection.py --table docs/selection.md \\
        --record docs/selection.json

The runs of a data set have the seeds 0, 1, ... and the settings of
clustering.py.  A run is a file below --out; what is there is not run again.
The last command writes the tables of all that is there between two marks of
that file, and what every run came to, without any data.  Of data sets whose
runs are not there, what those files have stays.
"""
import argparse
import functools
import itertools
import json
import math
import sys
from pathlib import Path

import numpy
from scipy.stats import spearmanr

import imsat
from benchmarks.data import UNEQUAL, blobs, usps
from common import markdown
from common.results import get_versions
from common.scripts import Parser, a_file_to_be, a_path, main, positive
from imsat import devices
from imsat.datasets import SOURCES, load_dataset
from imsat.estimators import IMSATClustering
from imsat.estimators.cluster_numbers import agreement as above_chance
from imsat.estimators.comparison import teach
from imsat.estimators.selection import (
    FIRST_CUT, LAST_CUT, mean_of, pairwise_agreement, rounds)
from imsat.links import Encoder
from imsat.metrics import (
    clustering_scores, neighbor_agreement, neighbor_information)
from imsat.parameters import declarations, option_of
from imsat.randomness import EVALUATION, generator
from imsat.storage import (
    atomic_write, default_cache, load_json, load_npz, save_json, save_npz,
    strict)
from imsat.training.evaluation import predict_logits
from paper.systems import PAPER

OTHERS = {'usps': usps, 'blobs': lambda data_dir: blobs(UNEQUAL, 10, 8)}
NEIGHBORS = 50
SIZES = 2, 3, 5, 10  # of how many runs one is picked
HALVED = 8  # or of so many that are halved, which costs as much as 3.9
JOINED = 50  # subsets of each size that are joined
MOST = 20_000  # subsets that are looked at

# How a criterion is called, and whether more is better.  All are of the
# clusters or the terms of one run, but for the last.
CRITERIA = {
    'objective': ('objective', False),
    'conditional_entropy': ('H(Y\\|X)', False),
    'marginal_entropy': ('H(Y)', True),
    'agreement_1': ('agreement of 1 neighbour', True),
    'agreement_10': ('agreement of 10 neighbours', True),
    'agreement_50': ('agreement of 50 neighbours', True),
    'above_chance': ('agreement of 10, above chance', True),
    'information': ('I(Y; Y of 10 neighbours)', True),
    'agreement': ('its square / H(Y)', True),
    'held_out': ('held-out half by neighbours', True),
    'learnt': ('learnt from a half', True),
    'consensus': ('mean ARI to the others', True),
}


class Recorded(IMSATClustering):
    """Keeps the clusters of each evaluation, shape (N,), as ``history_``."""

    def fit(self, X, y=None):
        self.history_ = []
        return super().fit(X, y)

    def _summarize(self, logits, labels):
        self.history_.append(logits.argmax(axis=1))
        return super()._summarize(logits, labels)


def get_options(argv=None):
    parser = Parser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('datasets', nargs='*', metavar='DATASET',
        help=f'one of {", ".join([*SOURCES, *OTHERS])}; none: only the '
             f'table')
    add('--runs', type=positive, default=20, metavar='N',
        help='seeds 0 to N - 1; default 20')
    add('--epochs', type=positive, metavar='N',
        help="of a run; default: the paper's, or as many as the data ask for")
    add('--device', type=int, default=-1, metavar='N',
        help='-1 the CPU, N GPU number N; default -1')
    add('--threads', type=positive, default=1, metavar='N',
        help='of BLAS; default 1')
    add('--data-dir', type=a_path, metavar='DIR',
        help="folder above the publishers' files; default: the environment "
             'variable IMSAT_DATA')
    add('--out', type=a_path, default='results/selection', metavar='DIR',
        help='default results/selection')
    add('--table', type=a_file_to_be, metavar='FILE',
        help='a Markdown file to write the tables into')
    add('--record', type=a_file_to_be, metavar='FILE',
        help='a JSON file to write what every run came to, a run a line')
    return parser.parse_args(argv)


def run(args):
    for name in args.datasets:
        if name not in SOURCES and name not in OTHERS:
            raise imsat.InputError(
                f'there is no {name!r}; choose among '
                f'{", ".join([*SOURCES, *OTHERS])}')
    for name in args.datasets:
        # Runs of fewer epochs are other runs.
        folder = Path(args.out) / (
            f'{name}-{args.epochs}' if args.epochs else name)
        folder.mkdir(parents=True, exist_ok=True)
        x, y = load(name, args.data_dir)
        _, indices = imsat.neighbors(x, min(NEIGHBORS, len(x) - 1),
                                     default_cache())
        for seed in range(args.runs):
            path = folder / f'seed-{seed}.npz'
            model = make_model(name, len(numpy.unique(y)), seed, args.epochs,
                               args.device)
            if path.exists():
                check_same(path, model)
                complete(path, x)
                continue
            train(model, x, y, args.threads, path)
            complete(path, x)
            judged = judge(folder, indices, y)
            save_json(folder / 'criteria.json', judged)
            run = judged[runs_in(folder).index(path)][-1]
            print(f'{name}, seed {seed}: ' + ', '.join(
                f'{key} {run[key]:.4f}' for key in (
                    'accuracy', 'objective', 'agreement_10', 'seconds')),
                flush=True)
        judged = judge(folder, indices, y)
        save_json(folder / 'criteria.json', judged)
        save_json(folder / 'joined.json', joined(folder, judged, y))
    if args.table:
        markdown.write_sections(args.table, sections(Path(args.out)))
    if args.record:
        path = Path(args.record)
        save_record(path, {**(load_json(path) if path.exists() else {}), **{
            name: [evaluations[-1] for evaluations in judged]
            for name, judged in found_in(Path(args.out)).items()}})


def load(name, data_dir):
    if name in OTHERS:
        return OTHERS[name](data_dir)
    data = load_dataset(name, data_dir, verbose=False)
    return data.x, data.y


def make_model(name, n_clusters, seed, epochs, device=-1):
    """IMSAT (VAT) as clustering.py makes it."""
    options = dict(PAPER) if name in SOURCES else dict(mu=PAPER['mu'])
    if epochs:
        options['epochs'] = epochs
    given = {argument: options[option_of(argument, declaration)]
             for argument, declaration in declarations(Recorded).items()
             if option_of(argument, declaration) in options}
    return Recorded(n_clusters, random_state=seed, cache=True, device=device,
                    **given)


def check_same(path, model):
    """Raises InputError for a run with other settings."""
    earlier, now = about(load_npz(path))['made_with'], model.made_with(())
    # A parameter that was not known then had its default.
    for name in earlier.keys() & now.keys():
        if earlier[name] != now[name]:
            raise imsat.InputError(
                f'{path} was made with another {name} ({earlier[name]} and '
                f'not {now[name]}); ask for the same, or name another --out')


def train(model, x, y, threads, path):
    """Writes all that a run gives to one file."""
    model.fit(x, y)
    restart, = model.restarts_
    evaluated = [entry for entry in restart.log if 'all/accuracy' in entry]
    save_npz(path, {
        'about': json.dumps(dict(
            restart.summary(), made_with=model.made_with(()), log=evaluated,
            warnings=model.warnings_, threads=threads, versions=get_versions(),
            device=devices.describe(devices.get_device(model.device)))),
        'clusters': numpy.array(model.history_, numpy.uint16),
        'probability': model.predict_proba(x).astype(numpy.float16)})


def complete(path, x):
    """Adds to a run what was not measured with it."""
    arrays = load_npz(path)
    told = about(arrays)
    if 'learnt' not in told:
        told['learnt'] = learnt(arrays['clusters'][-1].astype(int),
                                x.astype(numpy.float32))
        save_npz(path, {**arrays, 'about': json.dumps(told)})


def about(arrays):
    return json.loads(str(arrays['about']))


def runs_in(folder):
    return sorted(folder.glob('seed-*.npz'),
                  key=lambda path: int(path.stem[5:]))


def judge(folder, indices, y):
    """Of each run in a folder, at each evaluation, all that is known.

    Returns:
        list of list of dict: Of runs in order of seed, and of evaluations.
    """
    runs, judged = [load_npz(path) for path in runs_in(folder)], []
    for arrays in runs:
        told = about(arrays)
        judged.append([
            dict(seed=told['seed'], epoch=entry['epoch'],
                 **clustering_scores(y, clusters),
                 objective=entry['main/loss'],
                 conditional_entropy=entry['all/conditional_entropy'],
                 marginal_entropy=entry['all/marginal_entropy'],
                 **of_neighbors(clusters.astype(int), indices))
            for entry, clusters in zip(told['log'], arrays['clusters'])])
        # At the end it is known for all data.
        judged[-1][-1].update(
            objective=told['objective'], seconds=told['seconds'],
            device=told['device'], commit=told['versions']['commit'],
            learnt=told['learnt'])
    for at in range(len(judged[0])):
        agreement = pairwise_agreement(
            [arrays['clusters'][at] for arrays in runs])
        for row, evaluations in zip(agreement, judged):
            evaluations[at]['agreement_with'] = row.tolist()
            evaluations[at]['consensus'] = row.sum() / max(1, len(row) - 1)
    return judged


def joined(folder, judged, y):
    """By size of some subsets of the runs, the accuracy of each as one."""
    p = [load_npz(path)['probability'].astype(numpy.float32)
         for path in runs_in(folder)]
    runs, accuracies = [evaluations[-1] for evaluations in judged], {}
    for m in SIZES:
        if m <= len(p):
            index = numpy.random.default_rng(0).permutation(
                subsets(len(p), m))[:JOINED]
            # Called as the clusters of that most like the others.
            best = values_of(runs, 'consensus', index).argmax(axis=1)
            accuracies[m] = [clustering_scores(y, next(mean_of(
                [functools.partial(iter, [p[i]]) for i in chosen],
                reference)[0]).argmax(axis=1))['accuracy']
                for chosen, reference in zip(index, best)]
    return accuracies


def of_neighbors(clusters, indices):
    """What clusters have to do with those of the nearest neighbours."""
    ten = indices[:, :10]
    same = clusters[indices] == clusters[:, None]
    return dict(
        agreement_1=same[:, 0].mean(), agreement_10=same[:, :10].mean(),
        agreement_50=same.mean(),
        above_chance=above_chance(clusters, ten, clusters.max() + 1),
        information=neighbor_information(clusters, ten),
        agreement=neighbor_agreement(clusters, ten),
        held_out=held_out(clusters, indices))


def held_out(clusters, indices, k=10):
    """How many points have the cluster that most of their k nearest have, of
    those neighbours that are in the other half of the points."""
    n, half = len(clusters), half_of(len(clusters))
    other = half[indices] != half[:, None]
    nearest = other & (other.cumsum(axis=1) <= k)
    width = int(clusters.max()) + 1
    votes = numpy.bincount(
        (width * numpy.arange(n)[:, None] + clusters[indices])[nearest],
        minlength=n * width).reshape(n, width)
    return float((votes.argmax(axis=1) == clusters).mean())


def half_of(n):
    return generator(0, EVALUATION).permutation(n) < n / 2


def learnt(clusters, x):
    """Of how many points a network says the cluster that has learnt those of
    the other half of the points x, shape (N, d)."""
    half, right = half_of(len(clusters)), 0
    for seen in half, ~half:
        network = Encoder(x.shape[1], clusters.max() + 1,
                          rng=numpy.random.RandomState(0))
        teach(network, x[seen], clusters[seen], PAPER['batch_size'], seed=0)
        said = predict_logits(network, x[~seen]).argmax(axis=1)
        right += (said == clusters[~seen]).sum()
    return float(right / len(clusters))


def subsets(n, m):
    """All subsets of m of n, or many random ones, shape (S, m)."""
    if math.comb(n, m) <= MOST:
        return numpy.array(list(itertools.combinations(range(n), m)))
    rng = numpy.random.default_rng(0)
    return rng.random((MOST, n)).argpartition(m, axis=1)[:, :m]


def values_of(runs, criterion, index):
    """A criterion of subsets of runs, more being better, shape (S, m)."""
    if criterion == 'consensus':  # among those of the subset
        agreement = numpy.array([run['agreement_with'] for run in runs])
        return agreement[index[:, :, None], index[:, None, :]].sum(axis=2)
    sign = 1 if CRITERIA[criterion][1] else -1
    return sign * numpy.array([run[criterion] for run in runs])[index]


def correlation(runs, criterion, accuracy):
    """Spearman's, of a criterion that is better and a higher accuracy."""
    values = values_of(runs, criterion, numpy.arange(len(runs))[None])[0]
    if min(numpy.ptp(values), numpy.ptp(accuracy)) == 0:
        return math.nan
    return float(spearmanr(values, accuracy).statistic)


def picks(values, accuracy):
    """The accuracy of the best by value, shape (S,)."""
    best = values.argmax(axis=1)[:, None]
    return numpy.take_along_axis(accuracy, best, axis=1)[:, 0]


def halve(judged, criterion, index):
    """Of subsets of runs, shape (S, m), the one that is left of each if the
    better half goes on, as the first evaluation after each cut sees it."""
    epochs = [evaluation['epoch'] for evaluation in judged[0]]
    plan = rounds(index.shape[1], epochs[-1])
    for (_, _, end), (count, _, _) in itertools.pairwise(plan):
        at = numpy.searchsorted(epochs, end)
        values = values_of([run[at] for run in judged], criterion, index)
        order = (-values).argsort(axis=1, kind='stable')[:, :count]
        index = numpy.take_along_axis(index, order, axis=1)
    return index[:, 0]


def found_in(out):
    """What :func:`judge` said of each data set.

    Raises:
        InputError: If there is none.
    """
    found = {path.parent.name: load_json(path)
             for path in sorted(out.glob('*/criteria.json'))}
    if not found:
        raise imsat.InputError(f'{out} has no runs; name data sets to run')
    return found


def save_record(path, found):
    """Writes what the runs of each data set came to, a run a line."""
    parts = (f'"{name}": [\n' + ',\n'.join(
        json.dumps(strict({key: value for key, value in run.items()
                           if key != 'agreement_with'})) for run in runs)
        + ']' for name, runs in sorted(found.items()))
    with atomic_write(path, 'w', encoding='utf-8') as f:
        f.write('{' + ',\n'.join(parts) + '}\n')


def sections(out):
    """Markdown of all that is known of each data set."""
    parts = {}
    for name, judged in found_in(out).items():
        runs = [evaluations[-1] for evaluations in judged]
        accuracy = numpy.array([run['accuracy'] for run in runs])
        epochs = [evaluation['epoch'] for evaluation in judged[0]]
        early = [numpy.searchsorted(epochs, share * epochs[-1])
                 for share in (FIRST_CUT, LAST_CUT)]
        minutes = numpy.mean([run['seconds'] for run in runs]) / 60
        parts[name] = '\n\n'.join([
            f'{len(runs)} runs of {epochs[-1]} epochs, {minutes:.1f} minutes '
            f'each; ACC {100 * accuracy.mean():.1f} '
            f'({100 * accuracy.min():.1f} to {100 * accuracy.max():.1f}).',
            markdown.table(
                ['', 'rho', *(f'rho at epoch {epochs[at]}' for at in early),
                 *(f'of {m}' for m in SIZES), f'of {HALVED} by halves'],
                rows_of(judged, runs, accuracy, early, out / name),
                numbers=4 + len(SIZES))])
    return parts


def rows_of(judged, runs, accuracy, early, folder):
    """A row for each criterion, and what to compare them with."""
    sizes = [m for m in SIZES if m <= len(runs)]
    indices = [subsets(len(runs), m) for m in sizes]

    def of_sizes(values_of_subsets):
        # By subset; nothing where there are too few runs.
        return [shown(picks(values_of_subsets(index), accuracy[index]))
                for index in indices] + [''] * (len(SIZES) - len(sizes))
    for criterion, (title, _) in CRITERIA.items():
        is_early = criterion in judged[0][0]  # and not only at the end
        yield [title, number(correlation(runs, criterion, accuracy)), *(
            number(correlation([run[at] for run in judged], criterion,
                               accuracy)) if is_early else ''
            for at in early),
            *of_sizes(lambda index: values_of(runs, criterion, index)),
            shown(accuracy[halve(judged, criterion,
                                 subsets(len(runs), HALVED))])
            if is_early and len(runs) >= HALVED else '']
    if (folder / 'joined.json').exists():
        yield ['all of them joined', '', '', '', *(
            shown(numpy.array(accuracies)) for accuracies in
            load_json(folder / 'joined.json').values()),
            *[''] * (len(SIZES) - len(sizes)), '']
    yield ['the best possible', '', '', '',
           *of_sizes(lambda index: accuracy[index]), '']
    yield ['any', '', '', '', *[shown(accuracy)] * (len(SIZES) + 1)]


def number(value):
    return 'none' if math.isnan(value) else f'{value:+.2f}'


def shown(accuracies):
    return f'{100 * accuracies.mean():.1f} ({100 * accuracies.min():.1f})'


if __name__ == '__main__':
    sys.exit(main(run, get_options, resume='the same command goes on'))
