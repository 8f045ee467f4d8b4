"""Entropies of softmax outputs, Eqs. 8 to 10 of the paper."""
import collections

from imsat.cuda import arguments, kernels, launch, runtime
from imsat.cuda.sums import scalars, sum_rows

Saved = collections.namedtuple(
    'Saved', ['largest', 'log_sum', 'entropy_slope', 'kl_slope'])

_source = kernels.Source('softmax_entropy.cu')


def forward(y, prior=None, eps=1e-8):
    """H(Y|X), H(Y) and KL[p(y) || q(y)], in nats.

    Args:
        y (cupy.ndarray): Logits, shape (B, K), float32 or float64.
        prior (cupy.ndarray): q(y), shape (K,), of y's dtype; None: uniform.
        eps (float): Added inside every logarithm, at least 0.

    Returns:
        Array of shape (3,), NaN for an empty batch; and what
        :func:`backward` needs.
    """
    y = arguments.array('y', y, (None, None))
    prior = arguments.optional('prior', prior, y.shape[1:], (y.dtype,))
    eps = arguments.number('eps', eps)
    (n, k), dtype, empty = y.shape, y.dtype, runtime.current.empty
    rows = launch.rows(n, k)
    columns, chunk = launch.columns(n, k)
    chunks = columns.grid[1]
    # As many blocks, so that all three values come in as many parts.
    by_column = launch.shape(
        rows.grid, launch.rows(k, 4 * min(chunks, 256)).block)
    conditional, marginal, kl = partials = empty((3, rows.grid[0]), dtype)
    offsets, scaled = empty((2, chunks, k), dtype)
    saved = Saved(empty(n, dtype), empty(n, dtype), empty(k, dtype),
                  empty(k, dtype))

    _source.launch('softmax_entropy_rows', rows, (
        y, n, k, eps, saved.largest, saved.log_sum, conditional), T=dtype)
    _source.launch('softmax_entropy_columns', columns, (
        y, saved.largest, saved.log_sum, n, k, chunk, eps, offsets, scaled),
        T=dtype)
    _source.launch('softmax_entropy_marginal', by_column, (
        offsets, scaled, chunks, n, k, prior, eps, saved.entropy_slope,
        saved.kl_slope, marginal, kl), T=dtype)
    return sum_rows(partials), saved


def backward(y, saved, g_conditional=None, g_marginal=None, g_kl=None,
             eps=1e-8):
    """The gradient with respect to the logits.

    Args:
        y (cupy.ndarray): As in :func:`forward`.
        saved (Saved): What that returned.
        g_conditional, g_marginal, g_kl (cupy.ndarray): Gradients with respect
            to its three values, 0-dimensional, of y's dtype; None for 0.
        eps (float): As in :func:`forward`.

    Returns:
        Array of y's shape.
    """
    y = arguments.array('y', y, (None, None))
    n, k = y.shape
    saved = [arguments.array(name, x, (size,), (y.dtype,))
             for name, x, size in zip(Saved._fields, saved, (n, n, k, k))]
    eps = arguments.number('eps', eps)
    gs = arguments.gradients(
        y.dtype, g_conditional=g_conditional, g_marginal=g_marginal,
        g_kl=g_kl)
    gy = runtime.current.empty(y.shape, y.dtype)
    _source.launch('softmax_entropy_backward', launch.rows(n, k),
                   (y, *saved, n, k, eps, *gs, gy), T=y.dtype)
    return gy


def value_and_gradient(y, weights, prior=None, eps=1e-8, values=None,
                       gy=None):
    """What :func:`forward` and :func:`backward` compute, of a weighted sum.

    Up to 1024 rows and 64 columns that is one launch.

    Args:
        y, prior, eps: As in :func:`forward`.
        weights (cupy.ndarray): Of its three values, shape (3,), of y's
            dtype, on the device, so that they may change between the replays
            of a CUDA graph.
        values (cupy.ndarray): Shape (4,), to write its three values and their
            weighted sum to; None for a new array.
        gy (cupy.ndarray): Of y's shape, to write the gradient of that sum
            to; None likewise.

    Returns:
        values and gy.
    """
    y = arguments.array('y', y, (None, None))
    (n, k), dtype = y.shape, y.dtype
    weights = arguments.array('weights', weights, (3,), (dtype,))
    prior = arguments.optional('prior', prior, (k,), (dtype,))
    eps = arguments.number('eps', eps)
    values = arguments.output('values', values, (4,), dtype)
    gy = arguments.output('gy', gy, y.shape, dtype)
    if launch.fits_one_block(n, k):
        _source.launch('softmax_entropy_at_once', launch.one_block(
            k, dtype.itemsize), (
            y, n, k, prior, eps, weights, values, gy), T=dtype)
    else:
        values[:3], saved = forward(y, prior, eps)
        values[3] = (weights * values[:3]).sum()
        gs = scalars(weights)
        gy[...] = backward(y, saved, gs[0], gs[1], gs[2], eps)
    return values, gy
