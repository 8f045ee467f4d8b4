"""Features of many images, chunk by chunk, with progress."""
import contextlib
import typing
from collections.abc import Callable, Iterator

import numpy

from imsat.progress import ProgressBar
from imsat.storage import default_cache, digest, is_table, keep, look_up


@contextlib.contextmanager
def extract(images: numpy.ndarray,
            compute: Callable[[numpy.ndarray], typing.Any], kind: str,
            chunk: int = 1000, verbose: bool = True
            ) -> Iterator[numpy.ndarray]:
    """Features of images, for a block that saves them.

    Each chunk is kept in the cache as soon as it is done, until the block
    ends without an error: an extraction that was interrupted goes on where it
    was.  Processes that extract the same at a time share their chunks.

    Args:
        images (numpy.ndarray): Shape (N, ...).
        compute: Gives the features, shape (n, d), of n images.
        kind (str): What ``compute`` depends on: other chunks for another.
        chunk (int): Images at a time.
        verbose (bool): Whether to show a bar.

    Yields:
        numpy.ndarray: Shape (N, d), float32.
    """
    folder = default_cache() / f'{kind}-{digest(images)}'

    def features_from(start):
        part = images[start:start + chunk]
        path = folder / f'{start}-{start + len(part)}.npz'
        kept = look_up(path, lambda arrays: is_table(arrays['x'], len(part)))
        if kept is None:
            kept = {'x': numpy.asarray(compute(part), numpy.float32)}
            keep(path, kept)
        return kept['x']
    parts = []
    with ProgressBar(len(images), kind, 'image', disable=not verbose) as bar:
        for start in range(0, len(images), chunk):
            parts.append(features_from(start))
            bar.update(len(parts[-1]))
    yield numpy.concatenate(parts)
    # What another process writes there stays until it ends as well.
    for path in folder.glob('*.npz'):
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
