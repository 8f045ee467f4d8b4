"""sigma_t(x), the distance to the t-th neighbour (Eq. 17), kept on disk."""
import hashlib
import os
from pathlib import Path

import numpy
import scipy.sparse
from chainer import backend
from sklearn.neighbors import NearestNeighbors

from imsat.errors import InputError
from imsat.files import look_up, save_npz

# Rows at a time: bounds memory, and says how often `progress` is called.
CHUNK = 2000


def neighbor_distance(x, t=10, cache=None, progress=None):
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
        float64 (on a GPU: selected in x's dtype), in memory for CHUNK x N
        distances at most.

    Raises:
        InputError: If there are not more than ``t`` points.
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
    path.parent.mkdir(parents=True, exist_ok=True)
    save_npz(path, {'sigma': sigma})
    return sigma


def default_cache():
    """The folder that ``IMSAT_CACHE`` names, or else one below ~/.cache."""
    folder = os.environ.get('IMSAT_CACHE')
    if folder:
        return Path(folder)
    home = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(home) / 'imsat'


def digest(x):
    """A hash, 32 hexadecimal digits, of data dense or sparse."""
    if scipy.sparse.issparse(x):
        x = x.tocsr()
        parts = x.data, x.indices, x.indptr
    else:
        parts = backend.CpuDevice().send(x),
    sha = hashlib.sha256(str(x.shape).encode())
    for part in parts:
        sha.update(str(part.dtype).encode())
        sha.update(numpy.ascontiguousarray(part).data)
    return sha.hexdigest()[:32]


def _compute(x, t, progress):
    n = x.shape[0]
    on_gpu = not (isinstance(x, numpy.ndarray) or scipy.sparse.issparse(x))
    select = _matrix_product(x) if on_gpu else _scikit_learn(x)
    sigma = numpy.empty(n)
    for start in range(0, n, CHUNK):
        rows = slice(start, min(start + CHUNK, n))
        sigma[rows] = distance_of_rows(x, rows, t, select)
        if progress is not None:
            progress(rows.stop - start)
    return sigma


def distance_of_rows(x, rows, t, select):
    """sigma_t of the points ``x[rows]`` among all of x.

    ``select(x[rows], k)`` gives the indices of each row's k nearest points,
    itself among them, in any order.
    """
    # The last of the k may be a wrong one of a tie, which does no harm, and a
    # point may miss itself among duplicates, whose distance is 0 as well.
    candidates = select(x[rows], min(t + 3, x.shape[0]))
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
    xp = backend.get_array_module(a)
    difference = a.astype(numpy.float64) - b
    distance = xp.sqrt(xp.einsum('ij,ij->i', difference, difference))
    return backend.CpuDevice().send(distance)


def _scikit_learn(x):
    search = NearestNeighbors(algorithm='brute').fit(x)
    return lambda rows, k: search.kneighbors(rows, k, return_distance=False)


def _matrix_product(x):
    xp = backend.get_array_module(x)
    squares = xp.einsum('ij,ij->i', x, x)

    def select(rows, k):
        distances = squares - 2 * rows.dot(x.T)
        return xp.argpartition(distances, k - 1, axis=1)[:, :k]
    return select
