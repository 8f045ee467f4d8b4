"""Random augmentations T of section 3.2.2 for data of one kind."""
import dataclasses
import functools
import math
from typing import Any

import chainer
import chainer.functions as F
import numpy

from imsat.cuda import affine, runtime
from imsat.errors import InputError
from imsat.functions.affine import AffineTransform
from imsat.hints import Array
from imsat.parameters import (
    MOST, Kind, Number, argument_error, check_value, documented, is_number,
    is_sequence, is_whole, parameter)


class Shape(Kind):
    """(height, width)."""
    wanted = 'give the (height, width) of the images'

    def allows(self, value):
        return is_sequence(value) and len(value) == 2 and all(
            is_whole(side) and 0 < side <= MOST for side in value)


class Pixel(Kind):
    """(row, column), which may lie between two."""
    wanted = 'give (row, column) of a pixel'

    def allows(self, value):
        return is_sequence(value) and len(value) == 2 and all(
            is_number(place) and 0 <= place <= MOST for place in value)


# Scripts have one option for all of them.
_range = functools.partial(parameter, option='', kw_only=False)


@documented
@dataclasses.dataclass(frozen=True)
class AffineDistortion:
    """The stochastic affine distortion of images (section 4.2.4).

    Rotation, a shear and a scale along each axis, and a shift along each are
    drawn uniformly from their range, and each of these seven is applied with
    a probability of its own.

    (?) The ranges of the paper's Appendix F could not be had; these are those
    of Koch et al. (2015), on whose Omniglot experiments it probably builds.

    Example:
        >>> distort = imsat.AffineDistortion((28, 28), rotation=5)
        >>> images = numpy.zeros((3, 784), 'f')
        >>> distort(images, numpy.random.default_rng(0)).shape
        (3, 784)
    """

    image_shape: Any = _range(
        None, Shape(optional=True), 'height and width of images')
    rotation: float = _range(
        10., Number(0, 180), 'largest angle, in degrees, either way')
    shear: float = _range(.3, Number(0, .9), 'largest shear, either way')
    scale: float = _range(
        .2, Number(0, .9), 'largest change of size, either way: .2 is from '
        '.8 to 1.2')
    shift: float = _range(
        2., Number(0, MOST), 'largest shift, in pixels, either way; at most '
        'a side of the image')
    probability: float = _range(
        .5, Number(0, 1), 'how often each of the seven is applied')
    center: Any = _range(
        None, Pixel(optional=True), 'the pixel that rotation, shear and '
        'scale leave where it is: (0, 0) is the upper left one, None the '
        'middle')

    def __post_init__(self):
        check_value(self)

    def __call__(self, x: Array, rng: numpy.random.Generator) -> Array:
        """Distorted images, an array of x's shape, (B, height * width)."""
        matrix = self.draw(x, rng)
        with chainer.no_backprop_mode():
            # (affine_transform looks at the numbers, for which a GPU waits.)
            y, = AffineTransform(matrix).apply(
                (x.reshape(-1, *self.image_shape),))
        return y.array.reshape(x.shape)

    def draw(self, x: Array, rng: numpy.random.Generator) -> Array:
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

    def check(self, dimension: int) -> None:
        """Raises InputError unless points of so many features are images
        that the shift and the center lie within."""
        if self.image_shape is None \
                or math.prod(self.image_shape) != dimension:
            raise InputError(
                f'points of {dimension} features are no images of shape '
                f'{self.image_shape}; take an affine distortion for images '
                f'only, and say their (height, width)')
        most = max(self.image_shape)
        if self.shift > most:
            raise argument_error(
                self, 'shift', f'is {self.shift} pixels, beyond the image; '
                f'give a number from 0 to {most}')
        if self.center is not None and any(
                place > size - 1
                for place, size in zip(self.center, self.image_shape)):
            raise argument_error(
                self, 'center', f'is {self.center}, outside an image of shape '
                f'{tuple(self.image_shape)}; give (row, column) of a pixel')


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
