"""Runs compiled kernels on NumPy arrays."""
import ctypes

import numpy

from simt.arrays import DeviceArray, allocate, asarray, virtual
from simt.compiler import elementwise_source, is_raw, source_line
from simt.errors import KernelError


class _Array(ctypes.Structure):
    _fields_ = [('data', ctypes.c_void_p), ('bytes', ctypes.c_uint64),
                ('item', ctypes.c_uint64), ('argument', ctypes.c_int32),
                ('writable', ctypes.c_int32)]


class Emulator:
    """The runtime of tests without a GPU.

    Args:
        compiler (Compiler)
        seed (int): Orders the threads and blocks; 0: ascending.
        last_blocks (int): Runs only so many blocks of each launch, the last
            ones; new arrays are virtual.  For sizes that can't be run whole.

    ``launches`` counts them by the name of their kernel.
    """

    def __init__(self, compiler, seed=0, last_blocks=None):
        self.compiler, self.seed = compiler, seed
        self.last_blocks = last_blocks
        self.launches = {}
        self._captured = None

    # --- What imsat.cuda.runtime asks for ----------------------------------
    def holds(self, x):
        return isinstance(x, DeviceArray)

    def is_current(self, x):
        return True

    def empty(self, shape, dtype):
        return (virtual if self.last_blocks else allocate)(shape, dtype)

    def zeros(self, shape, dtype):
        if self.last_blocks:
            return virtual(shape, dtype)
        return asarray(numpy.zeros(shape, dtype))

    def asarray(self, x, dtype):
        return asarray(x, dtype)

    def contiguous(self, x):
        return x if x.flags.c_contiguous else asarray(x)

    def launch(self, text, name, shape, args):
        self.run(self.compiler(text), name, shape, args)

    def elementwise(self, kernel, args):
        inputs = dict(zip(map(_name, kernel.in_params), args))
        arrays = [x for p, x in zip(kernel.in_params, args)
                  if isinstance(x, numpy.ndarray) and not is_raw(p)]
        shape = numpy.broadcast_shapes(*(x.shape for x in arrays))
        for param in kernel.in_params:
            x = inputs[_name(param)]
            if isinstance(x, numpy.ndarray) and not is_raw(param) and (
                    x.shape != shape or not x.flags.c_contiguous):
                inputs[_name(param)] = asarray(numpy.broadcast_to(x, shape))
        types = _types(kernel, inputs)
        outputs = list(args[len(inputs):]) or [
            self.empty(shape, types[p.split()[-2]]) for p in kernel.out_params]
        values = [*inputs.values(), *outputs]
        library = self.compiler(elementwise_source(kernel, types))
        flat = []
        for param, x in zip(kernel.in_params + kernel.out_params, values):
            if _name(param) in kernel.scalars:
                x = numpy.dtype(types[param.split()[-2]]).type(x)
            flat.append(x)
            if is_raw(param):
                flat.append(numpy.int64(x.size))
        n = int(numpy.prod(shape))
        if n:  # CuPy launches nothing for no elements
            self.run(library, kernel.name,
                     ((-(-n // 128), 1, 1), (128, 1, 1), 0),
                     [*flat, numpy.int64(n)])
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def product(self, a, b, out, add):
        if self._captured is not None:
            self._captured.append((self.product, (a, b, out, add)))
            return
        self._count('product')
        a, b, out = (x.view(numpy.ndarray) for x in (a, b, out))
        out[...] = numpy.matmul(a, b) + (out if add else 0)

    def capture(self, function):
        self._captured = []
        try:
            function()
        finally:
            captured, self._captured = self._captured, None

        def replay():
            for launch, args in captured:
                launch(*args)
        return replay

    # --- Running -----------------------------------------------------------
    def _count(self, name):
        self.launches[name] = self.launches.get(name, 0) + 1

    def run(self, library, name, shape, args):
        if self._captured is not None:
            self._captured.append((self.run, (library, name, shape, args)))
            return
        grid, block, shared = shape
        self._count(name)
        if not (0 < numpy.prod(block) <= 1024 and block[2] <= 64
                and 0 < grid[0] < 2 ** 31 and 0 < grid[1] < 2 ** 16
                and 0 < grid[2] < 2 ** 16):
            raise KernelError(f'{name}: no GPU launches {grid} blocks of '
                              f'{block} threads')
        bounds = getattr(library, f'simt_bounds_{name}')()
        if numpy.prod(block) > bounds:
            raise KernelError(f'{name}: blocks of {block} threads may have '
                              f'too few registers; declare '
                              f'__launch_bounds__ (now {bounds})')
        slots, arrays, keep = self._pack(library, name, args)
        message = ctypes.create_string_buffer(2048)
        failed = self.compiler.scheduler.simt_launch(
            getattr(library, f'simt_call_{name}'), slots,
            (ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(*block),
            ctypes.c_uint64(shared), arrays, len(arrays),
            ctypes.c_uint64(self.seed),
            ctypes.c_uint64(self.last_blocks or 2 ** 63), message,
            ctypes.c_uint64(len(message)))
        del keep
        if failed:
            place, what = message.value.decode().split('\n', 1)
            raise KernelError(f'{name}: {what} ({source_line(place)})')

    def _pack(self, library, name, args):
        signature = ctypes.create_string_buffer(1024)
        getattr(library, f'simt_signature_{name}')(signature)
        codes = signature.value.decode().split()
        if len(codes) != len(args):
            raise KernelError(f'{name} takes {len(codes)} arguments and got '
                              f'{len(args)}')
        slots = (ctypes.c_void_p * max(1, len(args)))()
        arrays, keep = [], []
        for i, (code, x) in enumerate(zip(codes, args)):
            pointer = code[0] in '*&'
            if pointer and x is None:
                value = numpy.zeros(1, numpy.uint64)
            elif pointer:
                self._check_array(name, i, code, x)
                arrays.append(_Array(x.ctypes.data, x.nbytes, x.itemsize, i,
                                     code[0] == '*'))
                value = numpy.array([x.ctypes.data], numpy.uint64)
            else:
                value = numpy.atleast_1d(x)
                if value.dtype.str[1:] != code:
                    raise KernelError(f'{name}: argument {i} is a {code} and '
                                      f'got {value.dtype}')
            keep.append(value)
            slots[i] = value.ctypes.data
        return slots, (_Array * len(arrays))(*arrays), keep

    def _check_array(self, name, i, code, x):
        if not isinstance(x, DeviceArray):
            raise KernelError(f'{name}: argument {i} is a {type(x).__name__}, '
                              f'not an array of the device')
        if x.dtype.str[1:] != code[1:]:
            raise KernelError(f'{name}: argument {i} is a {code[1:]}* and '
                              f'got {x.dtype}')
        if not x.flags.c_contiguous:
            raise KernelError(f'{name}: argument {i} is not contiguous')


def _types(kernel, inputs):
    """What the types in a kernel's parameters stand for.

    Those of one letter are the dtype of the first array declared so.
    """
    types = {}
    for param in kernel.in_params + kernel.out_params:
        kind, name = param.split()[-2:]
        x = inputs.get(name)
        if len(kind) > 1:
            types[kind] = kind
        elif isinstance(x, numpy.ndarray):
            known = types.setdefault(kind, x.dtype.name)
            if known != x.dtype.name:
                raise KernelError(f'{kernel.name}: {kind} is {types[kind]} '
                                  f'and, for {name}, {x.dtype.name}')
    return types


def _name(param):
    return param.split()[-1]
