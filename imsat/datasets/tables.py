"""A data set of one's own: FILE.npz or FILE.csv."""
import typing
from pathlib import Path

import numpy

from imsat.datasets.dataset import Dataset
from imsat.errors import InputError
from imsat.storage import AnyPath, load_npz


def read_table(path: AnyPath) -> Dataset:
    """The data set in an npz or csv file.

    Args:
        path (path): ``FILE.npz`` holds ``x``, shape (N, d), and optionally
            ``y``, shape (N,), and ``notes``.  ``FILE.csv`` holds a point a
            line; with a line of names above, a column ``y`` holds the labels.

    Raises:
        InputError: In one sentence, for what can't be read or clustered.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f'there is no file {path}; check its name')
    x, y, notes = _npz(path) if path.suffix == '.npz' else _csv(path)
    x, y = check_points(x, y, path)
    return Dataset(path.stem, x, y, notes=notes)


def check_points(
        x: typing.Any, y: typing.Any, source: typing.Any
        ) -> tuple[numpy.ndarray, numpy.ndarray | None]:
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


def _npz(path):
    arrays = load_npz(path, ('x', 'y', 'notes'))
    if 'x' not in arrays:
        raise InputError(f'{path} holds no array x; save it with '
                         f'numpy.savez(file, x=points, y=labels)')
    notes = [str(note) for note in
             numpy.atleast_1d(arrays.get('notes', []))]
    return arrays['x'], arrays.get('y'), notes


def _csv(path):
    try:
        with open(path, encoding='utf-8-sig') as f:
            names = [name.strip().strip('"') for name in
                     f.readline().split(',')]
            has_names = 'y' in names or not any(map(_is_number, names))
            label = names.index('y') if has_names and 'y' in names else None
            columns = [i for i in range(len(names)) if i != label]
            if not has_names:
                f.seek(0)
            rows = [line for line in f if line.strip()]
        if not rows:
            raise InputError(f'{path} holds no points; give a line for each')
        x = numpy.loadtxt(rows, delimiter=',', usecols=columns, ndmin=2,
                          comments=None)
        y = None
        if label is not None:
            y = numpy.loadtxt(rows, delimiter=',', usecols=label, dtype=str,
                              ndmin=1, comments=None)
    except UnicodeDecodeError as e:
        raise InputError(f'{path} is no text file ({e}); save it as UTF-8'
                         ) from e
    except ValueError as e:
        if isinstance(e, InputError):
            raise
        raise InputError(f'{path} can not be read: {e} (rows counted from '
                         f'the first point); give numbers separated by '
                         f'commas, as many in every line') from e
    return x, y, []


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
