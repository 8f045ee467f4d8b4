import chainer
import numpy
import pytest
from chainer import gradient_check
from chainer.backends.cuda import to_cpu
from scipy.stats import entropy

from imsat.functions import sigmoid_kl, softmax_kl


@pytest.mark.parametrize('shape', [(1, 1), (1, 4), (9, 3)])
@pytest.mark.parametrize('dtype,rtol', [('f', 1e-4), ('d', 1e-10)])
def test_softmax_kl_is_scipys(xp, dtype, rtol, shape):
    rng = numpy.random.RandomState(0)
    y0, y1 = rng.normal(0, 3, (2, *shape)).astype(dtype)
    p, q = (numpy.exp(y) / numpy.exp(y).sum(1, keepdims=True)
            for y in (y0.astype('d'), y1.astype('d')))
    actual = softmax_kl(xp.asarray(y0), xp.asarray(y1), eps=0)
    assert actual.dtype == y0.dtype
    numpy.testing.assert_allclose(
        to_cpu(actual.array),
        entropy(p, q, axis=1).mean(), rtol, atol=rtol)


@pytest.mark.parametrize('function', [softmax_kl, sigmoid_kl])
@pytest.mark.parametrize('eps', [1e-8, 0, .1])
def test_backward(xp, function, eps):
    rng = numpy.random.RandomState(1)
    y0, y1, ggy0, ggy1 = (xp.asarray(a) for a in rng.normal(size=(4, 6, 5)))
    g = xp.asarray(1.7)

    def f(y0, y1):
        return function(y0, y1, eps)

    gradient_check.check_backward(f, (y0, y1), g, rtol=1e-6, atol=1e-8,
                                  dtype=numpy.float64)
    gradient_check.check_double_backward(
        f, (y0, y1), g, (ggy0, ggy1), rtol=1e-5, atol=1e-7,
        dtype=numpy.float64)


@pytest.mark.parametrize('function', [softmax_kl, sigmoid_kl])
@pytest.mark.parametrize('eps', [1e-8, 0])
@pytest.mark.parametrize('dtype', ['f', 'd'])
def test_saturated(xp, function, dtype, eps):
    rng = numpy.random.RandomState(2)
    y0, y1 = (chainer.Variable(xp.asarray(
        (1e4 * rng.choice([-1, 1], (8, 5))).astype(dtype))) for _ in range(2))
    distance = function(y0, y1, eps)
    distance.backward()
    assert distance.array > 0
    for a in (distance.array, y0.grad, y1.grad):
        assert numpy.isfinite(to_cpu(a)).all()


def test_a_bit_is_a_softmax_of_two(xp):
    y0, y1 = numpy.random.RandomState(3).normal(0, 2, (2, 9, 1))
    pairs = [numpy.concatenate([y, numpy.zeros_like(y)], axis=1)
             for y in (y0, y1)]
    numpy.testing.assert_allclose(
        to_cpu(sigmoid_kl(xp.asarray(y0), xp.asarray(y1)).array),
        to_cpu(softmax_kl(*map(xp.asarray, pairs)).array), 1e-12)
