import chainer
import chainer.functions as F
import numpy

from imsat.links.autoencoder import (
    Autoencoder, StudentClusters, corrupt, encode, target_distribution)
from imsat.estimators.autoencoder import divergence

RNG = numpy.random.RandomState(0)
X = RNG.normal(size=(6, 7)).astype('f')


def weights(layer):
    return layer.W.array.astype('d'), layer.b.array.astype('d')


def by_hand(layers, h, linear):
    """Layer by layer, rectified but for the one that is ``linear``."""
    for i, layer in layers:
        w, b = weights(layer)
        h = h @ w.T + b
        h = h if i == linear else numpy.maximum(h, 0)
    return h


def autoencoder():
    model = Autoencoder(7, (5, 8, 3), numpy.random.RandomState(1))
    for param in model.params():
        param.array[...] = RNG.normal(0, .5, param.shape)
    return model


def test_reconstruction_by_hand():
    model = autoencoder()
    code = by_hand(enumerate(model.encoder), X, linear=2)
    numpy.testing.assert_allclose(encode(model.encoder, X).array, code, 1e-4,
                                  1e-6)
    y = by_hand(list(enumerate(model.decoder))[::-1], code, linear=0)
    assert y.min() < 0 and code.min() < 0
    numpy.testing.assert_allclose(model(X).array, y, 1e-4, 1e-5)


def test_initial_weights():
    model = Autoencoder(300, (200, 10), numpy.random.RandomState(0))
    for layer in (*model.encoder, *model.decoder):
        w = layer.W.array
        assert abs(w.std() - .01) < 4 * .01 / (2 * w.size) ** .5
        assert not layer.b.array.any()


def test_a_layer_without_noise_is_its_part_of_the_whole():
    model = autoencoder()
    h = by_hand([(0, model.encoder[0])], X, linear=2).astype('f')
    y = model.denoise_layer(1, h, numpy.random.default_rng(0), 0)
    code = by_hand([(1, model.encoder[1])], h, linear=2)
    numpy.testing.assert_allclose(
        y.array, by_hand([(1, model.decoder[1])], code, linear=0), 1e-4, 1e-5)


def test_both_inputs_are_corrupted():
    model, h = autoencoder(), RNG.normal(size=(6, 5)).astype('f')
    y = model.denoise_layer(1, h, numpy.random.default_rng(3), .4)
    # The mask of the layer's input is drawn before that of its inverse's.
    rng = numpy.random.default_rng(3)
    first, second = ((rng.random(shape, dtype='f') >= .4) / .6
                     for shape in ((6, 5), (6, 8)))
    code = by_hand([(1, model.encoder[1])], h * first, linear=2)
    expected = by_hand([(1, model.decoder[1])], code * second, linear=0)
    numpy.testing.assert_allclose(y.array, expected, 1e-4, 1e-5)


def test_corruption():
    x = numpy.ones((400, 500), 'f')
    y = corrupt(chainer.Variable(x), numpy.random.default_rng(0), .2).array
    numpy.testing.assert_allclose(numpy.unique(y), [0, 1.25])
    assert abs((y == 0).mean() - .2) < 4 * (.16 / x.size) ** .5
    again = corrupt(x, numpy.random.default_rng(0), .2)
    numpy.testing.assert_array_equal(y, again)


class TestDEC:
    """Against Eqs. 1 to 5 of Xie et al. (2016), written as they stand."""
    Z = RNG.normal(size=(6, 3))
    MU = RNG.normal(size=(4, 3))

    def q(self):
        q = numpy.empty((6, 4))
        for i in range(6):
            for j in range(4):
                q[i, j] = 1 / (1 + ((self.Z[i] - self.MU[j]) ** 2).sum())
            q[i] /= q[i].sum()
        return q

    def p(self):
        q, p = self.q(), numpy.empty((6, 4))
        f = [sum(q[i, j] for i in range(6)) for j in range(4)]
        for i in range(6):
            total = sum(q[i, k] ** 2 / f[k] for k in range(4))
            for j in range(4):
                p[i, j] = q[i, j] ** 2 / f[j] / total
        return p

    def network(self):
        # An encoder that is the identity leaves Z as it is.
        network = StudentClusters(chainer.ChainList(
            chainer.links.Linear(3, 3, initialW=numpy.eye(3))), self.MU)
        for param in network.params():
            param.array = param.array.astype('d')
        return network

    def test_soft_assignment(self):
        q = F.softmax(self.network()(self.Z)).array
        numpy.testing.assert_allclose(q, self.q(), 1e-12)

    def test_target_distribution(self):
        numpy.testing.assert_allclose(
            target_distribution(self.q()), self.p(), 1e-12)

    def test_gradient(self):
        p, q, network = self.p(), self.q(), self.network()
        z = chainer.Variable(self.Z)
        loss = divergence(p, network(z))
        numpy.testing.assert_allclose(
            loss.array, (p * numpy.log(p / q)).sum() / 6, 1e-12)
        network.cleargrads()
        loss.backward()
        # Eqs. 4 and 5 with alpha = 1, of the sum and not the mean.
        gz, gmu = numpy.zeros((6, 3)), numpy.zeros((4, 3))
        for i in range(6):
            for j in range(4):
                difference = self.Z[i] - self.MU[j]
                term = 2 / (1 + (difference ** 2).sum()) \
                    * (p[i, j] - q[i, j]) * difference
                gz[i] += term
                gmu[j] -= term
        numpy.testing.assert_allclose(6 * z.grad, gz, 1e-10)
        numpy.testing.assert_allclose(6 * network.centers.grad, gmu, 1e-10)
