"""Regularized information maximization (Gomes et al. 2010)."""
import chainer
import numpy
import pytest
import scipy.optimize
from chainer import gradient_check
from sklearn.datasets import load_iris

from imsat import (
    ClusteringObjective, Encoder, IMSATClustering, IMSATLoss, WeightDecay)
from paper.systems import get_system
from imsat.training.adam import Adam
from imsat.training.iterators import IndexIterator
from imsat.training.updater import Updater

X, Y = load_iris(return_X_y=True)
X = ((X - X.mean(axis=0)) / X.std(axis=0)).astype('f')
RATE = .05


def objective(w, b, decayed=True):
    """Eq. 1 for a linear classifier: w of shape (d, K), b of (K,), which is
    decayed or not."""
    y = X.astype('d') @ w + b
    log_p = y - scipy.special.logsumexp(y, axis=1, keepdims=True)
    p = numpy.exp(log_p)
    mean = p.mean(axis=0)
    conditional = -(p * log_p).sum(axis=1).mean()
    marginal = -(mean * numpy.log(mean)).sum()
    squares = (w ** 2).sum() + (b ** 2).sum() * decayed
    return RATE / 2 * squares + conditional - marginal


def solve(w, b):
    """SciPy's optimum, from w and b on."""
    def f(v):
        return objective(v[:12].reshape(4, 3), v[12:])
    return scipy.optimize.minimize(f, numpy.append(w.ravel(), b)).fun


@pytest.fixture(scope='module')
def linear():
    # The whole data as one batch, and Eq. 7's mu: what the others minimise.
    model = get_system('clustering', 'linear-rim').make(
        n_clusters=3, mu=1, weight_decay=RATE, batch_size=150, epochs=300,
        n_init=3, learning_rate=.05, random_state=0)
    return model.fit(X)


def test_linear_rim_reaches_scipys_optimum(linear):
    layer = linear.encoder_.l1
    w, b = layer.W.array.T.astype('d'), layer.b.array.astype('d')
    numpy.testing.assert_allclose(linear.objective_, objective(w, b), 1e-5)
    # Nothing is left to gain from here, nor is there better elsewhere.
    assert linear.objective_ - solve(w, b) < 1e-4
    rng = numpy.random.RandomState(0)
    starts = [solve(rng.normal(size=(4, 3)), numpy.zeros(3))
              for _ in range(4)]
    assert linear.objective_ - min(starts) < 1e-4


@pytest.mark.slow
def test_linear_rim_is_gemclus():
    gemclus = pytest.importorskip(
        'gemclus.linear', reason='needs GemClus: pip install gemclus')
    # Its penalty has no 1/2 and leaves the biases alone.
    models = [gemclus.RIM(3, max_iter=300, learning_rate=.05, reg=RATE / 2,
                          random_state=seed).fit(X) for seed in range(3)]
    theirs = min(objective(model.W_, model.b_[0], decayed=False)
                 for model in models)

    def train(seed):
        encoder = Encoder(4, 3, (), rng=numpy.random.RandomState(seed))
        updater = Updater(
            IndexIterator(150, 150, seed=seed), Adam(.05).setup(encoder), X,
            IMSATLoss(ClusteringObjective(lam=1, mu=1),
                      WeightDecay(RATE, weights_only=True),
                      numpy.zeros(150)))
        for _ in range(300):
            updater.update()
        return encoder.l1.W.array.T.astype('d'), encoder.l1.b.array
    ours = min(objective(*train(seed), decayed=False) for seed in range(3))
    numpy.testing.assert_allclose(ours, theirs, atol=1e-3)


def network(dtype):
    encoder = Encoder(4, 3, (6, 5), rng=numpy.random.RandomState(0))
    for param in encoder.params():
        param.array = numpy.random.RandomState(1).normal(
            .1, .4, param.shape).astype(dtype)
    encoder.cleargrads()
    return encoder


def deep_rim():
    """R and the rest of Eq. 1, as the estimator puts them together."""
    model = get_system('clustering', 'deep-rim').make(n_clusters=3)
    return model.make_regularizer(), model.make_objective()


def test_gradient_of_deep_rim():
    encoder = network('d')
    regularizer, information = deep_rim()

    def loss(x):
        y = encoder(x, update_statistics=False)
        return regularizer(encoder, None, x) + information(y)[0]
    # The biases before batch normalization have no gradient at all.
    params = [param for name, param in encoder.namedparams()
              if name not in ('/l1/b', '/l2/b')]
    gradient_check.check_backward(
        loss, X[:20].astype('d'), None, params, dtype='d', atol=1e-6,
        rtol=1e-6)


def test_a_step_follows_that_gradient():
    x, encoder = X[:20].astype('d'), network('d')
    regularizer, information = deep_rim()
    y = encoder(x, update_statistics=False)
    (regularizer(encoder, None, x) + information(y)[0]).backward()
    expected = {name: param.array - param.grad
                for name, param in encoder.namedparams()}

    encoder = network('d')
    Updater(
        IndexIterator(20, 20), chainer.optimizers.SGD(1).setup(encoder), x,
        IMSATLoss(information, regularizer, numpy.zeros(20))).update()
    for name, param in encoder.namedparams():
        numpy.testing.assert_allclose(param.array, expected[name], 1e-9,
                                      1e-12)


def test_no_neighbours_are_needed():
    # Twelve times the same point have no sigma, which RIM has no use for.
    x = numpy.concatenate([X, numpy.repeat(X[:1], 12, axis=0)])
    model = IMSATClustering(3, hidden=(), regularizer='weight-decay',
                            epochs=2, batch_size=50, n_neighbors=500)
    assert numpy.isfinite(model.fit(x).objective_)
