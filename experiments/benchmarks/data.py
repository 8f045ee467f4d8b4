"""Data of which the answer is known, for the benchmarks of results."""
from pathlib import Path

import numpy

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
    with h5py.File(Path(data_dir) / 'usps' / 'usps.h5') as file:
        x, y = (numpy.concatenate([file[f'{half}/{name}'][:] for half in
                                   ('train', 'test')])
                for name in ('data', 'target'))
    index = numpy.random.default_rng(0).permutation(len(y))[:n]
    return x[index], y[index]
