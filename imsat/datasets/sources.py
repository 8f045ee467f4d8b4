"""The registry of data sets, and where their files are looked for."""
import hashlib
import os
import typing
from collections.abc import Callable
from pathlib import Path

from imsat.datasets.dataset import Dataset
from imsat.datasets.tables import read_table
from imsat.errors import InputError
from imsat.storage import AnyPath

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
                 fetch: bool = True, verbose: bool = True,
                 **options: typing.Any) -> Dataset:
    """A data set of the paper, scikit-learn's digits, or a file of one's own.

    Args:
        name (str): A name in ``imsat.datasets.SOURCES``, e.g. ``'mnist'``; or
            ``FILE.npz``, which holds ``x``, shape (N, d), and optionally
            ``y``, shape (N,); or ``FILE.csv``, which holds a point a line.
        data_dir (path): The folder above the publishers' files; by default
            what ``IMSAT_DATA`` names.
        fetch (bool): Whether scikit-learn may fetch what is not there
            (``mnist``, ``20news``, ``reuters``).
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
    if name in SOURCES:
        files = Files(data_dir, fetch, verbose)
        return SOURCES[name](files, **options)
    if Path(name).suffix not in ('.npz', '.csv'):
        raise InputError(f'the data set {name!r} is not known; give one of '
                         f'{", ".join(SOURCES)}, or a file that ends in .npz '
                         f'or .csv')
    return read_table(name)


class Files:
    """Where loaders look for the publishers' files.

    Args:
        folder (path): ``--data-dir``; by default what ``IMSAT_DATA`` names;
            may be None.
        fetch (bool): Whether what is not there may be fetched.
        verbose (bool): Whether to show the progress of long preparations.
    """

    def __init__(self, folder: AnyPath | None = None, fetch: bool = True,
                 verbose: bool = True) -> None:
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
            raise InputError(
                f'{self.folder} has no {wanted}; {get}' if self.folder else
                f'{wanted} is looked for in the folder that --data-dir or '
                f'IMSAT_DATA names, and none is named; {get}')
        return found


def check_md5(path: AnyPath, content: bytes, md5: str | None) -> None:
    """Raises InputError if the bytes of a file are not those published.

    Without a published MD5, None, any will do.
    """
    found = hashlib.md5(content).hexdigest()
    if md5 is not None and found != md5:
        raise InputError(f'{path} is not the published file (its MD5 is '
                         f'{found}, not {md5}); fetch it again')
