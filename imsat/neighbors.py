"""The nearest of many points, and sigma_t(x) of Eq. 17, kept on disk."""
import concurrent.futures
import contextlib
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import scipy.sparse
import threadpoolctl
from chainer import backend

from imsat.cuda import nearest, runtime
from imsat.devices import available_memory, to_numpy, usable_threads
from imsat.errors import InputError
from imsat.functions.compiled import compiled
from imsat.on_disk import LARGE, OnDisk, rows_as_bytes
from imsat.parameters import (
    Choice, OneOf, Place, checked, is_whole, shown)
from imsat.ranks import current
from imsat.retrieval.index import import_faiss
from imsat.storage import AnyPath, Like, digest, keep, look_up

METHODS = 'auto', 'exact', 'approximate', 'sampled'
# Points whose neighbours are exact by default: a minute on two cores for
# 64 columns, ten for 1,000.
MOST_EXACT = 300_000
# Of approximate ones: how many are compared with exact ones, and by how much
# their last distance may be too large, in the median and for 99 % of them.
SAMPLE = 1000
ERROR = .009, .045
# With how many points all are compared by 'sampled'.
AMONG = 4096
# Rows at a time: bounds memory, and says how often `progress` is called.
CHUNK = 2000
# On a GPU: columns at a time.
TILE = 16384
# On the CPU: rows and columns of a tile of products.
BLOCK = 1024
# Points to a column from which on directions of most variance, which take the
# cube of the columns, pay.
PER_COLUMN = 8
# Of the pairs of a tile: one in so many may be measured one by one.
MOST_HITS = 10
SKIP = 16  # of its rows looked at for that
NOTHING = numpy.empty((0, 0), numpy.float32)
# Of distances that a thread keeps in float64.
MOST = 1 << 24
# Candidates beside the t + 1 nearest.
SPARE = 2
# Squares of larger numbers, or of smaller ones than 1 / LARGEST, and their
# sums, leave float64.
LARGEST = 1e150
# Of a square of a distance, a share that makes no difference.
HARMLESS = 1e-9
# Measured at a time of points that seem equally far.
MANY = 1000
TINY = numpy.finfo(float).tiny
# One point in so many may have copies that are left out one by one.
FEW = 100
ALIKE = 'all points are the same, so that there is nothing to tell apart; ' \
        'give others'


_checks = checked(cache=Place(), method=Choice(METHODS), progress=OneOf(
    Callable, 'give a function, or None', optional=True))


@_checks
def neighbors(
        x: Any, k: int = 10, cache: AnyPath | None = None,
        progress: Callable[[int], Any] | None = None, method: str = 'auto'
) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The k nearest other points of every point.

    Args:
        x (array or scipy sparse matrix): Shape (N, d), N > k, of any real
            dtype; float64 where float32 can't hold the points apart.  It may
            be memory-mapped.
        k (int): How many, from 1.
        cache (path): Folder in which the answer is kept under a hash of x
            and k, or looked up; None for none.
        progress: Called with the number of points just done.
        method (str): ``'exact'``; ``'approximate'``, by FAISS, which finds
            points that are about as near, and a warning says how nearly;
            ``'auto'``, exact for up to 300,000 points, and for sparse ones.

    Returns:
        tuple: ``distances``, float64, Euclidean, in the units of x, and
        ``indices``, int64, shape (N, k), sorted by distance and, where it is
        equal, by index.  The distances are always those of the indices.  The
        CPU computes them, wherever x is.

    Raises:
        InputError: If x is no table of finite numbers, there are not more
            than ``k`` points, there is no FAISS where it is needed, or its
            float32 does not hold the points apart.

    Example:
        >>> distances, indices = imsat.neighbors([[0.], [1.], [3.]], k=1)
        >>> distances.ravel(), indices.ravel()
        (array([1., 1., 2.]), array([1, 0, 1]))
    """
    if method == 'sampled':
        raise InputError("the method 'sampled' says how far a neighbour is "
                         'and not which it is; choose another')
    x = _check_points(to_numpy(x) if runtime.current.holds(x) else x)
    n = _check_rank(x, k)
    like = {'distances': numpy.empty((n, k)),
            'indices': Like((n, k), numpy.int64, 0, n - 1)}
    found = _find(x, k, cache, progress, method, 'k neighbors', like,
                  lambda *answer: dict(zip(like, answer)))
    return found['distances'], found['indices']


@_checks
def neighbor_distance(
        x: Any, t: int = 10, cache: AnyPath | None = None,
        progress: Callable[[int], Any] | None = None,
        method: str = 'auto') -> numpy.ndarray:
    """Euclidean distance of every point to its t-th nearest other point.

    The authors' code takes the 11th nearest where the paper says t = 10.

    Args:
        x, t, cache, progress, method: As x, k and so on of
            :func:`neighbors`; on a GPU x is searched there, exactly unless
            the method is ``'approximate'``.  The method can also be
            ``'sampled'``: the distance is estimated from those to 4,096
            points, by what it is for 1,000 points, and a warning says how
            well.  No copy of x is made.

    Returns:
        numpy.ndarray: Shape (N,), float64, in the units of x.

    Raises:
        InputError: As :func:`neighbors`; on a GPU also if ``t`` is beyond a
            thousand.

    Example:
        >>> imsat.neighbor_distance(numpy.array([[0.], [1.], [3.]]), t=1)
        array([1., 1., 2.])
    """
    if is_sampled(x, method):
        method = 'sampled'
    if method in ('approximate', 'sampled') and runtime.current.holds(x):
        x = to_numpy(x)
    if not (isinstance(x, OnDisk) and method == 'sampled'):
        x = _check_points(x)
    n = _check_rank(x, t)
    return _find(x, t, cache, progress, method, 't sigma',
                 {'sigma': Like((n,), numpy.float64, 0)},
                 lambda distances, _: {'sigma': distances[:, -1]})['sigma']


def distinct(x: Any) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Which rows of a table, dense or sparse, come first of those that are
    equal, shape (M,), and for each row its place among these, shape (N,)."""
    if not (scipy.sparse.issparse(x) or isinstance(x, OnDisk)):
        x = to_numpy(x)
    places: dict[bytes, int] = {}
    inverse = numpy.array([places.setdefault(row, len(places))
                           for row in rows_as_bytes(x)])
    return numpy.unique(inverse, return_index=True)[1], inverse


def have_copies(distances: numpy.ndarray) -> bool:
    """Whether some points are equal, by the distances of their neighbours."""
    return not distances[:, 0].all()


def without_copies(
        x: Any, indices: numpy.ndarray, cache: AnyPath | None = None,
        progress: Callable[[int], Any] | None = None, method: str = 'auto'
) -> numpy.ndarray:
    """Neighbours that are no copies, of which nothing is learnt.

    Args:
        x, cache, progress, method: As of :func:`neighbors`.
        indices (array): What that gave, shape (N, k).

    Returns:
        numpy.ndarray: Indices of the nearest among distinct points, of which
        the first of equal ones stands for all; of M such points M / 2 at
        most.

    Raises:
        InputError: If all points are equal, or as :func:`neighbors`.
    """
    first, inverse = distinct(x)
    m = len(first)
    if m == 1:
        raise InputError(ALIKE)
    x, k = x[first], most_of_distinct(indices.shape[1], m)
    nearest = inverse[indices[first, :k]]
    in_order = numpy.sort(nearest, axis=1)
    lacking = numpy.flatnonzero(
        (in_order[:, 1:] == in_order[:, :-1]).any(axis=1)
        | (nearest == numpy.arange(m)[:, None]).any(axis=1))
    if len(lacking) > m // FEW:
        _, nearest = neighbors(x, k, cache, progress, method)
    else:
        x = _check_points(to_numpy(x) if runtime.current.holds(x) else x)
        _settle(x, lacking, k, numpy.empty((m, k)), nearest)
    return first[nearest][inverse]


def most_of_distinct(k: int, m: int) -> int:
    """How many neighbours to ask of m distinct points: k, or half of them."""
    return max(1, min(k, m // 2))


def is_sampled(x: Any, method: str) -> bool:
    """Whether distances of points, shape (N, d), are estimated by a method,
    so that no more is told of neighbours."""
    return method == 'sampled' or method == 'auto' \
        and isinstance(x, OnDisk) and x.shape[0] * x.shape[1] >= LARGE


def _find(x, k, cache, progress, method, name, like, select):
    """The arrays that ``select`` makes of distances and indices, from the
    cache where they are there."""
    n, d = x.shape
    rough = method in ('approximate', 'sampled') and d > 0 or (
        method == 'auto' and n > MOST_EXACT and isinstance(x, numpy.ndarray))
    if rough and scipy.sparse.issparse(x):
        raise InputError('the neighbours of sparse points are exact alone; '
                         "choose the method 'exact', or give x.toarray()")
    ranks = current()

    def approximate():
        *answer, error = _approximately(x, k, progress)
        return {**select(*answer), 'error': error}

    def compute():
        if rough and method == 'sampled':
            return dict(zip(('sigma', 'error'), _from_sample(x, k, progress)))
        if rough:
            return ranks.tell(approximate)
        if runtime.current.holds(x):
            return {'sigma': ranks.tell(lambda: _by_kernels(x, k, progress))}
        return select(*_exactly(x, k, progress))
    if cache is None:
        found = compute()
    else:
        end = '' if not rough else \
            '-sampled' if method == 'sampled' else '-approximate'
        path = Path(cache) / f'{name[2:]}-{digest(x)}-{name[0]}{k}{end}.npz'
        if rough:
            like = {**like, 'error': Like((2,))}
        found = ranks.tell(lambda: look_up(path, lambda arrays: True, like))
        if found is None:
            found = compute()
            if not ranks.rank:
                keep(path, found)
        elif progress is not None:
            progress(n)
    if rough and not ranks.rank:
        median, most = found['error']
        tested = f'of {min(n, SAMPLE):,} points'
        warnings.warn(
            f'the distances of {n:,} points to neighbour {k} are estimated '
            f'from those to {min(n, AMONG):,} points, with an error of '
            f'{median:.1%} in the median and {most:.1%} at the 99th '
            f'percentile {tested}' if method == 'sampled' else
            f'the neighbours of {n:,} points are approximate: the last of {k} '
            f'is farther than it should be by {median:.2%} in the median and '
            f'by {most:.2%} at the 99th percentile {tested}')
    return found


def _check_rank(x, t):
    """The number of points, if each has a neighbour number t."""
    n = x.shape[0]
    if not is_whole(t) or not 1 <= t < n:
        raise InputError(f'{n} points have no neighbour number {shown(t)}; '
                         f'choose a neighbour from 1 to {n - 1}')
    return n


def _check_points(x):
    """x as an array or a CSR matrix that float64 can take the place of; where
    it is on a GPU it stays there."""
    on_gpu = runtime.current.holds(x)
    if isinstance(x, OnDisk):
        if x.shape[0] * x.shape[1] * x.dtype.itemsize > available_memory():
            raise InputError(
                f'{x.shape[0]:,} points of {x.shape[1]} features do not fit '
                f'into memory, into which a search for neighbours reads '
                f"them; take the method 'sampled'")
        x = numpy.asarray(x)
    if scipy.sparse.issparse(x):
        x = x.tocsr()
        if not x.has_canonical_format:
            x = x.copy()  # the caller's stays
            x.sum_duplicates()
        values = x.data
    else:
        x = values = x if on_gpu else numpy.ascontiguousarray(to_numpy(x))
    if x.ndim != 2 or values.dtype.kind not in 'fiub':
        raise InputError(f'x has shape {x.shape} and dtype {values.dtype}; '
                         f'give a table of numbers, a row for each point')
    # Integers of up to 32 bits become float64 as they are needed.
    if values.dtype not in (numpy.float32, numpy.float64) and (
            scipy.sparse.issparse(x) or values.dtype.str[1:] not in
            ('u1', 'i1', 'u2', 'i2', 'u4', 'i4')):
        if values.dtype.kind in 'iu' and values.size \
                and max(-int(values.min()), int(values.max())) > 2 ** 53:
            raise InputError('x holds whole numbers above 2**53, which '
                             'float64 holds no longer apart; subtract what '
                             'they have in common')
        with numpy.errstate(over='ignore'):
            x = x.astype(numpy.float64)
        values = x.data if scipy.sparse.issparse(x) else x
    # Each of these numbers waits for a GPU.
    size = len(values) if on_gpu else CHUNK
    parts = (values[start:start + size]
             for start in range(0, len(values), max(size, 1)))
    largest = numpy.max([(float(part.max()), -float(part.min()))
                         for part in parts if part.size], initial=0)
    if not numpy.isfinite(largest):
        raise InputError('x holds values that are NaN or infinite; remove '
                         'those points')
    if largest > LARGEST or 0 < largest < 1 / LARGEST:
        raise InputError(f'the largest value of x is {largest:.3g}, and '
                         f'float64 can\'t hold its square; scale the data to '
                         f'about 1')
    return x


def _exactly(x, k, progress):
    """Distances and indices as :func:`neighbors` returns them.

    Products in float32 find candidates, differences in float64 measure them.
    Where another point could be as near, products in float64 look for it.
    """
    n, ranks = x.shape[0], current()
    distances = numpy.empty((n, k))
    indices = numpy.empty((n, k), numpy.int64)
    with _pool() as pool:
        own = doubtful = numpy.arange(n)[ranks.rank::ranks.size]
        if not scipy.sparse.issparse(x):
            own, doubtful = _by_tiles(x, k, pool, progress, distances,
                                      indices)
            progress = None
        _settle(x, doubtful, k, distances, indices, pool, progress)
    if ranks.size > 1:
        for rows, *parts in ranks.gather(
                (own, distances[own], indices[own])):
            distances[rows], indices[rows] = parts
    return distances, indices


@contextlib.contextmanager
def _pool():
    """Threads, each of which multiplies by itself."""
    with concurrent.futures.ThreadPoolExecutor(usable_threads()) as pool, \
            threadpoolctl.threadpool_limits(1, 'blas'):
        yield pool


def _settle(x, rows, k, distances, indices, pool=None, progress=None):
    """Writes distances and indices of some points, by :func:`by_float64`."""
    if not len(rows):
        return
    settle = by_float64(x, k, distances, indices)
    size = max(1, min(CHUNK, MOST // x.shape[0]))
    parts = [rows[i:i + size] for i in range(0, len(rows), size)]
    for done in (pool.map if pool else map)(settle, parts):
        if progress is not None:
            progress(done)


def _approximately(x, k, progress):
    """As :func:`_exactly`, and errors of the last distance: the median and
    the 99th percentile of some points, each a share of what is right.

    FAISS looks through the lists of so many of the nearest centres, for
    codes of four bits for each two columns, and compares so many of the
    points themselves, that the errors are within ERROR.
    """
    try:
        faiss = import_faiss()
    except InputError as error:
        raise InputError(
            f'{error}, for approximate neighbours of {len(x):,} points; the '
            f"method 'exact' would take about {_estimate(x)}") from None
    # FAISS has threads of its own.
    with threadpoolctl.threadpool_limits(usable_threads()):
        return _by_lists(faiss, x, k, progress)


def _by_lists(faiss, x, k, progress):
    n, d = x.shape
    if n < SAMPLE:
        return *_exactly(x, k, progress), numpy.zeros(2)
    rng = numpy.random.default_rng(0)
    given, scale, largest_error = _in_float32(
        x, x.mean(axis=0, dtype=numpy.float64))
    points = numpy.zeros((n, d + d % 2), numpy.float32)
    points[:, :d] = given[:, :d]
    lists = max(1, min(round(4 * n ** .5), n // 40))  # FAISS asks for 39
    index = faiss.index_factory(
        points.shape[1], f'IVF{lists},PQ{points.shape[1] // 2}x4fs,RFlat')
    index.train(points[rng.choice(n, 40 * lists, False)])
    index.add(points)
    distances = numpy.empty((n, k))
    indices = numpy.empty((n, k), numpy.int64)
    sample = numpy.sort(rng.choice(n, min(n, SAMPLE), False))
    squares, places = faiss.knn(points[sample], points, min(k + 1 + SPARE, n))
    _settle(x, _measure(x, sample, places, squares[:, -1],
                        largest_error[sample], distances, indices, scale),
            k, distances, indices)
    right = distances[sample, -1]

    def search(rows):
        _, places = index.search(points[rows], k + 1)
        missing = (places < 0).any(axis=1)
        _measure(x, rows[~missing], places[~missing], numpy.inf, 0,
                 distances, indices)
        _settle(x, rows[missing], k, distances, indices)
    inverted = faiss.extract_index_ivf(index)
    inverted.nprobe, index.k_factor = min(8, lists), 16
    while True:
        search(sample)
        wrong = distances[sample, -1] - right
        # Of a distance of 0 any error is infinite.
        error = numpy.quantile(numpy.divide(
            wrong, right, numpy.where(wrong > 0, numpy.inf, 0),
            where=right > 0), [.5, .99])
        if (error <= ERROR).all():
            break
        if inverted.nprobe < lists:
            inverted.nprobe = min(round(1.2 * inverted.nprobe), lists)
        elif index.k_factor * (k + 1) < n:
            index.k_factor *= 2
        elif error[0] <= ERROR[0]:
            break
        else:  # float32 is what is not enough
            raise InputError(
                f'approximate neighbours would be {error[0]:.1%} too far in '
                f'the median, as float32 does not hold the points apart; '
                f'leave out what lies far from all others, or choose the '
                f"method 'exact', which takes about {_estimate(x)}")
    for start in range(0, n, CHUNK):
        rows = numpy.arange(start, min(start + CHUNK, n))
        search(rows)
        if progress is not None:
            progress(len(rows))
    return distances, indices, error


def _from_sample(x, t, progress):
    """sigma_t of all points, shape (N,), and its errors as
    :func:`_approximately` has them.

    The distance to the t-th nearest of some points says how densely all of
    them lie.  What that makes of sigma_t is learnt from other points, whose
    sigma_t is known: log sigma = a + b log distance.  Points that are equal
    count once, so that no distance is 0.
    """
    n, ranks = x.shape[0], current()
    rng = numpy.random.default_rng(0)
    sample, tested = (numpy.sort(rng.choice(n, min(n, size), False))
                      for size in (AMONG, SAMPLE))
    points = numpy.unique(x[sample].astype(numpy.float64), axis=0)
    k = min(t, len(points) - 1)
    if not k:
        raise InputError(f'{len(sample):,} points by chance are all the '
                         f"same; choose the method 'exact'")
    center = points.mean(axis=0)
    scale = 2. ** -numpy.frexp(numpy.abs(points - center).max())[1]

    def halves(rows, others):
        """What orders others by their distance to each of the rows."""
        rows, others = (((each - center) * scale).astype(numpy.float32)
                        for each in (rows, others))
        return _norms(others) / 2 - rows @ others.T
    chunks = range(-(-n // CHUNK))[ranks.rank::ranks.size]
    right = _sigma_of(x, tested, t, chunks, halves)
    near = numpy.zeros((-(-n // CHUNK), CHUNK))

    def measure(i):
        rows = x[i * CHUNK:(i + 1) * CHUNK]
        size = min(k + 1 + SPARE, len(points))
        places = numpy.argpartition(
            halves(rows, points), size - 1, axis=1)[:, :size]
        distance = _to_each(rows, points, places)
        distance[distance == 0] = numpy.inf
        near[i, :len(rows)] = numpy.partition(
            distance, k - 1, axis=1)[:, k - 1]
        return len(rows)
    with _pool() as pool:
        for done in pool.map(measure, chunks):
            if progress is not None:
                progress(done)
    if ranks.size > 1:
        for rank, part in enumerate(ranks.gather(
                near[ranks.rank::ranks.size])):
            near[rank::ranks.size] = part
    sigma = near.reshape(-1)[:n]
    known = right > 0
    a, b = numpy.log(sigma[tested[known]]), numpy.log(right[known])
    if len(a) < SPARE + 2:
        return sigma, numpy.ones(2)
    # Each half by what the other says.
    missed = numpy.concatenate([
        numpy.expm1(_line(a[i::2], b[i::2], a[1 - i::2]) - b[1 - i::2])
        for i in range(2)])
    for i in range(0, n, CHUNK):
        sigma[i:i + CHUNK] = numpy.exp(
            _line(a, b, numpy.log(sigma[i:i + CHUNK])))
    return sigma, numpy.quantile(numpy.abs(missed), [.5, .99])


def _sigma_of(x, tested, t, chunks, halves):
    """sigma_t of some points among all, of which a rank has some chunks."""
    n = x.shape[0]
    points, size = x[tested], min(t + 1 + SPARE, n)
    best = numpy.full((len(tested), size), numpy.inf, numpy.float32)
    places = numpy.full(best.shape, -1)  # none yet
    for i in chunks:
        start = i * CHUNK
        half = halves(points, x[start:start + CHUNK])
        rows = numpy.flatnonzero(half.min(axis=1) < best.max(axis=1))
        half = numpy.concatenate([best[rows], half[rows]], axis=1)
        order = numpy.argpartition(half, size - 1, axis=1)[:, :size]
        best[rows] = numpy.take_along_axis(half, order, axis=1)
        places[rows] = numpy.where(
            order < size, numpy.take_along_axis(
                places[rows], numpy.minimum(order, size - 1), axis=1),
            start + order - size)
    places = numpy.concatenate(current().gather(places), axis=1)
    distance = _to_each(points, x, places)
    distance[places < 0] = numpy.inf
    return numpy.sort(distance, axis=1)[:, t]  # the point itself is among them


def _to_each(rows, points, places):
    """Distances of each row to the points of some places, float64."""
    rows = rows.astype(numpy.float64, copy=False)
    return numpy.stack([_direct(rows, points[column])
                        for column in places.T], axis=1)


def _line(a, b, at):
    """What the line through points (a, b), by least squares, has at others.
    """
    spread = a - a.mean()
    slope = spread @ b / max(spread @ spread, TINY)
    return b.mean() + slope * (at - a.mean())


def _estimate(x):
    """How long exact neighbours would take, in words."""
    tile = numpy.ones((BLOCK, x.shape[1]), numpy.float32)
    start = time.perf_counter()
    numpy.partition(tile @ tile.T, BLOCK - 1)
    seconds = (time.perf_counter() - start) * (x.shape[0] / BLOCK) ** 2 / 2
    return f'{seconds / 60:,.0f} minutes' if seconds < 7200 \
        else f'{seconds / 3600:,.0f} hours'


def _by_tiles(x, k, pool, progress, distances, indices):
    """Writes distances and indices of this rank's share of the rows; returns
    their numbers, and those of doubtful ones."""
    n, d = x.shape
    ranks = current()
    mean = x.mean(axis=0, dtype=numpy.float64)
    points, scale, error = _in_float32(x, mean)
    size = min(k + 1 + SPARE, n)
    by_numba = _offer_by_numba()
    offer = by_numba or _offer_by_numpy
    shadows = by_numba and _shadows(points, pool)
    # What each row found among the columns of its tiles, and each column
    # among the rows: half the square of a distance, negative.
    values = numpy.full((2, n, size), -numpy.inf, numpy.float32)
    places = numpy.zeros((2, n, size), numpy.int64)
    starts = range(0, n, BLOCK)

    def multiply(rows, i, j):
        a, b = (rows[starts[block]:starts[block] + BLOCK]
                for block in (i, j))
        b = b.copy()
        b[:, -2:] = b[:, :-3:-1]
        return a @ b.T

    def tile(i, shift, cut, low):
        j = (i + shift) % len(starts)
        if 2 * shift == len(starts) and i > j:
            return True  # this pair of blocks has had its turn
        if shadows is not None and shift >= trial and offer(
                multiply(shadows, i, j), low, starts[i], starts[j],
                values, places, points):
            return True
        offer(multiply(points, i, j), cut, starts[i], starts[j], values,
              places, NOTHING)
        return False

    # In each round each block is the rows of one tile, and the columns of
    # one, so that no two threads write to the same place.
    rounds = range(len(starts) // 2 + 1)[ranks.rank::ranks.size]
    # Shadows are tried from this round on.
    trial, done = 1, 0
    for turn, shift in enumerate(rounds, 1):
        cut = values[:, :, -1].max(axis=0)
        low = (cut - error).astype(numpy.float32)
        spared = list(pool.map(lambda i: tile(i, shift, cut, low),
                               range(len(starts))))
        if shift >= trial and not any(spared):
            trial = 2 * shift
        if progress is not None:
            progress(turn * n // len(rounds) - done)
            done = turn * n // len(rounds)
    if ranks.size > 1:
        values, places = map(numpy.concatenate, zip(*ranks.gather(
            (values, places))))

    def measure(rows):
        found, place = (numpy.concatenate(each[:, rows], axis=1)
                        for each in (values, places))
        order = numpy.argsort(-found, axis=1)[:, :size]
        last = numpy.take_along_axis(found, order[:, -1:], axis=1)[:, 0]
        return _measure(x, rows, numpy.take_along_axis(place, order, axis=1),
                        -2. * last, error[rows], distances, indices, scale)
    step = max(16, (MOST >> 7) // max(d, 1))
    shares = [numpy.arange(start, min(start + step, n))
              for start in range(0, n, step)][ranks.rank::ranks.size]
    nothing = numpy.arange(0)
    return numpy.concatenate([nothing, *shares]), numpy.concatenate(
        [nothing, *pool.map(measure, shares)])


def _measure(x, rows, places, last, error, distances, indices, scale=1.):
    """Writes the distances and indices of the nearest of some candidates.

    Args:
        rows (array): Numbers of points, shape (R,).
        places (array): Those of their candidates, shape (R, K).
        last, error (array): Shape (R,): squares of distances, times the
            square of ``scale``.  Any other point is at least as far as
            ``last``, but for ``error``.

    Returns:
        array: Those of ``rows`` that may have a nearer neighbour, or one as
        near.
    """
    # By differences: of products, small ones would lose their digits.
    distance = _to_each(x[rows], x, places)
    # A point may miss itself among duplicates, which are as near.
    distance[places == rows[:, None]] = numpy.inf
    order = numpy.lexsort((places, distance))[:, :distances.shape[1]]
    distances[rows] = numpy.take_along_axis(distance, order, axis=1)
    indices[rows] = numpy.take_along_axis(places, order, axis=1)
    if places.shape[1] == x.shape[0]:
        return rows[:0]
    certain = (distances[rows, -1] * scale) ** 2 + error < last
    return rows[~certain]


def _in_float32(x, mean):
    """Rows (y, 1, -y y / 2), y = scale (x - mean), float32; the scale; and
    for each row the largest error of a square of a distance by products.

    The product with (y', -y' y' / 2, 1) is half the square of a distance,
    negative.  Scaled by a power of two no square overflows.
    """
    n, d = x.shape
    chunks = [slice(start, start + CHUNK) for start in range(0, n, CHUNK)]
    largest = max(numpy.abs(x[rows] - mean).max(initial=0)
                  for rows in chunks)
    scale = 2. ** -numpy.frexp(largest)[1]
    points = numpy.ones((n, d + 2), numpy.float32)
    for rows in chunks:
        points[rows, :d] = (x[rows] - mean) * scale
        own = points[rows, :d].astype(numpy.float64)
        points[rows, -1] = _norms(own) / -2
    halves = points[:, -1].astype(numpy.float64)
    return points, scale, -2 * (halves + halves.min()) * (d + 8) * float(
        numpy.finfo(numpy.float32).eps)


def _shadows(points, pool):
    """Rows as :func:`_in_float32` has them, of fewer columns: no two are
    farther from each other than the points are.  None where it does not pay.

    A point's place along the directions in which some points vary most, and
    how far it is from all of these.
    """
    n, d = points.shape[0], points.shape[1] - 2
    width = d // 8
    if width < 8 or n < 8 * BLOCK or n < PER_COLUMN * d:
        return None
    sample = points[::-(-n // AMONG), :d].astype(numpy.float64)
    directions = numpy.linalg.eigh(sample.T @ sample)[1][:, -width:]
    shadows = numpy.ones((n, width + 3), numpy.float32)

    def cast(start):
        rows = slice(start, start + CHUNK)
        own = points[rows, :d].astype(numpy.float64)
        shadows[rows, :width] = along = own @ directions
        shadows[rows, width] = numpy.sqrt(numpy.maximum(
            _norms(own) - _norms(along), 0))
        shadows[rows, -1] = _norms(
            shadows[rows, :-2].astype(numpy.float64)) / -2
    list(pool.map(cast, range(0, n, CHUNK)))
    return shadows


@compiled(fastmath={'reassoc'})
def _offer_by_numba(products, cut, row, column, values, places, points):
    """As :func:`_offer_by_numpy`.

    Where there are ``points``, the products are of their shadows, and those
    of points are made where these exceed ``cut``.  Returns whether these are
    few enough to be worth it; nothing is kept otherwise.
    """
    height, width = products.shape
    last = values.shape[2] - 1
    both = row != column
    measured = len(points) > 0
    if measured:
        hit = 0
        for i in range(0, height, SKIP):
            for j in range(width):
                hit += products[i, j] > min(cut[row + i], cut[column + j])
        if hit > height * width // (SKIP * MOST_HITS):
            return False
        d = points.shape[1] - 2
    for i in range(height):
        for start in range(0, width, 32):
            stop = min(start + 32, width)
            hits = False
            for j in range(start, stop):
                hits |= products[i, j] > min(cut[row + i], cut[column + j])
            if not hits:
                continue
            for j in range(start, stop):
                value = products[i, j]
                if measured:
                    if not value > min(cut[row + i], cut[column + j]):
                        continue
                    a, b = points[row + i], points[column + j]
                    value = a[d + 1] + b[d + 1]
                    for axis in range(d):
                        value += a[axis] * b[axis]
                for side in range(1 + both):
                    at = column + j if side else row + i
                    if not value > values[side, at, last]:
                        continue
                    place = last
                    while place and values[side, at, place - 1] < value:
                        values[side, at, place] = values[side, at, place - 1]
                        places[side, at, place] = places[side, at, place - 1]
                        place -= 1
                    values[side, at, place] = value
                    places[side, at, place] = row + i if side else column + j
    return True


def _offer_by_numpy(products, cut, row, column, values, places, _):
    """Keeps the largest products of each row and of each column of a tile.

    Args:
        products (array): Shape (R, C), of the points from ``row`` and from
            ``column`` on.  Where that is the same, rows are enough.
        cut (array): What a product of each point has to exceed.
        values, places (array): Shape (2, N, k), updated: for each point its
            largest products, descending, and with which points; first as a
            row and then as a column.
    """
    k = values.shape[2]
    for side in range(1 + (row != column)):
        own, other = (column, row) if side else (row, column)
        table = numpy.ascontiguousarray(products.T) if side else products
        rows = slice(own, own + len(table))
        hits = table > cut[rows, None]
        surplus = table.shape[1] - k
        if surplus > 0 and numpy.count_nonzero(hits) > 4 * k * len(table):
            numpy.put_along_axis(hits, numpy.argpartition(
                table, surplus, axis=1)[:, :surplus], False, axis=1)
        i, j = numpy.nonzero(hits)
        each = numpy.repeat(numpy.arange(len(table)), k)
        i = numpy.concatenate([each, i])
        value = numpy.concatenate(
            [values[side, rows].ravel(), table[hits]])
        place = numpy.concatenate([places[side, rows].ravel(), j + other])
        order = numpy.lexsort((-value, i))
        # Each row has its k already, and perhaps more.
        first = numpy.searchsorted(i[order], numpy.arange(len(table)))
        best = order[first[:, None] + numpy.arange(k)]
        values[side, rows], places[side, rows] = value[best], place[best]


def by_float64(x, k, distances, indices):
    """Function of numbers of rows, whose distances and indices it writes."""
    n, d = x.shape
    size = min(k + 1 + SPARE, n)
    mean = 0. if scipy.sparse.issparse(x) \
        else x.mean(axis=0, dtype=numpy.float64)
    squares = _squares(x, mean)
    error = (d + 4) * numpy.finfo(numpy.float64).eps * (
        squares + squares.max())

    def settle(rows):
        if scipy.sparse.issparse(x):
            square = (x[rows].astype(numpy.float64) @ x.T).toarray()
        else:
            own = x[rows] - mean
            square = numpy.concatenate(
                [own @ (x[start:start + CHUNK] - mean).T
                 for start in range(0, n, CHUNK)], axis=1)
        square *= -2
        square += squares
        square += squares[rows, None]
        places = numpy.argpartition(square, size - 1, axis=1)[:, :size]
        last = numpy.take_along_axis(square, places[:, -1:], axis=1)[:, 0]
        for row in _measure(x, rows, places, last, error[rows], distances,
                            indices):
            _measure_all(x, row, square[numpy.searchsorted(rows, row)],
                         error[row], distances, indices)
        return len(rows)
    return settle


def _measure_all(x, row, square, error, distances, indices):
    """As :func:`_measure`, of all points that can be among the nearest.

    ``square`` are squares of the distances of point ``row`` by products.
    """
    k = distances.shape[1]
    bound = numpy.partition(square, k)[k]  # beside k others it is one itself
    near = numpy.flatnonzero(square <= bound + 2 * error)
    near = near[near != row]
    # First those that are certainly among them.
    near = near[numpy.argsort(square[near] >= bound - 2 * error,
                              kind='stable')]
    distance = numpy.empty(0)
    for start in range(0, len(near), MANY):
        part = near[start:start + MANY]
        distance = numpy.concatenate([
            distance, _direct(x[numpy.full(len(part), row)], x[part])])
        best = numpy.lexsort((near[:len(distance)], distance))[:k]
        if len(best) == k and distance[best[-1]] ** 2 <= (
                1 + HARMLESS) * max(bound - 3 * error, 0):
            break  # the rest is no nearer, and has higher numbers
    distances[row], indices[row] = distance[best], near[best]


def _squares(x, mean=0.):
    """The squares of the rows' distances to ``mean``, shape (N,), float64."""
    if scipy.sparse.issparse(x):
        x = x.astype(numpy.float64)
        return numpy.asarray(x.multiply(x).sum(axis=1)).reshape(-1)
    parts = (x[start:start + CHUNK].astype(numpy.float64) - mean
             for start in range(0, len(x), CHUNK))
    return numpy.concatenate([_norms(part) for part in parts])


def _norms(rows):
    """The square of each row's length."""
    return numpy.einsum('ij,ij->i', rows, rows)


def _direct(a, b):
    if scipy.sparse.issparse(a):
        difference = a.astype(numpy.float64) - b.astype(numpy.float64)
        squares = difference.multiply(difference).sum(axis=1)
        return numpy.sqrt(numpy.asarray(squares)).reshape(-1)
    difference = a.astype(numpy.float64, copy=False) - b
    return numpy.sqrt(_norms(difference))


def _by_kernels(x, t, progress):
    """sigma_t, computed on the GPU where x is."""
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
    # Asked to, CuPy multiplies float32 by TF32, of ten bits.
    if os.environ.get('CUPY_TF32', '0') == '0':
        mean = mean.astype(x.dtype)
    n, doubtful = len(x), []
    sigma = numpy.empty(n)
    for start in range(0, n, CHUNK):
        rows = slice(start, min(start + CHUNK, n))
        sigma[rows], doubt = map(
            to_cpu, _select_and_measure(x, x[rows], t, mean))
        doubtful.append(start + doubt)
        if progress is not None:
            progress(rows.stop - start)
    doubt = numpy.concatenate(doubtful)
    if len(doubt):
        # Few, but of points far apart beside how near their neighbours are.
        found = numpy.empty((n, t)), numpy.empty((n, t), numpy.int64)
        with _pool() as pool:
            _settle(to_numpy(x), doubt, t, *found, pool)
        sigma[doubt] = found[0][doubt, -1]
    return sigma


def _select_and_measure(x, points, t, mean):
    """sigma_t of ``points`` among x, selected in the dtype of ``mean`` and,
    where that leaves doubt, in float64; and which it leaves in doubt."""
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
    # Any other point is at least as far as the last candidate by products,
    # whose errors (those of two squares, a product, their sum and the
    # centring, and what is too small for the dtype) are below `error`.
    square = (centred * centred).sum(axis=1)
    limits = numpy.finfo(dtype)
    error = (x.shape[1] + 4) * (float(limits.eps) * (
        square.astype(numpy.float64) + largest) + 4 * float(limits.tiny))
    certain = (1 - HARMLESS) * sigma ** 2 <= (
        candidates.values[:, -1] + square - error)
    certain |= sigma == 0
    if k == len(x):  # no other, unless some had no finite distance
        certain |= candidates.indices[:, -1] >= 0
    doubtful, = xp.nonzero(~certain)
    if dtype == numpy.float64 or not len(doubtful):
        return sigma, doubtful
    sigma[doubtful], still = _select_and_measure(
        x, points[doubtful], t, mean.astype(numpy.float64))
    return sigma, doubtful[still]
