"""The numbers that were recorded from the authors' code."""
from pathlib import Path

import numpy

from imsat.errors import InputError
from imsat.files import load_npz

# In a checkout; they are test data and not installed.
FOLDER = Path(__file__).parents[2] / 'tests' / 'golden'

# What the quantities are called that are sums over a batch.
SUMS = ('loss', 'kl', 'distance', 'entropy', 'cond_ent', 'marg_ent',
        'pairwise_mi')


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

    def tolerance(self, key):
        """``rtol`` and ``atol`` for what should equal ``trace[key]``.

        In float64 what the traces come with.  In float32 1e-4 of the largest
        element, and four times what the original's own float32 run is away
        from its float64 run: that much of a small divergence is rounding,
        of which we have ours.  Losses are sums of order 1, whose last digit
        counts besides.
        """
        if self.dtype == 'd':
            return dict(rtol=1e-8, atol=1e-12)
        single = self.arrays[key].astype(numpy.float64)
        rounding = abs(single - self.arrays[f'f64.{key}']).max()
        atol = 4 * rounding + 1e-4 * abs(single).max()
        if key.split('.')[-1].startswith(SUMS):
            atol += numpy.finfo('f').eps
        return dict(rtol=0., atol=float(atol))
