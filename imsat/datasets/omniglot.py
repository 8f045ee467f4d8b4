"""Omniglot."""
import typing
from pathlib import Path

import numpy
from PIL import Image

from imsat.datasets.cache import prepared
from imsat.datasets.dataset import Dataset
from imsat.datasets.sources import Files, register
from imsat.errors import InputError
from imsat.losses.augmentation import AffineDistortion
from imsat.storage import AnyPath

FOLDERS = 'images_background', 'images_evaluation'
CHARACTERS, DRAWINGS = 1623, 20
SIZE, SHRINK = 105, 5


@register('omniglot')
def load_omniglot(files: Files, seed: int = 0, characters: int = 100,
                  distortions: int = 20, **ranges: typing.Any) -> Dataset:
    """Omniglot as section 4.2.1 augments it, from the publisher's PNG files.

    Args:
        seed (int): Of the sample of characters and of the distortions.
        characters (int): Classes in the sample.
        distortions (int): Points that are made of each drawing.
        ranges: Of the distortions, see :class:`imsat.AffineDistortion`.
    """
    folders = find_characters(files)
    rng = numpy.random.default_rng(seed)
    chosen = numpy.sort(rng.choice(len(folders), characters, replace=False))
    drawings = numpy.array([read_drawing(path) for i in chosen
                            for path in drawings_of(folders[i])])

    # Beyond the edge a distortion goes on as the image ends: with a rim.
    distortion = AffineDistortion([side + 2 for side in drawings.shape[1:]],
                                  **{'center': (1, 1), **ranges})

    def prepare():
        x = numpy.stack([2 * distort(drawings, distortion, rng) - 1
                         for _ in range(distortions)], axis=1)
        x = x.reshape(-1, drawings[0].size)
        y = numpy.repeat(numpy.arange(characters), DRAWINGS * distortions)
        return x, y, [
            f'{characters} of the {len(folders)} characters, drawn with seed '
            f'{seed}; drawings of {SIZE} x {SIZE} pixels averaged over '
            f'{SHRINK} x {SHRINK}, ink 1 and paper -1.',
            f'Each drawing is distorted {distortions} times at that size. The '
            f'ranges of the paper (Appendix F) could not be had; these are '
            f'those of Koch et al. (2015) about the upper left corner'
            + (f', but for {ranges}.' if ranges else '.')]
    options = {'seed': seed, 'distortions': distortions,
               'distortion': vars(distortion)}
    return prepared('omniglot', [drawings], options, prepare,
                    drawings.shape[1:])


def distort(drawings: numpy.ndarray, distortion: AffineDistortion,
            rng: numpy.random.Generator) -> numpy.ndarray:
    """Each drawing distorted at random; what comes into view is paper."""
    images = numpy.pad(drawings, ((0, 0), (1, 1), (1, 1)))
    distorted = distortion(images.reshape(len(images), -1), rng)
    return distorted.reshape(images.shape)[:, 1:-1, 1:-1]


def find_characters(files: Files) -> list[Path]:
    """The folders of all characters, in the order of their names."""
    folders = []
    for name in FOLDERS:
        folder = files.find(
            f'omniglot/{name}', name,
            get='get images_background.zip and images_evaluation.zip from '
                'https://github.com/brendenlake/omniglot and unpack both into '
                'a folder omniglot there')
        folders += sorted(folder.glob('*/character*'))
    if len(folders) != CHARACTERS:
        raise InputError(f'{folder.parent} has {len(folders)} characters of '
                         f'Omniglot, not {CHARACTERS}; unpack its two zip '
                         f'files again')
    return folders


def drawings_of(folder: Path) -> list[Path]:
    paths = sorted(folder.glob('*.png'))
    if len(paths) != DRAWINGS:
        raise InputError(f'{folder} has {len(paths)} drawings, not '
                         f'{DRAWINGS}; unpack the zip files again')
    return paths


def read_drawing(path: AnyPath) -> numpy.ndarray:
    """A drawing, 21 x 21, float32: 1 is ink, 0 paper."""
    try:
        with Image.open(path) as image:
            size = image.size
            image.verify()  # its checksums, which reading lets pass
        # Not read before its size is known to be right.
        if size == (SIZE, SIZE):
            with Image.open(path) as image:
                pixels = numpy.asarray(image.convert('1'))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError
            ) as e:
        raise InputError(f'{path} is damaged ({e}); unpack the zip files '
                         f'again') from e
    if size != (SIZE, SIZE):
        raise InputError(f'{path} has {size[0]} x {size[1]} pixels, not '
                         f'{SIZE} x {SIZE}; unpack the zip files again')
    side = SIZE // SHRINK
    blocks = (~pixels).reshape(side, SHRINK, side, SHRINK)
    return blocks.mean(axis=(1, 3), dtype=numpy.float32)
