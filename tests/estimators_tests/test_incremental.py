"""A stream, a chunk at a time."""
import copy
import pickle

import numpy
import pytest
import scipy.sparse
from sklearn.datasets import make_blobs

import imsat
from imsat import (
    DivergenceError, IMSATClustering, IMSATHasher, InputError,
    clustering_accuracy)

X, Y = make_blobs(300, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)
OPTIONS = dict(hidden=(30,), batch_size=50, random_state=1)

pytestmark = pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')


@pytest.mark.parametrize('options', [
    {}, dict(step='graph'), dict(regularizer='rpt'), dict(scale='standard'),
    dict(xi=1.), dict(regularizer='weight-decay', hidden=())])
def test_a_chunk_again_is_another_epoch(options):
    options = {**OPTIONS, **options}
    model = IMSATClustering(3, **options)
    for epochs in 1, 2, 3:
        whole = IMSATClustering(3, sampling='sweep', epochs=epochs,
                                **options).fit(X)
        assert model.partial_fit(X) is model
        numpy.testing.assert_array_equal(model.transform(X),
                                         whole.transform(X))
        assert model.n_iter_ == epochs and model.random_state == 1
        assert model.restarts_[0].step == whole.restarts_[0].step
        assert model.objective_ == whole.restarts_[0].log[-1]['main/loss']


@pytest.mark.parametrize('kind', [numpy.asarray, scipy.sparse.csr_matrix])
def test_a_stream(kind):
    rng = numpy.random.default_rng(0)
    model = IMSATClustering(3, **OPTIONS)
    for _ in range(60):
        y = rng.integers(3, size=100)
        x = numpy.array([[0, 0], [6, 0], [0, 6]])[y] + rng.normal(
            size=(100, 2))
        model.partial_fit(kind(x))
    assert clustering_accuracy(y, model.labels_) > .95
    assert clustering_accuracy(Y, model.predict(X)) > .95


@pytest.mark.parametrize('again', [
    copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_goes_on_alike(again):
    model = IMSATHasher(4, **OPTIONS).partial_fit(X[:200])
    other = again(model).partial_fit(X[100:])
    model.partial_fit(X[100:])
    numpy.testing.assert_array_equal(other.transform(X), model.transform(X))
    numpy.testing.assert_array_equal(model.codes_, model.transform(X[100:]))


def test_chunks_of_any_size():
    model = IMSATClustering(3, hidden=(30,), random_state=0)
    model.partial_fit(X[:200])
    assert model.batch_size_ == 50  # a quarter
    for n in 130, 7, 3, 2:
        model.partial_fit(X[:n])
        assert len(model.labels_) == n
    # 4, then 2, then a batch of each of the rest.
    assert model.restarts_[0].log[-1]['iteration'] == 9


def test_what_the_first_chunk_says_is_kept():
    far = X + 1e6
    model = IMSATClustering(3, scale='standard', **OPTIONS)
    model.partial_fit(far[:150])
    center = model.center_
    model.partial_fit(far[150:])
    numpy.testing.assert_array_equal(model.center_, far[:150].mean(axis=0))
    assert model.center_ is center


def test_after_a_fit_or_from_a_file(tmp_path):
    fitted = IMSATClustering(3, epochs=20, **OPTIONS).fit(X)
    fitted.save(tmp_path / 'model.npz')
    loaded = IMSATClustering.load(tmp_path / 'model.npz')
    before = fitted.predict_proba(X)
    fitted.partial_fit(X)
    loaded.partial_fit(X)
    numpy.testing.assert_array_equal(fitted.transform(X), loaded.transform(X))
    assert 0 < abs(fitted.predict_proba(X) - before).max() < .5
    # And anew.
    again = IMSATClustering(3, epochs=20, **OPTIONS).fit(X)
    assert fitted.fit(X).objective_ == again.objective_


def test_a_chunk_that_fails_leaves_all_as_it_was():
    model = IMSATClustering(3, **OPTIONS).partial_fit(X)
    state = pickle.dumps(model)
    model.learning_rate = 1e30
    with pytest.raises(DivergenceError, match='in chunk 2'):
        for _ in range(3):
            model.partial_fit(X)
    model.learning_rate = .002
    with pytest.raises(InputError, match='NaN'):
        model.partial_fit(X * numpy.nan)
    expected = pickle.loads(state).partial_fit(X)
    numpy.testing.assert_array_equal(model.partial_fit(X).transform(X),
                                     expected.transform(X))


@pytest.mark.parametrize('options,message', [
    (dict(prior=[.5, .3, .2]), 'uneven prior'), (dict(delta=.1), 'delta'),
    (dict(n_neighbors=40), 'no neighbour number 40'),
    (dict(n_clusters=4), 'are asked for'),
    (dict(hidden=(3,)), 'are asked for'), (dict(lam=-1), 'lam is -1')])
def test_what_can_not_be(options, message):
    model = IMSATClustering(3, **OPTIONS).partial_fit(X)
    with pytest.raises(InputError, match=message):
        model.set_params(**options).partial_fit(X[:30])


def test_a_single_point():
    model = IMSATClustering(3, **OPTIONS)
    with pytest.raises(InputError):
        model.partial_fit(X[:1])
    model.partial_fit(X)
    with pytest.raises(InputError, match='give two or more'):
        model.partial_fit(X[:1])
    with pytest.raises(InputError, match='features'):
        model.partial_fit(X[:, :1])
    assert imsat.IMSATClustering(3).get_params()['warm_start'] is False
