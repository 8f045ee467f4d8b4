"""Columns that are brought to a common scale first."""
import warnings

import numpy
import pytest
import scipy.sparse
from sklearn.datasets import make_blobs
from sklearn.preprocessing import StandardScaler

import imsat
from imsat import (
    DEC, CollapseWarning, DAEKMeans, DeepHasher, IMSATClustering,
    IMSATHasher, InputError, ITQHasher, KMeansClustering, SpectralHasher,
    clustering_accuracy, load_original)
from imsat.storage import load_npz

X, Y = make_blobs(600, 6, centers=4, random_state=0)
UNLIKE = X * [1, 1e-6, 1e5, 1, 30, 1] + [0, 0, -1e7, 1e8, 5, 0]
SHORT = dict(hidden=(10,), epochs=2, batch_size=100, random_state=0)


@pytest.fixture(autouse=True)
def short_trainings_collapse():
    warnings.simplefilter('ignore', CollapseWarning)


@pytest.mark.parametrize('make', [
    lambda **scale: IMSATClustering(4, **SHORT, **scale),
    lambda **scale: IMSATHasher(3, **SHORT, **scale),
    lambda **scale: DAEKMeans(4, hidden=(8,), n_code=2, epochs=1,
                              batch_size=100, random_state=0, **scale),
    pytest.param(lambda **scale: DEC(
        4, hidden=(8,), n_code=2, epochs=1, max_epochs=1, batch_size=100,
        random_state=0, **scale), marks=pytest.mark.slow),
    lambda **scale: DeepHasher(2, hidden=(4,), epochs=2, batch_size=100,
                               random_state=0, **scale),
    lambda **scale: KMeansClustering(4, random_state=0, **scale),
    lambda **scale: ITQHasher(3, random_state=0, **scale),
    lambda **scale: SpectralHasher(3, **scale)])
@pytest.mark.filterwarnings('ignore::sklearn.exceptions.ConvergenceWarning')
def test_as_scaled_by_hand(tmp_path, make):
    model = make(scale='standard').fit(UNLIKE)
    by_hand = StandardScaler().fit(UNLIKE)
    numpy.testing.assert_allclose(model.center_, by_hand.mean_, 1e-12)
    numpy.testing.assert_allclose(model.deviation_, by_hand.scale_, 1e-8)

    def scaled(x):
        return (x - model.center_) / model.deviation_
    expected = make(center='never').fit(scaled(UNLIKE))
    assert model.objective_ == expected.objective_
    new = UNLIKE[:50] + 1
    numpy.testing.assert_array_equal(model.transform(new),
                                     expected.transform(scaled(new)))
    model.save(tmp_path / 'model.npz')
    loaded = type(model).load(tmp_path / 'model.npz')
    assert loaded.scale == 'standard'
    numpy.testing.assert_array_equal(loaded.transform(new),
                                     model.transform(new))
    if isinstance(model, KMeansClustering):
        numpy.testing.assert_allclose(
            scaled(model.centers_), expected.centers_, 1e-4, 1e-6)


def test_clusters_of_unlike_columns():
    options = dict(hidden=(100, 100), epochs=30, batch_size=100,
                   random_state=0)
    kmeans = KMeansClustering(4, random_state=0, scale='standard')
    assert clustering_accuracy(Y, kmeans.fit(UNLIKE).labels_) > .99
    model = IMSATClustering(4, scale='standard', **options).fit(UNLIKE)
    assert clustering_accuracy(Y, model.labels_) > .99
    assert not [w for w in model.warnings_ if 'of all variance' in w]


@pytest.mark.parametrize('kind', [scipy.sparse.csr_matrix,
                                  scipy.sparse.csr_array])
def test_sparse_keeps_its_zeros(kind):
    x = numpy.where(numpy.random.default_rng(0).random(X.shape) < .8, X, 0)
    x[:, 5] = 0
    x[:, 4] *= 1e4
    model = IMSATClustering(4, scale='standard', **SHORT).fit(kind(x))
    assert not model.center_.any() and model.deviation_[5] == 1
    numpy.testing.assert_allclose(model.deviation_[:5], x.std(axis=0)[:5],
                                  1e-10)
    by_hand = IMSATClustering(4, **SHORT).fit(kind(x / model.deviation_))
    numpy.testing.assert_allclose(model.transform(kind(x)), by_hand.transform(
        kind(x / model.deviation_)), 1e-3, 1e-5)


@pytest.mark.parametrize('value', [0, .1, -1e8, 1e-300])
@pytest.mark.parametrize('dtype', ['f4', 'f8'])
def test_constant_columns_stay(value, dtype):
    x = numpy.hstack([X, numpy.full((600, 1), value)]).astype(dtype)
    model = KMeansClustering(4, random_state=0, scale='standard').fit(x)
    assert model.deviation_[6] == 1 and model.center_[6] == pytest.approx(
        float(x[0, 6]))
    assert clustering_accuracy(Y, model.labels_) > .99


def test_what_float32_has_lost():
    x = numpy.hstack([X, 1e8 + X[:, :1]]).astype('f')
    with pytest.raises(InputError, match='column 6 lies around 1e'):
        KMeansClustering(4, scale='standard').fit(x)


def test_an_augmentation_sees_points_as_they_are():
    model = IMSATClustering(4, scale='standard', regularizer=imsat.Affine(
        (2, 3)), **SHORT)
    with pytest.raises(InputError, match='scale .* augmentation'):
        model.fit(X)
    with pytest.raises(InputError, match='scale .* none, standard'):
        IMSATClustering(4, scale='minmax').fit(X)


def test_nothing_is_scaled_by_default(tmp_path):
    model = IMSATClustering(4, **SHORT).fit(X)
    numpy.testing.assert_array_equal(model.deviation_, numpy.ones(6))
    model.save(tmp_path / 'model.npz')
    load_original(tmp_path / 'model.npz')
    IMSATClustering(4, scale='standard', **SHORT).fit(X).save(
        tmp_path / 'model.npz')
    with pytest.raises(InputError, match='moved by center_ or scaled'):
        load_original(tmp_path / 'model.npz')


@pytest.mark.parametrize('value', [0, -1, numpy.nan, numpy.inf, 1e-310])
def test_damaged_deviations(tmp_path, value):
    model = KMeansClustering(4, scale='standard').fit(X)
    model.save(tmp_path / 'model.npz')
    arrays = load_npz(tmp_path / 'model.npz')
    arrays['deviation_'][2] = value
    numpy.savez(tmp_path / 'model.npz', **arrays)
    with pytest.raises(InputError, match='deviation_ has'):
        KMeansClustering.load(tmp_path / 'model.npz')
