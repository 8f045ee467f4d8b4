"""Hash codes: packed, laid out as words, compared and searched."""
import math
from typing import Any

import numpy

from benchmarks.kernels.case import FLOAT, Case, direct, on_torch
from imsat.cuda import hamming
from imsat.retrieval import code_width

WORD, INDEX = 4, 8  # bytes


def random_codes(rng, n, D):
    """Packed, shape (n, code_width(D))."""
    return numpy.packbits(rng.integers(2, size=(n, D), dtype='B'), axis=1)


def n_words(D):
    """Of 32 bits, in the layout of the kernels."""
    return next(n for n in (1, 2, 4, 8) if D <= 32 * n)


def distances(xp, a, b):
    """Of all pairs, byte by byte from a table: no CuPy counts bits."""
    table = xp.unpackbits(xp.arange(256, dtype='B')).reshape(-1, 8).sum(
        axis=1).astype('H')
    result = xp.zeros((len(a), len(b)), 'H')
    for i in range(a.shape[1]):
        result += table[a[:, i, None] ^ b[:, i]]
    return result


def words(*inputs):
    """Prepares what kernels take: words in the place of codes."""
    return [hamming.to_words(x) if getattr(x, 'ndim', 0) == 2 else x
            for x in inputs]


def signs(torch, *inputs):
    """Prepares 1 and -1 for bits, as deep hashing is evaluated in PyTorch."""
    def to_signs(codes):
        shifts = torch.arange(8, device=codes.device)
        bits = codes[:, :, None].int() >> shifts & 1
        return 2 * bits.reshape(len(codes), -1).float() - 1
    return [to_signs(x) if hasattr(x, 'device') else x for x in inputs]


def torch_distances(torch, a, b):
    return ((a.shape[1] - a @ b.T) / 2).int()


# --- Layouts ---------------------------------------------------------------
def plain_pack(xp, y):
    bits = xp.zeros((len(y), 8 * code_width(y.shape[1])), bool)
    bits[:, :y.shape[1]] = y > 0
    return xp.packbits(bits.reshape(-1)).reshape(len(y), -1)


def torch_pack(torch, y):
    bits = torch.nn.functional.pad((y > 0).byte(), (0, -y.shape[1] % 8))
    shifts = torch.arange(7, -1, -1, device=y.device, dtype=torch.uint8)
    return (bits.reshape(len(y), -1, 8) << shifts).sum(2, dtype=torch.uint8)


def plain_to_words(xp, codes):
    n, width = codes.shape
    padded = xp.zeros((n, WORD * n_words(8 * width)), 'B')
    padded[:, :width] = codes
    return padded.view('I').T.copy()


# --- Pairs, counted and searched -------------------------------------------
def pairs(rng, Q, N, D):
    return random_codes(rng, Q, D), random_codes(rng, N, D)


def labelled(rng, Q, N, D):
    codes, gallery = pairs(rng, Q, N, D)
    return codes, rng.integers(10, size=Q), gallery, rng.integers(
        10, size=N), D


def plain_histograms(xp, codes, labels, gallery, gallery_labels, D):
    all_pairs = distances(xp, codes, gallery)
    relevant = labels[:, None] == gallery_labels
    counts = xp.empty((2, len(codes), D + 1), int)
    for d in range(D + 1):
        there = all_pairs == d
        counts[0, :, d] = there.sum(axis=1)
        counts[1, :, d] = (there & relevant).sum(axis=1)
    return tuple(counts)


def plain_nearest(xp, codes, gallery, D, k):
    n = len(gallery)
    keys = distances(xp, codes, gallery).astype('q') * n + xp.arange(n)
    keys = xp.sort(keys, axis=1)[:, :k]
    return keys // n, keys % n


def plain_within(xp, codes, gallery, D, r):
    n = len(gallery)
    all_pairs = distances(xp, codes, gallery)
    near = all_pairs <= r
    q, i = xp.nonzero(near)
    keys = xp.sort((q * (r + 1) + all_pairs[q, i]) * n + i)
    lims = xp.zeros(len(codes) + 1, int)
    lims[1:] = xp.cumsum(near.sum(axis=1))
    return lims, keys // n % (r + 1), keys % n


def bytes_of_search(Q, N, D, found):
    """Codes are read twice: to count, and to put what is found in place."""
    return 2 * WORD * n_words(D) * (Q + N) + (4 + INDEX) * found


def compared(times):
    """Operations of codes that are compared so many times."""
    return lambda Q, N, D, **size: dict(popc=times * Q * N * n_words(D))


def bytes_within(Q, N, D, r):
    """With as many results as random codes have on average."""
    share = sum(math.comb(D, d) for d in range(r + 1)) / 2 ** D
    return bytes_of_search(Q, N, D, round(Q * N * share)) + INDEX * (Q + 1)


LAYOUTS: dict[str, Any] = dict(
    paper=(dict(N=70_000, D=16), dict(N=70_000, D=32)),
    large=(dict(N=2_000_000, D=64), dict(N=500_000, D=256)),
    tiny=dict(N=7, D=37), tolerance=0)
CODES: dict[str, Any] = dict(
    n_bytes=lambda N, D: N * (code_width(D) + WORD * n_words(D)), **LAYOUTS)
MNIST = [dict(Q=1_000, N=69_000, D=D) for D in (16, 32)]
PAIRS: dict[str, Any] = dict(
    paper=MNIST, tiny=dict(Q=3, N=7, D=9), tolerance=0)

CASES = (
    Case(
        name='pack_bits', **LAYOUTS,
        inputs=lambda rng, N, D: (rng.standard_normal((N, D), 'f'),),
        ours=direct(hamming.pack_bits), plain=direct(plain_pack),
        torch=on_torch(torch_pack),
        n_bytes=lambda N, D: FLOAT * N * D + N * code_width(D)),
    Case(
        name='codes_to_words', **CODES,
        inputs=lambda rng, N, D: (random_codes(rng, N, D),),
        ours=direct(hamming.to_words), plain=direct(plain_to_words)),
    Case(
        name='words_to_codes', **CODES,
        inputs=lambda rng, N, D: (
            plain_to_words(numpy, random_codes(rng, N, D)), code_width(D)),
        ours=direct(hamming.from_words),
        plain=direct(lambda xp, words, width: xp.ascontiguousarray(
            words.T.copy().view('B')[:, :width]))),
    Case(
        name='hamming_distances', **PAIRS,
        large=(dict(Q=10_000, N=69_000, D=64),
               dict(Q=10_000, N=69_000, D=256)),
        inputs=pairs, ours=direct(hamming.distances, words),
        plain=direct(distances), torch=on_torch(torch_distances, signs),
        operations=compared(1),
        n_bytes=lambda Q, N, D: WORD * n_words(D) * (Q + N) + 2 * Q * N),
    Case(
        name='hamming_histograms', **PAIRS,
        large=(dict(Q=5_000, N=69_000, D=64), dict(Q=500, N=500_000, D=32)),
        inputs=labelled, ours=direct(hamming.histograms, words),
        plain=direct(plain_histograms),
        operations=compared(1),
        at_most=lambda **size: 1. if size == MNIST[0] else None,
        n_bytes=lambda Q, N, D: (WORD * n_words(D) + INDEX) * (Q + N)
        + 2 * INDEX * Q * (D + 1)),
    Case(
        name='hamming_nearest', tolerance=0,
        # Precision is taken of the first 500.
        paper=[dict(size, k=500) for size in MNIST],
        large=(dict(Q=100, N=1_000_000, D=64, k=10),
               dict(Q=100, N=1_000_000, D=64, k=1_000)),
        tiny=dict(Q=3, N=7, D=9, k=4),
        inputs=lambda rng, Q, N, D, k: (*pairs(rng, Q, N, D), D, k),
        ours=direct(hamming.nearest, words), plain=direct(plain_nearest),
        # Of equal distances it takes any.
        torch=on_torch(lambda torch, a, b, D, k: (torch.topk(
            torch_distances(torch, a, b), k, largest=False)[0], None), signs),
        operations=compared(2),
        n_bytes=lambda Q, N, D, k: bytes_of_search(Q, N, D, Q * k)),
    Case(
        name='hamming_within', tolerance=0,
        paper=[dict(size, r=2) for size in MNIST],
        large=(dict(Q=200, N=1_000_000, D=64, r=16),
               dict(Q=200, N=1_000_000, D=32, r=8)),
        tiny=dict(Q=3, N=7, D=9, r=3),
        inputs=lambda rng, Q, N, D, r: (*pairs(rng, Q, N, D), D, r),
        ours=direct(hamming.within, words), plain=direct(plain_within),
        operations=compared(2),
        n_bytes=bytes_within))
