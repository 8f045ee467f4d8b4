"""Prepared data sets, kept on disk."""
import json
import typing
from collections.abc import Callable, Iterable

import numpy

from imsat.datasets.dataset import Dataset
from imsat.storage import default_cache, digest, is_table, keep, look_up

# To be raised when a preparation changes: what was kept is then left alone.
VERSION = 3

Prepared = tuple[numpy.ndarray, numpy.ndarray, list[str]]


def prepared(name: str, content: Iterable[numpy.ndarray | bytes],
             options: dict[str, typing.Any], prepare: Callable[[], Prepared],
             image_shape: tuple[int, int] | None = None) -> Dataset:
    """The data set that ``prepare()`` gives, looked up or kept in the cache.

    Args:
        name (str): Of the data set.
        content (iterable): Arrays or bytes that were read: another content
            is another entry of the cache.
        options (dict): What ``prepare`` depends on besides, as JSON.
        prepare: Returns x, y and notes.
        image_shape (tuple): (height, width) of the points that are images.
    """
    key = json.dumps([VERSION, options], sort_keys=True)
    path = default_cache() / f'{name}-{digest(key.encode(), *content)}.npz'
    arrays = look_up(path, lambda arrays: arrays['y'].ndim == 1
                     and is_table(arrays['x'], len(arrays['y']))
                     and arrays['notes'].ndim == 1)
    if arrays is None:
        x, y, notes = prepare()
        arrays = {'x': x, 'y': y, 'notes': numpy.array(notes)}
        keep(path, arrays)
    return Dataset(name, arrays['x'], arrays['y'], image_shape,
                   arrays['notes'].tolist())
