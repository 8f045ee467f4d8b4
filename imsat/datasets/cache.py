"""Prepared data sets, kept on disk."""
import hashlib
import json

import numpy

from imsat.datasets.dataset import Dataset
from imsat.storage import look_up, save_npz
from imsat.neighbors import default_cache

# To be raised when a preparation changes: what was kept is then left alone.
VERSION = 2


def prepared(name, content, options, prepare, image_shape=None):
    """The data set that ``prepare()`` gives, looked up or kept in the cache.

    Args:
        name (str): Of the data set.
        content (sequence): Arrays or bytes that were read: another content
            is another entry of the cache.
        options (dict): What ``prepare`` depends on besides, as JSON.
        prepare: Returns x, y and notes.
    """
    key = json.dumps([VERSION, options], sort_keys=True)
    sha = hashlib.sha256(key.encode())
    for part in content:
        if isinstance(part, numpy.ndarray):
            sha.update(f'{part.dtype} {part.shape}'.encode())
            part = numpy.ascontiguousarray(part).data
        sha.update(part)
    path = default_cache() / f'{name}-{sha.hexdigest()[:32]}.npz'
    arrays = look_up(path, lambda arrays: len(arrays['x'])
                     == len(arrays['y']) and 'notes' in arrays)
    if arrays is None:
        x, y, notes = prepare()
        arrays = {'x': x, 'y': y, 'notes': numpy.array(notes)}
        path.parent.mkdir(parents=True, exist_ok=True)
        save_npz(path, arrays)
    return Dataset(name, arrays['x'], arrays['y'], image_shape,
                   arrays['notes'].tolist())
