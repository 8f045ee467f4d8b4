import chainer
import chainer.functions as F
import numpy
import pytest
from chainer import gradient_check
from chainer.backends.cuda import to_cpu

from imsat.functions import batch_normalization_relu


def inputs(shape, dtype, xp=numpy):
    rng = numpy.random.RandomState(0)
    x = rng.normal(1, 3, shape)
    gamma, beta = rng.normal(1, .5, (2, shape[1]))
    return tuple(xp.asarray(a.astype(dtype)) for a in (x, gamma, beta))


def naive(x, gamma, beta, eps):
    y = numpy.empty_like(x)
    for j in range(x.shape[1]):
        mean = sum(x[:, j]) / len(x)
        var = sum((v - mean) ** 2 for v in x[:, j]) / len(x)
        for i in range(len(x)):
            z = gamma[j] * (x[i, j] - mean) / (var + eps) ** .5 + beta[j]
            y[i, j] = z if z > 0 else 0
    return y


@pytest.mark.parametrize('shape', [(1, 1), (1, 4), (7, 3), (12, 33)])
@pytest.mark.parametrize('dtype,tolerance', [('f', 1e-5), ('d', 1e-12)])
def test_forward(xp, shape, dtype, tolerance):
    x, gamma, beta = inputs(shape, dtype)
    y = batch_normalization_relu(*map(xp.asarray, (x, gamma, beta)))
    assert y.dtype == x.dtype
    numpy.testing.assert_allclose(
        to_cpu(y.array),
        naive(x.astype('d'), gamma.astype('d'), beta.astype('d'), 2e-5),
        tolerance, tolerance)


def test_backward(xp):
    args = inputs((6, 4), 'd', xp)
    rng = numpy.random.RandomState(1)
    gy = xp.asarray(rng.normal(size=(6, 4)))
    ggs = tuple(xp.asarray(rng.normal(size=a.shape)) for a in args)
    gradient_check.check_backward(
        batch_normalization_relu, args, gy, rtol=1e-5, atol=1e-7,
        dtype=numpy.float64)
    gradient_check.check_double_backward(
        batch_normalization_relu, args, gy, ggs, rtol=1e-4, atol=1e-6,
        dtype=numpy.float64)


def test_gradient_of_an_upstream_that_is_shared(xp):
    # The upstream gradient may be needed elsewhere: it must stay as it is.
    x, gamma, beta = map(chainer.Variable, inputs((6, 4), 'd', xp))
    y = batch_normalization_relu(x, gamma, beta)
    y.grad = gy = xp.asarray(numpy.ones((6, 4)))
    y.backward()
    assert (gy == 1).all()


def test_statistics_of_a_batch_of_one(golden, xp):
    trace = golden('functions_cluster')
    # From fresh statistics, batch of 1: m - 1 counts as 1.
    expected = trace['bn.batch1.avg_var']
    width = len(expected)
    ones, zeros = numpy.ones(width), numpy.zeros(width)
    mean, var = xp.asarray(zeros.copy()), xp.asarray(zeros.copy())
    batch_normalization_relu(
        xp.asarray(ones[None]), xp.asarray(ones), xp.asarray(zeros), 2e-5,
        mean, var)
    # (recorded in float32)
    numpy.testing.assert_allclose(
        to_cpu(var) + .1 * 2e-5, expected, 1e-7)


def test_is_chainers(xp):
    x, gamma, beta = inputs((12, 33), 'd', xp)
    numpy.testing.assert_allclose(
        to_cpu(batch_normalization_relu(x, gamma, beta).array),
        to_cpu(F.relu(F.batch_normalization(x, gamma, beta)).array), 1e-12,
        1e-14)


@pytest.mark.parametrize('scale,is_off', [(1e-14, True), (1e-9, False)])
def test_dying_units(scale, is_off):
    # Silent before products of what they say and weights are subnormal.
    rng = numpy.random.RandomState(0)
    x, gy = rng.normal(size=(2, 50, 6)).astype('f')
    gamma, beta = numpy.ones((2, 6), 'f')
    gamma[:3], beta[:3] = scale, 0
    x = chainer.Variable(x)
    y = batch_normalization_relu(x, gamma, beta)
    assert (not y.array[:, :3].any()) == is_off
    y.grad = gy
    y.backward()
    gx, x.grad = x.grad, None
    # What is switched off is no part of a sum of numbers of order 1.
    expected = F.relu(F.batch_normalization(x, gamma, beta))
    numpy.testing.assert_allclose(y.array, expected.array, 1e-5, 1e-12)
    # They go on learning.
    expected.grad = gy
    expected.backward()
    numpy.testing.assert_allclose(gx, x.grad, 1e-4, 1e-5 * scale)
