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
        relative (float): The same, over the original's largest element.
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
    step: int = None

    def __str__(self):
        step = '' if self.step is None else f', step {self.step}'
        return (f'{self.section}{step}, {self.quantity} ({self.dtype}): '
                f'differs by {self.absolute:.2g}, {self.relative:.2g} of the '
                f'largest element; allowed {format_tolerance(self)}')


def compare(section, quantity, dtype, actual, expected, rtol=0., atol=0.,
            step=None):
    """A :class:`Comparison` of two arrays of one shape, on any device."""
    actual, expected = (
        numpy.asarray(backend.CpuDevice().send(getattr(a, 'array', a)),
                      numpy.float64) for a in (actual, expected))
    if actual.shape != expected.shape:
        raise ValueError(f'{quantity} has shape {actual.shape} here and '
                         f'{expected.shape} in the original')
    difference = abs(actual - expected)
    absolute = float(difference.max())
    largest = float(abs(expected).max())
    # Written so that NaN never agrees.
    agrees = bool((difference <= atol + rtol * abs(expected)).all())
    return Comparison(
        section, quantity, numpy.dtype(dtype), absolute,
        absolute / largest if absolute else 0., rtol, atol, agrees, step)


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
