"""How well items of a query's class come first by Hamming distance.

``calc_*`` counts, ``eval_*`` scores the counts.  All scores but one need only
the number of items at each distance, in all and relevant: those at one
distance are tied, and the conventions differ in what they make of ties.
"""
from typing import Any

import numpy
from scipy.special import digamma

from imsat.devices import to_numpy
from imsat.errors import InputError
from imsat.hints import Array
from imsat.labels import number_labels
from imsat.parameters import Whole, check_argument
from imsat.ranks import current
from imsat.retrieval.codes import (
    are_on_gpu, as_array, check_codes, check_head_codes, distance_blocks,
    distance_histograms, to_words)
from imsat.retrieval.index import HammingIndex, nearest_head_codes
from imsat.retrieval.label_sets import LabelSets, are_several


def retrieval_scores(
        query_codes: Array, query_labels: Any, gallery_codes: Array,
        gallery_labels: Any, n_bits: int | None,
        k: int | None = None) -> dict[str, float]:
    """The paper's three scores (section 4.3), in every convention.

    An item is relevant to a query if it has the same label, or, where points
    have several, if they share at least one.  A query that is in the gallery
    as well finds itself first: leave it out there.

    Args:
        query_codes, gallery_codes (array): Packed codes, shapes (Q, W) and
            (N, W), uint8; those on a GPU are compared there, and what comes
            of it is on the CPU.  Or codes of M heads (section 3.2.1), shapes
            (Q, M) and (N, M), uint8 or uint16, whose distance is the number
            of heads that differ; the CPU compares them.
        query_labels, gallery_labels (array): Shapes (Q,) and (N,), as
            :func:`imsat.labels.number_labels` takes them.  Each label of a
            query is in the gallery.  Or several for each: an array of 0 and
            1, shape (Q, L), L from 2, a column a label, or a list of lists or
            sets of labels.  Then the CPU compares, and one label of each
            query is in the gallery.
        n_bits (int): D, the length of the codes; None for codes of heads.
        k (int): Of mAP@k; None for none.

    Returns:
        dict: of floats, means over queries, and an int:

        - ``map_trapezoid``, mAP as the authors have it, of scikit-learn up
          to 0.18: the trapezoid rule over the groups of ties;
        - ``map_step``, scikit-learn's since 0.19: all of a group count with
          the precision at its end;
        - ``map_expected``, the mean over all orders of the ties;
        - ``precision_at_500``, the share of relevant items among the first
          500, those of equal distance in the gallery's order; of 500 also
          where the gallery is smaller, as in the authors' code;
        - ``precision_at_500_expected``, the mean of that over all orders of
          the ties;
        - ``precision_at_500_possible``, the most that it can be: queries may
          have fewer relevant items than 500;
        - ``precision_at_r2``, among distances up to 2; 0 if there are none;
        - ``empty_balls``, the number of queries for which there are none;
        - ``map_at_k``, named by its number, such as ``map_at_1000``: of the
          first k items, those of equal distance in the gallery's order, the
          mean precision at the relevant ones; 0 if there are none.  Published
          code for deep hashing, such as HashNet's, takes this mean, which
          doesn't count what is relevant and not among them.

    Raises:
        InputError: If codes or labels don't go together.

    Example:
        >>> gallery = imsat.retrieval.pack_bits(
        ...     [[0, 0, 0], [0, 1, 1], [1, 1, 1]])
        >>> scores = imsat.retrieval.retrieval_scores(
        ...     gallery[:1], ['cat'], gallery, ['cat', 'dog', 'cat'], n_bits=3)
        >>> round(scores['map_step'], 3)  # of the precisions 1 and 2 / 3
        0.833
    """
    if k is not None:
        check_argument('k', k, Whole(1), '--k')
    histograms = calc_histograms(query_codes, query_labels, gallery_codes,
                                 gallery_labels, n_bits)
    relevance = calc_relevance_of_first(
        query_codes, query_labels, gallery_codes, gallery_labels, n_bits,
        max(500, k or 0))
    scores = {**eval_histograms(*histograms), 'precision_at_500': float(
        relevance[:, :500].sum(axis=1).mean() / 500)}
    if k is not None:
        scores[f'map_at_{k}'] = float(
            average_precision_of(relevance[:, :k]).mean())
    return scores


def calc_histograms(
        query_codes: Array, query_labels: Any, gallery_codes: Array,
        gallery_labels: Any, n_bits: int | None
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """``total`` and ``relevant``, NumPy arrays of shape (Q, D + 1), int64.

    Of M heads their shape is (Q, M + 1).  Column d counts a query's items at
    distance d.  Arguments and errors as in :func:`retrieval_scores`.
    """
    labels = match_labels(query_labels, gallery_labels,
                          _number_of(query_codes), _number_of(gallery_codes))
    if isinstance(labels, LabelSets):
        return _histograms_of_sets(query_codes, gallery_codes, n_bits, labels)
    query_labels, gallery_labels = labels
    shard = _shard(len(gallery_labels))
    both = distance_histograms(
        query_codes, query_labels, gallery_codes[shard],
        gallery_labels[shard], n_bits)
    total, relevant = zip(*current().gather(tuple(map(to_numpy, both))))
    return sum(total[1:], total[0]), sum(relevant[1:], relevant[0])


def calc_relevance_of_first(
        query_codes: Array, query_labels: Any, gallery_codes: Array,
        gallery_labels: Any, n_bits: int | None, k: int) -> numpy.ndarray:
    """Which of the first k items of each query are relevant.

    Items of equal distance come in the gallery's order.  Arguments and
    errors as in :func:`retrieval_scores`.  Ranks share the gallery: each
    searches its own part, and of what they find the nearest are taken.

    Returns:
        numpy.ndarray: Shape (Q, k), bool; of all items if there are less
        than k.
    """
    n = _number_of(gallery_codes)
    labels = match_labels(query_labels, gallery_labels,
                          _number_of(query_codes), n)
    k = min(k, n)
    shard = _shard(n)
    own = gallery_codes[shard]
    if n_bits is None:
        found = nearest_head_codes(query_codes, own, min(k, len(own)))
    else:
        index = HammingIndex(n_bits)
        index.add(own)
        found = index.search(query_codes, min(k, len(own)))
    distances, ids = map(to_numpy, found)
    parts = current().gather((distances, ids + shard.start))
    if len(parts) > 1:
        # Of equal distances those come first that are first in the gallery.
        distances, ids = (numpy.concatenate(each, axis=1)
                          for each in zip(*parts))
        order = numpy.argsort(distances, axis=1, kind='stable')[:, :k]
        ids = numpy.take_along_axis(ids, order, axis=1)
    if isinstance(labels, LabelSets):
        return numpy.array([labels.relevant(i)[of_query]
                            for i, of_query in enumerate(ids)])
    return labels[1][ids] == labels[0][:, None]


def _shard(n):
    """The part of a gallery of n items that is this rank's."""
    ranks = current()
    if n < ranks.size:
        raise InputError(f'a gallery of {n} items can not be shared out to '
                         f'{ranks.size} ranks; use {n} at most')
    return slice(n * ranks.rank // ranks.size,
                 n * (ranks.rank + 1) // ranks.size)


def average_precision_of(relevance: numpy.ndarray) -> numpy.ndarray:
    """Mean precision at the relevant items of rankings without ties.

    Args:
        relevance (array): Of the first items of each query, in order, shape
            (Q, k), bool.

    Returns:
        numpy.ndarray: Shape (Q,), float64; 0 where none is relevant.
    """
    precision = numpy.cumsum(relevance, axis=1) / numpy.arange(
        1, relevance.shape[1] + 1)
    return (precision * relevance).sum(axis=1) / numpy.maximum(
        relevance.sum(axis=1), 1)


def _histograms_of_sets(query_codes, gallery_codes, n_bits, labels):
    codes = to_numpy(query_codes), to_numpy(gallery_codes)
    if n_bits is None:
        queries, gallery = (x.T for x in check_head_codes(*codes))
        most = len(queries)
    else:
        queries, gallery = (to_words(check_codes(x, n_bits)) for x in codes)
        most = n_bits
    total = numpy.zeros((queries.shape[1], most + 1), numpy.int64)
    relevant = numpy.zeros_like(total)
    for i, block, distance in distance_blocks(queries, gallery, most,
                                              n_bits is None):
        total[i] += numpy.bincount(distance, minlength=most + 1)
        own = distance[labels.relevant(i, block)]
        relevant[i] += numpy.bincount(own, minlength=most + 1)
    return total, relevant


def _number_of(codes):
    codes = as_array(codes)
    if not codes.ndim:
        raise InputError('codes have shape (); give a row for each')
    return len(codes)


def eval_histograms(total: numpy.ndarray,
                    relevant: numpy.ndarray) -> dict[str, float]:
    """Scores from histograms of distances, as means over queries.

    Args:
        total, relevant (array): As :func:`calc_histograms` gives them.

    Returns:
        dict: As :func:`retrieval_scores` gives it, but ``precision_at_500``.
    """
    trapezoid, step, expected = calc_average_precision(total, relevant)
    first = expected_relevant(total, relevant, [500])
    in_ball = total[:, :3].sum(axis=1)
    precision = relevant[:, :3].sum(axis=1) / numpy.maximum(in_ball, 1)
    return {'map_trapezoid': float(trapezoid.mean()),
            'map_step': float(step.mean()),
            'map_expected': float(expected.mean()),
            'precision_at_500_expected': float(first.mean() / 500),
            'precision_at_500_possible': float(numpy.minimum(
                relevant.sum(axis=1), 500).mean() / 500),
            'precision_at_r2': float(precision.mean()),
            'empty_balls': int((in_ball == 0).sum())}


def calc_average_precision(
        total: numpy.ndarray, relevant: numpy.ndarray
) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Average precision of each query by three rules, see eval_histograms.

    Returns:
        tuple: ``trapezoid``, ``step`` and ``expected``, shape (Q,), float64.
    """
    total_after = numpy.cumsum(total, axis=1)
    relevant_after = numpy.cumsum(relevant, axis=1)
    total_before, relevant_before = total_after - total, \
        relevant_after - relevant
    precision = numpy.ones((total.shape[0], total.shape[1] + 1))
    numpy.divide(relevant_after, total_after, out=precision[:, 1:],
                 where=total_after > 0)
    after, before = precision[:, 1:], precision[:, :-1]
    share = relevant / relevant.sum(axis=1, keepdims=True)

    # Position i of a group holds a relevant item with probability r / t; then
    # R + 1 + (i - 1) slope of the first T + i are relevant, where R and T
    # came before the group.  1 / (T + i) adds up to a harmonic difference.
    slope = (relevant - 1) / numpy.maximum(total - 1, 1)
    harmonic = digamma(total_after + 1) - digamma(total_before + 1)
    in_group = (relevant_before + 1 - slope * (total_before + 1)) * harmonic \
        + slope * total
    expected = share * in_group / numpy.maximum(total, 1)
    return ((share * (after + before) / 2).sum(axis=1),
            (share * after).sum(axis=1), expected.sum(axis=1))


def expected_relevant(total: numpy.ndarray, relevant: numpy.ndarray,
                      numbers: Any) -> numpy.ndarray:
    """Relevant items among the first, the mean over all orders of ties.

    Args:
        total, relevant (array): As :func:`calc_histograms` gives them.
        numbers (array): Shape (M,), how many items are retrieved.

    Returns:
        numpy.ndarray: Shape (Q, M), float64.
    """
    total = numpy.cumsum(numpy.insert(total, 0, 0, axis=1), axis=1)
    relevant = numpy.cumsum(numpy.insert(relevant, 0, 0, axis=1), axis=1)
    return numpy.array([numpy.interp(numbers, *query)
                        for query in zip(total, relevant)])


def eval_curves(
        total: numpy.ndarray, relevant: numpy.ndarray, n_points: int = 200
) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Precision and recall against the number of items retrieved.

    Means over queries and over all orders of ties.  Precision against
    recall is the usual precision-recall curve.

    Args:
        total, relevant (array): As :func:`calc_histograms` gives them.
        n_points (int): At most so many points, evenly spaced on a
            logarithmic axis.

    Returns:
        tuple: ``numbers``, from 1 to N, int64, ``precision`` and ``recall``,
        float64, all of one length.
    """
    n = total[0].sum()
    numbers = numpy.unique(numpy.geomspace(1, n, n_points).round().astype(
        numpy.int64))
    found = expected_relevant(total, relevant, numbers)
    recall = found / relevant.sum(axis=1, keepdims=True)
    return numbers, found.mean(axis=0) / numbers, recall.mean(axis=0)


def match_labels(
        query_labels: Any, gallery_labels: Any, n_queries: int,
        n_gallery: int) -> tuple[numpy.ndarray, numpy.ndarray] | LabelSets:
    """Both labels as the numbers of the gallery's classes.

    Of points with several labels it returns LabelSets.

    Raises:
        InputError: If they are not one for each item, one is missing, or the
            gallery lacks the class of a query.
    """
    names = 'queries', 'gallery items'
    # What is no array of a GPU stays as it is: masked, of pandas, a list.
    labels = [to_numpy(these) if are_on_gpu(these) else these
              for these in (query_labels, gallery_labels)]
    if any(map(are_several, labels)):
        return LabelSets(labels[0], labels[1], n_queries, n_gallery)
    numbers = number_labels(*labels[::-1], names=names[::-1])[::-1]
    for name, n, these in zip(names, (n_queries, n_gallery), numbers):
        if these.shape != (n,) or not n:
            raise InputError(f'the labels of {n} {name} have shape '
                             f'{these.shape}; give one label for each, and '
                             f'at least one')
    unknown = numpy.flatnonzero(numbers[0] > numbers[1].max())
    if len(unknown):
        raise InputError(
            f'no item of the gallery has the label '
            f'{numpy.ravel(labels[0])[unknown[0]]} of a query; '
            f'leave out queries of classes that the gallery lacks')
    return numbers[0], numbers[1]
