"""A folder of images, PNG or JPEG."""
import contextlib
import os
import re
import struct
import typing
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy
from PIL import Image, ImageOps

from imsat.datasets.dataset import Dataset
from imsat.datasets.points import (
    check_labels, is_missing, usable_labels)
from imsat.datasets.preparation import SCALED, Preparation
from imsat.devices import available_memory
from imsat.errors import ArgumentError, InputError
from imsat.labels import NAMELESS
from imsat.progress import ProgressBar
from imsat.storage import AnyPath, reason_of

FORMATS = 'PNG', 'JPEG'
SUFFIXES = '.png', '.jpg', '.jpeg'
# To which images are resized that are larger than LARGEST or not all alike.
DEFAULT, LARGEST = (32, 32), (64, 64)
# By one of the images of 16 bits at least: those of 12 don't fill them.
REACHED = 1 << 15
AT_A_TIME = 100  # images that are read between two looks at the bar
ORIENTATION = 0x112  # the tag of EXIF
PIXELS = 'Pixels x / 128 - 1.'
# What Pillow raises for a damaged file.
FAULTS = (OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError,
          KeyError, OverflowError, struct.error, zlib.error,
          Image.DecompressionBombError, Image.DecompressionBombWarning)


def read_folder(folder: Path, size: tuple[int, int] | None = None,
                channels: int | None = None, verbose: bool = True,
                labels_needed: bool = True) -> Dataset:
    """The images in a folder, in the order of their names and of the numbers
    in these.

    Where they are in folders below it, these are the classes; or, where
    there is only one, which has no images beside folders, those in it.

    Args:
        folder (path): What is hidden in it is not looked at.
        size (tuple): (height, width) to which the images are resized; None:
            as they are, if all are alike and not large, or DEFAULT.
        channels (int): 1 for grey, 3 for colour; None: grey if all are.
        verbose (bool): Whether to show the progress.
        labels_needed (bool): Whether classes that are not clear are refused,
            and not left out with a warning.

    Raises:
        InputError: For what is damaged, or where the classes are not clear:
            images beside folders of images, or in folders of folders alone.
    """
    images = Images(folder, size, channels, labels_needed=labels_needed)
    height, width = images.size
    # A byte a number, four more as float32, and what is made of them.
    if 15 * len(images) * height * width > available_memory():
        raise ArgumentError(
            'image_size', f'is {height} x {width}, and {len(images)} images '
            f'of that do not fit into memory; take a smaller one',
            '--image-size')
    pixels = numpy.empty((len(images), height, width, 3), numpy.uint8)
    with ProgressBar(len(images), folder.name, 'image',
                     disable=not verbose) as bar:
        for start in range(0, len(images), AT_A_TIME):
            part = images[start:start + AT_A_TIME]
            pixels[start:start + len(part)] = part
            bar.update(len(part))
    in_colour = channels == 3 if channels else bool(
        (pixels != pixels[..., :1]).any())
    if not in_colour:
        pixels = pixels[..., 0]
    x = scale_pixels(pixels).reshape(len(pixels), -1)
    return Dataset(
        folder.resolve().name, x, images.labels, pixels.shape[1:],
        [f'{len(images)} images in {"colour" if in_colour else "grey"}, '
         f'{images.note} {height} x {width}.', PIXELS], index=images.names,
        preparation=Preparation(x.shape[1], values=SCALED))


class Images:
    """The images in a folder, read when a slice of them is taken.

    Args:
        folder, size, channels, labels_needed: As for :func:`read_folder`.
        resample (PIL.Image.Resampling): How they are resized.

    Attributes:
        labels (numpy.ndarray): Names of the folders below, or None.
        names (list of str): Paths below the folder.
        size (tuple): (height, width) of all.
        note (str): How they come to it.

    Raises:
        InputError: As :func:`read_folder`; for a damaged image, when it is
            read.
    """

    def __init__(self, folder: Path, size: tuple[int, int] | None = None,
                 channels: int | None = None,
                 resample: Image.Resampling = Image.Resampling.BILINEAR,
                 labels_needed: bool = True) -> None:
        self._paths, self.labels, left_out = _find(folder, labels_needed)
        self._mode = 'L' if channels == 1 else 'RGB'
        self._resample = resample
        if left_out:
            warnings.warn(f'{folder}: {len(left_out)} files or folders that '
                          f'are or hold no PNG or JPEG are left out, such as '
                          f'{left_out[0]}')
        self.names = [path.relative_to(folder).as_posix()
                      for path in self._paths]
        _look_at(folder, self._paths)
        with _bombs_refused():
            self.size, self.note = (size, 'resized to') if size \
                else _common_size(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, height, width, 3)."""
        return (len(self), *self.size, 3)

    def __getitem__(self, part: slice) -> numpy.ndarray:
        """Shape (n, height, width, 3), uint8."""
        with _bombs_refused():
            return numpy.stack([numpy.broadcast_to(
                read_image(path, self.size, self._mode, self._resample
                           ).reshape(*self.size, -1), (*self.size, 3))
                for path in self._paths[part]])


@contextlib.contextmanager
def _bombs_refused(quiet=False):
    """Images so large that Pillow warns are errors.  Not of one image at a
    time, for what is warned of once would be so of each, unless ``quiet``
    leaves out all other warnings."""
    with warnings.catch_warnings():
        if quiet:
            warnings.simplefilter('ignore')
        warnings.simplefilter('error', Image.DecompressionBombWarning)
        yield


def scale_pixels(images: numpy.ndarray) -> numpy.ndarray:
    """0..255 to -1..1, as the authors' code scales MNIST."""
    return images.astype(numpy.float32) / 128 - 1


def _find(folder, labels_needed):
    """Paths of the images, their labels or None, and what is left out."""
    entries = sorted(not_hidden(folder), key=by_number)
    paths, left_out = _images_among(
        path for path in entries if not path.is_dir())
    below, labels, deep = [], [], []
    for entry in entries:
        if entry.is_dir():
            found, others = _images_among(files_below(entry))
            below += sorted(found, key=by_number)
            labels += [entry.name] * len(found)
            if found and all(path.parent != entry for path in found):
                deep.append(entry)
            left_out += others if found else [entry]
    if not paths and not below:
        raise InputError(f'{folder} holds no PNG or JPEG images; name a '
                         f'folder that does')
    if paths and below:
        raise InputError(
            f'{folder} has images beside folders with images, {paths[0].name} '
            f'and {below[0].relative_to(folder)} for example; put all into '
            f'folders, a class each, or none')
    if paths:
        return paths, None, left_out
    if deep and len(set(labels)) == 1:  # what an archive is unpacked to
        below, y, others = _find(deep[0], labels_needed)
        return below, y, others + [path for path in left_out
                                   if deep[0] not in path.parents]

    def check():
        if deep:
            raise InputError(
                f'{deep[0]} has images in folders below it alone, and '
                f'{folder} other folders of images, so that either may be the '
                f'classes; name a folder whose own folders are the classes, '
                f'with their images in them')
        for name in labels:
            if is_missing(name, NAMELESS):
                raise InputError(f'{folder / name} is a class without a name '
                                 f'({name!r}); rename it')
        return check_labels(numpy.array(labels), len(below), folder,
                            lambda row: below[row])
    return below, usable_labels(
        check, lambda: False, folder, labels_needed), left_out


def by_number(path: Path) -> tuple:
    """What orders files by the numbers in their names, 2 before 10, as they
    are counted, and not digit by digit."""
    return [[int(part) if i % 2 else part
             for i, part in enumerate(re.split('([0-9]+)', name))]
            for name in path.parts], path


def not_hidden(folder: Path) -> Iterator[Path]:
    """What lies in a folder, but for what is hidden."""
    return (path for path in folder.iterdir()
            if not path.name.startswith('.'))


def files_below(folder: Path) -> Iterator[Path]:
    """All that is no folder in a folder and in those below it, hidden ones
    and those that can't be read left out.  Links to folders are not followed,
    for they may lead in a circle, but given as they are."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != '.']
        links = [name for name in folders if os.path.islink(
            os.path.join(place, name))]
        yield from (Path(place, name) for name in [*files, *links]
                    if name[0] != '.')


def _images_among(paths):
    images, others = [], []
    for path in paths:
        (images if path.suffix.lower() in SUFFIXES else others).append(path)
    return images, others


def _look_at(folder, paths):
    """Warns of images of which a part would be lost in silence, or refuses
    them."""
    animated, deep = [], []
    for path in paths:
        is_animated, is_deep = _first_look(path, _kind_of) or (False, False)
        animated += [path] * is_animated
        deep += [path] * is_deep
    if animated:
        warnings.warn(f'{folder}: {len(animated)} images are animated, such '
                      f'as {animated[0]}; the first picture of each is taken')
    most, of = -1, None
    for path in deep:
        value = _first_look(path, _largest_value)
        if value is not None and value > most:
            most, of = value, path
        if most >= REACHED:
            return
    if of:
        raise InputError(
            f'the 16-bit images of {folder} go to {most} at most, in '
            f'{of.relative_to(folder)}, and not to 65535, so that their upper '
            f'8 bits, which are taken, lose most; scale them to 65535, or '
            f'save them with 8 bits')


def _first_look(path, function):
    """What a function says of an image; None for one that is damaged, which
    is told, as all else that is wrong, when it is read."""
    with _bombs_refused(quiet=True), contextlib.suppress(InputError):
        return _open(path, function)
    return None


def _kind_of(image):
    """Whether an image is animated, and whether it has 16 bits a channel."""
    is_png = image.format == 'PNG'  # a JPEG may have others of the same
    return is_png and image.is_animated, \
        is_png and str(image.tile[0][3]).endswith('16B')


def _largest_value(image):
    """That of an image of 16 bits, without its transparency; where Pillow
    has their upper bytes alone, what it may be at most."""
    pixels = numpy.asarray(image)
    if image.mode.startswith('I'):
        return int(pixels.max())
    channels = 1 if image.mode == 'LA' else 3
    return int(pixels[..., :channels].max()) << 8 | 255


def _common_size(paths):
    """(height, width) for the images, and how they come to it."""
    sizes = {_open(path, _size_of) for path in paths}
    width, height = sizes.pop()
    if sizes or height > LARGEST[0] or width > LARGEST[1]:
        return DEFAULT, 'resized to'
    return (height, width), 'as they are,'


def _size_of(image):
    """Width and height, once it is turned as its EXIF says."""
    lies = image.getexif().get(ORIENTATION) in (5, 6, 7, 8)
    return image.size[::-1] if lies else image.size


def read_image(path: AnyPath, size: tuple[int, int], mode: str = 'RGB',
               resample: Image.Resampling = Image.Resampling.BILINEAR
               ) -> numpy.ndarray:
    """A PNG or JPEG file as an array, (height, width) or with 3 behind, uint8.

    Turned as its EXIF says, on white where it is transparent; of 16 bits the
    upper 8.

    Args:
        path (path): Of the file.
        size (tuple): (height, width) to which it is resized.
        mode (str): ``'RGB'``, or ``'L'`` for grey.
        resample (PIL.Image.Resampling): How.

    Raises:
        InputError: If it is damaged.
    """
    _open(path, lambda image: image.verify())  # reading lets checksums pass

    def decode(image):
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith('I'):  # of 16 bits, which convert() cuts off
            image = Image.fromarray(
                (numpy.asarray(image) >> 8).astype(numpy.uint8))
        elif image.mode in ('LA', 'PA', 'RGBA') \
                or 'transparency' in image.info:
            image = image.convert('RGBA')
            image = Image.alpha_composite(
                Image.new('RGBA', image.size, 'white'), image)
        image = image.convert(mode)
        if image.size != size[::-1]:
            image = image.resize(size[::-1], resample)
        return numpy.asarray(image)
    return _open(path, decode)


def _open(path, function: typing.Callable):
    try:
        with Image.open(path, formats=FORMATS) as image:
            return function(image)
    except FAULTS as e:
        if isinstance(e, OSError) and e.errno is not None:
            raise
        raise InputError(f'{path} is damaged or no PNG or JPEG '
                         f'({reason_of(e)}); save it again or remove it'
                         ) from e
