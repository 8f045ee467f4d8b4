"""Arrays of more than 2^31 elements, of which only the last blocks run.

They are zeros that take no memory but for their last rows; where other blocks
would have written there are zeros as well.
"""
import sys

import numpy
import pytest
import simt

from imsat.cuda import (
    affine, batch_normalization_relu, centred_products,
    code_mutual_information, directions, hamming, kernels, launch, nearest,
    sigmoid_kl, sigmoid_mutual_information, softmax_entropy, softmax_kl)

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith('linux'),
    reason='memory that is not reserved is a matter of Linux')

# So many blocks, at most, that the last ones come to the last rows of these.
BLOCKS = 1 << 15
ROWS, WIDTH = BLOCKS * 128 * 103 - 3, 5
N = BLOCKS * 256 * 257 - 5
G = numpy.array(1.5, 'f')


@pytest.fixture(autouse=True)
def vast(emulator, monkeypatch):
    monkeypatch.setattr(launch, 'MAX_BLOCKS', BLOCKS)
    emulator.last_blocks = 1
    return emulator


def last(n, *shape, seed=0):
    """The last n rows of arrays."""
    return numpy.random.RandomState(seed).normal(size=(n, *shape)).astype('f')


def ending_in(tail, n):
    """A virtual array of n rows that ends like this."""
    x = simt.virtual((n, *tail.shape[1:]), tail.dtype)
    assert x.size > 2 ** 31
    x[-len(tail):] = tail
    return x


def assert_close(actual, expected):
    numpy.testing.assert_allclose(
        numpy.asarray(actual), expected, 1e-5,
        1e-5 * numpy.abs(expected).max())


def log_sum_exp(y):
    y = y.astype('d')
    return numpy.log(numpy.exp(y - y.max(axis=1, keepdims=True)).sum(axis=1))


def test_perturbations():
    tail, d = last(3, WIDTH), last(3, WIDTH, seed=1)
    x, radius = ending_in(tail, ROWS), simt.virtual((ROWS,), 'f')
    index = simt.virtual((ROWS,), 'l')
    radius[-3:] = 2
    index[-3:] = numpy.arange(ROWS - 3, ROWS)[::-1]
    moved = directions.perturb(x, ending_in(d, ROWS), radius, index)
    assert_close(moved[-3:], tail + 2 * d / numpy.linalg.norm(
        d, axis=1, keepdims=True))
    key = simt.asarray(numpy.array([1, 2]))
    batch, moved = directions.perturb_randomly(x, index, key, radius=radius)
    assert (numpy.asarray(batch[-3:]) == tail[::-1]).all()
    assert_close(numpy.linalg.norm(moved[-3:] - batch[-3:], axis=1),
                 numpy.full(3, 2))


def test_groups_of_batch_normalization():
    # The last block has the last group, and the last columns of all.
    groups, size = 60_000, ROWS // 60_000
    tail = last(size, WIDTH)
    x = ending_in(tail, groups * size)
    one, zero = (simt.asarray(numpy.full(WIDTH, value, 'f'))
                 for value in (1, 0))
    y, saved = batch_normalization_relu.forward_groups(x, one, zero, groups)
    last_columns = slice(WIDTH - WIDTH % 4, None)
    normal = (tail - tail.mean(axis=0)) / numpy.sqrt(tail.var(axis=0) + 2e-5)
    assert_close(y[-size:, last_columns],
                 numpy.maximum(normal, 0)[:, last_columns])


def test_softmax_entropy():
    tail = last(3, WIDTH)
    y = ending_in(tail, ROWS)
    _, saved = softmax_entropy.forward(y)
    assert_close(saved.largest[-3:], tail.max(axis=1))
    assert_close(saved.log_sum[-3:], log_sum_exp(tail))
    gy = softmax_entropy.backward(y, saved, simt.asarray(G))
    p = numpy.exp(tail - tail.max(axis=1, keepdims=True)
                  - log_sum_exp(tail)[:, None])
    slope = -(numpy.log(p + 1e-8) + p / (p + 1e-8))
    assert_close(gy[-3:], G / ROWS * p * (
        slope - (p * slope).sum(axis=1, keepdims=True)))


def test_softmax_entropy_by_columns():
    # Logits are 0, but for the last row, whose first column has all of p.
    y = simt.virtual((ROWS, WIDTH), 'f')
    y[-1, 0] = 100
    log_sum, largest = (simt.virtual(ROWS, 'f') for _ in range(2))
    largest[-1] = 100
    shape, chunk = launch.columns(ROWS, WIDTH)
    chunks = shape.grid[1]
    scaled, offsets = (simt.virtual((chunks, WIDTH), 'f') for _ in range(2))
    source, = (k for k in kernels.all_kernels()
               if k.name == 'softmax_entropy.cu')
    source.launch(
        'softmax_entropy_columns', shape,
        (y, largest, log_sum, ROWS, WIDTH, chunk, 1e-8, offsets, scaled),
        T='float32')
    n = ROWS - (chunks - 1) * chunk  # of p = 1 before the sum is known
    assert scaled[-1].tolist() == [n] + (WIDTH - 1) * [n - 1]


def test_sigmoid_mutual_information():
    tail = last(3, WIDTH)
    y = ending_in(tail, ROWS)
    _, saved = sigmoid_mutual_information.forward(y)
    p = 1 / (1 + numpy.exp(-tail.astype('d')))
    assert_close(saved.p[-3:], p)
    gy = sigmoid_mutual_information.backward(y, saved, simt.asarray(G))
    assert_close(gy[-3:], G / ROWS * p * (1 - p) * -tail)


@pytest.mark.parametrize('sizes', [[2, 3], [5]])
def test_code_mutual_information(sizes):
    tail = last(3, WIDTH)
    y = ending_in(tail, ROWS)
    _, saved = code_mutual_information.forward(y, sizes)
    first = tail[:, :sizes[0]]
    assert_close(saved.largest[-3:, 0], first.max(axis=1))
    assert_close(saved.log_sum[-3:, 0], log_sum_exp(first))
    p = numpy.exp(first - first.max(axis=1, keepdims=True)
                  - log_sum_exp(first)[:, None])
    assert_close(saved.p[-3:, :sizes[0]], p)
    gy = code_mutual_information.backward(y, sizes, saved, simt.asarray(G))
    assert_close(gy[-3:, :sizes[0]], G / ROWS * p * (
        (p * numpy.log(p)).sum(axis=1, keepdims=True) - numpy.log(p)))


def test_centred_products(monkeypatch):
    monkeypatch.setattr(launch, 'MAX_BLOCKS', 4 * 65535)
    tail, mean = last(3, 64), simt.virtual(64, 'f')
    n = 2 ** 25 + 3
    x = ending_in(tail, n)
    parts = centred_products.covariances(x, mean)
    assert_close(parts[-1], tail.T.astype('d') @ tail / n)
    matrix = last(64, 64, seed=1)
    assert_close(centred_products.times(x, mean, simt.asarray(matrix))[-3:],
                 tail.astype('d') @ matrix)


def test_softmax_kl():
    tails = last(3, WIDTH), last(3, WIDTH, seed=1)
    ys = [ending_in(tail, ROWS) for tail in tails]
    value, saved = softmax_kl.forward(*ys)
    log_p, log_q = (
        tail - tail.max(axis=1, keepdims=True) - log_sum_exp(tail)[:, None]
        for tail in tails)
    p, q = numpy.exp(log_p), numpy.exp(log_q)
    assert_close(value, (p * (log_p - log_q)).sum() / ROWS)
    gy0, gy1 = softmax_kl.backward(*ys, saved, simt.asarray(G))
    assert_close(gy1[-3:], G / ROWS * (q - p))
    slope = log_p - log_q
    assert_close(gy0[-3:], G / ROWS * p * (
        slope - (p * slope).sum(axis=1, keepdims=True)))


def test_sigmoid_kl():
    tails = last(3, 1), last(3, 1, seed=1)
    value = sigmoid_kl.forward(*(ending_in(tail, N) for tail in tails))
    p, q = (1 / (1 + numpy.exp(-tail.astype('d'))) for tail in tails)
    assert_close(value, (p * numpy.log(p / q) + (1 - p) * numpy.log(
        (1 - p) / (1 - q))).sum() / N)


def test_random_directions():
    d = directions.random((ROWS, WIDTH), 'f', 1)
    assert d.size > 2 ** 31
    numpy.testing.assert_allclose(
        numpy.linalg.norm(d[-100:], axis=1), 1, 1e-5)
    assert abs(numpy.corrcoef(d[-100:-50].ravel(),
                              d[-50:].ravel())[0, 1]) < .3


def test_scale_rows():
    tail, radius = last(3, WIDTH), simt.virtual(ROWS, 'f')
    radius[-3:] = [1, 2, 3]
    out = directions.scale_rows(ending_in(tail, ROWS), radius)
    assert_close(out[-3:], tail * numpy.array([[1], [2], [3]])
                 / numpy.linalg.norm(tail, axis=1, keepdims=True))


def test_batch_normalization_relu():
    tail = 1e4 * last(3, WIDTH)
    x = ending_in(tail, ROWS)
    gamma, beta = (simt.asarray(numpy.full(WIDTH, c, 'f')) for c in (2, 5))
    y, _ = batch_normalization_relu.forward(x, gamma, beta, 1)
    mean = tail.sum(axis=0, dtype='d') / ROWS
    var = numpy.square(tail.astype('d')).sum(axis=0) / ROWS - mean ** 2
    z = 2 * (tail - mean) / numpy.sqrt(var + 1) + 5
    assert_close(y[-3:], numpy.maximum(z, 0))
    # (The first blocks write them, and the gradients of gamma and beta.)
    saved = [simt.asarray(a, 'f') for a in (mean, 1 / numpy.sqrt(var + 1))]
    gy = last(3, WIDTH, seed=1)
    gx, _, _ = batch_normalization_relu.backward(
        x, gamma, beta, saved, ending_in(gy, ROWS))
    gz, unit = gy * (z > 0), (z - 5) / 2
    assert_close(gx[-3:], 2 / numpy.sqrt(var + 1) * (
        gz - gz.sum(axis=0) / ROWS
        - unit * ((gz * unit).sum(axis=0) / ROWS)))


def test_affine():
    n = BLOCKS * 84
    tail = last(1, 28, 28)
    x = ending_in(tail, n)
    matrix = simt.virtual((n, 2, 3), 'd')
    matrix[-1] = [[0, 1, 0], [1, 0, 0]]  # rows become columns
    assert_close(affine.forward(x, matrix)[-1], tail[0].T)
    assert_close(affine.backward(x, matrix)[-1], tail[0].T)


def test_random_matrices():
    n = BLOCKS * 256 * 43 - 5
    matrix = affine.random_matrices(n, 1, rotation=.5)
    assert matrix.size > 2 ** 31
    a = matrix[-100:, :, :2]
    numpy.testing.assert_allclose(
        a @ a.transpose(0, 2, 1), numpy.tile(numpy.eye(2), (100, 1, 1)),
        atol=1e-12)
    assert len(numpy.unique(a[:, 0, 1])) == 100


def test_select():
    n_rows, columns = BLOCKS, 65_792
    products = simt.virtual((n_rows, columns), 'f')
    assert products.size > 2 ** 31
    products[-1, -3:] = [2, 3, 1]
    values, indices = nearest.select(products, simt.virtual(columns, 'f'), 4)
    assert values[-1].tolist() == [-6, -4, -2, 0]
    assert indices[-1].tolist() == [columns - 2, columns - 3, columns - 1, 0]


def test_distance_of_rank():
    tail = last(3, 64)
    x = ending_in(tail, 2 ** 25 + 9)
    candidates = simt.asarray(len(x) - numpy.array([[3, 2, 1]]))
    distance = nearest.distance_of_rank(x, x[-3:-2], candidates, 1)
    assert_close(distance[-1], min(
        numpy.linalg.norm(tail[0] - tail[i]) for i in (1, 2)))


def test_pack_bits():
    bits = numpy.random.RandomState(0).randint(2, size=(9, WIDTH)).astype('?')
    n = BLOCKS * 128 * 103
    codes = hamming.pack_bits(ending_in(bits, n))
    assert (codes[-9:] == numpy.packbits(bits, axis=1)).all()


def test_words():
    codes = numpy.random.RandomState(0).randint(
        256, size=(9, 1)).astype('u1')
    words = hamming.to_words(ending_in(codes, N))
    assert (words[0, -9:] == codes[:, 0]).all()
    assert (hamming.from_words(words, 1)[-9:] == codes).all()


def test_distances():
    a, b = simt.virtual((1, 1 << 16), 'I'), simt.virtual(
        (1, (1 << 15) + 300), 'I')
    a[0, -2:], b[0, -3:] = [1, 3], [7, 0, 1]
    distances = hamming.distances(a, b)
    assert distances.size > 2 ** 31
    assert distances[-2:, -3:].tolist() == [[2, 1, 0], [1, 2, 1]]


@pytest.fixture
def gallery():
    """More than 2^31 codes, and more than 2^34 bits."""
    words = simt.virtual((1, N), 'I')
    words[0, -3:] = [255, 1, 255]
    return words


def test_histograms(gallery):
    labels = simt.virtual(N, 'q')
    labels[-1] = 5
    total, relevant = hamming.histograms(
        gallery[:, -1:], labels[-1:], gallery, labels, 8)
    chunk = launch.histograms(1, N, 1, 10)[1]
    n = N - (launch.ceil_div(N, chunk) - 1) * chunk
    assert total.tolist() == [[2, 0, 0, 0, 0, 0, 0, 1, n - 3]]
    assert relevant.tolist() == [[1] + 8 * [0]]


def test_search(gallery):
    query = gallery[:, -1:]
    chunk = launch.histograms(1, N, 1, 10)[1]
    first = (launch.ceil_div(N, chunk) - 1) * chunk  # others are not run
    distances, ids = hamming.nearest(query, gallery, 8, 5)
    assert distances.tolist() == [[0, 0, 7, 8, 8]]
    assert ids.tolist() == [[N - 3, N - 1, N - 2, first, first + 1]]
    lims, distances, ids = hamming.within(query, gallery, 8, 7)
    assert lims.tolist() == [0, 3] and distances.tolist() == [0, 0, 7]
    assert ids.tolist() == [N - 3, N - 1, N - 2]
