"""Sizes, layouts and random maps; tests/functions_tests has the values."""
import chainer
import numpy
import pytest
from chainer.backends.cuda import to_cpu
from scipy import stats

from imsat.cuda import affine
from imsat.functions import affine_transform

SHAPES = [(1, 1, 1), (2, 1, 7), (3, 31, 2), (5, 28, 28), (1, 256, 3),
          (2, 33, 31), (1060, 2, 3), (1, 50, 65)]
# What a distortion is like, one that reads far outside, and those that
# flatten the image.
KINDS = [numpy.array([[.9, -.2, 1.3], [.4, 1.1, -.8]]),
         numpy.array([[-2.1, .3, 1.3], [.4, .2, 10]]),
         numpy.array([[1., 2, .3], [.5, 1, 0]]),
         numpy.array([[0, 0, .3], [1., .5, 0]]),
         numpy.array([[0, 0, 1e5], [0, 0, -.2]])]
RANGES = {'rotation': .3, 'shear': .4, 'scale': .2, 'shift': 3}


def maps(n, kind=None):
    noise = numpy.random.RandomState(0).normal(0, .1, (n, 2, 3))
    if kind is None:
        return KINDS[0] + noise
    return numpy.tile(kind, (n, 1, 1))


def images(shape, dtype):
    return numpy.random.RandomState(1).normal(size=(2, *shape)).astype(dtype)


def reference(x, gy, matrix):
    """By NumPy in float64."""
    x = chainer.Variable(x.astype('d'))
    y = affine_transform(x, matrix)
    y.grad = gy.astype('d')
    y.backward()
    return y.array, x.grad


def compute(x, gy, matrix, place):
    matrix = place(matrix)
    return (to_cpu(affine.forward(place(x), matrix)),
            to_cpu(affine.backward(place(gy), matrix)))


def assert_as_by_numpy(x, gy, matrix, place, tolerance):
    for actual, expected in zip(compute(x, gy, matrix, place),
                                reference(x, gy, matrix)):
        assert actual.dtype == x.dtype and actual.shape == x.shape
        numpy.testing.assert_allclose(
            actual, expected, 0, tolerance * abs(expected).max())


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('dtype,tolerance', [('f', 1e-6), ('d', 1e-12)])
@pytest.mark.parametrize('shape', SHAPES)
def test_sizes(place, shape, dtype, tolerance):
    x, gy = images(shape, dtype)
    assert_as_by_numpy(x, gy, maps(shape[0]), place, tolerance)


@pytest.mark.parametrize('dtype,tolerance', [('f', 1e-6), ('d', 1e-12)])
@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('shape', [(2, 12, 9), (2, 1, 9), (2, 5, 1)])
def test_kinds_of_maps(device, kind, shape, dtype, tolerance):
    x, gy = images(shape, dtype)
    assert_as_by_numpy(x, gy, maps(2, kind), device.asarray, tolerance)


@pytest.mark.parametrize('angle', [.1, .5, 1.5])
def test_every_pixel_is_handed_back(device, angle):
    # All weights of a pixel of y add up to 1.
    cos, sin = numpy.cos(angle), numpy.sin(angle)
    for stretch in (.05, .9, 1, 1.3, 20):
        matrix = numpy.array([[[stretch * cos, -sin, .3],
                               [stretch * sin, cos, -.4]]])
        gx = affine.backward(device.asarray(numpy.ones((1, 13, 17))),
                             device.asarray(matrix))
        numpy.testing.assert_allclose(to_cpu(gx).sum(), 13 * 17, 1e-12)


@pytest.mark.parametrize('bad', [numpy.nan, numpy.inf, -1e300, 1e300, 1e-300])
def test_nothing_is_read_outside_of_images(device, bad):
    # Whatever the map; the emulator and compute-sanitizer watch.
    x, gy = images((6, 4, 5), 'd')
    matrix = maps(6).reshape(6, 6)
    matrix[range(6), range(6)] = bad
    y, _ = compute(x, gy, matrix.reshape(6, 2, 3), device.asarray)
    assert abs(y).max() <= abs(x).max()


@pytest.mark.parametrize('shape', [(0, 5, 4), (2, 0, 4), (2, 4, 0)])
def test_empty(device, shape):
    x, gy = images(shape, 'f')
    y, gx = compute(x, gy, maps(shape[0]), device.asarray)
    assert y.shape == gx.shape == shape


def test_the_order_of_threads_does_not_matter(repeats, device):
    x, gy = images((4, 20, 20), 'f')
    results = [compute(x, gy, maps(4), device.asarray) for _ in repeats]
    for y, gx in results:
        assert (y == results[0][0]).all() and (gx == results[0][1]).all()


def draw(n, *key, **ranges):
    return to_cpu(affine.random_matrices(n, *key, **ranges))


def test_components_are_composed(device):
    # The same numbers, one component at a time.
    alone = {name: draw(50, 1, 2, **{name: value})
             for name, value in RANGES.items()}
    expected = alone['rotation'][:, :, :2] @ alone['shear'][:, :, :2] \
        @ alone['scale'][:, :, :2]
    matrix = draw(50, 1, 2, **RANGES)
    numpy.testing.assert_allclose(matrix[:, :, :2], expected, 1e-12, 1e-15)
    numpy.testing.assert_array_equal(
        matrix[:, :, 2], alone['shift'][:, :, 2])


def test_components_are_uniform_and_independent(device):
    n = 3000
    rotation = draw(n, 3, rotation=.3)
    numpy.testing.assert_allclose(
        rotation[:, :, :2] @ rotation[:, :, :2].transpose(0, 2, 1),
        numpy.tile(numpy.eye(2), (n, 1, 1)), atol=1e-12)
    shear, scale = draw(n, 3, shear=.3), draw(n, 3, scale=.3)
    shift = draw(n, 3, shift=.3)
    drawn = numpy.stack([
        numpy.arctan2(rotation[:, 1, 0], rotation[:, 0, 0]), shear[:, 0, 1],
        shear[:, 1, 0], scale[:, 0, 0] - 1, scale[:, 1, 1] - 1,
        shift[:, 0, 2], shift[:, 1, 2]])
    for component in drawn:
        assert stats.kstest(
            component, stats.uniform(-.3, .6).cdf).pvalue > 1e-3
    assert abs(numpy.corrcoef(drawn) - numpy.eye(7)).max() < .08


def test_a_map_depends_on_its_number_alone(device):
    first = draw(300, 1, 2, **RANGES)
    assert (draw(300, 1, 2, **RANGES) == first).all()
    assert (draw(7, 1, 2, **RANGES) == first[:7]).all()
    for key in ((1, 3), (2, 2), (1 + 2 ** 32, 2), (1, 2 + 2 ** 32)):
        other = draw(300, *key, **RANGES)
        assert abs(numpy.corrcoef(
            (other - numpy.eye(2, 3)).reshape(300, 6).T,
            (first - numpy.eye(2, 3)).reshape(300, 6).T
        )[:6, 6:]).max() < .25


def test_probability(device):
    assert (draw(50, 1, probability=0, **RANGES) == numpy.eye(2, 3)).all()
    shift = draw(4000, 1, shift=1, probability=.25)[:, :, 2]
    shifted = shift != 0
    assert stats.kstest(
        shift[shifted], stats.uniform(-1, 2).cdf).pvalue > 1e-3
    assert abs(shifted.mean(axis=0) - .25).max() < .03
    # By coins of their own.
    assert abs(shifted.all(axis=1).mean() - .25 ** 2) < .02


@pytest.mark.parametrize('name,value', [
    ('n', -1), ('n', 2 ** 32 + 1), ('seed', -1), ('step', 2 ** 63),
    ('shear', -.1), ('probability', 1.1)])
def test_bad_numbers(device, name, value):
    with pytest.raises(ValueError, match=f'^{name} is '):
        affine.random_matrices(**{'n': 2, 'seed': 0, name: value})


def test_no_maps(device):
    assert draw(0, 1).shape == (0, 2, 3)
