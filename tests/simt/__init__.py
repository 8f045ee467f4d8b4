"""Runs CUDA kernels on a CPU, for tests without a GPU.

:class:`Emulator` is a stand-in for ``imsat.cuda.runtime.CuPy``: NumPy arrays
of the class :class:`DeviceArray` take the place of device arrays, and the
source that NVRTC would get is compiled by the system's C++ compiler against
``simt.h`` and run by ``simt.cpp``, which explains how.  It raises
:class:`KernelError` for

- reads and writes outside of the arrays of the launch (of an array that is a
  view, outside of the view), of shared memory, and at addresses that a GPU
  would call misaligned;
- barriers, shuffles and ballots that not all threads reach that must;
- two threads that meet at an element with no barrier in between, one of them
  writing, in global and in shared memory (threads of a warp have to part by
  ``__syncwarp``, those of two blocks by ``__threadfence``);
- shared memory that is read before it is written;
- arguments that the kernel does not take: their number, dtypes and const;
- blocks of more threads than a kernel is sure to have registers for.

New arrays are filled with NaN.  What it does not know: the bounds of a
thread's own arrays, cooperative groups, textures, asynchronous copies, tensor
cores, blocks that wait for one another.
"""
from simt.arrays import DeviceArray, asarray, virtual
from simt.compiler import COMPILER, Compiler
from simt.emulator import Emulator
from simt.errors import KernelError

__all__ = ['COMPILER', 'Compiler', 'DeviceArray', 'Emulator', 'KernelError',
           'asarray', 'virtual']
