import tracemalloc

import numpy
import pytest

import simt
from imsat import InputError
from imsat.retrieval import codes as hamming
from imsat.cuda import launch
from imsat.retrieval.codes import (
    distance_histograms, hamming_distance, on_device, pack_bits, to_numpy,
    unpack_bits)

N_BITS = [1, 7, 8, 16, 31, 32, 33, 64, 100, 255, 256]


def random_bits(n, n_bits, seed=0):
    return numpy.random.RandomState(seed).randint(2, size=(n, n_bits))


def naive_distance(a, b):
    return (a[:, None] != b).sum(axis=2)


@pytest.fixture(params=[1 << 16, 7])
def block(request, monkeypatch):
    """How many codes are taken at a time, on the CPU and by a block of
    threads."""
    monkeypatch.setattr(hamming, 'BLOCK', request.param)
    monkeypatch.setattr(launch, 'MIN_CODES', request.param)


def test_bit_order():
    assert pack_bits([[1, 0, 0], [0, 0, 1]]).tolist() == [[128], [32]]
    assert pack_bits(numpy.eye(9, dtype=bool)[[8]]).tolist() == [[0, 128]]


@pytest.mark.parametrize('n_bits', N_BITS)
def test_round_trip(xp, n_bits):
    bits = random_bits(20, n_bits)
    for given in (bits, bits.astype(bool), bits.astype('f')):
        codes = pack_bits(xp.asarray(given))
        assert codes.dtype == 'u1' and codes.shape == (20, -(-n_bits // 8))
        assert on_device(codes) == (xp is not numpy)
        numpy.testing.assert_array_equal(
            unpack_bits(to_numpy(codes), n_bits), bits)


def test_no_codes(xp):
    codes = to_numpy(pack_bits(xp.asarray(numpy.zeros((0, 9)))))
    assert codes.shape == (0, 2) and unpack_bits(codes, 9).shape == (0, 9)


@pytest.mark.parametrize('bits,message', [
    ([0, 1], 'one row for each'), ([[0, 2]], '0 or 1'), ([[.5]], '0 or 1'),
    ([[numpy.nan]], '0 or 1'), ([[]], '1 to 256'),
    (numpy.zeros((1, 257)), '1 to 256')])
def test_no_bits(bits, message):
    with pytest.raises(InputError, match=message):
        pack_bits(bits)


def test_no_bits_on_device(device):
    with pytest.raises(InputError, match='0 or 1'):
        pack_bits(device.asarray(numpy.array([[0, 2]])))


@pytest.mark.parametrize('codes,n_bits,message', [
    (numpy.zeros((2, 2), 'u1'), 17, r'shape \(N, 3\)'),
    (numpy.zeros((2, 2), 'i1'), 16, 'uint8'),
    (numpy.zeros(2, 'u1'), 16, 'uint8'),
    (numpy.array([[0, 2], [0, 1]], 'u1'), 15, 'beyond the first 15'),
    (numpy.zeros((2, 1), 'u1'), 0, '1 to 256'),
    (numpy.zeros((2, 1), 'u1'), 8., '1 to 256')])
def test_no_codes_of_these_bits(codes, n_bits, message):
    with pytest.raises(InputError, match=message):
        unpack_bits(codes, n_bits)


def test_bits_beyond_on_device(device):
    codes = device.asarray(numpy.array([[0, 2], [0, 1]], 'u1'))
    with pytest.raises(InputError, match='beyond the first 15'):
        distance_histograms(codes, [1, 1], codes, [1, 1], 15)


@pytest.mark.parametrize('n_bits', N_BITS)
def test_distance(xp, block, n_bits):
    a, b = random_bits(9, n_bits), random_bits(30, n_bits, 1)
    b[17] = 1 - a[4]  # all bits differ, of 256 as well
    distance = hamming_distance(xp.asarray(pack_bits(a)),
                                xp.asarray(pack_bits(b)))
    assert distance.dtype == 'u2' and on_device(distance) == (xp is not numpy)
    numpy.testing.assert_array_equal(to_numpy(distance), naive_distance(a, b))


@pytest.mark.parametrize('case', 'ABCDE')
def test_golden(golden, xp, case):
    trace = golden('metrics')(f'hash.{case}')
    q, g = (pack_bits(xp.asarray(trace[key]))
            for key in ('q_codes', 'g_codes'))
    numpy.testing.assert_array_equal(
        to_numpy(hamming_distance(q, g)), trace['hamming'])


def test_distance_between_widths():
    with pytest.raises(InputError, match='16 bits'):
        hamming_distance(numpy.zeros((2, 2), 'u1'), numpy.zeros((2, 3), 'u1'))


@pytest.mark.parametrize('call', [
    lambda here, there: hamming_distance(here, there),
    lambda here, there: hamming_distance(there, here),
    lambda here, there: distance_histograms(here, [1], there, [1], 8)])
def test_arrays_in_two_places(emulator, call):
    code = numpy.zeros((1, 1), 'u1')
    with pytest.raises(InputError, match='some are not; move them'):
        call(code, simt.asarray(code))


@pytest.mark.parametrize('n_bits', [1, 3, 16, 64, 256])
def test_histograms(xp, block, n_bits):
    q, g = random_bits(25, n_bits), random_bits(40, n_bits, 1)
    q[20:], g[30:] = q[:5], g[[3] * 10]
    g[11] = 1 - q[0]
    # The queries' class 4 has no items, the items' class 0 no queries.
    rng = numpy.random.RandomState(2)
    q_labels, g_labels = rng.randint(1, 5, 25), rng.randint(0, 4, 40)
    total, relevant = distance_histograms(
        xp.asarray(pack_bits(q)), xp.asarray(q_labels),
        xp.asarray(pack_bits(g)), g_labels, n_bits)
    assert on_device(total, relevant) == (xp is not numpy)
    total, relevant = to_numpy(total), to_numpy(relevant)
    distance = naive_distance(q, g)
    assert total.dtype == relevant.dtype == 'i8'
    assert total.shape == relevant.shape == (25, n_bits + 1)
    for d in range(n_bits + 1):
        at_d = distance == d
        numpy.testing.assert_array_equal(total[:, d], at_d.sum(axis=1))
        numpy.testing.assert_array_equal(
            relevant[:, d],
            (at_d & (g_labels == q_labels[:, None])).sum(axis=1))


@pytest.mark.parametrize('labels', [
    [1, 2], [[1], [2], [3]], [1., 2., 3.], ['a', 'b', 'c']])
def test_labels_of_histograms(labels):
    codes = numpy.zeros((3, 1), 'u1')
    for call in ((codes, labels, codes, [1] * 3),
                 (codes, [1] * 3, codes, labels)):
        with pytest.raises(InputError, match='labels of 3 codes are .* give'):
            distance_histograms(*call, 8)


def test_duplicates_are_compared_once(monkeypatch):
    sizes = []
    distance_blocks = hamming.distance_blocks

    def spy(queries, gallery, n_bits):
        sizes.extend([queries.shape[1], gallery.shape[1]])
        return distance_blocks(queries, gallery, n_bits)
    monkeypatch.setattr(hamming, 'distance_blocks', spy)
    q, g = pack_bits([[0] * 9] * 7), pack_bits(numpy.eye(9)[[0, 5] * 10])
    total, relevant = distance_histograms(
        q, [0] * 3 + [1] * 4, g, [0] * 11 + [1] * 9, 9)
    assert sizes == [2, 4]  # pairs of code and label
    assert total[:, 1].tolist() == [20] * 7
    assert relevant[:, 1].tolist() == [11] * 3 + [9] * 4


def test_memory_of_histograms():
    q, g = (numpy.random.RandomState(seed).randint(
        256, size=(n, 4)).astype('u1') for seed, n in ((0, 500), (1, 200000)))
    labels = numpy.arange(200000) % 10
    tracemalloc.start()
    distance_histograms(q, labels[:500], g, labels, 32)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 500 x 200,000 distances of a byte would be 100 MB.
    assert peak < 20e6
