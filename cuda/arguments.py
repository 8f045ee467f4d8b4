"""Checks of arguments, before anything is launched."""
import math
import operator
from collections.abc import Sequence

import numpy

from imsat.cuda import runtime

FLOATS = 'float32', 'float64'


def check(name: str, x, shape: tuple[int | None, ...],
          dtypes: Sequence = FLOATS) -> None:
    """Refuses what a kernel can't work on.

    Args:
        name (str): What the caller calls it.
        shape (tuple): Its extents, None for any.
        dtypes (sequence): Of dtypes or their names.

    Raises:
        TypeError: If it is no array of the device, or of another dtype.
        ValueError: If it has another shape or is on another device.
    """
    if not runtime.current.holds(x):
        raise TypeError(f'{name} is a {_type_name(x)}; give a cupy.ndarray')
    if x.dtype not in dtypes:
        names = [numpy.dtype(dtype).name for dtype in dtypes]
        raise TypeError(f'{name} has dtype {x.dtype}; give '
                        f'{" or ".join(names)}')
    if len(x.shape) != len(shape) or any(
            b is not None and a != b for a, b in zip(x.shape, shape)):
        wanted = ', '.join('any' if n is None else str(n) for n in shape)
        raise ValueError(f'{name} has shape {x.shape}; give ({wanted})')
    if not runtime.current.is_current(x):
        raise ValueError(f'{name} is on another GPU than the current one; '
                         'enter `with cupy.cuda.Device(...)` first')


def array(name: str, x, shape: tuple[int | None, ...],
          dtypes: Sequence = FLOATS):
    """x, contiguous, if it passes :func:`check`."""
    check(name, x, shape, dtypes)
    return runtime.current.contiguous(x)


def optional(name: str, x, shape: tuple[int | None, ...],
             dtypes: Sequence = FLOATS):
    """As :func:`array`; None stays None."""
    return None if x is None else array(name, x, shape, dtypes)


def gradients(dtype, **gs) -> list:
    """Upstream gradients of 0 dimensions by their names; None stays None."""
    return [optional(name, g, (), (dtype,)) for name, g in gs.items()]


def in_place(name: str, x, shape: tuple[int | None, ...],
             dtypes: Sequence = FLOATS):
    """As :func:`array`, for an array that is written to."""
    checked = array(name, x, shape, dtypes)
    if not x.flags.c_contiguous:
        raise ValueError(f'{name} is updated in place and not contiguous; '
                         'give a contiguous array')
    return checked


def output(name: str, x, shape: tuple[int, ...], dtype):
    """As :func:`in_place`, for an array to write to; a new one for None."""
    if x is None:
        return runtime.current.empty(shape, dtype)
    return in_place(name, x, shape, (dtype,))


def number(name: str, value, low: float = 0.,
           high: float = math.inf) -> float:
    """A float from ``low`` to ``high``, but not infinite."""
    try:
        value = float(value)
    except (TypeError, ValueError):
        raise TypeError(f'{name} is a {_type_name(value)}; give a number'
                        ) from None
    if not (low <= value <= high and math.isfinite(value)):
        raise ValueError(f'{name} is {value}; give a number from {low:g} to '
                         f'{high:g}')
    return value


def integer(name: str, value, low: int = 0, high: int = 2 ** 63 - 1) -> int:
    """An int from ``low`` to ``high``."""
    try:
        value = operator.index(value)
    except TypeError:
        raise TypeError(f'{name} is a {_type_name(value)}; give an integer'
                        ) from None
    if not low <= value <= high:
        raise ValueError(f'{name} is {value}; give an integer from {low} to '
                         f'{high}')
    return value


def dtype(name: str, value, dtypes: Sequence[str] = FLOATS) -> numpy.dtype:
    """A dtype that kernels are compiled for."""
    value = numpy.dtype(value)
    if value.name not in dtypes:
        raise TypeError(f'{name} is {value}; give {" or ".join(dtypes)}')
    return value


def _type_name(x):
    module = type(x).__module__
    name = type(x).__name__
    return name if module == 'builtins' else f'{module}.{name}'
