"""Matrix products by cuBLAS, called directly.

CuPy refuses to call cuBLAS while a stream is captured.  Here it is called as
CuPy would, but with a workspace of its own: what cuBLAS allocates by itself
would become a part of the graph.
"""
import ctypes

# What NVIDIA recommends for Hopper; others need less.
WORKSPACE_BYTES = 32 << 20
_NO_TRANSPOSE, _TRANSPOSE = 0, 1
_REALS = {'float32': ('cublasSgemm_v2', ctypes.c_float),
          'float64': ('cublasDgemm_v2', ctypes.c_double)}


class Blas:
    """cuBLAS on one device, for one thread at a time.

    Args:
        library (ctypes.CDLL): libcublas.
        workspace (int): Address of WORKSPACE_BYTES on the device, which stay
            there as long as this object.
    """

    def __init__(self, library, workspace):
        self.library, self.workspace = library, workspace
        self.stream = None
        self.handle = ctypes.c_void_p()
        self._call('cublasCreate_v2', ctypes.byref(self.handle))

    def product(self, dtype, a, b, out, inner, add, stream):
        """out = a b, or out += a b.

        Args:
            dtype (str): Of all of them, float32 or float64.
            a, b (tuple): Address, numbers from one row to the next, and
                whether it is the transpose of what lies there.
            out (tuple): Address, rows and columns, in C order.
            inner (int): Columns of a.
            add (bool): Whether to add to out.
            stream (int): That to launch on.
        """
        if stream != self.stream:
            self._call('cublasSetStream_v2', self.handle,
                       ctypes.c_void_p(stream))
            # (which went back to a workspace of the library's)
            self._call('cublasSetWorkspace_v2', self.handle,
                       ctypes.c_void_p(self.workspace),
                       ctypes.c_size_t(WORKSPACE_BYTES))
            self.stream = stream
        name, real = _REALS[dtype]
        address, rows, columns = out
        # It has matrices in Fortran's order: out^T = b^T a^T.
        self._call(
            name, self.handle, *(_TRANSPOSE if x[2] else _NO_TRANSPOSE
                                 for x in (b, a)),
            columns, rows, inner, ctypes.byref(real(1)),
            ctypes.c_void_p(b[0]), b[1], ctypes.c_void_p(a[0]), a[1],
            ctypes.byref(real(add)), ctypes.c_void_p(address), columns)

    def _call(self, name, *args):
        status = getattr(self.library, name)(*args)
        if status:
            raise RuntimeError(f'{name} failed with status {status}')
