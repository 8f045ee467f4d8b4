"""Files that are whole or not there, and npz files without pickle."""
import contextlib
import errno
import json
import os
import tempfile
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy

from imsat.errors import InputError


@contextlib.contextmanager
def atomic_write(path, mode='wb', **kwargs):
    """Opens a file that takes the name ``path`` only once it is complete.

    Whatever had that name stays until then, and for good if the block
    raises.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f'.{path.name}.', suffix='~',
                                         dir=path.parent)
    try:
        with open(handle, mode, **kwargs) as f:
            yield f
            f.flush()
            os.fsync(f.fileno())
        # mkstemp makes files private; give what open() would have given.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        # Still there only if something failed.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def save_json(path, value):
    with atomic_write(path, 'w', encoding='utf-8') as f:
        json.dump(value, f, indent=1)
        f.write('\n')


def load_json(path):
    try:
        return json.loads(Path(path).read_text(encoding='utf-8'))
    except ValueError as e:
        raise InputError(f'{path} is not valid JSON ({e}); remove it or '
                         f'restore it from a copy') from e


def save_npz(path, arrays):
    """Writes a dict of arrays, none of dtype object, to ``path``.

    The same arrays give the same bytes.
    """
    # Chainer keeps the names of parameters in sets, in any order.
    arrays = {key: numpy.asarray(arrays[key]) for key in sorted(arrays)}
    pickled = [key for key, value in arrays.items() if value.dtype.hasobject]
    if pickled:
        raise TypeError(f'{pickled} would have to be pickled')
    with atomic_write(path) as f:
        numpy.savez(f, **arrays)


def load_npz(path):
    """Reads every array of an npz file, without pickle, into a dict.

    Raises:
        InputError: If the file is damaged, no npz file or needs pickle.
    """
    try:
        npz = numpy.load(path, allow_pickle=False)
        if isinstance(npz, numpy.ndarray):
            raise ValueError('it holds a single array')
        with npz:
            return {key: npz[key] for key in npz.files}
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error,
            RuntimeError, OSError) as e:
        # RuntimeError: a method of compression or encryption that there is
        # not.  EINVAL: a directory that points to before the file.
        if isinstance(e, OSError) and e.errno != errno.EINVAL:
            raise
        reason = ' '.join(str(e).split()) or type(e).__name__
        raise InputError(f'{path} is damaged or no npz file without pickle '
                         f'({reason}); write it again with numpy.savez'
                         ) from e


def look_up(path, is_whole):
    """The arrays of an npz file that can be computed again.

    Returns:
        dict: None if there is no such file, or if it is damaged -- of which
        it warns -- or ``is_whole(arrays)`` is false.
    """
    try:
        arrays = load_npz(path)
        if is_whole(arrays):
            return arrays
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (InputError, KeyError):
        pass
    warnings.warn(f'{path} is damaged; what it held is computed again')
    return None
