"""Products by cuBLAS, for which a stand-in has the same interface."""
import ctypes
import sys
import types

import numpy
import pytest
from chainer.backends.cuda import to_cpu

from imsat.cuda import cublas, products, runtime

SHAPES = [(1, 1, 1), (3, 2, 5), (2, 7, 1), (1, 3, 4), (250, 31, 33)]


def operands(m, inner, n, dtype):
    rng = numpy.random.RandomState(0)
    return [rng.normal(size=shape).astype(dtype)
            for shape in ((m, inner), (inner, n), (m, n))]


class Library:
    """libcublas on the CPU: matrices in Fortran's order, by address."""

    def __init__(self):
        self.calls, self.status = [], 0

    def __getattr__(self, name):
        def function(*args):
            self.calls.append((name, args))
            if name in ('cublasSgemm_v2', 'cublasDgemm_v2'):
                self.gemm(ctypes.c_float if 'S' in name else ctypes.c_double,
                          *args[1:])
            return self.status
        return function

    def gemm(self, real, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb,
             beta, c, ldc):
        def matrix(address, ld, rows, columns):
            flat = numpy.ctypeslib.as_array(ctypes.cast(
                address, ctypes.POINTER(real)), (columns * ld,))
            return flat.reshape(columns, ld).T[:rows]
        a = matrix(a, lda, *((k, m) if trans_a else (m, k)))
        b = matrix(b, ldb, *((n, k) if trans_b else (k, n)))
        c = matrix(c, ldc, m, n)
        c[...] = alpha._obj.value * (a.T if trans_a else a) @ (
            b.T if trans_b else b) + beta._obj.value * c


class Array(numpy.ndarray):
    """With what is asked of CuPy's."""

    @property
    def data(self):
        return types.SimpleNamespace(ptr=self.ctypes.data)


@pytest.fixture
def library(monkeypatch):
    """Takes cuBLAS's place, on a device and a stream of that name."""
    library = Library()
    library.stream = 7
    blas = cublas.Blas(library, 99)
    cuda = types.SimpleNamespace(
        runtime=types.SimpleNamespace(getDevice=lambda: 0),
        get_current_stream=lambda: types.SimpleNamespace(ptr=library.stream))
    monkeypatch.setitem(sys.modules, 'cupy', types.SimpleNamespace(
        ndarray=Array, cuda=cuda))
    current = runtime.CuPy()
    monkeypatch.setattr(current, '_blas', lambda device: (blas, None))
    monkeypatch.setattr(current, 'is_current', lambda x: True)
    monkeypatch.setattr(current, 'contiguous', lambda x: x)
    monkeypatch.setattr(runtime, 'current', current)
    return library


@pytest.mark.parametrize('add', [False, True])
@pytest.mark.parametrize('dtype', 'fd')
@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('orders', ['CC', 'CF', 'FC', 'FF'])
def test_layouts(library, shape, dtype, orders, add):
    a, b, out = operands(*shape, dtype)
    expected = numpy.einsum('il,lj->ij', a, b) + add * out
    a, b = (numpy.array(x, order=order).view(Array)
            for x, order in zip((a, b), orders))
    out = out.view(Array)
    assert products.product(a, b, out, add) is out
    numpy.testing.assert_allclose(
        out, expected, 0, 1e-5 if dtype == 'f' else 1e-13)


def test_a_stream_gets_the_workspace_once(library):
    a, b, out = (x.view(Array) for x in operands(2, 3, 4, 'f'))
    for _ in range(2):
        products.product(a, b, out)
    library.stream = 8
    products.product(a, b, out)
    names = [name for name, _ in library.calls]
    bind = ['cublasSetStream_v2', 'cublasSetWorkspace_v2']
    assert names == ['cublasCreate_v2', *bind, *2 * ['cublasSgemm_v2'], *bind,
                     'cublasSgemm_v2']
    (_, stream), (_, address, size) = (library.calls[i][1] for i in (5, 6))
    assert (stream.value, address.value, size.value) == (
        8, 99, cublas.WORKSPACE_BYTES)


def test_failure(library):
    a, b, out = (x.view(Array) for x in operands(2, 3, 4, 'f'))
    library.status = 13
    with pytest.raises(RuntimeError, match='^cublasSetStream_v2 failed with '
                                           'status 13$'):
        products.product(a, b, out)


@pytest.mark.parametrize('dtype,tolerance', [('f', 1e-4), ('d', 1e-12)])
@pytest.mark.parametrize('shape', SHAPES)
def test_product(device, shape, dtype, tolerance):
    a, b, out = operands(*shape, dtype)
    on_device = device.asarray(out)
    for add in False, True:
        products.product(device.asarray(a), device.asarray(b.T.copy()).T,
                         on_device, add)
        expected = (1 + add) * numpy.einsum('il,lj->ij', a, b)
        numpy.testing.assert_allclose(
            to_cpu(on_device), expected, 0, tolerance)


def test_strides_are_refused(device):
    a, b, out = map(device.asarray, operands(4, 6, 5, 'f'))
    with pytest.raises(ValueError, match='^a is not contiguous, nor is'):
        products.product(a[:, ::2], b[:3], out)


def test_nothing(device):
    a, b, out = map(device.asarray, operands(0, 3, 5, 'f'))
    assert products.product(a, b, out) is out
