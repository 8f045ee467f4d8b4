"""What the kernels ask of CuPy, all in one place.

The functions of this package reach the GPU through ``runtime.current`` alone.
Tests without a GPU put an emulator there (``tests/simt``).
"""
import ctypes
import functools
import sys

import numpy

from imsat.cuda import cublas, launch


class CuPy:
    """Arrays and launches on CuPy's current device and stream.

    CuPy compiles a kernel at its first call on each device; this object keeps
    the result.
    """

    def __init__(self):
        self._raw_kernel = functools.cache(_raw_kernel)
        self._elementwise_kernel = functools.cache(_elementwise_kernel)
        self._blas = functools.cache(_blas)

    def holds(self, x):
        """Whether x is an array that kernels can work on."""
        cupy = sys.modules.get('cupy')  # whoever has an array imported it
        return cupy is not None and isinstance(x, cupy.ndarray)

    def is_current(self, x):
        """Whether x is on the device that a kernel would run on."""
        import cupy
        return x.device.id == cupy.cuda.runtime.getDevice()

    def empty(self, shape, dtype):
        import cupy
        return cupy.empty(shape, dtype)

    def zeros(self, shape, dtype):
        import cupy
        return cupy.zeros(shape, dtype)

    def asarray(self, x, dtype):
        """x on the device, copied where it is not there yet."""
        import cupy
        return cupy.asarray(x, dtype)

    def contiguous(self, x):
        import cupy
        # (which would give a number a dimension)
        return x if x.flags.c_contiguous else cupy.ascontiguousarray(x)

    def launch(self, text, name, shape, args):
        """Runs a kernel of the CUDA source ``text``.

        Args:
            shape (launch.Shape): Blocks, threads and shared memory.
            args (tuple): Arrays, None for a null pointer, NumPy scalars.
        """
        # CuPy takes None for an argument without a value, and crashes.
        args = tuple(numpy.uint64(0) if a is None else a for a in args)
        # The compiler reads shared memory 16 bytes at a time, beyond the last
        # of an odd number of doubles too, as compute-sanitizer noticed.
        self._raw_kernel(text, name)(
            shape.grid, shape.block, args,
            shared_mem=16 * launch.ceil_div(shape.shared, 16))

    def elementwise(self, kernel, args):
        """Runs a :class:`kernels.Elementwise`; its output, or a tuple."""
        return self._elementwise_kernel(kernel)(*args)

    def product(self, a, b, out, add):
        """out = a b, or out += a b; see :func:`products.product`."""
        import cupy
        blas, _ = self._blas(cupy.cuda.runtime.getDevice())
        blas.product(
            out.dtype.name, _operand(a), _operand(b),
            (out.data.ptr, *out.shape), a.shape[1], add,
            cupy.cuda.get_current_stream().ptr)

    def capture(self, function):
        """A function that launches on the current stream what ``function``
        does; see :func:`graph.captured`."""
        import cupy
        # The default stream can't be captured.  What is allocated meanwhile
        # is the graph's: no other array may get it.
        stream, pool = cupy.cuda.Stream(non_blocking=True), \
            cupy.cuda.MemoryPool()
        with cupy.cuda.using_allocator(pool.malloc), stream:
            stream.begin_capture()
            try:
                function()
            finally:
                graph = stream.end_capture()

        def launch(keep=(pool, stream)):
            graph.launch()
        return launch


def _raw_kernel(text, name):
    import cupy
    return cupy.RawModule(
        code=text, options=('-std=c++17',)).get_function(name)


def _elementwise_kernel(kernel):
    import cupy
    return cupy.ElementwiseKernel(
        ', '.join(kernel.in_params), ', '.join(kernel.out_params),
        kernel.operation, kernel.name, preamble=kernel.preamble)


def _blas(device):
    """cuBLAS on a device, and the workspace that it has to itself."""
    import cupy
    from cupy_backends.cuda.libs import cublas as loaded  # noqa: F401
    major = cupy.cuda.runtime.runtimeGetVersion() // 1000
    workspace = cupy.empty(cublas.WORKSPACE_BYTES, numpy.uint8)
    return cublas.Blas(ctypes.CDLL(f'libcublas.so.{major}'),
                       workspace.data.ptr), workspace


def _operand(x):
    """Where a matrix lies, how far rows are apart, and if transposed."""
    if x.flags.c_contiguous:
        return x.data.ptr, max(x.shape[1], 1), False
    return x.data.ptr, max(x.shape[0], 1), True


current = CuPy()
