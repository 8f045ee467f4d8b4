from urllib.error import URLError

import numpy
import sklearn.datasets

from imsat.datasets.dataset import Dataset
from imsat.datasets.idx import read_idx
from imsat.datasets.sources import Statistics, register
from imsat.errors import InputError

FILES = ('train-images-idx3-ubyte', 'train-labels-idx1-ubyte',
         't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte')


@register('mnist', Statistics(70000, 10, 784, 11))
def load_mnist(files):
    """MNIST from its four IDX files, or fetched where no folder is named.

    They lie, plain or .gz, in the data folder or in its folder mnist/.
    """
    images, labels = _fetch(files) if files.folder is None else _read(files)
    # 0..255 to -1..1, as the authors' code scales it.
    x = images.reshape(len(images), -1).astype(numpy.float32) / 128 - 1
    return Dataset('mnist', x, labels.astype(numpy.int64), (28, 28))


def _read(files):
    parts = []
    for name in FILES:
        path = files.find(
            name, f'{name}.gz', f'mnist/{name}', f'mnist/{name}.gz',
            get='put the four MNIST files there or leave --data-dir and '
                'IMSAT_DATA out to fetch them')
        parts.append(read_idx(path))
    images = numpy.concatenate(parts[0::2])
    labels = numpy.concatenate(parts[1::2])
    if images.ndim != 3 or labels.shape != (len(images),):
        raise InputError(f'the MNIST files in {files.folder} hold images of '
                         f'shape {images.shape} and labels of shape '
                         f'{labels.shape}; fetch them again')
    return images, labels


def _fetch(files):
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
