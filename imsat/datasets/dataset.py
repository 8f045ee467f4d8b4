"""What every loader returns."""
import dataclasses

import numpy


@dataclasses.dataclass
class Dataset:
    """Points to cluster or to search.

    Attributes:
        name (str): A name of ``SOURCES``, or of a file.
        x (numpy.ndarray): Shape (N, d), float32.
        y (numpy.ndarray): Labels, shape (N,), or None.
        image_shape (tuple): (height, width) of the rows that are images, or
            None.
        notes (list of str): How the points were prepared: seeds, rules, and
            what differs from the paper; a sentence each.
        names (list of str): Those of the columns of x, or None.
        index (list of str): What the table calls its rows, or None.

    Example:
        >>> from imsat.datasets import Dataset
        >>> data = Dataset('two points', numpy.eye(2, dtype='f'))
        >>> data.x.shape, data.y, data.notes
        ((2, 2), None, [])
    """
    name: str
    x: numpy.ndarray
    y: numpy.ndarray | None = None
    image_shape: tuple[int, int] | None = None
    notes: list[str] = dataclasses.field(default_factory=list)
    names: list[str] | None = None
    index: list[str] | None = None
