"""NumPy's normal numbers in less time."""
import functools
import math

import numpy

from imsat.functions.compiled import compiled

# Fewer are drawn as fast by NumPy.
LEAST = 1 << 13
# Where the ziggurat's lowest strip becomes the tail, and its strips.
TAIL = 3.6541528853610087963519472518
STRIPS = 256
# Pairs of words of random bits, of which the memory is at hand.
BLOCK = 1 << 12


def standard_normal(rng, shape, dtype):
    """``rng.standard_normal(shape, dtype)``, the same numbers to the last bit.

    Of float32 NumPy calls two functions for each.  With numba their random
    bits come all at once, and one loop makes numbers of these, by the
    ziggurat of Marsaglia and Tsang (2000) as NumPy has it.

    Args:
        rng (numpy.random.Generator): Left where NumPy would leave it.

    Returns:
        numpy.ndarray: Of this shape and dtype.

    Example:
        >>> from imsat.functions.normal_numbers import standard_normal
        >>> rng = numpy.random.default_rng(0)
        >>> standard_normal(rng, (2, 3), 'f').shape
        (2, 3)
    """
    if numpy.dtype(dtype) != numpy.float32 or math.prod(shape) < LEAST \
            or type(rng.bit_generator) is not numpy.random.PCG64 \
            or _ziggurat() is None or not _is_the_same():
        return rng.standard_normal(shape, dtype=dtype)
    return _draw(rng, shape)


@functools.cache
def _is_the_same():
    """Whether this is still what NumPy does."""
    ours, numpys = (numpy.random.default_rng(0) for _ in range(2))
    shape = 50001,
    return numpy.array_equal(_draw(ours, shape), numpys.standard_normal(
        shape, dtype='f')) and ours.random() == numpys.random()


def _draw(rng, shape):
    out = numpy.empty(shape, 'f')
    numbers, bits = out.reshape(-1), rng.bit_generator
    with bits.lock:
        before = bits.state
        # The half of a pair that was left comes first.
        words = numpy.array(before['has_uint32'] * [before['uinteger']], 'u4')
        taken, filled = -len(words), 0
        try:
            while filled < len(numbers):
                words = numpy.concatenate(
                    [words, bits.random_raw(BLOCK).view('u4')])
                filled, used = _ziggurat()(words, *_tables(), numbers, filled)
                words, taken = words[used:], taken + used
        finally:
            bits.state = before
        bits.state = {**before, 'has_uint32': 0}
        bits.advance(taken // 2)
        if taken % 2:
            rng.integers(1 << 32, dtype=numpy.uint32)
    return out


@functools.cache
def _tables():
    """For each strip its width by 2^23, the share of it below the next in
    2^-23, and its height."""
    def height(x):
        return math.exp(-x * x / 2)
    area = TAIL * height(TAIL) \
        + math.sqrt(math.pi / 2) * math.erfc(TAIL / math.sqrt(2))
    ends = [TAIL, area / height(TAIL)]
    while len(ends) < STRIPS:
        ends.insert(0, math.sqrt(-2 * math.log(
            area / ends[0] + height(ends[0]))))
    x = numpy.array([0., *ends])
    widths = numpy.array([x[-1], *x[1:-1]])
    below = numpy.array([TAIL, *x[:-2]]) / widths
    return ((widths / 2 ** 23).astype('f'),
            numpy.rint(below * 2 ** 23).astype('u4'),
            numpy.exp(-x[:-1] ** 2 / 2).astype('f'))


@compiled()
def _ziggurat(words, widths, below, heights, out, i):
    """Numbers from the ith on, and how many words were used up; it ends where
    they don't suffice for another."""
    unit, half = numpy.float32(2 ** -24), -.5
    tail, inverse = numpy.float32(TAIL), numpy.float32(1 / TAIL)
    k, used, n = 0, 0, len(words)
    while i < len(out) and k < n:
        word = words[k]
        k += 1
        strip = word & numpy.uint32(255)
        share = word >> numpy.uint32(9)
        x = numpy.float32(numpy.int32(share)) * widths[strip]
        if word & numpy.uint32(256):
            x = -x
        if share >= below[strip]:
            if strip == 0:
                is_found = False
                while k + 2 <= n and not is_found:
                    a = -inverse * numpy.log1p(-numpy.float32(
                        words[k] >> numpy.uint32(8)) * unit)
                    b = -numpy.log1p(-numpy.float32(
                        words[k + 1] >> numpy.uint32(8)) * unit)
                    k += 2
                    is_found = b + b > a * a
                if not is_found:
                    break
                x = tail + a
                if share & numpy.uint32(256):
                    x = -x
            elif k == n:
                break
            else:
                u = numpy.float32(words[k] >> numpy.uint32(8)) * unit
                k += 1
                height = (heights[strip - 1] - heights[strip]) * u \
                    + heights[strip]
                if height >= math.exp(half * x * x):
                    continue
        out[i] = x
        i += 1
        used = k
    return i, used
