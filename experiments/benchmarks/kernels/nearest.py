"""sigma_t, and its two steps: to select neighbours and to measure them."""
import numpy

from benchmarks.kernels.case import FLOAT, Case, direct, on_torch
from imsat.cuda import nearest
from imsat.neighbors import CHUNK, neighbor_distance
from chainer.backend import get_array_module

INDEX = DOUBLE = 8


# --- Selected --------------------------------------------------------------
def products_and_squares(rng, R, N, k):
    """Whole numbers, so that rounding does not change the order."""
    def draw(*shape):
        return rng.integers(
            1 << 20, size=shape, dtype=numpy.int32).astype('f')
    return draw(R, N), draw(N), k


def plain_select(xp, products, squares, k):
    distances = squares - 2 * products
    indices = xp.argsort(distances, axis=1, kind='stable')[:, :k]
    return xp.take_along_axis(distances, indices, axis=1), indices


# --- Measured --------------------------------------------------------------
def candidates(rng, N, d, R, k, rank):
    x = rng.standard_normal((N, d), 'f')
    return x, x[:R].copy(), rng.integers(N, size=(R, k)), rank


def plain_distance(xp, x, points, candidates, rank):
    difference = points[:, None].astype('d') - x[candidates]
    difference *= difference
    return xp.sort(xp.sqrt(difference.sum(axis=2)), axis=1)[:, rank]


def torch_distance(torch, x, points, candidates, rank):
    difference = points[:, None].double() - x[candidates]
    return difference.square().sum(2).sqrt().sort(1)[0][:, rank]


# --- Both, of all points ---------------------------------------------------
def plain_sigma(xp, x, t):
    squares = (x * x).sum(axis=1)
    sigma = xp.empty(len(x), x.dtype)
    for rows in chunks(len(x)):
        distances = squares - 2 * x[rows] @ x.T
        each = xp.arange(len(distances))
        for _ in range(t):  # a sort takes longer
            distances[each, distances.argmin(axis=1)] = xp.inf
        sigma[rows] = xp.sqrt(xp.maximum(
            distances.min(axis=1) + squares[rows], 0))
    return sigma


def torch_sigma(torch, wrap, x, t):
    nearest_of = wrap(lambda rows, x: torch.topk(
        torch.cdist(rows, x), t + 1, largest=False)[0][:, t])
    return lambda: torch.cat([nearest_of(x[rows], x)
                              for rows in chunks(len(x))])


def chunks(n):
    return [slice(i, i + CHUNK) for i in range(0, n, CHUNK)]


# imsat.neighbors takes 2,000 of 70,000 points at a time beside tiles of
# 16,384, and with t = 10 the point itself and two to spare.
CASES = (
    Case(
        name='select_nearest', paper=(dict(R=2_000, N=16_384, k=13),),
        large=(dict(R=2_000, N=65_536, k=13), dict(R=2_000, N=65_536, k=500)),
        tiny=dict(R=3, N=20, k=4), inputs=products_and_squares,
        ours=direct(nearest.select), plain=direct(plain_select),
        # Of equal distances it takes any.
        torch=on_torch(lambda torch, products, squares, k: (
            torch.topk(squares - 2 * products, k, largest=False)[0], None)),
        n_bytes=lambda R, N, k: FLOAT * (R * N + N) + (FLOAT + INDEX) * R * k,
        tolerance=0),
    Case(
        name='distance_of_rank',
        paper=(dict(N=70_000, d=784, R=2_000, k=13, rank=10),),
        large=(dict(N=70_000, d=784, R=20_000, k=13, rank=10),
               dict(N=70_000, d=784, R=2_000, k=103, rank=100)),
        tiny=dict(N=20, d=9, R=3, k=5, rank=3), inputs=candidates,
        ours=direct(nearest.distance_of_rank), plain=direct(plain_distance),
        torch=on_torch(torch_distance),
        # A row of x is read wherever it is a candidate.
        n_bytes=lambda N, d, R, k, rank: (
            FLOAT * d * R * (1 + k) + INDEX * R * k + DOUBLE * R),
        operations=lambda N, d, R, k, rank: dict(
            fp64=2 * R * k * d, convert=2 * R * k * d),
        tolerance=1e-13),  # in float64
    Case(
        name='sigma_t', paper=(dict(N=70_000, d=784, t=10),),
        large=(dict(N=150_000, d=512, t=10),), tiny=dict(N=20, d=9, t=3),
        inputs=lambda rng, N, d, t: (rng.standard_normal((N, d), 'f'), t),
        # The answer is NumPy's, on the CPU.
        ours=direct(lambda x, t: get_array_module(x).asarray(
            neighbor_distance(x, t))),
        plain=direct(plain_sigma), torch=torch_sigma,
        # All products are written and read, and each chunk of rows reads x.
        n_bytes=lambda N, d, t: FLOAT * (
            2 * N * N + len(chunks(N)) * N * d),
        operations=lambda N, d, t: dict(fma=N * N * d),
        at_most=lambda N, d, t: 2000. if (N, d) == (70_000, 784) else None))
