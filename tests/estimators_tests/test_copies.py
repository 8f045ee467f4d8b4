"""Neighbours of tables with equal rows: surveys, counts, yes and no."""
import sys

import numpy
import pytest
import threadpoolctl
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.metrics import adjusted_rand_score

import imsat
from imsat.estimators import comparison
from imsat.estimators.cluster_numbers import criteria_of
from imsat.neighbors import (
    distinct, have_copies, neighbors, without_copies)

RNG = numpy.random.default_rng(0)
FLAGS = RNG.choice(2, 1500, p=[.6, .4])
YES_NO = (RNG.random((1500, 6)) < numpy.where(FLAGS, .9, .1)[:, None]) * 1.
GROUPS = RNG.choice(3, 1200, p=[.5, .3, .2])
SURVEY = numpy.clip((RNG.normal(0, .7, (1200, 5)) + numpy.array(
    [[1, 1, 1, 3, 3], [3, 5, 1, 3, 3], [5, 3, 5, 3, 3]])[GROUPS]).round(),
    1, 5)


def logits_of(labels):
    return 9. * numpy.eye(labels.max() + 1)[labels]


@pytest.mark.parametrize('kind', [numpy.asarray, sparse.csr_array])
def test_neighbours_are_no_copies(kind):
    x = RNG.integers(0, 3, (80, 2)).astype('f')
    first, inverse = distinct(kind(x))
    rows = numpy.unique(x, axis=0)
    assert len(first) == len(rows)
    numpy.testing.assert_array_equal(x[first][inverse], x)
    assert all(i == min(numpy.flatnonzero((x == x[i]).all(axis=1)))
               for i in first)

    distances, indices = neighbors(x, 3)
    assert have_copies(distances)
    nearest = without_copies(kind(x), indices)
    assert nearest.shape == (80, 3) and set(nearest.ravel()) <= set(first)
    for point, own in zip(x, nearest):
        distances = numpy.sort(cdist([point], rows)[0])[1:4]
        numpy.testing.assert_allclose(
            numpy.linalg.norm(x[own] - point, axis=1), distances, 1e-6)
    # Half of them, at most.
    assert without_copies(kind(x), neighbors(x, 9)[1]).shape == (
        80, len(rows) // 2)


@pytest.mark.parametrize('kind', [numpy.asarray, sparse.csr_array])
def test_of_a_few_copies_few_are_searched_again(monkeypatch, kind):
    x = RNG.normal(size=(900, 2))
    assert not have_copies(neighbors(x, 4)[0])
    x[[7, 400, 899]] = x[30]
    indices = neighbors(x, 4)[1]
    # Without another search of all.
    monkeypatch.setattr(sys.modules['imsat.neighbors'], 'neighbors', None)
    nearest = without_copies(kind(x), indices)
    first, inverse = distinct(x)
    expected = cdist(x[first], x[first]) + 99 * numpy.eye(897)
    numpy.testing.assert_array_equal(
        nearest, first[expected.argsort(axis=1)[:, :4]][inverse])


def test_equal_points_have_no_others():
    x = numpy.ones((30, 2))
    with pytest.raises(imsat.InputError, match='all points are the same'):
        without_copies(x, neighbors(x, 3)[1])


def test_no_thread_is_left_that_a_fork_waits_for(monkeypatch):
    threads = []
    measure = comparison.are_whole

    def look(*args):
        threads.append([pool['num_threads'] for pool in
                        threadpoolctl.threadpool_info()
                        if pool['user_api'] == 'openmp'])
        return measure(*args)
    monkeypatch.setattr(comparison, 'are_whole', look)
    with threadpoolctl.threadpool_limits(2, 'openmp'):
        comparison.compare(YES_NO, logits_of(FLAGS))
    assert len(threads) == 2 and all(set(each) == {1} for each in threads)


@pytest.mark.parametrize('kind', [numpy.asarray, sparse.csr_array])
def test_what_is_whole(kind):
    x = numpy.concatenate([RNG.uniform(0, 1, (60, 2)),
                           RNG.uniform(0, 1, (60, 2)) + [4, 0]])
    distances, nearest = neighbors(x, 5)
    halves, other = numpy.repeat([0, 1], 60), numpy.repeat([0, 1], (30, 90))
    for labels, expected in (halves, True), (other, False), (0 * halves, True):
        assert comparison.are_whole(
            kind(x), labels, nearest, distances[:, -1]) == expected
    # As far from each other as most points are from their neighbours.
    assert not comparison.are_whole(kind(x), halves, nearest,
                                    numpy.full(120, 4.))


def test_copies_do_not_say_that_clusters_are_right():
    places = distinct(YES_NO)[1]
    useless = RNG.integers(2, size=places.max() + 1)[places]
    compared = comparison.compare(YES_NO, logits_of(useless))
    assert compared.is_better and compared.ours.told < .1
    assert adjusted_rand_score(
        FLAGS[compared.chosen], compared.labels) > .9
    right = comparison.compare(YES_NO, logits_of(FLAGS))
    assert not right.is_better


@pytest.mark.parametrize('noise', [0, .01])
def test_crowds_within_groups_are_no_groups(noise):
    x = SURVEY + noise * RNG.normal(size=SURVEY.shape)
    beside_right = comparison.compare(x, logits_of(GROUPS))
    # The first group cut by chance, where the second is one with the third.
    wrong = numpy.where(GROUPS == 2, 1, GROUPS)
    wrong[RNG.random(1200) < .5] = 2
    beside_wrong = comparison.compare(x, logits_of(wrong))
    assert beside_wrong.is_better
    for compared in beside_right, beside_wrong:
        assert not compared.is_better or adjusted_rand_score(
            GROUPS[compared.chosen], compared.labels) > .98


def test_what_lies_apart_as_a_whole_is_not_cut():
    long = numpy.repeat([0, 1], (1600, 400))
    x = numpy.stack([numpy.linspace(0, 30, 2000) * 7 % 30,
                     2 * long + RNG.normal(0, .01, 2000)], axis=1)
    halves = ((long == 1) | (x[:, 0] > 18)).astype(int)
    compared = comparison.compare(x, logits_of(halves))
    # Halves lie apart, too, and agree more.
    assert compared.ours.told > comparison.APART
    assert not compared.agrees_more and compared.is_better
    assert adjusted_rand_score(long[compared.chosen], compared.labels) == 1


def test_copies_choose_no_restart():
    options = dict(hidden=(8,), epochs=12, n_init=3, random_state=0)
    model = imsat.IMSATClustering(2, mu=4., **options).fit(YES_NO)
    rows = numpy.unique(YES_NO, axis=0)
    first, inverse = distinct(YES_NO)
    nearest = first[numpy.argsort(cdist(YES_NO[first], YES_NO[first])
                                  + 9 * numpy.eye(len(rows)), axis=1,
                                  kind='stable')[:, :10]][inverse]
    expected = [imsat.metrics.neighbor_agreement(
        restart.logits.argmax(axis=1), nearest)
        for restart in model.restarts_]
    # Of equally near rows others may have been taken.
    numpy.testing.assert_allclose(
        [restart.terms['agreement'] for restart in model.restarts_],
        expected, atol=.02)
    assert model.best_restart_ == numpy.argmax(
        [restart.terms['agreement'] for restart in model.restarts_])
    assert max(expected) < .6  # with copies all have about log 2, .69

    shared = criteria_of(model, YES_NO)['neighbors']
    assert (shared < .95).all()  # with copies .99 and more


def test_neighbours_as_augmentation_are_others():
    x = numpy.repeat(RNG.normal(size=(20, 3)), 25, axis=0)
    model = imsat.IMSATClustering(
        2, regularizer='neighbor', mu=4., hidden=(8,), epochs=4,
        random_state=0).fit(x)
    # Among copies R would be exactly 0.
    assert all(entry['main/sat'] > 0 for entry in model.restarts_[0].log)
