"""Sizes and layouts; tests/functions_tests has the values."""
import chainer
import numpy
import pytest
from chainer.backends.cuda import to_cpu

from imsat.cuda import batch_normalization_relu as kernels
from imsat.functions import batch_normalization_relu

SHAPES = [(1, 1), (5, 1), (1, 7), (2, 31), (70, 33), (9, 256), (600, 5),
          (4000, 3)]


def inputs(shape, dtype):
    """x, gamma, beta, running mean and variance, gy."""
    rng = numpy.random.RandomState(0)
    d = shape[1]
    return [a.astype(dtype) for a in (
        rng.normal(1, 3, shape), rng.normal(1, .5, d), rng.normal(1, .5, d),
        rng.normal(0, 1, d), rng.uniform(1, 2, d), rng.normal(0, 1, shape))]


def reference(x, gamma, beta, mean, var, gy):
    """By NumPy in float64."""
    x, gamma, beta = (chainer.Variable(a.astype('d'))
                      for a in (x, gamma, beta))
    mean, var = mean.astype('d'), var.astype('d')
    y = batch_normalization_relu(x, gamma, beta, 2e-5, mean, var, .9)
    y.grad = gy.astype('d')
    y.backward()
    return y.array, mean, var, x.grad, gamma.grad, beta.grad


def compute(x, gamma, beta, mean, var, gy, place, in_place):
    x, gamma, beta, gy = map(place, (x, gamma, beta, gy))
    mean, var = map(in_place, (mean, var))
    y, saved = kernels.forward(x, gamma, beta, 2e-5, mean, var, .9)
    gradients = kernels.backward(x, gamma, beta, saved, gy)
    return [to_cpu(a) for a in (y, mean, var, *gradients)]


@pytest.mark.parametrize('dtype,tolerance', [('f', 2e-5), ('d', 1e-11)])
@pytest.mark.parametrize('shape', SHAPES)
def test_sizes(place, device, shape, dtype, tolerance):
    arrays = inputs(shape, dtype)
    for actual, expected in zip(
            compute(*arrays, place, device.asarray), reference(*arrays)):
        assert actual.dtype == dtype and actual.shape == expected.shape
        # Of a batch of one the gradient is rounding noise, times 1 / sqrt eps
        atol = tolerance * max(abs(expected).max(), 300 / shape[0] ** 4)
        numpy.testing.assert_allclose(actual, expected, 0, atol)


def test_mean_far_from_zero(device):
    # Where E[x^2] - E[x]^2 has no digit left.
    arrays = inputs((500, 4), 'd')
    arrays[0] += 1e8
    actual = compute(*arrays, device.asarray, device.asarray)
    for a, e in zip(actual[:4], reference(*arrays)[:4]):
        numpy.testing.assert_allclose(a, e, 1e-7, 1e-7)


def test_without_running_statistics(device):
    x, gamma, beta, mean, var, gy = inputs((9, 5), 'd')
    with_them = compute(
        x, gamma, beta, mean, var, gy, device.asarray, device.asarray)[0]
    y, _ = kernels.forward(*map(device.asarray, (x, gamma, beta)))
    assert (to_cpu(y) == with_them).all()


@pytest.mark.parametrize('shape', [(0, 5), (5, 0)])
def test_empty(device, shape):
    arrays = inputs(shape, 'f')
    y, mean, var, gx, ggamma, gbeta = compute(
        *arrays, device.asarray, device.asarray)
    assert y.shape == gx.shape == shape
    assert (mean == arrays[3]).all() and (var == arrays[4]).all()
    assert ggamma.shape == shape[1:] and (gbeta == 0).all()


def test_the_order_of_threads_does_not_matter(repeats, device):
    arrays = inputs((300, 33), 'f')
    results = [compute(*arrays, device.asarray, device.asarray)
               for _ in repeats]
    for result in results:
        for a, b in zip(result, results[0]):
            assert (a == b).all()
