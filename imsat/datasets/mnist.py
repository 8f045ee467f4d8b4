"""MNIST."""
import numpy

from imsat.datasets.dataset import Dataset
from imsat.datasets.idx import read_idx
from imsat.datasets.preparation import SCALED, Preparation
from imsat.datasets.sources import Files, register

SITE = 'https://storage.googleapis.com/cvdf-datasets/mnist'
# File: its MD5, unzipped, as published.
FILES = {'train-images-idx3-ubyte': '6bbc9ace898e44ae57da46a324031adb',
         'train-labels-idx1-ubyte': 'a25bea736e30d166cdddb491f175f624',
         't10k-images-idx3-ubyte': '2646ac647ad5339dbf082846283269ea',
         't10k-labels-idx1-ubyte': '27ae3e4e09519cfbb04c329615203637'}
# SHA-256 of the same, zipped.
ZIPPED = {
    'train-images-idx3-ubyte':
    '440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609',
    'train-labels-idx1-ubyte':
    '3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c',
    't10k-images-idx3-ubyte':
    '8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6',
    't10k-labels-idx1-ubyte':
    'f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6'}


@register('mnist')
def load_mnist(files: Files) -> Dataset:
    """MNIST from its four IDX files, or fetched where there is none of them.

    They lie, plain or .gz, in the data folder or in its folder mnist/.
    """
    is_there = any(files.look_up(*_places(name)) for name in FILES)
    parts = [read_idx(_find(files, name) if is_there else _fetch(files, name),
                      md5) for name, md5 in FILES.items()]
    images, labels = map(numpy.concatenate, (parts[0::2], parts[1::2]))
    # 0..255 to -1..1, as the authors' code scales it.
    x = images.reshape(len(images), -1).astype(numpy.float32) / 128 - 1
    return Dataset('mnist', x, labels.astype(numpy.int64), images.shape[1:],
                   ['All 70,000 images; pixels x / 128 - 1.'],
                   preparation=Preparation(x.shape[1], values=SCALED))


def _find(files, name):
    return files.find(*_places(name), get='put all four MNIST files there')


def _places(name):
    return name, f'{name}.gz', f'mnist/{name}', f'mnist/{name}.gz'


def _fetch(files, name):
    return files.published(f'mnist/{name}.gz', f'{SITE}/{name}.gz',
                           ZIPPED[name], 'put the four MNIST files there')
