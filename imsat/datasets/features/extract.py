"""Features of many images, chunk by chunk, with progress."""
import contextlib
import time
import typing
from collections.abc import Callable, Iterator

import numpy

from imsat.devices import available_memory
from imsat.errors import InputError
from imsat.progress import ProgressBar
from imsat.storage import default_cache, digest, is_table, keep, look_up


# Seconds after which chunks of a run that did not end go: a week.
FORGOTTEN = 7 * 86400


class Sliced(typing.Protocol):
    """What is there in parts, such as an array or the images in a folder."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> numpy.ndarray: ...


@contextlib.contextmanager
def extract(images: Sliced, compute: Callable[[numpy.ndarray], typing.Any],
            kind: str, chunk: int = 1000, verbose: bool = True
            ) -> Iterator[numpy.ndarray]:
    """Features of images, for a block that saves them.

    Each chunk is kept in the cache as soon as it is done, until the block
    ends without an error: an extraction that was interrupted goes on where it
    was.  Processes that extract the same at a time share their chunks.

    Args:
        images (numpy.ndarray, or what has a length and slices as it has):
            Shape (N, ...).  No more than a chunk is asked for at a time.
        compute: Gives the features, shape (n, d), of n images.
        kind (str): What ``compute`` depends on: other chunks for another.
        chunk (int): Images at a time.
        verbose (bool): Whether to show a bar.

    Yields:
        numpy.ndarray: Shape (N, d), float32.

    Raises:
        InputError: If the features don't fit into memory.
    """
    folder, kept = default_cache() / kind, set()

    def features_of(part):
        path = folder / f'{digest(part)}.npz'
        kept.add(path)
        found = look_up(path, lambda arrays: is_table(arrays['x'], len(part)))
        if found is None:
            found = {'x': numpy.asarray(compute(part), numpy.float32)}
            keep(path, found)
        return found['x']
    x: typing.Any = None
    with ProgressBar(len(images), kind, 'image', disable=not verbose) as bar:
        for start in range(0, len(images), chunk):
            features = features_of(images[start:start + chunk])
            if x is None:
                x = _room_for(len(images), features.shape[1])
            x[start:start + chunk] = features
            bar.update(len(features))
    yield x
    # What another process writes there stays until it ends as well.
    with contextlib.suppress(OSError):
        for path in kept:
            path.unlink(missing_ok=True)
        # Those of other chunks, which nobody may ask for again.
        for path in folder.iterdir():
            if path.stat().st_mtime < time.time() - FORGOTTEN:
                path.unlink(missing_ok=True)
        folder.rmdir()


def _room_for(n, d):
    if 4 * n * d > available_memory() / 2:
        raise InputError(
            f'{n} images with {d} features each take {4 * n * d / 1e9:.0f} '
            f'GB, which do not fit into memory; give a part of the images, or '
            f'choose a layer (--layer) or --pool with fewer numbers')
    return numpy.empty((n, d), numpy.float32)
