"""Data of which the answer is known, for the benchmarks of results."""
import os
from pathlib import Path

import numpy
from sklearn import datasets

from imsat.errors import InputError

UNEQUAL = 500, 250, 125, 75, 50


def blobs(sizes, d, distance, offset=0., scale=1.):
    """Gaussian groups of variance 1, whose centres are on average
    ``distance`` apart."""
    rng = numpy.random.default_rng(len(sizes) * d)
    centres = rng.normal(0, distance / (2 * d) ** .5, (len(sizes), d))
    y = numpy.repeat(numpy.arange(len(sizes)), sizes)
    return scale * (centres[y] + rng.normal(size=(len(y), d))) + offset, y


def scattered(sizes, d, std, seed, spread=10.):
    """Gaussian groups about centres of a cube, in random order."""
    rng = numpy.random.default_rng(seed)
    centres = rng.uniform(-spread, spread, (len(sizes), d))
    x = numpy.concatenate([centre + std * rng.normal(size=(size, d))
                           for centre, size in zip(centres, sizes)])
    y = numpy.repeat(range(len(sizes)), sizes)
    order = rng.permutation(len(y))
    return x[order], y[order]


def skewed():
    x, y = datasets.make_blobs(500, random_state=170)
    return x @ [[.6, -.6], [-.4, .8]], y


def heavy_tailed():
    x, y = scattered([200] * 4, 6, 1, 14, 6.)
    return x + numpy.random.default_rng(0).standard_t(2, x.shape), y


def one_hot():
    """Eight columns of six levels, in each of which a group has one more
    often."""
    rng, y = numpy.random.default_rng(5), numpy.repeat(range(3), 300)
    return numpy.concatenate([
        numpy.eye(6)[numpy.where(
            rng.random(900) < .75, (y * (column + 1) + column) % 6,
            rng.integers(0, 6, 900))] for column in range(8)], axis=1), y


# That nothing was chosen by.
HELD_OUT = {
    'blobs, of unlike widths': lambda _: datasets.make_blobs(
        500, cluster_std=[1., 2.5, .5], random_state=170),
    'blobs, skewed': lambda _: skewed(),
    'blobs, 20': lambda _: scattered([60] * 20, 8, 1.5, 3),
    'blobs, overlapping': lambda _: scattered([200] * 5, 5, 4, 5),
    'blobs, 60 points': lambda _: scattered([20] * 3, 4, 1.5, 6),
    'blobs, unequal, overlapping': lambda _: scattered(
        [500, 300, 150, 50], 6, 3.5, 9),
    'blobs, heavy tails': lambda _: heavy_tailed(),
    'hypercube, noise columns': lambda _: datasets.make_classification(
        1000, 30, n_informative=8, n_redundant=4, n_classes=4,
        n_clusters_per_class=1, class_sep=2., random_state=3),
    'one-hot': lambda _: one_hot()}


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
