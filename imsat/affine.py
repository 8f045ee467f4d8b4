"""Stochastic affine distortion of images (Appendix F)."""
import numpy
from chainer import backend


def draw_affine(n, rng, rotation=10, shear=.3, scale=(.8, 1.2), shift=2,
                probability=.5):
    """Random affine maps of n images.

    The paper's Appendix F could not be had.  These are the distortions of
    Koch et al. (2015) for Omniglot, which it probably follows: seven
    components -- the rotation, and shear, scale and shift along either axis
    -- each drawn uniformly, and each left out with probability 1/2.

    Args:
        rng (numpy.random.Generator): Source of every draw.
        rotation (float): Largest angle in degrees, either way.
        shear (float): Largest shear, either way.
        scale (pair of float): Least and largest scale.
        shift (float): Largest shift in pixels, either way.
        probability (float): Of each component.

    Returns:
        numpy.ndarray: Shape (n, 2, 3), float64.  ``m[i]`` maps (column, row,
        1), in pixels from the centre of the image, to a place in the original.
    """
    used = rng.random((7, n)) < probability

    def draw(component, low, high, neutral=0.):
        return numpy.where(used[component], rng.uniform(low, high, n), neutral)

    angle = numpy.radians(draw(0, -rotation, rotation))
    shear_x, shear_y = draw(1, -shear, shear), draw(2, -shear, shear)
    scale_x, scale_y = draw(3, *scale, 1.), draw(4, *scale, 1.)
    shifts = draw(5, -shift, shift), draw(6, -shift, shift)
    cos, sin, one = numpy.cos(angle), numpy.sin(angle), numpy.ones(n)

    def matrix(*rows):
        return numpy.array(rows).transpose(2, 0, 1)
    forward = matrix((cos, -sin), (sin, cos)) \
        @ matrix((one, shear_x), (shear_y, one)) \
        @ matrix((scale_x, 0 * one), (0 * one, scale_y))
    # An image is distorted by looking up where each of its pixels came from.
    inverse = numpy.linalg.inv(forward)
    origin = -inverse @ numpy.array(shifts).T[:, :, None]
    return numpy.concatenate([inverse, origin], axis=2)


def distort(images, maps, fill=0):
    """Images as they look through affine maps, by bilinear interpolation.

    Args:
        images (array): Shape (n, height, width), floating point, NumPy or
            CuPy.
        maps (array): Shape (n, 2, 3), see :func:`draw_affine`.
        fill (float): The value outside of the images.

    Returns:
        array: The shape and dtype of ``images``.
    """
    xp = backend.get_array_module(images)
    n, height, width = images.shape
    rows, columns = xp.mgrid[:height, :width]
    places = xp.stack([columns.ravel() - (width - 1) / 2,
                       rows.ravel() - (height - 1) / 2,
                       xp.ones(height * width)])
    found = (xp.asarray(maps) @ places).astype(images.dtype)
    x = found[:, 0] + (width - 1) / 2
    y = found[:, 1] + (height - 1) / 2
    # A rim of the fill on every side takes all that lies outside.
    padded = xp.full((n, height + 2, width + 2), fill, images.dtype)
    padded[:, 1:-1, 1:-1] = images
    x, y = xp.clip(x + 1, 0, width + 1), xp.clip(y + 1, 0, height + 1)
    left = xp.minimum(x.astype(int), width)
    top = xp.minimum(y.astype(int), height)
    x, y = x - left, y - top
    x, y = x.astype(images.dtype), y.astype(images.dtype)
    pixels = padded.reshape(n, -1)
    corner = top * (width + 2) + left

    def at(offset):
        return xp.take_along_axis(pixels, corner + offset, axis=1)
    above = at(0) * (1 - x) + at(1) * x
    below = at(width + 2) * (1 - x) + at(width + 3) * x
    return (above * (1 - y) + below * y).reshape(images.shape)
