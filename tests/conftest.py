import os
from pathlib import Path

import numpy
import pytest

import imsat  # before Chainer
from imsat import compat
from imsat.devices import count_gpus
from imsat.original.traces import Trace

compat.import_testing()


@pytest.fixture
def golden():
    return Trace


@pytest.fixture
def mnist_folder():
    folder = os.environ.get('IMSAT_DATA')
    if not folder:
        pytest.skip('IMSAT_DATA names no folder with real data')
    folder = Path(folder) / 'mnist'
    if not folder.is_dir():
        pytest.skip(f'IMSAT_DATA has no folder {folder.name}')
    return folder


@pytest.fixture
def original():
    """A checkout of the authors' code."""
    path = os.environ.get('IMSAT_ORIGINAL')
    if not path:
        pytest.skip('IMSAT_ORIGINAL names no checkout of the original')
    return path


@pytest.fixture
def python2():
    """An interpreter with Chainer 1.x."""
    path = os.environ.get('IMSAT_PYTHON2')
    if not path:
        pytest.skip('IMSAT_PYTHON2 names no Python 2.7 with Chainer 1.x')
    return path


@pytest.fixture(params=['cpu', pytest.param('gpu', marks=pytest.mark.gpu)])
def xp(request):
    """NumPy and, where there is a GPU, CuPy."""
    if request.param == 'cpu':
        return numpy
    if not count_gpus():
        pytest.skip('no GPU')
    return imsat.devices.cuda.cupy


@pytest.fixture
def device(xp):
    """The Chainer device of ``xp``."""
    return imsat.devices.get_device(-1 if xp is numpy else 0)


@pytest.fixture(autouse=True)
def no_shared_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('IMSAT_CACHE', str(tmp_path / 'cache'))
