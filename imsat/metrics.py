"""How well clusters agree with labels."""
import math

import numpy
import scipy.sparse
from numpy.typing import ArrayLike

from imsat.devices import to_numpy
from imsat.errors import InputError
from imsat.labels import PART, classes_of


def match_clusters(
        labels: ArrayLike, clusters: ArrayLike
) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """The one-to-one mapping m of Eq. 16, by the Hungarian algorithm.

    Args:
        labels, clusters (array): Shape (N,), as
            :func:`imsat.labels.number_labels` takes them.

    Returns:
        tuple: ``contingency``, shape (classes, clusters), counts; ``rows``
        and ``columns``, the matched cells, as many as the smaller side has.

    Raises:
        InputError: If the two are empty or differ in length, or a label is
            missing.

    Example:
        Cluster 1 goes with label 0 and cluster 0 with label 1.

        >>> contingency, rows, columns = imsat.metrics.match_clusters(
        ...     [0, 0, 1, 1], [1, 1, 1, 0])
        >>> contingency
        array([[0, 2],
               [1, 1]])
        >>> columns
        array([1, 0])
    """
    from scipy.optimize import linear_sum_assignment

    contingency = _contingency(labels, clusters)
    rows, columns = linear_sum_assignment(contingency, maximize=True)
    return contingency, rows, columns


def _contingency(labels, clusters):
    """How many points of each label each cluster has."""
    classes, labels = classes_of(labels)
    groups, clusters = classes_of(clusters, 'clusters')
    if len(labels) != len(clusters) or not len(labels):
        raise InputError(f'{len(labels)} labels for {len(clusters)} points; '
                         f'give one label for each point')
    return _count(len(classes), len(groups), (
        (labels[start:start + PART], clusters[start:start + PART])
        for start in range(0, len(labels), PART)))


def _count(n_rows, n_columns, parts):
    """The table of pairs of numbers, each part of which is two arrays."""
    table = numpy.zeros((n_rows, n_columns), numpy.int64)
    for rows, columns in parts:
        cells = rows.astype(numpy.int64) * n_columns + columns
        numpy.add.at(table.reshape(-1), cells.ravel(), 1)
    return table


def clustering_accuracy(labels: ArrayLike, clusters: ArrayLike) -> float:
    """ACC, Eq. 16: the share of points under the best mapping.

    Where clusters outnumber classes, or the reverse, those left over count
    as wrong.  Arguments and errors as in :func:`match_clusters`.

    Example:
        >>> imsat.clustering_accuracy(['a', 'a', 'b', 'b'], [1, 1, 1, 0])
        0.75
    """
    return _accuracy(*match_clusters(labels, clusters))


def _accuracy(contingency, rows, columns):
    return float(contingency[rows, columns].sum() / contingency.sum())


def purity(labels: ArrayLike, clusters: ArrayLike) -> float:
    """The share of points whose label is the most frequent of their cluster.

    A class may have several clusters here, so that it says more than ACC
    where clusters outnumber classes; it rises with their number by itself.
    Arguments and errors as in :func:`match_clusters`.

    Example:
        >>> imsat.metrics.purity(['a', 'a', 'b', 'b'], [0, 1, 2, 2])
        1.0
    """
    return _purity(_contingency(labels, clusters))


def _purity(contingency):
    return float(contingency.max(axis=0).sum() / contingency.sum())


def adjusted_rand(labels: ArrayLike, clusters: ArrayLike) -> float:
    """ARI: how much more often than by chance two points share both or none.

    1 at most, about 0 for clusters by chance; of two clusterings it doesn't
    matter which is called labels.  Arguments and errors as in
    :func:`match_clusters`.

    Example:
        >>> round(imsat.metrics.adjusted_rand([0, 0, 1, 2], [0, 0, 1, 1]), 3)
        0.571
    """
    return _ari(_contingency(labels, clusters))


def _ari(contingency):
    # Pairs of points that share both, the label, the cluster, and all.
    both, label, cluster, every = (
        int((counts * (counts - 1)).sum()) for counts in (
            contingency, contingency.sum(axis=1), contingency.sum(axis=0),
            contingency.sum()))
    one, other = label - both, cluster - both
    if one == other == 0:
        return 1.
    neither = every - both - one - other
    return 2. * (both * neither - one * other) / (
        label * (one + neither) + cluster * (other + neither))


def clustering_scores(labels: ArrayLike | None,
                      clusters: ArrayLike) -> dict[str, float | None]:
    """ACC, NMI (arithmetic mean), ARI and purity; None each without labels.

    Example:
        >>> imsat.metrics.clustering_scores([0, 0, 1, 1], [1, 1, 0, 0])
        {'accuracy': 1.0, 'nmi': 1.0, 'ari': 1.0, 'purity': 1.0}
    """
    if labels is None:
        return dict(accuracy=None, nmi=None, ari=None, purity=None)
    matched = match_clusters(labels, clusters)
    contingency = matched[0]
    return dict(accuracy=_accuracy(*matched), nmi=_nmi(contingency),
                ari=_ari(contingency), purity=_purity(contingency))


def _nmi(contingency):
    """As scikit-learn's, bit for bit, without the labels of all points."""
    if contingency.size == 1:
        return 1.
    information = _information(contingency)
    if information == 0:
        return 0.
    return float(information / numpy.mean([
        _entropy(contingency.sum(axis=axis)) for axis in (1, 0)]))


def _information(contingency):
    from sklearn.metrics import mutual_info_score

    # Sparse as scikit-learn's own is, and so added up in the same order.
    return mutual_info_score(
        None, None, contingency=scipy.sparse.csr_matrix(contingency))


def _entropy(counts):
    n = counts.sum()
    return -((counts / n) * (numpy.log(counts) - math.log(n))).sum()


def neighbor_information(clusters: ArrayLike, indices: ArrayLike) -> float:
    """What a point's cluster tells about those of its neighbours, in nats.

    The mutual information of both, which needs no labels.  A cut through a
    crowd makes it less, and so do clusters that hold nearly all points: one
    for all has none.

    Args:
        clusters (array): Shape (N,), as :func:`match_clusters` takes them.
        indices (array): Of the neighbours, shape (N, k), as
            :func:`imsat.neighbors` gives them.

    Raises:
        InputError: For indices that are no such array.

    Example:
        Two pairs, each a cluster: log 2.

        >>> _, indices = imsat.neighbors([[0.], [1.], [8.], [9.]], k=1)
        >>> round(imsat.metrics.neighbor_information([0, 0, 1, 1], indices), 3)
        0.693
    """
    return _information(_neighboring(clusters, indices))


def neighbor_agreement(clusters: ArrayLike, indices: ArrayLike) -> float:
    """How well clusters fit the nearest neighbours, in nats.

    I^2 / H(Y): I, the :func:`neighbor_information`, times the share of H(Y),
    of what there is to tell, that I is.  Many clusters of like sizes have
    much information even where they are cut through crowds, and few large
    ones a large share.  On seven data sets it ranked runs by accuracy better
    than the objective did: docs/selection.md.

    Args:
        clusters, indices (array): As of :func:`neighbor_information`.

    Returns:
        float: From 0, for a single cluster too, to log K.

    Raises:
        InputError: As :func:`neighbor_information`.

    Example:
        Two pairs, each a cluster: log 2.  Another cut tells less.

        >>> _, indices = imsat.neighbors([[0.], [1.], [8.], [9.]], k=1)
        >>> agreement = imsat.metrics.neighbor_agreement
        >>> round(agreement([0, 0, 1, 1], indices), 3)
        0.693
        >>> round(agreement([0, 1, 1, 1], indices), 3)
        0.013
    """
    table = _neighboring(clusters, indices)
    sizes = table.sum(axis=1) / table.sum()
    entropy = float(-(sizes * numpy.log(sizes)).sum())
    return _information(table) ** 2 / entropy if entropy else 0.


def _neighboring(clusters, indices):
    """How often points of each cluster have neighbours in each that has any.
    """
    groups, clusters = classes_of(clusters, 'clusters')
    indices = to_numpy(indices)
    n = len(clusters)
    if indices.ndim != 2 or len(indices) != n or not indices.size \
            or indices.dtype.kind not in 'iu' \
            or indices.min() < 0 or indices.max() >= n:
        raise InputError(f'indices has shape {indices.shape} and dtype '
                         f'{indices.dtype} for {n} points; give a row for '
                         f'each, of numbers from 0 to {n - 1}')
    step = max(1, PART // indices.shape[1])
    table = _count(len(groups), len(groups), (
        (clusters[start:start + step, None],
         clusters[indices[start:start + step]])
        for start in range(0, n, step)))
    return table[:, table.any(axis=0)]
