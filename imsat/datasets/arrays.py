"""Arrays of one's own: .npz, .npy, folders of that, HDF5 and IDX.

All readers take ``size``, (height, width) where that says that rows are
images, and ``like``, the Preparation of what was learnt from, or None.
"""
import errno
import re
import typing
import warnings
from pathlib import Path

import numpy
import scipy.sparse

from imsat.datasets.dataset import Dataset
from imsat.datasets.folders import (
    PIXELS, SUFFIXES, by_number, files_below, not_hidden, scale_pixels)
from imsat.datasets.idx import read_idx
from imsat.datasets.points import (
    all_missing, check_labels, check_numbers, check_points, usable_labels)
from imsat.datasets.preparation import (
    BYTES, NUMBERS, SCALED, Preparation)
from imsat.devices import available_memory
from imsat.errors import InputError
from imsat.on_disk import LARGE, OnDisk
from imsat.storage import FAULTS, load_npy, load_npz, reason_of

POINTS, LABELS = ('x', 'X'), ('y', 'target')
KEPT = (*POINTS, *LABELS, 'image_shape', 'index', 'thumbnails', 'notes',
        'made_by')
# What scipy.sparse.save_npz writes.
SPARSE = ('format', 'shape', 'data', 'indices', 'indptr', 'row', 'col',
          'offsets')
Size = tuple[int, int] | None
IDX = re.compile(r'(.*[.-])?idx\d(-?u?byte)?(\.gz)?$')
# Of a folder with MNIST's four files: what is before, the part, the rest.
PART = re.compile(r'(.*?)(train|t10k|test)-images([.-]idx3-ubyte(?:\.gz)?)$')


def read_npz(path: Path, size: Size = None, like: Preparation | None = None
             ) -> Dataset:
    """``x`` or ``X`` and, where they are, ``y`` or ``target``,
    ``image_shape``, ``index``, what the points are called, ``thumbnails``,
    what they look like, ``notes``, and what features were ``made_by``; or a
    matrix of scipy.sparse.save_npz."""
    arrays = load_npz(path, KEPT)
    x, y = _one_of(arrays, POINTS, path), _one_of(arrays, LABELS, path)
    if x is None:
        x = _read_sparse(path)
    notes = [str(note) for note in
             numpy.atleast_1d(arrays.get('notes', []))]
    if not scipy.sparse.issparse(x):
        with numpy.load(path) as file:
            notes += _passed_over(path, set(file.files) - set(KEPT),
                                  y is None and like is None)
    made_by = arrays.get('made_by')
    data = as_dataset(
        path, x, y, arrays.get('image_shape'), notes, size, like, str(made_by)
        if made_by is not None and not made_by.shape
        and made_by.dtype.kind == 'U' else None)
    if 'index' in arrays:
        index = arrays['index']
        if index.shape != data.x.shape[:1] or index.dtype.kind not in 'Uiu':
            raise InputError(
                f'index of {path} has shape {index.shape} and dtype '
                f'{index.dtype} for {data.x.shape[0]} points; give a name or '
                f'whole number for each, or leave index out')
        data.index = [str(name) for name in index]
    if 'thumbnails' in arrays:
        data.thumbnails = arrays['thumbnails']
        shape, dtype = data.thumbnails.shape, data.thumbnails.dtype
        if shape[:1] != data.x.shape[:1] or len(shape) != 4 \
                or shape[3] != 3 or 0 in shape or dtype != numpy.uint8:
            raise InputError(
                f'thumbnails of {path} have shape {shape} and dtype {dtype} '
                f'for {data.x.shape[0]} points; give (N, height, width, 3) '
                f'and uint8, or leave them out')
    return data


def read_npy(path: Path, size: Size = None, like: Preparation | None = None
             ) -> Dataset:
    """The points in an npy file; many of them stay there."""
    x = load_npy(path, LARGE)
    return as_dataset(path, [x] if isinstance(x, numpy.memmap) else x,
                      size=size, like=like)


def parts_in(folder: Path) -> list[Path]:
    """The npy files in a folder without images, in the order of the numbers
    in their names."""
    paths = [path for path in not_hidden(folder) if path.suffix == '.npy']
    if not paths or any(path.suffix.lower() in SUFFIXES
                        for path in files_below(folder)):
        return []
    return sorted(paths, key=by_number)


def read_parts(paths: list[Path], size: Size = None,
               like: Preparation | None = None) -> Dataset:
    """The points in several npy files, one below the other."""
    try:
        x: typing.Any = [load_npy(path, 1) for path in paths]
    except OSError as e:
        if e.errno != errno.EMFILE:
            raise
        raise InputError(
            f'{paths[0].parent} has {len(paths)} parts, more than files may '
            f'be open at once; join some, or raise that limit by ulimit -n'
        ) from e
    for path, part in zip(paths, x):
        check_numbers(part, path)
    first, *others = x
    for path, part in zip(paths[1:], others):
        if part.shape[1:] != first.shape[1:]:
            raise InputError(
                f'{path} has an array of shape {part.shape} and '
                f'{paths[0].name} one of {first.shape}; give parts that '
                f'differ in length alone, or name one of the files')
    folder = paths[0].parent
    _check_bytes(x, folder, 'the parts')
    if not first.ndim or sum(part.size for part in x) < LARGE:
        x = numpy.concatenate([numpy.atleast_1d(part) for part in x])
    data = as_dataset(folder, x, size=size, like=like)
    data.name = folder.resolve().name
    return data


def _check_bytes(parts, path, what):
    """InputError where pixels, which are scaled, would be joined with other
    numbers, which are not."""
    if len({part.dtype == numpy.uint8 for part in parts}) > 1:
        raise InputError(
            f'of {what} of {path} some are bytes (dtype uint8) and some other '
            f'numbers, which are on another scale; write all alike')


def as_dataset(path: Path, x: typing.Any, y: typing.Any = None,
               image_shape: typing.Any = None,
               notes: typing.Iterable[str] = (), size: Size = None,
               like: Preparation | None = None, made_by: str | None = None
               ) -> Dataset:
    """The data set of arrays from a file.

    Args:
        path (path): The file.
        x (array or scipy.sparse.csr_matrix): Points, shape (N, d), or images,
            (N, height, width), with 1 or 3 channels behind or before.  Or a
            list of such arrays, memory-mapped, which stay on disk.  Bytes,
            dtype uint8, go to -1..1 where they are pixels.
        y (array): Labels, shape (N,), or None.
        image_shape (array): Of the rows of x that are images; None if x has
            more dimensions or they are none.
        notes (iterable of str): See Dataset.
        made_by (str): See Preparation.
    """
    stays = isinstance(x, list)
    parts = x if stays else [x]
    x = parts[0]
    if x.ndim in (3, 4) and x.dtype.kind in 'fiub' and image_shape is None:
        parts = list(map(_upright, parts))
        x = parts[0]
        if 0 not in x.shape and x.shape[3:] in ((), (3,)):
            image_shape = numpy.array(x.shape[1:])
            if not stays:
                x = x.reshape(len(x), -1)
    elif image_shape is not None:
        image_shape = numpy.asarray(image_shape)
        if image_shape.dtype.kind not in 'iu' or image_shape.shape not in (
                (2,), (3,)) or (image_shape < 1).any() \
                or image_shape[2:].tolist() not in ([], [3]) \
                or x.shape[1:] != (image_shape.prod(dtype=object),):
            raise InputError(
                f'image_shape of {path} is {image_shape.tolist()} for x of '
                f'shape {x.shape}; give height and width, and 3 behind for '
                f'colour, whose product is the number of columns')
    if stays and x.dtype.kind in 'fiub' and (
            x.ndim == 2 or image_shape is not None):
        x = OnDisk(parts)
    notes = list(notes)
    values = NUMBERS if x.dtype != numpy.uint8 else \
        SCALED if _are_pixels(x, image_shape, size, like) else BYTES
    if values == SCALED:
        x = x.then(scale_pixels) if isinstance(x, OnDisk) \
            else scale_pixels(x)
        notes.append(PIXELS)
    x = check_points(x, path)
    if y is not None:
        labels = y
        y = usable_labels(lambda: check_labels(labels, x.shape[0], path),
                          lambda: all_missing(labels), path, like is None)
    return Dataset(Path(path.name.removesuffix('.gz')).stem, x, y, None
                   if image_shape is None else tuple(image_shape.tolist()),
                   notes, preparation=Preparation(
                       x.shape[1], made_by=made_by, values=values))


def _are_pixels(x, image_shape, size, like):
    """Whether bytes go to -1..1: images do, and what is like pixels that did.
    Not those of sparse data, which would be so no longer."""
    if scipy.sparse.issparse(x):
        return False
    if like is not None and like.values is not None:
        return like.values == SCALED
    return image_shape is not None or like is None and size is not None


def _upright(x):
    """Images with their channels behind, and without a single one."""
    if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] not in (1, 3):
        x = x.transpose(0, 2, 3, 1)
    return x[..., 0] if x.ndim == 4 and x.shape[3] == 1 else x


def _passed_over(path, others, may_be_labels):
    """A note of what a file holds and nothing reads; a warning where it may
    be the labels that there are none of."""
    if not others:
        return []
    held = f'holds {", ".join(sorted(others))}, which nothing here reads'
    if may_be_labels:
        warnings.warn(f'{path} {held}; if these are labels, call them y')
    return [f'{path.name} {held}.']


def _one_of(arrays, names, path):
    found = [name for name in names if name in arrays]
    if len(found) > 1:
        raise InputError(f'{path} holds both {" and ".join(found)}; leave one '
                         f'out')
    return arrays[found[0]] if found else None


def _read_sparse(path):
    parts = load_npz(path, SPARSE)  # which compares their checksums
    if 'format' not in parts or 'shape' not in parts:
        raise InputError(f'{path} holds no array x; save it with '
                         f'numpy.savez(file, x=points, y=labels)')
    try:
        # Row numbers and what comes of them, before that is allocated.
        if 16 * sum(map(int, parts['shape'].tolist())) > available_memory():
            raise MemoryError(f'a shape of {parts["shape"].tolist()}')
        matrix = scipy.sparse.load_npz(path)
        if hasattr(matrix, 'check_format'):
            matrix.check_format(full_check=True)
        matrix = scipy.sparse.csr_matrix(matrix)
    except (*FAULTS, AttributeError) as e:
        if isinstance(e, OSError) and e.errno is not None:
            raise
        raise InputError(f'{path} holds no sparse matrix that can be read '
                         f'({reason_of(e)}); save it again with '
                         f'scipy.sparse.save_npz') from e
    matrix.sum_duplicates()
    return matrix


def read_hdf5(path: Path, size: Size = None, like: Preparation | None = None
              ) -> Dataset:
    """``x``, ``X`` or ``data`` and, where they are, ``y`` or ``target``, of
    the file or of its groups ``train`` and ``test``, in this order."""
    try:
        import h5py
    except ImportError as e:
        raise InputError(f'{path} needs h5py to be read; install it with '
                         f"pip install 'imsat[hdf5]'") from e
    try:
        with h5py.File(path, 'r') as file:
            groups = [name for name in ('train', 'test')
                      if isinstance(_member(h5py, file, name), h5py.Group)]
            parts = [file[name] for name in groups] or [file]
            beside = set(file).difference(groups) if groups else set()
            read = beside & {*POINTS, 'data', *LABELS}
            if read:
                raise InputError(
                    f'{path} holds {" and ".join(sorted(read))} beside '
                    f'{" and ".join(groups)}, which have points and labels of '
                    f'their own; leave one out, or put it there')
            x = [_array(h5py, part, (*POINTS, 'data'), path)
                 for part in parts]
            y = [_array(h5py, part, LABELS, path) for part in parts]
            others = {name for part in parts for name in part
                      } - {*POINTS, 'data', *LABELS} | beside
    except InputError:
        raise
    except FAULTS as e:
        raise InputError(f'{path} is damaged or no HDF5 file '
                         f'({reason_of(e)}); write it again') from e
    if any(part is None for part in x):
        raise InputError(f'{path} holds no x, X or data, in itself or in both '
                         f'of its groups train and test; write it so')
    for part in x:
        check_numbers(part, path)
    if len({part.shape[1:] for part in x}) > 1:
        raise InputError(f'train and test of {path} differ in the shape of '
                         f'their points; write both alike')
    _check_bytes(x, path, 'train and test')
    labels = usable_labels(
        lambda: _joined(x, y, path),
        lambda: all(part is None or all_missing(part) for part in y), path,
        like is None)
    notes = _passed_over(path, others, labels is None and like is None)
    return as_dataset(path, numpy.concatenate(x), labels, notes=notes,
                      size=size, like=like)


def _joined(x, y, path):
    """The labels of both parts, or None; InputError if they don't fit."""
    y = [labels if labels is None else check_labels(labels, len(part), path)
         for part, labels in zip(x, y)]
    if len({part if part is None else (part.dtype.kind == 'U', part.shape[1:])
            for part in y}) > 1:
        raise InputError(f'train and test of {path} differ in the kind of '
                         f'their labels, or only one has labels; write both '
                         f'alike')
    return None if y[0] is None else numpy.concatenate(y)


def _member(h5py, group, name):
    """What a group has of a name itself: another file is never read."""
    link = group.get(name, getlink=True)
    return group[name] if isinstance(link, h5py.HardLink) else None


def _array(h5py, group, names, path):
    """The one of some names that a group has, as an array, or None."""
    found = [name for name in names if group.get(name, getlink=True)]
    if not found:
        return None
    if len(found) > 1:
        raise InputError(f'{path} holds both {" and ".join(found)}; leave one '
                         f'out')
    name, = found
    data = _member(h5py, group, name)
    is_text = isinstance(data, h5py.Dataset) \
        and h5py.check_string_dtype(data.dtype) is not None
    if not isinstance(data, h5py.Dataset) or data.external \
            or data.is_virtual or data.dtype.hasobject and not is_text \
            or not data.shape:
        raise InputError(f'{name} of {path} is no array of numbers or text '
                         f'within the file; write it so')
    if data.nbytes > available_memory() / 4:
        raise InputError(f'{name} of {path} has {data.nbytes >> 20} MB, which '
                         f'memory has no room to work on; give a part of it')
    return data.asstr()[...].astype(str) if is_text else data[...]


def read_images(path: Path, size: Size = None,
                like: Preparation | None = None, labels: bool = True
                ) -> Dataset:
    """An IDX file, or a folder with those of one data set as MNIST has them.

    Args:
        path (path): Of the folder, or of the file with the images.
        labels (bool): Whether to read those that lie beside, where they do:
            ``train-labels-idx1-ubyte`` of ``train-images-idx3-ubyte``.
    """
    paths = images_in(path) if path.is_dir() else [path]
    x = [read_idx(part) for part in paths]
    if len({part.shape[1:] for part in x}) > 1:
        raise InputError(f'the images in {path} differ in size; name one of '
                         f'the files')
    beside = [file for file in map(labels_of, paths) if file and labels]
    y, notes = None, []
    if len(beside) == len(paths):
        parts = [read_idx(file) for file in beside]
        for part, images, file in zip(parts, x, beside):
            if part.shape != images.shape[:1]:
                raise InputError(f'{file} has labels of shape {part.shape} '
                                 f'for {len(images)} images; fetch both again')
        y = numpy.concatenate(parts).astype(numpy.int64)
        notes = [f'Labels of {", ".join(file.name for file in beside)}.']
    data = as_dataset(path, numpy.concatenate(x), y, None, notes, size, like)
    if path.is_dir():
        data.name = path.resolve().name
    return data


def images_in(folder: Path) -> list[Path]:
    """The files with images of one data set in MNIST's format in a folder,
    those to train with first; none if there are none."""
    found: dict[str, dict] = {}
    for path in sorted(not_hidden(folder), reverse=True):
        match = PART.match(path.name)
        if match:  # the plain one, where there are both
            found.setdefault(match[1], {})[match[2]] = path
    if len(found) > 1:
        raise InputError(f'{folder} has images of {len(found)} data sets '
                         f'({", ".join(sorted(found))}); name one of the '
                         f'files')
    return [parts[name] for parts in found.values()
            for name in ('train', 't10k', 'test') if name in parts]


def labels_of(path: Path) -> Path | None:
    """The file of the labels beside one of images, or None."""
    plain = path.name.removesuffix('.gz').replace(
        'images', 'labels').replace('idx3', 'idx1')
    for name in plain, f'{plain}.gz':
        if name != path.name and path.with_name(name).is_file():
            return path.with_name(name)
    return None
