"""The devices of this machine, by number and in words."""
import functools
import importlib.util
import itertools
import math
import os
import platform
from collections.abc import Sequence
from typing import Any

import chainer
import numpy
import threadpoolctl
from chainer.backends import cuda

from imsat.cuda import runtime
from imsat.errors import ArgumentError, InputError
from imsat.labels import is_masked
from imsat.parameters import is_whole, shown
from imsat.storage import reason_of


def get_device(number: int) -> chainer.backend.Device:
    """The Chainer device of a number: -1 for the CPU, N for GPU N.

    Raises:
        InputError: If there is no such GPU, or no CuPy.

    Example:
        >>> imsat.devices.get_device(-1).name
        '@numpy'
    """
    if not is_whole(number):
        raise InputError(f'the device is {shown(number)}; give -1, the CPU, '
                         f'or the number of a GPU')
    if number == -1:
        return chainer.get_device('@numpy')
    count = count_gpus()
    if not 0 <= number < count:
        raise InputError(
            f'there is no GPU {shown(number)}: {how_many(count)}; use device '
            f'-1, the CPU')
    return chainer.get_device(f'@cupy:{number}')


def to_numpy(x: Any) -> numpy.ndarray:
    """x as a NumPy array, copied where it is on a GPU.

    Raises:
        InputError: For lists of several lengths, for values that are masked,
            and for a tensor that NumPy can't read.
    """
    if is_masked(x):
        raise InputError('values are masked; leave out what has them, or fill '
                         'them in')
    try:
        return numpy.asarray(
            cuda.to_cpu(x) if runtime.current.holds(x) else x)
    except (RuntimeError, TypeError) as e:  # PyTorch's: gradients, bfloat16
        raise InputError(reason_of(e)) from e
    except ValueError as e:
        raise InputError('rows of several lengths are no table; give as many '
                         'numbers in each') from e


def how_many(count: int) -> str:
    """Words for a number of GPUs, and for what is missing."""
    if cuda.available:
        reason = ''
    elif importlib.util.find_spec('cupy'):
        reason = ' (CuPy is installed, but finds no CUDA driver and cuBLAS)'
    else:
        reason = " (CuPy is not installed: pip install 'imsat[cuda13]')"
    return f'{count or "none"} can be used here{reason}'


def count_gpus() -> int:
    """How many GPUs Chainer can use."""
    # cuda.available only says that CuPy and cuBLAS could be imported.
    if not cuda.available:
        return 0
    try:
        return cuda.cupy.cuda.runtime.getDeviceCount()
    except cuda.cupy.cuda.runtime.CUDARuntimeError:
        return 0


def describe(device: chainer.backend.Device) -> str:
    """The hardware behind a Chainer device, in words."""
    if device.xp is not chainer.get_device('@numpy').xp:
        properties = cuda.cupy.cuda.runtime.getDeviceProperties(
            device.device.id)
        return properties['name'].decode()
    name = platform.processor() or platform.machine()
    if os.path.exists('/proc/cpuinfo'):
        with open('/proc/cpuinfo', encoding='utf-8') as f:
            names = [line.split(':')[1].strip() for line in f
                     if line.startswith('model name')]
        name = names[0] if names else name
    return f'{name}, {available_cores()} cores'


def available_cores() -> int:
    """How many processors this process may run on."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def weights_of(widths: Sequence[int]) -> int:
    """How many weights a network has, from the units of its layers."""
    return sum(a * b for a, b in itertools.pairwise(widths))


def check_memory(widths: Sequence[int], numbers: int = 1) -> None:
    """Raises ArgumentError unless ``numbers`` arrays of a network's weights,
    float32, fit into the memory that the machine has."""
    size, most = 4 * numbers * weights_of(widths), available_memory()
    if size > most:
        raise ArgumentError(
            'hidden', f'and the others make a network of '
            f'{"-".join(map(str, widths))} units, which takes '
            f'{size / 1e9:.0f} GB{" to train" * (numbers > 1)} where there '
            f'are {most / 1e9:.0f}; choose fewer', '--hidden')


def usable_threads() -> int:
    """How many threads matrix products may take, and so other loops.

    ``OPENBLAS_NUM_THREADS``, threadpoolctl and ``--threads`` set it.
    """
    return max((library['num_threads'] for library in _blas().info()),
               default=available_cores())


@functools.cache
def _blas():
    # To look for the libraries takes milliseconds.
    return threadpoolctl.ThreadpoolController().select(user_api='blas')


def available_memory() -> float:
    """Bytes of memory that the machine has; infinite where it doesn't say."""
    try:
        return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    except (AttributeError, ValueError):  # Windows
        return math.inf
