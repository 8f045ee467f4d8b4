import os
from pathlib import Path

import numpy
import pytest

import imsat  # before Chainer
from imsat import compat
from imsat.devices import count_gpus

compat.import_testing()

GOLDEN = Path(__file__).parent / 'golden'


@pytest.fixture(scope='session')
def golden():
    """Traces of the authors' code, by the name of their file."""
    def load(name):
        with numpy.load(GOLDEN / f'{name}.npz', allow_pickle=False) as npz:
            return dict(npz)
    return load


@pytest.fixture
def mnist_folder():
    folder = os.environ.get('IMSAT_DATA')
    if not folder:
        pytest.skip('IMSAT_DATA names no folder with real data')
    folder = Path(folder) / 'mnist'
    if not folder.is_dir():
        pytest.skip(f'IMSAT_DATA has no folder {folder.name}')
    return folder


@pytest.fixture(params=['cpu', pytest.param('gpu', marks=pytest.mark.gpu)])
def xp(request):
    """NumPy and, where there is a GPU, CuPy."""
    if request.param == 'cpu':
        return numpy
    if not count_gpus():
        pytest.skip('no GPU')
    return imsat.devices.cuda.cupy


@pytest.fixture(autouse=True)
def no_shared_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('IMSAT_CACHE', str(tmp_path / 'cache'))
