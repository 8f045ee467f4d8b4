"""CIFAR-10 and CIFAR-100, from the publisher's binary files."""
import numpy

from imsat.datasets.dataset import Dataset
from imsat.datasets.features.loaders import load_gist, load_resnet50
from imsat.datasets.sources import Files, register
from imsat.errors import InputError

PER_FILE = {'data_batch_1': 10000, 'data_batch_2': 10000,
            'data_batch_3': 10000, 'data_batch_4': 10000,
            'data_batch_5': 10000, 'test_batch': 10000,
            'train': 50000, 'test': 10000}
SITE = 'https://www.cs.toronto.edu/~kriz'


@register('cifar10')
def load_cifar10(files: Files) -> Dataset:
    """CIFAR-10 as features of ResNet-50."""
    return load_resnet50('cifar10', files, 60000, 10)


@register('cifar100')
def load_cifar100(files: Files) -> Dataset:
    """CIFAR-100 as features of ResNet-50."""
    return load_resnet50('cifar100', files, 60000, 100)


@register('cifar10-gist')
def load_cifar10_gist(files: Files) -> Dataset:
    """CIFAR-10 as 512-d GIST, for hashing (section 4.3.1)."""
    return load_gist('cifar10-gist', *read_cifar10(files), 'gray',
                     files.verbose)


@register('cifar100-gist')
def load_cifar100_gist(files: Files) -> Dataset:
    """CIFAR-100 likewise."""
    return load_gist('cifar100-gist', *read_cifar100(files), 'gray',
                     files.verbose)


def read_cifar10(files: Files) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Images, shape (60000, 32, 32, 3), uint8, and labels of the binaries."""
    names = [name for name in PER_FILE if 'batch' in name]
    return _read(files, 'cifar-10', names, 10, 1)


def read_cifar100(files: Files) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Images, shape (60000, 32, 32, 3), uint8, and the 100 fine labels."""
    return _read(files, 'cifar-100', ['train', 'test'], 100, 2)


def _read(files, name, parts, classes, n_labels):
    folder = 'cifar-10-batches-bin' if classes == 10 else 'cifar-100-binary'
    parts = [_read_part(files.find(
        f'{folder}/{part}.bin',
        get=f'unpack {SITE}/{name}-binary.tar.gz there'),
        PER_FILE[part], classes, n_labels) for part in parts]
    images, labels = map(numpy.concatenate, zip(*parts))
    counts = numpy.bincount(labels, minlength=classes)
    if (counts != len(labels) // classes).any():
        raise InputError(f'the files in {files.folder / folder} have '
                         f'{counts.min()} to {counts.max()} images a class, '
                         f'not {len(labels) // classes}; unpack them again')
    return images, labels


def _read_part(path, n, classes, n_labels):
    # A record is one label (CIFAR-100: the coarse one first, then the fine)
    # and the red, green and blue pixels, row by row.
    record = n_labels + 3 * 32 * 32
    content = path.read_bytes()
    if len(content) != n * record:
        raise InputError(f'{path} has {len(content)} bytes, not the {n} x '
                         f'{record} that were published; unpack it again')
    records = numpy.frombuffer(content, numpy.uint8).reshape(n, record)
    labels = records[:, n_labels - 1].astype(numpy.int64)
    if labels.max() >= classes:
        raise InputError(f'{path} has labels up to {labels.max()}, not '
                         f'{classes - 1}; unpack it again')
    images = records[:, n_labels:].reshape(n, 3, 32, 32)
    return images.transpose(0, 2, 3, 1), labels
