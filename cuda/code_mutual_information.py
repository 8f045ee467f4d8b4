"""Entropies of softmax heads and the information of their pairs."""
import collections

import numpy

from imsat.cuda import arguments, kernels, launch, runtime
from imsat.cuda.centred_products import check_width, covariances, times
from imsat.cuda.sums import sum_rows

Saved = collections.namedtuple(
    'Saved', ['p', 'largest', 'log_sum', 'mean', 'entropy_slope', 'slope',
              'slope_mean'])

_source = kernels.Source('code_mutual_information.cu')


def forward(y, sizes, eps=1e-8):
    """Sums of H(Y_m|X), of H(Y_m), and of I(Y_m; Y_m') over ordered pairs.

    Args:
        y (cupy.ndarray): Logits of one head after the other, shape
            (B, V_1 + ... + V_M), float32 or float64; up to 8192 columns,
            since what all pairs of values need is kept in a matrix of them,
            twice.
        sizes (sequence of int): V_1, ..., V_M, each at least 1.
        eps (float): Added inside every logarithm, at least 0.

    Returns:
        Array of shape (3,), in nats, NaN for an empty batch; and what
        :func:`backward` needs.
    """
    y, sizes = _inputs(y, sizes)
    eps = arguments.number('eps', eps)
    (n, width), dtype, empty = y.shape, y.dtype, runtime.current.empty
    heads = len(sizes)
    starts, head_of = _tables(sizes)
    columns, chunk = launch.columns(n, width)
    chunks = columns.grid[1]
    sums = empty((2, chunks, width), dtype)
    conditional, marginal, pairs = by_column = empty((3, width), dtype)
    saved = Saved(*(empty(shape, dtype) for shape in _shapes(y, sizes)))

    _source.launch('code_mutual_information_rows', launch.rows(
        n * heads, max(sizes)), (
        y, starts, heads, n, saved.largest, saved.log_sum), T=dtype)
    _source.launch('code_mutual_information_columns', columns, (
        y, saved.largest, saved.log_sum, head_of, heads, n, width, chunk, eps,
        saved.p, sums), T=dtype)
    _source.launch('code_mutual_information_marginal', launch.rows(
        width, chunks), (
        sums, chunks, n, width, eps, saved.mean, saved.entropy_slope,
        conditional, marginal), T=dtype)
    parts = covariances(saved.p, saved.mean)
    _source.launch('code_mutual_information_pairs', launch.pairs_of_columns(
        width), (
        parts, saved.mean, head_of, len(parts), width, eps, saved.slope,
        saved.slope_mean, pairs), T=dtype)
    return sum_rows(by_column), saved


def backward(y, sizes, saved, g_conditional=None, g_marginal=None,
             g_pairs=None, eps=1e-8):
    """The gradient with respect to the logits.

    Args:
        y (cupy.ndarray), sizes (sequence of int): As in :func:`forward`.
        saved (Saved): What that returned.
        g_conditional, g_marginal, g_pairs (cupy.ndarray): Gradients with
            respect to its three values, 0-dimensional, of y's dtype; None
            for 0.
        eps (float): As in :func:`forward`.

    Returns:
        Array of y's shape.
    """
    y, sizes = _inputs(y, sizes)
    saved = Saved(*(arguments.array(name, x, shape, (y.dtype,))
                    for name, x, shape in zip(
                        Saved._fields, saved, _shapes(y, sizes))))
    eps = arguments.number('eps', eps)
    gs = arguments.gradients(
        y.dtype, g_conditional=g_conditional, g_marginal=g_marginal,
        g_pairs=g_pairs)
    starts, _ = _tables(sizes)
    along = (None if g_pairs is None
             else times(saved.p, saved.mean, saved.slope))
    gy = runtime.current.empty(y.shape, y.dtype)
    n, heads = len(y), len(sizes)
    _source.launch('code_mutual_information_backward', launch.rows(
        n * heads, max(sizes)), (
        y, saved.largest, saved.log_sum, saved.entropy_slope,
        saved.slope_mean, along, starts, heads, n, eps, *gs, gy), T=y.dtype)
    return gy


def _inputs(y, sizes):
    sizes = [arguments.integer('a size', size, 1) for size in sizes]
    if not sizes:
        raise ValueError('sizes is empty; give one number for each head')
    y = arguments.array('y', y, (None, sum(sizes)))
    check_width('y', y.shape[1])
    return y, sizes


def _shapes(y, sizes):
    """Of what is saved."""
    n, width = y.shape
    by_head = n, len(sizes)
    return ((n, width), by_head, by_head, (width,), (width,), (width, width),
            (width,))


def _tables(sizes):
    """Where heads begin and the last ends, and the head of each column."""
    starts = numpy.cumsum([0, *sizes])
    head_of = numpy.repeat(numpy.arange(len(sizes)), sizes)
    tables = runtime.current.asarray(
        numpy.concatenate([starts, head_of]), numpy.int64)
    return tables[:len(starts)], tables[len(starts):]
