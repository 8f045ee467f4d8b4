"""Entropies of bits and the mutual information of their pairs, Eq. 13."""
import collections

from imsat.cuda import arguments, kernels, launch, runtime
from imsat.cuda.centred_products import check_width, covariances, times
from imsat.cuda.sums import scalars, sum_rows

Saved = collections.namedtuple(
    'Saved', ['p', 'mean', 'entropy_slope', 'slope', 'slope_mean'])

_source = kernels.Source('sigmoid_mutual_information.cu')


def forward(y, eps=1e-8):
    """Sums of H(Y_d|X), of H(Y_d), and of I(Y_d; Y_d') over ordered pairs.

    Args:
        y (cupy.ndarray): Logits, shape (B, D), float32 or float64; D up to
            8192, since what all pairs need is kept in D x D numbers, twice.
        eps (float): Added inside every logarithm, at least 0.

    Returns:
        Array of shape (3,), in nats, NaN for an empty batch; and what
        :func:`backward` needs.
    """
    y = arguments.array('y', y, (None, None))
    eps = arguments.number('eps', eps)
    (n, d), dtype, empty = y.shape, y.dtype, runtime.current.empty
    check_width('y', d)
    columns, chunk = launch.columns(n, d)
    chunks = columns.grid[1]
    sums = empty((3, chunks, d), dtype)
    conditional, marginal, pairs = by_bit = empty((3, d), dtype)
    saved = Saved(empty((n, d), dtype), empty((2, d), dtype),
                  empty(d, dtype), empty((d, d), dtype), empty(d, dtype))

    _source.launch('sigmoid_mutual_information_columns', columns, (
        y, n, d, chunk, eps, saved.p, sums), T=dtype)
    _source.launch('sigmoid_mutual_information_marginal', launch.rows(
        d, chunks), (
        sums, chunks, n, d, eps, saved.mean, saved.entropy_slope,
        conditional, marginal), T=dtype)
    parts = covariances(saved.p, saved.mean[0])
    _source.launch('sigmoid_mutual_information_pairs', launch.pairs_of_columns(
        d), (
        parts, saved.mean, len(parts), d, eps, saved.slope, saved.slope_mean,
        pairs), T=dtype)
    return sum_rows(by_bit), saved


def backward(y, saved, g_conditional=None, g_marginal=None, g_pairs=None,
             eps=1e-8):
    """The gradient with respect to the logits.

    Args:
        y (cupy.ndarray): As in :func:`forward`.
        saved (Saved): What that returned.
        g_conditional, g_marginal, g_pairs (cupy.ndarray): Gradients with
            respect to its three values, 0-dimensional, of y's dtype; None
            for 0.
        eps (float): As in :func:`forward`.

    Returns:
        Array of y's shape.
    """
    y = arguments.array('y', y, (None, None))
    n, d = y.shape
    check_width('y', d)
    saved = Saved(*(arguments.array(name, x, shape, (y.dtype,))
                    for name, x, shape in zip(Saved._fields, saved, (
                        (n, d), (2, d), (d,), (d, d), (d,)))))
    eps = arguments.number('eps', eps)
    gs = arguments.gradients(
        y.dtype, g_conditional=g_conditional, g_marginal=g_marginal,
        g_pairs=g_pairs)
    along = (None if g_pairs is None
             else times(saved.p, saved.mean[0], saved.slope))
    gy = runtime.current.empty(y.shape, y.dtype)
    shape, chunk = launch.columns(n, d)
    _source.launch('sigmoid_mutual_information_backward', shape, (
        y, saved.entropy_slope, saved.slope_mean, along, n, d, chunk, eps,
        *gs, gy), T=y.dtype)
    return gy


def value_and_gradient(y, weights, eps=1e-8, values=None, gy=None):
    """What :func:`forward` and :func:`backward` compute, of a weighted sum.

    Up to 1024 rows and 64 bits that is one launch.

    Args:
        y, eps: As in :func:`forward`.
        weights (cupy.ndarray): Of its three values, shape (3,), of y's
            dtype, on the device.
        values (cupy.ndarray): Shape (4,), to write its three values and their
            weighted sum to; None for a new array.
        gy (cupy.ndarray): Of y's shape, to write the gradient of that sum
            to; None likewise.

    Returns:
        values and gy.
    """
    y = arguments.array('y', y, (None, None))
    (n, d), dtype = y.shape, y.dtype
    check_width('y', d)
    weights = arguments.array('weights', weights, (3,), (dtype,))
    eps = arguments.number('eps', eps)
    values = arguments.output('values', values, (4,), dtype)
    gy = arguments.output('gy', gy, y.shape, dtype)
    if launch.fits_one_block(n, d):
        _source.launch('sigmoid_mutual_information_at_once', launch.one_block(
            d, dtype.itemsize), (y, n, d, eps, weights, values, gy), T=dtype)
    else:
        values[:3], saved = forward(y, eps)
        values[3] = (weights * values[:3]).sum()
        gs = scalars(weights)
        gy[...] = backward(y, saved, gs[0], gs[1], gs[2], eps)
    return values, gy
