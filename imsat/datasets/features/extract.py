"""Features of many images, chunk by chunk, with progress."""
import contextlib
import shutil
import typing
from collections.abc import Callable, Iterator

import numpy

from imsat.progress import ProgressBar
from imsat.storage import default_cache, digest, look_up, save_npz


@contextlib.contextmanager
def extract(images: numpy.ndarray,
            compute: Callable[[numpy.ndarray], typing.Any], kind: str,
            chunk: int = 1000, verbose: bool = True
            ) -> Iterator[numpy.ndarray]:
    """Features of images, for a block that saves them.

    Each chunk is kept in the cache as soon as it is done, until the block
    ends without an error: an extraction that was interrupted goes on where it
    was.

    Args:
        images (numpy.ndarray): Shape (N, ...).
        compute: Gives the features, shape (n, d), of n images.
        kind (str): What ``compute`` depends on: other chunks for another.
        chunk (int): Images at a time.
        verbose (bool): Whether to show a bar.

    Yields:
        numpy.ndarray: Shape (N, d), float32.
    """
    n = len(images)
    folder = default_cache() / f'{kind}-{digest(images)}'
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    with ProgressBar(n, kind, 'image', disable=not verbose) as bar:
        for start in range(0, n, chunk):
            size = min(chunk, n - start)
            path = folder / f'{start}-{start + size}.npz'
            part = look_up(path, lambda arrays, size=size:
                           len(arrays['x']) == size)
            if part is None:
                part = {'x': numpy.asarray(
                    compute(images[start:start + size]), numpy.float32)}
                save_npz(path, part)
            parts.append(part['x'])
            bar.update(size)
    yield numpy.concatenate(parts)
    shutil.rmtree(folder)
