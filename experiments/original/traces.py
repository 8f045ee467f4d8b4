"""The numbers that were recorded from the authors' code."""
from pathlib import Path

import numpy

from imsat.errors import InputError
from imsat.storage import load_npz
from original.comparison import compare, single_tolerance

FOLDER = Path(__file__).parent / 'golden'


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
        return {key[len(prefix) + 1:]: self[key] for key in self.arrays
                if key.startswith(prefix + '.')}

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
        :func:`comparison.single_tolerance`.
        """
        if self.dtype == 'd':
            return dict(rtol=1e-8, atol=1e-12)
        atol = single_tolerance(self.arrays[key], self.arrays[f'f64.{key}'])
        if key in ('loss_vat', 'kl_xi') and not self.name.endswith('warm'):
            # Divergences of 1e-6 to 1e-4, which the original's own float32
            # has with a relative error of up to 3e-3.
            atol = max(atol, 3e-3 * abs(self.arrays[key]).max())
        return dict(rtol=0., atol=float(atol))
