"""Sizes and layouts; tests/functions_tests has the values."""
import chainer
import numpy
import pytest
from chainer.backends.cuda import to_cpu

from imsat.cuda import softmax_entropy as kernels
from imsat.functions import softmax_entropy

GS = .3, 1.7, -.4
SHAPES = [(1, 1), (5, 1), (1, 7), (3, 31), (2, 33), (9, 256), (257, 10),
          (300, 33), (2, 1025), (2, 8200), (4200, 3)]


def logits(shape, dtype):
    return numpy.random.RandomState(0).normal(0, 3, shape).astype(dtype)


def reference(y, prior, eps):
    """By NumPy in float64."""
    y = chainer.Variable(y.astype('d'))
    values = softmax_entropy(y, prior, eps)
    sum(g * v for g, v in zip(GS, values)).backward()
    return [v.array for v in values], y.grad


def compute(y, prior, eps, place):
    y, prior = place(y), None if prior is None else place(prior)
    gs = [place(numpy.array([g], y.dtype)).reshape(()) for g in GS]
    values, saved = kernels.forward(y, prior, eps)
    return to_cpu(values), to_cpu(kernels.backward(y, saved, *gs, eps))


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('eps', [0, 1e-8])
@pytest.mark.parametrize('dtype,tolerance', [('f', 2e-5), ('d', 1e-12)])
@pytest.mark.parametrize('shape', SHAPES)
def test_sizes(place, shape, dtype, tolerance, eps):
    y = logits(shape, dtype)
    prior = numpy.linspace(1, 2, shape[1]).astype(dtype)
    prior /= prior.sum()
    values, gy = compute(y, prior, eps, place)
    expected, expected_gy = reference(y, prior, eps)
    numpy.testing.assert_allclose(values, expected, tolerance, tolerance)
    numpy.testing.assert_allclose(
        gy, expected_gy, 0, tolerance * (abs(expected_gy).max() + 1e-30))


@pytest.mark.by_turns(2)
@pytest.mark.parametrize('eps', [0, 1e-8])
@pytest.mark.parametrize('dtype,tolerance', [('f', 2e-5), ('d', 1e-12)])
def test_many_classes(device, dtype, tolerance, eps):
    y = logits((2, 100_000), dtype)
    values, gy = compute(y, None, eps, device.asarray)
    expected, expected_gy = reference(y, None, eps)
    numpy.testing.assert_allclose(values, expected, tolerance, tolerance)
    numpy.testing.assert_allclose(
        gy, expected_gy, 0, tolerance * abs(expected_gy).max())


@pytest.mark.parametrize('shape', [(0, 5), (5, 0)])
def test_empty(device, shape):
    values, gy = compute(logits(shape, 'f'), None, 1e-8, device.asarray)
    assert gy.shape == shape
    assert numpy.isnan(values).all() == (shape[0] == 0)


def test_missing_gradients(device):
    y = device.asarray(logits((9, 5), 'd'))
    _, saved = kernels.forward(y)
    gs = [device.asarray(numpy.array(g)) for g in GS]
    parts = [kernels.backward(y, saved, *(
        g if i == j else None for j, g in enumerate(gs))) for i in range(3)]
    numpy.testing.assert_allclose(
        to_cpu(sum(parts)), to_cpu(kernels.backward(y, saved, *gs)), 1e-12,
        1e-16)


@pytest.mark.parametrize('eps', [0, 1e-8])
def test_a_diverged_network_is_noticed(device, eps):
    y = logits((100, 5), 'f')
    y[2, 1] = numpy.nan
    values, gy = compute(y, None, eps, device.asarray)
    assert numpy.isnan(values).all() and numpy.isnan(gy).all()


@pytest.mark.parametrize('shape', [(300, 10), (3, 1100)])
def test_the_order_of_threads_does_not_matter(repeats, device, shape):
    results = [compute(logits(shape, 'f'), None, 1e-8, device.asarray)
               for _ in repeats]
    for values, gy in results:
        assert (values == results[0][0]).all() and (gy == results[0][1]).all()
