"""What a table holds, whatever its file is, and what no name may be."""
import itertools
import json
import math
import re
import typing
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy

from imsat.datasets.points import MISSING
from imsat.errors import InputError
from imsat.on_disk import LARGE, OnDisk
from imsat.storage import atomic_write, default_cache, digest, load_npy

# What pandas calls a column of text that has no name, and an index in Parquet.
UNNAMED = re.compile(r'Unnamed: \d+(\.\d+)?')
LEVEL = re.compile(r'__index_level_\d+__')
EXACT = 2 ** 53  # up to here float64 has all whole numbers


class Table(typing.NamedTuple):
    """What a file holds.

    Args:
        width (int): Its columns are numbered from 0.
        names (list of str): Those of all columns; None without.
        naming (list of int): Which columns are there to name the rows.
        place: Says where a row is.
        column: The values of a column, one pandas.Series or several, one
            below the other.
        numbers: The numbers in some columns, shape (N, d); an array or
            OnDisk.
        complete (bool): Whether no value can be missing but as a text.
    """
    width: int
    names: list[str] | None
    naming: list[int]
    place: Callable[[int], str]
    column: Callable[[int], Iterable]
    numbers: Callable[[list[int]], typing.Any]
    complete: bool


def refuse_names(path: Path, names: list[str]) -> None:
    """Raises InputError for names that are none, or that two columns have."""
    for i, name in enumerate(names):
        if names.index(name) != i:
            raise InputError(f'{path} has two columns {name!r}; rename one of '
                             f'them')
        if name.lower() in MISSING or UNNAMED.fullmatch(name):
            raise InputError(f'column {i + 1} of {path} has no name '
                             f'({name!r}); give it one')


def counts(texts: Iterable[str], least: int = 1) -> bool:
    """Whether they are the whole numbers from 0 or 1, and at least so many."""
    n = start = 0
    for n, text in enumerate(texts, 1):
        if n == 1:
            start = int(text == '1')
        if text != str(start + n - 1):
            return False
    return n >= least


def refuse_merged(path: Path, name: typing.Any, values: Iterable[int]) -> None:
    """Raises InputError for whole numbers, those beyond EXACT, of which
    float64 makes fewer."""
    whole = set(values)
    if len(set(map(float, whole))) < len(whole):
        raise InputError(
            f'column {name} of {path} has whole numbers beyond 2^53, '
            f'{max(whole, key=abs)} for example, which float64 does not hold '
            f'apart; subtract the least of them, or name it as index')


def stacked(path: Path, blocks: Iterator[numpy.ndarray], names: list,
            n: int, dtype: typing.Any = numpy.float64) -> typing.Any:
    """Numbers of a file that come block by block; where they are many, as an
    npy file in the cache.

    Args:
        path (path): The file they are from.
        blocks: Rows, of float64, one below the other.
        names (list): Those of their columns.
        n (int): How many rows there are in all.
        dtype: In which they are kept on disk.

    Returns:
        numpy.ndarray or OnDisk: Shape (n, d).

    Raises:
        InputError: If there is no room in the cache.
    """
    shape, dtype = (n, len(names)), numpy.dtype(dtype)
    if math.prod(shape) < LARGE:
        return numpy.concatenate(list(itertools.chain(
            [numpy.empty((0, len(names)))], blocks)))
    key = digest(numpy.memmap(path, 'u1', 'r'),
                 json.dumps([names, dtype.str]).encode())
    target = default_cache() / f'table-{key}.npy'
    if not target.is_file():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(target) as f:
                numpy.lib.format.write_array_header_1_0(f, {
                    'descr': dtype.str, 'fortran_order': False,
                    'shape': shape})
                for rows in blocks:
                    f.write(numpy.ascontiguousarray(rows, dtype).data)
        except OSError as e:
            raise InputError(
                f'{path} can not be kept as {target}, to be read by batches '
                f'({e}); free {math.prod(shape) * dtype.itemsize >> 20} MB '
                f'there, or let IMSAT_CACHE name another folder') from e
    return OnDisk([load_npy(target, 1)])
