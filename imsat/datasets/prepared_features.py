"""Data sets that are features of images."""
import functools
from pathlib import Path

import numpy

from imsat.datasets.cache import prepared
from imsat.datasets.tables import read_table
from imsat.errors import InputError
from imsat.datasets.features import extract, gist
from imsat.storage import save_npz

# Of what ResNet-50 gives before its last layer.
RESNET_DIMENSION = 2048
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
    path = Path(path)
    if not path.parent.is_dir():
        raise InputError(f'there is no folder {path.parent}; create it')
    if path.is_dir() or path.suffix != '.npz':
        raise InputError(f'{path} is no name of a file that can be clustered; '
                         f'give one that ends in .npz')
    if not len(images):
        raise InputError('there are no images; give a data set that has some')
    with extract(images, compute, kind, chunk, verbose) as x:
        arrays = {'x': x, 'notes': numpy.array(notes)}
        if labels is not None:
            arrays['y'] = labels
        save_npz(path, arrays)


def resnet_features(name, files, points, classes):
    """The data set that experiments/resnet_features.py wrote.

    Args:
        name (str): Of the data set.
        files (Files): Where to look for its file.
        points, classes (int): How many of each it has.

    Raises:
        InputError: If the file is missing or holds something else.
    """
    path = files.find(
        f'{name}-resnet50.npz',
        get=f'make it there with python experiments/resnet_features.py '
            f'--dataset {name} --weights FILE --out {name}-resnet50.npz, '
            f'whose --help says where the weights are')
    data = read_table(path)
    shape = points, RESNET_DIMENSION
    if data.x.shape != shape or data.y is None \
            or len(numpy.unique(data.y)) != classes:
        raise InputError(f'{path} holds points of shape {data.x.shape}, not '
                         f'{shape} with labels of {classes} classes; make it '
                         f'again')
    data.name = name
    return data
