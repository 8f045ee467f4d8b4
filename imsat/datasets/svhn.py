"""SVHN, the house numbers of Street View."""
import io
import zlib

import numpy
import scipy.io.matlab

from imsat.datasets.dataset import Dataset
from imsat.datasets.features.loaders import load_gist
from imsat.datasets.sources import Files, check_md5, register
from imsat.errors import InputError

SITE = 'http://ufldl.stanford.edu/housenumbers'
# File: its MD5 and number of images, as published.
FILES = {'train_32x32.mat': ('e26dedcc434d2e4c54c9b2d4a06d8373', 73257),
         'test_32x32.mat': ('eb5a983be6a315427106f1b164d9cef3', 26032)}


@register('svhn')
def load_svhn(files: Files) -> Dataset:
    """SVHN as 960-d GIST."""
    return load_gist('svhn', *read_svhn(files), 'color', files.verbose)


def read_svhn(files: Files) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Images, shape (99289, 32, 32, 3), uint8, and digits, of the mat files.
    """
    parts = []
    for name, (md5, n) in FILES.items():
        path = files.find(f'svhn/{name}', name,
                          get=f'put {SITE}/{name} there')
        content = path.read_bytes()
        check_md5(path, content, md5)
        try:
            mat = scipy.io.loadmat(io.BytesIO(content),
                                   variable_names=['X', 'y'])
            images, labels = mat['X'], mat['y'].ravel()
        except (scipy.io.matlab.MatReadError, KeyError, ValueError, TypeError,
                OSError, NotImplementedError, zlib.error) as e:
            raise InputError(f'{path} is no mat file with X and y ({e}); '
                             f'fetch it again') from e
        if images.shape != (32, 32, 3, n) or images.dtype != numpy.uint8 \
                or len(labels) != n:
            raise InputError(f'{path} holds X of shape {images.shape} and '
                             f'{len(labels)} labels, not {n} images of '
                             f'32 x 32 x 3; fetch it again')
        # The zeros are labelled 10.
        parts.append((images.transpose(3, 0, 1, 2),
                      labels.astype(numpy.int64) % 10))
    images, labels = map(numpy.concatenate, zip(*parts))
    return images, labels
