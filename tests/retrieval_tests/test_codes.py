import tracemalloc

import numpy
import pytest

import simt
from imsat import InputError
from imsat.retrieval import codes as hamming
from imsat.cuda import launch
from imsat.retrieval.codes import (
    are_on_gpu, code_width, codes_of, count_distinct, distance_histograms,
    hamming_distance, head_codes_of, pack_bits, to_numpy, unpack_bits)

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


@pytest.mark.parametrize('n_bits', range(1, 257))
def test_width(n_bits):
    assert code_width(n_bits) == numpy.packbits(numpy.zeros(n_bits)
                                                .astype(bool)).size


def test_bit_order():
    assert pack_bits([[1, 0, 0], [0, 0, 1]]).tolist() == [[128], [32]]
    assert pack_bits(numpy.eye(9, dtype=bool)[[8]]).tolist() == [[0, 128]]


@pytest.mark.parametrize('n_bits', N_BITS)
def test_round_trip(xp, n_bits):
    bits = random_bits(20, n_bits)
    for given in (bits, bits.astype(bool), bits.astype('f')):
        codes = pack_bits(xp.asarray(given))
        assert codes.dtype == 'u1' and codes.shape == (20, code_width(n_bits))
        assert are_on_gpu(codes) == (xp is not numpy)
        numpy.testing.assert_array_equal(
            unpack_bits(to_numpy(codes), n_bits), bits)


@pytest.mark.parametrize('dtype', 'fd')
def test_codes_of_logits(xp, dtype):
    logits = numpy.random.RandomState(0).randn(20, 19).astype(dtype)
    logits[3, 4], logits[5, 6] = 0, numpy.finfo(dtype).tiny
    expected = [[int(1 / (1 + numpy.exp(-numpy.float64(y))) > .5)
                 for y in row] for row in logits]
    # float64 rounds it to a half.
    assert expected[5][6] == 0
    expected[5][6] = 1
    codes = codes_of(xp.asarray(logits))
    assert are_on_gpu(codes) == (xp is not numpy)
    numpy.testing.assert_array_equal(
        unpack_bits(to_numpy(codes), 19), expected)


@pytest.mark.parametrize('dtype', ['?', 'i4', 'u8', 'f2'])
def test_codes_of_other_numbers(xp, dtype):
    logits = numpy.arange(-3, 6).reshape(1, 9).astype(dtype)
    codes = codes_of(xp.asarray(logits))
    assert unpack_bits(to_numpy(codes), 9).tolist() == [
        [int(y > 0) for y in logits[0]]]


@pytest.mark.parametrize('logits,message', [
    (numpy.zeros((2, 300)), 'codes of 300 bits'),
    (numpy.zeros((3, 0)), 'codes of 0 bits'),
    (numpy.zeros(3), r'shape \(3,\)'), (numpy.zeros((1, 2, 3)), 'a row for'),
    (numpy.zeros((2, 3), 'F'), 'dtype complex64')])
def test_no_logits_of_codes(everywhere, logits, message):
    with pytest.raises(InputError, match=message):
        codes_of(everywhere.asarray(logits))


@pytest.mark.parametrize('sizes,dtype', [
    ([7], 'u1'), ([2, 2, 2], 'u1'), ([7] * 5, 'u1'), ([3, 256, 1], 'u1'),
    ([2, 257], 'u2')])
def test_head_codes_of_logits(array_module, sizes, dtype):
    logits = numpy.random.RandomState(0).randn(20, sum(sizes)).astype('f')
    logits[5] = 0  # a tie of all
    codes = head_codes_of(array_module.asarray(logits), sizes)
    assert type(codes) is numpy.ndarray
    assert codes.dtype == dtype and codes.shape == (20, len(sizes))
    for row, code in zip(logits.tolist(), codes.tolist()):
        for size, value in zip(sizes, code):
            head, row = row[:size], row[size:]
            assert value == head.index(max(head))
        assert row == []


@pytest.mark.parametrize('shape,sizes', [
    ((3, 6), [3, 4]), ((3, 6), [3, 2]), ((6,), [6]), ((3, 2), [2, 0]),
    ((3, 65537), [65537])])
def test_no_logits_of_these_heads(shape, sizes):
    with pytest.raises(InputError, match='a head|a row for each point'):
        head_codes_of(numpy.zeros(shape, 'f'), sizes)


def test_head_of_many_values():
    logits = numpy.zeros((1, 65536), 'f')
    logits[0, -1] = 1
    assert head_codes_of(logits, [65536]).tolist() == [[65535]]


def test_count_distinct():
    assert count_distinct(pack_bits([[0] * 9, [1] * 9, [0] * 9])) == 2
    assert count_distinct(numpy.array([[1, 2], [2, 1], [1, 3]], 'u2')) == 3


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


def test_no_bits_are_on_gpu(device):
    with pytest.raises(InputError, match='0 or 1'):
        pack_bits(device.asarray(numpy.array([[0, 2]])))


MASKED = numpy.ma.array([[0, 1], [1, 0]], mask=[[0, 0], [0, 1]])


@pytest.mark.parametrize('call', [
    pack_bits, codes_of, count_distinct, hamming.check_head_codes,
    lambda x: head_codes_of(x, [2]), lambda x: unpack_bits(x, 16),
    lambda x: hamming_distance(x, x),
    lambda x: distance_histograms(x[:, :1].filled(0), x[:, 1], x, [0, 1], 8)])
@pytest.mark.parametrize('form', [lambda x: x, list], ids=['array', 'rows'])
def test_masked(call, form):
    given = form(MASKED.astype('u1'))
    if form is list and call.__name__ == '<lambda>':
        pytest.skip('takes arrays apart')
    with pytest.raises(InputError, match='values are masked'):
        call(given)


@pytest.mark.parametrize('call', [
    codes_of, lambda x: head_codes_of(to_numpy(x), [2])])
def test_logits_that_are_nan(everywhere, call):
    logits = numpy.array([[1, -1], [numpy.nan, numpy.inf]], 'f')
    with pytest.raises(InputError, match='logits hold NaN'):
        call(everywhere.asarray(logits))
    call(everywhere.asarray(logits[:1]))


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


def test_bits_beyond_are_on_gpu(device):
    codes = device.asarray(numpy.array([[0, 2], [0, 1]], 'u1'))
    with pytest.raises(InputError, match='beyond the first 15'):
        distance_histograms(codes, [1, 1], codes, [1, 1], 15)


@pytest.mark.parametrize('n_bits', N_BITS)
def test_distance(xp, block, n_bits):
    a, b = random_bits(9, n_bits), random_bits(30, n_bits, 1)
    b[17] = 1 - a[4]  # all bits differ, of 256 as well
    distance = hamming_distance(xp.asarray(pack_bits(a)),
                                xp.asarray(pack_bits(b)))
    assert distance.dtype == 'u2' and are_on_gpu(distance) == (xp is not numpy)
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
    assert are_on_gpu(total, relevant) == (xp is not numpy)
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

    def spy(queries, gallery, *args):
        sizes.extend([queries.shape[1], gallery.shape[1]])
        return distance_blocks(queries, gallery, *args)
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


# --- Codes of heads ---------------------------------------------------------
HEADS = [(1, 7), (5, 7), (16, 2), (3, 300), (260, 4)]


def random_head_codes(n, n_heads, n_values, seed=0):
    return numpy.random.RandomState(seed).randint(
        n_values, size=(n, n_heads)).astype('u1' if n_values < 257 else 'u2')


def naive_histograms(q, q_labels, g, g_labels):
    total = numpy.zeros((len(q), q.shape[1] + 1), int)
    relevant = numpy.zeros_like(total)
    for i in range(len(q)):
        for j in range(len(g)):
            distance = sum(int(a) != int(b) for a, b in zip(q[i], g[j]))
            total[i, distance] += 1
            relevant[i, distance] += q_labels[i] == g_labels[j]
    return total, relevant


@pytest.mark.parametrize('n_heads,n_values', HEADS)
def test_histograms_of_heads(array_module, block, n_heads, n_values):
    q = random_head_codes(12, n_heads, n_values)
    g = random_head_codes(40, n_heads, n_values, 1)
    q[10:], g[30:] = q[:2], g[[3] * 10]
    g[11] = q[0] + 1  # all heads differ, of 260 as well
    rng = numpy.random.RandomState(2)
    q_labels, g_labels = rng.randint(1, 5, 12), rng.randint(0, 4, 40)
    histograms = distance_histograms(
        array_module.asarray(q), q_labels, array_module.asarray(g), g_labels,
        None)
    for actual, expected in zip(
            histograms, naive_histograms(q, q_labels, g, g_labels)):
        assert type(actual) is numpy.ndarray and actual.dtype == 'i8'
        numpy.testing.assert_array_equal(actual, expected)


def test_heads_of_two_values_are_bits():
    q, g = random_bits(12, 16), random_bits(40, 16, 1)
    labels = numpy.arange(40) % 3
    ours = distance_histograms(q.astype('u1'), labels[:12], g.astype('u2'),
                               labels, None)
    bits = distance_histograms(pack_bits(q), labels[:12], pack_bits(g),
                               labels, 16)
    numpy.testing.assert_array_equal(ours, bits)


@pytest.mark.parametrize('q,g,message', [
    (numpy.zeros((2, 3), 'u1'), numpy.zeros((2, 4), 'u1'),
     'of 3 and of 4 heads'),
    (numpy.zeros((2, 3), 'i8'), numpy.zeros((2, 3), 'u1'),
     'uint8 or uint16 .* not int64'),
    (numpy.zeros((2, 3), 'u1'), numpy.zeros(2, 'u1'), r'shape \(2,\)'),
    (numpy.zeros((2, 0), 'u1'), numpy.zeros((2, 0), 'u1'),
     r'shape \(2, 0\)')])
def test_no_codes_of_heads(q, g, message):
    with pytest.raises(InputError, match=message):
        distance_histograms(q, [0, 0], g, [0, 0], None)


def test_memory_of_histograms_of_heads():
    q, g = (random_head_codes(n, 16, 10, seed)
            for seed, n in ((0, 100), (1, 200000)))
    labels = numpy.arange(200000) % 10
    tracemalloc.start()
    distance_histograms(q, labels[:100], g, labels, None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The codes take 3.2 MB, 100 x 200,000 distances of 16 heads 320 MB.
    assert peak < 25e6
