"""KL[p || q] of softmax outputs, the distance of self-augmented training."""
from imsat.cuda import arguments, kernels, launch, runtime
from imsat.cuda.sums import sum_rows

_source = kernels.Source('softmax_kl.cu')


def forward(y0, y1, eps=1e-8):
    """Mean over rows of sum p log((p + eps) / (q + eps)), in nats.

    Args:
        y0, y1 (cupy.ndarray): Logits of p and of q, shape (B, K), both
            float32 or both float64.
        eps (float): At least 0, which gives the exact divergence.

    Returns:
        0-dimensional array, NaN for an empty batch; and what :func:`backward`
        needs.
    """
    y0 = arguments.array('y0', y0, (None, None))
    y1 = arguments.array('y1', y1, y0.shape, (y0.dtype,))
    eps = arguments.number('eps', eps)
    (n, k), empty = y0.shape, runtime.current.empty
    shape = launch.rows(n, k)
    saved = empty((n, 2), y0.dtype), empty((n, 2), y0.dtype)
    partials = empty((1, shape.grid[0]), y0.dtype)
    _source.launch('softmax_kl_forward', shape,
                   (y0, y1, n, k, eps, *saved, partials), T=y0.dtype)
    return sum_rows(partials).reshape(()), saved


def backward(y0, y1, saved, g, eps=1e-8, wanted=(True, True)):
    """The gradients with respect to both sets of logits.

    Args:
        y0, y1, eps: As in :func:`forward`.
        saved (tuple): What that returned.
        g (cupy.ndarray): Upstream gradient, 0-dimensional, of y0's dtype.
        wanted (pair of bool): Which of the two are.

    Returns:
        Two arrays of shape (B, K), None for one that is not wanted.
    """
    y0 = arguments.array('y0', y0, (None, None))
    n, k = y0.shape
    dtypes = y0.dtype,
    y1 = arguments.array('y1', y1, y0.shape, dtypes)
    saved = [arguments.array('saved', x, (n, 2), dtypes) for x in saved]
    g = arguments.array('g', g, (), dtypes)
    eps = arguments.number('eps', eps)
    gs = [runtime.current.empty(y0.shape, y0.dtype) if w else None
          for w in wanted]
    _source.launch('softmax_kl_backward', launch.rows(n, k),
                   (y0, y1, *saved, n, k, eps, g, *gs), T=y0.dtype)
    return tuple(gs)


def value_and_gradient(y0, y1, weight, eps=1e-8, value=None, gy1=None):
    """What :func:`forward` and :func:`backward` compute, times a weight.

    Up to 65,536 logits, 64 a row, that is one launch; y0 is a constant.

    For M softmax outputs of V values each give logits of shape (B M, V) and
    M times the weight.

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
    if k <= launch.BLOCK_COLUMNS and n * k <= launch.BLOCK_ELEMENTS:
        _source.launch('softmax_kl_at_once', launch.one_block(
            k, dtype.itemsize), (
            y0, y1, n, k, eps, weight, value, gy1), T=dtype)
    else:
        mean, saved = forward(y0, y1, eps)
        value[...] = weight * mean
        _, gy1[...] = backward(y0, y1, saved, weight, eps, (False, True))
    return value, gy1
