"""The registry, and what every method of it has to do alike."""
import inspect
import warnings

import chainer
import chainer.functions as F
import numpy
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.utils.estimator_checks import check_estimator
from threadpoolctl import threadpool_limits

import imsat
from imsat import InputError, clustering_accuracy
from imsat.retrieval.codes import unpack_bits
from paper.systems import SYSTEMS, get_system
from imsat.estimators.autoencoder import DEC
from imsat.estimators.deep_hash import DeepHasher
from imsat.estimators.kmeans import KMeansClustering
from imsat.estimators.projection import ITQHasher, SpectralHasher

# Twelve features, so that points are images of 3 x 4 as well.
X, Y = make_blobs(300, 12, centers=3, cluster_std=.5, random_state=0)
X = X.astype('f') / 10
QUICK = dict(hidden=(10, 8), epochs=3, batch_size=50, n_neighbors=5,
             max_epochs=3, image_shape=(3, 4), random_state=0)
METHODS = [(task, name) for task in SYSTEMS for name in SYSTEMS[task]]


def make(task, name, **arguments):
    method = get_system(task, name)
    size = {'clustering': 'n_clusters', 'hashing': 'n_bits'}[task]
    known = {key: value for key, value in {**QUICK, **arguments}.items()
             if key in method.get_defaults()}
    return method.make(**{size: 3, **known})


def outcome(model, x):
    return model.labels_ if hasattr(model, 'labels_') else model.transform(x)


def test_the_papers_systems():
    assert set(SYSTEMS['clustering']) == {
        'kmeans', 'dae-kmeans', 'dec', 'linear-rim', 'deep-rim',
        'linear-imsat-vat', 'imsat-rpt', 'imsat-vat', 'imsat-affine',
        'imsat-vat-affine', 'imsat-neighbor', 'imsat-vat-neighbor'}
    assert set(SYSTEMS['hashing']) == {
        'spectral', 'pca-itq', 'deep-hash', 'linear-rim', 'deep-rim',
        'imsat-vat'}


RIM = dict(regularizer='weight-decay', weight_decay=.005, lam=1)


# Section 4.2.3, and what it refers to.
@pytest.mark.parametrize('task,name,expected', [
    ('clustering', 'kmeans', dict(n_init=12)),
    ('clustering', 'dae-kmeans', dict(
        hidden=(500, 500, 2000), n_code=10, noise=.2)),
    ('clustering', 'dec', dict(
        hidden=(500, 500, 2000), n_code=10, noise=.2, n_init=20, tol=.001,
        self_training_rate=.01)),
    ('clustering', 'linear-rim', dict(RIM, hidden=(), mu='auto')),
    ('clustering', 'deep-rim', dict(RIM, hidden=(1200, 1200), mu='auto')),
    ('clustering', 'linear-imsat-vat', dict(
        regularizer='vat', hidden=(), lam=1.6, alpha=.4, mu='auto')),
    ('clustering', 'imsat-rpt', dict(
        regularizer='rpt', hidden=(1200, 1200), lam=.05, alpha=2.5, mu='auto',
        n_neighbors='auto')),
    ('clustering', 'imsat-vat', dict(
        regularizer='vat', hidden=(1200, 1200), lam=.1, alpha=.25, mu='auto',
        n_neighbors='auto', xi='auto', power_iterations=1)),
    ('clustering', 'imsat-affine', dict(
        regularizer='affine', hidden=(1200, 1200), lam=.1, mu='auto')),
    ('clustering', 'imsat-vat-affine', dict(
        regularizer='vat-affine', hidden=(1200, 1200), lam=.1, alpha=.25,
        mu='auto', n_neighbors='auto')),
    ('hashing', 'linear-rim', dict(RIM, hidden=())),
    ('hashing', 'deep-rim', dict(RIM, hidden=(400, 400))),
    ('hashing', 'deep-hash', dict(hidden=(60, 30))),
    ('hashing', 'pca-itq', dict(iterations=50)),
    ('hashing', 'imsat-vat', dict(
        regularizer='vat', hidden=(400, 400), lam=.1, alpha=.25,
        n_neighbors='auto'))])
def test_hyper_parameters(task, name, expected):
    arguments = get_system(task, name).make().get_params()
    assert expected == {key: arguments[key] for key in expected}


W = numpy.random.RandomState(0).normal(size=(12, 2))


def regularize(task, name, w):
    """A method's R of a network that is linear, and all inputs of it, the
    clean ones first."""
    inputs = []

    def forward(x, update_statistics):
        assert not update_statistics
        x = chainer.as_variable(x)
        inputs.append(x.array)
        return F.matmul(x, w)
    model = make(task, name, distortion=dict(probability=1))
    loss = model.make_regularizer()(
        forward, model.make_objective().distance, X.astype('d'),
        model.radius(X).astype('d'),
        rng=numpy.random.default_rng(0))
    return loss.array, inputs


def kl(moved, w):
    """Eq. 4 for a linear softmax, with the constant of the logarithms."""
    p, q = (e / e.sum(axis=1, keepdims=True)
            for e in (numpy.exp(x.astype('d') @ w) for x in (X, moved)))
    return (p * numpy.log((p + 1e-8) / (q + 1e-8))).sum() / len(X)


def radius(alpha):
    """Eq. 17, t = 5."""
    x = X.astype('d')
    distances = numpy.linalg.norm(x[:, None] - x, axis=2)
    return alpha * numpy.sort(distances, axis=1)[:, 5]


def unit(d):
    return d / numpy.linalg.norm(d, axis=-1, keepdims=True)


# Of two classes, or one bit, the worst direction is that in which the only
# difference of logits grows or falls.
@pytest.mark.parametrize('task,name,alpha,w,direction', [
    ('clustering', 'imsat-vat', .25, W, W[:, 0] - W[:, 1]),
    ('clustering', 'linear-imsat-vat', .4, W, W[:, 0] - W[:, 1]),
    ('clustering', 'imsat-vat-affine', .25, W, W[:, 0] - W[:, 1]),
    ('hashing', 'imsat-vat', .25, W[:, :1], W[:, 0])])
def test_vat_by_name(task, name, alpha, w, direction):
    loss, inputs = regularize(task, name, w)
    r = inputs[2] - X
    numpy.testing.assert_allclose(abs(r @ unit(direction)), radius(alpha),
                                  1e-5)
    numpy.testing.assert_allclose(numpy.linalg.norm(r, axis=1),
                                  radius(alpha), 1e-5)
    if name == 'imsat-vat' and task == 'clustering':
        numpy.testing.assert_allclose(loss, kl(inputs[2], w), 1e-9)


def test_rpt_by_name():
    normal = numpy.random.default_rng(0).standard_normal(X.shape)
    moved = X + radius(2.5)[:, None] * unit(normal)
    for w in (W, W[::-1]):  # whatever the network
        loss, inputs = regularize('clustering', 'imsat-rpt', w)
        numpy.testing.assert_allclose(inputs[-1], moved, 1e-5, 1e-6)
        numpy.testing.assert_allclose(loss, kl(inputs[-1], w), 1e-9)


def test_affine_by_name():
    distort = imsat.AffineDistortion((3, 4), probability=1)
    moved = distort(X.astype('d'), numpy.random.default_rng(0))
    loss, _ = regularize('clustering', 'imsat-affine', W)
    numpy.testing.assert_allclose(loss, kl(moved, W), 1e-9)


def test_vat_and_affine_by_name():
    loss, inputs = regularize('clustering', 'imsat-vat-affine', W)
    rng = numpy.random.default_rng(0)
    rng.standard_normal(X.shape)  # VAT's first direction
    moved = imsat.AffineDistortion((3, 4), probability=1)(X.astype('d'), rng)
    # Eq. 18.
    numpy.testing.assert_allclose(
        loss, (kl(inputs[2], W) + kl(moved, W)) / 2, 1e-9)


@pytest.mark.parametrize('task', SYSTEMS)
@pytest.mark.parametrize('name', ['linear-rim', 'deep-rim'])
def test_rim_by_name(task, name):
    network = imsat.Encoder(12, 3, (5,))
    network.l2.b.array[...] = [1, -2, 3]
    regularizer = make(task, name).make_regularizer()
    squares = sum((param.array.astype('d') ** 2).sum()
                  for param in network.params())
    numpy.testing.assert_allclose(
        regularizer(network, None, X).array, .0025 * squares, 1e-6)


def test_an_argument_wins_over_a_default():
    assert get_system('clustering', 'imsat-rpt').make(lam=3).lam == 3


def test_unknown():
    with pytest.raises(InputError, match="'dce'; choose one of dae-kmeans"):
        get_system('clustering', 'dce')


@pytest.mark.parametrize('task,name', METHODS)
def test_protocol(task, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = make(task, name)
    clone(model)
    assert list(inspect.signature(type(model)).parameters)[0] == (
        'n_clusters' if task == 'clustering' else 'n_bits')
    assert model.fit(X) is model
    assert list(tmp_path.iterdir()) == []
    # The labels change nothing, and neither does a second time.
    again = make(task, name).fit(X, Y)
    numpy.testing.assert_array_equal(outcome(model, X), outcome(again, X))

    best = model.restarts_[model.best_restart_]
    assert best.objective == model.objective_
    assert numpy.isfinite(model.objective_)
    assert best.seconds > 0 and best.seed == 0
    if task == 'clustering':
        numpy.testing.assert_array_equal(model.predict(X), model.labels_)
        assert model.labels_.dtype == numpy.int64
        assert best.logits.shape == (300, 3)
        assert model.transform(X).shape[0] == 300
    else:
        numpy.testing.assert_array_equal(model.transform(X), model.codes_)
        assert unpack_bits(model.codes_, 3).shape == (300, 3)

    model.save(tmp_path / 'model.npz')
    loaded = type(model).load(tmp_path / 'model.npz')
    new = X[:50] + .01
    numpy.testing.assert_array_equal(model.transform(new),
                                     loaded.transform(new))
    assert loaded.objective_ == model.objective_
    other = {'clustering': imsat.IMSATHasher,
             'hashing': imsat.IMSATClustering}[task]
    with pytest.raises(InputError, match=f'holds no {other.__name__}'):
        other.load(tmp_path / 'model.npz')


@pytest.mark.parametrize('task,name', METHODS)
@pytest.mark.parametrize('x,message', [
    (numpy.where(X == X[5, 1], numpy.nan, X), 'NaN'), (X[:, 0], '1D'),
    (numpy.ma.masked_equal(X, X[5, 1]), 'masked')])
def test_bad_data(task, name, x, message):
    with pytest.raises(ValueError, match=message):
        make(task, name).fit(x)


@pytest.mark.parametrize('task,name', METHODS)
@pytest.mark.parametrize('arguments', [
    dict(epochs=0), dict(batch_size=301), dict(n_init=0), dict(device=99),
    dict(random_state=-1), dict(sampling='no')])
def test_bad_arguments(task, name, arguments):
    argument, = arguments
    if argument not in get_system(task, name).get_defaults():
        pytest.skip(f'{name} has no {argument}')
    with pytest.raises(InputError) as info:
        make(task, name, **arguments).fit(X)
    assert '\n' not in str(info.value)


@pytest.mark.parametrize('name', ['imsat-affine', 'imsat-vat-affine'])
def test_affine_of_what_are_no_images(name):
    for shape in (None, (4, 4)):
        with pytest.raises(InputError, match='no images of shape'):
            make('clustering', name, image_shape=shape).fit(X)


@pytest.mark.parametrize('name', [
    'kmeans', 'dae-kmeans', pytest.param('dec', marks=pytest.mark.slow),
    'linear-rim', 'deep-rim'])
def test_sparse_data(name):
    x = numpy.maximum(X, 0)  # as tf-idf is
    dense = make('clustering', name).fit(x)
    sparse = make('clustering', name).fit(scipy.sparse.csr_matrix(x))
    assert clustering_accuracy(dense.labels_, sparse.labels_) > .99
    numpy.testing.assert_array_equal(
        sparse.predict(scipy.sparse.csr_matrix(x)), sparse.labels_)


# scikit-learn takes whatever has predict_proba for a classifier here.
NO_CLASSIFIER = dict.fromkeys(
    ('check_estimator_sparse_array', 'check_estimator_sparse_matrix'),
    'takes a clustering with predict_proba for a classifier')
DRAWN = dict.fromkeys(
    ('check_sample_weight_equivalence_on_dense_data',
     'check_sample_weight_equivalence_on_sparse_data'),
    'batches are drawn: a weight is as copies on average alone')


@pytest.mark.parametrize('estimator,expected', [
    pytest.param(KMeansClustering(3), {}, marks=pytest.mark.slow),
    (ITQHasher(1), {}), (SpectralHasher(3), {}),
    (DeepHasher(3, hidden=(4,), epochs=1, batch_size=8), {}),
    pytest.param(
        DEC(3, hidden=(4,), n_code=2, n_init=1, epochs=1, max_epochs=1,
            batch_size=8), NO_CLASSIFIER, marks=pytest.mark.slow),
    # Sizes that go with scikit-learn's data of ten to fifty points.
    (imsat.IMSATClustering(3, hidden=(30,), epochs=4, batch_size=8,
                           learning_rate=.03, n_neighbors=9, random_state=0),
     {**NO_CLASSIFIER, **DRAWN}),
    pytest.param(
        imsat.IMSATHasher(3, hidden=(30,), epochs=1, batch_size=8,
                          n_neighbors=9, random_state=0),
        {**NO_CLASSIFIER, **DRAWN}, marks=pytest.mark.slow)])
def test_check_estimator(estimator, expected):
    # K-means' threads wait for each other on a busy machine.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter('ignore')
        results = check_estimator(estimator, expected_failed_checks=expected)
    failed = {r['check_name'] for r in results if r['status'] == 'xfail'}
    assert failed == set(expected)
