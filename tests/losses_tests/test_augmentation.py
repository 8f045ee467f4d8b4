import numpy
import pytest
from chainer.backends.cuda import to_cpu

from imsat import AffineDistortion, InputError

N = 4000


@pytest.fixture
def draw(xp):
    """N matrices of a distortion of these ranges."""
    x = xp.asarray(numpy.zeros((N, 1)))
    return lambda **ranges: to_cpu(AffineDistortion((1, 1), **ranges).draw(
        x, numpy.random.default_rng(0)))


def test_each_component_by_its_probability(draw):
    alone = dict(rotation=0, shear=0, scale=0, shift=0)
    for name, value in dict(rotation=10, shear=.3, scale=.2,
                            shift=2).items():
        for probability in (0, .5, 1):
            matrix = draw(**{**alone, name: value},
                          probability=probability)
            same = (matrix == numpy.eye(2, 3)).all(axis=(1, 2)).mean()
            # Two components, or the one of rotation, all left out.
            expected = (1 - probability) ** (1 if name == 'rotation' else 2)
            assert abs(same - expected) < 4 * (.25 / N) ** .5


def test_ranges(draw):
    alone = dict(rotation=0, shear=0, scale=0, shift=0, probability=1)
    rotation = draw(**{**alone, 'rotation': 10})
    angle = numpy.degrees(numpy.arctan2(rotation[:, 1, 0],
                                        rotation[:, 0, 0]))
    numpy.testing.assert_allclose(numpy.linalg.det(rotation[:, :, :2]), 1)
    scale = draw(**{**alone, 'scale': .2})[:, [0, 1], [0, 1]]
    shear = draw(**{**alone, 'shear': .3})[:, [0, 1], [1, 0]]
    shift = draw(**{**alone, 'shift': 2})[:, :, 2]
    for value, low, high in ((angle, -10, 10), (scale, .8, 1.2),
                             (shear, -.3, .3), (shift, -2, 2)):
        # A uniform sample comes near both ends, and stays within.
        assert low <= value.min() < low + .01 * (high - low)
        assert high - .01 * (high - low) < value.max() <= high
        numpy.testing.assert_allclose(value.mean(), (low + high) / 2,
                                      atol=.05 * (high - low))


def test_images_are_distorted_one_by_one(xp):
    x = numpy.tile(numpy.random.RandomState(0).uniform(size=35), (8, 1))
    distort = AffineDistortion((7, 5), probability=1)

    def distorted():
        y = distort(xp.asarray(x.astype('f')), numpy.random.default_rng(0))
        return to_cpu(y)
    y = distorted()
    assert y.shape == x.shape and y.dtype == numpy.float32
    assert len(numpy.unique(y, axis=0)) == 8
    numpy.testing.assert_array_equal(y, distorted())


@pytest.mark.parametrize('center', [(0, 0), (6, 1)])
def test_center_stays(xp, center):
    distort = AffineDistortion((7, 5), shift=0, center=center)
    x = numpy.zeros((N, 7, 5))
    x[:, center[0], center[1]] = 1
    y = to_cpu(distort(xp.asarray(x.reshape(N, -1)),
                       numpy.random.default_rng(0))).reshape(x.shape)
    numpy.testing.assert_allclose(y[:, center[0], center[1]], 1, 1e-12)
    assert len(numpy.unique(y, axis=0)) > N / 2


@pytest.mark.parametrize('shape,ranges,message', [
    (None, {}, 'no images'), ((5, 6), {}, 'no images of shape'),
    ((7, 5), dict(probability=1.5), 'from 0 to 1'),
    ((7, 5), dict(scale=1), 'scale'), ((7, 5), dict(shift=-1), 'shift'),
    ((7, 5), dict(rotation='x'), 'rotation')])
def test_bad_arguments(shape, ranges, message):
    with pytest.raises(InputError, match=message) as info:
        AffineDistortion(shape, **ranges).check(35)
    assert '\n' not in str(info.value)
