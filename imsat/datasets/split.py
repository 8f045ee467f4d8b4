"""Queries and gallery of a hashing experiment."""
import numpy
from numpy.typing import ArrayLike

from imsat.errors import ArgumentError, InputError
from imsat.labels import number_labels
from imsat.parameters import SEED, check_argument, is_whole, shown


def split_queries(y: ArrayLike, per_class: int = 100, seed: int = 0
                  ) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Queries and gallery, as the authors' code draws them (section 4.3).

    The queries are the first ``per_class`` points of each class in a random
    order; of a class with fewer than twice as many points, half of it.

    Args:
        y (array): Labels, shape (N,).
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
