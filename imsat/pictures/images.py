"""Rows that are images."""
import math

import numpy

from imsat.errors import InputError
from imsat.parameters import MOST, Kind, is_sequence, is_whole

MOST_LOOKED_AT = 1000  # images
DARK = .1  # of the span of the values, what is background at most


class ImageShape(Kind):
    """(height, width), in colour (height, width, 3)."""
    wanted = 'give (height, width), in colour (height, width, 3)'

    def allows(self, value):
        return is_sequence(value) and all(
            is_whole(side) and 0 < side <= MOST for side in value) \
            and (len(value) == 2 or len(value) == 3 and value[2] == 3)


def check_images(image_shape: tuple[int, ...], **arrays: numpy.ndarray
                 ) -> None:
    """Raises InputError for rows that are no images of that shape."""
    for name, x in arrays.items():
        if x.shape[1] != math.prod(image_shape):
            raise InputError(
                f'rows of {name} have {x.shape[1]} numbers, and are no images '
                f'of shape {tuple(image_shape)}; give that of the images')


def are_strokes(x: numpy.ndarray, span: tuple[float, float]) -> bool:
    """Whether most of some grey images is their darkest: a background, which
    is drawn white, as paper.  Photographs are drawn as they are.

    Args:
        x (array): Shape (N, d).
        span (tuple): The least and the largest value there is.
    """
    some = x[::-(-x.shape[0] // MOST_LOOKED_AT)]
    low, high = map(float, span)
    return bool(numpy.median(some) <= low + DARK * (high - low))


def drawable(row: numpy.ndarray, image_shape: tuple[int, ...],
             span: tuple[float, float]) -> numpy.ndarray:
    """An image as ``imshow`` takes it; one in colour from 0 to 1.

    Args:
        row (array): Shape (d,).
        image_shape (tuple): (height, width), in colour (height, width, 3).
        span (tuple): The least and the largest value there is.
    """
    image = row.reshape(image_shape)
    if len(image_shape) == 2:
        return image
    low, high = map(float, span)
    return numpy.clip((image - low) / (high - low or 1), 0, 1)
