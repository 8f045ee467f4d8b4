import numpy
import pytest
from chainer.backends.cuda import to_cpu

from imsat.cuda import centred_products

SHAPES = [(1, 1), (5, 1), (1, 7), (16, 64), (17, 63), (63, 65), (65, 33),
          (300, 130), (1000, 3)]


def data(shape, dtype):
    rng = numpy.random.RandomState(0)
    return (rng.uniform(size=shape).astype(dtype),
            rng.uniform(size=shape[1]).astype(dtype),
            rng.normal(size=(shape[1], shape[1])).astype(dtype))


@pytest.mark.parametrize('dtype,tolerance', [('f', 2e-6), ('d', 1e-14)])
@pytest.mark.parametrize('shape', SHAPES)
def test_covariances(device, shape, dtype, tolerance):
    x, mean, _ = data(shape, dtype)
    parts = to_cpu(centred_products.covariances(
        device.asarray(x), device.asarray(mean)))
    assert parts.dtype == dtype and (len(parts) > 1) == (shape[0] > 32)
    centred = (x - mean).astype('d')
    actual = parts.sum(axis=0)
    numpy.testing.assert_allclose(
        actual, centred.T @ centred / len(x), 0, tolerance)
    assert (parts == parts.transpose(0, 2, 1)).all()


@pytest.mark.parametrize('dtype,tolerance', [('f', 2e-5), ('d', 1e-13)])
@pytest.mark.parametrize('shape', SHAPES)
def test_times(device, shape, dtype, tolerance):
    x, mean, matrix = data(shape, dtype)
    actual = to_cpu(centred_products.times(*map(
        device.asarray, (x, mean, matrix))))
    assert actual.dtype == dtype
    numpy.testing.assert_allclose(
        actual, (x - mean).astype('d') @ matrix.astype('d'), 0, tolerance)
