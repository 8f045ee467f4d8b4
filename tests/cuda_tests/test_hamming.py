"""Sizes and layouts; tests/test_hamming.py and test_search.py have more."""
import numpy
import pytest
import simt
from chainer.backends.cuda import to_cpu

from imsat.cuda import hamming, launch


def random_codes(n, width, seed=0):
    return numpy.random.RandomState(seed).randint(
        256, size=(n, width)).astype('u1')


def naive_distance(a, b):
    bits = [numpy.unpackbits(codes, axis=1) for codes in (a, b)]
    return (bits[0][:, None] != bits[1]).sum(axis=2)


def naive_nearest(distance, k):
    order = numpy.argsort(distance, axis=1, kind='stable')[:, :k]
    return numpy.take_along_axis(distance, order, axis=1), order


def words(codes, place):
    return hamming.to_words(place(codes))


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('dtype', ['f', 'd', '?'])
@pytest.mark.parametrize('shape', [
    (1, 1), (300, 1), (5, 7), (257, 8), (70, 10), (300, 16), (9, 31),
    (100, 32), (33, 33), (3, 100), (5, 255), (35, 256), (2, 300)])
def test_pack(place, shape, dtype):
    y = numpy.random.RandomState(0).normal(size=shape)
    y = (y > 0 if dtype == '?' else y).astype(dtype)
    codes = hamming.pack_bits(place(y))
    assert codes.dtype == 'u1'
    numpy.testing.assert_array_equal(
        to_cpu(codes), numpy.packbits(y > 0, axis=1))


def test_pack_no_numbers(device):
    y = numpy.array([[numpy.nan, numpy.inf, -numpy.inf, -0., 0., 1e-45]], 'f')
    assert to_cpu(hamming.pack_bits(device.asarray(y))).tolist() == [
        [0b01000100]]


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('width', range(1, 33))
def test_every_width(place, width):
    a, b = random_codes(7, width), random_codes(45, width, 1)
    of_a, of_b = words(a, place), words(b, place)
    numpy.testing.assert_array_equal(
        to_cpu(hamming.from_words(of_b, width)), b)
    numpy.testing.assert_array_equal(
        to_cpu(hamming.distances(of_a, of_b)), naive_distance(a, b))


@pytest.mark.parametrize('n,m', [
    (1, 1), (1, 700), (33, 1), (70, 257), (31, 31)])
def test_pairs(device, n, m):
    a, b = random_codes(n, 5), random_codes(m, 5, 1)
    numpy.testing.assert_array_equal(to_cpu(hamming.distances(
        words(a, device.asarray), words(b, device.asarray))),
        naive_distance(a, b))


# Queries: one; part of a block's; some blocks.  Gallery: less than four
# codes; some tiles and chunks, the last not full.
@pytest.mark.parametrize('n_queries,n,width', [(300, 14, 2)] + [
    (*sizes, width) for width in (1, 2, 5, 13, 32)
    for sizes in ((1, 1), (1, 2345), (3, 3), (33, 130), (2, 1025))])
def test_sizes(device, n_queries, n, width):
    check_search(device.asarray, n_queries, n, width)


def test_layouts(place):
    check_search(place, 3, 50, 5)


def check_search(place, n_queries, n, width):
    """Histograms, the k nearest and all within a radius."""
    n_bits = 8 * width
    # Few distinct codes: many ties.
    q, g = random_codes(n_queries, width), random_codes(20, width, 1)
    g = g[numpy.random.RandomState(0).randint(20, size=n)]
    q[0] = ~g[-1]
    distance = naive_distance(q, g)
    q_words, g_words = words(q, place), words(g, place)

    q_labels, g_labels = numpy.arange(n_queries) % 3, numpy.arange(n) % 4
    total, relevant = map(to_cpu, hamming.histograms(
        q_words, place(q_labels), g_words, place(g_labels), n_bits))
    same = g_labels == q_labels[:, None]
    for i in range(n_queries):
        numpy.testing.assert_array_equal(
            total[i], numpy.bincount(distance[i], minlength=n_bits + 1))
        numpy.testing.assert_array_equal(relevant[i], numpy.bincount(
            distance[i, same[i]], minlength=n_bits + 1))

    for k in {1, (n + 1) // 2, n}:
        for ours, expected in zip(
                hamming.nearest(q_words, g_words, n_bits, k),
                naive_nearest(distance, k)):
            numpy.testing.assert_array_equal(to_cpu(ours), expected)

    r = int(numpy.median(distance))
    ids = numpy.random.RandomState(0).permutation(n) + 2 ** 40
    lims, distances, found = map(to_cpu, hamming.within(
        q_words, g_words, n_bits, r, place(ids)))
    expected_distance, order = naive_nearest(distance, n)
    near = expected_distance <= r
    numpy.testing.assert_array_equal(numpy.diff(lims), near.sum(axis=1))
    assert lims[0] == 0
    numpy.testing.assert_array_equal(distances, expected_distance[near])
    numpy.testing.assert_array_equal(found, ids[order[near]])


def test_warps_that_take_several_queries(device, monkeypatch):
    # 40 blocks of 8 warps for 40 queries times 15 chunks.
    monkeypatch.setattr(launch, 'MAX_BLOCKS', 40)
    monkeypatch.setattr(launch, 'MIN_CODES', 20)
    for n_queries, n, width in (40, 300, 2), (40, 300, 9):
        check_search(device.asarray, n_queries, n, width)


def test_greater_distances_are_not_counted(device):
    q, g = words(random_codes(3, 2), device.asarray), words(
        random_codes(70, 2, 1), device.asarray)
    labels = device.asarray(numpy.zeros(70, 'i8'))
    for some, of_all in zip(*(hamming.histograms(
            q, labels[:3], g, labels, n_bits) for n_bits in (5, 16))):
        numpy.testing.assert_array_equal(to_cpu(some), to_cpu(of_all)[:, :6])


def test_long_chunks(device, monkeypatch):
    # A thread's counters, of 16 bits, are emptied in time.
    monkeypatch.setattr(launch, 'MAX_BLOCKS', 1)
    # Two threads for each of 16 queries, all of which see an equal code.
    n, n_queries = 132_000, 9
    g_words = words(numpy.zeros((n, 32), 'u1'), device.asarray)
    labels = device.asarray(numpy.zeros(n, 'i8'))
    total, relevant = map(to_cpu, hamming.histograms(
        g_words[:, :n_queries], labels[:n_queries], g_words, labels, 256))
    assert (total[:, 0] == n).all() and (relevant[:, 0] == n).all()
    assert not total[:, 1:].any() and not relevant[:, 1:].any()


@pytest.mark.parametrize('n_queries,n', [(0, 5), (3, 0), (0, 0)])
def test_empty(device, n_queries, n):
    q, g = (words(random_codes(size, 3), device.asarray)
            for size in (n_queries, n))
    assert q.shape == (1, n_queries)
    assert hamming.from_words(q, 3).shape == (n_queries, 3)
    assert hamming.distances(q, g).shape == (n_queries, n)
    for labels in hamming.histograms(
            q, device.asarray(numpy.zeros(n_queries, 'i8')), g,
            device.asarray(numpy.zeros(n, 'i8')), 24):
        assert labels.shape == (n_queries, 25) and not labels.any()
    lims, distances, ids = hamming.within(q, g, 24, 24)
    assert lims.shape == (n_queries + 1,) and not lims.any()
    assert distances.shape == ids.shape == (0,)
    if n:
        assert hamming.nearest(q, g, 24, 2)[0].shape == (0, 2)


@pytest.mark.parametrize('call', [
    lambda codes, words: hamming.to_words(codes[:, :0]),
    lambda codes, words: hamming.to_words(codes),
    lambda codes, words: hamming.from_words(words, 0),
    lambda codes, words: hamming.from_words(words, 9),
    lambda codes, words: hamming.from_words(
        simt.asarray(numpy.zeros((3, 4), 'u4')), 9),
    lambda codes, words: hamming.distances(words, words[:1]),
    lambda codes, words: hamming.nearest(words, words, 0, 1),
    lambda codes, words: hamming.nearest(words, words, 65, 1),
    lambda codes, words: hamming.nearest(words, words, 64, 0),
    lambda codes, words: hamming.nearest(words, words, 64, 5),
    lambda codes, words: hamming.within(words, words, 64, -1)])
def test_refusals(emulator, call):
    codes = simt.asarray(random_codes(4, 33))
    of_codes = hamming.to_words(codes[:, :8])
    emulator.launches.clear()
    with pytest.raises(ValueError):
        call(codes, of_codes)
    assert not emulator.launches.get('place_nearest')
    assert not emulator.launches.get('hamming_distances')


def test_the_order_of_threads_does_not_matter(repeats, device, monkeypatch):
    monkeypatch.setattr(launch, 'MIN_CODES', 50)
    q, g = random_codes(40, 2), random_codes(300, 2, 1) & 3
    distance = naive_distance(q, g)
    labels = numpy.arange(300) % 2
    for _ in repeats:
        q_words, g_words = words(q, device.asarray), words(g, device.asarray)
        for ours, expected in zip(hamming.nearest(q_words, g_words, 16, 60),
                                  naive_nearest(distance, 60)):
            numpy.testing.assert_array_equal(to_cpu(ours), expected)
        of_all, of_label = map(to_cpu, hamming.histograms(
            q_words, device.asarray(labels[:40]), g_words,
            device.asarray(labels), 16))
        for d in range(17):
            near = distance == d
            numpy.testing.assert_array_equal(of_all[:, d], near.sum(axis=1))
            numpy.testing.assert_array_equal(of_label[:, d], (
                near & (labels == labels[:40, None])).sum(axis=1))


def test_launches(emulator):
    q = hamming.to_words(simt.asarray(random_codes(4, 2)))
    labels = simt.asarray(numpy.zeros(4, 'i8'))
    emulator.launches.clear()
    hamming.histograms(q, labels, q, labels, 16)
    assert emulator.launches == {'hamming_histograms': 1}
    emulator.launches.clear()
    hamming.nearest(q, q, 16, 2)
    assert emulator.launches == {
        'hamming_histograms': 1, 'scan_rows': 1, 'place_nearest': 1}


@pytest.mark.gpu
def test_more_than_32_bits_of_codes():
    cupy = pytest.importorskip('cupy')
    n = 2 ** 31 + 77
    if cupy.cuda.runtime.memGetInfo()[0] < 16 << 30:
        pytest.skip('a GPU with 16 GB of free memory is needed')
    codes = cupy.zeros((n, 1), 'u1')
    codes[-3:] = 255
    of_all = hamming.to_words(codes)
    query = hamming.to_words(codes[-1:])
    distances, ids = hamming.nearest(query, of_all, 8, 5)
    assert distances.tolist() == [[0, 0, 0, 8, 8]]
    assert ids.tolist() == [[n - 3, n - 2, n - 1, 0, 1]]
    _, _, ids = hamming.within(query, of_all, 8, 0)
    assert ids.tolist() == [n - 3, n - 2, n - 1]
    assert hamming.from_words(of_all, 1)[-4:, 0].tolist() == [
        0, 255, 255, 255]
