import concurrent.futures
import importlib
import re
import sys
import warnings

import numpy
import pytest
import scipy.sparse
from threadpoolctl import threadpool_limits

from imsat import InputError, neighbor_distance, neighbors
from imsat.functions import compiled
from imsat.storage import digest, save_npz

# imsat.neighbors is the function.
MODULE = importlib.import_module('imsat.neighbors')


def naive(x, t):
    x = x.astype('d')
    return numpy.array([sorted(
        numpy.sqrt(((a - b) ** 2).sum()) for j, b in enumerate(x) if j != i
    )[t - 1] for i, a in enumerate(x)])


@pytest.mark.by_turns(2)
@pytest.mark.parametrize('t', [1, 11])
@pytest.mark.parametrize('case', 'ABDE')
def test_naive(golden, xp, case, t):
    x = golden('knn', 'f')[f'{case}.data']
    numpy.testing.assert_allclose(
        neighbor_distance(xp.asarray(x), t), naive(x, t), 1e-12)


@pytest.mark.parametrize('case', 'ABD')
def test_golden(golden, xp, case):
    trace = golden('knn', 'f')
    # Computed in float32.
    numpy.testing.assert_allclose(
        neighbor_distance(xp.asarray(trace[f'{case}.data']), 11),
        trace[f'{case}.dist'], 1e-5, 1e-5)


@pytest.mark.slow
def test_golden_float64(golden, xp):
    trace = golden('knn')
    x = xp.asarray(trace['A.data'])
    numpy.testing.assert_allclose(
        neighbor_distance(x, 10), trace['A.derived.nearest10_f64'], 1e-10)
    eleventh = neighbor_distance(x, 11)
    for key in ('A.derived.nearest11_f64', 'A.dist_f64'):
        numpy.testing.assert_allclose(eleventh, trace[key], 1e-10)


def test_where_the_original_went_wrong(golden):
    # Case E: distances above 1000, which the authors' code takes to be those
    # of a point to itself.  Its 11th of 11 is right only by such a mistake.
    trace = golden('knn', 'f')
    ours = neighbor_distance(trace['E.data'], 11)
    assert not numpy.allclose(ours, trace['E.dist'], rtol=1e-3)


@pytest.mark.parametrize('t', [0, 11, 12])
def test_too_few_points(golden, t):
    with pytest.raises(InputError, match='choose a neighbour from 1 to 10'):
        neighbor_distance(golden('knn')['C.data'], t)


@pytest.mark.parametrize('dtype', 'fd')
def test_duplicates_have_distance_zero(xp, dtype):
    points = numpy.random.RandomState(0).normal(size=(5, 3)).astype(dtype)
    x = xp.asarray(numpy.repeat(points, 8, 0))
    assert (neighbor_distance(x, 3) == 0).all()
    assert (neighbor_distance(x, 7) == 0).all()
    assert (neighbor_distance(x, 8) > 0).all()


# Where the points lie in space changes nothing.
@pytest.mark.parametrize('offset', [1e3, 1e8, -1e11])
def test_far_from_the_origin(xp, offset):
    # Whole numbers, which float64 holds at any of these places.
    x = numpy.random.default_rng(0).integers(-500, 500, (300, 4)).astype('d')
    numpy.testing.assert_allclose(
        neighbor_distance(xp.asarray(x + offset), 5), naive(x, 5), 1e-12)


@pytest.mark.parametrize('dtype', 'fd')
def test_a_column_that_is_constant_and_large(xp, dtype):
    x = numpy.random.default_rng(0).normal(size=(300, 4)).astype(dtype)
    constant = numpy.full((300, 1), 2e9, dtype)
    numpy.testing.assert_allclose(
        neighbor_distance(
            xp.asarray(numpy.concatenate([x, constant], 1)), 5),
        naive(x, 5), 1e-12)


def test_duplicates_far_from_the_origin(xp):
    x = numpy.random.default_rng(0).normal(size=(50, 4))
    x = xp.asarray(numpy.repeat(x, 3, 0) + 1e8)
    assert (neighbor_distance(x, 2) == 0).all()


def test_places_and_times(xp):
    # Degrees beside seconds: the squares of some columns have no digit left
    # for the others.
    rng = numpy.random.default_rng(0)
    x = numpy.stack([rng.uniform(40, 50, 400), rng.uniform(0, 10, 400),
                     1.7e9 + rng.integers(0, 40, 400) * 1e6], axis=1)
    numpy.testing.assert_allclose(
        neighbor_distance(xp.asarray(x), 3), naive(x, 3), 1e-9)


# Of products of these float64 has few digits left, or none.
@pytest.mark.parametrize('dtype,n_far,far', [
    ('d', 40, 1e8), ('d', 40, 1e9), ('d', 1, 1e10), ('f', 1, 1e10)])
def test_far_from_each_other(xp, monkeypatch, dtype, n_far, far):
    x = numpy.random.default_rng(0).normal(size=(80, 3))
    x[:n_far] += far
    x = x.astype(dtype)
    monkeypatch.setattr(MODULE, 'CHUNK', 30)
    numpy.testing.assert_allclose(
        neighbor_distance(xp.asarray(x), 5), naive(x, 5), 1e-9)


# Squares that float32 does not hold, or only with few digits.
@pytest.mark.filterwarnings('ignore::RuntimeWarning')  # the emulator's
@pytest.mark.parametrize('scale', [1e30, 1e-20, 1e-22])
@pytest.mark.parametrize('n', [5, 60])
def test_squares_beyond_float32(xp, n, scale):
    x = numpy.random.default_rng(0).normal(size=(n, 3)) * scale
    x = x.astype('f')
    numpy.testing.assert_allclose(
        neighbor_distance(xp.asarray(x), 2), naive(x, 2), 1e-9)


@pytest.mark.parametrize('x', [
    numpy.random.RandomState(0).normal(size=(60, 5)),
    numpy.random.RandomState(0).randint(0, 2, (60, 5)),
    numpy.random.RandomState(0).normal(size=(60, 5)) + 1e6])
def test_a_gpu_leaves_the_cpu_nothing(device, monkeypatch, x):
    monkeypatch.setattr(MODULE, '_settle', None)
    for dtype in 'fd':
        neighbor_distance(device.asarray(x.astype(dtype)), 3)


def test_entries_of_a_sparse_matrix_that_come_twice():
    rng = numpy.random.default_rng(0)
    rows, columns = rng.integers(40, size=600), rng.integers(6, size=600)
    x = scipy.sparse.csr_matrix((rng.normal(size=1200), (
        numpy.tile(rows, 2), numpy.tile(columns, 2))), (40, 6))
    twice = scipy.sparse.csr_matrix(
        (rng.normal(size=480), numpy.tile(numpy.arange(6, dtype='i'), 80),
         numpy.arange(0, 481, 12, dtype='i')), (40, 6))
    assert not twice.has_canonical_format
    for matrix in x, twice, twice.tocoo(), x.tolil():
        before = matrix.nnz
        numpy.testing.assert_allclose(
            neighbor_distance(matrix, 3), naive(matrix.toarray(), 3), 1e-12)
        assert matrix.nnz == before


@pytest.mark.parametrize('convert', [
    numpy.ndarray.tolist, lambda x: x.astype('e'), lambda x: x.astype('i1'),
    lambda x: x > 0, lambda x: numpy.asfortranarray(x)])
def test_other_tables(convert):
    x = numpy.random.default_rng(0).integers(-9, 9, (30, 5)).astype('d')
    table = convert(x)
    numpy.testing.assert_allclose(
        neighbor_distance(table, 2), naive(numpy.asarray(table), 2), 1e-12)


@pytest.mark.parametrize('x,t,message', [
    (numpy.ones(5), 1, r'shape \(5,\)'), ([['a', 'b']] * 3, 1, 'dtype <U1'),
    ([[1j], [2j]], 1, 'complex'), ([[numpy.nan], [1.]], 1, 'NaN or infinite'),
    ([[numpy.inf], [1.]], 1, 'NaN or infinite'),
    ([[0.], [1.], [2.]], '1', "no neighbour number '1'"),
    ([[0.], [1.], [2.]], 1.5, 'no neighbour number 1.5'),
    ([[0.], [1.], [2.]], True, 'no neighbour number True'),
    ([[0.], [1.], [2.]], None, 'no neighbour number None')])
def test_bad_input(x, t, message):
    with pytest.raises(InputError, match=message):
        neighbor_distance(x, t)


@pytest.mark.parametrize('dtype', 'fd')
@pytest.mark.parametrize('t', [1, 4, 30])
def test_ties(xp, t, dtype):
    # Of zeros and ones: many are equally far.
    x = numpy.random.RandomState(0).randint(0, 2, (70, 9)).astype(dtype)
    numpy.testing.assert_allclose(
        neighbor_distance(xp.asarray(x), t), naive(x, t), 1e-12)


@pytest.mark.parametrize('n,d,t', [(2, 1, 1), (30, 2, 29), (150, 33, 100)])
def test_sizes(xp, n, d, t):
    x = numpy.random.RandomState(0).normal(size=(n, d)).astype('f')
    numpy.testing.assert_allclose(
        neighbor_distance(xp.asarray(x), t), naive(x, t), 1e-12)


@pytest.mark.parametrize('x', [
    # Squares of which float32 keeps few digits that tell the points apart,
    # or none: without a common mean, and far from the origin.
    numpy.repeat([[-1e2], [1e2]], 80, 0)
    + numpy.random.RandomState(0).normal(0, .05, (160, 5)),
    numpy.repeat([[-1e3], [1e3]], 40, 0) + numpy.arange(80)[:, None] * [
        1 / 64, 0],
    1e4 + numpy.random.RandomState(0).normal(size=(60, 5))])
def test_small_differences_of_large_numbers(xp, x):
    x = x.astype('f')
    numpy.testing.assert_allclose(
        neighbor_distance(xp.asarray(x), 3), naive(x, 3), 1e-12)


def test_chunks(xp, monkeypatch):
    x = numpy.random.RandomState(0).normal(size=(50, 3))
    monkeypatch.setattr(MODULE, 'CHUNK', 7)
    monkeypatch.setattr(MODULE, 'TILE', 11)
    monkeypatch.setattr(MODULE, 'BLOCK', 7)
    for dtype in 'fd':
        done = []
        numpy.testing.assert_allclose(
            neighbor_distance(xp.asarray(x.astype(dtype)), 4,
                              progress=done.append),
            naive(x.astype(dtype), 4), 1e-12)
        assert sum(done) == 50 and len(done) > 4


def test_sparse():
    x = numpy.random.RandomState(0).poisson(.3, (60, 9)).astype('d')
    numpy.testing.assert_allclose(
        neighbor_distance(scipy.sparse.csr_matrix(x), 5), naive(x, 5), 1e-12)


def test_what_kernels_do_not_take(device):
    x = device.asarray(numpy.zeros((1100, 1), 'f'))
    with pytest.raises(InputError, match='choose one from 1 to 1021, or'):
        neighbor_distance(x, 1022)
    x[3] = numpy.nan
    with pytest.raises(InputError, match='NaN or infinite'):
        neighbor_distance(x, 3)


@pytest.mark.parametrize('tf32,expected', [
    (None, 'f'), ('0', 'f'), ('1', 'd')])
def test_no_product_in_tf32(device, monkeypatch, tf32, expected):
    dtypes = set()
    select = MODULE.nearest.select
    monkeypatch.setattr(MODULE.nearest, 'select', lambda *args: (
        dtypes.add(args[0].dtype.char), select(*args))[1])
    monkeypatch.delenv('CUPY_TF32', raising=False)
    if tf32:
        monkeypatch.setenv('CUPY_TF32', tf32)
    x = numpy.random.RandomState(0).normal(size=(40, 3)).astype('f')
    neighbor_distance(device.asarray(x), 4)
    assert dtypes == {expected}


def test_whole_numbers(xp):
    x = numpy.random.RandomState(0).randint(0, 99, (40, 3))
    numpy.testing.assert_allclose(
        neighbor_distance(xp.asarray(x), 4), naive(x, 4), 1e-12)


def naive_neighbors(x, k):
    """By a stable sort of all distances."""
    x = x.toarray() if scipy.sparse.issparse(x) else x
    x = x.astype('d')
    distance = numpy.sqrt(((x[:, None] - x) ** 2).sum(axis=2))
    numpy.fill_diagonal(distance, numpy.inf)
    order = numpy.argsort(distance, axis=1, kind='stable')[:, :k]
    return numpy.take_along_axis(distance, order, axis=1), order


RNG = numpy.random.default_rng(0)
TABLES = {
    'float32': RNG.normal(size=(150, 33)).astype('f'),
    'float64': RNG.normal(size=(120, 6)),
    # Many are equally far, and at the k-th distance more than there is
    # room for.
    'ties': RNG.integers(0, 2, (200, 6)).astype('f'),
    'duplicates': numpy.repeat(RNG.normal(size=(5, 3)), 30, axis=0),
    'one point': numpy.ones((90, 2), 'f'),
    'a line': numpy.arange(130.)[:, None],
    # Each block's nearest are in all others.
    'repeated': numpy.tile(RNG.normal(size=(13, 4)), (9, 1)),
    # The second half is nearer to all than the first is to itself.
    'nested': RNG.normal(size=(160, 7)) * numpy.repeat(
        [9, .1], 80)[:, None],
    'tiny': RNG.normal(size=(40, 3)) * 1e-30,
    'huge': (RNG.normal(size=(40, 3)) * 1e30).astype('f'),
    'far': RNG.integers(-50, 50, (80, 4)) + 1e8,
    'bytes': RNG.integers(256, size=(90, 5), dtype='u1'),
    'no column': numpy.ones((30, 0), 'f'),
    # Of few dimensions, nearly: there are shadows, which tell most apart, or
    # nothing.
    'flat': RNG.normal(size=(150, 6)) @ RNG.normal(size=(6, 64)) + RNG.normal(
        size=(150, 64)) / 100,
    'flat ties': numpy.repeat(RNG.normal(size=(50, 4)) @ RNG.normal(
        size=(4, 70)) + 1000, 3, axis=0).astype('f'),
    'round': RNG.normal(size=(150, 64)),
    'sparse': scipy.sparse.random_array((90, 20), density=.2, rng=0,
                                        format='csr'),
}


@pytest.mark.by_turns(2)
@pytest.mark.parametrize('fast', [True, False])
@pytest.mark.parametrize('block', [7, 1024])
@pytest.mark.parametrize('table', TABLES)
def test_neighbors(monkeypatch, table, block, fast):
    x = TABLES[table]
    monkeypatch.setattr(MODULE, 'BLOCK', block)
    monkeypatch.setattr(MODULE, 'MANY', 11)
    monkeypatch.setattr(MODULE, 'PER_COLUMN', 1)
    if fast:
        pytest.importorskip('numba', reason='numba is not installed')
    else:
        monkeypatch.setattr(compiled, 'get_numba', lambda: None)
    for k in 1, 5, x.shape[0] - 1:
        distances, indices = neighbors(x, k)
        expected = naive_neighbors(x, k)
        numpy.testing.assert_allclose(distances, expected[0], 1e-12)
        numpy.testing.assert_array_equal(indices, expected[1])
        # One engine.
        numpy.testing.assert_array_equal(
            neighbor_distance(x, k), distances[:, -1])


@pytest.mark.parametrize('table,few', [('flat', True), ('round', False)])
def test_shadows_spare_products(monkeypatch, table, few):
    pytest.importorskip('numba', reason='numba is not installed')
    monkeypatch.setattr(MODULE, 'BLOCK', 16)
    monkeypatch.setattr(MODULE, 'PER_COLUMN', 1)
    offer, taken = MODULE._offer_by_numba(), []

    def counted(*arguments):
        kept = offer(*arguments)
        if len(arguments[-1]):
            taken.append(kept)
        return kept
    monkeypatch.setattr(MODULE, '_offer_by_numba', lambda: counted)
    neighbors(TABLES[table], 2)
    assert any(taken) == few and len(taken) > 9


def test_shadows_are_no_farther_apart():
    points, _, error = MODULE._in_float32(
        TABLES['flat ties'].astype('d'), TABLES['flat ties'].mean(axis=0))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        shadows = MODULE._shadows(numpy.tile(points, (60, 1)), pool)[:150]

    def squares(rows):
        rows = rows[:, :-2].astype('d')
        return ((rows[:, None] - rows) ** 2).sum(axis=2)
    assert (squares(shadows) <= squares(points) + error / 9).all()


def test_neighbors_on_a_gpu(device):
    x = TABLES['float32']
    for ours, expected in zip(neighbors(device.asarray(x), 3),
                              naive_neighbors(x, 3)):
        numpy.testing.assert_allclose(ours, expected, 1e-12)


@pytest.mark.parametrize('table', ['float32', 'ties'])
def test_threads_do_not_matter(monkeypatch, table):
    monkeypatch.setattr(MODULE, 'BLOCK', 9)
    answers = []
    for threads in 1, 2:
        with threadpool_limits(threads):
            answers.append(neighbors(TABLES[table], 4))
    for one, two in zip(*answers):
        numpy.testing.assert_array_equal(one, two)


def test_neighbors_are_kept(tmp_path):
    x = TABLES['float32']
    first, done = neighbors(x, 3, tmp_path), []
    path, = tmp_path.iterdir()
    assert path.name == f'neighbors-{digest(x)}-k3.npz'
    # Another answer in its place shows that nothing is computed.
    save_npz(path, {'distances': first[0] + 1, 'indices': first[1]})
    again = neighbors(x, 3, tmp_path, done.append)
    numpy.testing.assert_array_equal(again[0], first[0] + 1)
    assert done == [150]
    for wrong in first[1] + 150, first[1][:-1]:
        save_npz(path, {'distances': first[0], 'indices': wrong})
        with pytest.warns(UserWarning, match='computed again'):
            again = neighbors(x, 3, tmp_path)
        numpy.testing.assert_array_equal(again[1], first[1])


class TestApproximate:
    # Clusters, so that a list holds most of a point's neighbours, not all.
    x = (numpy.random.default_rng(1).normal(size=(40, 8)).repeat(75, axis=0)
         + numpy.random.default_rng(2).normal(size=(3000, 8))).astype('f')

    @pytest.fixture(autouse=True)
    def faiss(self):
        faiss = pytest.importorskip('faiss', reason='FAISS is not installed')
        faiss.omp_set_num_threads(1)

    def error(self, message):
        """Median and 99th percentile, as the warning says."""
        return [float(part.split()[-1]) / 100
                for part in str(message.message).split('%')[:2]]

    @pytest.mark.parametrize('bounds', [(1, 1), (.009, .045), (0, 0)])
    def test_within_bounds(self, monkeypatch, bounds):
        monkeypatch.setattr(MODULE, 'ERROR', bounds)
        monkeypatch.setattr(MODULE, 'SAMPLE', 3000)
        done = []
        with pytest.warns(UserWarning, match='3,000 points are approx') as w:
            distances, indices = neighbors(self.x, 5, None, done.append,
                                           'approximate')
        assert sum(done) == 3000
        # They are the distances of these points, and no shorter than exact.
        numpy.testing.assert_allclose(distances, numpy.sqrt((
            (self.x[:, None].astype('d') - self.x[indices]) ** 2).sum(2)))
        assert (indices != numpy.arange(3000)[:, None]).all()
        exact = neighbors(self.x, 5)[0]
        assert (distances >= exact).all()
        wrong = distances[:, -1] / exact[:, -1] - 1
        measured = numpy.quantile(wrong, [.5, .99])
        assert (measured <= bounds).all()
        numpy.testing.assert_allclose(self.error(w[0]), measured, atol=1e-4)
        assert bounds[1] < 1 or wrong.max() > 0  # there was something to bound

    def test_by_default_above_some_size(self, monkeypatch, tmp_path):
        monkeypatch.setattr(MODULE, 'MOST_EXACT', 2999)
        exact = neighbor_distance(self.x, 5, tmp_path, method='exact')
        for _ in range(2):  # the second time from the cache
            with pytest.warns(UserWarning, match='are approximate'):
                sigma = neighbor_distance(self.x, 5, tmp_path)
        assert len(list(tmp_path.iterdir())) == 2
        assert (sigma >= exact).all()
        monkeypatch.setattr(MODULE, 'MOST_EXACT', 3000)
        numpy.testing.assert_array_equal(
            neighbor_distance(self.x, 5), exact)

    def test_few_points(self):
        for table in 'ties', 'duplicates', 'one point', 'no column':
            x = TABLES[table]
            for k in 1, len(x) - 1:
                with warnings.catch_warnings():
                    warnings.simplefilter('ignore')
                    sigma = neighbor_distance(x, k, method='approximate')
                assert sigma.shape == (len(x),)
                assert (sigma >= neighbor_distance(x, k)).all()


def test_approximate_without_faiss(monkeypatch):
    monkeypatch.setitem(sys.modules, 'faiss', None)
    with pytest.raises(InputError, match=(
            r"pip install 'imsat\[faiss\]', for .* 150 points; the method "
            r"'exact' would take about \d+ minutes$")):
        neighbors(TABLES['float32'], 3, method='approximate')


def test_approximate_where_float32_is_not_enough():
    pytest.importorskip('faiss')
    x = numpy.random.default_rng(0).normal(size=(1100, 6))
    x[7] = 1e12
    with pytest.raises(InputError, match=r'too far in the median, as float32 '
                       r".* far from all others, or choose the method"):
        neighbors(x, 10, method='approximate')


def test_approximate_sparse():
    with pytest.raises(InputError, match='x.toarray'):
        neighbors(TABLES['sparse'], 3, method='approximate')


@pytest.mark.parametrize('method', ['fast', None, 1])
def test_unknown_method(method):
    with pytest.raises(InputError, match='choose one of auto, exact, approx'):
        neighbors(TABLES['float32'], 3, method=method)


class TestCache:
    x = numpy.random.RandomState(1).normal(size=(30, 3)).astype('f')

    def test_hit(self, tmp_path):
        first = neighbor_distance(self.x, 5, tmp_path / 'new')
        numpy.testing.assert_allclose(first, naive(self.x, 5), 1e-12)
        path, = (tmp_path / 'new').iterdir()
        assert path.name == f'sigma-{digest(self.x)}-t5.npz'
        numpy.testing.assert_array_equal(
            neighbor_distance(self.x, 5, tmp_path / 'new'), first)
        # Another answer in its place shows that nothing is computed.
        save_npz(path, {'sigma': first + 1})
        done = []
        numpy.testing.assert_array_equal(
            neighbor_distance(self.x, 5, tmp_path / 'new', done.append),
            first + 1)
        assert done == [30]

    @pytest.mark.parametrize('x,t', [
        (x, 6), (x + 1, 5), (x.astype('d'), 5)])
    def test_miss(self, tmp_path, x, t):
        neighbor_distance(self.x, 5, tmp_path)
        path, = tmp_path.iterdir()
        save_npz(path, {'sigma': numpy.zeros(30)})
        numpy.testing.assert_allclose(
            neighbor_distance(x, t, tmp_path), naive(x, t), 1e-12)
        assert len(list(tmp_path.iterdir())) == 2

    @pytest.mark.parametrize('damage', ['half', 'empty', 'other', 'short'])
    def test_damaged(self, tmp_path, damage):
        expected = neighbor_distance(self.x, 5, tmp_path)
        path, = tmp_path.iterdir()
        whole = path.read_bytes()
        if damage == 'half':
            path.write_bytes(whole[:len(whole) // 2])
        elif damage == 'empty':
            path.write_bytes(b'')
        elif damage == 'other':
            save_npz(path, {'x': self.x})
        else:
            save_npz(path, {'sigma': expected[:-1]})
        with pytest.warns(UserWarning, match='computed again'):
            again = neighbor_distance(self.x, 5, tmp_path)
        numpy.testing.assert_array_equal(again, expected)
        assert path.read_bytes() == whole


def groups(n, d, rng):
    """Points about centres, at several densities."""
    return (rng.normal(size=(n, d)) * rng.choice([.5, 1, 3], (n, 1))
            + 20 * rng.integers(0, 4, (n, 1))).astype('f')


def sampled(x, t, **kwargs):
    """sigma_t, and the errors that a warning has of it, in %."""
    with pytest.warns(UserWarning, match='are estimated') as record:
        sigma = neighbor_distance(x, t, method='sampled', **kwargs)
    found = re.search(r'error of ([\d.]+)% in the median and ([\d.]+)%',
                      str(record[0].message))
    return sigma, float(found[1]), float(found[2])


@pytest.mark.parametrize('t', [1, 10])
@pytest.mark.parametrize('d', [2, 20])
def test_from_a_sample(monkeypatch, t, d):
    monkeypatch.setattr(MODULE, 'AMONG', 500)
    monkeypatch.setattr(MODULE, 'CHUNK', 700)
    x = groups(6000, d, numpy.random.default_rng(0))
    seen = []
    sigma, median, most = sampled(x, t, progress=seen.append)
    assert sum(seen) == len(x)
    error = 100 * abs(sigma / neighbor_distance(x, t) - 1)
    assert abs(numpy.median(error) - median) < .25 * median
    assert abs(numpy.quantile(error, .99) - most) < .5 * most
    # Of points drawn evenly it is .67 sqrt(2 / t) / d, in theory.
    assert median < 2 * 100 * .67 * (2 / t) ** .5 / d


def test_from_a_sample_with_copies(monkeypatch):
    """No point has sigma 0, however many equal it; others stay."""
    monkeypatch.setattr(MODULE, 'AMONG', 500)
    x = groups(4000, 5, numpy.random.default_rng(0))
    alone = sampled(x, 5)[0]
    sigma = sampled(numpy.concatenate([x, numpy.repeat(x[:3], 50, 0)]), 5)[0]
    assert (sigma > 0).all()
    assert abs(numpy.median(sigma[3:4000] / alone[3:]) - 1) < .1
    with pytest.raises(InputError, match="the method 'exact'"):
        neighbor_distance(numpy.ones((30, 2)), 3, method='sampled')
    with pytest.raises(InputError, match='sparse points are exact alone'):
        neighbor_distance(scipy.sparse.csr_array(x), 3, method='sampled')
    with pytest.raises(InputError, match='and not which it is'):
        neighbors(x, 3, method='sampled')


def test_sampled_is_kept_apart(tmp_path):
    x = groups(300, 3, numpy.random.default_rng(0))
    sigma, *error = sampled(x, 5, cache=tmp_path)
    exact = neighbor_distance(x, 5, tmp_path)
    again, *once_more = sampled(x, 5, cache=tmp_path)
    assert error == once_more and len(list(tmp_path.iterdir())) == 2
    numpy.testing.assert_array_equal(sigma, again)
    assert (exact != sigma).any()


def test_what_can_not_be_kept_is_computed(tmp_path):
    x = numpy.random.RandomState(0).normal(size=(20, 3))
    (tmp_path / 'file').touch()
    with pytest.warns(UserWarning, match='IMSAT_CACHE'):
        sigma = neighbor_distance(x, 2, cache=tmp_path / 'file' / 'cache')
    numpy.testing.assert_array_equal(sigma, neighbor_distance(x, 2))


def test_the_authors_file(mnist_folder):
    """t = 11 on MNIST is the file that they ship, in the order of mldata."""
    from imsat.datasets import load_dataset
    mnist = load_dataset('mnist', mnist_folder)
    shipped = numpy.loadtxt(mnist_folder / '10th_neighbor.txt').reshape(-1)
    order = numpy.concatenate([
        numpy.argsort(mnist.y[:60000], kind='stable'),
        60000 + numpy.argsort(mnist.y[60000:], kind='stable')])
    expected = numpy.empty(70000)
    expected[order] = shipped
    found = numpy.empty((70000, 11)), numpy.empty((70000, 11), 'i8')
    rows = numpy.arange(0, 70000, 350)  # all of them take a minute
    MODULE.by_float64(mnist.x, 11, *found)(rows)
    # The file has seven digits.
    numpy.testing.assert_allclose(found[0][rows, -1], expected[rows], 2e-7)
