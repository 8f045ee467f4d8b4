"""Where data lie: far from 0, beyond float32, or in one column alone."""
import functools

import numpy
import scipy.sparse

from imsat.errors import InputError
from imsat.on_disk import OnDisk
from imsat.training.iterators import dense

BLOCK = 1 << 22  # elements at a time: bounds memory
# Squares of larger or smaller numbers, and their sums, leave float32.
MOST = 1e15
LEAST = 1 / MOST
TINY = numpy.finfo(float).tiny
EPS = numpy.finfo(float).eps
# So many times their spread the distance of the data from 0 may be.  Measured
# (docs/data.md): 3 does no harm, 4.9 some; Omniglot has most of the paper's
# data, 3.7.
FAR = 5.
# Steps of a float within a column's spread, below which they are its noise.
STEPS = 8
# Of all variance, in one column of several: the others hardly count.
ALMOST_ALL = .999
# Of all variance, in one point: the others look alike.  Of 20 points and
# fewer one can have no more.
LONE = .95
# By its distance between numbers.
FLOATS = {float(numpy.finfo(name).eps): name
          for name in ('float16', 'float32', 'float64')}


def check_range(X, least=0.):
    """Raises InputError for values whose squares float32 can't hold."""
    largest = max(float(X.max()), -float(X.min()))
    if largest > MOST or 0 < largest < least:
        raise InputError(
            f'the largest value of the data is {largest:.3g}, and float32 '
            f'can\'t hold its square; remove such points or scale the '
            f'columns, e.g. by sklearn.preprocessing.StandardScaler')


def moments(X):
    """Mean and variance of every column, shape (d,), in float64."""
    n = X.shape[0]
    mean = sum(block.sum(axis=0) for block in _blocks(X)) / n
    rest, squares = numpy.zeros(len(mean)), numpy.zeros(len(mean))
    for block in _blocks(X):
        block -= mean
        rest += block.sum(axis=0)
        squares += (block ** 2).sum(axis=0)
    # What rounding has moved the mean by, which counts far from 0 alone.
    rest /= n
    variance = numpy.maximum(squares / n - rest ** 2, 0)
    return numpy.where(rest ** 2 > 1e-6 * variance, mean + rest, mean), \
        variance


def _blocks(X):
    """Some rows after the other, as new arrays of float64."""
    rows = _block_of(X)
    for start in range(0, X.shape[0], rows):
        yield dense(X[start:start + rows]).astype(numpy.float64)


def _block_of(X):
    """Rows at a time."""
    return max(1, BLOCK // X.shape[1])


def find_center(X, eps):
    """What to subtract from every point, and by what to divide it then, 1; the
    standard deviation of every column; all of shape (d,), float64; and what is
    odd about them, a list of sentences.

    Where the mean of X is more than FAR times as far from 0 as the points are
    from their mean (root mean square), columns are moved to their mean, those
    for which the same is true by themselves.  In a sparse matrix they have
    hardly a 0, so that it stays sparse.

    Args:
        X (array, sparse matrix or OnDisk): Shape (N, d).
        eps (float or array): As :func:`steps_of` gives it for X as it came.

    Raises:
        InputError: If so far from 0 the numbers can't hold points apart.
    """
    mean, variance = moments(X)
    square, total, center = mean ** 2, variance.sum(), numpy.zeros(len(mean))
    if square.sum() > FAR ** 2 * total:
        center = numpy.where(square > FAR ** 2 * variance, mean, 0)
    spread = _that_counts(variance)
    refuse_lost(mean, spread, eps)
    notes = []
    if len(mean) > 1 and variance.max() > ALMOST_ALL * total:
        notes.append(
            f'column {int(variance.argmax())} has '
            f'{variance.max() / total:.5%} of all variance, so that the '
            f'others hardly count; scale the columns, e.g. by '
            f'sklearn.preprocessing.StandardScaler, or look for outliers')
    notes += _lone_point(X, mean, 1, total)
    return center, numpy.ones(len(mean)), spread, notes


def find_scale(X, eps):
    """As :func:`find_center`, but mean and standard deviation of every column.

    A constant column is divided by 1, and of sparse data nothing is
    subtracted, so that they stay sparse.

    Args and raises:
        As :func:`find_center`.
    """
    mean, variance = moments(X)
    # What rounding makes of a constant, where it was computed.
    constant = variance <= (STEPS * EPS * mean) ** 2
    _refuse_tiny(X, variance < TINY)
    spread = numpy.where(constant, 0, variance) ** .5
    refuse_lost(mean, spread, eps)
    deviation = numpy.where(constant, 1, spread)
    return (0 * mean if scipy.sparse.issparse(X) else mean), deviation, \
        spread, _lone_point(X, mean, deviation, (~constant).sum())


def _refuse_tiny(X, columns):
    """InputError for those of the columns that vary, near 0: float64 can't
    hold their variance."""
    if not columns.any():
        return
    first = dense(X[:1])[0]
    for block in _blocks(X):
        lost = columns & (block != first).any(axis=0) & (
            numpy.abs(block).max(axis=0) < 1e-100)
        if lost.any():
            raise InputError(
                f'column {int(lost.argmax())} has numbers of which float64 '
                f"can't hold the squares; multiply it by a power of ten")


def find_nothing(X):
    """As :func:`find_center`, where points have to stay as they are.

    Raises:
        InputError: If float32 can't hold them apart.
    """
    mean, variance = moments(X)
    spread = _that_counts(variance)
    refuse_lost(mean, spread, numpy.finfo(numpy.float32).eps)
    return 0 * mean, numpy.ones(len(mean)), spread, \
        _lone_point(X, mean, 1, variance.sum())


def _that_counts(variance):
    """Standard deviations, 0 for those that hardly are of any account."""
    return numpy.where(variance > 1e-6 * variance.sum(), variance, 0) ** .5


def _lone_point(X, mean, deviation, total):
    """A sentence about the point that has almost all of the variance, in a
    list, or none."""
    most, point, start = 0., 0, 0
    for block in _blocks(X):
        block -= mean
        block /= deviation
        squares = (block ** 2).sum(axis=1)
        if squares.max() > most:
            most, point = squares.max(), start + int(squares.argmax())
        start += len(block)
    if most <= LONE * X.shape[0] * total:
        return []
    return [f'point {point}, counted from 0, has '
            f'{most / X.shape[0] / total:.1%} of all variance, so that all '
            f'others look alike; leave it out, or bring its values to the '
            f'scale of the others']


def steps_of(X):
    """Of the numbers that points are given in, the largest relative distance
    of one from the next: a float, or an array of shape (d,) for a frame."""
    if hasattr(X, 'dtypes'):
        return numpy.array([_steps(getattr(dtype, 'numpy_dtype', dtype))
                            for dtype in X.dtypes], float)
    return _steps(getattr(X, 'dtype', float))


def _steps(dtype):
    try:
        dtype = numpy.dtype(dtype)
    except TypeError:  # of other libraries, read as float64
        return EPS
    return float(numpy.finfo(dtype).eps) if dtype.kind == 'f' else EPS


def refuse_lost(center, spread, eps):
    """InputError for columns of which numbers with steps of so much can't hold
    points apart.

    Args:
        center (array): Where the columns lie, shape (d,).
        spread (array): By how much they vary, shape (d,); 0 for those that
            don't count.
        eps (float or array): As :func:`steps_of` gives it.
    """
    eps = numpy.broadcast_to(eps, center.shape)
    step = eps * numpy.abs(center)
    lost = (spread > 0) & (spread < STEPS * step)
    if lost.any():
        column = int(lost.argmax())
        raise InputError(
            f'column {column} lies around {center[column]:.6g}, where '
            f'{FLOATS.get(eps[column], "its dtype")} has steps of '
            f'{step[column]:.2g}, and varies by {spread[column]:.2g} only; '
            f'subtract its mean in float64, from the numbers as they were '
            f'measured')


def check_new(X, center, deviation, spread, eps):
    """Raises InputError for new points of which, as :func:`centred` makes
    them, float32 can't hold the squares, or that are given less exactly than
    the columns varied in fit (``spread``, 0 where that is unknown)."""
    check_range(X)
    refuse_lost(center, spread, eps)
    largest = max(float(X.max()), -float(X.min()))
    if largest + numpy.abs(center).max() <= MOST * deviation.min():
        return
    for block in _blocks(X):
        most = numpy.abs((block - center) / deviation).max(axis=0)
        if most.max() > MOST:
            column = int(most.argmax())
            raise InputError(
                f'column {column} has a value that is {most[column]:.3g} '
                f'times as far away as what was learnt from varies there; '
                f'remove such points, or give the column in the unit of fit')


def centred(X, center, deviation):
    """(X - center) / deviation in float32, a sparse matrix or OnDisk if X is
    one."""
    if isinstance(X, OnDisk):
        return X.then(functools.partial(centred, center=center,
                                        deviation=deviation))
    moves, scales = center.any(), (deviation != 1).any()
    if not moves and not scales:
        return X.astype(numpy.float32, copy=False)
    if scipy.sparse.issparse(X):
        kind = type(X)
        if moves:
            rows = scipy.sparse.csr_matrix(numpy.ones((X.shape[0], 1)))
            X = X - rows @ scipy.sparse.csr_matrix(center)
        if scales:
            X = X @ scipy.sparse.diags(1 / deviation)
        return kind(X).astype(numpy.float32)
    if not scales:
        return numpy.subtract(
            X, center, dtype=numpy.float64, casting='same_kind',
            out=numpy.empty(X.shape, numpy.float32))
    scaled, rows = numpy.empty(X.shape, numpy.float32), _block_of(X)
    for start in range(0, len(X), rows):
        block = slice(start, start + rows)
        scaled[block] = (X[block] - center) / deviation
    return scaled
