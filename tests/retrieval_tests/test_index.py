import copy
import sys
import tracemalloc

import numpy
import pytest
from threadpoolctl import threadpool_limits

import simt
from imsat import HammingIndex, InputError
from imsat.retrieval import codes as hamming
from imsat.retrieval import index as module
from imsat.cuda import launch
from imsat.retrieval.codes import (
    are_on_gpu, hamming_distance, pack_bits, to_numpy)
from imsat.retrieval.index import nearest_head_codes
from imsat.storage import load_npz, save_npz

N_BITS = [1, 8, 16, 31, 32, 64, 100, 256]


def random_codes(n, n_bits, seed=0, n_distinct=60):
    """Codes with many duplicates and, of few bits, many ties."""
    rng = numpy.random.RandomState(seed)
    distinct = rng.randint(2, size=(n_distinct, n_bits))
    return pack_bits(distinct[rng.randint(n_distinct, size=n)])


def naive_search(queries, codes, ids, k):
    distance = hamming_distance(queries, codes)
    order = numpy.argsort(distance, axis=1, kind='stable')[:, :k]
    return (numpy.take_along_axis(distance, order, axis=1),
            numpy.asarray(ids)[order])


def assert_search(index, queries, codes, ids, k):
    distances, found = index.search(queries, k)
    assert (distances.dtype, found.dtype) == ('i4', 'i8')
    assert are_on_gpu(distances, found) == are_on_gpu(queries)
    for ours, expected in zip((distances, found), naive_search(
            to_numpy(queries), codes, ids, k)):
        numpy.testing.assert_array_equal(to_numpy(ours), expected)


def build(codes, n_bits, xp=numpy):
    index = HammingIndex(n_bits)
    index.add(xp.asarray(codes))
    return index


@pytest.fixture(params=[1 << 16, 64, 7])
def block(request, monkeypatch):
    """How many codes are taken at a time, on the CPU and by a block of
    threads."""
    monkeypatch.setattr(module, 'get_numba', lambda: None)
    monkeypatch.setattr(hamming, 'BLOCK', request.param)
    monkeypatch.setattr(launch, 'MIN_CODES', request.param)


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('n_bits', N_BITS)
def test_search(xp, block, n_bits):
    codes = random_codes(300, n_bits)
    queries = xp.asarray(random_codes(9, n_bits, 1))
    index = build(codes, n_bits, xp)
    for k in (1, 10, 100, 299, 300):
        assert_search(index, queries, codes, range(300), k)
        assert_search(index, queries[:1], codes, range(300), k)


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('n_bits', N_BITS)
def test_codes_without_duplicates(xp, block, n_bits):
    codes, queries = random_codes(500, n_bits, 0, 10 ** 5), random_codes(
        5, n_bits, 1, 10 ** 5)
    for k in (1, 30, 500):
        assert_search(build(codes, n_bits, xp), xp.asarray(queries), codes,
                      range(500), k)


@pytest.mark.by_turns(2)
@pytest.mark.parametrize('threads', [1, 3])
@pytest.mark.parametrize('n_bits', N_BITS)
def test_search_by_numba(n_bits, threads, monkeypatch):
    pytest.importorskip('numba', reason='numba is not installed')
    monkeypatch.setattr(module, 'STARTED', 1)  # a thread pays at once
    # More than a block, and no multiple of anything; near ones come last.
    codes = random_codes(20011, n_bits, 0, 3000)
    queries = random_codes(60, n_bits, 1, 3000)
    far_first = numpy.argsort(-hamming_distance(queries[:1], codes)[0]
                              .astype(int), kind='stable')
    with threadpool_limits(threads):
        for given in codes, codes[far_first], codes[:33], codes[:31]:
            index = build(given, n_bits)
            for k in 1, 10, 700, len(given) - 1, len(given):
                if k <= len(given):
                    assert_search(index, queries[:9 if k > 700 else 60],
                                  given, range(len(given)), k)


def test_who_searches(xp, monkeypatch):
    index = build(random_codes(1200, 16), 16, xp)
    assert repr(index).startswith(
        'HammingIndex(n_bits=16) of 1,200 codes, searched by ')
    if xp is not numpy:
        assert repr(index).endswith(' a GPU')
        return
    monkeypatch.setattr(module, 'get_numba', lambda: None)
    assert repr(index).endswith(' NumPy')


def test_equal_codes_come_by_insertion(xp, block):
    codes = numpy.zeros((200, 2), 'u1')
    codes[50:60] = 255
    distances, ids = map(to_numpy, build(codes, 16, xp).search(
        xp.asarray(codes[55:56]), 25))
    assert distances[0].tolist() == [0] * 10 + [16] * 15
    assert ids[0].tolist() == list(range(50, 60)) + list(range(15))


def test_memory_where_the_nearest_come_last(monkeypatch):
    monkeypatch.setattr(hamming, 'BLOCK', 500)
    bits = numpy.tri(256)[::-1]  # 256 to 1 bits set
    index = build(pack_bits(numpy.repeat(bits, 500, axis=0)), 256)
    queries = numpy.zeros((10, 32), 'u1')
    tracemalloc.start()
    distances, ids = index.search(queries, 500)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (distances == 1).all()
    assert ids[0].tolist() == list(range(255 * 500, 256 * 500))
    # 500 of each block, with a distance of 2 bytes and a position of 8, would
    # be 13 MB.
    assert peak < 6e6


def test_distance_of_256(xp):
    index = build(numpy.zeros((3, 32), 'u1'), 256, xp)
    distances, _ = index.search(xp.asarray(numpy.full((1, 32), 255, 'u1')), 3)
    assert distances.tolist() == [[256] * 3]


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('n_bits', N_BITS)
def test_radius(xp, block, n_bits):
    codes = random_codes(300, n_bits)
    queries = random_codes(9, n_bits, 1)
    distance = hamming_distance(queries, codes)
    for r in (0, 2, n_bits // 2, n_bits, n_bits + 9):
        lims, distances, ids = build(codes, n_bits, xp).search_radius(
            xp.asarray(queries), r)
        assert are_on_gpu(lims, distances, ids) == (xp is not numpy)
        lims, distances, ids = map(to_numpy, (lims, distances, ids))
        assert (lims.dtype, distances.dtype, ids.dtype) == ('i8', 'i4', 'i8')
        numpy.testing.assert_array_equal(
            numpy.diff(lims), (distance <= r).sum(axis=1))
        expected = naive_search(queries, codes, range(300), 300)
        for i in range(9):
            own = slice(lims[i], lims[i + 1])
            size = lims[i + 1] - lims[i]
            numpy.testing.assert_array_equal(distances[own],
                                             expected[0][i, :size])
            numpy.testing.assert_array_equal(ids[own], expected[1][i, :size])


@pytest.mark.parametrize('n_bits', [8, 31, 100])
def test_add_and_remove(xp, block, n_bits):
    codes = random_codes(120, n_bits)
    queries = xp.asarray(random_codes(5, n_bits, 1))
    given = xp.asarray(codes)
    index = HammingIndex(n_bits)
    assert len(index) == 0
    assert index.add(given[:50]).tolist() == list(range(50))
    assert index.add(given[50:51]).tolist() == [50]
    assert_search(index, queries, codes[:51], range(51), 51)
    index.remove(range(20, 40))
    left = [*range(20), *range(40, 51)]
    assert len(index) == 31
    assert_search(index, queries, codes[left], left, 31)
    # Numbers are not given again, not even the last one.
    index.remove([50])
    assert index.add(given[51:]).tolist() == list(range(51, 120))
    left = [*range(20), *range(40, 50), *range(51, 120)]
    numpy.testing.assert_array_equal(index.ids, left)
    numpy.testing.assert_array_equal(to_numpy(index.codes), codes[left])
    assert_search(index, queries, codes[left], left, 40)
    index.remove(xp.asarray(index.ids))
    assert len(index) == 0 and index.add(given[:1]).tolist() == [120]


@pytest.mark.parametrize('n_bits', N_BITS)
def test_arrays_of_others(xp, n_bits):
    codes = random_codes(20, n_bits)
    given, index = xp.asarray(codes.copy()), HammingIndex(n_bits)
    for array in (index.add(given), given, index.ids, index.codes):
        array[:] = 0
        numpy.testing.assert_array_equal(to_numpy(index.codes), codes)
        numpy.testing.assert_array_equal(index.ids, numpy.arange(20))


def test_remove_nothing():
    index = build(random_codes(5, 8), 8)
    index.remove([])
    assert len(index) == 5


@pytest.mark.parametrize('n_bits', N_BITS)
def test_save_and_load(tmp_path, xp, n_bits):
    index = build(random_codes(50, n_bits), n_bits, xp)
    index.remove([0, 7, 49])
    index.save(tmp_path / 'index.npz')
    loaded = HammingIndex.load(tmp_path / 'index.npz')
    index = index.to_cpu()
    numpy.testing.assert_array_equal(loaded.codes, index.codes)
    numpy.testing.assert_array_equal(loaded.ids, index.ids)
    assert loaded.n_bits == n_bits
    assert loaded.add(index.codes[:1]).tolist() == [50]
    queries = random_codes(4, n_bits, 1)
    assert_search(loaded, queries, loaded.codes, loaded.ids, 12)


@pytest.mark.parametrize('n_bits', [100])
def test_what_was_loaded_stays_on_disk(tmp_path, n_bits):
    path, codes = tmp_path / 'index.npz', random_codes(40000, n_bits)
    build(codes, n_bits).save(path)
    queries = random_codes(4, n_bits, 1)
    tracemalloc.start()
    index = HammingIndex.load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500e3  # and it is 960 kB
    for engine in module.get_numba, lambda: None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, 'get_numba', engine)
            assert_search(index, queries, codes, range(40000), 30)
    # It can be changed, and written to where it came from.
    index.remove([0, 5])
    index.add(codes[:1])
    index.save(path)
    again = HammingIndex.load(path)
    numpy.testing.assert_array_equal(
        again.codes, numpy.concatenate([numpy.delete(codes, [0, 5], 0),
                                        codes[:1]]))
    numpy.testing.assert_array_equal(again.ids, index.ids)


def test_damage_to_what_stays_on_disk(tmp_path):
    path = tmp_path / 'index.npz'
    build(random_codes(40000, 16), 16).save(path)
    whole = bytearray(path.read_bytes())
    for at in len(whole) // 4, len(whole) - 20000:
        damaged = whole.copy()
        damaged[at] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(InputError, match='damaged'):
            HammingIndex.load(path)


def test_load_what_version_0_1_0_saved(tmp_path):
    codes = random_codes(5, 19)
    save_npz(tmp_path / 'index.npz', {
        'n_bits': 19, 'codes': codes, 'ids': numpy.arange(2, 7),
        'next_id': 9})
    index = HammingIndex.load(tmp_path / 'index.npz')
    numpy.testing.assert_array_equal(index.codes, codes)
    assert index.add(codes[:1]).tolist() == [9]


def test_there_and_back(device):
    codes, queries = random_codes(50, 19), random_codes(4, 19, 1)
    index = build(codes, 19)
    index.remove([7])
    left = numpy.delete(numpy.arange(50), 7)
    for _ in range(2):
        assert_search(index.to_gpu(), device.asarray(queries), codes[left],
                      left, 49)
        assert_search(index.to_cpu(), queries, codes[left], left, 49)
    assert index.add(codes[:1]).tolist() == [50]


def test_no_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, 'cupy', None)
    with pytest.raises(InputError, match='CuPy is not installed'):
        build(random_codes(3, 8), 8).to_gpu()


@pytest.mark.parametrize('call', [
    lambda index, codes: index.add(codes),
    lambda index, codes: index.search(codes, 1),
    lambda index, codes: index.search_radius(codes, 1)])
def test_codes_in_two_places(emulator, call):
    codes = random_codes(30, 16)
    for xp, other in ((numpy, simt), (simt, numpy)):
        index = build(codes, 16, xp)
        with pytest.raises(InputError, match='some are not; move them'):
            call(index, other.asarray(codes))
        assert len(index) == 30
        # Once it is empty it can be anywhere.
        index.remove(index.ids)
        index.add(other.asarray(codes))
        assert_search(index, other.asarray(codes[:2]), codes, range(30, 60),
                      3)


def test_save_and_load_empty(tmp_path):
    HammingIndex(9).save(tmp_path / 'index.npz')
    assert len(HammingIndex.load(tmp_path / 'index.npz')) == 0


@pytest.mark.parametrize('damage', [
    dict(ids=numpy.arange(4)), dict(ids=numpy.array([0, 2, 1])),
    dict(ids=numpy.array([0, 1, 3])), dict(ids=numpy.array([-1, 0, 1])),
    dict(ids=numpy.arange(3.)), dict(ids=numpy.zeros((3, 1), 'i8')),
    dict(codes=numpy.zeros((3, 2), 'i8')), dict(n_bits=8), dict(n_bits=300),
    dict(words=numpy.zeros((2, 3), 'i8')),
    dict(words=numpy.zeros((1, 3), 'u1')),
    dict(words=numpy.full((2, 3), 255, 'u1'), n_bits=15),
    dict(words=numpy.zeros((2, 4), 'u1')), dict(next_id=-1),
    dict(next_id=2), dict(next_id=numpy.arange(2)), dict(other=1)])
def test_load_something_else(tmp_path, damage):
    path = tmp_path / 'index.npz'
    build(random_codes(3, 16), 16).save(path)
    save_npz(path, {**load_npz(path), **damage})
    with pytest.raises(InputError):
        HammingIndex.load(path)


def test_load_half(tmp_path):
    path = tmp_path / 'index.npz'
    build(random_codes(30, 16), 16).save(path)
    whole = path.read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match='damaged'):
            HammingIndex.load(path)


def test_the_old_file_stays(tmp_path, monkeypatch):
    path = tmp_path / 'index.npz'
    index = build(random_codes(30, 16), 16)
    index.save(path)
    whole = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError('disk full')
    monkeypatch.setattr(numpy, 'savez', fail)
    with pytest.raises(OSError, match='disk full'):
        index.save(path)
    assert path.read_bytes() == whole and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize('call,message', [
    (lambda index: index.add(numpy.zeros((2, 3), 'u1')), '16 bits'),
    (lambda index: index.add(numpy.zeros((2, 2), 'i8')), 'uint8'),
    (lambda index: index.remove([2, 30]), 'no code number 30'),
    (lambda index: index.remove([-1]), 'no code number -1'),
    (lambda index: index.remove([1.]), 'whole numbers'),
    (lambda index: index.remove(3), 'whole numbers'),
    (lambda index: index.remove(numpy.ma.array([1, 2], mask=[0, 1])),
     'masked'),
    (lambda index: index.remove([1, numpy.ma.masked]), 'masked'),
    (lambda index: index.add(numpy.ma.array(
        numpy.zeros((1, 2), 'u1'), mask=[[0, 1]])), 'masked'),
    (lambda index: index.add(numpy.zeros((2, 2), 'u1'), numpy.ma.array(
        [40, 50], mask=[0, 1])), 'masked'),
    (lambda index: index.search(numpy.ma.array(
        numpy.zeros((1, 2), 'u1'), mask=[[0, 1]]), 1), 'masked'),
    (lambda index: index.search(index.codes, 0), 'from 1 to 30'),
    (lambda index: index.search(index.codes, 31), 'from 1 to 30'),
    (lambda index: index.search(index.codes, 1.), 'from 1 to 30'),
    (lambda index: index.search(index.codes[:0], 1), 'no query'),
    (lambda index: index.search(index.codes[0], 1), '16 bits'),
    (lambda index: index.search_radius(index.codes, -1), 'from 0'),
    (lambda index: index.search_radius(index.codes[:0], 1), 'no query'),
    (lambda index: HammingIndex(16).search(index.codes, 1), 'is empty'),
    (lambda index: HammingIndex(16).search_radius(index.codes, 1),
     'is empty'),
    (lambda index: HammingIndex(0), '1 to 256'),
    (lambda index: HammingIndex(257), '1 to 256')])
def test_refusals(call, message):
    codes = random_codes(30, 16)
    index = build(codes, 16)
    with pytest.raises(InputError, match=message):
        call(index)
    numpy.testing.assert_array_equal(index.ids, numpy.arange(30))
    numpy.testing.assert_array_equal(index.codes, codes)
    assert index.add(codes[:1]).tolist() == [30]


@pytest.mark.parametrize('n_heads,n_values', [(1, 7), (5, 7), (16, 2),
                                              (260, 300)])
def test_nearest_head_codes(block, n_heads, n_values):
    rng = numpy.random.RandomState(0)
    dtype = 'u1' if n_values < 257 else 'u2'
    queries = rng.randint(n_values, size=(6, n_heads)).astype(dtype)
    gallery = rng.randint(n_values, size=(200, n_heads)).astype(dtype)
    gallery[50:60], gallery[7] = queries[0], queries[1] + 1
    for k in (1, 12, 200):
        distances, positions = nearest_head_codes(queries, gallery, k)
        assert (distances.dtype, positions.dtype) == ('i4', 'i8')
        for i, query in enumerate(queries):
            expected = sorted(
                (sum(map(int, code != query)), j)
                for j, code in enumerate(gallery))[:k]
            assert list(zip(distances[i], positions[i])) == expected


@pytest.mark.parametrize('k', [0, 4, 1.])
def test_nearest_of_too_few_head_codes(k):
    codes = numpy.zeros((3, 5), 'u1')
    with pytest.raises(InputError, match='for 3 codes; .* from 1 to 3'):
        nearest_head_codes(codes, codes, k)


class TestFaiss:

    @pytest.fixture(autouse=True)
    def faiss(self):
        return pytest.importorskip('faiss', reason='FAISS is not installed')

    @pytest.mark.parametrize('use_heap', [True, False])
    @pytest.mark.parametrize('n_bits', N_BITS)
    def test_same_answer(self, n_bits, use_heap):
        # Ties as well: FAISS does not promise it.
        index = build(random_codes(3000, n_bits), n_bits)
        index.remove(range(1000, 1100))
        queries = random_codes(40, n_bits, 1)
        flat = index.to_faiss()
        flat.use_heap = use_heap
        for k in (1, 10, 500, 2900):
            distances, positions = flat.search(queries, k)
            ours = index.search(queries, k)
            numpy.testing.assert_array_equal(ours[0], distances)
            numpy.testing.assert_array_equal(ours[1], index.ids[positions])

    def test_same_ball(self):
        index = build(random_codes(3000, 16), 16)
        queries = random_codes(40, 16, 1)
        ours = index.search_radius(queries, 4)
        lims, distances, ids = index.to_faiss().range_search(queries, 5)
        numpy.testing.assert_array_equal(ours[0], lims)
        for i in range(40):
            own = slice(int(lims[i]), int(lims[i + 1]))
            order = numpy.lexsort((ids[own], distances[own]))
            numpy.testing.assert_array_equal(ours[1][own],
                                             distances[own][order])
            numpy.testing.assert_array_equal(ours[2][own], ids[own][order])

    @pytest.mark.parametrize('n_bits', [31, 64])
    def test_there_and_back(self, n_bits):
        codes = random_codes(100, n_bits)
        index = HammingIndex.from_faiss(build(codes, n_bits).to_faiss(),
                                        n_bits)
        assert index.n_bits == n_bits
        numpy.testing.assert_array_equal(index.codes, codes)
        numpy.testing.assert_array_equal(index.ids, numpy.arange(100))

    def test_width_of_faiss(self, faiss):
        flat = faiss.IndexBinaryFlat(24)
        assert HammingIndex.from_faiss(flat).n_bits == 24
        with pytest.raises(InputError, match='16 bits'):
            HammingIndex.from_faiss(flat, 16)

    @pytest.mark.parametrize('n_bits', [31])
    def test_inexact(self, n_bits, faiss):
        faiss.omp_set_num_threads(1)
        codes, queries = random_codes(3000, n_bits), random_codes(
            40, n_bits, 1)
        index = build(codes, n_bits)
        assert index.recall(index.to_faiss(), queries, 7) == 1
        recall = {}
        for settings in (dict(kind='ivf', lists=20, probes=1),
                         dict(kind='ivf', lists=20, probes=20),
                         dict(kind='ivf'), dict(kind='hash'),
                         dict(kind='hash', tables=2, width=8, flips=0)):
            there = index.to_faiss(**settings)
            assert there.ntotal == 3000
            distances, positions = there.search(queries, 7)
            exact = hamming_distance(queries, codes)
            # By hand: of what is as near as the seventh, how much is found.
            near = numpy.sort(exact, axis=1)[:, 6]
            expected = numpy.mean([
                sum(p >= 0 and exact[i, p] <= near[i] for p in row)
                for i, row in enumerate(positions)]) / 7
            recall[str(settings)] = index.recall(there, queries, 7)
            assert recall[str(settings)] == pytest.approx(expected)
        one, every, *_ = recall.values()
        assert one < every == 1

    @pytest.mark.parametrize('settings,message', [
        (dict(kind='hnsw'), 'choose one of flat, ivf, hash'),
        (dict(kind='ivf', lists=31), 'from 1 to 30'),
        (dict(kind='ivf', probes=0), 'from 1'),
        (dict(kind='hash', tables=17), 'from 1 to 16'),
        (dict(kind='hash', tables=0), 'from 1 to 16'),
        (dict(kind='hash', width=5), 'from 1 to 4'),
        (dict(kind='hash', flips=-1), 'from 0 to 2'),
        # FAISS would search without end.
        (dict(kind='hash', flips=3), 'from 0 to 2'),
        (dict(kind='hash', width=4, flips=5), 'from 0 to 4')])
    def test_settings(self, settings, message):
        with pytest.raises(InputError, match=message):
            build(random_codes(30, 16), 16).to_faiss(**settings)
        with pytest.raises(InputError, match='is empty'):
            HammingIndex(16).to_faiss('ivf')

    def test_settings_of_numpy(self, faiss):
        codes = random_codes(300, 16)
        for settings in (dict(kind='ivf', lists=5, probes=2),
                         dict(kind='hash', tables=2, width=4, flips=1)):
            expected, found = (build(codes, 16).to_faiss(**{
                name: value if isinstance(value, str) else kind(value)
                for name, value in settings.items()
            }).search(codes[:9], 5) for kind in (int, numpy.int64))
            numpy.testing.assert_array_equal(found, expected)

    def test_recall_of_something_else(self, faiss):
        index = build(random_codes(30, 16), 16)
        for other in index, None, faiss.IndexFlatL2(16), build(
                random_codes(30, 24), 24).to_faiss():
            with pytest.raises(InputError, match='give what to_faiss'):
                index.recall(other, index.codes)

    def test_other_index(self, faiss):
        with pytest.raises(InputError, match='give a faiss.IndexBinaryFlat'):
            HammingIndex.from_faiss(faiss.IndexFlatL2(8))


def test_without_faiss(monkeypatch):
    monkeypatch.setitem(sys.modules, 'faiss', None)
    with pytest.raises(InputError, match=r'pip install .imsat\[faiss\]'):
        build(random_codes(3, 8), 8).to_faiss()


# --- Numbers of one's own ----------------------------------------------------
def test_own_ids(xp, tmp_path):
    rng = numpy.random.RandomState(0)
    codes, own = random_codes(30, 12), rng.permutation(1000)[:30]
    index = HammingIndex(12)
    given = index.add(xp.asarray(codes[:20]), ids=own[:20])
    assert given.tolist() == own[:20].tolist()
    index.add(xp.asarray(codes[20:]), own[20:].tolist())
    queries = xp.asarray(codes[5:8])
    # Ties in order of insertion, whatever the numbers.
    assert_search(index, queries, codes, own, 30)
    index.remove(own[3:9])
    left = numpy.delete(numpy.arange(30), range(3, 9))
    assert index.ids.tolist() == own[left].tolist()
    assert_search(index, queries, codes[left], own[left], 24)
    if xp is numpy:
        index.save(tmp_path / 'index.npz')
        index = HammingIndex.load(tmp_path / 'index.npz')
        assert_search(index, queries, codes[left], own[left], 24)
    # Those of its own go on from the largest; one that is gone may return.
    assert index.add(xp.asarray(codes[:2])).tolist() == [
        own.max() + 1, own.max() + 2]
    index.add(xp.asarray(codes[3:4]), ids=[own[3]])
    assert index.ids[-1] == own[3]


def test_own_ids_below_those_there(xp):
    """Positions are not taken for numbers that happen to be as small."""
    codes = pack_bits(numpy.eye(3))
    index = HammingIndex(3)
    index.add(xp.asarray(codes), ids=[2, 0, 1])
    assert_search(index, xp.asarray(codes), codes, numpy.array([2, 0, 1]), 3)


@pytest.mark.parametrize('ids', [
    [1, 2], [1, 2, 3, 4], [[1, 2, 3]], [1, 1, 2], [5, 6, 7], [-1, 2, 3],
    [1., 2., 3.], ['a', 'b', 'c'], [True, False, True], 3, 'abc',
    [1, 2, 2 ** 63 - 1], [1, 2, 2 ** 64 - 1], [1, 2, 2 ** 70],
    [1, [2], 3], {1, 2, 3}])
def test_bad_ids(ids):
    codes = pack_bits(numpy.eye(3))
    index = HammingIndex(3)
    index.add(codes[:1], ids=[7])
    with pytest.raises(InputError):
        index.add(codes, ids=ids)
    assert index.ids.tolist() == [7]


def test_ids_up_to_the_largest(tmp_path):
    largest = 0x7ffffffffffffffe
    codes = pack_bits(numpy.eye(3))
    index = HammingIndex(3)
    index.add(codes[:1], ids=[largest - 1])
    assert index.add(codes[1:2]).tolist() == [largest]
    with pytest.raises(InputError, match='give ids of your own'):
        index.add(codes[2:])
    assert len(index.add(codes[:0])) == 0
    index.save(tmp_path / 'index.npz')
    for each in index, HammingIndex.load(tmp_path / 'index.npz'):
        assert each.ids.dtype == 'i8'
        assert each.ids.tolist() == [largest - 1, largest]
        assert each.add(codes[2:], ids=[0]).tolist() == [0]
        assert each.search(codes[1:2], 1)[1].tolist() == [[largest]]


@pytest.mark.parametrize('own', [[3, 3, 5], [-1, 3, 4], [3, 5, 10]])
def test_damaged_own_ids(tmp_path, own):
    numpy.savez(tmp_path / 'index.npz', n_bits=3, next_id=10, own_ids=own,
                codes=pack_bits(numpy.eye(3)))
    with pytest.raises(InputError, match='holds no HammingIndex'):
        HammingIndex.load(tmp_path / 'index.npz')


@pytest.mark.parametrize('n', [8, 64])
def test_what_is_removed_is_asked_for_exactly(n):
    """Beside int64 uint64 would become float64, in which these are one."""
    ids = 2 ** 60 + numpy.arange(n)
    index = HammingIndex(8)
    index.add(random_codes(n, 8), ids=ids.astype('u8'))
    for unknown in ids[:2] + n, [2 ** 64 - 1]:
        with pytest.raises(InputError, match='there is no code number'):
            index.remove(numpy.array(unknown, 'u8'))
    index.remove(ids[::2].astype('u8'))
    numpy.testing.assert_array_equal(index.ids, ids[1::2])


def test_a_copy_grows_by_itself():
    codes = random_codes(4, 8)
    index = build(codes, 8)
    other = copy.copy(index)
    assert index.add(codes).tolist() == other.add(codes[:2]).tolist() + [6, 7]
    assert (len(index), len(other)) == (8, 6)
