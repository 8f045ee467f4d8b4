import numpy
import pytest

from imsat import InputError
from imsat.datasets import Files, cifar

RNG = numpy.random.default_rng(0)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes binaries as the publisher describes them: a label or two, then
    1,024 red, 1,024 green and 1,024 blue bytes, row by row."""
    monkeypatch.setattr(cifar, 'PER_FILE',
                        {'data_batch_1': 10, 'test_batch': 10,
                         'train': 200, 'test': 100})

    def write(name, images, labels):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        with open(path, 'wb') as f:
            for image, label in zip(images, labels):
                f.write(bytes(label))
                for channel in range(3):
                    for row in range(32):
                        f.write(bytes(image[row, :, channel].tolist()))
        return path
    return write


def draw(n, classes):
    return (RNG.integers(0, 256, (n, 32, 32, 3)).astype('u1'),
            RNG.permutation(n) % classes)


def write_cifar10(write):
    train, test = draw(10, 10), draw(10, 10)
    paths = [write(f'cifar-10-batches-bin/{name}.bin', images,
                   [[label] for label in labels])
             for name, (images, labels) in (('data_batch_1', train),
                                            ('test_batch', test))]
    return train, test, paths


def test_cifar10(tmp_path, write):
    train, test, _ = write_cifar10(write)
    images, labels = cifar.read_cifar10(Files(tmp_path))
    numpy.testing.assert_array_equal(images, [*train[0], *test[0]])
    assert labels.tolist() == [*train[1], *test[1]]
    assert images.dtype == numpy.uint8 and labels.dtype == numpy.int64


def test_cifar100(tmp_path, write):
    train, test = draw(200, 100), draw(100, 100)
    for name, (images, labels) in ('train', train), ('test', test):
        write(f'cifar-100-binary/{name}.bin', images,
              [[label // 5, label] for label in labels])
    images, labels = cifar.read_cifar100(Files(tmp_path))
    numpy.testing.assert_array_equal(images, [*train[0], *test[0]])
    assert labels.tolist() == [*train[1], *test[1]]


def test_damaged(tmp_path, write):
    _, _, paths = write_cifar10(write)
    content = paths[1].read_bytes()
    for damaged, message in (
            (content[:-1], 'test_batch.bin has 30729 bytes'),
            (content + b'x', 'has 30731 bytes'), (b'', 'has 0 bytes'),
            (b'\xc8' + content[1:], 'labels up to 200'),
            (bytes([(content[0] + 1) % 10]) + content[1:],
             '1 to 3 images a class')):
        paths[1].write_bytes(damaged)
        with pytest.raises(InputError, match=message):
            cifar.read_cifar10(Files(tmp_path))
    paths[1].unlink()
    with pytest.raises(InputError, match='no .*test_batch.bin; unpack http'):
        cifar.read_cifar10(Files(tmp_path))


def test_published(data_folder):
    images, labels = cifar.read_cifar10(
        Files(data_folder('cifar-10-batches-bin')))
    assert images.shape == (60000, 32, 32, 3)
    # The first image of the first batch, a frog, and the last, a horse.
    assert labels[0] == 6 and labels[-1] == 7
    # The mean of the 50,000 training images, much cited: .4914 .4822 .4465.
    numpy.testing.assert_allclose(
        images[:50000].mean(axis=(0, 1, 2)) / 255, [.4914, .4822, .4465],
        atol=1e-4)
