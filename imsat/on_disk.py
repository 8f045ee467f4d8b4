"""Points that stay on disk, and results of them that do."""
import functools
import itertools
import math
import mmap
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy
import scipy.sparse

from imsat.errors import InputError

# In which numbers are taken; others become the first.
DTYPES = numpy.float64, numpy.float32, numpy.uint8
# Numbers from which on a file stays on disk (256 MB of float32), and results
# of points on disk go there.
LARGE, LARGE_RESULT = 1 << 26, 1 << 22
BLOCK = 1 << 20  # numbers at a time


class OnDisk:
    """Points on disk, of which rows are read, and worked on, when asked for.

    It is indexed as an array is, and then gives arrays; ``numpy.asarray``
    reads all.  A file that is cut short is noticed before it is read, unless
    that happens meanwhile, when the system kills the process (SIGBUS).

    Args:
        parts (list): Arrays one below the other, memory-mapped, of one shape
            but for the length; what has more than two dimensions is
            flattened.
        make: Function of some rows, to what is made of them; None for
            nothing.
        dtype: Of what that makes.

    Attributes:
        shape (tuple): (N, d).
        dtype (numpy.dtype): Of the rows; as scikit-learn takes them if
            nothing is made of them.

    Example:
        >>> import os, tempfile
        >>> from imsat.on_disk import OnDisk
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, 'x.npy')
        ...     numpy.save(path, numpy.arange(6.).reshape(3, 2))
        ...     x = OnDisk([numpy.load(path, mmap_mode='r')])
        ...     (x * 2)[[2, 0]]
        array([[ 8., 10.],
               [ 0.,  2.]])
    """
    ndim = 2

    def __init__(self, parts: list, make: Callable | None = None,
                 dtype: Any = None) -> None:
        self.parts, self.make = parts, make
        self._ends = numpy.cumsum([len(part) for part in parts])
        self.shape = int(self._ends[-1]), math.prod(parts[0].shape[1:])
        found = {part.dtype for part in parts}
        as_read = found.pop() if len(found) == 1 else None
        self._dtype = numpy.dtype(as_read if as_read in DTYPES else DTYPES[0])
        self.dtype = self._dtype if dtype is None else numpy.dtype(dtype)
        maps = {id(found): (part, found) for part in parts
                for found in [_map_of(part)] if found is not None}
        self._maps = [(getattr(part, 'filename', None), found, found.size())
                      for part, found in maps.values()]

    def __reduce__(self) -> tuple:
        # What maps the files does not go to other processes.
        return OnDisk, (self.parts, self.make, self.dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> numpy.ndarray:
        for name, found, size in self._maps:
            if found.size() < size:
                raise InputError(
                    f'{name or "the file of the points"} was cut short while '
                    f'it was in use, from {size} bytes to {found.size()}; '
                    f'write it again')
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            block = self._between(start, stop) if step == 1 \
                else self._at(numpy.arange(start, stop, step))
        elif numpy.ndim(rows):
            rows = numpy.asarray(rows)
            block = self._at(numpy.flatnonzero(rows) if rows.dtype == bool
                             else rows.astype(numpy.int64, copy=False))
        else:
            return self[[rows]][0]
        block = block.reshape(len(block), self.shape[1])
        return block if self.make is None else self.make(block)

    def _between(self, start: int, stop: int) -> numpy.ndarray:
        """Rows from start to stop, copied."""
        if stop <= start:
            return self._at(numpy.empty(0, numpy.int64))
        first, last = numpy.searchsorted(self._ends, [start, stop - 1],
                                         'right')
        found = []
        for i in range(first, last + 1):
            begin = self._ends[i] - len(self.parts[i])
            found.append(self.parts[i][max(start - begin, 0):stop - begin])
        return numpy.concatenate(found).astype(self._dtype, copy=False)

    def _at(self, rows: numpy.ndarray) -> numpy.ndarray:
        """Rows of some numbers."""
        rows = numpy.where(rows < 0, rows + len(self), rows)
        block = numpy.empty((len(rows), *self.parts[0].shape[1:]),
                            self._dtype)
        which = numpy.searchsorted(self._ends, rows, 'right')
        for i in numpy.unique(which):
            here = which == i
            begin = self._ends[i] - len(self.parts[i])
            block[here] = self.parts[i][rows[here] - begin]
        return block

    def __array__(self, dtype: Any = None,
                  copy: bool | None = None) -> numpy.ndarray:
        all_of_it = numpy.empty(self.shape, dtype or self.dtype)
        for start, block in blocks_of(self):
            all_of_it[start:start + len(block)] = block
        return all_of_it

    def __mul__(self, factor: float) -> 'OnDisk':
        return self.then(lambda block: block * factor, self.dtype)

    def then(self, make: Callable, dtype: Any = numpy.float32) -> 'OnDisk':
        """The same points with something more made of their rows."""
        return OnDisk([self], make, dtype)

    def min(self) -> float:
        return self._bounds[0]

    def max(self) -> float:
        return self._bounds[1]

    @functools.cached_property
    def _bounds(self):
        bounds = numpy.array([(block.min(), block.max())
                              for _, block in blocks_of(self)])
        return bounds[:, 0].min(), bounds[:, 1].max()


def _map_of(array: Any) -> Any:
    """What maps the file of an array, None if nothing does."""
    while array is not None and not isinstance(array, mmap.mmap):
        array = getattr(array, 'base', None)
    return array


def from_map(x: Any) -> Any:
    """A memory-mapped table of real numbers as OnDisk; all else as it is."""
    if isinstance(x, numpy.memmap) and _map_of(x) is not None \
            and x.ndim == 2 and 0 not in x.shape and x.dtype.kind in 'fiub':
        return OnDisk([x])
    return x


def blocks_of(x: Any) -> Iterator[tuple[int, Any]]:
    """Rows of what is on disk, a block at a time, each with the number of its
    first; of anything else all rows at once."""
    rows = x.shape[0]
    if isinstance(x, OnDisk) or _map_of(x) is not None:
        rows = max(1, BLOCK // max(1, math.prod(x.shape[1:])))
    for start in range(0, x.shape[0], rows):
        yield start, x if rows == x.shape[0] else x[start:start + rows]


def rows_as_bytes(x: Any) -> Iterator[bytes]:
    """Of each row of a table, dense or sparse, bytes that are the same for
    rows that are equal, however a zero is written."""
    if scipy.sparse.issparse(x):
        x = x.tocsr(copy=True)
        # A zero may be there or not, and a number in parts.
        x.sum_duplicates()
        x.eliminate_zeros()
        for part in map(slice, x.indptr[:-1], x.indptr[1:]):
            yield x.indices[part].tobytes() + x.data[part].tobytes()
        return
    for _, block in blocks_of(x):
        for row in block + 0:  # -0 becomes 0
            yield row.tobytes()


def joined(blocks: Iterable[numpy.ndarray], n: int) -> numpy.ndarray:
    """Blocks one below the other, n rows in all; in a temporary file if they
    are large.

    Raises:
        InputError: If there is no room for it.
    """
    blocks = iter(blocks)
    first = next(blocks)
    if len(first) == n or n * first[0].size < LARGE_RESULT:
        return numpy.concatenate([first, *blocks])
    folder = tempfile.gettempdir()
    try:
        with tempfile.TemporaryFile() as f:
            for block in itertools.chain([first], blocks):
                f.write(numpy.ascontiguousarray(block).data)
            f.flush()
            # What is written to it does not get there.
            return numpy.memmap(
                f, first.dtype, 'c', shape=(n, *first.shape[1:])
            ).view(numpy.ndarray)
    except OSError as e:
        raise InputError(
            f'{n * first[0].nbytes >> 20} MB of results can not be kept in '
            f'{folder} ({e}); let TMPDIR name a folder with more room') from e
