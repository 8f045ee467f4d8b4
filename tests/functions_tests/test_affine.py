import chainer
import numpy
import pytest
import scipy.ndimage
from chainer import gradient_check
from chainer.backends.cuda import to_cpu
from chainer.utils.type_check import InvalidType

from imsat import InputError
from imsat.functions import affine_transform

RNG = numpy.random.RandomState(0)
# From a nudge to one that reads far beyond every edge.
MATRIX = numpy.eye(2, 3) + RNG.normal(0, [.4, .4, 3], (6, 2, 3))
MATRIX[0] = numpy.eye(2, 3)


def scipys(x, matrix):
    """Image by image, SciPy's order-1 spline."""
    center = (numpy.array(x.shape[1:]) - 1) / 2
    return numpy.stack([
        scipy.ndimage.affine_transform(
            image, m[:, :2], center + m[:, 2] - m[:, :2] @ center, order=1,
            mode='nearest')
        for image, m in zip(x, matrix)])


@pytest.mark.parametrize('shape', [(7, 9), (2, 2), (1, 5), (4, 1), (28, 28)])
@pytest.mark.parametrize('dtype,tolerance', [('f', 1e-5), ('d', 1e-12)])
def test_forward(xp, shape, dtype, tolerance):
    x = RNG.uniform(-1, 1, (6, *shape)).astype(dtype)
    y = affine_transform(xp.asarray(x), xp.asarray(MATRIX))
    assert y.dtype == x.dtype and y.shape == x.shape
    numpy.testing.assert_allclose(
        to_cpu(y.array), scipys(x.astype('d'), MATRIX), atol=tolerance)


def test_the_identity_is_exact(xp):
    x = RNG.uniform(-1, 1, (3, 5, 4)).astype('f')
    y = affine_transform(
        xp.asarray(x), xp.asarray(numpy.stack([numpy.eye(2, 3)] * 3)))
    numpy.testing.assert_array_equal(to_cpu(y.array), x)


def test_a_shift_by_hand(xp):
    # Reads a row below, a half of a column to the right.
    x = xp.asarray(numpy.array([[[0., 1], [2, 6]]]))
    matrix = xp.asarray(numpy.array([[[1., 0, 1], [0, 1, .5]]]))
    y = affine_transform(x, matrix)
    numpy.testing.assert_array_equal(to_cpu(y.array), [[[4, 6], [4, 6]]])


def test_backward(xp):
    x = xp.asarray(RNG.uniform(-1, 1, (6, 4, 5)))
    gy, ggx = xp.asarray(RNG.normal(size=(2, 6, 4, 5)))
    matrix = xp.asarray(MATRIX)

    def f(x):
        return affine_transform(x, matrix)
    gradient_check.check_backward(f, x, gy, dtype='d', atol=1e-6, rtol=1e-6)
    gradient_check.check_double_backward(
        lambda x: f(x) ** 2, x, gy, ggx, dtype='d', atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize('shape', [(0, 2, 3), (6, 0, 3), (6, 2, 0)])
def test_no_pixels(everywhere, shape):
    x = chainer.Variable(everywhere.asarray(numpy.zeros(shape, 'f')))
    y = affine_transform(x, everywhere.asarray(MATRIX[:shape[0]]))
    y.grad = x.array
    y.backward()
    assert y.shape == x.grad.shape == shape and y.dtype == 'f'


@pytest.mark.parametrize('dtype,matrix,message', [
    ('e', MATRIX, 'x has dtype float16; give float32'),
    ('f', MATRIX.astype('f'), 'dtype float32; give an array of float64'),
    ('f', MATRIX.astype(int), 'dtype int64; give an array of float64'),
    ('f', MATRIX * [1, 1, numpy.nan], 'NaN or beyond 1e.150'),
    ('d', MATRIX - [0, numpy.inf, 0], 'NaN or beyond'),
    ('d', MATRIX - [0, 1e151, 0], 'NaN or beyond')])
def test_refused_wherever_it_is(everywhere, dtype, matrix, message):
    x = everywhere.asarray(numpy.zeros((6, 4, 4), dtype))
    with pytest.raises(InputError, match=message):
        affine_transform(x, everywhere.asarray(matrix))


def test_a_matrix_is_a_constant():
    with pytest.raises(InputError, match='are Variable of dtype float64'):
        affine_transform(numpy.zeros((6, 4, 4)), chainer.Variable(MATRIX))


@pytest.mark.parametrize('x', [numpy.zeros((6, 4)), numpy.zeros((5, 4, 4)),
                               numpy.zeros((6, 4, 4), int)])
def test_rejects_what_are_no_images(x):
    with pytest.raises(InvalidType):
        affine_transform(x, MATRIX)
