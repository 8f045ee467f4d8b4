"""Exact search among packed hash codes by Hamming distance."""
import numbers

import numpy
from chainer.backend import get_array_module

from imsat.cuda import hamming as kernels
from imsat.cuda import runtime
from imsat.errors import InputError
from imsat.storage import load_npz, save_npz
from imsat.retrieval.codes import (
    check_codes, check_n_bits, distance_blocks, from_words, on_device,
    to_numpy, to_words)


class HammingIndex:
    """Codes to search by Hamming distance, exactly.

    Results are sorted by distance and, where it is equal, by insertion.  A
    code keeps its number when others are removed, and no number is given
    twice.  A call that raises leaves the index as it was.

    The codes stay where the first of them are, in NumPy's or in CuPy's
    arrays.  The others and the queries have to be there as well, and there
    the results are; numbers that :meth:`add` returns are on the CPU.

    Args:
        n_bits (int): D, from 1 to 256.

    Attributes:
        n_bits (int): D.
        ids (array): Numbers of the codes that are there, ascending, int64.
        codes (array): These codes, shape (N, ceil(D / 8)), uint8, where
            they are.

    Raises:
        InputError: (a ValueError) here and in every method, for codes or
            arguments that can't be used, in one sentence.
    """

    def __init__(self, n_bits):
        check_n_bits(n_bits)
        self.n_bits = int(n_bits)
        self._next_id = 0
        # What was added since the last search waits in parts.
        self._words = [to_words(numpy.empty((0, -(-n_bits // 8)),
                                            numpy.uint8))]
        self._ids = [numpy.empty(0, numpy.int64)]
        self._ids_on_device = None  # of a search there, until they change

    def __len__(self):
        return sum(map(len, self._ids))

    @property
    def ids(self):
        return self._all_ids().copy()

    @property
    def codes(self):
        return from_words(self._all_words(), self.n_bits)

    def _all_ids(self):
        if len(self._ids) > 1:
            self._ids = [numpy.concatenate(self._ids)]
        return self._ids[0]

    def _all_words(self):
        if len(self._words) > 1:
            xp = get_array_module(self._words[0])
            self._words = [xp.concatenate(self._words, axis=1)]
        return self._words[0]

    def _all_ids_on_device(self):
        ids = self._all_ids()
        if ids[-1] < len(ids):  # ascending from 0 without a gap
            return None
        if self._ids_on_device is None:
            self._ids_on_device = runtime.current.asarray(ids, 'int64')
        return self._ids_on_device

    def add(self, codes):
        """Adds packed codes, shape (N, ceil(D / 8)), uint8.

        Returns:
            numpy.ndarray: Their numbers, int64: they go on from the last
            number ever given, starting at 0.
        """
        words = to_words(check_codes(codes, self.n_bits))
        ids = numpy.arange(self._next_id, self._next_id + words.shape[1])
        if not len(self):
            self._words, self._ids = [], []
        on_device(words, *self._words)
        self._words.append(words)
        self._ids.append(ids)
        self._ids_on_device = None
        self._next_id += len(ids)
        return ids.copy()

    def remove(self, ids):
        """Removes the codes of these numbers, each of which must be there."""
        ids = to_numpy(ids)
        if ids.ndim != 1 or ids.dtype.kind not in 'iu' and len(ids):
            raise InputError(f'ids to remove are a list of whole numbers, not '
                             f'{ids.dtype} of shape {ids.shape}')
        unknown = numpy.setdiff1d(ids, self._all_ids())
        if len(unknown):
            raise InputError(f'there is no code number {unknown[0]} in the '
                             f'index; look at its ids')
        keep = numpy.flatnonzero(~numpy.isin(self._all_ids(), ids))
        words = self._all_words()
        self._words = [words.take(get_array_module(words).asarray(keep),
                                  axis=1)]
        self._ids = [self._all_ids()[keep]]
        self._ids_on_device = None

    def search(self, queries, k):
        """The k nearest codes of each query.

        Args:
            queries (array): Packed codes, shape (Q, ceil(D / 8)), uint8.
            k (int): From 1 to ``len(self)``.

        Returns:
            tuple: ``distances``, int32, and ``ids``, int64, shape (Q, k).
        """
        queries = self._queries(queries)
        if not isinstance(k, numbers.Integral) or not 1 <= k <= len(self):
            raise InputError(f'k is {k} in an index of {len(self)} codes; '
                             f'choose a whole number from 1 to {len(self)}')
        if on_device(queries):
            return kernels.nearest(
                queries, self._all_words(), self.n_bits, k,
                self._all_ids_on_device())
        nearest = [_Nearest(k, self.n_bits) for _ in range(queries.shape[1])]
        for i, block, distance in distance_blocks(
                queries, self._all_words(), self.n_bits):
            nearest[i].offer(distance, block.start)
        distances = numpy.empty((len(nearest), k), numpy.int32)
        positions = numpy.empty((len(nearest), k), numpy.int64)
        for i, each in enumerate(nearest):
            distances[i], positions[i] = each.finish()
        return distances, self._all_ids()[positions]

    def search_radius(self, queries, r):
        """All codes within distance r of each query, r included.

        In FAISS' form; its ``range_search`` leaves r itself out.  On a GPU
        the CPU waits to learn how many there are.

        Args:
            queries (array): Packed codes, shape (Q, ceil(D / 8)), uint8.
            r (int): From 0; 2 in the paper.

        Returns:
            tuple: ``lims``, shape (Q + 1,), int64; ``distances``, int32;
            ``ids``, int64: those of query i are
            ``distances[lims[i]:lims[i + 1]]``, likewise ``ids``.
        """
        queries = self._queries(queries)
        if not isinstance(r, numbers.Integral) or r < 0:
            raise InputError(f'the radius is {r}; give a whole number from 0')
        if on_device(queries):
            return kernels.within(
                queries, self._all_words(), self.n_bits, r,
                self._all_ids_on_device())
        found = [[] for _ in range(queries.shape[1])]
        for i, block, distance in distance_blocks(
                queries, self._all_words(), self.n_bits):
            position = numpy.flatnonzero(distance <= r)
            found[i].append((distance[position], position + block.start))
        found = [_sorted(parts) for parts in found]
        lims = numpy.cumsum([0] + [len(d) for d, _ in found])
        distances = numpy.concatenate([d for d, _ in found])
        positions = numpy.concatenate([p for _, p in found])
        return (lims, distances.astype(numpy.int32),
                self._all_ids()[positions])

    def _queries(self, queries):
        queries = check_codes(queries, self.n_bits)
        for there, what in ((len(queries), 'there is no query'),
                            (len(self), 'the index is empty')):
            if not there:
                raise InputError(f'{what}; add at least one code')
        queries = to_words(queries)
        on_device(queries, self._words[0])
        return queries

    def to_gpu(self):
        """Moves the codes to CuPy's current GPU; returns the index."""
        try:
            codes = runtime.current.asarray(self.codes, 'uint8')
        except ImportError:
            raise InputError("CuPy is not installed; pip install "
                             "'imsat[cuda13]'") from None
        return self._move(codes)

    def to_cpu(self):
        """Moves the codes to NumPy's arrays; returns the index."""
        return self._move(to_numpy(self.codes))

    def _move(self, codes):
        self._words = [to_words(codes)]
        self._ids_on_device = None
        return self

    def save(self, path):
        """Writes the index to one npz file, without pickle."""
        save_npz(path, {'n_bits': self.n_bits, 'codes': to_numpy(self.codes),
                        'ids': self._all_ids(), 'next_id': self._next_id})

    @classmethod
    def load(cls, path):
        """The index that :meth:`save` wrote, on the CPU."""
        arrays = load_npz(path)
        refusal = InputError(f'{path} holds no HammingIndex; give a file that '
                             f'its save() wrote')
        if set(arrays) != {'n_bits', 'codes', 'ids', 'next_id'} \
                or any(arrays[key].dtype != numpy.int64 or
                       arrays[key].ndim != ndim for key, ndim in
                       (('n_bits', 0), ('ids', 1), ('next_id', 0))):
            raise refusal
        self = cls(int(arrays['n_bits']))
        self.add(arrays['codes'])
        ids, self._next_id = arrays['ids'], int(arrays['next_id'])
        bounded = numpy.concatenate([[-1], ids, [self._next_id]])
        if len(ids) != len(self) or not (numpy.diff(bounded) > 0).all():
            raise refusal
        self._ids = [ids]
        return self

    def to_faiss(self):
        """A ``faiss.IndexBinaryFlat`` with the same codes.

        FAISS numbers them from 0 in the order of ``ids``.  It knows multiples
        of 8 bits alone; the last byte is filled with zeros, which changes no
        distance.
        """
        codes = to_numpy(self.codes)
        index = _faiss().IndexBinaryFlat(8 * codes.shape[1])
        index.add(codes)
        return index

    @classmethod
    def from_faiss(cls, index, n_bits=None):
        """The codes of a ``faiss.IndexBinaryFlat``.

        Args:
            index (faiss.IndexBinaryFlat): Its numbers stay.
            n_bits (int): D, where the last byte is not full.
        """
        faiss = _faiss()
        if not isinstance(index, faiss.IndexBinaryFlat):
            raise InputError(f'a {type(index).__name__} can not be read; give '
                             f'a faiss.IndexBinaryFlat')
        self = cls(index.d if n_bits is None else n_bits)
        codes = faiss.vector_to_array(index.xb)
        self.add(codes.reshape(-1, index.code_size))
        return self


class _Nearest:
    """Picks a query's k nearest from the blocks that are offered to it."""

    def __init__(self, k, n_bits):
        self.k = k
        # Only what is nearer than this can still be among the k: of equal
        # distances the earlier ones win.
        self.limit = n_bits + 1
        self.parts, self.size, self.merge_at = [], 0, k

    def offer(self, distance, start):
        near = distance < self.limit
        size = numpy.count_nonzero(near)
        if not size:
            return
        if size > self.k:
            position = _first_of_sorted(distance, self.k, self.limit - 1)
        else:
            position = numpy.flatnonzero(near)
        self.parts.append((distance[position], position + start))
        self.size += len(position)
        if self.size >= self.merge_at:
            self.parts = [self.finish()]
            self.size, self.merge_at = self.k, 2 * self.k
            self.limit = int(self.parts[0][0][-1])

    def finish(self):
        distance, position = _sorted(self.parts)
        return distance[:self.k], position[:self.k]


def _first_of_sorted(distance, k, most):
    """Positions of the first k of a stable sort, those of ties in order.

    At least k of the distances are ``most`` or less.
    """
    low, high = int(distance.min()), most
    while low < high:  # the smallest distance within which there are k
        middle = (low + high) // 2
        if numpy.count_nonzero(distance <= middle) >= k:
            high = middle
        else:
            low = middle + 1
    nearer = numpy.flatnonzero(distance < high)
    ties = numpy.flatnonzero(distance == high)[:k - len(nearer)]
    return numpy.concatenate([nearer, ties])


def _sorted(parts):
    distance = numpy.concatenate([part[0] for part in parts])
    position = numpy.concatenate([part[1] for part in parts])
    # Parts come in order of position, equal distances within one as well, so
    # that a stable sort (for small integers a radix sort) does the rest.
    order = numpy.argsort(distance, kind='stable')
    return distance[order], position[order]


def _faiss():
    try:
        import faiss
    except ImportError:
        raise InputError("FAISS is not installed; pip install "
                         "'imsat[faiss]'") from None
    return faiss
