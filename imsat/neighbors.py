"""sigma_t(x), the distance to the t-th neighbour (Eq. 17), kept on disk."""
import os
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import scipy.sparse
from chainer import backend

from imsat.cuda import nearest, runtime
from imsat.errors import InputError
from imsat.parameters import Place, check_argument, is_whole, shown
from imsat.retrieval.codes import to_numpy
from imsat.storage import AnyPath, digest, keep, look_up

# Rows at a time: bounds memory, and says how often `progress` is called.
CHUNK = 2000
# On a GPU: columns at a time.
TILE = 16384
# Candidates beside the t + 1 nearest.
SPARE = 2
# Of a square of a distance, a share that makes no difference.
HARMLESS = 1e-9
# So many times the variance the square of the mean may be.
FAR = 10


def neighbor_distance(
        x: typing.Any, t: int = 10, cache: AnyPath | None = None,
        progress: Callable[[int], typing.Any] | None = None) -> numpy.ndarray:
    """Euclidean distance of every point to its t-th nearest other point.

    The authors' code takes the 11th nearest where the paper says t = 10.

    Args:
        x (array or scipy sparse matrix): Shape (N, d), N > t, of any real
            dtype; float64 where float32 can't hold the points apart.
        t (int): Which neighbour, from 1.
        cache (path): Folder in which the answer is kept under a hash of x
            and t, or looked up; None for none.
        progress: Called with the number of points just done.

    Returns:
        numpy.ndarray: Shape (N,), float64, in the units of x.  Computed in
        float64, in memory for CHUNK x N distances at most, on a GPU for
        CHUNK x TILE.

    Raises:
        InputError: If x is no table of finite numbers, or there are not more
            than ``t`` points; on a GPU also if ``t`` is beyond a thousand.

    Example:
        >>> imsat.neighbor_distance(numpy.array([[0.], [1.], [3.]]), t=1)
        array([1., 1., 2.])
    """
    x = _check_points(x)
    n = x.shape[0]
    if not is_whole(t) or not 1 <= t < n:
        raise InputError(f'{n} points have no neighbour number {shown(t)}; '
                         f'choose a neighbour from 1 to {n - 1}')
    check_argument('cache', cache, Place())
    if cache is None:
        return _compute(x, t, progress)
    path = Path(cache) / f'sigma-{digest(x)}-t{t}.npz'
    kept = look_up(path, lambda arrays: bool((arrays['sigma'] >= 0).all()),
                   {'sigma': numpy.empty(n)})
    if kept is not None:
        if progress is not None:
            progress(n)
        return kept['sigma']
    sigma = _compute(x, t, progress)
    keep(path, {'sigma': sigma})
    return sigma


def _check_points(x):
    """x as an array or a CSR matrix of float32 or float64."""
    if runtime.current.holds(x):
        return x
    if scipy.sparse.issparse(x):
        x = x.tocsr()
        if not x.has_canonical_format:
            x = x.copy()  # the caller's stays
            x.sum_duplicates()
        values = x.data
    elif numpy.ma.is_masked(x):
        raise InputError('x has values that are masked; remove those points')
    else:
        x = values = to_numpy(x)
    if x.ndim != 2 or values.dtype.kind not in 'fiub':
        raise InputError(f'x has shape {x.shape} and dtype {values.dtype}; '
                         f'give a table of numbers, a row for each point')
    if values.dtype not in (numpy.float32, numpy.float64):
        if values.dtype.kind in 'iu' and values.size \
                and max(-int(values.min()), int(values.max())) > 2 ** 53:
            raise InputError('x holds whole numbers above 2**53, which '
                             'float64 holds no longer apart; subtract what '
                             'they have in common')
        with numpy.errstate(over='ignore'):
            x = x.astype(numpy.float64)
        values = x.data if scipy.sparse.issparse(x) else x
    if not numpy.isfinite(values).all():
        raise InputError('x holds values that are NaN or infinite; remove '
                         'those points')
    return x


def _compute(x, t, progress):
    n = x.shape[0]
    distance = (by_kernels if runtime.current.holds(x) else by_products)(
        x, t)
    sigma = numpy.empty(n)
    for start in range(0, n, CHUNK):
        rows = slice(start, min(start + CHUNK, n))
        sigma[rows] = distance(rows)
        if progress is not None:
            progress(rows.stop - start)
    return sigma


def by_products(x, t):
    """Function of ``rows``, a slice, to sigma_t of ``x[rows]`` among all x.

    Products find the nearest, float64 differences measure them.
    """
    from sklearn.neighbors import NearestNeighbors

    n, d = x.shape
    k = min(t + 1 + SPARE, n)
    near = _centred(x)
    search = NearestNeighbors(algorithm='brute').fit(near)
    squares = _squares(near)
    # Of a square of a distance by products.
    error = (d + 4) * numpy.finfo(numpy.float64).eps * (
        squares + squares.max())

    def distance(rows):
        # A point may miss itself among duplicates, whose distance is 0 too.
        last, candidates = search.kneighbors(near[rows], k)
        distances = numpy.empty(candidates.shape)
        for j in range(k):
            distances[:, j] = _direct(x[rows], x[candidates[:, j]])
        distances.sort(axis=1)
        sigma = distances[:, t]  # entry 0 is the point itself
        if k < n:
            # Any other point is at least as far as the last candidate by
            # products.  Ties and what only the last digits tell do no harm.
            certain = (sigma ** 2 <= last[:, -1] ** 2 - error[rows]) \
                | (error[rows] <= HARMLESS * sigma ** 2) | (sigma == 0)
            for i in numpy.flatnonzero(~certain):
                row = rows.start + i
                sigma[i] = numpy.partition(numpy.concatenate([
                    _direct(x[numpy.full(min(CHUNK, n - start), row)],
                            x[start:start + CHUNK])
                    for start in range(0, n, CHUNK)]), t)[t]
        return sigma
    return distance


def _centred(x):
    """x, moved to its mean where that is far away, which costs digits."""
    if scipy.sparse.issparse(x):
        return x
    mean = x.mean(axis=0, dtype=numpy.float64)
    if len(x) * (mean ** 2).sum() <= FAR * _squares(x, mean).sum():
        return x
    return x - mean


def _squares(x, mean=0.):
    """The squares of the rows' distances to ``mean``, shape (N,), float64."""
    if scipy.sparse.issparse(x):
        x = x.astype(numpy.float64)
        return numpy.asarray(x.multiply(x).sum(axis=1)).reshape(-1)
    parts = (x[start:start + CHUNK].astype(numpy.float64) - mean
             for start in range(0, len(x), CHUNK))
    return numpy.concatenate([numpy.einsum('ij,ij->i', part, part)
                              for part in parts])


def _direct(a, b):
    # Differences first: the products of a matrix product would lose the
    # digits of small distances, and the zeros of duplicates.
    if scipy.sparse.issparse(a):
        difference = a.astype(numpy.float64) - b.astype(numpy.float64)
        squares = difference.multiply(difference).sum(axis=1)
        return numpy.sqrt(numpy.asarray(squares)).reshape(-1)
    difference = a.astype(numpy.float64) - b
    return numpy.sqrt(numpy.einsum('ij,ij->i', difference, difference))


def by_kernels(x, t):
    """As :func:`by_products`, on the GPU where x is."""
    most = nearest.MAX_K - 1 - SPARE
    if t > most:
        raise InputError(f'a GPU finds no neighbour number {t}; choose one '
                         f'from 1 to {most}, or device -1, the CPU')
    if x.dtype != numpy.float32:
        x = x.astype(numpy.float64, copy=False)
    x = runtime.current.contiguous(x)
    # Products of centred points lose the fewest digits.
    mean = x.mean(axis=0, dtype=numpy.float64)
    to_cpu = backend.CpuDevice().send
    if not numpy.isfinite(to_cpu(mean)).all():
        raise InputError('x holds values that are NaN or infinite; remove '
                         'those points')
    # Asked to, CuPy multiplies float32 by TF32, of ten bits.
    if os.environ.get('CUPY_TF32', '0') == '0':
        mean = mean.astype(x.dtype)
    return lambda rows: to_cpu(_select_and_measure(x, x[rows], t, mean))


def _select_and_measure(x, points, t, mean):
    """sigma_t of ``points`` among x, selected in the dtype of ``mean``."""
    xp = backend.get_array_module(x)
    dtype, k = mean.dtype, min(t + 1 + SPARE, len(x))
    centred = points.astype(dtype, copy=False) - mean
    candidates: Any = None
    largest = 0
    for start in range(0, len(x), TILE):
        tile = x[start:start + TILE].astype(dtype, copy=False) - mean
        squares = (tile * tile).sum(axis=1)
        candidates = nearest.select(
            centred @ tile.T, squares, k, start, candidates)
        largest = xp.maximum(largest, squares.max())
    sigma = nearest.distance_of_rank(x, points, candidates.indices, t)
    if dtype == numpy.float64 or k == len(x):
        return sigma
    # Any other point is at least as far as the last candidate by products,
    # whose errors (those of two squares, a product, their sum and the
    # centring) are below `error`.  Where that leaves doubt, as it does at
    # ties, float64 settles it.
    square = (centred * centred).sum(axis=1)
    error = (x.shape[1] + 4) * float(numpy.finfo(dtype).eps) * (
        square.astype(numpy.float64) + largest)
    certain = sigma ** 2 <= candidates.values[:, -1] + square - error
    doubtful, = xp.nonzero(~certain)
    if len(doubtful):
        sigma[doubtful] = _select_and_measure(
            x, points[doubtful], t, mean.astype(numpy.float64))
    return sigma
