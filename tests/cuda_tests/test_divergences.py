"""Sizes and layouts; tests/functions_tests has the values."""
import chainer
import numpy
import pytest
from chainer.backends.cuda import to_cpu

from imsat import functions
from imsat.cuda import sigmoid_kl, softmax_kl

SHAPES = [(1, 1), (5, 1), (1, 7), (3, 31), (2, 33), (9, 256), (257, 10),
          (300, 33), (2, 1025), (2, 8200)]
G = 1.7


def by_softmax(y0, y1, eps, g, wanted):
    value, saved = softmax_kl.forward(y0, y1, eps)
    return value, *softmax_kl.backward(y0, y1, saved, g, eps, wanted)


def by_sigmoid(y0, y1, eps, g, wanted):
    return (sigmoid_kl.forward(y0, y1, eps),
            *sigmoid_kl.backward(y0, y1, g, eps, wanted))


KERNELS = [(by_softmax, functions.softmax_kl),
           (by_sigmoid, functions.sigmoid_kl)]


def logits(shape, dtype):
    return numpy.random.RandomState(0).normal(0, 3, (2, *shape)).astype(dtype)


def reference(function, ys, eps):
    """By NumPy in float64."""
    y0, y1 = (chainer.Variable(y.astype('d')) for y in ys)
    value = function(y0, y1, eps)
    (G * value).backward()
    return value.array, y0.grad, y1.grad


def compute(kernels, ys, eps, place, wanted=(True, True)):
    g = place(numpy.array([G], ys.dtype)).reshape(())
    return [None if a is None else to_cpu(a)
            for a in kernels(place(ys[0]), place(ys[1]), eps, g, wanted)]


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('eps', [0, 1e-8])
@pytest.mark.parametrize('dtype,tolerance', [('f', 2e-5), ('d', 1e-12)])
@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('kernels,function', KERNELS)
def test_sizes(place, kernels, function, shape, dtype, tolerance, eps):
    ys = logits(shape, dtype)
    for actual, expected in zip(compute(kernels, ys, eps, place),
                                reference(function, ys, eps)):
        assert actual.dtype == dtype and actual.shape == expected.shape
        numpy.testing.assert_allclose(
            actual, expected, 0, tolerance * (abs(expected).max() + 1e-30))


@pytest.mark.parametrize('dtype,tolerance', [('f', 2e-5), ('d', 1e-12)])
@pytest.mark.parametrize('kernels,function', KERNELS)
def test_many_classes(device, kernels, function, dtype, tolerance):
    ys = logits((1, 100_000), dtype)
    for actual, expected in zip(compute(kernels, ys, 1e-8, device.asarray),
                                reference(function, ys, 1e-8)):
        numpy.testing.assert_allclose(
            actual, expected, 0, tolerance * abs(expected).max())


@pytest.mark.parametrize('shape', [(0, 5), (5, 0)])
@pytest.mark.parametrize('kernels,function', KERNELS)
def test_empty(device, kernels, function, shape):
    value, *gradients = compute(
        kernels, logits(shape, 'f'), 1e-8, device.asarray)
    assert numpy.isnan(value) if shape[0] == 0 else value == 0
    assert [g.shape for g in gradients] == [shape, shape]


@pytest.mark.parametrize('kernels,function', KERNELS)
def test_wanted_gradients(device, kernels, function):
    ys = logits((9, 5), 'd')
    _, *both = compute(kernels, ys, 1e-8, device.asarray)
    for i in (0, 1):
        _, *one = compute(
            kernels, ys, 1e-8, device.asarray, (i == 0, i == 1))
        assert one[1 - i] is None and (one[i] == both[i]).all()


@pytest.mark.parametrize('kernels,function', KERNELS)
def test_the_order_of_threads_does_not_matter(
        repeats, device, kernels, function):
    results = [compute(kernels, logits((300, 10), 'f'), 0, device.asarray)
               for _ in repeats]
    for result in results:
        for a, b in zip(result, results[0]):
            assert (a == b).all()
