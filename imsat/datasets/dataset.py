"""What every loader returns."""
import dataclasses
import typing

import numpy

from imsat.datasets.preparation import Preparation


@dataclasses.dataclass
class Dataset:
    """Points to cluster or to search.

    Attributes:
        name (str): A name of ``SOURCES``, or of a file.
        x (numpy.ndarray or scipy.sparse.csr_matrix): Shape (N, d), float32.
        y (numpy.ndarray): Labels, shape (N,); of points that have several
            rows of 0 and 1, shape (N, L); or None.
        image_shape (tuple): (height, width) of the rows that are images, in
            colour (height, width, 3), or None.
        notes (list of str): How the points were prepared: seeds, rules, and
            what differs from the paper; a sentence each.
        names (list of str): Those of the columns of x, or None.
        index (list of str): What the rows are called, or None.
        documents (list of str): The texts that x weighs the words of, or None.
        thumbnails (numpy.ndarray): Small images, shape (N, height, width, 3),
            uint8, of points that are features of images, or None.
        preparation (Preparation): How all that was made, to make others
            alike; see there.

    Example:
        >>> from imsat.datasets import Dataset
        >>> data = Dataset('two points', numpy.eye(2, dtype='f'))
        >>> data.x.shape, data.y, data.notes
        ((2, 2), None, [])
    """
    name: str
    x: typing.Any
    y: numpy.ndarray | None = None
    image_shape: tuple[int, ...] | None = None
    notes: list[str] = dataclasses.field(default_factory=list)
    names: list[str] | None = None
    index: list[str] | None = None
    documents: list[str] | None = None
    thumbnails: numpy.ndarray | None = None
    preparation: Preparation | None = None

    @property
    def images(self) -> tuple[typing.Any, tuple[int, ...]] | None:
        """What the points look like: rows of numbers, and the shape of the
        image that a row is; None where they are no images."""
        if self.thumbnails is not None:
            n, *shape = self.thumbnails.shape
            return self.thumbnails.reshape(n, -1), tuple(shape)
        return None if self.image_shape is None else (
            self.x, self.image_shape)
