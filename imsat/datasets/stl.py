"""STL-10."""
import numpy

from imsat.datasets.dataset import Dataset
from imsat.datasets.features.loaders import load_resnet50
from imsat.datasets.sources import Files, check_md5, register
from imsat.errors import InputError

SITE = 'http://ai.stanford.edu/~acoates/stl10'
# Part: its number of images, and the MD5 of its images and labels.
PARTS = {'train': (5000, '918c2871b30a85fa023e0c44e0bee87f',
                   '5a34089d4802c674881badbb80307741'),
         'test': (8000, '7f263ba9f9e0b06b93213547f721ac82',
                  '36f9794fa4beb8a2c72628de14fa638e')}


@register('stl')
def load_stl(files: Files) -> Dataset:
    """The labelled images of STL-10 as features of ResNet-50."""
    return load_resnet50('stl', files, 13000, 10)


def read_stl(files: Files) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Images, shape (13000, 96, 96, 3), uint8, and labels of the binaries."""
    parts = []
    for part, (n, *md5s) in PARTS.items():
        contents = []
        for kind, size, md5 in zip('Xy', (n * 3 * 96 * 96, n), md5s):
            name = f'{part}_{kind}.bin'
            path = files.find(f'stl10_binary/{name}', name,
                              get=f'unpack {SITE}/stl10_binary.tar.gz there')
            content = path.read_bytes()
            check_md5(path, content, md5)
            if len(content) != size:
                raise InputError(f'{path} has {len(content)} bytes, not the '
                                 f'{size} that were published; unpack it '
                                 f'again')
            contents.append(numpy.frombuffer(content, numpy.uint8))
        images, labels = contents
        # Red, green and blue, each column by column; labels from 1.
        parts.append((images.reshape(n, 3, 96, 96).transpose(0, 3, 2, 1),
                      labels.astype(numpy.int64) - 1))
    images, labels = map(numpy.concatenate, zip(*parts))
    return images, labels
