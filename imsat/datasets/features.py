"""Data sets that are features of images."""
import functools
from pathlib import Path

import numpy

from imsat.datasets.cache import prepared
from imsat.datasets.sources import SOURCES
from imsat.datasets.tables import read_table
from imsat.errors import InputError
from imsat.features import extract, gist
from imsat.files import save_npz

GIST_NOTES = {
    'gray': 'GIST of 512 dimensions, computed from the pixels at their own '
            'size with the parameters of Torralba\'s LMgist; which program '
            'the paper took is not known.',
    'color': 'GIST of 960 dimensions, computed from the pixels at their own '
             'size with the parameters of INRIA\'s lear_gist; which program '
             'the paper took is not known.'}


def gist_of(name, images, labels, kind, verbose=True):
    """The data set of the GIST features of images; kept in the cache."""
    def prepare():
        compute = functools.partial(gist, kind=kind)
        with extract(images, compute, f'gist-{kind}', verbose=verbose) as x:
            return x, labels, [GIST_NOTES[kind]]
    return prepared(name, [images, labels], {'kind': kind}, prepare)


def save_features(path, images, labels, compute, kind, notes, chunk=1000,
                  verbose=True):
    """Writes x, y and notes to an npz file, see :func:`extract`."""
    if not Path(path).parent.is_dir():
        raise InputError(f'there is no folder {Path(path).parent}; create it')
    with extract(images, compute, kind, chunk, verbose) as x:
        arrays = {'x': x, 'notes': numpy.array(notes)}
        if labels is not None:
            arrays['y'] = labels
        save_npz(path, arrays)


def resnet_features(name, files):
    """The data set that experiments/resnet_features.py wrote."""
    path = files.find(
        f'{name}-resnet50.npz',
        get=f'make it with python experiments/resnet_features.py --dataset '
            f'{name} --weights FILE --out {name}-resnet50.npz and put it '
            f'there')
    data = read_table(path)
    paper = SOURCES[name].paper
    shape = paper.points, paper.dimension
    if data.x.shape != shape or data.y is None \
            or len(numpy.unique(data.y)) != paper.classes:
        raise InputError(f'{path} holds points of shape {data.x.shape}, not '
                         f'{shape} with labels of {paper.classes} classes; '
                         f'make it again')
    data.name = name
    return data
