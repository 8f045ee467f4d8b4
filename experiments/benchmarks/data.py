"""Data of which the answer is known, for the benchmarks of results."""
import os
from pathlib import Path

import numpy

from imsat.errors import InputError

UNEQUAL = 500, 250, 125, 75, 50


def blobs(sizes, d, distance, offset=0., scale=1.):
    """Gaussian groups of variance 1, whose centres are on average
    ``distance`` apart."""
    rng = numpy.random.default_rng(len(sizes) * d)
    centres = rng.normal(0, distance / (2 * d) ** .5, (len(sizes), d))
    y = numpy.repeat(numpy.arange(len(sizes)), sizes)
    return scale * (centres[y] + rng.normal(size=(len(y), d))) + offset, y


def usps(data_dir, n=None):
    """The 9,298 digits of 16 x 16, or n of them, from usps.h5."""
    import h5py
    path = Path(data_dir or os.environ.get('IMSAT_DATA', '.'),
                'usps', 'usps.h5')
    if not path.is_file():
        raise InputError(f'there is no {path}; let --data-dir or IMSAT_DATA '
                         f'name the folder above it, or leave USPS out')
    with h5py.File(path) as file:
        x, y = (numpy.concatenate([file[f'{half}/{name}'][:] for half in
                                   ('train', 'test')])
                for name in ('data', 'target'))
    index = numpy.random.default_rng(0).permutation(len(y))[:n]
    return x[index], y[index]
