"""What is asked of CuPy, of which a stand-in takes note."""
import sys
import types

import numpy
import pytest

from imsat.cuda import kernels, launch, runtime


class Array:
    def __init__(self, device=0):
        self.device = types.SimpleNamespace(id=device)


class RawModule:
    built = []

    def __init__(self, code, options):
        self.code = code
        self.built.append(code)

    def get_function(self, name):
        def kernel(grid, block, args, shared_mem):
            return CALLS.append((name, grid, block, args, shared_mem))
        return kernel


CALLS = []


@pytest.fixture
def cupy(monkeypatch):
    module = types.SimpleNamespace(
        ndarray=Array, RawModule=RawModule,
        cuda=types.SimpleNamespace(runtime=types.SimpleNamespace(
            getDevice=lambda: 0)))
    monkeypatch.setitem(sys.modules, 'cupy', module)
    monkeypatch.setattr(runtime, 'current', runtime.CuPy())
    CALLS.clear()
    RawModule.built.clear()
    return module


def test_launch(cupy):
    source = next(k for k in kernels.all_kernels()
                  if k.name == 'directions.cu')
    x = Array()
    for _ in range(2):
        source.launch('scale_rows', launch.shape((3,), (32, 8), 64),
                      (x, 3, None, .5), T=numpy.dtype('f'))
    name, grid, block, args, shared = CALLS[1]
    assert (name, grid, block, shared) == (
        'scale_rows', (3, 1, 1), (32, 8, 1), 64)
    assert args == (x, 3, 0, .5)
    # A null pointer has to be eight bytes of zeros.
    assert [type(a) for a in args[1:]] == [
        numpy.int64, numpy.uint64, numpy.float32]
    # Built once, from the text for its dtype.
    assert RawModule.built == [source.text({'T': 'float32'})]


def test_arrays(cupy):
    current = runtime.current
    assert current.holds(Array()) and not current.holds(numpy.zeros(3))
    assert current.is_current(Array()) and not current.is_current(Array(1))


def test_nothing_is_held_without_cupy(monkeypatch):
    monkeypatch.delitem(sys.modules, 'cupy', raising=False)
    assert not runtime.CuPy().holds(numpy.zeros(3))


def test_capture(cupy):
    # In which order, and that what is allocated is the graph's.
    happened = []

    class Context:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            happened.append(f'enter {self.name}')

        def __exit__(self, *args):
            happened.append(f'exit {self.name}')

    class Stream(Context):
        def __init__(self, non_blocking):
            assert non_blocking
            super().__init__('stream')

        def begin_capture(self):
            happened.append('begin')

        def end_capture(self):
            happened.append('end')
            return types.SimpleNamespace(
                launch=lambda: happened.append('launch'))

    cupy.cuda.Stream = Stream
    cupy.cuda.MemoryPool = lambda: types.SimpleNamespace(malloc='pool')
    cupy.cuda.using_allocator = Context
    captured = ['enter pool', 'enter stream', 'begin', 'work', 'end',
                'exit stream', 'exit pool']
    launch = runtime.current.capture(lambda: happened.append('work'))
    assert happened == captured
    launch()
    launch()
    assert happened == [*captured, 'launch', 'launch']

    happened.clear()
    with pytest.raises(KeyError):
        runtime.current.capture(lambda: happened.append('work') or {}['x'])
    assert happened == captured
