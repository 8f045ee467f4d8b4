"""The registry of data sets, and where their files are looked for."""
import hashlib
import http.client
import os
import typing
import urllib.request
from collections.abc import Callable
from pathlib import Path

from imsat.datasets.dataset import Dataset
from imsat.errors import ArgumentError, InputError
from imsat.parameters import Flag, Place, checked
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


class Files:
    """Where loaders look for the publishers' files.

    Args:
        folder (path): By default what ``IMSAT_DATA`` names; may be None.
        fetch (bool): Whether what is not there may be fetched.
        verbose (bool): Whether to show the progress of long preparations.
    """

    @checked(fetch=Flag(), verbose=Flag())
    def __init__(self, folder: AnyPath | None = None, fetch: bool = True,
                 verbose: bool = True) -> None:
        is_empty = isinstance(folder, str) and not folder
        problem = None if is_empty else Place().problem(folder)
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
