"""The IDX format, in which MNIST is published."""
import gzip
import math
import zlib

import numpy

from imsat.datasets.sources import check_md5
from imsat.errors import InputError
from imsat.parameters import OneOf, checked
from imsat.storage import AnyPath, as_path

_TYPES = {0x08: 'u1', 0x09: 'i1', 0x0b: '>i2', 0x0c: '>i4', 0x0d: '>f4',
          0x0e: '>f8'}
MOST_DIMENSIONS = 32  # that any NumPy's arrays may have


@checked(md5=OneOf(str, 'give hexadecimal digits, or None', optional=True))
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
    path = as_path(path)
    with open(path, 'rb') as f:
        is_zipped = f.read(2) == b'\x1f\x8b'
    try:
        with (gzip.open if is_zipped else open)(path, 'rb') as f:
            head = f.read(4)
            if len(head) < 4 or head[:2] != b'\0\0' or head[2] not in _TYPES \
                    or head[3] > MOST_DIMENSIONS:
                raise InputError(f'{path} is no IDX file; fetch it again')
            dtype, sizes = numpy.dtype(_TYPES[head[2]]), f.read(4 * head[3])
            shape = tuple(map(int, numpy.frombuffer(
                sizes[:len(sizes) // 4 * 4], '>i4')))
            expected = math.prod(shape) * dtype.itemsize
            if len(shape) < head[3] or min(shape, default=1) < 1:
                raise InputError(f'{path} has no shape of values in its head; '
                                 f'fetch it again')
            # No more than that: a zipped file may hold far more.
            values = f.read(expected + 1)
    except (EOFError, OSError, zlib.error) as e:
        if not is_zipped:
            raise
        raise InputError(f'{path} is damaged or cut short ({e}); fetch it '
                         f'again') from e
    except (MemoryError, OverflowError) as e:
        raise InputError(f'{path} promises {expected} bytes, more than memory '
                         f'holds; fetch it again') from e
    if len(values) != expected:
        raise InputError(f'{path} has {len(values)} bytes or more of values '
                         f'where its head promises {expected}; fetch it '
                         f'again')
    check_md5(path, head + sizes + values, md5)
    return numpy.frombuffer(values, dtype).reshape(shape)
