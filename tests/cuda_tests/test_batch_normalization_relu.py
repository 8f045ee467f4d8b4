"""Sizes and layouts; tests/functions_tests has the values."""
import chainer
import numpy
import pytest
import simt
from chainer.backends.cuda import to_cpu

from imsat.cuda import batch_normalization_relu as kernels
from imsat.functions import batch_normalization_relu
from imsat.functions.normalization import BatchNormalizationReLU

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


@pytest.mark.by_turns(3)
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


@pytest.mark.filterwarnings('ignore:invalid value:RuntimeWarning')
@pytest.mark.parametrize('bad', [numpy.nan, numpy.inf])
def test_a_diverged_network_is_noticed(xp, bad):
    x, gamma, beta, _, _, _ = inputs((9, 5), 'f')
    expected = batch_normalization_relu(x, gamma, beta).array
    x[2, 1] = bad
    expected[:, 1] = numpy.nan  # its mean is not finite
    x, gamma, beta = map(xp.asarray, (x, gamma, beta))
    into = xp.asarray(0 * expected)
    function = BatchNormalizationReLU(2e-5, None, None, .9)
    function.forward_into((x, gamma, beta), into)
    for y in into, batch_normalization_relu(x, gamma, beta).array:
        numpy.testing.assert_allclose(to_cpu(y), expected, 1e-4, 1e-5)


# --- Groups, in one launch --------------------------------------------------
@pytest.mark.by_turns(3)
@pytest.mark.parametrize('dtype,tolerance', [('f', 2e-5), ('d', 1e-11)])
@pytest.mark.parametrize('groups', [1, 2, 3])
@pytest.mark.parametrize('shape', [
    *((n, 5) for n in (1, 2, 31, 32, 33, 1000, 1024)),
    *((9, d) for d in (1, 7, 17, 256))])
def test_groups(place, device, shape, groups, dtype, tolerance):
    arrays = [inputs(shape, dtype) for _ in range(groups)]
    for i, each in enumerate(arrays):
        each[0] *= i + 1
        each[5] -= i
    x, gy = (numpy.concatenate([each[i] for each in arrays]) for i in (0, 5))
    _, gamma, beta, mean, var, _ = arrays[0]
    bias = numpy.linspace(-1, 1, shape[1]).astype(dtype)
    expected = [reference(each[0], gamma, beta, mean, var, each[5])
                for each in arrays]

    running = device.asarray(mean), device.asarray(var)
    x, gamma, beta, gy = map(place, (x, gamma, beta, gy))
    y, saved = kernels.forward_groups(
        x, gamma, beta, groups, place(bias), 2e-5, *running, .9, groups // 2)
    ggamma, gbeta, gbias = map(device.asarray, (bias, bias, bias))
    gx = kernels.backward_groups(
        x, gamma, beta, saved, gy, groups, ggamma=ggamma, gbeta=gbeta,
        gbias=gbias)

    def check(actual, expected):
        atol = tolerance * max(abs(expected).max(), 300 / shape[0] ** 4)
        numpy.testing.assert_allclose(to_cpu(actual), expected, 0, atol)

    check(y, numpy.concatenate([each[0] for each in expected]))
    check(running[0], expected[groups // 2][1] + (1 - .9) * bias)
    check(running[1], expected[groups // 2][2])
    check(gx, numpy.concatenate([each[3] for each in expected]))
    check(ggamma, sum(each[4] for each in expected))
    check(gbeta, sum(each[5] for each in expected))
    assert (to_cpu(gbias) == 0).all()


def test_groups_are_written_where_it_is_told(device):
    x, gamma, beta, _, _, gy = map(device.asarray, inputs((8, 5), 'f'))
    expected, saved = kernels.forward_groups(x, gamma, beta, 2)
    expected_gx = kernels.backward_groups(x, gamma, beta, saved, gy, 2)
    outputs = [device.asarray(0 * a) for a in (expected, *saved)]
    y, kept = kernels.forward_groups(
        x, gamma, beta, 2, y=outputs[0], saved=outputs[1:])
    assert all(a is b for a, b in zip((y, *kept), outputs))
    # In place of the upstream gradient.
    gx = kernels.backward_groups(x, gamma, beta, saved, gy, 2, gy)
    assert gx is gy
    for a, b in ((y, expected), (gx, expected_gx)):
        assert (to_cpu(a) == to_cpu(b)).all()


def test_a_diverged_group_is_noticed(device):
    x, gamma, beta, _, _, _ = inputs((9, 5), 'f')
    expected, _ = kernels.forward_groups(
        *map(device.asarray, (x, gamma, beta)), 3)
    expected = to_cpu(expected).copy()
    x[4, 1] = expected[3:6, 1] = numpy.nan
    y, _ = kernels.forward_groups(*map(device.asarray, (x, gamma, beta)), 3)
    numpy.testing.assert_array_equal(to_cpu(y), expected)


def test_groups_in_one_launch(emulator):
    x, gamma, beta, mean, var, gy = map(
        simt.asarray, inputs((500, 40), 'f'))
    _, saved = kernels.forward_groups(
        x, gamma, beta, 2, running_mean=mean, running_var=var)
    kernels.backward_groups(x, gamma, beta, saved, gy, 2, None, mean, var)
    assert emulator.launches == {
        f'batch_normalization_relu_groups_{direction}': 1
        for direction in ('forward', 'backward')}


@pytest.mark.parametrize('shape', [(0, 5), (5, 0)])
def test_no_groups(device, shape):
    x, gamma, beta, mean, var, gy = map(device.asarray, inputs(shape, 'f'))
    before = to_cpu(mean)
    y, saved = kernels.forward_groups(
        x, gamma, beta, running_mean=mean, running_var=var)
    assert y.shape == kernels.backward_groups(
        x, gamma, beta, saved, gy).shape == shape
    assert (to_cpu(mean) == before).all()


def test_groups_are_of_one_size(device):
    x, gamma, beta, *_ = map(device.asarray, inputs((9, 5), 'f'))
    with pytest.raises(ValueError, match='^x has 9 rows, which are no 2 gro'):
        kernels.forward_groups(x, gamma, beta, 2)
    y, saved = kernels.forward_groups(x, gamma, beta)
    with pytest.raises(TypeError, match='both of ggamma'):
        kernels.backward_groups(x, gamma, beta, saved, y, ggamma=gamma)


def test_groups_repeat(repeats, device):
    x, gamma, beta, _, _, gy = map(device.asarray, inputs((300, 33), 'f'))
    results = []
    for _ in repeats:
        y, saved = kernels.forward_groups(x, gamma, beta, 3)
        sums = [device.asarray(numpy.zeros(33, 'f')) for _ in range(2)]
        gx = kernels.backward_groups(
            x, gamma, beta, saved, gy, 3, None, *sums)
        results.append([to_cpu(a) for a in (y, gx, *sums)])
    for result in results:
        for a, b in zip(result, results[0]):
            assert (a == b).all()
