import numpy
import pytest
import scipy.ndimage

from imsat.affine import distort, draw_affine

RNG = numpy.random.default_rng(0)


def naive(image, m, fill):
    """One image, pixel by pixel."""
    height, width = image.shape
    out = numpy.empty(image.shape)

    def at(row, column):
        inside = 0 <= row < height and 0 <= column < width
        return image[row, column] if inside else fill
    for row in range(height):
        for column in range(width):
            x, y = m @ [column - (width - 1) / 2, row - (height - 1) / 2, 1]
            x, y = x + (width - 1) / 2, y + (height - 1) / 2
            left, top = int(numpy.floor(x)), int(numpy.floor(y))
            right, bottom = x - left, y - top
            out[row, column] = (
                at(top, left) * (1 - bottom) * (1 - right)
                + at(top, left + 1) * (1 - bottom) * right
                + at(top + 1, left) * bottom * (1 - right)
                + at(top + 1, left + 1) * bottom * right)
    return out


@pytest.mark.parametrize('shape', [(7, 9), (6, 6)])
@pytest.mark.parametrize('fill', [0, -1])
def test_naive(xp, shape, fill):
    images = RNG.random((20, *shape))
    # Wide ranges: some images are moved out of sight.
    maps = draw_affine(20, RNG, rotation=90, shift=8, probability=.8)
    found = distort(xp.asarray(images), xp.asarray(maps), fill)
    expected = [naive(image, m, fill) for image, m in zip(images, maps)]
    numpy.testing.assert_allclose(found.tolist(), expected, atol=1e-12)
    found = distort(xp.asarray(images, 'f'), xp.asarray(maps), fill)
    assert found.dtype == numpy.float32
    numpy.testing.assert_allclose(found.tolist(), expected, atol=2e-5)


def test_components():
    """Each component, alone, does what its name says."""
    image = numpy.zeros((1, 11, 11))
    image[0, 3:6, 4:9] = RNG.random((3, 5))

    def only(**ranges):
        none = dict(rotation=0, shear=0, scale=(1, 1), shift=0)
        return draw_affine(1, numpy.random.default_rng(1), probability=1,
                           **{**none, **ranges})
    numpy.testing.assert_array_equal(distort(image, only()), image)
    m = only(rotation=30)[0]
    angle = numpy.degrees(numpy.arctan2(m[0, 1], m[0, 0]))
    assert 0 < abs(angle) <= 30
    # SciPy's angle turns the other way: its first axis is the rows.
    expected = scipy.ndimage.rotate(image[0], -angle, reshape=False, order=1)
    found = distort(image, only(rotation=30))[0]
    numpy.testing.assert_allclose(found, expected, atol=1e-9)
    m = only(shift=2)
    expected = scipy.ndimage.shift(image[0], -m[0, ::-1, 2], order=1)
    numpy.testing.assert_allclose(distort(image, m)[0], expected, atol=1e-9)
    m = only(scale=(2, 2))
    expected = scipy.ndimage.affine_transform(
        image[0], [.5, .5], [2.5, 2.5], order=1)
    numpy.testing.assert_allclose(distort(image, m)[0], expected, atol=1e-9)


def test_ranges_and_probability():
    maps = draw_affine(20000, numpy.random.default_rng(0), shear=0)
    unturned = maps[:, 0, 1] == 0
    # A binomial share of 20,000 is within .02 of 1/2 (5 sigma).
    assert abs(unturned.mean() - .5) < .02
    straight = maps[unturned]
    scale = 1 / straight[:, 0, 0]
    assert abs((scale == 1).mean() - .5) < .03
    assert .8 <= scale.min() < .81 and 1.19 < scale.max() <= 1.2
    moved = -straight[:, :, 2] / straight[:, [0, 1], [0, 1]]
    assert abs((moved == 0).mean() - .5) < .03
    assert 1.99 < abs(moved).max() <= 2
    # The two axes are shifted or left alone independently.
    assert abs((moved == 0).all(axis=1).mean() - .25) < .03
    turned = draw_affine(20000, numpy.random.default_rng(0), scale=(1, 1),
                         shear=0)
    angles = numpy.degrees(numpy.arctan2(turned[:, 0, 1], turned[:, 0, 0]))
    assert 9.9 < abs(angles).max() <= 10 + 1e-9
    sheared = draw_affine(20000, numpy.random.default_rng(0), scale=(1, 1),
                          rotation=0)
    forward = numpy.linalg.inv(sheared[:, :, :2])
    assert .29 < abs(forward[:, 0, 1]).max() <= .3 + 1e-9
    assert .29 < abs(forward[:, 1, 0]).max() <= .3 + 1e-9
    unsheared = (forward[:, 0, 1] == 0) & (forward[:, 1, 0] == 0)
    assert abs(unsheared.mean() - .25) < .02
