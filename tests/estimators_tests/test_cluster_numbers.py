"""How many clusters: what is counted, and what is made of it."""
import contextlib
import itertools

import numpy
import pytest
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

import imsat
from imsat import ClusterNumbers, InputError, choose_n_clusters
from imsat.estimators import clustering, comparison
from imsat.estimators.cluster_numbers import criteria, criteria_of
from imsat.training import IndexIterator

BOTH = 'information x neighbors'
pytestmark = pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')
X, Y = make_blobs(240, 3, centers=4, cluster_std=.4, random_state=2)


def test_criteria_by_hand():
    rng = numpy.random.default_rng(0)
    logits = rng.normal(0, 2, (3, 20, 4))
    nearest = numpy.array([rng.permutation(20)[:3] for _ in range(20)])
    found = criteria(list(logits), nearest)
    for r, y in enumerate(logits):
        p = numpy.exp(y) / numpy.exp(y).sum(axis=1, keepdims=True)
        mutual = sum(p[i, k] * numpy.log(p[i, k] / p[:, k].mean())
                     for i in range(20) for k in range(4)) / 20
        label = y.argmax(axis=1).tolist()
        same = numpy.mean([label[i] == label[j] for i in range(20)
                           for j in nearest[i]])
        # Of two points that are drawn, each for itself.
        chance = numpy.mean([a == b for a, b in itertools.product(
            label, label)])
        expected = dict(
            information=mutual ** 2 / numpy.log(4),
            stability=numpy.mean([adjusted_rand_score(
                label, logits[j].argmax(axis=1)) for j in range(3)
                if j != r]), neighbors=(same - chance) / (1 - chance))
        expected[BOTH] = expected['information'] * expected['neighbors']
        assert set(found) == set(expected)
        for name, value in expected.items():
            numpy.testing.assert_allclose(found[name][r], value, 1e-5)


def test_a_single_cluster_that_is_used_says_nothing():
    found = criteria([numpy.tile([5., 0.], (9, 1))] * 2, numpy.zeros(
        (9, 1), int))
    assert found['neighbors'].tolist() == found[BOTH].tolist() == [0, 0]
    assert found['stability'].tolist() == [0, 0]


@pytest.mark.parametrize('told,is_sure', [(0., False), (.5, True)])
def test_seeds_may_agree_on_what_tells_nothing(told, is_sure):
    tried = ClusterNumbers([2, 3], [
        {'stability': numpy.array([value] * 2), BOTH: numpy.array([told] * 2)}
        for value in (.9, .2)], 'stability')
    assert tried.best == 2 and tried.is_sure == is_sure
    assert ('nothing was learnt' in str(tried)) != is_sure


def test_blobs(tmp_path):
    model = imsat.IMSATClustering(hidden=30, epochs=40, batch_size=60,
                                  random_state=0, cache=tmp_path)
    chosen = choose_n_clusters(model, X, [6, 3, 4, 5])
    assert chosen.n_clusters == [3, 4, 5, 6] and chosen.best == 4
    assert [m.n_clusters for m in chosen.models] == [3, 4, 5, 6]
    assert imsat.clustering_accuracy(Y, chosen.models[1].labels_) == 1
    assert all(len(m.restarts_) == 2 for m in chosen.models)
    assert not hasattr(model, 'labels_') and model.n_init == 1
    # Neighbours were looked for once, for sigma and for both criteria.
    assert len(list(tmp_path.iterdir())) == 1
    assert f'4 clusters, by {BOTH}' in str(chosen)


QUICK = dict(hidden=10, epochs=5, batch_size=60, random_state=0)  # 20 steps


def interrupted(function, number):
    """It, but for Ctrl-C in its call of that number, from 1."""
    def interrupt(*args):
        if next(calls) == number:
            raise KeyboardInterrupt
        return function(*args)
    calls = itertools.count(1)
    return interrupt


@pytest.mark.parametrize('owner,name,number', [
    (IndexIterator, '__next__', 45),  # in the first restart of the second
    (IndexIterator, '__next__', 65), (clustering, 'compare', 2),
    (clustering, 'teach', 3)])
def test_ctrl_c_ends_all_numbers(monkeypatch, owner, name, number):
    """In a restart, and in what comes after all of them."""
    monkeypatch.setattr(clustering, 'LEAST_STEPS', 0)
    monkeypatch.setattr(comparison, 'BETTER', -1)
    monkeypatch.setattr(comparison, 'SLIGHTLY', -1)
    monkeypatch.setattr(comparison.Compared, 'agrees_more', True)
    begun, check = [], imsat.IMSATClustering._check_data

    def begin(self, *args):
        begun.append(self.n_clusters)
        return check(self, *args)
    monkeypatch.setattr(imsat.IMSATClustering, '_check_data', begin)
    monkeypatch.setattr(owner, name, interrupted(getattr(owner, name),
                                                 number))
    model = imsat.IMSATClustering(
        mu=4 if owner is IndexIterator else 'auto', **QUICK)
    with pytest.raises(KeyboardInterrupt):
        choose_n_clusters(model, X, [2, 3, 4])
    assert set(begun) == {2, 3}


def test_each_number_has_a_folder(tmp_path, monkeypatch):
    expected = choose_n_clusters(imsat.IMSATClustering(**QUICK), X, [2, 3])
    model = imsat.IMSATClustering(out=str(tmp_path), resume=True, **QUICK)
    trained = IndexIterator.__next__
    for number in 60, 10 ** 9:  # in the middle, and not at all
        monkeypatch.setattr(IndexIterator, '__next__',
                            interrupted(trained, number))
        with contextlib.nullcontext() if number > 60 else pytest.raises(
                KeyboardInterrupt):
            chosen = choose_n_clusters(model, X, [2, 3])
    # Once more there is nothing left to do.
    monkeypatch.setattr(IndexIterator, '__next__', interrupted(trained, 1))
    for found in chosen, choose_n_clusters(model, X, [2, 3]):
        for ours, theirs in zip(found.values, expected.values):
            for name in theirs:
                numpy.testing.assert_array_equal(ours[name], theirs[name])
    assert sorted(tmp_path.iterdir()) == [
        tmp_path / 'clusters-2', tmp_path / 'clusters-3']
    assert [m.out for m in chosen.models] == sorted(tmp_path.iterdir())
    assert model.out == str(tmp_path)


def numbers(*values):
    return ClusterNumbers([2, 3, 4], [
        {BOTH: numpy.array(value)} for value in values])


def test_how_sure():
    sure = numbers([.5, .3], [1.1, .9], [.8, .6])
    assert sure.ranking == [3, 4, 2] and sure.is_sure
    assert sure.margin == pytest.approx(.3)
    assert 'and 4 clusters have 30.0% less; sure' in str(sure)
    unsure = numbers([.5, .3], [1.1, .7], [.8, .6])
    assert unsure.best == 3 and not unsure.is_sure
    assert 'not sure' in str(unsure)
    assert numbers([0, 0], [0, 0], [0, 0]).margin == 0
    nothing = numbers([1e-9, 2e-9], [3e-8, 4e-8], [0, 0])
    assert not nothing.is_sure and 'not sure, as nothing was learnt: train ' \
        'longer' in str(nothing)


@pytest.mark.parametrize('given', [
    [3], 'abc', [1, 2], range(2, 3), 5, [2.5, 3], [[2], [3]], None])
def test_numbers_that_are_none(given):
    with pytest.raises(InputError, match='two or more whole numbers from 2'):
        choose_n_clusters(imsat.IMSATClustering(), X, given)


def test_what_else_can_not_be():
    with pytest.raises(InputError, match='give an imsat.IMSATClustering'):
        choose_n_clusters(imsat.IMSATHasher(), X, [2, 3])
    with pytest.raises(InputError, match='criterion is'):
        choose_n_clusters(imsat.IMSATClustering(), X, [2, 3], 'elbow')


def test_of_two_starts_that_which_is_kept(monkeypatch):
    monkeypatch.setattr(clustering, 'LEAST_STEPS', 200)
    rng = numpy.random.default_rng(0)
    x = numpy.concatenate([rng.normal(size=(270, 4)),
                           rng.normal(15, size=(30, 4))])
    model = imsat.IMSATClustering(2, hidden=20, epochs=50, n_init=2,
                                  random_state=0).fit(x)
    assert len(model.restarts_) == 4 and model.best_restart_ > 1
    clusters = [r.logits.argmax(axis=1) for r in model.restarts_[2:]]
    assert criteria_of(model, x)['stability'] == pytest.approx(
        [adjusted_rand_score(*clusters)] * 2)


def test_what_is_joined_is_no_seed_more():
    options = dict(n_clusters=4, hidden=10, epochs=5, batch_size=60,
                   random_state=0, n_init=3)
    nearest = imsat.neighbors(X.astype('f'), 10)[1]
    for select in 'objective', 'consensus':
        model = imsat.IMSATClustering(select=select, **options).fit(X)
        found = criteria_of(model, X)
        expected = criteria([restart.logits for restart
                             in model.restarts_[:3]], nearest)
        for name in expected:
            numpy.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize('options,numbers,match', [
    (dict(halving=True), [2, 3], 'halving is on'),
    ({}, [2, 3, 500], 'n_clusters is 500'),
    (dict(prior=[.5, .3, .2]), [3, 4], '3 entries for 4 clusters'),
    (dict(neighbor_search='sampled'), [2, 3], 'neighbor_search'),
    (dict(mu=numpy.ones(2)), [2, 3], 'mu is'),
    (dict(n_init='5'), [2, 3], 'n_init is .5.*whole number'),
    (dict(n_init=None), [2, 3], 'n_init is None'),
    (dict(cache=3), [2, 3], 'cache is 3'),
    (dict(out=3), [2, 3], 'out is 3')])
def test_no_number_is_tried_where_another_can_not_be(
        monkeypatch, options, numbers, match):
    def train(*args, **kwargs):
        raise AssertionError('a number was tried')
    monkeypatch.setattr(imsat.IMSATClustering, 'fit', train)
    with pytest.raises(InputError, match=match):
        choose_n_clusters(imsat.IMSATClustering(**options), X, numbers)
