"""Weight decay: half the squares of parameters, and their gradient."""
import math

from imsat.cuda import arguments, kernels, runtime
from imsat.cuda.sums import sum_rows

_decay = kernels.Elementwise(
    'T p, T rate', 'T g, T half', '''
    g += rate * p;
    half = rate / 2 * p * p''', 'weight_decay', scalars=('rate',))


def add_gradient(p, g, rate, value=None):
    """Adds that of ``rate / 2`` times the squares of p to g.

    Three launches.

    Args:
        p (cupy.ndarray): Parameters, shape (n,), float32 or float64.
        g (cupy.ndarray): Their gradient, likewise, updated in place.
        rate (float): At least 0.
        value (cupy.ndarray): 0-dimensional, of their dtype, to write the sum
            to; None for a new array.

    Returns:
        value
    """
    p = arguments.array('p', p, (None,))
    dtype, n = p.dtype, len(p)
    g = arguments.in_place('g', g, p.shape, (dtype,))
    rate = arguments.number('rate', rate)
    value = arguments.output('value', value, (), dtype)
    half = runtime.current.empty(p.shape, dtype)
    runtime.current.elementwise(_decay, (p, rate, g, half))
    # As many blocks as there may be equal parts.
    parts = math.gcd(n, 1024)
    sum_rows(sum_rows(half.reshape(parts, n // parts))[None],
             value.reshape(1))
    return value
