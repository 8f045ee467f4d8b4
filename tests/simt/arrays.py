"""What stands in for CuPy's arrays."""
import mmap

import numpy


class DeviceArray(numpy.ndarray):
    """An array that NumPy works on and kernels accept."""

    def set(self, array):
        """Copies from the host, as CuPy does."""
        assert array.shape == self.shape and array.dtype == self.dtype
        self[...] = array

    # As in CuPy a result of no dimensions is an array still.
    def __array_wrap__(self, array, context=None, return_scalar=False):
        return array.view(DeviceArray)

    # And one of numpy.concatenate and the like stays on the device.
    def __array_function__(self, function, types, args, kwargs):
        result = super().__array_function__(function, types, args, kwargs)
        return (result.view(DeviceArray) if type(result) is numpy.ndarray
                else result)


def asarray(x, dtype=None):
    """A copy as a DeviceArray, aligned as CuPy's allocations are."""
    x = numpy.asarray(x, dtype)
    copy = allocate(x.shape, x.dtype)
    copy[...] = x
    return copy


def allocate(shape, dtype):
    """A new array, filled with NaN."""
    dtype = numpy.dtype(dtype)
    n = int(numpy.prod(shape)) * dtype.itemsize
    memory = numpy.full(n + 256, 0xff, numpy.uint8)
    start = -memory.ctypes.data % 256
    return memory[start:start + n].view(dtype).reshape(shape).view(
        DeviceArray)


def virtual(shape, dtype):
    """A new array of zeros that takes memory only where it is touched."""
    n = int(numpy.prod(shape))
    memory = mmap.mmap(
        -1, max(n * numpy.dtype(dtype).itemsize, 1),
        # (named since Python 3.13)
        mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        | getattr(mmap, 'MAP_NORESERVE', 0x4000))
    return numpy.frombuffer(memory, dtype, n).reshape(shape).view(DeviceArray)
