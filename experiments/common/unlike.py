"""Which points are unlike those that a run has learnt from."""
import math

import numpy

import imsat
from imsat.estimators.centering import centred
from imsat.storage import Like, check_arrays, load_npz, save_npz
from imsat.training.iterators import dense

MOST = 1000  # points that are kept, and others that they are compared with
ELEMENTS = 1 << 22  # that are kept, or looked at, at a time: bounds memory
RATE = .01  # of points like the training data that are flagged all the same
REMEDY = 'run again the command that made it'


def get_reference(model, x, seed):
    """What it takes to tell points that are unlike x.

    Some points are kept, as the model sees them, centred; a new point is
    unlike x if it is farther from the nearest of them than almost all of some
    others of x are.  As those others are drawn like a new point that is like
    x, it is flagged by chance with a probability of ``rate`` at most, however
    x is distributed (split conformal prediction): RATE, or 1 / (m + 1) where
    there are fewer than 99 others.

    Args:
        model (Estimator): Fitted.
        x (array or sparse matrix): Shape (N, d), N from 2.
        seed (int): Of the choice.

    Returns:
        dict: ``points``, shape (n, d), n from 1 to MOST; ``distance``, from
        the nearest of which on a point is unlike them; ``rate``.
    """
    order = numpy.random.default_rng(seed).permutation(x.shape[0])[:2 * MOST]
    kept, others = numpy.array_split(order, 2)
    points, m = _seen(model, x[kept[:_rows(x)]]), len(others)
    rank = min(m, math.ceil((1 - RATE) * (m + 1)))
    distances = numpy.sort(_distances(model, x[others], points))
    return dict(points=points, rate=1 - rank / (m + 1),
                distance=distances[rank - 1])


def is_unlike(model, x, reference):
    """Whether points, shape (N, d), are unlike those of a reference."""
    return _distances(model, x, reference['points']) > reference['distance']


def _rows(x):
    return max(1, ELEMENTS // x.shape[1])


def _seen(model, x):
    """Points as the model sees them, in float32."""
    return dense(centred(x, model.center_, model.deviation_))


def _distances(model, x, points):
    """Of each point of x, that from the nearest of some points."""
    points = points.astype(numpy.float64)
    middle = points.mean(axis=0)  # where squares lose nothing
    points -= middle
    squares = (points ** 2).sum(axis=1)

    def of(block):
        block = _seen(model, block) - middle
        nearest = (squares - 2 * block @ points.T).argmin(axis=1)
        return numpy.linalg.norm(block - points[nearest], axis=1)
    return numpy.concatenate([
        of(x[start:start + _rows(x)])
        for start in range(0, x.shape[0], _rows(x))])


def save_reference(path, model, x, seed):
    """Saves what tells points that are unlike x."""
    save_npz(path, get_reference(model, x, seed))


def load_reference(path, d):
    """What :func:`save_reference` wrote of points of d features, a dict."""
    arrays = load_npz(path)
    n = len(numpy.atleast_1d(arrays.get('points', 0)))
    check_arrays(arrays, {
        'points': Like((n, d)), 'distance': Like((), least=0),
        'rate': Like((), least=0, most=1)}, path, REMEDY)
    if not n:
        raise imsat.InputError(f"{path} can't be used: it holds no points; "
                               f'{REMEDY}')
    return arrays
