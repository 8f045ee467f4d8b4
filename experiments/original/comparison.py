"""How far one array is from another, and whether that is near enough."""
import dataclasses

import numpy
from chainer import backend


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Ours against the original's.

    Attributes:
        section (str): What was replayed or run.
        quantity (str): Which number or array of it.
        dtype (numpy.dtype): Of the computation.
        absolute (float): The largest difference of two elements.
        relative (float): The same, over the original's largest element, or
            over 1 where that is 0.
        rtol, atol (float): Every element may differ by atol + rtol |element|.
        agrees (bool): Whether none differs by more.
        step (int): Iteration, from 1; None where there is none.
    """
    section: str
    quantity: str
    dtype: numpy.dtype
    absolute: float
    relative: float
    rtol: float
    atol: float
    agrees: bool
    step: int | None = None

    def __str__(self):
        step = '' if self.step is None else f', step {self.step}'
        return (f'{self.section}{step}, {self.quantity} ({self.dtype}): '
                f'differs by {self.absolute:.2g}, {self.relative:.2g} of the '
                f'largest element; allowed {format_tolerance(self)}')


def compare(section, quantity, dtype, actual, expected, rtol=0., atol=0.,
            step=None):
    """A :class:`Comparison` of two arrays on any device.

    Arrays of different shapes are infinitely far apart.
    """
    actual, expected = _on_cpu(actual), _on_cpu(expected)
    difference = abs(actual - expected) \
        if actual.shape == expected.shape else numpy.full(1, numpy.inf)
    absolute = float(difference.max())
    largest = float(abs(expected).max())
    # Written so that NaN never agrees.
    agrees = actual.shape == expected.shape and bool(
        (difference <= atol + rtol * abs(expected)).all())
    return Comparison(
        section, quantity, numpy.dtype(dtype), absolute,
        absolute / (largest or 1.), rtol, atol, agrees, step)


def single_tolerance(single, double):
    """How far two float32 runs may be apart, element by element.

    1e-4 of the largest element, and four times what the original's float32
    run is away from its float64 run: that much of a small divergence is
    rounding, of which we have ours.  Single numbers are sums of terms of
    order 1, whose last digit counts besides.

    Args:
        single, double (array): What the original computed in each.
    """
    single, double = _on_cpu(single), _on_cpu(double)
    atol = 4 * abs(single - double).max() + 1e-4 * abs(single).max()
    if not single.ndim:
        atol += numpy.finfo(numpy.float32).eps
    return float(atol)


def _on_cpu(array):
    return numpy.asarray(backend.CpuDevice().send(
        getattr(array, 'array', array)), numpy.float64)


def format_tolerance(comparison):
    parts = []
    if comparison.rtol:
        parts.append(f'{comparison.rtol:.0e} relative')
    if comparison.atol:
        parts.append(f'{comparison.atol:.0e}')
    return ' + '.join(parts) or '0'


def first_parting(comparisons):
    """The first comparison that does not agree, or None."""
    return next((c for c in comparisons if not c.agrees), None)
