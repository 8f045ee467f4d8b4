"""Rows that are images."""
import numpy


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
