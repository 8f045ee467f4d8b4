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
    n, rows = X.shape[0], _block_of(X)

    def blocks():
        for start in range(0, n, rows):
            yield dense(X[start:start + rows]).astype(numpy.float64)
    mean = sum(block.sum(axis=0) for block in blocks()) / n
    return mean, sum(((block - mean) ** 2).sum(axis=0)
                     for block in blocks()) / n


def _block_of(X):
    """Rows at a time."""
    return max(1, BLOCK // X.shape[1])


def find_center(X):
    """What to subtract from every point, shape (d,), float64, and what is
    odd about the columns, a list of sentences.

    Where the mean of X is more than FAR times as far from 0 as the points are
    from their mean (root mean square), columns are moved to their mean, those
    for which the same is true by themselves.  In a sparse matrix they have
    hardly a 0, so that it stays sparse.

    Raises:
        InputError: If so far from 0 the dtype of X can't hold points apart.
    """
    mean, variance = moments(X)
    square, total, center = mean ** 2, variance.sum(), numpy.zeros(len(mean))
    if square.sum() > FAR ** 2 * total:
        center = numpy.where(square > FAR ** 2 * variance, mean, 0)
    _refuse_lost(X, mean, variance, variance > 1e-6 * total)
    notes = []
    if len(mean) > 1 and variance.max() > ALMOST_ALL * total:
        notes.append(
            f'column {int(variance.argmax())} has '
            f'{variance.max() / total:.5%} of all variance, so that the '
            f'others hardly count; scale the columns, e.g. by '
            f'sklearn.preprocessing.StandardScaler, or look for outliers')
    return center, notes


def find_scale(X):
    """Mean and standard deviation of every column, shapes (d,), float64.

    The deviation of a constant column is 1, and the mean of sparse data 0, so
    that they stay sparse.

    Raises:
        InputError: As :func:`find_center`.
    """
    mean, variance = moments(X)
    # What rounding leaves of the variance of a constant.
    constant = variance <= (X.shape[0] * EPS * mean) ** 2
    _refuse_lost(X, mean, variance, ~constant)
    deviation = numpy.sqrt(numpy.where(constant, 1, variance))
    return (0 * mean if scipy.sparse.issparse(X) else mean), deviation


def _refuse_lost(X, mean, variance, counts):
    """InputError for a column that counts and has too few steps."""
    if X.dtype.kind != 'f':
        return
    step = numpy.finfo(X.dtype).eps * numpy.abs(mean)
    lost = counts & (variance < (STEPS * step) ** 2)
    if lost.any():
        column = int(lost.argmax())
        raise InputError(
            f'column {column} lies around {mean[column]:.6g}, where '
            f'{X.dtype} has steps of {step[column]:.2g}, and varies by '
            f'{variance[column] ** .5:.2g} only; subtract its mean in '
            f'float64, from the numbers as they were measured')


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
