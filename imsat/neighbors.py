"""sigma_t(x), the distance to the t-th neighbour (Eq. 17), kept on disk."""
import os
import typing
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import scipy.sparse
from chainer import backend
from sklearn.neighbors import NearestNeighbors

from imsat.cuda import nearest, runtime
from imsat.errors import InputError
from imsat.storage import AnyPath, digest, look_up, save_npz

# Rows at a time: bounds memory, and says how often `progress` is called.
CHUNK = 2000
# On a GPU: columns at a time.
TILE = 16384
# Candidates beside the t + 1 nearest.
SPARE = 2


def neighbor_distance(
        x: typing.Any, t: int = 10, cache: AnyPath | None = None,
        progress: Callable[[int], typing.Any] | None = None) -> numpy.ndarray:
    """Euclidean distance of every point to its t-th nearest other point.

    The authors' code takes the 11th nearest where the paper says t = 10.

    Args:
        x (array or scipy sparse matrix): Shape (N, d), N > t.
        t (int): Which neighbour, from 1.
        cache (path): Folder in which the answer is kept under a hash of x
            and t, or looked up; None for none.
        progress: Called with the number of points just done.

    Returns:
        numpy.ndarray: Shape (N,), float64, in the units of x.  Computed in
        float64, in memory for CHUNK x N distances at most, on a GPU for
        CHUNK x TILE.

    Raises:
        InputError: If there are not more than ``t`` points; on a GPU also if
            ``t`` is beyond a thousand or x not finite.

    Example:
        >>> imsat.neighbor_distance(numpy.array([[0.], [1.], [3.]]), t=1)
        array([1., 1., 2.])
    """
    n = x.shape[0]
    if not 1 <= t < n:
        raise InputError(f'{n} points have no neighbour number {t}; choose a '
                         f'neighbour from 1 to {n - 1}')
    if cache is None:
        return _compute(x, t, progress)
    path = Path(cache) / f'sigma-{digest(x)}-t{t}.npz'
    kept = look_up(path, lambda arrays: arrays['sigma'].shape == (n,)
                   and numpy.isfinite(arrays['sigma']).all())
    if kept is not None:
        if progress is not None:
            progress(n)
        return kept['sigma']
    sigma = _compute(x, t, progress)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_npz(path, {'sigma': sigma})
    except OSError as e:
        warnings.warn(f'distances to neighbours are not kept ({e}); let '
                      f'IMSAT_CACHE name a folder that can be written')
    return sigma


def _compute(x, t, progress):
    n = x.shape[0]
    if runtime.current.holds(x):
        distance = _by_kernels(x, t)
    else:
        select = _scikit_learn(x)

        def distance(rows):
            return distance_of_rows(x, rows, t, select)
    sigma = numpy.empty(n)
    for start in range(0, n, CHUNK):
        rows = slice(start, min(start + CHUNK, n))
        sigma[rows] = distance(rows)
        if progress is not None:
            progress(rows.stop - start)
    return sigma


def distance_of_rows(
        x: typing.Any, rows: slice, t: int,
        select: Callable[[typing.Any, int], numpy.ndarray]) -> numpy.ndarray:
    """sigma_t of the points ``x[rows]`` among all of x.

    ``select(x[rows], k)`` gives the indices of each row's k nearest points,
    itself among them, in any order.
    """
    # The last of the k may be a wrong one of a tie, which does no harm, and a
    # point may miss itself among duplicates, whose distance is 0 as well.
    candidates = select(x[rows], min(t + 1 + SPARE, x.shape[0]))
    distances = numpy.empty(candidates.shape)
    for j in range(candidates.shape[1]):
        distances[:, j] = _direct(x[rows], x[candidates[:, j]])
    distances.sort(axis=1)
    return distances[:, t]  # entry 0 is the point itself


def _direct(a, b):
    # Differences first: the products of a matrix product would lose the
    # digits of small distances, and the zeros of duplicates.
    if scipy.sparse.issparse(a):
        difference = a.astype(numpy.float64) - b.astype(numpy.float64)
        squares = difference.multiply(difference).sum(axis=1)
        return numpy.sqrt(numpy.asarray(squares)).reshape(-1)
    difference = a.astype(numpy.float64) - b
    return numpy.sqrt(numpy.einsum('ij,ij->i', difference, difference))


def _scikit_learn(x):
    search = NearestNeighbors(algorithm='brute').fit(x)
    return lambda rows, k: search.kneighbors(rows, k, return_distance=False)


def _by_kernels(x, t):
    """As distance_of_rows, a function of the rows, on the device of x."""
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
