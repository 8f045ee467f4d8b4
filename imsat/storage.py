"""Files that are whole or not there, npz files without pickle, and the cache.
"""
import contextlib
import errno
import fnmatch
import hashlib
import io
import json
import lzma
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
    path = Path(path)
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


def save_json(path: AnyPath, value: typing.Any) -> None:
    """Writes a value to ``path`` as JSON."""
    with atomic_write(path, 'w', encoding='utf-8') as f:
        json.dump(value, f, indent=1)
        f.write('\n')


def load_json(path: AnyPath) -> typing.Any:
    """Reads the value in a JSON file.

    Raises:
        InputError: If the file is not valid JSON, gives a name twice or has
            more than ``MOST_JSON`` bytes.
    """
    with open(path, 'rb') as f:
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


def load_npz(path: AnyPath, names: Collection[str] | None = None
             ) -> dict[str, numpy.ndarray]:
    """Reads arrays of an npz file, without pickle, into a dict.

    Args:
        path (path): The file.
        names (collection of str): Those to read, where they are there; None
            for all.

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
    try:
        with open(path, 'rb') as f:
            if f.read(6) == numpy.lib.format.MAGIC_PREFIX:
                raise ValueError('it holds a single array')
        with zipfile.ZipFile(path) as archive:
            _check_directory(archive)
            return {name: _read_member(archive, name) for name
                    in map(_name_of, archive.namelist())
                    if names is None or name in names}
    except FAULTS as e:
        # EINVAL: a directory that points to before the file.
        if isinstance(e, OSError) and e.errno != errno.EINVAL:
            raise
        reason = ' '.join(str(e).split()) or type(e).__name__
        raise InputError(f'{path} is damaged or no npz file without pickle '
                         f'({reason}); write it again with numpy.savez'
                         ) from e


# What reading a damaged file raises; RuntimeError: a method of compression or
# encryption that there is not.
FAULTS = (ValueError, EOFError, KeyError, TypeError, OverflowError,
          MemoryError, RuntimeError, SyntaxError, OSError, struct.error,
          tokenize.TokenError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


def _name_of(member):
    return member.removesuffix('.npy')


def _check_directory(archive):
    """ValueError unless the members lie one after the other, up to the
    directory: one that the directory has lost would leave a gap."""
    end, names = 0, set()
    for info in sorted(archive.infolist(), key=lambda i: i.header_offset):
        archive.fp.seek(info.header_offset)
        head = archive.fp.read(30)
        if not end <= info.header_offset <= end + GAP or len(head) < 30:
            raise ValueError(f'{info.filename} is not where it should be')
        end = info.header_offset + 30 + sum(
            struct.unpack('<HH', head[26:])) + info.compress_size
        if info.filename in names:
            raise ValueError(f'{info.filename} is there twice')
        names.add(info.filename)
    if not end <= archive.start_dir <= end + GAP:
        raise ValueError('its directory has lost a member')


# Bytes that may follow a member: its sizes again, where they were not known
# before it was written.
GAP = 24


def _read_member(archive, name):
    """An array; its bytes are compared with their checksum first."""
    members = set(archive.namelist())
    member = f'{name}.npy' if f'{name}.npy' in members else name
    stream = io.BytesIO(archive.read(member))
    array = numpy.lib.format.read_array(stream, allow_pickle=False)
    if stream.read(1):
        raise ValueError(f'{name} has more bytes than its shape')
    return array


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
        arrays = [backend.CpuDevice().send(part)]
    for array in arrays:
        sha.update(str(array.dtype).encode())
        sha.update(numpy.ascontiguousarray(array).data)
    return sha.hexdigest()[:32]


def look_up(path: AnyPath,
            is_whole: Callable[[dict[str, numpy.ndarray]], bool],
            ) -> dict[str, numpy.ndarray] | None:
    """The arrays of an npz file that can be computed again.

    Returns:
        dict: None if there is no such file, or if it is damaged -- of which
        it warns -- or ``is_whole(arrays)`` is false.
    """
    path = Path(path)
    remove_half_written(path.parent, '*.npz')
    try:
        arrays = load_npz(path)
        if is_whole(arrays):
            return arrays
    except OSError:  # not there, or where nothing can be read
        return None
    except (InputError, KeyError):
        pass
    warnings.warn(f'{path} is damaged; what it held is computed again')
    return None


def keep(path: AnyPath, arrays: Mapping[str, typing.Any]) -> None:
    """:func:`save_npz`, below a folder that need not be there, of what can be
    computed again: if it can't be kept, a warning says so."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_npz(path, arrays)
    except OSError as e:
        warnings.warn(f'{path.name} is not kept ({e}); let IMSAT_CACHE name '
                      f'a folder that can be written')
