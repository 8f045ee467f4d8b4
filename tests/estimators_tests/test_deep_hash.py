import chainer
import numpy
from chainer import gradient_check
from sklearn.datasets import load_digits

from imsat.retrieval.codes import unpack_bits
from imsat.links.tanh_network import TanhNetwork
from imsat.estimators.deep_hash import DeepHasher, deep_hash_losses

X = (load_digits().data / 8 - 1).astype('f')


def network():
    rng = numpy.random.RandomState(0)
    model = TanhNetwork(5, (4, 3))
    for param in model.params():
        param.array = rng.normal(0, .7, param.shape)
    return model


def terms(model, x):
    """J_1 to J_4 of Erin Liong et al., number by number."""
    layers = [(layer.W.array, layer.b.array) for layer in (model.l1, model.l2)]
    h = x
    for w, b in layers:
        h = numpy.array([[numpy.tanh(sum(w[i, j] * v[j] for j in range(len(v)))
                                     + b[i]) for i in range(len(b))]
                         for v in h])
    j = dict.fromkeys(
        ('quantization', 'variance', 'orthogonality', 'decay'), 0.)
    for column in h.T:
        mean = sum(column) / 6
        for v in column:
            j['quantization'] += ((1 if v > 0 else -1) - v) ** 2 / 12
            j['variance'] += (v - mean) ** 2 / 12
    for w, b in layers:
        for i, k in numpy.ndindex(len(w), len(w)):
            j['orthogonality'] += (sum(w[i] * w[k]) - (i == k)) ** 2 / 2
        for v in (*w.flat, *b):
            j['decay'] += v ** 2 / 2
    return j


def test_terms_by_hand():
    model, x = network(), numpy.random.RandomState(1).normal(size=(6, 5))
    expected, losses = terms(model, x), deep_hash_losses(model, x)
    assert losses.keys() == expected.keys()
    for name, value in expected.items():
        numpy.testing.assert_allclose(losses[name].array, value, 1e-12)


def test_loss_and_gradient_by_hand():
    model, x = network(), numpy.random.RandomState(1).normal(size=(6, 5))

    def expected():
        j = terms(model, x)
        return numpy.array(j['quantization'] - .7 * j['variance']
                           + .3 * j['orthogonality'] + .2 * j['decay']),
    hasher = DeepHasher(3, balance=.7, independence=.3, weight_decay=.2)
    losses = hasher.loss(model, x, None, 0)
    numpy.testing.assert_allclose(losses['loss'].array, *expected(), 1e-12)
    assert losses.keys() == {'loss', *terms(model, x)}
    model.cleargrads()
    losses['loss'].backward()
    params = list(model.params())
    gradients = gradient_check.numerical_grad(
        expected, [param.array for param in params], (numpy.ones(()),), 1e-5)
    for param, gradient in zip(params, gradients):
        numpy.testing.assert_allclose(param.grad, gradient, 1e-6, 1e-8)


def test_starts_from_the_principal_components():
    model = DeepHasher(8, hidden=(20, 10), epochs=1, learning_rate=1e-12,
                       random_state=0).fit(X)
    mean = X.mean(axis=0, dtype='d')
    _, _, components = numpy.linalg.svd(X - mean, full_matrices=False)
    v = (X - mean) @ components[:8].T
    bits = unpack_bits(model.codes_, 8)
    for j in range(8):
        # Up to the sign of a component, the sign of the projection.
        clear = abs(v[:, j]) > 1e-3
        agree = (bits[:, j] == (v[:, j] > 0))[clear].mean()
        assert agree in (0, 1)


def test_learns():
    model = DeepHasher(12, epochs=20, random_state=0).fit(X)
    log = model.restarts_[0].log
    assert log[-1]['main/loss'] < log[0]['main/loss']
    assert log[-1]['all/distinct_codes'] == len(
        numpy.unique(model.codes_, axis=0)) > 100
    bits = unpack_bits(model.codes_, 12)
    # Neither constant, as without the variance, nor copies of each other.
    assert bits.std(axis=0).min() > .3
    correlation = abs(numpy.corrcoef(bits.T) - numpy.eye(12))
    assert correlation.max() < .8


def test_units_of_the_data_do_not_matter():
    model, small = (DeepHasher(8, epochs=1, random_state=0).fit(x)
                    for x in (X, X * numpy.float32(2 ** -10) + 3))
    assert (model.codes_ == small.codes_).mean() > .99
    numpy.testing.assert_array_equal(
        small.transform(X * numpy.float32(2 ** -10) + 3), small.codes_)


def test_network_of_more_units_than_inputs():
    model = TanhNetwork(2, (3, 2))
    y = model(numpy.array([[.3, -.2]], 'f'))
    numpy.testing.assert_allclose(
        y.array, numpy.tanh(numpy.tanh([[.3, -.2]])), 1e-6)
    assert isinstance(y, chainer.Variable)


def test_ten_layers_in_their_order():
    # Where names are sorted, l10 comes before l2.
    network = TanhNetwork(3, list(range(4, 14)))
    x = h = numpy.random.default_rng(0).normal(size=(5, 3)).astype('f')
    for i in range(1, 11):
        h = numpy.tanh(h @ network[f'l{i}'].W.array.T)
    numpy.testing.assert_allclose(network(x).array, h, atol=1e-6)
