"""Chainer 7.8.1 on CPython 3.10 to 3.13, NumPy 2.0 to 2.5, CuPy 13 and 14.

Chainer is end-of-life.  :func:`apply` imports it and repairs it in place;
nothing is left behind in NumPy, CuPy or ``sys.modules``.  ``import imsat``
calls it once.  On most machines ``import chainer`` fails before that; where it
does not, Chainer is repaired as it is.
"""
import contextlib
import functools
import importlib.metadata
import os
import sys
import threading
import types
import warnings
from collections.abc import Collection
from typing import Any

import numpy

# numpy.sctypes as it was before NumPy 2.0.
_SCTYPES = {
    'int': [numpy.int8, numpy.int16, numpy.int32, numpy.int64],
    'uint': [numpy.uint8, numpy.uint16, numpy.uint32, numpy.uint64],
    'float': [numpy.float16, numpy.float32, numpy.float64],
    'complex': [numpy.complex64, numpy.complex128],
    'others': [bool, object, bytes, str, numpy.void],
}


@contextlib.contextmanager
def _temporary(namespace, name, value):
    """``namespace[name] = value`` for the duration, if it is not there."""
    if name in namespace:
        yield
        return
    namespace[name] = value
    try:
        yield
    finally:
        namespace.pop(name, None)


class _Numpy(types.ModuleType):
    """A stand-in for the module, with a few names of its own."""

    def __getattr__(self, name):
        return getattr(numpy, name)


# --- While Chainer is imported ---------------------------------------------
def environment_check():
    # chainer._environment_check imports pkg_resources (gone from setuptools
    # 82) and numpy.distutils (gone with Python 3.12), only to warn about
    # versions of CuPy other than 7.
    module: Any = types.ModuleType('chainer._environment_check')
    module.check = lambda: None
    return _temporary(sys.modules, module.__name__, module)


def sctypes():
    # functions/array/as_strided.py reads numpy.sctypes, gone from NumPy 2.0.
    return _temporary(vars(numpy), 'sctypes', _SCTYPES)


# --- Once it is there ------------------------------------------------------
def as_strided():
    # AsStridedGrad reads numpy.sctypes once more when it runs.
    module: Any = sys.modules['chainer.functions.array.as_strided']
    module.np = _Numpy('numpy')
    module.np.sctypes = _SCTYPES


def resize_images():
    # numpy.float went in NumPy 1.24.  The module compares `xp is numpy`, so
    # the name is exchanged in its code and not the module in its namespace.
    module = sys.modules['chainer.functions.array.resize_images']
    for function in vars(module).values():
        code = getattr(function, '__code__', None)
        if code is not None and 'float' in code.co_names:
            function.__code__ = code.replace(co_names=tuple(
                'float64' if n == 'float' else n for n in code.co_names))


def pad_sequence():
    # NumPy 2 raises OverflowError where -1 used to wrap in unsigned arrays.
    from chainer.functions.array.pad_sequence import PadSequence
    forward = PadSequence.forward

    @functools.wraps(forward)
    def wrapped(self, xs):
        dtype = xs[0].dtype
        if dtype.kind in 'ui' and numpy.isscalar(self.padding):
            self.padding = numpy.asarray(self.padding).astype(dtype)[()]
        return forward(self, xs)

    PadSequence.forward = wrapped


def categorical():
    # numpy.meshgrid returns a tuple since NumPy 2.0 (`mg + [x]` raises).
    import chainer
    from chainer.distributions.categorical import Categorical

    def log_prob(self, x):
        x = x.array if isinstance(x, chainer.Variable) else x
        grid = numpy.meshgrid(*map(range, self.batch_shape), indexing='ij')
        return self.log_p[(*grid, x.astype(numpy.int32))]

    Categorical.log_prob = log_prob


def convert():
    # numpy.maximum(a, b, c): a positional `out` is deprecated in NumPy 2.
    module: Any = sys.modules['chainer.dataset.convert']
    original = module._concat_arrays_with_padding
    stand_in: Any = _Numpy('numpy')
    stand_in.maximum = lambda a, b, out=None: numpy.maximum(a, b, out=out)
    module._concat_arrays_with_padding = types.FunctionType(
        original.__code__, {**vars(module), 'numpy': stand_in},
        original.__name__, original.__defaults__, original.__closure__)


_original_fetch_setup: Any = None


def _fetch_setup(*args):
    _original_fetch_setup(*args)


def multiprocess_iterator():
    # A worker that "spawn" or "forkserver" starts unpickles this function of
    # ours and so imports imsat before Chainer; else it fails and the iterator
    # waits for ever.
    global _original_fetch_setup
    module: Any = sys.modules['chainer.iterators.multiprocess_iterator']
    _original_fetch_setup = module._fetch_setup
    module._fetch_setup = _fetch_setup


def thread_daemon():
    # Thread.setDaemon() is deprecated since Python 3.10.
    module: Any = sys.modules['chainer.iterators.multiprocess_iterator']
    class Thread(threading.Thread):
        def setDaemon(self, daemonic):
            self.daemon = daemonic

    module.threading = types.SimpleNamespace(
        **{**vars(threading), 'Thread': Thread})


def half_kernels():
    # CuPy 14 includes the half-precision header only for *parameters* of
    # that type; Chainer has kernels that name float16 in their text alone.
    from chainer.backends import cuda
    if not cuda.available or cuda._cupy_major < 14:
        return
    elementwise, raw = cuda.elementwise, cuda.raw

    @functools.wraps(elementwise)
    def elementwise_(in_params, out_params, operation, name, **kwargs):
        if 'float16' in operation:
            kwargs['preamble'] = ('#include <cupy/float16.cuh>\n'
                                  + kwargs.get('preamble', ''))
        return elementwise(in_params, out_params, operation, name, **kwargs)

    @functools.wraps(raw)
    def raw_(code, name, *args, **kwargs):
        if 'half' in code:
            code = '#include <cuda_fp16.h>\n' + code
        return raw(code, name, *args, **kwargs)

    cuda.elementwise, cuda.raw = elementwise_, raw_


WHILE_IMPORTING = environment_check, sctypes
AFTERWARDS = (as_strided, resize_images, pad_sequence, categorical, convert,
              multiprocess_iterator, thread_daemon, half_kernels)


def apply(without: Collection[str] = ()) -> None:
    """Imports and repairs Chainer.

    Args:
        without (collection of str): Names of patches to leave out; the tests
            show in this way that each is still needed.
    """
    is_first = 'chainer' in sys.modules
    if is_first and 'chainer.iterators.multiprocess_iterator' \
            not in sys.modules:
        raise ImportError('a part of chainer was imported before imsat; put '
                          '`import imsat` above `import chainer`')
    if not is_first:
        # An `import chainer` that failed has left parts behind.
        for name in [n for n in sys.modules if n.startswith('chainer.')]:
            del sys.modules[name]
    # CuPy 14 has no cuDNN and 13 wants an old one: Chainer's own kernels
    # serve, and nothing needs to be said.  CHAINER_CUDNN=1 asks for it.
    os.environ.setdefault('CHAINER_CUDNN', '0')
    with contextlib.ExitStack() as stack:
        for patch in WHILE_IMPORTING:
            if patch.__name__ not in without:
                stack.enter_context(patch())
        # CuPy warns where libnccl or libcudnn, which Chainer probes, is not.
        stack.enter_context(warnings.catch_warnings())
        warnings.filterwarnings(
            'ignore', message=r'\s*(nccl|cudnn) library could not be loaded')
        import chainer
    if is_first and os.environ['CHAINER_CUDNN'] == '0':  # too late for it
        chainer.global_config.use_cudnn = 'never'
    for patch in AFTERWARDS:
        if patch.__name__ not in without:
            patch()


def import_testing() -> types.ModuleType:
    """``chainer.testing``, which wants pkg_resources, for tests.

    ``chainer.gradient_check`` imports it too, so call this before.
    """
    class ResolutionError(Exception):
        pass

    class DistributionNotFound(ResolutionError):
        pass

    class VersionConflict(ResolutionError):
        pass

    class WorkingSet:
        def require(self, *requirements):
            from packaging.requirements import Requirement
            for requirement in map(Requirement, requirements):
                try:
                    version = importlib.metadata.version(requirement.name)
                except importlib.metadata.PackageNotFoundError:
                    raise DistributionNotFound(requirement) from None
                if not requirement.specifier.contains(version, True):
                    raise VersionConflict(requirement)

    module = types.ModuleType('pkg_resources')
    for item in ResolutionError, DistributionNotFound, VersionConflict, \
            WorkingSet:
        setattr(module, item.__name__, item)
    with _temporary(sys.modules, 'pkg_resources', module):
        import chainer.testing
        import chainer.testing.doctest_helper
    return chainer.testing
