import collections
import os
from pathlib import Path

import numpy
import pytest

import imsat  # before Chainer
import scripts
import simt
import chainer
from imsat import compat
from imsat.cuda import runtime
from imsat.devices import count_gpus
from original.comparison import Trace

compat.import_testing()


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


@pytest.fixture(scope='session')
def compiled(tmp_path_factory):
    """What the emulator has compiled in this session, and where."""
    if simt.COMPILER is None:
        pytest.skip('no C++ compiler (g++ or clang++) to emulate a GPU with')
    folder = tmp_path_factory.getbasetemp()
    # pytest-xdist's workers have a folder each, within a common one.
    if 'PYTEST_XDIST_WORKER' in os.environ:
        folder = folder.parent
    (folder / 'simt').mkdir(exist_ok=True)
    return simt.Compiler(folder / 'simt')


@pytest.fixture
def emulator(compiled, monkeypatch):
    """Kernels run on the CPU; see tests/simt."""
    monkeypatch.setattr(runtime, 'current', simt.Emulator(compiled))
    return runtime.current


@pytest.fixture
def undrawn(monkeypatch):
    """Pictures are files, and no more."""
    monkeypatch.setattr('matplotlib.figure.Figure.savefig', scripts.undrawn)


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


@pytest.fixture(params=BACKENDS)
def everywhere(request):
    """As xp, where kernels need not run."""
    if request.param == 'emulated':
        request.getfixturevalue('emulator')
        return simt
    return numpy if request.param == 'cpu' else cupy()


@pytest.fixture(params=[BACKENDS[0], BACKENDS[2]])
def array_module(request):
    """As xp, for what no kernel of ours takes part in."""
    return numpy if request.param == 'cpu' else cupy()


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


@pytest.fixture(params=[pytest.param(-1, id='cpu'), pytest.param(
    0, id='gpu', marks=pytest.mark.gpu)])
def device_number(request):
    """Of the CPU and, where there is one, a GPU."""
    if request.param >= 0 and not count_gpus():
        pytest.skip('no GPU')
    return request.param


@pytest.fixture
def chainer_device(device_number):
    return imsat.devices.get_device(device_number)


@pytest.fixture(autouse=True)
def no_shared_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('IMSAT_CACHE', str(tmp_path / 'cache'))


@pytest.hookimpl(tryfirst=True)  # before -m
def pytest_collection_modifyitems(items):
    values = collections.defaultdict(dict)
    for item in items:
        for mark in item.iter_markers('by_turns'):
            if turn(item, values) % mark.args[0]:
                item.add_marker(pytest.mark.slow)
    # The longest first, so that in the end no core waits for another.
    longest = ('test_ranks', 'experiments_tests', 'cuda_tests',
               'estimators_tests', 'test_neighbors')
    items.sort(key=lambda item: next(
        (i for i, name in enumerate(longest) if name in item.nodeid),
        len(longest)))


def turn(item, values):
    """The sum of the places that its parameters have among ``values``, those
    of each: with n of one, any combination of the others has one turn."""
    params = dict(item.callspec.params)
    for mark in item.iter_markers('parametrize'):
        for name in mark.args[0].split(',')[1:]:  # go with the first
            del params[name.strip()]
    places = [values[item.function, name] for name in params]
    return sum(place.setdefault(id(value), len(place))
               for place, value in zip(places, params.values()))
