"""How far ours is from the authors' code, whose numbers were recorded, and
whether that is near enough."""
import dataclasses
from pathlib import Path

import numpy
from chainer import backend

from imsat.errors import InputError
from imsat.storage import load_npz

FOLDER = Path(__file__).parent / 'golden'


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
        reason (str): Why there is nothing to compare, which never agrees.
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
    reason: str = ''

    @property
    def allowed(self):
        return ' + '.join([
            *([f'{self.rtol:.0e} relative'] if self.rtol else []),
            *([f'{self.atol:.0e}'] if self.atol else [])]) or '0'

    def __str__(self):
        step = '' if self.step is None else f', step {self.step}'
        said = self.reason or (
            f'differs by {self.absolute:.2g}, {self.relative:.2g} of the '
            f'largest element; allowed {self.allowed}')
        return f'{self.section}{step}, {self.quantity} ({self.dtype}): {said}'


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


def nothing_to_compare(section, quantity, dtype, reason):
    """The :class:`Comparison` of what one of both does not have."""
    return Comparison(section, quantity, numpy.dtype(dtype), numpy.inf,
                      numpy.inf, 0., 0., False, reason=reason)


def first_parting(comparisons):
    """The first comparison that does not agree, or None."""
    return next((c for c in comparisons if not c.agrees), None)


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


def below(prefix, arrays):
    """Those whose names begin with the prefix and a dot, without it."""
    return {key[len(prefix) + 1:]: value for key, value in arrays.items()
            if key.startswith(prefix + '.')}


class Trace:
    """A file of traces of the authors' code, in one precision.

    ``trace[key]`` is an array, of the float64 run where there is one and
    ``dtype`` is double; ``trace(prefix)`` a dict of those below a prefix.

    Raises:
        InputError: Where the traces are missing or damaged.
    """

    def __init__(self, name, dtype='d'):
        self.name, self.dtype = name, numpy.dtype(dtype)
        path = FOLDER / f'{name}.npz'
        if not path.is_file():
            raise InputError(f'there are no traces of the original ({path}); '
                             f'they are part of a checkout of the project, '
                             f'so run this from one')
        self.arrays = load_npz(path)

    def __getitem__(self, key):
        value = self.arrays.get(f'f64.{key}')
        if value is None or self.dtype == 'f':
            value = self.arrays[key]
        return value.astype(self.dtype) if value.dtype.kind == 'f' else value

    def __call__(self, prefix):
        return {key: self[f'{prefix}.{key}']
                for key in below(prefix, self.arrays)}

    def compare(self, key, actual, expected=None, step=None, **tolerance):
        """A Comparison of ours with ``trace[key]``, or what follows from it.

        Args:
            tolerance: ``rtol`` and ``atol``; 0 by default.
        """
        return compare(self.name, key, self.dtype, actual,
                       self[key] if expected is None else expected,
                       **tolerance, step=step)

    def tolerance(self, key):
        """``rtol`` and ``atol`` for what should equal ``trace[key]``.

        In float64 what the traces come with; in float32 see
        :func:`single_tolerance`.
        """
        if self.dtype == 'd':
            return dict(rtol=1e-8, atol=1e-12)
        atol = single_tolerance(self.arrays[key], self.arrays[f'f64.{key}'])
        if key in ('loss_vat', 'kl_xi') and not self.name.endswith('warm'):
            # Divergences of 1e-6 to 1e-4, which the original's own float32
            # has with a relative error of up to 3e-3.
            atol = max(atol, 3e-3 * abs(self.arrays[key]).max())
        return dict(rtol=0., atol=float(atol))
