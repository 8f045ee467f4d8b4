"""Search among codes, compiled by numba, which this module needs."""
from typing import Any

import numba
import numpy
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from imsat.functions.compiled import njit

# Codes whose distances are written down at a time, and codes that all
# queries are compared with before others: what the two caches hold.
CHUNK = 256
BLOCK = 8192
VECTOR = 32  # bytes


def _count_differences(typing_context, counts, place, words, row, column,
                       query, lanes):
    """Adds to ``lanes`` counts the bits in which as many words differ.

    counts[place + i] += bitwise_count(words[row, column + i] ^ query), i from
    0 to lanes - 1, as vectors: LLVM would count one word after the other.
    """
    def generate(context, builder, signature, arguments):
        counts_type, _, words_type, *_ = signature.args
        counts, place, words, row, column, query, _ = arguments
        lane = context.get_value_type(words_type.dtype)
        size = lane.width // 8
        vector = ir.VectorType(lane, lanes.literal_value)

        def pointer(array_type, array, *at):
            return builder.bitcast(cgutils.get_item_pointer(
                context, builder, array_type,
                make_array(array_type)(context, builder, array), at),
                vector.as_pointer())
        to = pointer(counts_type, counts, place)
        # Of a mapped file, words may start at any byte.
        differing = builder.load(
            pointer(words_type, words, row, column), align=1)
        queries = ir.Constant(vector, ir.Undefined)
        for i in range(vector.count):
            queries = builder.insert_element(
                queries, query, ir.Constant(ir.IntType(32), i))
        number = builder.call(cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector]),
            f'llvm.ctpop.v{vector.count}{lane}'),
            [builder.xor(differing, queries)])
        builder.store(builder.add(builder.load(to, align=size), number), to,
                      align=size)
        return context.get_dummy_value()

    return numba.types.void(
        counts, numba.types.intp, words, numba.types.intp, numba.types.intp,
        words.dtype, lanes), generate


count_differences: Any = intrinsic(prefer_literal=True)(_count_differences)


@njit()
def _thin(found, places, farthest, k):
    """Moves the k nearest to the front, in their order; returns k."""
    ties = k - (found < farthest).sum()
    kept = 0
    for j in range(len(found)):
        tie = found[j] == farthest
        if found[j] < farthest or tie and ties > 0:
            found[kept], places[kept] = found[j], places[j]
            kept += 1
            ties -= tie
    return kept


@njit()
def nearest(queries, gallery, most, distances, positions):
    """The k nearest codes of each query, sorted by distance and position.

    Args:
        queries, gallery (array): Codes as ``to_words`` gives them.
        most (int): The largest distance that there can be.
        distances, positions (array): Where to write; shape (Q, k), int32 and
            int64.
    """
    n_words, n_queries = queries.shape
    n, k = gallery.shape[1], distances.shape[1]
    # What may be among the k nearest of a query, in order of position.
    found = numpy.empty((n_queries, min(2 * k, n)), numpy.uint16)
    places = numpy.empty(found.shape, numpy.int64)
    size = numpy.zeros(n_queries, numpy.int64)
    # How many of those are at each distance, and up to `farthest`: that of
    # the k-th, and of equal distances the earlier ones win.
    numbers = numpy.zeros((n_queries, most + 1), numpy.int64)
    within = numpy.zeros(n_queries, numpy.int64)
    farthest = numpy.full(n_queries, most + 1)
    counts = numpy.zeros(CHUNK, gallery.dtype)
    lanes = VECTOR // gallery.itemsize
    for block in range(0, n, BLOCK):
        end = min(block + BLOCK, n)
        for i in range(n_queries):
            for start in range(block, end, CHUNK):
                m = min(CHUNK, end - start)
                whole = m - m % lanes
                counts[:] = 0
                for word in range(n_words):
                    query = queries[word, i]
                    if gallery.itemsize == 1:
                        for j in range(0, whole, 32):
                            count_differences(counts, j, gallery, word,
                                              start + j, query, 32)
                    else:
                        for j in range(0, whole, 4):
                            count_differences(counts, j, gallery, word,
                                              start + j, query, 4)
                    for j in range(whole, m):
                        count_differences(counts, j, gallery, word,
                                          start + j, query, 1)
                near = False
                bound = counts.dtype.type(farthest[i])
                for j in range(m):
                    near |= counts[j] < bound
                if not near:
                    continue
                for j in range(m):
                    distance = numpy.int64(counts[j])
                    if distance >= farthest[i]:
                        continue
                    if size[i] == found.shape[1]:
                        size[i] = _thin(found[i], places[i], farthest[i], k)
                        numbers[i, farthest[i]] -= within[i] - k
                        within[i] = k
                    found[i, size[i]] = distance
                    places[i, size[i]] = start + j
                    size[i] += 1
                    numbers[i, distance] += 1
                    within[i] += 1
                    if within[i] < k:
                        continue
                    farthest[i] = min(farthest[i], most)
                    while within[i] - numbers[i, farthest[i]] >= k:
                        within[i] -= numbers[i, farthest[i]]
                        farthest[i] -= 1
    for i in range(n_queries):
        kept = _thin(found[i, :size[i]], places[i], farthest[i], k)
        rank = numpy.cumsum(numbers[i]) - numbers[i]
        for j in range(kept):
            at = rank[found[i, j]]
            rank[found[i, j]] += 1
            distances[i, at], positions[i, at] = found[i, j], places[i, j]
