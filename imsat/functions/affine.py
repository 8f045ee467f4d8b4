import numpy
from chainer import backend, function_node
from chainer.utils import type_check


class AffineTransform(function_node.FunctionNode):
    """Linear in the images; ``matrix`` is a constant array."""

    def __init__(self, matrix):
        self.matrix = matrix

    def check_type_forward(self, in_types):
        type_check._argname(in_types, ('x',))
        x, = in_types
        type_check.expect(x.dtype.kind == 'f', x.ndim == 3,
                          x.shape[0] == self.matrix.shape[0])

    def forward(self, inputs):
        x, = inputs
        flat = x.reshape(-1)
        y = 0
        for index, weight in bilinear_corners(self.matrix, x.shape, x.dtype):
            y += flat[index] * weight
        return y.reshape(x.shape),

    def backward(self, indexes, grad_outputs):
        return AffineTransformGrad(self.matrix).apply(grad_outputs)


class AffineTransformGrad(function_node.FunctionNode):
    """Hands every pixel of the output back to where it was read."""

    def __init__(self, matrix):
        self.matrix = matrix

    def forward(self, inputs):
        gy, = inputs
        xp = backend.get_array_module(gy)
        gx = xp.zeros(gy.size)
        for index, weight in bilinear_corners(self.matrix, gy.shape,
                                              gy.dtype):
            gx += xp.bincount(index.reshape(-1),
                              (weight * gy.reshape(len(gy), -1)).reshape(-1),
                              minlength=gy.size)
        return gx.reshape(gy.shape).astype(gy.dtype),

    def backward(self, indexes, grad_outputs):
        return AffineTransform(self.matrix).apply(grad_outputs)


def bilinear_corners(matrix, shape, dtype):
    """The four pixels that each pixel of the output is read from.

    Args:
        matrix (array): Shape (B, 2, 3).
        shape (tuple): (B, height, width).

    Yields:
        tuple: For each corner ``index`` into all images as one row, and
        ``weight`` of ``dtype``, both of shape (B, height * width).
    """
    xp = backend.get_array_module(matrix)
    n, height, width = shape
    center = numpy.array([(height - 1) / 2, (width - 1) / 2])
    grid = xp.asarray(numpy.indices((height, width)).reshape(2, -1)
                      - center[:, None])
    low, part = [], []
    for axis, size in enumerate((height, width)):
        position = matrix[:, axis, :2] @ grid + matrix[:, axis, 2:] \
            + center[axis]
        # Beyond the edge the image goes on as it ends there.
        xp.clip(position, 0, size - 1, out=position)
        floor = xp.minimum(position.astype(int), max(size - 2, 0))
        low.append(floor)
        part.append((position - floor).astype(dtype))
    start = xp.arange(n)[:, None] * (height * width)
    for i in range(min(2, height)):
        for j in range(min(2, width)):
            weight = (part[0] if i else 1 - part[0]) \
                * (part[1] if j else 1 - part[1])
            yield start + (low[0] + i) * width + low[1] + j, weight


def affine_transform(x, matrix):
    """Images under affine maps, one each, read by bilinear interpolation.

    The pixel at p of the output is read at ``A (p - c) + b + c`` of the
    input, where c is the centre, as in ``scipy.ndimage.affine_transform``
    with ``order=1, mode='nearest'``: what lies outside continues the edge.

    Args:
        x (Variable or array): Shape (B, height, width), of a float dtype.
        matrix (array): Shape (B, 2, 3), float64, on x's device: A and, in
            the last column, b in pixels; rows come first, as in x.

    Returns:
        Variable: Of x's shape and dtype, differentiable to x.
    """
    y, = AffineTransform(matrix).apply((x,))
    return y
