"""The IDX format, in which MNIST is published."""
import gzip
import math
import zlib

import numpy

from imsat.datasets.sources import check_md5
from imsat.errors import InputError
from imsat.storage import AnyPath

_TYPES = {0x08: 'u1', 0x09: 'i1', 0x0b: '>i2', 0x0c: '>i4', 0x0d: '>f4',
          0x0e: '>f8'}


def read_idx(path: AnyPath, md5: str | None = None) -> numpy.ndarray:
    """The array in an IDX file, the format of MNIST, plain or gzipped.

    Args:
        path (path): Of the file.
        md5 (str): That of the plain file as published; None for any.

    Raises:
        InputError: If the file is none, damaged or cut short, or has another
            MD5, when plain, than was published.

    Example:
        >>> import os, tempfile
        >>> from imsat.datasets import read_idx
        >>> head = bytes([0, 0, 8, 2]) + numpy.array([1, 3], '>i4').tobytes()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, 'pixels')
        ...     with open(path, 'wb') as f:
        ...         _ = f.write(head + bytes([7, 8, 9]))
        ...     read_idx(path)
        array([[7, 8, 9]], dtype=uint8)
    """
    with open(path, 'rb') as f:
        content = f.read()
    if content[:2] == b'\x1f\x8b':
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as e:
            raise InputError(f'{path} is damaged or cut short ({e}); fetch it '
                             f'again') from e
    if len(content) < 4 or content[:2] != b'\0\0' or content[2] not in _TYPES:
        raise InputError(f'{path} is no IDX file; fetch it again')
    dtype, start = numpy.dtype(_TYPES[content[2]]), 4 + 4 * content[3]
    shape = tuple(map(int, numpy.frombuffer(
        content[4:start][:len(content[4:start]) // 4 * 4], '>i4')))
    expected = start + math.prod(shape) * dtype.itemsize
    if len(shape) < content[3] or len(content) != expected:
        raise InputError(f'{path} has {len(content)} bytes where its head '
                         f'promises {expected}; fetch it again')
    check_md5(path, content, md5)
    return numpy.frombuffer(content, dtype, offset=start).reshape(shape)
