import numpy
import pytest
import simt
from chainer.backends.cuda import to_cpu
from scipy import stats

from imsat.cuda import directions, kernels, launch
from imsat.losses.regularizers import move_rows, scale_rows

# Counter, key and result, from the authors' Random123.
VECTORS = [
    ([0] * 6, '6627e8d5 e169c58d bc57ac4c 9b00dbd8'),
    ([0xffffffff] * 6, '408f276d 41c83b0e a20bc7c6 6d5451fd'),
    ([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0],
     'd16cfe09 94fdcceb 5001e420 24126ea1'),
]
SHAPES = [(1, 1), (3, 2), (5, 31), (2, 33), (9, 256), (33, 10), (2, 784),
          (2, 1027), (1, 9000)]


@pytest.mark.parametrize('words,expected', VECTORS)
def test_philox(emulator, words, expected):
    philox = (kernels.FOLDER / 'philox.cuh').read_text()
    text = 'typedef float T;\n' + philox + '''
extern "C" __global__ void words(const unsigned* c, unsigned* out) {
    Philox p = philox(c[0], c[1], c[2], c[3],
                      c[4] | (unsigned long long)c[5] << 32);
    for (int i = 0; i < 4; i++) out[i] = p.word[i];
}'''
    out = emulator.empty(4, 'I')
    emulator.launch(text, 'words', launch.shape((1,), (1,)),
                    (simt.asarray(numpy.array(words, 'I')), out))
    assert ' '.join(f'{word:08x}' for word in out.tolist()) == expected


@pytest.mark.parametrize('dtype,rtol', [('f', 1e-5), ('d', 1e-12)])
@pytest.mark.parametrize('shape', SHAPES)
def test_rows_have_length_1(device, shape, dtype, rtol):
    d = to_cpu(directions.random(shape, dtype, seed=1))
    assert d.dtype == dtype and d.shape == shape
    numpy.testing.assert_allclose(
        numpy.linalg.norm(d.astype('d'), axis=1), 1, rtol)


# Of these the last row's numbers are 0 in float32: a radius of 0, and an angle
# of three quarters.
@pytest.mark.parametrize('shape,seed', [((1, 2), 16390493), ((2, 1), 246666)])
@pytest.mark.parametrize('dtype', 'fd')
def test_a_row_of_zeros_gets_a_direction(device, shape, seed, dtype):
    d = directions.random(shape, dtype, seed)
    numpy.testing.assert_allclose(
        numpy.linalg.norm(to_cpu(d), axis=1), 1, 1e-6)
    x = device.asarray(numpy.zeros(shape, dtype))
    _, moved = directions.perturb_randomly(
        x, device.asarray(numpy.arange(len(x))),
        device.asarray(numpy.array([seed, 0])), 3.)
    numpy.testing.assert_allclose(to_cpu(moved), 3 * to_cpu(d), 1e-6)


def test_a_number_depends_on_its_place_alone(device):
    def draw(shape, *key):
        return to_cpu(directions.random(shape, 'd', *key))

    d = draw((40, 30), 1, 2)
    assert (draw((40, 30), 1, 2) == d).all()
    # A batch's first rows are those of a smaller batch.
    numpy.testing.assert_allclose(draw((7, 30), 1, 2), d[:7], 1e-14)
    for key in ((1, 3), (2, 2), (1 + 2 ** 32, 2), (1, 2 + 2 ** 32)):
        assert abs(numpy.corrcoef(draw((40, 30), *key).ravel(),
                                  d.ravel())[0, 1]) < .12
    numpy.testing.assert_allclose(
        to_cpu(directions.random((40, 30), 'f', 1, 2)), d, 1e-4, 1e-6)


def test_directions_are_uniform(device):
    d = to_cpu(directions.random((3000, 8), 'd', seed=3))
    # On the unit sphere in 8 dimensions (1 + x) / 2 is beta(3.5, 3.5).
    for column in d.T:
        assert stats.kstest((1 + column) / 2, stats.beta(3.5, 3.5).cdf
                            ).pvalue > 1e-3
    covariance = d.T @ d / len(d) * 8
    assert abs(covariance - numpy.eye(8)).max() < .1


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('dtype,rtol', [('f', 1e-5), ('d', 1e-13)])
@pytest.mark.parametrize('shape', SHAPES)
def test_scale_rows(place, shape, dtype, rtol):
    rng = numpy.random.RandomState(0)
    d = rng.normal(size=shape).astype(dtype)
    radius = rng.uniform(.1, 5, shape[0]).astype(dtype)
    expected = scale_rows(d.astype('d'))
    numpy.testing.assert_allclose(
        to_cpu(directions.scale_rows(place(d))), expected, rtol)
    numpy.testing.assert_allclose(
        to_cpu(directions.scale_rows(place(d), place(radius))),
        expected * radius[:, None], rtol)


@pytest.mark.parametrize('dtype', ['f', 'd'])
def test_extreme_rows(device, dtype):
    d = numpy.array([[3, 4], [0, 0], [3e-30, 4e-30], [3e30, -4e30],
                     [3e-40, 4e-40]], dtype)
    radius = device.asarray(numpy.array([1, 2, 3, 4, 5], dtype))
    actual = to_cpu(directions.scale_rows(device.asarray(d), radius))
    # Below 1.2e-38 a float has few digits, and is 0 on a GPU: CuPy compiles
    # with -ftz=true.
    last = [0, 0] if dtype == 'f' and device is not simt else [3, 4]
    numpy.testing.assert_allclose(
        actual, [[.6, .8], [0, 0], [1.8, 2.4], [2.4, -3.2], last], 1e-4)


@pytest.mark.filterwarnings('ignore:invalid value:RuntimeWarning')
@pytest.mark.parametrize('width', [3, 33, 1100])
@pytest.mark.parametrize('bad', [numpy.nan, numpy.inf, -numpy.inf])
def test_a_diverged_network_is_noticed(xp, bad, width):
    d = numpy.ones((3, width), 'f')
    d[1, 1] = bad
    x, radius = numpy.zeros((3, width), 'f'), numpy.ones(3, 'f')
    moved = xp.asarray(x)
    move_rows(xp.asarray(x), xp.asarray(d), xp.asarray(radius), moved)
    for actual in moved, scale_rows(xp.asarray(d)):
        actual = to_cpu(actual)
        assert numpy.isnan(actual[1]).all()
        numpy.testing.assert_allclose(actual[::2], width ** -.5, 1e-5)


@pytest.mark.parametrize('shape', [(0, 5), (5, 0)])
def test_empty(device, shape):
    assert directions.random(shape, 'f', 0).shape == shape
    d = device.asarray(numpy.zeros(shape, 'f'))
    assert directions.scale_rows(d).shape == shape


def test_the_order_of_threads_does_not_matter(repeats):
    results = [to_cpu(directions.random((30, 784), 'f', 5)) for _ in repeats]
    assert all((r == results[0]).all() for r in results)


# --- In one launch with what they are for ------------------------------------
def points(dtype, n, d):
    rng = numpy.random.RandomState(0)
    return (rng.normal(size=(n, d)).astype(dtype),
            rng.uniform(.1, 5, n).astype(dtype))


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('dtype,tolerance', [('f', 1e-6), ('d', 1e-15)])
@pytest.mark.parametrize('shape', SHAPES)
def test_perturb_randomly(place, device, shape, dtype, tolerance):
    n, width = shape
    data, radius = points(dtype, n + 5, width)
    index = numpy.random.RandomState(1).randint(0, n + 5, n)
    key = device.asarray(numpy.array([7, 2 ** 40 + 3]))
    d = to_cpu(directions.random(shape, dtype, 7, 2 ** 40 + 3))
    for far, how in ((10., dict(length=10.)),
                     (radius[index][:, None], dict(radius=place(radius)))):
        batch, moved = map(to_cpu, directions.perturb_randomly(
            place(data), device.asarray(index), key, **how))
        assert (batch == data[index]).all() and moved.dtype == dtype
        numpy.testing.assert_allclose(
            moved, data[index] + far * d, 0, 30 * tolerance)


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('dtype,tolerance', [('f', 1e-6), ('d', 1e-14)])
@pytest.mark.parametrize('shape', SHAPES)
def test_perturb(place, device, shape, dtype, tolerance):
    n, width = shape
    x, _ = points(dtype, n, width)
    d, radius = points(dtype, n + 5, width)
    d[0] = 0
    index = numpy.random.RandomState(1).permutation(n + 5)[:n]
    moved, again = (to_cpu(directions.perturb(
        place(x), place(d[:n]), place(radii), each)) for radii, each in (
        (radius, device.asarray(index)), (radius[index], None)))
    assert (moved == again).all()
    for i in range(n):
        length = numpy.linalg.norm(d[i].astype('d'))
        by = radius[index[i]] * d[i] / length if length else 0
        numpy.testing.assert_allclose(moved[i], x[i] + by, 0, 9 * tolerance)


def test_perturbations_are_written_where_it_is_told(emulator):
    data, radius = map(simt.asarray, points('f', 9, 5))
    index, key = simt.asarray(numpy.arange(9)), simt.asarray(
        numpy.array([1, 2]))
    outputs = emulator.empty((18, 5), 'f')
    batch, moved = directions.perturb_randomly(
        data, index, key, 1., batch=outputs[:9], moved=outputs[9:])
    assert numpy.shares_memory(batch, outputs[:9])
    assert numpy.shares_memory(moved, outputs[9:])
    expected = directions.perturb(batch, moved, radius, index)
    outputs = emulator.empty((9, 5), 'f')
    assert directions.perturb(batch, moved, radius, index, outputs) is outputs
    assert (outputs == expected).all()
    assert emulator.launches == {'random_perturbations': 1, 'scale_rows': 2}


def test_how_far_is_said_once(device):
    data, radius = map(device.asarray, points('f', 9, 5))
    for how in ({}, dict(length=1., radius=radius)):
        with pytest.raises(TypeError, match='^give one of length and radius'):
            directions.perturb_randomly(data, *map(device.asarray, (
                numpy.arange(9), numpy.array([1, 2]))), **how)


@pytest.mark.parametrize('shape', [(0, 5), (5, 0)])
def test_nothing_is_perturbed(device, shape):
    x = device.asarray(numpy.zeros(shape, 'f'))
    radius = device.asarray(numpy.ones(5, 'f'))
    index = device.asarray(numpy.arange(shape[0]))
    key = device.asarray(numpy.array([1, 2]))
    batch, moved = directions.perturb_randomly(x, index, key, 1.)
    assert batch.shape == moved.shape == shape
    assert directions.perturb(x, x, radius, index).shape == shape
