"""Batch normalization and ReLU in one."""
import collections

from imsat.cuda import arguments, kernels, launch, runtime

Saved = collections.namedtuple('Saved', ['mean', 'inv_std'])

_source = kernels.Source('batch_normalization_relu.cu')


def forward(x, gamma, beta, eps=2e-5, running_mean=None, running_var=None,
            decay=.9):
    """Normalises by the statistics of the batch, then rectifies.

    Args:
        x (cupy.ndarray): Shape (B, D), float32 or float64.
        gamma, beta (cupy.ndarray): Shape (D,), of x's dtype.
        eps (float): Added to the variance, at least 0.
        running_mean, running_var (cupy.ndarray): Shape (D,), of x's dtype,
            contiguous, updated in place (the variance with its unbiased
            estimate), both or neither; an empty batch leaves them alone.
        decay (float): Of the running statistics, from 0 to 1.

    Returns:
        Array of x's shape, and what :func:`backward` needs.
    """
    x, gamma, beta = _inputs(x, gamma, beta)
    eps = arguments.number('eps', eps)
    decay = arguments.number('decay', decay, 0., 1.)
    if (running_mean is None) != (running_var is None):
        raise TypeError('give both of running_mean and running_var, or none')
    (n, d), dtype, empty = x.shape, x.dtype, runtime.current.empty
    if running_mean is not None:
        running_mean = arguments.in_place(
            'running_mean', running_mean, (d,), (dtype,))
        running_var = arguments.in_place(
            'running_var', running_var, (d,), (dtype,))
        if n == 0:
            running_mean = running_var = None
    y = empty(x.shape, dtype)
    saved = Saved(empty(d, dtype), empty(d, dtype))
    shape, chunk = launch.columns(n, d)
    chunks = shape.grid[1]
    partials = empty((2, chunks, d), dtype)
    _source.launch('batch_normalization_statistics', shape,
                   (x, n, d, chunk, *partials), T=dtype)
    _source.launch('batch_normalization_relu_forward', shape, (
        x, gamma, beta, *partials, chunks, n, d, chunk, eps, decay, y,
        *saved, running_mean, running_var), T=dtype)
    return y, saved


def backward(x, gamma, beta, saved, gy):
    """The gradients with respect to x, gamma and beta.

    Args:
        x, gamma, beta (cupy.ndarray): As in :func:`forward`.
        saved (Saved): What that returned.
        gy (cupy.ndarray): Upstream gradient, of x's shape and dtype.
    """
    x, gamma, beta = inputs = _inputs(x, gamma, beta)
    (n, d), dtype, empty = x.shape, x.dtype, runtime.current.empty
    saved = [arguments.array(name, a, (d,), (dtype,))
             for name, a in zip(Saved._fields, saved)]
    gy = arguments.array('gy', gy, x.shape, (dtype,))
    gx, ggamma, gbeta = (empty(a.shape, dtype) for a in inputs)
    shape, chunk = launch.columns(n, d)
    chunks = shape.grid[1]
    gbetas, ggammas = empty((2, chunks, d), dtype)
    _source.launch('batch_normalization_relu_backward_sums', shape, (
        *inputs, *saved, gy, n, d, chunk, gbetas, ggammas), T=dtype)
    _source.launch('batch_normalization_relu_backward', shape, (
        *inputs, *saved, gy, gbetas, ggammas, chunks, n, d, chunk, gx,
        ggamma, gbeta), T=dtype)
    return gx, ggamma, gbeta


def _inputs(x, gamma, beta):
    x = arguments.array('x', x, (None, None))
    return (x, *(arguments.array(name, a, x.shape[1:], (x.dtype,))
                 for name, a in (('gamma', gamma), ('beta', beta))))
