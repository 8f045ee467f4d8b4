"""MNIST."""
from urllib.error import URLError

import numpy

from imsat.datasets.dataset import Dataset
from imsat.datasets.idx import read_idx
from imsat.datasets.sources import Files, register
from imsat.errors import InputError

# File: its MD5, unzipped, as published.
FILES = {'train-images-idx3-ubyte': '6bbc9ace898e44ae57da46a324031adb',
         'train-labels-idx1-ubyte': 'a25bea736e30d166cdddb491f175f624',
         't10k-images-idx3-ubyte': '2646ac647ad5339dbf082846283269ea',
         't10k-labels-idx1-ubyte': '27ae3e4e09519cfbb04c329615203637'}


@register('mnist')
def load_mnist(files: Files) -> Dataset:
    """MNIST from its four IDX files, or fetched where there is none of them.

    They lie, plain or .gz, in the data folder or in its folder mnist/.
    """
    is_there = any(files.look_up(*_places(name)) for name in FILES)
    images, labels = _read(files) if is_there else _fetch(files)
    # 0..255 to -1..1, as the authors' code scales it.
    x = images.reshape(len(images), -1).astype(numpy.float32) / 128 - 1
    return Dataset('mnist', x, labels.astype(numpy.int64), (28, 28),
                   ['All 70,000 images; pixels x / 128 - 1.'])


def _read(files):
    parts = []
    for name, md5 in FILES.items():
        path = files.find(*_places(name), get='put all four MNIST files there')
        parts.append(read_idx(path, md5))
    images = numpy.concatenate(parts[0::2])
    labels = numpy.concatenate(parts[1::2])
    return images, labels


def _places(name):
    return name, f'{name}.gz', f'mnist/{name}', f'mnist/{name}.gz'


def _fetch(files):
    import sklearn.datasets

    if not files.fetch:
        raise InputError('MNIST is not there; name the folder of its four '
                         'IDX files with --data-dir or IMSAT_DATA')
    try:
        mnist = sklearn.datasets.fetch_openml(
            'mnist_784', version=1, as_frame=False, parser='liac-arff')
    except (URLError, OSError) as e:
        raise InputError(
            f'MNIST could not be fetched ({e}); name the folder of its four '
            f'IDX files with --data-dir or IMSAT_DATA') from e
    return mnist.data, mnist.target
