"""The registry of data sets, and where their files are looked for."""
import hashlib
import http.client
import os
import typing
import urllib.request
from collections.abc import Callable
from pathlib import Path

from imsat.datasets.dataset import Dataset
from imsat.datasets.tables import (
    SUFFIXES, is_table, read_table, refuse_columns)
from imsat.errors import ArgumentError, InputError
from imsat.parameters import Place
from imsat.storage import AnyPath, atomic_write, default_cache

Loader = Callable[..., Dataset]

# The loader of each data set by its name: loader(files, **options).
SOURCES: dict[str, Loader] = {}


def register(name: str) -> Callable[[Loader], Loader]:
    """Decorates a loader so that ``load_dataset(name)`` calls it."""
    def decorate(load):
        SOURCES[name] = load
        return load
    return decorate


def load_dataset(name: str, data_dir: AnyPath | None = None, *,
                 label: str | int | None = None,
                 index: str | int | None = None, columns: typing.Any = None,
                 fetch: bool = True, verbose: bool = True,
                 **options: typing.Any) -> Dataset:
    """A data set of the paper, scikit-learn's digits, or a file of one's own.

    Args:
        name (str): A name in ``imsat.datasets.SOURCES``, e.g. ``'mnist'``; or
            ``FILE.npz``, which holds ``x``, shape (N, d), and optionally
            ``y``, shape (N,); or a table, which holds a point a line:
            ``FILE.csv``, ``.tsv``, both also with ``.gz``, ``.parquet``.
        data_dir (path): The folder above the publishers' files; by default
            what ``IMSAT_DATA`` names.
        label, index, columns: Of a table, see
            :func:`imsat.datasets.tables.read_table`.
        fetch (bool): Whether the published files may be fetched where they
            are not there (``mnist``, ``20news``, ``reuters``).
        verbose (bool): Whether to show the progress of long preparations.
        options: What the data set's own loader takes: a ``seed``, say.

    Raises:
        InputError: In one sentence, for what is missing, damaged or can't be
            clustered.

    Example:
        >>> from imsat.datasets import load_dataset
        >>> digits = load_dataset('digits')
        >>> digits.x.shape, digits.image_shape
        ((1797, 64), (8, 8))
        >>> digits.y[:5]
        array([0, 1, 2, 3, 4])
    """
    if isinstance(name, str) and name in SOURCES:
        refuse_columns(name, label=label, index=index, columns=columns)
        files = Files(data_dir, fetch, verbose)
        return SOURCES[name](files, **options)
    if not is_table(name):
        raise InputError(f'the data set {name!r} is not known; give one of '
                         f'{", ".join(SOURCES)}, or a file that ends in '
                         f'{", ".join(SUFFIXES)}')
    data = read_table(name, label, index, columns, **options)
    if len(data.x) > 1 and (data.x == data.x[0]).all():
        raise InputError(f'all points of {name} are equal; there is nothing '
                         f'to cluster')
    return data


class Files:
    """Where loaders look for the publishers' files.

    Args:
        folder (path): By default what ``IMSAT_DATA`` names; may be None.
        fetch (bool): Whether what is not there may be fetched.
        verbose (bool): Whether to show the progress of long preparations.
    """

    def __init__(self, folder: AnyPath | None = None, fetch: bool = True,
                 verbose: bool = True) -> None:
        problem = Place().problem(folder) if folder != '' else None
        if problem:
            raise ArgumentError('data_dir', problem, '--data-dir')
        folder = folder or os.environ.get('IMSAT_DATA')
        self.folder = None if folder is None else Path(folder)
        self.fetch, self.verbose = fetch, verbose

    def look_up(self, *names: str) -> Path | None:
        """The first of ``names`` that is below the folder, or None."""
        if self.folder is not None:
            for name in names:
                if (self.folder / name).exists():
                    return self.folder / name
        return None

    def find(self, *names: str, get: str) -> Path:
        """The first of ``names`` that is below the folder.

        Args:
            names (str): Of a file or folder, relative to the folder.
            get (str): How to get it: ends the sentence of the error.

        Raises:
            InputError: If there is none.
        """
        found = self.look_up(*names)
        if found is None:
            wanted = ' or '.join(names)
            if self.folder is None:
                raise no_folder(f'{wanted} is looked for there; {get}')
            raise InputError(f'{self.folder} has no {wanted}; {get}')
        return found

    def published(self, name: str, url: str, sha256: str, get: str) -> Path:
        """A published file: below the folder, in the cache, or fetched.

        Args:
            name (str): Of the file, relative to the folder; what is fetched
                has its last part below ``IMSAT_CACHE``.
            url (str): Where it is.
            sha256 (str): That of its bytes, in any case.
            get (str): How to get it: ends the sentence of an error.

        Raises:
            InputError: If it can't be had, or is another than was published.
        """
        path = self.look_up(name, Path(name).name)
        if path is not None:
            with open(path, 'rb') as f:
                check_sum(path, sha256, _sha256(f))
            return path
        path = default_cache() / Path(name).name
        if path.exists():
            with open(path, 'rb') as f:
                if _sha256(f) == sha256:
                    return path
        if not self.fetch:
            raise no_folder(f'{name} is looked for there; {get}')
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with atomic_write(path) as f, \
                    urllib.request.urlopen(url, timeout=60) as response:
                check_sum(url, sha256, _sha256(response, f))
        except (OSError, http.client.HTTPException) as e:
            raise no_folder(f'{url} could not be fetched ({e}); {get}') from e
        return path


def no_folder(problem: str) -> ArgumentError:
    """What is raised where the folder of data is not known."""
    return ArgumentError('data_dir', 'or IMSAT_DATA names no folder with all '
                         f'that is needed: {problem}', '--data-dir')


def check_sum(source: typing.Any, published: str, found: str) -> None:
    """Raises InputError if a file's checksum is not that published."""
    if found != published:
        raise InputError(f'{source} is not the published file (its checksum '
                         f'is {found}, not {published}); fetch it again')


def check_md5(path: AnyPath, content: bytes, md5: str | None) -> None:
    """Raises InputError if the bytes of a file are not those published.

    Without a published MD5, None, any will do.
    """
    if md5 is not None:
        check_sum(path, md5, hashlib.md5(content).hexdigest())


def _sha256(stream, copy=None):
    sha = hashlib.sha256()
    while chunk := stream.read(2 ** 20):
        sha.update(chunk)
        if copy is not None:
            copy.write(chunk)
    return sha.hexdigest()
