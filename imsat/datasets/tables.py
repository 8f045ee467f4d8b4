"""A data set of one's own: FILE.npz or FILE.csv."""
from pathlib import Path

import numpy

from imsat.datasets.dataset import Dataset, check_points
from imsat.errors import InputError
from imsat.storage import load_npz


def read_table(path):
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


def _npz(path):
    arrays = load_npz(path)
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
