"""KL[p || q] of independent bits, SAT's distance for hashing."""
import math

from imsat.cuda import arguments, kernels, launch, runtime
from imsat.cuda.sums import sum_rows

_source = kernels.Source('sigmoid_kl.cu')
_backward = [
    kernels.Elementwise(
        'T y0, T y1, T eps, raw T g, T scale', 'T gy',
        f'gy = g[0] * scale * bit_kl_grad{i}(y0, y1, eps)',
        f'sigmoid_kl_backward{i}', scalars=('eps', 'scale'),
        header='bits.cuh')
    for i in (0, 1)]


def forward(y0, y1, eps=1e-8):
    """Mean over rows of the sum over bits, in nats.

    Args:
        y0, y1 (cupy.ndarray): Logits of p and of q, shape (B, D), both
            float32 or both float64.
        eps (float): Added inside the logarithms, at least 0.

    Returns:
        0-dimensional array, NaN for an empty batch.
    """
    y0 = arguments.array('y0', y0, (None, None))
    y1 = arguments.array('y1', y1, y0.shape, (y0.dtype,))
    eps = arguments.number('eps', eps)
    n, shape = y0.size, launch.elements(y0.size)
    partials = runtime.current.empty((1, shape.grid[0]), y0.dtype)
    _source.launch('sigmoid_kl_forward', shape, (
        y0, y1, n, eps, _scale(y0), partials), T=y0.dtype)
    return sum_rows(partials).reshape(())


def backward(y0, y1, g, eps=1e-8, wanted=(True, True)):
    """The gradients with respect to both sets of logits.

    Args:
        y0, y1, eps: As in :func:`forward`.
        g (cupy.ndarray): Upstream gradient, 0-dimensional, of y0's dtype.
        wanted (pair of bool): Which of the two are.

    Returns:
        Two arrays of shape (B, D), None for one that is not wanted.
    """
    y0 = arguments.array('y0', y0, (None, None))
    y1 = arguments.array('y1', y1, y0.shape, (y0.dtype,))
    g = arguments.array('g', g, (), (y0.dtype,))
    eps = arguments.number('eps', eps)
    return tuple(kernel(y0, y1, eps, g, _scale(y0)) if w else None
                 for kernel, w in zip(_backward, wanted))


def value_and_gradient(y0, y1, weight, eps=1e-8, value=None, gy1=None):
    """What :func:`forward` and :func:`backward` compute, times a weight.

    Up to 65,536 logits, that is one launch; y0 is a constant.

    Args:
        y0, y1, eps: As in :func:`forward`.
        weight (cupy.ndarray): 0-dimensional, of y0's dtype, on the device.
        value (cupy.ndarray): 0-dimensional, to write the weighted mean to;
            None for a new array.
        gy1 (cupy.ndarray): Of y1's shape, to write its gradient with respect
            to y1 to; None likewise.

    Returns:
        value and gy1.
    """
    y0 = arguments.array('y0', y0, (None, None))
    (n, k), dtype = y0.shape, y0.dtype
    y1 = arguments.array('y1', y1, y0.shape, (dtype,))
    weight = arguments.array('weight', weight, (), (dtype,))
    eps = arguments.number('eps', eps)
    value = arguments.output('value', value, (), dtype)
    gy1 = arguments.output('gy1', gy1, y1.shape, dtype)
    if n * k <= launch.BLOCK_ELEMENTS:
        _source.launch('sigmoid_kl_at_once', launch.one_block(
            1, dtype.itemsize), (
            y0, y1, n * k, n, eps, weight, value, gy1), T=dtype)
    else:
        value[...] = weight * forward(y0, y1, eps)
        _, gy1[...] = backward(y0, y1, weight, eps, (False, True))
    return value, gy1


def _scale(y0):
    return 1 / len(y0) if len(y0) else math.nan
