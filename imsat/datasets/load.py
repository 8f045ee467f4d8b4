"""Data sets by name or file, ready to be clustered."""
import dataclasses
import os
from pathlib import Path
from urllib.error import URLError

import numpy
import sklearn.datasets

from imsat.datasets.idx import read_idx
from imsat.errors import InputError
from imsat.files import load_npz

MNIST_FILES = ('train-images-idx3-ubyte', 'train-labels-idx1-ubyte',
               't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte')


@dataclasses.dataclass
class Dataset:
    """``x``: float32, shape (N, d).  ``y``: labels, shape (N,), or None.
    ``image_shape``: (height, width) of the rows that are images, or None.
    """
    name: str
    x: numpy.ndarray
    y: numpy.ndarray = None
    image_shape: tuple = None


def load_dataset(name, data_dir=None):
    """``'digits'``, ``'mnist'``, or a file of one's own.

    Args:
        name (str): ``FILE.npz`` holds ``x``, shape (N, d), and optionally
            ``y``, shape (N,).  ``FILE.csv`` holds a point a line; with a line
            of names above, a column ``y`` holds the labels.
        data_dir (path): Where MNIST's four IDX files lie, there or in a
            folder mnist/; by default what ``IMSAT_DATA`` names.  Without one,
            scikit-learn fetches MNIST and keeps it.

    Raises:
        InputError: In one sentence, for what can't be read or clustered.
    """
    if name == 'digits':
        return _digits()
    if name == 'mnist':
        return _mnist(data_dir or os.environ.get('IMSAT_DATA'))
    path = Path(name)
    if path.suffix not in ('.npz', '.csv'):
        raise InputError(f'the data set {name!r} is not known; give digits, '
                         f'mnist, or a file that ends in .npz or .csv')
    if not path.is_file():
        raise InputError(f'there is no file {path}; check its name')
    x, y = _npz(path) if path.suffix == '.npz' else _csv(path)
    return Dataset(path.stem, *check_points(x, y, path))


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
    return x, y


def _digits():
    digits = sklearn.datasets.load_digits()
    x = (digits.data / 8 - 1).astype(numpy.float32)  # 0..16 to -1..1
    return Dataset('digits', x, digits.target, (8, 8))


def _mnist(data_dir):
    if data_dir is None:
        images, labels = _fetch_mnist()
    else:
        images, labels = _read_mnist(Path(data_dir))
    # 0..255 to -1..1, as the authors' code scales it.
    x = images.reshape(len(images), -1).astype(numpy.float32) / 128 - 1
    return Dataset('mnist', x, labels.astype(numpy.int64), (28, 28))


def _read_mnist(folder):
    parts = []
    for name in MNIST_FILES:
        candidates = [folder / sub / (name + suffix)
                      for sub in ('', 'mnist') for suffix in ('', '.gz')]
        found = [path for path in candidates if path.is_file()]
        if not found:
            raise InputError(
                f'{folder} has no file {name} or {name}.gz, nor has its '
                f'folder mnist; put the four MNIST files there, or leave '
                f'--data-dir and IMSAT_DATA out to fetch them')
        parts.append(read_idx(found[0]))
    images = numpy.concatenate(parts[0::2])
    labels = numpy.concatenate(parts[1::2])
    if images.ndim != 3 or labels.shape != (len(images),):
        raise InputError(f'the MNIST files in {folder} hold images of shape '
                         f'{images.shape} and labels of shape '
                         f'{labels.shape}; fetch them again')
    return images, labels


def _fetch_mnist():
    try:
        mnist = sklearn.datasets.fetch_openml(
            'mnist_784', version=1, as_frame=False, parser='liac-arff')
    except (URLError, OSError) as e:
        raise InputError(
            f'MNIST could not be fetched ({e}); name the folder of its four '
            f'IDX files with --data-dir or IMSAT_DATA') from e
    return mnist.data, mnist.target


def _npz(path):
    arrays = load_npz(path)
    if 'x' not in arrays:
        raise InputError(f'{path} holds no array x; save it with '
                         f'numpy.savez(file, x=points, y=labels)')
    return arrays['x'], arrays.get('y')


def _csv(path):
    try:
        with open(path, encoding='utf-8') as f:
            names = [name.strip().strip('"') for name in
                     f.readline().split(',')]
            has_names = not all(map(_is_number, names))
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
    return x, y


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
