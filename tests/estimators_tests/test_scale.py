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


@pytest.mark.parametrize('n', [60, 2000, 40000])
def test_a_column_that_varies_by_little_far_from_0(n):
    noise = numpy.random.default_rng(0).normal(size=n)
    # About 4,000 steps of float64, however many points there are.
    x = numpy.c_[1e9 + 5e-4 * noise, noise[::-1]]
    moved = x[:, 0] - 1e9  # exact
    model = KMeansClustering(2, scale='standard', random_state=0).fit(x)
    numpy.testing.assert_allclose(model.deviation_[0], moved.std(), 1e-9)
    numpy.testing.assert_allclose(model.center_[0] - 1e9, moved.mean(),
                                  rtol=0, atol=1e-6)
    # A sum in another order is constant to a few steps.
    x[:, 0] = .1 + .2
    x[::2, 0] = .3
    model = KMeansClustering(2, scale='standard', random_state=0).fit(x)
    assert model.deviation_[0] == 1


def test_numbers_whose_squares_float64_can_not_hold():
    x = X.copy()
    x[:, 2] *= 1e-170
    with pytest.raises(InputError, match='column 2 .* hold the squares'):
        KMeansClustering(4, scale='standard').fit(x)
    x[:, 2] = 1e-170  # constant: nothing to hold apart
    KMeansClustering(4, scale='standard', random_state=0).fit(x)


def test_new_points_that_float32_can_not_hold_once_scaled():
    x = X * [1e-30, 1, 1, 1, 1, 1]
    model = KMeansClustering(4, scale='standard', random_state=0).fit(x)
    model.predict(x)
    for new in x[:3] + [1e9, 0, 0, 0, 0, 0], \
            scipy.sparse.csr_matrix([[1e-12, 0, 0, 0, 0, 0]]):
        with pytest.raises(InputError, match='column 0 .* times as far away'):
            model.predict(new)
