"""Clusters a data set by IMSAT (VAT), or another method of the paper, and
writes down all about it.

    python experiments/clustering.py                    the digits of sklearn
    python experiments/clustering.py --dataset mnist    Table 3
    python experiments/clustering.py --method dec       another row of it
    python experiments/clustering.py --dataset points.npz --clusters 7
"""
import math
import sys
from pathlib import Path

import numpy

import imsat
from common.folders import describe, run_folder
from common.options import (
    get_parser, make_model, parse, settle, table_options)
from common.results import in_seconds, save_log, training_results
from common.scripts import main
from imsat import pictures
from imsat.datasets import load_dataset
from imsat.losses.objectives import check_prior
from imsat.metrics import clustering_scores
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
    parser = get_parser('clustering', __doc__, UNDECIDED)
    parser.add_argument(
        '--no-kmeans', dest='kmeans', action='store_false',
        help='do not run K-means on the same data to compare with, which '
             'takes minutes for many points and clusters')
    return parse(parser, argv, {'prior': Place()}, DIGITS_RESTARTS, UNDECIDED)


def read_prior(path):
    try:
        if path.endswith('.npy'):
            return check_prior(load_npy(path))
        text = Path(path).read_text(encoding='utf-8').replace(',', ' ')
        return check_prior(numpy.array(text.split(), dtype=float))
    except ValueError as e:
        raise imsat.InputError(f'the prior {path} can not be used: {e}') from e


def cluster_by_kmeans(data, n_clusters, seed):
    """Scores of K-means: 12 initialisations, the best objective (4.2.3)."""
    kmeans = get_system('clustering', 'kmeans').make(
        n_clusters=n_clusters, random_state=seed)
    return clustering_scores(data.y, kmeans.fit_predict(data.x))


def count_classes(y, source):
    """How many classes there are, unless the labels look like measurements.
    """
    if y is None:
        raise imsat.InputError(f'{source} has no labels to count; say how '
                               f'many clusters with --clusters K')
    classes = numpy.unique(y)
    most = max(2, min(len(y) / 2, max(100, len(y) / 10)))
    if len(classes) > most or any(map(is_fraction, classes.tolist())):
        raise imsat.InputError(
            f'the labels of {source} look like measurements and not classes '
            f'({len(classes)} different ones of {len(y)} points, '
            f'{classes[-1]} among them); say how many clusters with '
            f'--clusters K')
    return len(classes)


def is_fraction(label):
    """Whether a label is a number, or the text of one, but no whole one."""
    try:
        number = float(str(label).replace(',', '.'))
        return math.isfinite(number) and not number.is_integer()
    except ValueError:
        return False


def run(args):
    data = load_dataset(args.dataset, args.data_dir,
                        verbose=not args.quiet, **table_options(args))
    if args.clusters is None:
        args.clusters = count_classes(data.y, args.dataset)
    prior = None if args.prior is None else read_prior(args.prior)

    model = make_model(args, prior=prior, image_shape=data.image_shape)
    model.check(data.x, data.y)
    settle(args, model, len(data.x))
    given = {} if prior is None else {'prior': prior.tolist()}
    with run_folder(args, describe(data, **given)) as out:
        model.fit(data.x, data.y)
        save_results(out, args, data, model)


def save_results(out, args, data, model):
    clusters = model.labels_
    kmeans = None
    if args.kmeans and data.y is not None and args.method != 'kmeans':
        kmeans = cluster_by_kmeans(data, args.clusters, args.seed)
    result = dict.fromkeys(OPTIONAL)
    result.update(
        method=args.method, dataset=data.name, notes=data.notes,
        n=len(data.x), clusters=args.clusters,
        **clustering_scores(data.y, clusters), kmeans=kmeans,
        sizes=numpy.bincount(clusters, minlength=args.clusters).tolist(),
        **training_results(args, model, lambda logits: clustering_scores(
            data.y, logits.argmax(axis=1))))

    model.save(out / 'model.npz')
    assignments = {'cluster': clusters}
    if hasattr(model, 'predict_proba'):
        assignments['probability'] = \
            model.predict_proba(data.x).astype(numpy.float32)
    save_npz(out / 'assignments.npz', assignments)
    names = ['cluster_sizes.png']
    pictures.cluster_sizes(out / names[0], clusters, args.clusters,
                           getattr(model, 'prior', None))
    names = save_log(out, model) + names
    if data.y is not None:
        names.append('contingency.png')
        pictures.contingency(out / names[-1], data.y, clusters)
    if data.image_shape is not None:
        names.append('cluster_samples.png')
        pictures.cluster_samples(out / names[-1], data.x, data.image_shape,
                                 clusters, args.clusters, args.seed)
    save_json(out / 'result.json', result)
    if not args.quiet:
        print_summary(out, data, result, names)


def print_summary(out, data, result, names):
    print(f'\n{data.name}: {result["n"]} points in {result["clusters"]} '
          f'clusters, {in_seconds(result)}')
    if result['accuracy'] is not None:
        print(f'{"":20}{"ACC":>7}{"NMI":>7}{"ARI":>7}')
        title = get_system('clustering', result['method']).title
        for name, scores in (title, result), ('K-means', result['kmeans']):
            if scores is not None:
                print(f'{name:20}{scores["accuracy"]:7.1%}'
                      f'{scores["nmi"]:7.3f}{scores["ari"]:7.3f}')
    if len(result['restarts']) > 1:
        print('restarts by objective: ' + ', '.join(
            f'{r["objective"]:.4f}'
            + (f' (ACC {r["accuracy"]:.1%})' if r['accuracy'] is not None
               else '') + (' kept' if r['kept'] else '')
            for r in result['restarts']))
    if result['conditional_entropy'] is not None:
        print(f'H(Y|X) {result["conditional_entropy"]:.3f}, '
              f'H(Y) {result["marginal_entropy"]:.3f} nats')
    print('cluster sizes ' + ' '.join(map(str, result['sizes'])))
    print(f'results and pictures in {out}/: ' + ', '.join(names))


if __name__ == '__main__':
    sys.exit(main(run, get_options))
