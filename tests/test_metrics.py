import itertools
import math
import tracemalloc

import numpy
import pytest
from sklearn.metrics import (
    adjusted_rand_score, mutual_info_score, normalized_mutual_info_score)

from imsat import InputError, clustering_accuracy, labels as labels_, metrics
from imsat.metrics import (
    clustering_scores, neighbor_agreement, neighbor_information)


def brute_force(labels, clusters):
    """Eq. 16 by trying every mapping."""
    classes, groups = sorted(set(labels)), sorted(set(clusters))
    size = max(len(classes), len(groups))
    best = 0
    for mapping in itertools.permutations(range(size), len(groups)):
        named = {group: classes[j] if j < len(classes) else None
                 for group, j in zip(groups, mapping)}
        best = max(best, sum(label == named[group] for label, group
                             in zip(labels, clusters)))
    return best / len(labels)


@pytest.mark.parametrize('case', 'ABCD')
def test_golden(golden, case):
    trace = golden('metrics')(f'clus.{case}')
    assert clustering_accuracy(trace['labels'], trace['pred']) == \
        pytest.approx(trace['acc'], rel=1e-12)


@pytest.mark.parametrize('classes,groups', [(4, 4), (5, 3), (3, 5), (1, 4)])
def test_brute_force(classes, groups):
    rng = numpy.random.RandomState(classes * 10 + groups)
    for _ in range(5):
        labels, clusters = rng.randint(classes, size=40), rng.randint(
            groups, size=40)
        assert clustering_accuracy(labels, clusters) == pytest.approx(
            brute_force(labels.tolist(), clusters.tolist()))


def test_any_kind_of_label():
    assert clustering_accuracy(['b', 'a', 'b'], [7, 3, 7]) == 1


@pytest.mark.parametrize('labels,clusters', [([1], [1, 2]), ([], [])])
def test_lengths(labels, clusters):
    with pytest.raises(InputError, match='one label for each point'):
        clustering_accuracy(labels, clusters)


def test_scores_without_labels():
    assert set(clustering_scores(None, [0, 1]).values()) == {None}


def test_information_of_neighbours():
    # Pairs 0-0, 0-1, 0-0, 0-1, 1-1, 1-0, 1-0, 1-0.
    table = numpy.array([[2, 2], [3, 1]]) / 8
    product = table.sum(axis=1, keepdims=True) * table.sum(axis=0)
    expected = (table * numpy.log(table / product)).sum()
    assert neighbor_information(
        ['a', 'a', 'b', 'b'], [[1, 2], [0, 2], [3, 0], [0, 1]]
    ) == pytest.approx(expected)
    assert neighbor_information([5, 5], [[1], [0]]) == 0


def test_agreement_of_neighbours():
    # H(Y) of three points and one; pairs 0-0, 0-0, 0-1, 1-0.
    table = numpy.array([[2, 1], [1, 0]]) / 4
    product = table.sum(axis=1, keepdims=True) * table.sum(axis=0)
    information = sum(p * math.log(p / q) for p, q in
                      zip(table.ravel(), product.ravel()) if p)
    entropy = -.75 * math.log(.75) - .25 * math.log(.25)
    assert neighbor_agreement(
        [7, 7, 7, 2], [[1], [0], [3], [2]]
    ) == pytest.approx(information ** 2 / entropy)
    assert neighbor_agreement([5, 5], [[1], [0]]) == 0


@pytest.mark.parametrize('indices', [
    [[1, 2]], [[1], [2], [4], [0]], [[-1]] * 4, [1, 2, 3, 0], [[0.]] * 4,
    [[], [], [], []], [[1], [1, 2]],
    numpy.ma.masked_equal([[1], [2], [3], [0]], 3)])
def test_no_neighbours(indices):
    with pytest.raises(InputError, match='a row for each, of numbers from 0 '
                                         'to 3|several lengths|masked'):
        neighbor_information([0, 0, 1, 1], indices)


def test_purity_by_counting():
    rng = numpy.random.RandomState(0)
    labels, clusters = rng.choice([*'abc'], 60), rng.randint(7, size=60)
    right = sum(max(sum(labels[clusters == k] == label) for label in 'abc')
                for k in range(7))
    assert clustering_scores(labels, clusters)['purity'] == right / 60


@pytest.mark.parametrize('kind', ['u1', '>i2', 'd', 'U2', 'S2', object])
@pytest.mark.parametrize('classes,groups,alike', [
    (1, 1, 0), (1, 5, 0), (5, 1, 0), (4, 4, 0), (9, 3, .8), (4, 4, 1),
    (200, 6, .9)])
def test_scikit_learn(monkeypatch, kind, classes, groups, alike):
    """Bit for bit, however many parts are counted."""
    monkeypatch.setattr(labels_, 'PART', 50)
    monkeypatch.setattr(metrics, 'PART', 70)
    rng = numpy.random.default_rng(classes + groups)
    labels = rng.integers(classes, size=1000)
    clusters = numpy.where(rng.random(1000) < alike, labels % groups,
                           rng.integers(groups, size=1000))
    names = numpy.array([f'{i:02x}' for i in range(classes)])[labels] \
        if kind in ('U2', 'S2') else labels
    scores = clustering_scores(names.astype(kind), clusters)
    assert (scores['nmi'], scores['ari']) == (
        normalized_mutual_info_score(labels, clusters),
        adjusted_rand_score(labels, clusters))
    assert scores['ari'] == metrics.adjusted_rand(clusters, names)
    indices = rng.integers(1000, size=(1000, 7))
    # All neighbours in a single cluster, too.
    for nearest in indices, numpy.where(
            clusters == clusters[0])[0][indices % 2]:
        assert neighbor_information(clusters, nearest) == mutual_info_score(
            numpy.repeat(clusters, 7), clusters[nearest].ravel())


@pytest.mark.parametrize('dtype', ['u1', 'i8', 'd', 'U3', object])
def test_memory(monkeypatch, dtype):
    for module in labels_, metrics:
        monkeypatch.setattr(module, 'PART', 1000)
    n = 200_000
    labels = (numpy.arange(n) % 7).astype(dtype)
    clusters = numpy.arange(n) % 5
    clustering_scores(labels[:10], clusters[:10])  # imports
    tracemalloc.start()
    clustering_scores(labels, clusters)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 3.5 * n  # two bytes a point, and parts
