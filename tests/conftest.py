import os
from pathlib import Path

import numpy
import pytest

import imsat  # before Chainer
import simt
import chainer
from imsat import compat
from imsat.cuda import runtime
from imsat.devices import count_gpus

compat.import_testing()

GOLDEN = Path(__file__).parent / 'golden'


class Trace:
    """A file of traces of the authors' code, in one precision.

    ``trace[key]`` is an array, of the float64 run where there is one and
    ``dtype`` is double; ``trace(prefix)`` a dict of those below a prefix.
    """

    def __init__(self, name, dtype='d'):
        self.dtype = numpy.dtype(dtype)
        with numpy.load(GOLDEN / f'{name}.npz', allow_pickle=False) as npz:
            self.arrays = dict(npz)

    def __getitem__(self, key):
        value = self.arrays.get(f'f64.{key}')
        if value is None or self.dtype == 'f':
            value = self.arrays[key]
        return value.astype(self.dtype) if value.dtype.kind == 'f' else value

    def __call__(self, prefix):
        return {key[len(prefix) + 1:]: self[key] for key in self.arrays
                if key.startswith(prefix + '.')}


@pytest.fixture
def golden():
    return Trace


@pytest.fixture
def data_folder():
    """``data_folder(name)``: the folder above the real files of that name."""
    def find(name):
        folder = os.environ.get('IMSAT_DATA')
        if not folder:
            pytest.skip('IMSAT_DATA names no folder with real data')
        if not (Path(folder) / name).exists():
            pytest.skip(f'IMSAT_DATA has no {name}')
        return Path(folder)
    return find


@pytest.fixture
def mnist_folder(data_folder):
    return data_folder('mnist') / 'mnist'


@pytest.fixture(scope='session')
def resnet_weights(tmp_path_factory):
    """Random weights of Chainer's ResNet50Layers, in its npz format."""
    path = tmp_path_factory.mktemp('resnet') / 'weights.npz'
    numpy.random.seed(0)
    model = chainer.links.ResNet50Layers(pretrained_model=None)
    # Statistics that differ from those of a fresh model.
    rng = numpy.random.default_rng(0)
    for link in model.links():
        if isinstance(link, chainer.links.BatchNormalization):
            link.avg_mean[:] = rng.normal(0, .1, link.avg_mean.shape)
            link.avg_var[:] = rng.uniform(1, 2, link.avg_var.shape)
    chainer.serializers.save_npz(path, model, compression=False)
    return path


@pytest.fixture(scope='session')
def compiled(tmp_path_factory):
    """What the emulator has compiled in this session, and where."""
    if simt.COMPILER is None:
        pytest.skip('no C++ compiler (g++ or clang++) to emulate a GPU with')
    return simt.Compiler(tmp_path_factory.mktemp('simt'))


@pytest.fixture
def emulator(compiled, monkeypatch):
    """Kernels run on the CPU; see tests/simt."""
    monkeypatch.setattr(runtime, 'current', simt.Emulator(compiled))
    return runtime.current


BACKENDS = ['cpu', 'emulated', pytest.param('gpu', marks=pytest.mark.gpu)]


@pytest.fixture(params=BACKENDS)
def xp(request):
    """``xp.asarray`` makes arrays that are worked on by NumPy, by emulated
    kernels and, where there is a GPU, by CuPy and kernels."""
    if request.param == 'cpu':
        yield numpy
    elif request.param == 'emulated':
        emulator = request.getfixturevalue('emulator')
        yield simt
        assert emulator.launches, 'no kernel has run'
    else:
        yield cupy()


@pytest.fixture(params=BACKENDS[1:])
def device(request):
    """As xp, without NumPy."""
    if request.param == 'emulated':
        request.getfixturevalue('emulator')
        return simt
    return cupy()


def cupy():
    if not count_gpus():
        pytest.skip('no GPU')
    cupy = imsat.devices.cuda.cupy
    # Every array for itself, so that compute-sanitizer knows its bounds.
    cupy.cuda.set_allocator(None)
    return cupy


@pytest.fixture(autouse=True)
def no_shared_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('IMSAT_CACHE', str(tmp_path / 'cache'))
