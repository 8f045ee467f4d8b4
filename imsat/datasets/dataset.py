import dataclasses

import numpy

from imsat.errors import InputError


@dataclasses.dataclass
class Dataset:
    """Points to cluster or to search.

    Attributes:
        name (str): A name of :data:`SOURCES`, or of a file.
        x (numpy.ndarray): Shape (N, d), float32.
        y (numpy.ndarray): Labels, shape (N,), or None.
        image_shape (tuple): (height, width) of the rows that are images, or
            None.
        notes (list of str): How the points were prepared: seeds, rules, and
            what differs from the paper; a sentence each.
    """
    name: str
    x: numpy.ndarray
    y: numpy.ndarray = None
    image_shape: tuple = None
    notes: list = dataclasses.field(default_factory=list)


def check_points(x, y, source):
    """x as float32 and y, if they can be clustered.

    Raises:
        InputError: For anything but numbers, all finite, in a table of
            points, and for labels that are not one for each point.
    """
    x = numpy.asarray(x)
    if x.dtype.kind not in 'fiub':
        raise InputError(f'x of {source} has dtype {x.dtype}; give numbers')
    if x.ndim != 2 or 0 in x.shape:
        raise InputError(f'x of {source} has shape {x.shape}; give a table '
                         f'with a row for each point and a column for each '
                         f'feature')
    with numpy.errstate(over='ignore'):
        x = x.astype(numpy.float32)
    bad = ~numpy.isfinite(x)
    if bad.any():
        row, column = numpy.argwhere(bad)[0]
        raise InputError(f'x of {source} has {bad.sum()} values that are NaN '
                         f'or infinite, the first in row {row}, column '
                         f'{column} (counted from 0); remove or replace them')
    if (x == x[0]).all():
        raise InputError(f'all points of {source} are equal; there is nothing '
                         f'to cluster')
    if y is not None:
        y = numpy.asarray(y)
        if y.shape != (len(x),):
            raise InputError(f'y of {source} has shape {y.shape} for {len(x)} '
                             f'points; give one label for each, or leave y '
                             f'out')
        if y.dtype.kind not in 'biufSU' or (y != y).any():
            raise InputError(f'y of {source} has labels that are NaN or '
                             f'neither numbers nor text; replace them, or '
                             f'leave y out')
    return x, y
