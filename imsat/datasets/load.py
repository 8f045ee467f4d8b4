import typing
from pathlib import Path

from imsat.datasets.dataset import Dataset
from imsat.datasets.sources import SOURCES, Files
from imsat.datasets.tables import read_table
from imsat.errors import InputError
from imsat.storage import AnyPath


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
