"""How well clusters agree with labels."""
import numpy
from numpy.typing import ArrayLike

from imsat.errors import InputError
from imsat.labels import number_labels


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
    from sklearn.metrics.cluster import contingency_matrix

    labels, = number_labels(labels)
    clusters, = number_labels(clusters, names=('clusters',))
    if len(labels) != len(clusters) or not len(labels):
        raise InputError(f'{len(labels)} labels for {len(clusters)} points; '
                         f'give one label for each point')
    contingency = contingency_matrix(labels, clusters)
    rows, columns = linear_sum_assignment(contingency, maximize=True)
    return contingency, rows, columns


def clustering_accuracy(labels: ArrayLike, clusters: ArrayLike) -> float:
    """ACC, Eq. 16: the share of points under the best mapping.

    Where clusters outnumber classes, or the reverse, those left over count
    as wrong.  Arguments and errors as in :func:`match_clusters`.

    Example:
        >>> imsat.clustering_accuracy(['a', 'a', 'b', 'b'], [1, 1, 1, 0])
        0.75
    """
    contingency, rows, columns = match_clusters(labels, clusters)
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
    contingency, _, _ = match_clusters(labels, clusters)
    return float(contingency.max(axis=0).sum() / contingency.sum())


def clustering_scores(labels: ArrayLike | None,
                      clusters: ArrayLike) -> dict[str, float | None]:
    """ACC, NMI (arithmetic mean), ARI and purity; None each without labels.

    Example:
        >>> imsat.metrics.clustering_scores([0, 0, 1, 1], [1, 1, 0, 0])
        {'accuracy': 1.0, 'nmi': 1.0, 'ari': 1.0, 'purity': 1.0}
    """
    from sklearn.metrics import (
        adjusted_rand_score, normalized_mutual_info_score)

    if labels is None:
        return dict(accuracy=None, nmi=None, ari=None, purity=None)
    labels, = number_labels(labels)
    clusters, = number_labels(clusters, names=('clusters',))
    return dict(
        accuracy=clustering_accuracy(labels, clusters),
        nmi=float(normalized_mutual_info_score(labels, clusters)),
        ari=float(adjusted_rand_score(labels, clusters)),
        purity=purity(labels, clusters))


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
    from sklearn.metrics import mutual_info_score

    clusters, = number_labels(clusters, names=('clusters',))
    try:
        indices = numpy.asarray(indices)
    except ValueError:  # lists of several lengths
        indices = numpy.empty(0)
    n = len(clusters)
    if indices.ndim != 2 or len(indices) != n or not indices.size \
            or indices.dtype.kind not in 'iu' \
            or indices.min() < 0 or indices.max() >= n:
        raise InputError(f'indices has shape {indices.shape} and dtype '
                         f'{indices.dtype} for {n} points; give a row for '
                         f'each, of numbers from 0 to {n - 1}')
    return float(mutual_info_score(numpy.repeat(clusters, indices.shape[1]),
                                   clusters[indices].ravel()))
