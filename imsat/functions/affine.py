"""Affine transformation of images."""
import math

import chainer
import numpy
from chainer.utils import type_check

from imsat.cuda import affine as kernels
from imsat.functions.composition import FusedFunction, expect_float
from imsat.errors import InputError, InputTypeError
from imsat.hints import Array, VariableOrArray
from imsat.parameters import Tensor, checked


# Of products of larger numbers the sum may be no number.
LARGEST = 1e150


class AffineTransform(FusedFunction):
    """Linear in the images; ``matrix`` is a constant array.

    So its gradient can be differentiated without being composed.
    """

    def __init__(self, matrix):
        self.matrix = matrix

    def check_type_forward(self, in_types):
        type_check._argname(in_types, ('x',))
        x, = in_types
        expect_float('x', x)
        type_check.expect(x.ndim == 3)
        type_check.expect(x.shape[0] == self.matrix.shape[0])

    def forward_cpu(self, inputs):
        x, = inputs
        flat = x.reshape(-1)
        y = numpy.zeros((len(x), math.prod(x.shape[1:])), x.dtype)
        for index, weight in bilinear_corners(self.matrix, x.shape, x.dtype):
            y += flat[index] * weight
        return y.reshape(x.shape),

    def forward_gpu(self, inputs):
        x, = inputs
        return kernels.forward(x, self.matrix),

    def backward(self, indexes, grad_outputs):
        return AffineTransformGrad(self.matrix).apply(grad_outputs)


class AffineTransformGrad(FusedFunction):
    """Hands every pixel of the output back to where it was read."""

    def __init__(self, matrix):
        self.matrix = matrix

    def forward_cpu(self, inputs):
        gy, = inputs
        gx = numpy.zeros(gy.size)
        for index, weight in bilinear_corners(self.matrix, gy.shape,
                                              gy.dtype):
            gx += numpy.bincount(
                index.reshape(-1),
                (weight * gy.reshape(weight.shape)).reshape(-1),
                minlength=gy.size)
        return gx.reshape(gy.shape).astype(gy.dtype),

    def forward_gpu(self, inputs):
        gy, = inputs
        return kernels.backward(gy, self.matrix),

    def backward(self, indexes, grad_outputs):
        return AffineTransform(self.matrix).apply(grad_outputs)


def bilinear_corners(matrix, shape, dtype):
    """The four pixels that each pixel of the output is read from.

    Args:
        matrix (numpy.ndarray): Shape (B, 2, 3).
        shape (tuple): (B, height, width).

    Yields:
        tuple: For each corner ``index`` into all images as one row, and
        ``weight`` of ``dtype``, both of shape (B, height * width).
    """
    n, height, width = shape
    center = numpy.array([(height - 1) / 2, (width - 1) / 2])[:, None]
    grid = numpy.indices((height, width)).reshape(2, -1) - center
    low, part = [], []
    for axis, size in enumerate((height, width)):
        position = matrix[:, axis, :2] @ grid + matrix[:, axis, 2:] \
            + center[axis]
        # Beyond the edge the image goes on as it ends there.
        numpy.clip(position, 0, size - 1, out=position)
        floor = numpy.minimum(position.astype(int), max(size - 2, 0))
        low.append(floor)
        part.append((position - floor).astype(dtype))
    start = numpy.arange(n)[:, None] * (height * width)
    for i in range(min(2, height)):
        for j in range(min(2, width)):
            weight = (part[0] if i else 1 - part[0]) \
                * (part[1] if j else 1 - part[1])
            yield start + (low[0] + i) * width + low[1] + j, weight


@checked(x=Tensor(), matrix=Tensor(3))
def affine_transform(x: VariableOrArray, matrix: Array) -> chainer.Variable:
    """Images under affine maps, one each, read by bilinear interpolation.

    The pixel at p of the output is read at ``A (p - c) + b + c`` of the
    input, where c is the centre, as in ``scipy.ndimage.affine_transform``
    with ``order=1, mode='nearest'``: what lies outside continues the edge.

    Args:
        x (Variable or array): Shape (B, height, width), float32 or float64.
        matrix (array): Shape (B, 2, 3), float64, on x's device: A and, in
            the last column, b in pixels; rows come first, as in x.

    Returns:
        Variable: Of x's shape and dtype, differentiable to x.

    Example:
        Every pixel is read from its neighbour to the right.

        >>> x = numpy.array([[[1., 2., 3.]]])
        >>> matrix = numpy.array([[[1., 0., 0.], [0., 1., 1.]]])
        >>> imsat.functions.affine_transform(x, matrix).array
        array([[[2., 3., 3.]]])
    """
    if matrix.shape[1:] != (2, 3):
        raise InputError(f'the matrices have shape {matrix.shape}; give a '
                         f'2 x 3 matrix for each image')
    if isinstance(matrix, chainer.Variable) or matrix.dtype != numpy.float64:
        raise InputTypeError(f'the matrices are {type(matrix).__name__} of '
                             f'dtype {matrix.dtype}; give an array of '
                             f'float64')
    if not (abs(matrix) <= LARGEST).all():
        raise InputError(f'a matrix has a number that is NaN or beyond '
                         f'{LARGEST:g}; give smaller ones')
    y, = AffineTransform(matrix).apply((x,))
    return y
