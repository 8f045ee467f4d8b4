"""The images that features are computed from."""
from pathlib import Path

import numpy
from PIL import Image

from imsat.datasets import folders
from imsat.datasets.cifar import read_cifar10, read_cifar100
from imsat.datasets.sources import Files
from imsat.datasets.stl import read_stl
from imsat.datasets.svhn import read_svhn
from imsat.errors import InputError
from imsat.storage import AnyPath, load_npz

IMAGES = {'cifar10': read_cifar10, 'cifar100': read_cifar100,
          'stl': read_stl, 'svhn': read_svhn}


def load_images(name: str, data_dir: AnyPath | None = None,
                size: tuple[int, int] | None = None
                ) -> tuple[numpy.ndarray | folders.Images,
                           numpy.ndarray | None, list[str] | None]:
    """Images, shape (N, height, width, 3), uint8, labels or None, and the
    names of files or None.

    Args:
        name (str): A name in :data:`IMAGES`; ``FILE.npz`` with ``images``
            and optionally ``y``; or a folder of images, in which those below
            it are classes.
        data_dir (path): The folder above the publishers' files; by default
            what ``IMSAT_DATA`` names.
        size (tuple): (height, width) to which those of a folder are scaled.
            They are read when slices of them are taken.

    Raises:
        InputError: In one sentence, for what is missing, damaged or no
            images.
    """
    if name in IMAGES:
        return *IMAGES[name](Files(data_dir)), None
    if Path(name).is_dir():
        found = folders.Images(Path(name), size, 3, Image.Resampling.BICUBIC)
        return found, found.labels, found.names
    if Path(name).suffix != '.npz':
        raise InputError(f'the images {name!r} are not known; give one of '
                         f'{", ".join(IMAGES)}, a file that ends in .npz, or '
                         f'a folder of images')
    if not Path(name).is_file():
        raise InputError(f'there is no file {name}; check its name')
    arrays = load_npz(name, ('images', 'y'))
    images, labels = arrays.get('images'), arrays.get('y')
    if images is None or images.dtype != 'u1' or images.ndim != 4 \
            or images.shape[3] != 3:
        raise InputError(f'{name} holds no array images of shape (N, height, '
                         f'width, 3) and dtype uint8; save it with '
                         f'numpy.savez(file, images=images, y=labels)')
    if labels is not None and labels.shape != (len(images),):
        raise InputError(f'y of {name} has shape {labels.shape} for '
                         f'{len(images)} images; give one label for each, or '
                         f'leave y out')
    return images, labels, None
