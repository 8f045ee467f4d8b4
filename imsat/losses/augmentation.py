"""Random augmentations T of section 3.2.2 for data of one kind."""
import math

import chainer
import chainer.functions as F
import numpy

from imsat.cuda import affine, runtime
from imsat.errors import InputError
from imsat.functions import affine_transform
from imsat.parameters import is_number


class AffineDistortion:
    """The stochastic affine distortion of images (section 4.2.4).

    Rotation, a shear and a scale along each axis, and a shift along each are
    drawn uniformly from their range, and each of these seven is applied with
    a probability of its own.

    (?) The ranges of the paper's Appendix F could not be had; these are those
    of Koch et al. (2015), on whose Omniglot experiments it probably builds.

    Args:
        image_shape (tuple): (height, width).
        rotation (float): Largest angle, in degrees, either way.
        shear (float): Largest shear, either way.
        scale (float): Largest change of size: .2 is from .8 to 1.2.
        shift (float): Largest shift, in pixels, either way.
        probability (float): How often each of the seven is applied, 0 to 1.
        center (sequence): (row, column) of the pixel that rotation, shear
            and scale leave where it is; None for the middle, (0, 0) is the
            upper left one.

    Example:
        >>> distort = imsat.AffineDistortion((28, 28), rotation=5)
        >>> images = numpy.zeros((3, 784), 'f')
        >>> distort(images, numpy.random.default_rng(0)).shape
        (3, 784)
    """

    def __init__(self, image_shape, rotation=10., shear=.3, scale=.2,
                 shift=2., probability=.5, center=None):
        self.image_shape = image_shape
        self.rotation, self.shear, self.scale, self.shift = \
            rotation, shear, scale, shift
        self.probability, self.center = probability, center

    def __call__(self, x, rng):
        """Distorted images, an array of x's shape, (B, height * width)."""
        matrix = self.draw(x, rng)
        with chainer.no_backprop_mode():
            y = affine_transform(x.reshape(-1, *self.image_shape), matrix)
        return y.array.reshape(x.shape)

    def draw(self, x, rng):
        """A matrix for each image of x, on its device, as
        :func:`functions.affine_transform` takes them."""
        if runtime.current.holds(x):
            # There from the start, by a generator keyed by this one.
            matrix = affine.random_matrices(
                len(x), rng.integers(2 ** 63), 0, math.radians(self.rotation),
                self.shear, self.scale, self.shift, self.probability)
        else:
            matrix = self._draw(len(x), rng)
        if self.center is not None:
            self._move(matrix)
        return matrix

    def _draw(self, n, rng):
        ranges = numpy.array(
            [math.radians(self.rotation), self.shear, self.shear, self.scale,
             self.scale, self.shift, self.shift])
        drawn = rng.uniform(-ranges, ranges, (n, 7))
        drawn *= rng.random((n, 7)) < self.probability
        angle, shear_0, shear_1, scale_0, scale_1, shift_0, shift_1 = drawn.T
        cos, sin, one = numpy.cos(angle), numpy.sin(angle), numpy.ones(n)
        matrix = _matrices(cos, -sin, sin, cos) \
            @ _matrices(one, shear_0, shear_1, one) \
            @ _matrices(1 + scale_0, 0 * one, 0 * one, 1 + scale_1)
        shift = numpy.stack([shift_0, shift_1], axis=1)[:, :, None]
        return numpy.concatenate([matrix, shift], axis=2)

    def _move(self, matrix):
        """Makes maps about the middle, in place, maps about the center."""
        for axis, size in enumerate(self.image_shape):
            offset = self.center[axis] - (size - 1) / 2
            matrix[:, :, 2] -= matrix[:, :, axis] * offset
            matrix[:, axis, 2] += offset

    def check(self, dimension):
        """Raises InputError unless points of so many features are images,
        and for ranges that make no distortion."""
        if self.image_shape is None \
                or math.prod(self.image_shape) != dimension:
            raise InputError(
                f'points of {dimension} features are no images of shape '
                f'{self.image_shape}; take an affine distortion for images '
                f'only, and say their (height, width)')
        for name, most in (('rotation', 180), ('shear', .9), ('scale', .9),
                           ('shift', max(self.image_shape)),
                           ('probability', 1)):
            value = getattr(self, name)
            if not is_number(value) or not 0 <= value <= most:
                raise InputError(f'{name} of the distortion is {value!r}; '
                                 f'give a number from 0 to {most}')
        center = self.center
        if center is not None and not (
                isinstance(center, tuple | list | numpy.ndarray)
                and len(center) == 2
                and all(is_number(place) and 0 <= place < size
                        for place, size in zip(center, self.image_shape))):
            raise InputError(f'center of the distortion is {self.center!r}; '
                             f'give (row, column) of a pixel')


def check_augmented(augmented, x):
    """What an augmentation made of the batch x, in x's dtype.

    Raises:
        InputError: If it isn't an array or Variable of x's shape.
    """
    if getattr(augmented, 'shape', None) != x.shape \
            or augmented.dtype.kind not in 'fiub':
        raise InputError(
            f'the augmentation made of a batch of shape {x.shape} '
            f'{type(augmented).__name__} of shape '
            f'{getattr(augmented, "shape", None)}; return an array of numbers '
            f'of the shape that it is given')
    if isinstance(augmented, chainer.Variable):
        return F.cast(augmented, x.dtype)
    return augmented.astype(x.dtype, copy=False)


def _matrices(a, b, c, d):
    return numpy.stack([a, b, c, d], axis=1).reshape(-1, 2, 2)
