"""Queries and gallery of a hashing experiment."""
from typing import Any

import numpy

from imsat.datasets.points import check_labels
from imsat.errors import ArgumentError, InputError
from imsat.labels import number_labels
from imsat.parameters import SEED, check_argument, is_whole, shown


def split_queries(y: Any, per_class: int = 100, seed: int = 0
                  ) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Queries and gallery, as the authors' code draws them (section 4.3).

    The queries are the first ``per_class`` points of each class in a random
    order; of a class with fewer than twice as many points, half of it.

    Where points have several labels, the queries are the first ``per_class``
    times L of those with labels, at most half, without those that share none
    with the gallery.

    Args:
        y (array): Labels, shape (N,), or rows of 0 and 1, shape (N, L).
        per_class (int): Queries of each class.
        seed (int): Of the order.

    Returns:
        tuple: Indices of the queries and of the gallery, both in that order.

    Raises:
        InputError: If a class has a single point, or nothing is asked for,
            or labels are missing or of several kinds.

    Example:
        >>> from imsat.datasets import split_queries
        >>> query, gallery = split_queries([0, 0, 0, 1, 1], per_class=1)
        >>> query, gallery
        (array([2, 3]), array([0, 1, 4]))
    """
    if not is_whole(per_class) or per_class < 1:
        raise ArgumentError('per_class', f'is {shown(per_class)}; ask for at '
                            'least 1 query of each class',
                            '--queries-per-class')
    check_argument('seed', seed, SEED, '--seed')
    if getattr(y, 'ndim', 1) == 2 and y.shape[1] > 1:
        return _split_several(check_labels(y, y.shape[0], 'all points'),
                              per_class, seed)
    labels = y
    y, = number_labels(labels)
    classes = zip(*numpy.unique(y, return_counts=True))
    order = numpy.random.RandomState(seed).permutation(len(y))
    is_query = numpy.zeros(len(y), bool)
    for label, count in classes:
        if count < 2:
            name = numpy.ravel(labels)[y == label][0]
            raise InputError(f'class {name} has a single point, which can '
                             f'not be both query and gallery; remove it')
        members = order[y[order] == label]
        is_query[members[:min(per_class, count // 2)]] = True
    return order[is_query[order]], order[~is_query[order]]


def _split_several(y, per_class, seed):
    """:func:`split_queries` of rows of 0 and 1."""
    order = numpy.random.RandomState(seed).permutation(len(y))
    labelled = order[y[order].any(axis=1)]
    query = labelled[:min(per_class * y.shape[1], len(labelled) // 2)]
    in_gallery = y.sum(axis=0) - y[query].sum(axis=0) > 0
    query = query[(y[query] * in_gallery).any(axis=1)]
    if not len(query):
        raise InputError('no two points share a label, so that there is '
                         'nothing to search for; give other labels, or none')
    return query, order[~numpy.isin(order, query)]
