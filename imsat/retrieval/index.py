"""Exact search among hash codes by Hamming distance."""
import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy
from chainer.backend import get_array_module

from imsat.cuda import hamming as kernels
from imsat.cuda import runtime
from imsat.devices import (
    count_gpus, how_many, to_numpy, usable_threads)
from imsat.errors import InputError
from imsat.functions.compiled import get_numba
from imsat.hints import Array
from imsat.parameters import (
    Choice, Whole, check_argument, is_whole, plain, shown)
from imsat.retrieval.codes import (
    BLOCK, are_on_gpu, check_codes, check_head_codes, check_n_bits, code_width,
    distance_blocks, from_words, pack_bits, to_words)
from imsat.storage import AnyPath, load_npz, save_npz

MOST_ID = 2 ** 63 - 1  # which no code has, so that another can follow
# Codes that FAISS learns each of its centres from; it asks for 39.
TRAINED_BY = 40
# Bytes of codes to compare that are worth a thread's start, 2.5 ms, and as
# many as take the time to keep one of the nearest.
STARTED, KEPT = 20 << 20, 2000


class HammingIndex:
    """Codes to search by Hamming distance, exactly.

    Results are sorted by distance and, where it is equal, by insertion.  A
    code keeps its number when others are removed, and the index itself gives
    no number twice.  A call that raises leaves the index as it was.

    The codes stay where the first of them are, in NumPy's or in CuPy's
    arrays.  The others and the queries have to be there as well, and there
    the results are; numbers that :meth:`add` returns are on the CPU.

    Args:
        n_bits (int): D, from 1 to 256.

    Attributes:
        n_bits (int): D, the length of the codes.
        ids (array): Numbers of the codes that are there, in order of
            insertion, int64; ascending unless :meth:`add` was given others.
        codes (array): These codes, shape (N, W), uint8, where they are; W is
            :func:`~imsat.retrieval.code_width`.

    Raises:
        InputError: (a ValueError) here and in every method, for codes or
            arguments that can't be used, in one sentence.

    Example:
        >>> codes = imsat.retrieval.pack_bits(
        ...     [[0, 0, 0], [0, 0, 1], [0, 1, 1]])
        >>> index = imsat.retrieval.HammingIndex(n_bits=3)
        >>> index.add(codes)
        array([0, 1, 2])
        >>> distances, ids = index.search(codes[2:], k=2)
        >>> distances
        array([[0, 1]], dtype=int32)
        >>> ids
        array([[2, 1]])
    """

    def __init__(self, n_bits: int) -> None:
        check_n_bits(n_bits)
        self.n_bits = int(n_bits)
        self._next_id, self._ascend = 0, True
        # What was added since the last search waits in parts.
        self._words = [to_words(numpy.empty((0, code_width(n_bits)),
                                            numpy.uint8))]
        self._ids = [numpy.empty(0, numpy.int64)]
        # Of a search there, until they change.
        self._ids_on_device: Array = None

    def __len__(self) -> int:
        return sum(map(len, self._ids))

    def __repr__(self) -> str:
        engine = 'a GPU' if are_on_gpu(self._words[0]) \
            else 'numba' if get_numba() else 'NumPy'
        return (f'HammingIndex(n_bits={self.n_bits}) of {len(self):,} codes, '
                f'searched by {engine}')

    @property
    def ids(self) -> numpy.ndarray:
        return self._all_ids().copy()

    @property
    def codes(self) -> Array:
        return from_words(self._all_words(), self.n_bits)

    def _all_ids(self) -> numpy.ndarray:
        if len(self._ids) > 1:
            self._ids = [numpy.concatenate(self._ids)]
        return self._ids[0]

    def _all_words(self) -> Array:
        if len(self._words) > 1:
            xp = get_array_module(self._words[0])
            self._words = [xp.concatenate(self._words, axis=1)]
        return self._words[0]

    def _all_ids_on_device(self) -> Array:
        ids = self._all_ids()
        if self._ascend and ids[-1] < len(ids):  # from 0 without a gap
            return None
        if self._ids_on_device is None:
            self._ids_on_device = runtime.current.asarray(ids, 'int64')
        return self._ids_on_device

    def add(self, codes: Array, ids: Any = None) -> numpy.ndarray:
        """Adds packed codes.

        Args:
            codes (array): Shape (N, W), uint8.
            ids (array): What they are called, shape (N,), whole numbers from
                0 to 2**63 - 2 that no other code there has; by default they
                go on from the largest ever given, starting at 0.

        Returns:
            numpy.ndarray: Their numbers, int64.
        """
        words = to_words(check_codes(codes, self.n_bits))
        own = ids is not None
        ids = self._own_ids(ids, words.shape[1]) if own \
            else self._next_ids(words.shape[1])
        if not len(self):
            self._words, self._ids = [], []
        are_on_gpu(words, *self._words)
        self._words.append(words)
        self._ids.append(ids)
        self._ids_on_device = None
        self._ascend = self._ascend and not own
        self._next_id = int(ids.max(initial=self._next_id - 1)) + 1
        return ids.copy()

    def _next_ids(self, n: int) -> numpy.ndarray:
        if self._next_id + n > MOST_ID:
            raise InputError(f'ids that go on from {self._next_id} would '
                             f'be larger than {MOST_ID - 1}; give ids of '
                             f'your own')
        return numpy.arange(self._next_id, self._next_id + n,
                            dtype=numpy.int64)

    def _own_ids(self, ids: Any, n: int) -> numpy.ndarray:
        ids = to_numpy(ids)
        if ids.shape != (n,) or ids.dtype.kind not in 'iu' and n \
                or n and not 0 <= ids.min() <= ids.max() < MOST_ID:
            raise InputError(f'ids of {n} codes are {ids.dtype} of shape '
                             f'{ids.shape}; give each a whole number from 0 '
                             f'to {MOST_ID - 1}')
        ids = ids.astype(numpy.int64)
        each, counts = numpy.unique(ids, return_counts=True)
        taken = each[(counts > 1) | numpy.isin(each, self._all_ids())]
        if len(taken):
            raise InputError(f'id {taken[0]} is given twice or is in the '
                             f'index already; give each code its own')
        return ids

    def remove(self, ids: Any) -> None:
        """Removes the codes of these numbers, each of which must be there."""
        ids = to_numpy(ids)
        if ids.ndim != 1 or ids.dtype.kind not in 'iu' and len(ids):
            raise InputError(f'ids to remove are a list of whole numbers, not '
                             f'{ids.dtype} of shape {ids.shape}')
        # Beside int64 those of uint64 would become floats, which merge.
        known = ids[ids < MOST_ID].astype(numpy.int64)
        unknown = [*ids[ids >= MOST_ID][:1],
                   *numpy.setdiff1d(known, self._all_ids())]
        if unknown:
            raise InputError(f'there is no code number {unknown[0]} in the '
                             f'index; look at its ids')
        ids = known
        keep = numpy.flatnonzero(~numpy.isin(self._all_ids(), ids))
        words = self._all_words()
        self._words = [words.take(get_array_module(words).asarray(keep),
                                  axis=1)]
        self._ids = [self._all_ids()[keep]]
        self._ids_on_device = None

    def search(self, queries: Array, k: int) -> tuple[Array, Array]:
        """The k nearest codes of each query.

        Args:
            queries (array): Packed codes, shape (Q, W), uint8.
            k (int): From 1 to ``len(self)``.

        Returns:
            tuple: ``distances``, int32, and ``ids``, int64, shape (Q, k).
        """
        queries = self._queries(queries)
        _check_k(k, len(self))
        if are_on_gpu(queries):
            return kernels.nearest(
                queries, self._all_words(), self.n_bits, k,
                self._all_ids_on_device())
        distances = numpy.empty((queries.shape[1], k), numpy.int32)
        positions = numpy.empty((queries.shape[1], k), numpy.int64)
        words = self._all_words()

        def search(share):
            _search(queries[:, share].copy(), words, self.n_bits,
                    distances[share], positions[share])
        shares = _shares(queries.shape[1], words.nbytes, int(k))
        if len(shares) == 1:
            search(shares[0])
        else:
            with ThreadPoolExecutor(len(shares)) as pool:
                list(pool.map(search, shares))
        return distances, self._all_ids()[positions]

    def search_radius(
            self, queries: Array, r: int) -> tuple[Array, Array, Array]:
        """All codes within distance r of each query, r included.

        In FAISS' form; its ``range_search`` leaves r itself out.  On a GPU
        the CPU waits to learn how many there are.

        Args:
            queries (array): Packed codes, shape (Q, W), uint8.
            r (int): From 0; 2 in the paper.

        Returns:
            tuple: ``lims``, shape (Q + 1,), int64; ``distances``, int32;
            ``ids``, int64: those of query i are
            ``distances[lims[i]:lims[i + 1]]``, likewise ``ids``.
        """
        queries = self._queries(queries)
        if not is_whole(r) or r < 0:
            raise InputError(f'the radius is {shown(r)}; give a whole number '
                             f'from 0')
        r = min(r, self.n_bits)
        if are_on_gpu(queries):
            return kernels.within(
                queries, self._all_words(), self.n_bits, r,
                self._all_ids_on_device())
        parts: list[list] = [[] for _ in range(queries.shape[1])]
        for i, block, distance in distance_blocks(
                queries, self._all_words(), self.n_bits):
            position = numpy.flatnonzero(distance <= r)
            parts[i].append((distance[position], position + block.start))
        found = [_sorted(part) for part in parts]
        lims = numpy.cumsum([0] + [len(d) for d, _ in found])
        distances = numpy.concatenate([d for d, _ in found])
        positions = numpy.concatenate([p for _, p in found])
        return (lims, distances.astype(numpy.int32),
                self._all_ids()[positions])

    def _queries(self, queries: Array) -> Array:
        queries = check_codes(queries, self.n_bits)
        for there, what in ((len(queries), 'there is no query'),
                            (len(self), 'the index is empty')):
            if not there:
                raise InputError(f'{what}; add at least one code')
        queries = to_words(queries)
        are_on_gpu(queries, self._words[0])
        return queries

    def to_gpu(self) -> 'HammingIndex':
        """Moves the codes to CuPy's current GPU; returns the index."""
        try:
            codes = runtime.current.asarray(self.codes, 'uint8')
        except (ImportError, RuntimeError):
            if count_gpus():
                raise
            raise InputError(f'there is no GPU to move to: {how_many(0)}'
                             ) from None
        return self._move(codes)

    def __copy__(self) -> 'HammingIndex':
        other = object.__new__(type(self))
        # Arrays are not written to, but lists grow.
        vars(other).update({name: list(value) if isinstance(value, list)
                            else value for name, value in vars(self).items()})
        return other

    def to_cpu(self) -> 'HammingIndex':
        """Moves the codes to NumPy's arrays; returns the index."""
        return self._move(to_numpy(self.codes))

    def _move(self, codes: Array) -> 'HammingIndex':
        self._words = [to_words(codes)]
        self._ids_on_device = None
        return self

    def save(self, path: AnyPath) -> None:
        """Writes the index to one npz file, without pickle."""
        words = self._all_words()
        if are_on_gpu(words):
            words = to_words(to_numpy(self.codes))
        save_npz(path, {'n_bits': self.n_bits, 'words': words,
                        'ids' if self._ascend else 'own_ids': self._all_ids(),
                        'next_id': self._next_id})

    @classmethod
    def load(cls, path: AnyPath) -> 'HammingIndex':
        """The index that :meth:`save` wrote, on the CPU.

        The file is read once, to compare it with its checksum.  Then it is
        mapped into memory: searches read it, and the system keeps of it what
        there is room for.
        """
        arrays = load_npz(path, mapped=('words', 'ids', 'own_ids'))
        refusal = InputError(f'{path} holds no HammingIndex; give a file that '
                             f'its save() wrote')
        ascend = 'own_ids' not in arrays
        if not ascend:
            arrays['ids'] = arrays.pop('own_ids')
        kind = 'codes' if 'codes' in arrays else 'words'  # that of 0.1.0
        if set(arrays) != {'n_bits', kind, 'ids', 'next_id'} \
                or any(arrays[key].dtype != numpy.int64 or
                       arrays[key].ndim != ndim for key, ndim in
                       (('n_bits', 0), ('ids', 1), ('next_id', 0))):
            raise refusal
        self = cls(int(arrays['n_bits']))
        words, ids = arrays[kind], arrays['ids']
        if kind == 'codes':
            words = to_words(check_codes(words, self.n_bits))
        all_bits = to_words(pack_bits(numpy.ones((1, self.n_bits), bool)))
        if words.dtype != all_bits.dtype \
                or words.shape != (len(all_bits), len(ids)) \
                or any((word[start:start + BLOCK] & ~bits).any()
                       for word, bits in zip(words, all_bits[:, 0])
                       if bits != numpy.iinfo(bits.dtype).max
                       for start in range(0, len(ids), BLOCK)):
            raise refusal
        self._next_id = int(arrays['next_id'])
        ordered = ids if ascend else numpy.sort(ids)
        if len(ids) and not (0 <= ordered[0] and ordered[-1] < self._next_id
                             and (ordered[1:] > ordered[:-1]).all()) \
                or self._next_id < 0:
            raise refusal
        self._words, self._ids, self._ascend = [words], [ids], ascend
        return self

    def to_faiss(self, kind: str = 'flat', *, lists: int | None = None,
                 probes: int = 16, tables: int = 4, width: int | None = None,
                 flips: int = 1) -> Any:
        """An index of FAISS with the same codes.

        FAISS numbers them from 0 in the order of ``ids``.  It knows multiples
        of 8 bits alone; the last byte is filled with zeros, which changes no
        distance.  :meth:`recall` says what an inexact one misses.

        Args:
            kind (str): ``'flat'``, an ``IndexBinaryFlat``, exact; ``'ivf'``,
                an ``IndexBinaryIVF``, which searches the lists of the nearest
                centres; ``'hash'``, an ``IndexBinaryMultiHash``, which
                searches what agrees in part of the bits.
            lists (int): Of 'ivf', by default four times the root of N.
            probes (int): Of 'ivf', how many lists are searched.
            tables (int): Of 'hash'.
            width (int): Of 'hash', bits that a table is made of, by default
                so many that ten codes share an entry.
            flips (int): Of 'hash', how many of these may differ.
        """
        faiss, n = import_faiss(), len(self)
        n_bits = 8 * code_width(self.n_bits)
        check_argument('kind', kind, Choice(('flat', 'ivf', 'hash')))
        check_argument('lists', lists, Whole(1, max(n, 1), optional=True))
        check_argument('probes', probes, Whole(1))
        check_argument('tables', tables, Whole(1, n_bits))
        widest = min(n_bits // tables, 62)
        check_argument('width', width, Whole(1, widest, optional=True))
        width = width or min(widest, max(1, round(math.log2(max(n, 1) / 10))))
        check_argument('flips', flips, Whole(0, width))
        # FAISS knows no integers of NumPy.
        lists, probes, tables, width, flips = map(
            plain, (lists, probes, tables, width, flips))
        if not n and kind != 'flat':
            raise InputError('the index is empty; add at least one code')
        words = to_words(to_numpy(self.codes)) if are_on_gpu(self._words[0]) \
            else self._all_words()
        if kind == 'flat':
            index = faiss.IndexBinaryFlat(n_bits)
        elif kind == 'ivf':
            lists = lists or max(1, min(round(4 * n ** .5), n // TRAINED_BY))
            index = faiss.IndexBinaryIVF(
                faiss.IndexBinaryFlat(n_bits), n_bits, lists)
            index.nprobe = min(probes, lists)
            sample = numpy.random.default_rng(0).choice(
                n, min(n, TRAINED_BY * lists), replace=False)
            index.train(from_words(words[:, sample], self.n_bits))
        else:
            index = faiss.IndexBinaryMultiHash(n_bits, tables, width)
            index.nflip = flips
        for start in range(0, n, BLOCK):
            index.add(from_words(words[:, start:start + BLOCK], self.n_bits))
        return index

    def recall(self, index: Any, queries: Array, k: int = 10) -> float:
        """The share of the k nearest that an index of FAISS finds.

        Args:
            index: From :meth:`to_faiss`.
            queries (array): Packed codes, shape (Q, W), uint8.
            k (int): From 1 to ``len(self)``.

        Returns:
            float: From 0 to 1.  Of codes that are equally far any will do.
        """
        if not isinstance(index, import_faiss().IndexBinary) \
                or index.d != 8 * code_width(self.n_bits):
            raise InputError(f'a {type(index).__name__} has no such codes; '
                             f'give what to_faiss() returned')
        distances, _ = self.search(queries, k)
        found, positions = index.search(to_numpy(queries), int(k))
        near = found <= to_numpy(distances)[:, -1:]
        return float((near & (positions >= 0)).mean())

    @classmethod
    def from_faiss(cls, index: Any,
                   n_bits: int | None = None) -> 'HammingIndex':
        """The codes of a ``faiss.IndexBinaryFlat``.

        Args:
            index (faiss.IndexBinaryFlat): Its numbers stay.
            n_bits (int): D, where the last byte is not full.
        """
        faiss = import_faiss()
        if not isinstance(index, faiss.IndexBinaryFlat):
            raise InputError(f'a {type(index).__name__} can not be read; give '
                             f'a faiss.IndexBinaryFlat')
        self = cls(index.d if n_bits is None else n_bits)
        codes = faiss.vector_to_array(index.xb)
        self.add(codes.reshape(-1, index.code_size))
        return self


def nearest_head_codes(
        queries: Array, gallery: Array,
        k: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """The k nearest codes of heads of each query, exactly.

    Sorted by the number of heads that differ and, where it is equal, by
    place in the gallery.

    Args:
        queries, gallery (array): Codes of heads, shapes (Q, M) and (N, M),
            uint8 or uint16.
        k (int): From 1 to N.

    Returns:
        tuple: ``distances``, int32, and ``positions`` in the gallery, int64,
        shape (Q, k), on the CPU.

    Raises:
        InputError: If the codes don't go together, or there are less than k.

    Example:
        >>> gallery = numpy.array([[4, 0, 2], [4, 1, 2], [3, 1, 0]], 'u1')
        >>> distances, positions = imsat.retrieval.nearest_head_codes(
        ...     gallery[1:2], gallery, k=2)
        >>> distances, positions
        (array([[0, 1]], dtype=int32), array([[1, 0]]))
    """
    queries, gallery = check_head_codes(queries, gallery)
    _check_k(k, len(gallery))
    most = gallery.shape[1]
    # A copy, in which all codes' values of a head are side by side.
    blocks = distance_blocks(queries.T, gallery.T.copy(), most, heads=True)
    return _nearest(blocks, len(queries), k, most)


def _shares(n_queries: int, n_bytes: int, k: int) -> list[slice]:
    """Slices of the queries, one for each thread that is worth its start."""
    threads = max(1, min(usable_threads(), n_queries,
                         n_queries * (n_bytes + KEPT * k) // STARTED))
    bounds = numpy.linspace(0, n_queries, threads + 1).astype(int)
    return [slice(*each) for each in zip(bounds, bounds[1:])]


def _search(queries: numpy.ndarray, words: numpy.ndarray, n_bits: int,
            distances: numpy.ndarray, positions: numpy.ndarray) -> None:
    """Writes distances and positions of each query's nearest."""
    if get_numba() is not None:
        from imsat.retrieval import scan
        scan.nearest(queries, words, n_bits, distances, positions)
    else:
        distances[:], positions[:] = _nearest(
            distance_blocks(queries, words, n_bits), len(distances),
            distances.shape[1], n_bits)


def _check_k(k: int, n: int) -> None:
    if not is_whole(k) or not 1 <= k <= n:
        raise InputError(f'k is {shown(k)} for {n} codes; choose a whole '
                         f'number from 1 to {n}')


def _nearest(blocks: Iterable, n_queries: int, k: int,
             most: int) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Distances and positions of each query's k nearest, in order.

    ``blocks`` and ``most`` are those of ``distance_blocks``.
    """
    nearest = [_Nearest(k, most) for _ in range(n_queries)]
    for i, block, distance in blocks:
        nearest[i].offer(distance, block.start)
    distances = numpy.empty((n_queries, k), numpy.int32)
    positions = numpy.empty((n_queries, k), numpy.int64)
    for i, each in enumerate(nearest):
        distances[i], positions[i] = each.finish()
    return distances, positions


class _Nearest:
    """Picks a query's k nearest from the blocks that are offered to it."""

    def __init__(self, k: int, most: int) -> None:
        self.k = k
        # Only what is nearer than this can still be among the k: of equal
        # distances the earlier ones win.
        self.limit = most + 1
        self.parts: list[tuple[numpy.ndarray, numpy.ndarray]] = []
        self.size, self.merge_at = 0, k

    def offer(self, distance: numpy.ndarray, start: int) -> None:
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

    def finish(self) -> tuple[numpy.ndarray, numpy.ndarray]:
        distance, position = _sorted(self.parts)
        return distance[:self.k], position[:self.k]


def _first_of_sorted(
        distance: numpy.ndarray, k: int, most: int) -> numpy.ndarray:
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


def _sorted(
        parts: list[tuple[numpy.ndarray, numpy.ndarray]]
) -> tuple[numpy.ndarray, numpy.ndarray]:
    distance = numpy.concatenate([part[0] for part in parts])
    position = numpy.concatenate([part[1] for part in parts])
    # Parts come in order of position, equal distances within one as well, so
    # that a stable sort (for small integers a radix sort) does the rest.
    order = numpy.argsort(distance, kind='stable')
    return distance[order], position[order]


def import_faiss() -> Any:
    """FAISS, or an InputError that says how to get it."""
    try:
        import faiss
    except ImportError:
        raise InputError("FAISS is not installed; pip install "
                         "'imsat[faiss]'") from None
    return faiss
