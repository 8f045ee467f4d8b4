"""Data sets that are features of images."""
import functools
import typing
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy
from PIL import Image

from imsat.datasets.arrays import read_npz
from imsat.datasets.cache import prepared
from imsat.datasets.dataset import Dataset
from imsat.datasets.features.extract import Sliced, extract
from imsat.datasets.features.gist import NOTES, gist
from imsat.datasets.sources import Files
from imsat.errors import InputError
from imsat.storage import AnyPath, save_npz

# (height, width) of the images that go with features, and of how many.
THUMBNAIL, MOST_THUMBNAILS = (32, 32), 100_000
# Of what ResNet-50 gives before its last layer.
RESNET50_DIMENSION = 2048


def load_gist(name: str, images: numpy.ndarray, labels: numpy.ndarray,
              kind: str, verbose: bool = True) -> Dataset:
    """The data set of the GIST features of images; kept in the cache."""
    def prepare():
        compute = functools.partial(gist, kind=kind)
        with extract(images, compute, f'gist-{kind}', verbose=verbose) as x:
            return x, labels, [NOTES[kind]]
    return prepared(name, [images, labels], {'kind': kind}, prepare)


def check_output(path: AnyPath) -> None:
    """Raises InputError unless features can be saved there."""
    path = Path(path)
    if not path.parent.is_dir():
        raise InputError(f'there is no folder {path.parent}; create it')
    if path.is_dir() or path.suffix != '.npz':
        raise InputError(f'{path} is no name of a file that can be clustered; '
                         f'give one that ends in .npz')


class Shrunk:
    """Images that keep small copies of those that were asked for.

    Args:
        images (Sliced): Shape (N, height, width, 3), uint8.

    Attributes:
        thumbnails (numpy.ndarray): Shape (N, *THUMBNAIL, 3), uint8.
    """

    def __init__(self, images: Sliced) -> None:
        self.images = images
        self.thumbnails = numpy.zeros((len(images), *THUMBNAIL, 3),
                                      numpy.uint8)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, part: slice) -> numpy.ndarray:
        images = self.images[part]
        self.thumbnails[part] = [
            numpy.asarray(Image.fromarray(image).resize(THUMBNAIL[::-1]))
            for image in images]
        return images


def save_features(
        path: AnyPath, images: Sliced,
        labels: numpy.ndarray | None, names: list[str] | None,
        compute: Callable[[numpy.ndarray], typing.Any], kind: str,
        notes: Sequence[str], chunk: int = 1000, verbose: bool = True,
        on_gpu: bool = False) -> tuple[int, int]:
    """Writes x, y, index, thumbnails, notes and made_by to an npz file.

    More than MOST_THUMBNAILS images have no thumbnails.  ``compute``,
    ``kind``, ``chunk`` and ``verbose`` are those of :func:`extract`;
    ``on_gpu`` says where they are computed, whose sums are rounded otherwise.

    Returns:
        tuple: The shape of x.

    Raises:
        InputError: If there are no images.
    """
    if not len(images):
        raise InputError('there are no images; give a data set that has some')
    shrunk = Shrunk(images) if len(images) <= MOST_THUMBNAILS else None
    with extract(shrunk or images, compute, f'{kind}-gpu' if on_gpu else kind,
                 chunk, verbose) as x:
        arrays = {'x': x, 'made_by': kind}
        if shrunk is None:
            notes = [*notes, f'More than {MOST_THUMBNAILS:,} images, so '
                             f'without thumbnails.']
        else:
            arrays['thumbnails'] = shrunk.thumbnails
        arrays['notes'] = numpy.array(notes)
        if labels is not None:
            arrays['y'] = labels
        if names is not None:
            arrays['index'] = numpy.array(names)
        save_npz(path, arrays)
    return x.shape


def load_resnet50(name: str, files: Files, points: int, classes: int
                  ) -> Dataset:
    """The data set that experiments/features.py wrote.

    Args:
        name (str): Of the data set.
        files (Files): Where to look for its file.
        points, classes (int): How many of each it has.

    Raises:
        InputError: If the file is missing or holds something else.
    """
    path = files.find(
        f'{name}-resnet50.npz',
        get=f'make it there with python experiments/features.py resnet50 '
            f'--dataset {name} --weights FILE --out {name}-resnet50.npz; '
            f'its --help says where the weights are')
    data = read_npz(path)
    shape = points, RESNET50_DIMENSION
    if data.x.shape != shape or data.y is None \
            or len(numpy.unique(data.y)) != classes:
        raise InputError(f'{path} holds points of shape {data.x.shape}, not '
                         f'{shape} with labels of {classes} classes; make it '
                         f'again')
    data.name = name
    return data
