"""What 'auto' stands for: sizes by n and K, steps by the data's own scale,
copies of points, priors that are uneven."""
import warnings

import numpy
import pytest
import scipy.sparse
from sklearn.datasets import load_iris, make_blobs

import imsat
from imsat import (
    CollapseWarning, IMSATClustering, IMSATHasher, InputError,
    clustering_accuracy)
from imsat.training import snapshot

X, Y = make_blobs(300, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)
SMALL = dict(hidden=(30, 30), random_state=0)
SHORT = dict(SMALL, epochs=3, batch_size=50)


@pytest.mark.parametrize('n,k,size,epochs,t', [
    (70000, 10, 250, 50, 10), (40000, 100, 250, 50, 10),  # the paper's
    (10000, 4, 250, 50, 10), (5000, 10, 250, 50, 10),
    (1797, 10, 250, 143, 10),  # 7 batches an epoch
    (600, 3, 150, 250, 10),  # 4 batches an epoch
    (150, 3, 37, 250, 10), (100, 10, 32, 334, 5), (8, 2, 8, 1000, 2),
    (3, 3, 3, 1000, 1), (20000, 1000, 2500, 125, 10)])
def test_sizes_follow_n_and_k(n, k, size, epochs, t):
    assert IMSATClustering(k).settle(numpy.empty((n, 1))) == dict(
        batch_size=size, epochs=epochs, n_neighbors=t)
    given = dict(batch_size=5, epochs=6, n_neighbors=7)
    assert IMSATClustering(k, **given).settle(numpy.empty((n, 1))) == given


def test_iris_and_eight_points_without_an_argument():
    x, y = load_iris(return_X_y=True)
    model = IMSATClustering(3, **SMALL).fit(x)
    assert (model.batch_size_, model.epochs_, model.n_neighbors_) == \
        (37, 250, 10)
    assert model.get_params()['batch_size'] == 'auto'
    # K-means has .893.
    assert clustering_accuracy(y, model.labels_) > .863
    for estimator in IMSATClustering, IMSATHasher:
        eight = estimator(2, epochs=3, **SMALL).fit(x[::20])
        assert eight.batch_size_ == 8


@pytest.mark.parametrize('make,most', [
    (lambda **options: imsat.DAEKMeans(2, n_code=2, **options), 256),
    (lambda **options: imsat.DEC(2, n_code=2, max_epochs=1, **options), 256),
    (lambda **options: imsat.DeepHasher(2, **options), 250)])
def test_batches_of_other_methods(make, most):
    for n, size in (70000, most), (1200, most), (600, 150), (150, 37), (8, 8):
        x = numpy.empty((n, 1))
        assert make().settle(x)['batch_size'] == size
        assert make(batch_size=5).settle(x)['batch_size'] == 5
    model = make(hidden=8, epochs=1, random_state=0).fit(X[:150])
    assert model.batch_size_ == 37


@pytest.mark.parametrize('cls', [IMSATClustering, IMSATHasher])
@pytest.mark.parametrize('options', [
    {}, dict(hidden=()), dict(regularizer='rpt'), dict(step='graph')])
def test_whatever_the_unit(cls, options):
    warnings.simplefilter('ignore', CollapseWarning)
    options = {**SHORT, **options}
    model = cls(3, **options).fit(X)
    for power in -40, -3, 30:  # which lose no digit
        x = X * 2. ** power
        other = cls(3, **options).fit(x)
        numpy.testing.assert_array_equal(other.transform(x),
                                         model.transform(X))
        assert other.objective_ == model.objective_


def test_neighbours_with_the_same_bit():
    for n, t in (8, 2), (32, 8), (150, 10):
        assert IMSATHasher(16).settle(numpy.empty((n, 1)))['n_neighbors'] == t
    objective = imsat.CodeObjective((3, 3))
    assert IMSATHasher(objective=objective).settle(
        numpy.empty((30, 1)))['n_neighbors'] == 5


def test_what_xi_comes_to():
    for unit in 1., 2. ** 20:
        model = IMSATClustering(3, alpha=.5, **SHORT).fit(unit * X)
        sigma = imsat.neighbor_distance(unit * X, model.n_neighbors_)
        assert model.xi_ == pytest.approx(
            .19 * X.shape[1] ** .5 * .5 * numpy.median(sigma), 1e-5)
    for regularizer in imsat.VAT(3.), imsat.Mean(imsat.VAT(3.), imsat.RPT()):
        assert IMSATClustering(3, regularizer=regularizer, **SHORT).fit(
            X).xi_ == 3
    assert not hasattr(model.set_params(regularizer='rpt').fit(X), 'xi_')


def test_a_number_is_in_the_units_of_the_data():
    by_number, by_value = (
        IMSATClustering(3, **SHORT, **options).fit(X).objective_
        for options in (dict(xi=10.), dict(regularizer=imsat.VAT(10.))))
    assert by_number == by_value
    assert by_number != IMSATClustering(3, xi=10., **SHORT).fit(
        8 * X).objective_


def test_copies_take_the_sigma_of_what_is_distinct():
    # Two points 20 times each, and 30 others.
    few = numpy.array([[9., 9.], [-7., 3.]])
    others = X[:30]
    x = numpy.concatenate([numpy.repeat(few, 20, axis=0), others])
    model = IMSATClustering(3, alpha=1., **SHORT)
    distinct = numpy.concatenate([few, others])
    # A sixth of the 32 that are distinct.
    expected = [sorted(numpy.linalg.norm(distinct - point, axis=1))[5]
                for point in few]
    for kind in numpy.array, scipy.sparse.csr_matrix:
        radius = model.radius(kind(x))
        numpy.testing.assert_allclose(
            radius[:40], numpy.repeat(expected, 20), 1e-6)
        numpy.testing.assert_allclose(
            radius[40:], imsat.neighbor_distance(x, 10)[40:], 1e-6)
    with pytest.warns(CollapseWarning, match='40 points have 10 or more'):
        model.fit(x)
    assert sum('or more copies' in note for note in model.warnings_) == 1


def test_rows_of_a_few_kinds_alone():
    y = numpy.repeat([0, 1, 2], 40)
    with pytest.warns(CollapseWarning, match='120 points'):
        model = IMSATClustering(3, epochs=50, **SMALL).fit(numpy.eye(3)[y])
    assert clustering_accuracy(y, model.labels_) == 1
    with pytest.raises(InputError, match='all points are the same'):
        IMSATClustering(3, **SMALL).fit(numpy.ones((40, 3)))


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('size,told', [(5, True), (6, False), (100, False)])
def test_batches_that_say_little_of_the_clusters(size, told):
    model = IMSATClustering(3, **{**SHORT, 'batch_size': size}).fit(X)
    assert told == any('says little of 3 clusters' in note
                       for note in model.warnings_)


@pytest.mark.parametrize('step,prior', [
    ('plan', [.9, .1]),
    pytest.param('graph', [.1, .9], marks=pytest.mark.slow)])
def test_a_prior_of_far_groups(step, prior):
    rng = numpy.random.default_rng(1)
    y = numpy.repeat([0, 1], [360, 40])
    x = rng.normal(size=(400, 10)) + 5. * y[:, None]
    model = IMSATClustering(2, prior=prior, step=step, epochs=60,
                            **SMALL).fit(x)
    # The cluster of a name has the size that was asked for under it.
    assert numpy.bincount(model.labels_).tolist() == [
        round(400 * share) for share in prior]
    assert clustering_accuracy(y, model.labels_) == 1
    log = model.restarts_[0].log
    penalties = [entry['all/penalty'] for entry in log]
    assert penalties == [0.] * 30 + [.4] * 30


@pytest.mark.parametrize('step', [
    'plan', pytest.param('graph', marks=pytest.mark.slow)])
def test_a_prior_is_gone_on_with(tmp_path, monkeypatch, step):
    warnings.simplefilter('ignore', CollapseWarning)
    monkeypatch.setattr(snapshot, 'KEEP', 9)
    options = dict(SHORT, prior=[.5, .3, .2], delta=.01, epochs=8, step=step,
                   snapshot_seconds=0., out=tmp_path)
    whole = IMSATClustering(3, **options).fit(X)
    for epochs in 6, 4, 2:  # after, at and before the change
        for path in snapshot.snapshots(tmp_path)[epochs:]:
            path.unlink()
        resumed = IMSATClustering(3, resume=True, **options).fit(X)
        assert resumed.objective_ == whole.objective_
        numpy.testing.assert_array_equal(resumed.transform(X),
                                         whole.transform(X))


def test_an_even_prior_is_as_none_at_all():
    warnings.simplefilter('ignore', CollapseWarning)
    logs = [[entry['main/loss'] for entry in IMSATClustering(
        3, prior=prior, delta=.01, **SHORT).fit(X).restarts_[0].log]
        for prior in (None, [1 / 3] * 3)]
    numpy.testing.assert_allclose(*logs, rtol=1e-5)


def test_a_prior_that_the_clusters_do_not_have_is_told_of():
    with pytest.warns(CollapseWarning, match='not of the sizes of the prior'):
        IMSATClustering(3, prior=[.9, .05, .05], mu=0., **SHORT).fit(X)
