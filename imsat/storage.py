"""Files that are whole or not there, npz files without pickle, and the cache.
"""
import contextlib
import errno
import fnmatch
import hashlib
import io
import json
import lzma
import math
import os
import re
import struct
import tempfile
import tokenize
import typing
import warnings
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import numpy
import scipy.sparse
from chainer import backend

from imsat.errors import InputError
from imsat.on_disk import OnDisk, blocks_of

try:
    import fcntl
except ImportError:  # Windows, where an open file can not be removed
    fcntl = None  # type: ignore[assignment]

AnyPath = str | os.PathLike


@contextlib.contextmanager
def atomic_write(path: AnyPath, mode: str = 'wb',
                 **kwargs: typing.Any) -> Iterator[typing.IO]:
    """Opens a file that takes the name ``path`` only once it is complete.

    Whatever had that name stays until then, and for good if the block
    raises.

    Args:
        path (path): Of the file.
        mode (str): As :func:`open` takes it, for writing.
        kwargs: What else :func:`open` takes.

    Raises:
        InputError: If ``path`` is a folder or there is none for it, before
            the block begins.

    Example:
        >>> import os, tempfile
        >>> from imsat.storage import atomic_write
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, 'notes.txt')
        ...     with atomic_write(path, 'w') as f:
        ...         _ = f.write('half')
        ...         print(os.path.exists(path))
        ...     print(os.path.exists(path))
        False
        True
    """
    path = as_path(path)
    if path.is_dir():
        raise InputError(f'{path} is a folder; give the name of a file')
    if not path.parent.is_dir():
        raise InputError(f'there is no folder {path.parent} for {path.name}; '
                         f'make it first')
    remove_half_written(
        path.parent, f'*{path.suffix}' if path.suffix else path.name)
    if 'b' not in mode:  # names of files that are not UTF-8 stay what they are
        kwargs = {'errors': 'surrogateescape', **kwargs}
    handle, temporary = _temporary(path)
    try:
        with open(handle, mode, **kwargs) as f:
            yield f
            f.flush()
            os.fsync(f.fileno())
            # mkstemp makes files private; give what open() would have given.
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)
            if fcntl:  # while it is locked
                os.replace(temporary, path)
        if not fcntl:
            os.replace(temporary, path)
    finally:
        # Still there only if something failed.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _temporary(path):
    """A new file beside ``path``, locked until it is closed."""
    while True:
        handle, temporary = tempfile.mkstemp(
            prefix=f'.{path.name}.', suffix='~', dir=path.parent)
        if not fcntl:
            return handle, temporary
        with contextlib.suppress(OSError):  # of a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, temporary
        os.close(handle)  # removed before it was locked


def remove_half_written(folder: AnyPath, *names: str) -> None:
    """Removes what writers that died left of files in a folder.

    :func:`atomic_write` keeps its temporary file locked, and the system
    frees the lock when the process dies.  So what is locked, by whatever
    process, stays.

    Args:
        folder (path): Where; not the folders below it.
        names (str): Patterns of the names that the files were to have.
    """
    try:
        found = os.listdir(folder)
    except OSError:  # not there
        return
    for name in found:
        of = re.fullmatch(r'\.(.+)\.[a-z0-9_]+~', name)
        if of is None or not any(fnmatch.fnmatchcase(of[1], wanted)
                                 for wanted in names):
            continue
        path = Path(folder, name)
        with contextlib.suppress(OSError):  # locked
            if not fcntl:
                path.unlink()
                continue
            with open(path, 'rb+') as f:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def is_path(value: typing.Any) -> bool:
    """Whether a value can be the path of a file of this system."""
    if not isinstance(value, str | os.PathLike):
        return False
    try:
        path = os.fsencode(value)
    except ValueError:
        return False
    return bool(path) and b'\0' not in path


def as_path(path: AnyPath) -> Path:
    """A path; InputError for what is none."""
    if not is_path(path):
        what = 'an empty text' if isinstance(path, str) and not path \
            else f'a {type(path).__name__}'
        raise InputError(f'{what} is no path; give the name of a file')
    return Path(path)


def save_json(path: AnyPath, value: typing.Any) -> None:
    """Writes a value to ``path`` as JSON, NaN and infinities as null."""
    with atomic_write(path, 'w', encoding='utf-8') as f:
        json.dump(strict(value), f, indent=1, allow_nan=False)
        f.write('\n')


def strict(value: typing.Any) -> typing.Any:
    """The value as JSON can have it: null for NaN and infinities."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return list(map(strict, value))
    return value


def load_json(path: AnyPath) -> typing.Any:
    """Reads the value in a JSON file.

    Raises:
        InputError: If the file is not valid JSON, gives a name twice or has
            more than ``MOST_JSON`` bytes.
    """
    with open(as_path(path), 'rb') as f:
        content = f.read(MOST_JSON + 1)
    if len(content) > MOST_JSON:
        raise InputError(f'{path} has more than {MOST_JSON >> 20} MB, which '
                         f'nothing here writes; name another file')
    try:
        return json.loads(content.decode('utf-8'),
                          object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as e:
        raise InputError(f'{path} is not valid JSON ({e}); remove it or '
                         f'restore it from a copy') from e


MOST_JSON = 1 << 26


def _each_once(pairs):
    values = {}
    for name, value in pairs:
        if name in values:
            raise ValueError(f'{name} is there twice')
        values[name] = value
    return values


def save_npz(path: AnyPath, arrays: Mapping[str, typing.Any]) -> None:
    """Writes a dict of arrays, none of dtype object, to ``path``.

    The same arrays give the same bytes.

    Raises:
        TypeError: If an array has dtype object.

    Example:
        >>> import os, tempfile
        >>> from imsat.storage import load_npz, save_npz
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, 'points.npz')
        ...     save_npz(path, {'x': numpy.eye(2), 'y': [0, 1]})
        ...     load_npz(path)['y']
        array([0, 1])
    """
    # Chainer keeps the names of parameters in sets, in any order.
    arrays = {key: numpy.asarray(arrays[key]) for key in sorted(arrays)}
    pickled = [key for key, value in arrays.items() if value.dtype.hasobject]
    if pickled:
        raise TypeError(f'{pickled} would have to be pickled')
    with atomic_write(path) as f:
        numpy.savez(f, **arrays)


def load_npz(path: AnyPath, names: Collection[str] | None = None,
             mapped: Collection[str] = ()) -> dict[str, numpy.ndarray]:
    """Reads arrays of an npz file, without pickle, into a dict.

    Args:
        path (path): The file.
        names (collection of str): Those to read, where they are there; None
            for all.
        mapped (collection of str): Those that stay on disk, mapped into
            memory to be read, if they are larger than a page or so.

    Raises:
        InputError: If the file is damaged, no npz file or needs pickle.

    Example:
        >>> import os, tempfile
        >>> from imsat.storage import load_npz
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, 'points.npz')
        ...     numpy.savez(path, x=numpy.ones((2, 3)))
        ...     {name: x.shape for name, x in load_npz(path).items()}
        {'x': (2, 3)}
    """
    path = as_path(path)
    try:
        with open(path, 'rb') as f:
            if f.read(6) == numpy.lib.format.MAGIC_PREFIX:
                raise ValueError('it holds a single array')
        with zipfile.ZipFile(path) as archive:
            _check_directory(archive)
            return {name: (_map_member if name in mapped else _read_member)(
                        archive, name) for name
                    in map(_name_of, archive.namelist())
                    if names is None or name in names}
    except FAULTS as e:
        # EINVAL: a directory that points to before the file.
        if isinstance(e, OSError) and e.errno != errno.EINVAL:
            raise
        raise InputError(f'{path} is damaged or no npz file without pickle '
                         f'({reason_of(e)}); write it again with numpy.savez'
                         ) from e


# What reading a damaged file raises; RuntimeError: a method of compression or
# encryption that there is not.
FAULTS = (ValueError, EOFError, KeyError, TypeError, OverflowError,
          MemoryError, RuntimeError, SyntaxError, OSError, struct.error,
          tokenize.TokenError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


def reason_of(fault: BaseException) -> str:
    """What an exception says, on one line."""
    return ' '.join(str(fault).split()) or type(fault).__name__


def _name_of(member):
    return member.removesuffix('.npy')


def _check_directory(archive):
    """ValueError unless the members lie one after the other, up to the
    directory, under the names that it has: one that it has lost would leave
    a gap, and one that it calls otherwise would not be found."""
    end, names = 0, set()
    for info in sorted(archive.infolist(), key=lambda i: i.header_offset):
        archive.fp.seek(info.header_offset)
        head = archive.fp.read(30)
        if not end <= info.header_offset <= end + GAP or len(head) < 30:
            raise ValueError(f'{info.filename} is not where it should be')
        n_name, n_extra = struct.unpack('<HH', head[26:])
        name = archive.fp.read(n_name)
        if name != info.orig_filename.encode(
                'utf-8' if info.flag_bits & UTF_8 else 'cp437'):
            raise ValueError(f'{info.filename} is called {name!r} as well')
        end = info.header_offset + 30 + n_name + n_extra + info.compress_size
        if _name_of(info.filename) in names:
            raise ValueError(f'{info.filename} is there twice')
        names.add(_name_of(info.filename))
    if not end <= archive.start_dir <= end + GAP:
        raise ValueError('its directory has lost a member')
    archive.fp.seek(-END - len(archive.comment), os.SEEK_END)
    if archive.fp.read(4) != b'PK\5\6':
        raise ValueError('bytes follow its directory')


# Bytes that may follow a member: its sizes again, where they were not known
# before it was written.
GAP = 24
END = 22  # bytes of the record behind the directory
UTF_8 = 0x800  # the flag of a name that is no cp437
MAPPED = 1 << 16  # bytes; of less there is nothing to gain


def _read_member(archive, name):
    """An array; its bytes are compared with their checksum first."""
    content = archive.read(_member_of(archive, name))
    if _read_header(io.BytesIO(content))[2].hasobject:
        raise ValueError(f'{name} is of Python objects; make it numbers or '
                         f'text, by {name}.astype(str) for example')
    return array_from(content)


def _member_of(archive, name):
    return f'{name}.npy' if f'{name}.npy' in archive.namelist() else name


def _map_member(archive, name):
    """As :func:`_read_member`, the array on disk: what is written to it does
    not get there."""
    info = archive.getinfo(_member_of(archive, name))
    if info.compress_type != zipfile.ZIP_STORED or info.file_size < MAPPED:
        return _read_member(archive, name)
    with archive.open(info) as f:
        shape, in_columns, dtype = _read_header(f)
        start = f.tell()
        _check_size(shape, dtype, info.file_size - start)
        while f.read(MAPPED):  # the end of it compares the checksum
            pass
    archive.fp.seek(info.header_offset)
    n_name, n_extra = struct.unpack('<HH', archive.fp.read(30)[26:])
    return numpy.memmap(
        archive.filename, dtype, 'c', info.header_offset + 30 + n_name
        + n_extra + start, shape, 'F' if in_columns else 'C'
    ).view(numpy.ndarray)


def array_from(content: bytes) -> numpy.ndarray:
    """The array in the bytes of an npy file.

    Raises:
        ValueError: If they hold anything else, or more, or less.
    """
    stream = io.BytesIO(content)
    shape, _, dtype = _read_header(stream)
    # Before anything is allocated for what the header promises.
    _check_size(shape, dtype, len(content) - stream.tell())
    stream.seek(0)
    return numpy.lib.format.read_array(stream, allow_pickle=False)


def _read_header(stream):
    """Shape, whether it is in Fortran's order, and dtype of an npy file."""
    version = numpy.lib.format.read_magic(stream)
    if version not in HEADERS:
        raise ValueError(f'npy version {version} is not known')
    return HEADERS[version](stream)


def _check_size(shape, dtype, n_bytes):
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != n_bytes:
        raise ValueError(f'its bytes are not those of {shape} {dtype}')


HEADERS = {(1, 0): numpy.lib.format.read_array_header_1_0,
           (2, 0): numpy.lib.format.read_array_header_2_0}


def load_npy(path: AnyPath, mapped_from: float = math.inf
             ) -> numpy.ndarray:
    """The array in an npy file, without pickle.

    Args:
        path (path): The file.
        mapped_from (float): If it holds so many numbers, from 1, it stays on
            disk, mapped into memory to be read.

    Raises:
        InputError: If the file is damaged, no npy file or needs pickle.
    """
    path = as_path(path)
    try:
        with open(path, 'rb') as f:
            if os.fstat(f.fileno()).st_size > mapped_from:
                shape, in_columns, dtype = _read_header(f)
                start = f.tell()
                _check_size(shape, dtype,
                            os.fstat(f.fileno()).st_size - start)
                if math.prod(shape) >= max(mapped_from, 1):
                    return numpy.memmap(f, dtype, 'r', start, shape,
                                        'F' if in_columns else 'C')
        return array_from(path.read_bytes())
    except FAULTS as e:
        if isinstance(e, OSError):
            raise
        raise InputError(f'{path} is damaged or no npy file without pickle '
                         f'({reason_of(e)}); write it again with numpy.save'
                         ) from e


class Like(typing.NamedTuple):
    """What an array of a file has to be like.

    Attributes:
        shape (tuple): Its shape.
        dtype: Its dtype, or one of that kind.
        least, most (float): Bounds of its values; None for none.
    """
    shape: tuple[int, ...]
    dtype: typing.Any = numpy.float64
    least: float | None = None
    most: float | None = None


def check_arrays(arrays: Mapping[str, numpy.ndarray],
                 like: Mapping[str, typing.Any], path: AnyPath,
                 remedy: str = 'save it again') -> None:
    """Raises InputError unless arrays of a file can take the places of
    others: the same names and shapes, the same kinds of dtype, all finite,
    and no whole number or variance below 0.

    Args:
        arrays (dict): From the file.
        like (dict): :class:`Like`, or arrays or scalars, whose values don't
            matter.
        path (path): The file's, for the sentence.
        remedy (str): Which says what to do.

    Example:
        >>> from imsat.storage import check_arrays
        >>> try:
        ...     check_arrays({'W': numpy.ones(1)}, {'W': numpy.ones((2, 3))},
        ...                  'model.npz')
        ... except imsat.InputError as error:
        ...     print(error)
        model.npz can't be used: W has shape (1,) and not (2, 3); save it again
    """
    for name in sorted(arrays.keys() | like.keys()):
        problem = 'is missing' if name not in arrays else \
            'is not known' if name not in like else \
            _problem(name, arrays[name], like[name])
        if problem:
            raise InputError(f"{path} can't be used: {name} {problem}; "
                             f'{remedy}')


def _problem(name, array, like):
    """What is wrong with an array of a file, in words; None if nothing is."""
    if not hasattr(like, 'dtype'):
        like = numpy.asarray(like)
    shape, dtype = tuple(like.shape), numpy.dtype(like.dtype)
    if array.shape != shape:
        return f'has shape {array.shape} and not {shape}'
    kinds = 'iu' if dtype.kind in 'iu' else dtype.kind
    if array.dtype.kind not in kinds:
        return f'has dtype {array.dtype} and not {dtype}'
    if kinds == 'f':
        with numpy.errstate(over='ignore'):
            if not numpy.isfinite(array.astype(dtype)).all():
                return 'has values that are NaN or infinite'
    least, most = getattr(like, 'least', None), getattr(like, 'most', None)
    if least is None and (kinds == 'iu' or name.endswith('avg_var')):
        least = 0  # of counts, numbers of things, and variances
    if least is not None and (array < least).any():
        return f'has values below {least}'
    if most is not None and (array > most).any():
        return f'has values above {most}'
    return None


def default_cache() -> Path:
    """The folder that ``IMSAT_CACHE`` names, or else one below ~/.cache.

    Raises:
        InputError: If there is neither.
    """
    folder = os.environ.get('IMSAT_CACHE')
    if folder:
        return Path(folder)
    try:
        home = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    except RuntimeError as e:
        raise InputError('there is no home folder to keep things in; let '
                         'IMSAT_CACHE name a folder') from e
    return Path(home) / 'imsat'


def digest(*parts: typing.Any) -> str:
    """A hash of data: what is kept on disk is known again by it.

    Args:
        parts: Each an array of NumPy or CuPy, a scipy sparse matrix, or
            bytes.  Dtype and shape count.  The hash of several is that of
            their hashes.

    Returns:
        str: 32 hexadecimal digits, of SHA-256.

    Example:
        >>> from imsat.storage import digest
        >>> digest(numpy.arange(3.))
        'c0b17eb294458b923c44072ef3739ada'
        >>> digest(numpy.arange(3.)) == digest(numpy.arange(3.), b'seed 1')
        False
    """
    if len(parts) != 1:
        return digest(''.join(map(digest, parts)).encode())
    part, = parts
    if isinstance(part, bytes):
        return hashlib.sha256(part).hexdigest()[:32]
    sha = hashlib.sha256(str(part.shape).encode())
    if scipy.sparse.issparse(part):
        part = part.tocsr()
        arrays = [part.data, part.indices, part.indptr]
    else:
        arrays = [part if isinstance(part, OnDisk)
                  else backend.CpuDevice().send(part)]
    for array in arrays:
        sha.update(str(array.dtype).encode())
        for _, block in blocks_of(array):
            sha.update(numpy.ascontiguousarray(block).data)
    return sha.hexdigest()[:32]


def look_up(path: AnyPath,
            is_whole: Callable[[dict[str, numpy.ndarray]], bool],
            like: Mapping[str, typing.Any] | None = None,
            ) -> dict[str, numpy.ndarray] | None:
    """The arrays of an npz file that can be computed again.

    Args:
        path (path): The file.
        is_whole: Function of the arrays: whether they can be used.
        like (dict): What they have to be like, see :func:`check_arrays`;
            None where their shapes are not known.

    Returns:
        dict: None if there is no such file, or if it is damaged -- of which
        it warns -- or can't be used.
    """
    path = Path(path)
    remove_half_written(path.parent, '*.npz')
    try:
        arrays = load_npz(path)
        if like is not None:
            check_arrays(arrays, like, path)
        if is_whole(arrays):
            return arrays
    except OSError:  # not there, or where nothing can be read
        return None
    except (InputError, KeyError, TypeError, ValueError):
        pass
    warnings.warn(f'{path} is damaged; what it held is computed again')
    return None


def is_table(x: numpy.ndarray, n: int) -> bool:
    """Whether x are n points as learnt from: float32, finite, 2-dimensional.
    """
    return x.shape[:1] == (n,) and x.ndim == 2 \
        and x.dtype == numpy.float32 and bool(numpy.isfinite(x).all())


def keep(path: AnyPath, arrays: Mapping[str, typing.Any]) -> None:
    """:func:`save_npz`, below a folder that need not be there, of what can be
    computed again: if it can't be kept, a warning says so."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_npz(path, arrays)
    except (OSError, InputError) as e:  # that: a folder has its name
        warnings.warn(f'{path.name} is not kept ({e}); let IMSAT_CACHE name '
                      f'a folder that can be written')
