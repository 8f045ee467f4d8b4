"""Hash codes, and the Hamming distances between them.

A code of D bits is packed into :func:`code_width` bytes, dtype uint8.  Bit 0
is the highest of the first byte, as ``numpy.packbits`` has it; what is left
of the last byte is 0.  Of CuPy's arrays the functions return CuPy's arrays,
computed by the kernels of ``imsat.cuda.hamming``.

A code of M heads (section 3.2.1) is a row of M values, dtype uint8 or uint16.
The distance of two is the number of heads that differ.  There is no limit to
M; the CPU compares them.
"""
from collections.abc import Iterator, Sequence
from typing import Any

import numpy

from imsat.cuda import hamming as kernels
from imsat.cuda import runtime
from imsat.devices import to_numpy
from imsat.errors import InputError
from imsat.hints import Array
from imsat.labels import number_labels
from imsat.parameters import is_sequence, is_whole, shown

MOST_BITS = 256
MOST_VALUES = 1 << 16  # of a head
# Codes at a time: bounds memory, and keeps a block's distances in the cache.
BLOCK = 1 << 16


def code_width(n_bits: int) -> int:
    """The number of bytes that a code takes.

    Args:
        n_bits (int): D, the length of the codes.

    Example:
        >>> imsat.retrieval.code_width(16), imsat.retrieval.code_width(17)
        (2, 3)
    """
    check_n_bits(n_bits)
    return (n_bits + 7) // 8


def pack_bits(bits: Array) -> Array:
    """Packs bits into bytes.

    Args:
        bits (array): Shape (N, D), bool or of zeros and ones, D from 1 to
            256.

    Returns:
        array: Shape (N, :func:`code_width`), uint8; bit 0 is the highest of
        the first byte.

    Raises:
        InputError: If the shape is another, or a value neither 0 nor 1; to
            see the values of any dtype but bool the CPU waits for the GPU.

    Example:
        >>> imsat.retrieval.pack_bits([[1, 0, 0], [0, 0, 1]])
        array([[128],
               [ 32]], dtype=uint8)
    """
    bits = as_array(bits)
    if bits.ndim != 2:
        raise InputError(f'bits have shape {bits.shape}; give one row for '
                         f'each code')
    check_n_bits(bits.shape[1])
    ones = bits == 1
    if bits.dtype != bool and not (ones | (bits == 0)).all():
        raise InputError('bits must be 0 or 1; threshold probabilities at .5 '
                         'first')
    if are_on_gpu(ones):
        return kernels.pack_bits(ones)
    return numpy.packbits(ones, axis=1)


def unpack_bits(codes: Array, n_bits: int) -> numpy.ndarray:
    """The inverse of :func:`pack_bits`, for NumPy arrays.

    Args:
        codes (numpy.ndarray): Packed codes, shape (N, W), uint8.
        n_bits (int): D, the length of the codes.

    Returns:
        numpy.ndarray: Shape (N, D), uint8, 0 or 1.

    Raises:
        InputError: If codes don't have ``n_bits`` bits.

    Example:
        >>> codes = numpy.array([[128], [32]], 'u1')
        >>> imsat.retrieval.unpack_bits(codes, 3)
        array([[1, 0, 0],
               [0, 0, 1]], dtype=uint8)
    """
    return numpy.unpackbits(check_codes(codes, n_bits), axis=1, count=n_bits)


def codes_of(logits: Array) -> Array:
    """Packed codes: a bit is 1 where its probability exceeds a half, strictly.

    Args:
        logits (array): Shape (N, D), float32 or float64.

    Returns:
        array: Shape (N, :func:`code_width`), uint8.

    Raises:
        InputError: If logits are no table of numbers, or NaN; to see that
            the CPU waits for the GPU.

    Example:
        >>> imsat.retrieval.codes_of(numpy.array([[-.3, 0., 2.]]))
        array([[32]], dtype=uint8)
    """
    logits = _check_logits(as_array(logits))
    check_n_bits(logits.shape[1])
    if are_on_gpu(logits) and logits.dtype.char in 'fd':
        return kernels.pack_bits(logits)
    return pack_bits(logits > 0)


def head_codes_of(logits: Array, sizes: Sequence[int]) -> numpy.ndarray:
    """Codes of heads: of each head its most probable value, ties to the first.

    Args:
        logits (array): Shape (N, V_1 + ... + V_M), float32 or float64, those
            of one head after the other.
        sizes (sequence of int): V_1, ..., V_M, each from 1 to 65,536.

    Returns:
        numpy.ndarray: Shape (N, M), uint8, or uint16 where a head has more
        than 256 values.

    Raises:
        InputError: If logits and sizes don't go together, or a logit is NaN.

    Example:
        Two heads, of three values and of two.

        >>> logits = numpy.array([[.1, .7, .2, 3., -1.]])
        >>> imsat.retrieval.head_codes_of(logits, [3, 2])
        array([[1, 0]], dtype=uint8)
    """
    logits = _check_logits(to_numpy(logits))
    if not is_sequence(sizes) or not len(sizes) or not all(
            is_whole(size) and 1 <= size <= MOST_VALUES for size in sizes) \
            or logits.shape[1] != sum(sizes):
        raise InputError(f'logits of shape {logits.shape} are none of heads '
                         f'with {shown(sizes)} values; give as many columns '
                         f'as values, from 1 to {MOST_VALUES:,} a head')
    heads = numpy.split(logits, numpy.cumsum(sizes)[:-1], axis=1)
    return numpy.stack([head.argmax(axis=1) for head in heads], axis=1).astype(
        numpy.uint8 if max(sizes) <= 256 else numpy.uint16)


def _check_logits(logits):
    if logits.ndim != 2 or logits.dtype.kind not in 'fiub':
        raise InputError(f'logits have shape {logits.shape} and dtype '
                         f'{logits.dtype}; give numbers, a row for each point')
    if (logits != logits).any():
        raise InputError('logits hold NaN, of which there is no code; leave '
                         'those points out')
    return logits


def count_distinct(codes: numpy.ndarray) -> int:
    """How many of the codes, of bits or of heads, are different ones.

    Example:
        >>> imsat.retrieval.count_distinct(numpy.array([[7], [0], [7]], 'u1'))
        2
    """
    return len(numpy.unique(check_head_codes(codes)[0], axis=0))


def as_array(x: Any) -> Array:
    """x as a NumPy array; what is on a GPU stays as it is."""
    return x if runtime.current.holds(x) else to_numpy(x)


def are_on_gpu(*arrays: Any) -> bool:
    """Whether all of the arrays are on a GPU.

    Raises:
        InputError: If some are and some are not.
    """
    held = {runtime.current.holds(x) for x in arrays}
    if len(held) > 1:
        raise InputError('some arrays are on a GPU and some are not; move '
                         'them by cupy.asarray or cupy.asnumpy')
    return held.pop()


def check_n_bits(n_bits: int) -> None:
    """Raises InputError unless codes may have ``n_bits`` bits."""
    if not is_whole(n_bits) or not 1 <= n_bits <= MOST_BITS:
        raise InputError(f'codes of {shown(n_bits)} bits are not supported; '
                         f'choose a whole number from 1 to {MOST_BITS}')


def check_codes(codes: Any, n_bits: int) -> Array:
    """The codes as an array, if :func:`pack_bits` may have packed them.

    Raises:
        InputError: If shape or dtype are others, or bits beyond ``n_bits``
            are set.  Where ``n_bits`` is no multiple of 8 the CPU waits for
            the GPU to see that.
    """
    check_n_bits(n_bits)
    codes = as_array(codes)
    width = code_width(n_bits)
    if codes.dtype != numpy.uint8 or codes.ndim != 2 \
            or codes.shape[1] != width:
        raise InputError(
            f'codes of {n_bits} bits are uint8 of shape (N, {width}), not '
            f'{codes.dtype} of shape {codes.shape}; pack them with pack_bits')
    if n_bits % 8 and (codes[:, -1] & (1 << 8 * width - n_bits) - 1).any():
        raise InputError(f'codes have bits set beyond the first {n_bits}; '
                         f'give the number of bits that they were packed '
                         f'from')
    return codes


def check_head_codes(*codes: Any) -> list[numpy.ndarray]:
    """Codes of heads as NumPy arrays of one dtype.

    Raises:
        InputError: If they are not uint8 or uint16 of shape (N, M), with one
            M for all.
    """
    arrays = [to_numpy(x) for x in codes]
    for x in arrays:
        if x.dtype not in (numpy.uint8, numpy.uint16) or x.ndim != 2 \
                or not x.shape[1]:
            raise InputError(
                f'codes of heads are uint8 or uint16 of shape (N, M), not '
                f'{x.dtype} of shape {x.shape}; give the number of each '
                f"head's value")
    widths = sorted({x.shape[1] for x in arrays})
    if len(widths) > 1:
        raise InputError(f'codes of {widths[0]} and of {widths[1]} heads '
                         f"can't be compared; give codes of one model")
    dtype = numpy.result_type(*arrays)
    return [x.astype(dtype, copy=False) for x in arrays]


def hamming_distance(a: Array, b: Array) -> Array:
    """The number of differing bits, of all pairs.

    Args:
        a, b (array): Packed codes, shapes (N, W) and (M, W), uint8.

    Returns:
        array: Shape (N, M), uint16.

    Raises:
        InputError: If the codes differ in width or are not uint8.

    Example:
        >>> a = imsat.retrieval.pack_bits([[0, 0, 0], [0, 1, 1]])
        >>> b = imsat.retrieval.pack_bits([[1, 0, 0]])
        >>> imsat.retrieval.hamming_distance(a, b)
        array([[1],
               [3]], dtype=uint16)
    """
    a = as_array(a)
    n_bits = 8 * a.shape[-1] if a.ndim else 8
    a, b = to_words(check_codes(a, n_bits)), to_words(check_codes(b, n_bits))
    if are_on_gpu(a, b):
        return kernels.distances(a, b)
    result = numpy.empty((a.shape[1], b.shape[1]), numpy.uint16)
    for i, block, distance in distance_blocks(a, b, n_bits):
        result[i, block] = distance
    return result


def to_words(codes: Array) -> Array:
    """Codes in the layout that distances are computed from.

    Returns:
        array: Shape (words, N): column j holds code j, padded with zeros, as
        words of 64 bits, or of 8 if it has at most four of them, which is
        faster; on a GPU as words of 32 bits.
    """
    if are_on_gpu(codes):
        return kernels.to_words(codes)
    n, width = codes.shape
    if width > 4:
        padded = numpy.zeros((n, width + -width % 8), numpy.uint8)
        padded[:, :width] = codes
        codes = padded.view(numpy.uint64)
    return codes.T.copy()


def from_words(words: Array, n_bits: int) -> Array:
    """The inverse of :func:`to_words`."""
    width = code_width(n_bits)
    if are_on_gpu(words):
        return kernels.from_words(words, width)
    codes = words.T.copy().view(numpy.uint8)
    return numpy.ascontiguousarray(codes[:, :width])


def distance_blocks(
        queries: numpy.ndarray, gallery: numpy.ndarray, most: int,
        heads: bool = False
) -> Iterator[tuple[int, slice, numpy.ndarray]]:
    """Distances of each query to BLOCK codes of the gallery at a time.

    Args:
        queries, gallery (array): Codes as :func:`to_words` gives them; those
            of heads transposed.
        most (int): The largest distance that there can be, or more.
        heads (bool): Whether these are codes of heads.

    Yields:
        tuple: ``i``, the number of a query; ``block``, a slice of the
        gallery, in ascending order for each query; ``distance``, shape
        (len(block),), uint8 (a wider type for ``most`` above 255),
        overwritten later.
    """
    n = gallery.shape[1]
    size = min(n, BLOCK)
    every_word = numpy.empty(size, gallery.dtype)
    every_count = numpy.empty(size, numpy.uint8)
    every_distance = numpy.empty(size, numpy.min_scalar_type(most))
    for start in range(0, n, BLOCK):
        block = slice(start, min(start + BLOCK, n))
        words = gallery[:, block]
        part = slice(block.stop - start)
        word, count, distance = (
            every_word[part], every_count[part], every_distance[part])
        differs = count.view(bool)
        for i, query in enumerate(queries.T):
            if heads:
                distance[:] = 0
                for j in range(len(words)):
                    numpy.not_equal(words[j], query[j], out=differs)
                    numpy.add(distance, count, out=distance)
            else:
                numpy.bitwise_xor(words[0], query[0], out=word)
                numpy.bitwise_count(word, out=distance)
                for j in range(1, len(words)):
                    numpy.bitwise_xor(words[j], query[j], out=word)
                    numpy.bitwise_count(word, out=count)
                    numpy.add(distance, count, out=distance)
            yield i, block, distance


def distance_histograms(
        query_codes: Array, query_labels: Array, gallery_codes: Array,
        gallery_labels: Array, n_bits: int | None) -> tuple[Array, Array]:
    """How many gallery items lie at each distance from each query.

    Equal codes of one label are counted once with their number, so that the
    time goes with the distinct ones; not on a GPU.  Memory does not grow
    with Q x N.

    Args:
        query_codes, gallery_codes (array): Shapes (Q, W) and (N, W), packed;
            or (Q, M) and (N, M), of heads.
        query_labels, gallery_labels (array): Shapes (Q,) and (N,), integers;
            they and the codes need not be in the same place.
        n_bits (int): D; None for codes of heads.

    Returns:
        tuple: ``total`` and ``relevant``, shape (Q, D + 1) or (Q, M + 1),
        int64: column d counts the items at distance d, of any label and of
        the query's.

    Raises:
        InputError: If codes don't have ``n_bits`` bits, or labels are no
            integers or not as many.
    """
    heads = n_bits is None
    if n_bits is None:
        queries, gallery = (
            x.T for x in check_head_codes(query_codes, gallery_codes))
        most = len(queries)
    else:
        queries = to_words(check_codes(query_codes, n_bits))
        gallery = to_words(check_codes(gallery_codes, n_bits))
        most = n_bits
    query_labels = _check_labels(query_labels, queries)
    gallery_labels = _check_labels(gallery_labels, gallery)
    if query_labels.dtype != gallery_labels.dtype:
        # int64 and uint64 would meet as float64.
        query_labels, gallery_labels = number_labels(
            to_numpy(query_labels), to_numpy(gallery_labels),
            names=('queries', 'gallery items'))
    if are_on_gpu(queries, gallery):
        return kernels.histograms(
            queries, runtime.current.asarray(query_labels, 'int64'),
            gallery, runtime.current.asarray(gallery_labels, 'int64'), most)
    queries, own_labels, inverse, _ = _distinct(
        queries, to_numpy(query_labels))
    gallery, labels, _, counts = _distinct(gallery, to_numpy(gallery_labels))
    # Sorted by label: the relevant items are a slice.
    first = numpy.searchsorted(labels, own_labels, 'left').tolist()
    last = numpy.searchsorted(labels, own_labels, 'right').tolist()
    # numpy.bincount adds weights up as floats, exactly up to 2**53.
    counts = counts.astype(numpy.float64)
    total = numpy.zeros((len(own_labels), most + 1))
    relevant = numpy.zeros_like(total)
    for i, block, distance in distance_blocks(queries, gallery, most, heads):
        count = counts[block]
        total[i] += numpy.bincount(distance, count, most + 1)
        own = slice(max(first[i] - block.start, 0),
                    max(last[i] - block.start, 0))
        relevant[i] += numpy.bincount(distance[own], count[own], most + 1)
    return (total.astype(numpy.int64)[inverse],
            relevant.astype(numpy.int64)[inverse])


def _check_labels(labels: Any, words: Array) -> numpy.ndarray:
    labels = as_array(labels)
    if labels.shape != words.shape[1:] or labels.dtype.kind not in 'biu':
        raise InputError(
            f'labels of {words.shape[1]} codes are {labels.dtype} of shape '
            f'{labels.shape}; give an integer for each')
    return labels


def _distinct(
        words: numpy.ndarray, labels: numpy.ndarray) -> tuple[
            numpy.ndarray, numpy.ndarray, numpy.ndarray, numpy.ndarray]:
    """Distinct pairs of code and label, sorted by label.

    Returns their words and labels, for each input its pair, and how many
    inputs each pair has.
    """
    order = numpy.lexsort((*words, labels))
    # numpy.take and compress keep each word of all codes contiguous.
    words, labels = words.take(order, axis=1), labels[order]
    new = numpy.ones(len(labels), bool)
    new[1:] = labels[1:] != labels[:-1]
    for word in words:
        new[1:] |= word[1:] != word[:-1]
    pair = numpy.cumsum(new) - 1
    inverse = numpy.empty_like(pair)
    inverse[order] = pair
    return (words.compress(new, axis=1), labels[new], inverse,
            numpy.bincount(pair))
