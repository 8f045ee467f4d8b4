"""Features of many images, chunk by chunk, with progress."""
import contextlib
import shutil

import numpy

from imsat.storage import look_up, save_npz
from imsat.neighbors import default_cache, digest
from imsat.training.progress import Progress


@contextlib.contextmanager
def extract(images, compute, kind, chunk=1000, verbose=True):
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
    progress = Progress(n, kind, unit='image') if verbose else None
    parts = []
    for start in range(0, n, chunk):
        stop = min(start + chunk, n)
        path = folder / f'{start}-{stop}.npz'
        part = look_up(path, lambda arrays: len(arrays['x']) == stop - start)
        if part is None:
            part = {'x': numpy.asarray(compute(images[start:stop]), 'f')}
            save_npz(path, part)
        parts.append(part['x'])
        if verbose:
            progress.advance(stop - start)
    if verbose:
        progress.close()
    yield numpy.concatenate(parts)
    shutil.rmtree(folder)
