"""Data sets by name, and files and folders of one's own."""
import dataclasses
import itertools
import math
import os
import re
import typing
import warnings
from pathlib import Path

import numpy
import scipy.sparse

from imsat.datasets import arrays, documents, folders, tables
from imsat.datasets.dataset import Dataset
from imsat.datasets.idx import read_idx
from imsat.datasets.points import (
    MISSING, all_missing, check_labels, usable_labels)
from imsat.datasets.preparation import (
    BYTES, NUMBERS, SCALED, Preparation)
from imsat.datasets.sources import SOURCES, Files
from imsat.datasets.texts import read_text
from imsat.errors import ArgumentError, InputError
from imsat.labels import NAMELESS
from imsat.on_disk import blocks_of
from imsat.parameters import (
    MOST, Flag, OneOf, checked, is_sequence, is_whole, shown)
from imsat.storage import AnyPath, as_path, load_npy

TEXTS = '.txt', '.txt.gz'
READERS = {'.npz': arrays.read_npz, '.npy': arrays.read_npy,
           '.h5': arrays.read_hdf5, '.hdf5': arrays.read_hdf5}
KINDS = (f'a file that ends in {", ".join([*READERS, *tables.SUFFIXES])} or '
         f'{TEXTS[0]}, an IDX file, or a folder of images or of .npy files')


@checked(fetch=Flag(), verbose=Flag(), like=OneOf(
    Preparation, 'give the Preparation of what was learnt from, or None',
    optional=True))
def load_dataset(name: str, data_dir: AnyPath | None = None, *,
                 label: str | int | None = None,
                 index: str | int | None = None, columns: typing.Any = None,
                 text: str | int | None = None,
                 labels: AnyPath | None = None, image_size: typing.Any = None,
                 like: Preparation | None = None,
                 fetch: bool = True, verbose: bool = True,
                 **options: typing.Any) -> Dataset:
    """A data set of the paper, scikit-learn's digits, or a file of one's own.

    Args:
        name (str): A name in ``imsat.datasets.SOURCES``, e.g. ``'mnist'``; or
            a file or folder, see :func:`read_file`.
        data_dir (path): The folder above the publishers' files; by default
            what ``IMSAT_DATA`` names.
        label, index, columns, text, labels, image_size, like: Of a file or
            folder, see :func:`read_file`.
        fetch (bool): Whether the published files may be fetched where they
            are not there (``mnist``, ``20news``, ``reuters``).
        verbose (bool): Whether to show the progress of long preparations.
        options: What the data set's own loader takes: a ``seed``, say.

    Raises:
        InputError: In one sentence, for what is missing, damaged or can't be
            clustered.

    Example:
        >>> from imsat.datasets import load_dataset
        >>> digits = load_dataset('digits')
        >>> digits.x.shape, digits.image_shape
        ((1797, 64), (8, 8))
        >>> digits.y[:5]
        array([0, 1, 2, 3, 4])
    """
    given = dict(label=label, index=index, columns=columns, text=text,
                 labels=labels, image_size=image_size)
    if isinstance(name, str) and name in SOURCES:
        _refuse(name, given)
        data = SOURCES[name](Files(data_dir, fetch, verbose), **options)
        data.preparation = dataclasses.replace(
            data.preparation or Preparation(data.x.shape[1], values=NUMBERS),
            image_shape=data.image_shape)
        _check_alike(name, data, like)
        return data
    data = read_file(name, like=like, verbose=verbose, **given, **options)
    if like is None and data.x.shape[0] > 1 and _are_equal(data.x):
        raise InputError(f'all points of {name} are equal; there is nothing '
                         f'to cluster')
    return data


def _are_equal(x):
    if scipy.sparse.issparse(x):
        return not (x != x[numpy.zeros(x.shape[0], int)]).nnz
    first = x[0]
    return all((block == first).all() for _, block in blocks_of(x))


def read_file(name: AnyPath, *, label: str | int | None = None,
              index: str | int | None = None, columns: typing.Any = None,
              text: str | int | None = None, labels: AnyPath | None = None,
              image_size: typing.Any = None, like: Preparation | None = None,
              verbose: bool = True) -> Dataset:
    """The data set in a file or folder of one's own.

    Args:
        name (path): ``FILE.npz`` with ``x``, shape (N, d), or images, and
            optionally ``y``, ``image_shape``, ``index`` and ``thumbnails``,
            see :class:`Dataset`, or of ``scipy.sparse.save_npz``;
            ``FILE.npy``, or a folder of these parts; ``FILE.h5``; a table,
            see :func:`imsat.datasets.tables.read_table`; ``FILE.txt``, a
            document a line; an IDX file as MNIST's, or a folder of these; a
            folder of PNG or JPEG images.  The points of npy files and tables
            stay on disk, :class:`imsat.on_disk.OnDisk`, if they are 64 million
            numbers or more.
        label, index, columns, text: Of a table, see there.
        labels (path): ``.npy``, ``.txt`` (a label a line) or IDX, where the
            file has none itself.
        image_size (str): ``'28x28'``, height and width, or (28, 28): to what
            the images in a folder are resized, or what the rows of numbers
            are images of; bytes (uint8) are pixels then.
        like (Preparation): Of what was learnt from: the points are made as
            those were, or refused.
        verbose (bool): Whether to show the progress of long preparations.

    Raises:
        InputError: In one sentence, for what can't be read or clustered.
    """
    path, size = as_path(name), _size_of(image_size)
    if not (os.path.exists(path) or path.name.endswith(
            (*READERS, *tables.SUFFIXES, *TEXTS))):
        raise InputError(
            f'the data set {str(name)!r} is not known; give one of '
            f'{", ".join(SOURCES)}, {KINDS}')
    if not (os.path.isfile(path) or os.path.isdir(path)):
        raise InputError(f'there is no file {path}; check its name')
    chosen = dict(label=label, index=index, columns=columns, text=text)
    for argument, value in chosen.items():
        _check_column(argument, value)
    if path.is_file() and path.name.endswith(tables.SUFFIXES):
        data = tables.read_table(path, like=like, **chosen)
    else:
        _refuse(name, chosen)
        data = _read(path, labels is None, size, like, verbose)
    n, d = data.x.shape
    if labels is not None:
        if data.y is not None:
            raise ArgumentError('labels', f'is {labels}, but {name} has '
                                f'labels itself; leave one of them out',
                                '--labels')
        beside = as_path(labels)
        # A text says what is missing, and where, as a table does.
        missing, place = (MISSING, _line_of) if beside.name.endswith(TEXTS) \
            else (NAMELESS, 'row {}'.format)
        y = read_labels(beside)
        data.y = usable_labels(
            lambda: check_labels(y, n, labels, place, missing),
            lambda: all_missing(y, missing), labels, like is None)
        if path.is_dir():
            _warn_of_order(name, data.index or [], labels)
    shape = size or (like and like.image_shape)
    if data.image_shape is None and shape and data.documents is None:
        if math.prod(shape) != d and size:
            raise _wrong_size(size, f'the rows of {name} have {d} numbers')
        data.image_shape = shape if math.prod(shape) == d else None
    elif size and (data.image_shape or ())[:2] != size:
        raise _wrong_size(size, f'{name} holds ' + (
            'documents' if data.image_shape is None else
            f'images of {" x ".join(map(str, data.image_shape[:2]))}'))
    if scipy.sparse.issparse(data.x) and data.image_shape is not None:
        if size:
            raise _wrong_size(size, f'points of {name} are sparse, which are '
                                    f'not drawn')
        data.image_shape = None
    assert data.preparation is not None  # of every reader
    data.preparation = dataclasses.replace(
        data.preparation, image_shape=data.image_shape)
    _check_alike(name, data, like)
    return data


def _read(path, beside, size, like, verbose):
    """What is no table; ``beside``: also the labels that lie beside it."""
    if path.is_dir():
        if arrays.images_in(path):
            return arrays.read_images(path, size, like, beside)
        parts = arrays.parts_in(path)
        if parts:
            return arrays.read_parts(parts, size, like)
        shape = like and like.image_shape
        if like and not shape:
            raise InputError(f'{path} is a folder of images, and what was '
                             f'learnt from were none; give points as those')
        return folders.read_folder(
            path, shape[:2] if shape else size,
            (3 if shape[2:] else 1) if shape else None, verbose, like is None)
    if path.name.endswith(TEXTS):
        if like and not like.words:
            raise InputError(f'{path} holds documents, and what was learnt '
                             f'from were none; give points as those')
        return documents.as_dataset(
            path, documents.read_documents(path), like, _line_of)
    if arrays.IDX.match(path.name):
        return arrays.read_images(path, size, like, beside)
    if path.suffix not in READERS:
        raise InputError(f'{path} is of no known kind; give {KINDS}')
    return READERS[path.suffix](path, size, like)


def read_labels(path: Path) -> numpy.ndarray:
    """Labels, one for each point, from ``.npy``, ``.txt`` or IDX."""
    if not path.is_file():
        raise InputError(f'there is no file {path}; check its name')
    if path.suffix == '.npy':
        return load_npy(path)
    if path.name.endswith(TEXTS):
        return numpy.array(read_text(path).rstrip('\n').split('\n'))
    if arrays.IDX.match(path.name):
        labels = read_idx(path)
        return labels.astype(labels.dtype.newbyteorder('='))
    raise ArgumentError('labels', f'is {path}, which is of no known kind; '
                        f'give .npy, {TEXTS[0]} with a label a line, or an '
                        f'IDX file', '--labels')


def _line_of(row: int) -> str:
    """Where a row of a text is, as an editor counts it."""
    return f'line {row + 1}'


def _check_column(argument, value):
    values = value if argument == 'columns' and is_sequence(value) else [value]
    if value is not None and not all(
            isinstance(each, str) or is_whole(each) and abs(each) <= MOST
            for each in values):
        raise ArgumentError(argument, f'is {shown(value)}; give the name of a '
                            f'column, or its number from 1',
                            f'--{argument}')


def _warn_of_order(name, index, labels):
    """Where files are in another order than that of their names as texts, in
    which labels may have been written."""
    for before, after in itertools.pairwise(index):
        if before > after:
            warnings.warn(
                f'the images of {name} are taken in the order of the numbers '
                f'in their names, {before} before {after}; see that the '
                f'labels of {labels} have this order')
            return


def _size_of(size):
    """(height, width) of what a user gives, or None."""
    if size is None:
        return None
    sides: tuple[int, ...] = ()
    match = re.fullmatch(r'(\d{1,9})x(\d{1,9})', size) \
        if isinstance(size, str) else None
    if match:
        sides = tuple(map(int, match.groups()))
    elif is_sequence(size) and all(map(is_whole, size)):
        sides = tuple(map(int, size))
    if len(sides) != 2 or not all(1 <= side <= MOST for side in sides):
        raise ArgumentError(
            'image_size', f'is {shown(size)}; give height and width, 28x28 '
            f'for example', '--image-size')
    return sides


def _wrong_size(size, why):
    return ArgumentError(
        'image_size', f'is {size[0]} x {size[1]}, but {why}; give that of the '
        f'images, or leave it out', '--image-size')


def _refuse(name, given):
    """ArgumentError for what makes no sense with a data set."""
    for argument, value in given.items():
        if value is not None:
            what = 'file without labels' if argument == 'labels' else \
                'file or folder' if argument == 'image_size' else \
                'table with columns'
            raise ArgumentError(
                argument, f'is {shown(value)}, but {name} is no {what}; leave '
                f'it out', f'--{argument.replace("_", "-")}')


def _check_alike(name, data, like):
    """InputError where points are none as those that were learnt from."""
    if like is None:
        return
    if data.x.shape[1] != like.dimension:
        raise InputError(
            f'{name} has {data.x.shape[1]} features, and what was learnt from '
            f'{like.dimension}; give points as those')
    made_by, values = data.preparation.made_by, data.preparation.values
    if None not in (made_by, like.made_by) and made_by != like.made_by:
        raise InputError(
            f'{name} holds features that were made otherwise than those that '
            f'were learnt from ({made_by} and not {like.made_by}, see their '
            f'notes); make them by the same command')
    if None not in (data.image_shape, like.image_shape) \
            and tuple(data.image_shape) != tuple(like.image_shape):
        raise InputError(
            f'{name} holds images of shape {data.image_shape}, and what was '
            f'learnt from {like.image_shape}; give images as those')
    if like.values == SCALED and values != SCALED:
        low, high = data.x.min(), data.x.max()
        if not -1 <= low < 0 or high > 1:
            raise InputError(
                f'x of {name} goes from {low:g} to {high:g}, and what was '
                f'learnt from were pixels, bytes that became x / 128 - 1; '
                f'give bytes (dtype uint8), or numbers made so')
    if like.values == BYTES and values == SCALED:
        raise InputError(
            f'pixels of {name} become x / 128 - 1, and the bytes that were '
            f'learnt from did not; give rows of bytes (dtype uint8)')
    if like.values == NUMBERS and (values == SCALED or values == BYTES and (
            data.image_shape or like.image_shape)):
        raise InputError(
            f'{name} holds images of bytes, and what was learnt from were '
            f'other numbers; give an array of numbers on the scale of those')
    ours, theirs = data.names, like.names
    if like.words or ours == theirs:
        return
    if ours is None:
        warnings.warn(f'{name} has no names of columns; they are taken for '
                      f'{_listed(theirs)}')
    elif theirs is None:
        warnings.warn(f'what was learnt from had no names of columns; those '
                      f'of {name} are taken in this order: {_listed(ours)}')
    else:
        warnings.warn(f'the columns {_listed(ours)} of {name} are taken for '
                      f'{_listed(theirs)}, which were learnt from')


def _listed(names):
    return ', '.join(names[:9]) + (', ...' if len(names) > 9 else '')
