"""Clusters a data set by IMSAT (VAT), or another method of the paper, and
writes down all about it.

    python experiments/clustering.py                    the digits of sklearn
    python experiments/clustering.py --dataset mnist    Table 3
    python experiments/clustering.py --method dec       another row of it

Data of your own:

    a table              --dataset points.csv --clusters 7
    images               --dataset FOLDER --clusters 7
    texts, one a line    --dataset posts.txt --clusters 7
    numbers, embeddings  --dataset points.npy --clusters 7
    how many clusters?   --dataset points.csv --clusters 5..15
"""
import functools
import math
import sys
from pathlib import Path

import numpy
from scipy.stats import entropy

import imsat
from common import answers
from common.folders import describe, run_folder
from common.labels import digest_of_labels, labels_to_score
from common.numbers import Numbers, check_numbers, run_numbers
from common.options import (
    get_parser, make_model, parse, range_of, settle, table_options)
from common.report import (
    Points, about_sample, named, sample_of, write_report)
from common.results import (
    in_seconds, save_log, save_model, training_results)
from common.scripts import main
from common.words import about_information, from_to, information_of_run
from imsat import pictures
from imsat.datasets import load_dataset
from imsat.estimators.cluster_numbers import check_comparable, criteria_of
from imsat.labels import are_measurements, classes_of
from imsat.losses.objectives import check_prior
from imsat.metrics import clustering_scores
from imsat.on_disk import OnDisk
from imsat.parameters import Place
from imsat.storage import load_npy, save_json, save_npz
from paper.systems import get_system

# What a newcomer sees in half a minute; see the README.
DIGITS_RESTARTS = 2
UNDECIDED = {'clusters': 'the number of classes, where there are labels'}
# Results that not every method has, null in result.json without.
OPTIONAL = ('conditional_entropy', 'marginal_entropy', 'kl_to_prior',
            'steps_per_second', 'step')


def get_options(argv=None):
    kinds = {'prior': Place(), 'clusters': Numbers()}
    parser = get_parser('clustering', __doc__, UNDECIDED, kinds, {
        'restarts': f'imsat-vat of the digits: {DIGITS_RESTARTS}'})
    parser.add_argument_group('options of clustering').add_argument(
        '--no-kmeans', dest='kmeans', action='store_false',
        help='do not run K-means on the same data to compare with, which '
             'takes minutes for many points and clusters; of points that '
             'stay on disk it does not run')
    args = parse(parser, argv, kinds, DIGITS_RESTARTS, UNDECIDED)
    if range_of(args.clusters):
        check_numbers(args)
    return args


def read_prior(path):
    try:
        if path.endswith('.npy'):
            return check_prior(load_npy(path))
        text = Path(path).read_text(encoding='utf-8').replace(',', ' ')
        return check_prior(numpy.array(text.split(), dtype=float))
    except ValueError as e:
        raise imsat.InputError(f'the prior {path} can not be used: {e}') from e


def cluster_by_kmeans(data, n_clusters, seed, scale='none'):
    """Scores of K-means: 12 initialisations, the best objective (4.2.3)."""
    kmeans = get_system('clustering', 'kmeans').make(
        n_clusters=n_clusters, random_state=seed, scale=scale)
    return clustering_scores(data.y, kmeans.fit_predict(data.x))


def count_classes(y, source):
    """How many classes there are, unless it is one, or the labels look like
    measurements."""
    if y is None:
        raise imsat.InputError(f'{source} has no labels to count; say how '
                               f'many clusters with --clusters K')
    classes, _ = classes_of(y)
    if len(classes) == 1:
        raise imsat.InputError(
            f'all labels of {source} are {classes[0]!r}, one class; say how '
            f'many clusters with --clusters K')
    if are_measurements(y):
        raise imsat.InputError(
            f'the labels of {source} look like measurements and not classes '
            f'({len(classes)} different ones of {len(y)} points, '
            f'{classes[-1]} among them); say how many clusters with '
            f'--clusters K')
    return len(classes)


def run(args):
    data = load_dataset(args.dataset, args.data_dir,
                        verbose=not args.quiet, **table_options(args))
    if data.y is not None and data.y.ndim == 2:
        raise imsat.InputError(
            f'points of {args.dataset} have several labels each, and clusters '
            f'are scored by one; leave y out, or take hashing.py')
    if range_of(args.clusters):
        run_numbers(args, data, functools.partial(check_number, data=data),
                    functools.partial(run_one, data=data, compares=True))
        return
    if args.clusters is None:
        args.clusters = count_classes(data.y, args.dataset)
    run_one(args, data)


def check_number(args, data):
    """InputError if a run can't be one of several numbers of clusters."""
    check_comparable(checked_model(args, data), data.x)


def checked_model(args, data):
    """The model of a run; InputError if it can't take the data."""
    prior = None if args.prior is None else read_prior(args.prior)

    # Affine distortion is made for one channel.
    shape = data.image_shape if len(data.image_shape or ()) == 2 else None
    model = make_model(args, prior=prior, image_shape=shape)
    model.check(data.x, data.y)
    return model


def run_one(args, data, compares=False):
    """A run; ``compares`` adds what speaks for its number of clusters."""
    model = checked_model(args, data)
    data.y = labels_to_score(data.y, args.dataset)
    settle(args, model, data.x)
    prior = getattr(model, 'prior', None)
    given = {} if prior is None else {'prior': prior.tolist()}
    with run_folder(args, describe(data, **given)) as out:
        model.fit(data.x, data.y)
        if out is not None:
            save_results(out, args, data, model, {} if not compares else {
                'criteria': {name: value.tolist() for name, value in
                             criteria_of(model, data.x, True).items()}})


def save_results(out, args, data, model, more):
    clusters, kmeans = model.labels_, None
    # That of the options, or one that was estimated.
    prior = getattr(model, 'prior_', None)
    if args.kmeans and data.y is not None and args.method != 'kmeans' \
            and not isinstance(data.x, OnDisk):
        kmeans = cluster_by_kmeans(data, args.clusters, args.seed,
                                   args.scale)
    result = dict.fromkeys(OPTIONAL)
    result.update(
        method=args.method, dataset=data.name, notes=data.notes,
        n=data.x.shape[0], labels_sha256=digest_of_labels(data.y),
        clusters=args.clusters, select=args.select,
        **clustering_scores(data.y, clusters), kmeans=kmeans,
        sizes=numpy.bincount(clusters, minlength=args.clusters).tolist(),
        **information_of_run(
            model.restarts_[model.best_restart_].log,
            math.log(args.clusters) if prior is None
            else float(entropy(prior))),
        **training_results(args, model, lambda logits: clustering_scores(
            data.y, logits.argmax(axis=1))), **more)

    save_model(out, args, data, data.x, model)
    seen, rows = sample_of(data, args.seed)
    p = save_answers(out, data, clusters, model)
    if p is not None:
        p = p[rows]
    elif hasattr(model, 'predict_proba'):
        p = model.predict_proba(seen.x)
    names = [*save_log(out, model, math.log(args.clusters), prior),
             'cluster_sizes.png']
    pictures.cluster_sizes(out / names[-1], clusters, args.clusters,
                           prior)
    if data.y is not None:
        names.append('contingency.png')
        pictures.contingency(out / names[-1], data.y, clusters, args.clusters)
    else:
        names.append('embedding.png')
        pictures.embedding(out / names[-1], seen.x, clusters[rows], p,
                           args.seed)
    if seen.images is not None:
        names.append('cluster_samples.png')
        pictures.cluster_samples(out / names[-1], *seen.images,
                                 clusters[rows], args.clusters, args.seed)
    save_json(out / 'result.json', result)
    shares = numpy.divide(result['sizes'], result['n'])
    sentences = [
        *about_information(
            result, f'that {args.clusters} clusters can tell'
            if prior is None else 'of clusters of the sizes of the prior',
            'points are {}sure of their cluster',
            f'a cluster has {from_to(shares)} of the points'),
        f'{numpy.count_nonzero(result["sizes"])} of {args.clusters} clusters '
        f'are used.', *about_starts(result),
        *more_than_classes(result, data.y)]
    if not args.quiet:
        print_summary(out, data, result, names, sentences)
    save_report(out, args, seen, clusters[rows], p, result, names,
                [*sentences, *about_sample(seen, data.x.shape[0])])


def save_answers(out, data, clusters, model):
    """Writes the cluster of each point, and p(y|x), or of many points the
    best of it; returns that if it is of all clusters."""
    n, p, best = len(clusters), None, {}
    if hasattr(model, 'predict_proba'):
        if n * model.n_clusters <= answers.MOST:
            p = model.predict_proba(data.x)
            best = {'probability': p.astype(numpy.float32)}
        else:
            best = answers.best_of_logits(
                model.restarts_[model.best_restart_].logits)

    def columns_of(part):
        columns = answers.of_clusters(
            clusters[part], None if p is None else p[part])
        if p is None and best:
            columns['probability'] = best['top_probability'][part, 0]
        return {**answers.places(range(n)[part],
                                 data.index and data.index[part]), **columns}
    save_npz(out / 'assignments.npz', {'cluster': clusters, **best})
    answers.save_csv(out / 'assignments.csv', n, columns_of)
    return p


def save_report(out, args, data, clusters, p, result, names, sentences):
    scores = None
    if result['accuracy'] is not None:
        scores = ['', 'ACC', 'NMI', 'ARI'], [
            [name, f'{s["accuracy"]:.1%}', f'{s["nmi"]:.3f}',
             f'{s["ari"]:.3f}'] for name, s in compared(result)]

    def uncertain(i):
        first, second = numpy.argsort(-p[i], kind='stable')[:2]
        return f'cluster {first}; {second} has {p[i, second]:.3f}'
    title = get_system('clustering', args.method).title
    write_report(
        out / 'report.html',
        f'{data.name}: {result["n"]} points in {args.clusters} clusters by '
        f'{title}', args, result, sentences=sentences, scores=scores,
        pictures=names, points=Points(data, named(data)), kind='Clusters',
        groups=[(f'Cluster {k}', numpy.flatnonzero(clusters == k))
                for k in range(args.clusters)],
        certainty=None if p is None or p.shape[1] < 2 else p.max(axis=1),
        uncertain=uncertain)


def about_starts(result):
    """What to say where others' clusters were begun with, too."""
    last = result['restarts'][-1]
    if last.get('start') is None:
        return []
    said = f'The clusters of {last["start"]} ' + (
        'fit the nearest neighbours better than those from random weights'
        if last['why'] == 'neighbors' else
        'lie apart, and from random weights points were not sure of theirs'
    ) + ', so that all was trained once more from there'
    tried = {restart['mu']: None for restart in result['restarts']
             if restart['start'] == last['start']}
    if len(tried) > 1:
        said += ', with mu = {:g}, which lost clusters, and {:g}'.format(
            *tried)
        return [said + (
            '; what came out was no better.' if result['start'] == 'random'
            else f'; that with {result["mu"]:g} is kept.')]
    if result['start'] == 'random':
        return [f'{said}; what came out was no better.']
    if result['chosen']['prior'] is None:
        return [f'{said}, with mu = {result["mu"]:g}.']
    return [f'{said}, with {in_percent(result["chosen"]["prior"])} as prior.']


def in_percent(sizes):
    return ', '.join(f'{100 * size:.3g}' for size in sizes) + ' %'


def more_than_classes(result, y):
    """What to say where a class may have several clusters."""
    classes = 0 if y is None else len(classes_of(y)[0])
    if not 0 < classes < result['clusters']:
        return []
    return [f'With more clusters than the {classes} classes, ACC counts what '
            f'is left over as wrong; {result["purity"]:.1%} of the points are '
            f'in a cluster of which most have their label (purity).']


def compared(result):
    """Names and scores to be shown."""
    title = get_system('clustering', result['method']).title
    return [(name, scores) for name, scores in (
        (title, result), ('K-means', result['kmeans'])) if scores is not None]


def print_summary(out, data, result, names, sentences):
    print(f'\n{data.name}: {result["n"]} points in {result["clusters"]} '
          f'clusters, {in_seconds(result)}')
    if result['accuracy'] is not None:
        print(f'{"":20}{"ACC":>7}{"NMI":>7}{"ARI":>7}')
        for name, scores in compared(result):
            print(f'{name:20}{scores["accuracy"]:7.1%}'
                  f'{scores["nmi"]:7.3f}{scores["ari"]:7.3f}')
    if len(result['restarts']) > 1:
        select = result['chosen'].get('select', result['select'])
        # What joins all has none of its own.
        key = 'majority' if select == 'consensus' else select
        rule = {'told': 'what they tell of neighbours',
                'surety': 'how sure points are'}.get(select, select)
        print(f'restarts by {rule}: ' + ', '.join(
            (f'{r[key]:.4f}' if key in r else 'all')
            + (f' (ACC {r["accuracy"]:.1%})' if r['accuracy'] is not None
               else '') + (' kept' if r['kept'] else '')
            for r in result['restarts']))
    print(*sentences, sep='\n')
    print('cluster sizes ' + ' '.join(map(str, result['sizes'])))
    print(f'results and pictures in {out}/: '
          + ', '.join(['report.html', *names]))


if __name__ == '__main__':
    sys.exit(main(run, get_options))
