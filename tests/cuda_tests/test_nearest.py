"""Selection by products; tests/test_neighbors.py has sigma."""
import numpy
import pytest
from chainer.backends.cuda import to_cpu

from imsat.cuda import nearest


def by_sorting(products, squares, k):
    """Values and indices of each row's k smallest, ties by index."""
    distances = squares - 2 * products
    indices = numpy.argsort(distances, axis=1, kind='stable')[:, :k]
    return numpy.take_along_axis(distances, indices, 1), indices


def assert_nearest(actual, products, squares, k):
    values, indices = map(to_cpu, actual)
    expected_values, expected_indices = by_sorting(products, squares, k)
    assert values.dtype == products.dtype and indices.dtype == numpy.int64
    numpy.testing.assert_array_equal(values, expected_values)
    numpy.testing.assert_array_equal(indices, expected_indices)


def tile(rows, columns, dtype):
    rng = numpy.random.RandomState(0)
    return (rng.normal(size=(rows, columns)).astype(dtype),
            rng.uniform(size=columns).astype(dtype))


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('dtype', 'fd')
@pytest.mark.parametrize('rows,columns,k', [
    (1, 1, 1), (3, 31, 31), (2, 33, 7), (1, 256, 1), (2, 129, 13),
    (2, 3000, 13), (2, 1025, 128), (1, 2100, 129), (1, 1500, 1024),
    (1060, 2, 1)])
def test_sizes(place, rows, columns, k, dtype):
    products, squares = tile(rows, columns, dtype)
    assert_nearest(nearest.select(place(products), place(squares), k),
                   products, squares, k)


@pytest.mark.parametrize('dtype', 'fd')
@pytest.mark.parametrize('order', ['nearer and nearer', 'ties', 'equal'])
def test_adverse_orders(device, order, dtype):
    # All join the queue, or look like the last of those that are in.
    distances = numpy.tile({
        'nearer and nearer': -numpy.arange(2500),
        'ties': numpy.arange(2500)[::-1] // 40,
        'equal': numpy.zeros(2500)}[order].astype(dtype), (2, 1))
    squares = numpy.zeros(2500, dtype)
    for k in (1, 50, 300):
        assert_nearest(
            nearest.select(device.asarray(-distances / 2),
                           device.asarray(squares), k),
            -distances / 2, squares, k)


@pytest.mark.parametrize('dtype', 'fd')
@pytest.mark.parametrize('width', [20, 100, 1100])
def test_tiles(device, width, dtype):
    products, squares = tile(3, 2222, dtype)
    products = numpy.round(products, 1)  # for ties
    squares[:] = 1
    so_far = None
    for start in range(0, 2222, width):
        part = slice(start, start + width)
        so_far = nearest.select(
            device.asarray(products[:, part]), device.asarray(squares[part]),
            20, start, so_far)
    assert_nearest(so_far, products, squares, 20)


def test_a_tile_of_nothing_nearer(device):
    # More rows than blocks, and no row waits for a sort.
    products, squares = tile(1060, 3, 'f')
    so_far = nearest.select(
        device.asarray(products), device.asarray(squares), 2)
    so_far = nearest.select(
        device.asarray(products), device.asarray(squares + 99), 2, 3, so_far)
    assert_nearest(so_far, products, squares, 2)


def test_indices_beyond_32_bits(device):
    products, squares = map(device.asarray, tile(2, 9, 'f'))
    start = 2 ** 40
    so_far = nearest.select(products, squares, 9, start)
    again = nearest.select(products, squares, 9, start + 9, so_far)
    indices = to_cpu(again.indices) - start
    assert ((indices[:, ::2] >= 0) & (indices[:, ::2] < 9)).all()
    # Of the second tile, and as near.
    assert (indices[:, 1::2] == indices[:, :-1:2] + 9).all()


@pytest.mark.parametrize('bad', [numpy.nan, numpy.inf])
def test_what_is_not_finite_is_left_out(device, bad):
    products = numpy.zeros((2, 9), 'f')
    squares = numpy.array([3, bad, 1, bad, 2, *[bad] * 4], 'f')
    values, indices = nearest.select(
        device.asarray(products), device.asarray(squares), 8)
    assert to_cpu(indices).tolist() == [[2, 4, 0, *[-1] * 5]] * 2
    assert to_cpu(values).tolist() == [[1, 2, 3, *[numpy.inf] * 5]] * 2


def test_no_rows(device):
    x = device.asarray(numpy.zeros((0, 3), 'f'))
    squares = device.asarray(numpy.zeros(3, 'f'))
    assert nearest.select(x, squares, 2).indices.shape == (0, 2)
    candidates = device.asarray(numpy.zeros((0, 2), int))
    assert nearest.distance_of_rank(x, x, candidates, 1).shape == (0,)


@pytest.mark.parametrize('k,start,given', [(4, 0, 3), (0, 0, 3), (1, -1, 3),
                                           (1025, 0, 2000)])
def test_bad_numbers(device, k, start, given):
    products, squares = map(device.asarray, tile(1, given, 'f'))
    with pytest.raises(ValueError, match='^(k|start) is '):
        nearest.select(products, squares, k, start)


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('dtype', 'fd')
@pytest.mark.parametrize('rows,n,d,k', [
    (1, 1, 1, 1), (3, 9, 31, 9), (5, 40, 33, 13), (2, 300, 256, 270),
    (1060, 5, 2, 2), (2, 7, 0, 3)])
def test_distance_of_rank(place, rows, n, d, k, dtype):
    rng = numpy.random.RandomState(0)
    x = rng.normal(size=(n, d)).astype(dtype)
    points = rng.normal(size=(rows, d)).astype(dtype)
    candidates = numpy.stack([rng.permutation(n)[:k] for _ in range(rows)])
    expected = numpy.sort(numpy.linalg.norm(
        points.astype('d')[:, None] - x[candidates], axis=2), axis=1)
    for rank in {0, k // 2, k - 1}:
        actual = nearest.distance_of_rank(
            place(x), place(points), place(candidates), rank)
        assert actual.dtype == numpy.float64
        numpy.testing.assert_allclose(
            to_cpu(actual), expected[:, rank], 1e-12)


def test_candidates_that_are_none(device):
    x = device.asarray(numpy.array([[0.], [3], [numpy.nan]]))
    points = device.asarray(numpy.array([[1.]]))
    candidates = device.asarray(numpy.array([[-1, 1, 2, 3, 0]]))
    distances = [float(nearest.distance_of_rank(x, points, candidates, i)[0])
                 for i in range(5)]
    assert distances == [1, 2, numpy.inf, numpy.inf, numpy.inf]


def test_bad_ranks(device):
    x = device.asarray(numpy.zeros((3, 2)))
    candidates = device.asarray(numpy.zeros((3, 2), int))
    with pytest.raises(ValueError, match='^rank is 2; give'):
        nearest.distance_of_rank(x, x, candidates, 2)
    with pytest.raises(ValueError, match='^K is 0; give'):
        nearest.distance_of_rank(x, x, candidates[:, :0], 0)


def test_the_order_of_threads_does_not_matter(repeats, device):
    rng = numpy.random.RandomState(0)
    products = rng.randint(0, 50, (3, 1500)).astype('f')
    squares = numpy.zeros(1500, 'f')
    for _ in repeats:
        assert_nearest(
            nearest.select(device.asarray(products), device.asarray(squares),
                           30), products, squares, 30)
