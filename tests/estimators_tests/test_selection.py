"""Which of several runs is kept, what joins them, and halving."""
import collections
import itertools
import pickle
import warnings

import numpy
import pytest
from chainer import serializers
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

import imsat
from imsat import IMSATClustering, InputError
from imsat.estimators import base, clustering, selection
from imsat.estimators.selection import mean_of, rounds

X, Y = make_blobs(200, centers=[[0, 0], [3, 0], [0, 3], [3, 3]],
                  random_state=0)
SMALL = dict(hidden=(20,), epochs=6, batch_size=50, random_state=1)
pytestmark = pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')


def fit(**options):
    return IMSATClustering(4, **{**SMALL, **options}).fit(X)


def clusters_of(model):
    return [restart.logits.argmax(axis=1) for restart in model.restarts_]


def weights(model):
    return serializers.npz.serialize(model.encoder_)


def test_agreement_of_neighbours():
    model = fit(n_init=4, select='agreement')
    nearest = NearestNeighbors(n_neighbors=11).fit(X).kneighbors(
        return_distance=False, n_neighbors=10)
    expected = []
    for labels in clusters_of(model):
        pairs = [(labels[i], labels[j]) for i, row in enumerate(nearest)
                 for j in row]
        counts, of = collections.Counter(pairs), len(pairs)
        first, second = (collections.Counter(part) for part in zip(*pairs))
        information = sum(
            n / of * numpy.log(n * of / first[a] / second[b])
            for (a, b), n in counts.items())
        entropy = -sum(n / of * numpy.log(n / of) for n in first.values())
        expected.append(information ** 2 / entropy)
    assert len(set(expected)) > 1
    assert [restart.terms['agreement'] for restart in model.restarts_] == \
        pytest.approx(expected)
    assert model.best_restart_ == int(numpy.argmax(expected))
    kept = model.restarts_[model.best_restart_]
    assert model.objective_ == kept.objective
    numpy.testing.assert_array_equal(model.labels_, model.predict(X))
    # The runs are those that there are without.
    assert [r.objective for r in model.restarts_] == [
        r.objective for r in fit(n_init=4).restarts_]


def test_agreement_comes_after_a_constraint():
    model = fit(n_init=3, select='agreement', delta=1e-9)
    over = [r.terms['kl_to_prior'] for r in model.restarts_]
    assert model.best_restart_ == int(numpy.argmin(over))


def test_auto_is_by_agreement_where_neighbours_are_cheap(monkeypatch):
    assert fit(n_init=2).select_ == 'agreement'
    assert not hasattr(fit(), 'select_')
    monkeypatch.setattr(clustering, 'MOST_EXACT', len(X) - 1)
    model = fit(n_init=2)
    assert model.select_ == 'objective'
    assert 'agreement' not in model.restarts_[0].terms


@pytest.mark.parametrize('options,names', [
    (dict(halving=True), ['halving']),
    (dict(select='consensus'), ['select']),
    (dict(halving=True, select='majority'), ['halving', 'select']),
    (dict(n_init=2, halving=True, select='majority'), []),
    ({}, [])], ids=str)
def test_one_restart_has_no_other_to_choose_from(options, names):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        fit(**options)
    said = [str(w.message) for w in said
            if not isinstance(w.message, imsat.CollapseWarning)]
    assert said == [f'{name} chooses among restarts, and there is one; ask '
                    f'for more of them or leave {name} out'
                    for name in names]


def test_majority():
    model = fit(n_init=4, select='majority')
    labels = clusters_of(model)
    expected = [numpy.mean([adjusted_rand_score(a, b) for b in labels
                            if b is not a]) for a in labels]
    assert [restart.terms['majority'] for restart in model.restarts_] == \
        pytest.approx(expected)
    assert model.best_restart_ == int(numpy.argmax(expected))
    numpy.testing.assert_array_equal(model.labels_, model.predict(X))
    assert model.objective_ == model.restarts_[model.best_restart_].objective


def test_consensus(tmp_path):
    model = fit(n_init=3, select='consensus')
    *single, joined = model.restarts_
    p = [IMSATClustering(4, **{**SMALL, 'random_state': r.seed}).fit(
        X).predict_proba(X) for r in single]
    reference = p[int(numpy.argmax([r.terms['majority'] for r in single]))]
    # By trying all names of the clusters.
    mean = numpy.mean([max(
        (q[:, list(order)] for order in itertools.permutations(range(4))),
        key=lambda named: (reference * named).sum()) for q in p], axis=0)
    numpy.testing.assert_allclose(model.predict_proba(X), mean, atol=1e-6)
    numpy.testing.assert_array_equal(model.labels_, mean.argmax(axis=1))
    numpy.testing.assert_array_equal(model.predict(X), model.labels_)
    assert model.best_restart_ == 3
    entropy = -(mean * numpy.log(mean)).sum(axis=1).mean()
    assert joined.terms['conditional_entropy'] == pytest.approx(entropy,
                                                                abs=1e-5)
    assert model.objective_ == joined.objective
    model.save(tmp_path / 'model.npz')
    loaded = IMSATClustering.load(tmp_path / 'model.npz')
    numpy.testing.assert_array_equal(loaded.predict_proba(X[:9] + .1),
                                     model.predict_proba(X[:9] + .1))


def runs(model, *clusterings):
    """Chooses among runs, from a clustering and an objective of each."""
    chosen = selection.All(model, len(clusterings), 0)
    model.restarts_ = []
    for i, (clusters, objective) in enumerate(clusterings):
        # The points are the logits.
        logits = 5 * numpy.eye(3, dtype='f')[clusters]
        network = imsat.Encoder(3, 3, ())
        network.l1.W.array[...] = numpy.eye(3)
        chosen.add(base.Restart(
            i, objective, seconds=1., logits=logits, terms={'sat': 0.}),
            encoder_=network)
    chosen.choose()
    return model


TRUE, NEAR, ONE = [0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 2, 1], [0] * 6


@pytest.mark.parametrize('clusterings,best', [
    ([(TRUE, 0.), (NEAR, 1.), (ONE, -1.), (ONE, -2.), (ONE, -3.)], 0),
    # What agrees less than chance has, has learnt more than nothing.
    ([([0, 1, 0, 1, 0, 1], 0.), ([0, 0, 1, 1, 0, 0], 1.), (ONE, -1.)], 0),
    ([(ONE, -1.), (TRUE, 0.)], 1), ([(ONE, 0.), (ONE, -1.)], 1)])
def test_one_cluster_for_all_agrees_with_nothing(clusterings, best):
    model = runs(IMSATClustering(3, select='majority'), *clusterings)
    assert model.best_restart_ == best
    for restart, (clusters, _) in zip(model.restarts_, clusterings):
        assert (restart.terms['majority'] == -1) == (clusters is ONE)


def test_one_cluster_for_all_is_not_joined():
    def joined(*clusterings):
        model = IMSATClustering(3, select='consensus')
        model.warnings_ = []
        return runs(model, *clusterings)
    model = joined((ONE, -1.), (TRUE, 0.), (ONE, -1.), (NEAR, 1.))
    expected = joined((TRUE, 0.), (NEAR, 1.))
    numpy.testing.assert_array_equal(
        model.restarts_[-1].logits, expected.restarts_[-1].logits)
    assert model.restarts_[-1].logits.argmax(axis=1).tolist()[:5] == TRUE[:5]
    assert model.warnings_ == [
        '2 of 4 restarts have one cluster for all points, and are left out']
    assert len(model.encoder_) == 2 and not expected.warnings_
    alone = joined((ONE, -1.), (TRUE, 0.), (ONE, -2.))
    assert alone.restarts_[-1].logits.argmax(axis=1).tolist() == TRUE
    assert len(alone.encoder_) == 2  # a file of one would be no ensemble's
    assert alone.warnings_


def test_near_ties_of_joined_runs_are_as_predicted():
    """Two that cut one way each: half of the points are as much of both."""
    x = numpy.random.default_rng(0).normal(size=(400, 2)).astype('f')
    networks = [imsat.Encoder(2, 2, ()) for _ in range(2)]
    for i, network in enumerate(networks):
        network.l1.W.array[...] = 0
        network.l1.W.array[:, i] = 9, -9
    restarts = [base.Restart(i, 0., logits=network(x).array,
                             terms={'sat': 0.})
                for i, network in enumerate(networks)]
    network, joined = selection.join(
        networks, restarts, 0, imsat.ClusteringObjective())
    numpy.testing.assert_array_equal(network(x).array, joined.logits)
    p = numpy.exp(joined.logits)
    assert 9 < (abs(p[:, 0] - .5) < 1e-3).sum() < 391


def test_a_second_fit_forgets_what_chose_in_the_first():
    model = fit()
    model.select_ = 'agreement'  # of a second start
    assert not hasattr(model.fit(X), 'select_')


def test_a_single_run_is_what_it_is():
    expected = weights(fit())
    for select in 'agreement', 'majority', 'consensus':
        model = fit(select=select, halving=select != 'consensus')
        assert model.best_restart_ == 0 and len(model.restarts_) == 1
        for name, array in weights(model).items():
            numpy.testing.assert_array_equal(array, expected[name])


def test_rounds():
    assert rounds(8, 50) == [(8, 0, 15), (4, 15, 25), (2, 25, 35),
                             (1, 35, 50)]
    assert rounds(5, 30) == [(5, 0, 9), (3, 9, 15), (2, 15, 21), (1, 21, 30)]
    assert rounds(4, 50) == [(4, 0, 15), (2, 15, 35), (1, 35, 50)]
    assert rounds(2, 50) == [(2, 0, 25), (1, 25, 50)]
    assert rounds(1, 50) == [(1, 0, 50)]
    # There is always one epoch to judge by.
    assert rounds(4, 1) == [(4, 0, 1), (2, 1, 1), (1, 1, 1)]


@pytest.mark.parametrize('options', [
    {}, dict(prior=[.1, .2, .3, .4], delta=.01), dict(sampling='sweep'),
    dict(select='objective'), dict(select='majority')], ids=str)
def test_halving(options, tmp_path):
    model = fit(n_init=4, halving=True, **options)
    assert sorted(r.terms['epochs'] for r in model.restarts_) == [2, 2, 4, 6]
    kept = model.restarts_[model.best_restart_]
    assert kept.terms['epochs'] == 6 and len(kept.log) == 6
    # What was kept is what it is alone.
    alone = fit(**{**options, 'random_state': kept.seed})
    assert alone.objective_ == model.objective_
    for name, array in weights(model).items():
        numpy.testing.assert_array_equal(array, weights(alone)[name])
    # In a folder, and from there again, it is the same.
    out = dict(n_init=4, halving=True, out=tmp_path, **options)
    for again in (fit(**out), fit(**out, resume=True)):
        assert again.best_restart_ == model.best_restart_
        assert [r.objective for r in again.restarts_] == [
            r.objective for r in model.restarts_]


def test_the_better_half_goes_on():
    model = fit(n_init=4, halving=True, select='objective')
    seeds = [restart.seed for restart in model.restarts_]

    def objective(seed, epochs):
        run, = fit(random_state=seed, epochs=epochs).restarts_
        # R as it was in the last epoch.
        return run.objective - run.terms['sat'] + run.log[-1]['main/sat']

    def best(seeds, epochs, n):
        return sorted(seeds, key=lambda seed: objective(seed, epochs))[:n]
    two = best(seeds, 2, 2)
    one = best(two, 4, 1)
    assert {r.seed for r in model.restarts_ if r.terms['epochs'] > 2} == set(
        two)
    assert [model.restarts_[model.best_restart_].seed] == one


def test_codes_by_halves():
    hasher = imsat.IMSATHasher(4, n_init=4, halving=True, **SMALL).fit(X)
    seed = hasher.restarts_[hasher.best_restart_].seed
    alone = imsat.IMSATHasher(4, **{**SMALL, 'random_state': seed}).fit(X)
    numpy.testing.assert_array_equal(hasher.codes_, alone.codes_)


def test_consensus_of_one_half_is_refused():
    with pytest.raises(InputError, match='joins all restarts, of which '
                                         'halving leaves one'):
        fit(n_init=2, select='consensus', halving=True)


def test_neighbours_are_looked_up_once(tmp_path):
    fit(n_init=2, select='agreement', cache=tmp_path,
        regularizer=imsat.Mean(imsat.VAT(), imsat.Neighbor(12)))
    assert [path.name.rpartition('-')[2] for path in tmp_path.iterdir()] == [
        'k12.npz']


def test_sigma_is_that_of_neighbours():
    distances, _ = imsat.neighbors(X, 12)
    numpy.testing.assert_array_equal(distances[:, 9],
                                     imsat.neighbor_distance(X, 10))


@pytest.mark.parametrize('method', ['neighbor', 'vat-neighbor'])
def test_neighbours_as_augmentation(method):
    x, y = make_blobs(300, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)
    model = IMSATClustering(3, regularizer=method, nearest=5, hidden=(30,),
                            epochs=40, batch_size=50, random_state=1)
    assert imsat.clustering_accuracy(y, model.fit_predict(x)) > .9
    assert model.restarts_[0].step == 'plan'
    with pytest.raises(InputError, match='299'):
        model.set_params(nearest=300).fit(x)


def test_weights_count_in_what_is_joined():
    w = numpy.where(Y == 0, 9., 1.)
    model = IMSATClustering(4, **SMALL, n_init=3, mu=1, select='consensus')
    model.fit(X, sample_weight=w)
    p = model.predict_proba(X)
    mean = (w[:, None] * p).sum(axis=0) / w.sum()
    terms = model.restarts_[-1].terms
    assert terms['marginal_entropy'] == pytest.approx(
        -(mean * numpy.log(mean)).sum(), rel=1e-5)
    assert terms['conditional_entropy'] == pytest.approx(
        -(w @ (p * numpy.log(p)).sum(axis=1)) / w.sum(), rel=1e-5)


def test_clusters_are_called_alike_by_weight():
    # The first two points would decide, but the third weighs more.
    first = numpy.array([[1., 0], [1, 0], [0, 1]])
    second = numpy.array([[1., 0], [1, 0], [1, 0]])
    for weight, order in (None, [0, 1]), (numpy.array([1., 1, 9]), [1, 0]):
        for step in 1, 2, 3:  # so many rows at a time
            means, orders = mean_of([
                lambda table=table: (table[start:start + step]
                                     for start in range(0, 3, step))
                for table in (first, second)], 0, weight)
            assert orders[1].tolist() == order
            numpy.testing.assert_array_equal(
                numpy.concatenate([*means]), (first + second[:, order]) / 2)


def test_the_last_layer_is_that_of_the_outputs():
    # Where names are sorted, l10 comes before l9.
    options = dict(SMALL, hidden=(4,) * 9)
    model = IMSATClustering(4, **options, n_init=3, select='consensus').fit(X)
    numpy.testing.assert_array_equal(model.labels_, model.predict(X))
    numpy.testing.assert_allclose(
        numpy.exp(model.restarts_[-1].logits), model.predict_proba(X),
        atol=1e-6)
    encoder = imsat.Encoder(2, 4, (3,) * 10)
    assert encoder.last is encoder.l11


@pytest.mark.parametrize('select', ['consensus', 'auto'])
def test_what_is_fitted_is_saved_whatever_would_be_asked(select, tmp_path):
    model = fit(n_init=3, select=select)
    model.set_params(n_init=2, select='consensus')
    model.save(tmp_path / 'model.npz')
    for other in IMSATClustering.load(tmp_path / 'model.npz'), \
            pickle.loads(pickle.dumps(model)):
        numpy.testing.assert_array_equal(other.transform(X),
                                         model.transform(X))
    chunk = IMSATClustering(4, **SMALL, n_init=3, select='consensus')
    chunk.partial_fit(X).save(tmp_path / 'model.npz')
    for other in IMSATClustering.load(tmp_path / 'model.npz'), \
            pickle.loads(pickle.dumps(chunk)):
        numpy.testing.assert_array_equal(other.transform(X),
                                         chunk.transform(X))


def test_neighbours_that_nothing_asks_for():
    for options in dict(regularizer='neighbor'), dict(
            regularizer='weight-decay', n_init=2):
        model = fit(n_neighbors=500, **options)  # of 200 points
        assert model.objective_ == fit(**options).objective_
    assert model.select_ == 'agreement'
    # A chunk has no restarts to choose from.
    model = fit().set_params(n_init=2, neighbor_search='sampled')
    assert model.partial_fit(X).n_iter_ == 1


def test_where_neighbours_are_not_told():
    assert fit(n_init=2, neighbor_search='sampled').select_ == 'objective'
    for options in dict(n_init=2, select='agreement'), \
            dict(regularizer='neighbor'):
        with pytest.raises(InputError, match='neighbor_search is'):
            fit(neighbor_search='sampled', **options)
