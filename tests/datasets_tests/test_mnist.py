import gzip
import hashlib
import struct

import numpy
import pytest

from imsat import InputError
from imsat.datasets import load_dataset, mnist, read_idx
from imsat.datasets.mnist import FILES
from imsat.errors import ArgumentError

RNG = numpy.random.RandomState(0)
IMAGES = RNG.randint(0, 256, (5, 4, 3)).astype(numpy.uint8)
LABELS = RNG.randint(0, 10, 5).astype(numpy.uint8)


def idx(array):
    """An IDX file, written by the publisher's description of the format."""
    return struct.pack(f'>HBB{array.ndim}i', 0, 8, array.ndim, *array.shape) \
        + array.tobytes()


@pytest.fixture
def small(monkeypatch):
    """The MD5s that :func:`write_mnist` would have published."""
    for i, name in enumerate(FILES):
        content = idx(LABELS if i % 2 else IMAGES + i)
        monkeypatch.setitem(FILES, name, hashlib.md5(content).hexdigest())


def write_mnist(folder, zipped=False):
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(FILES):
        content = idx(LABELS if i % 2 else IMAGES + i)
        if zipped:
            (folder / f'{name}.gz').write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)


@pytest.mark.parametrize('zipped', [False, True])
@pytest.mark.parametrize('below', ['', 'mnist'])
def test_mnist_from_files(tmp_path, small, zipped, below):
    write_mnist(tmp_path / below, zipped)
    data = load_dataset('mnist', tmp_path)
    expected = numpy.concatenate([IMAGES, IMAGES + 2]).reshape(10, 12)
    assert data.x.dtype == numpy.float32
    numpy.testing.assert_array_equal(data.x, expected / 128. - 1)
    numpy.testing.assert_array_equal(data.y, [*LABELS, *LABELS])


def test_mnist_of_the_environment(tmp_path, small, monkeypatch):
    write_mnist(tmp_path)
    monkeypatch.setenv('IMSAT_DATA', str(tmp_path))
    assert len(load_dataset('mnist').x) == 10


def test_mnist_is_complete(mnist_folder):
    data = load_dataset('mnist', mnist_folder)
    assert data.x.shape == (70000, 784)
    # Counts of the ten digits in the 70,000, as published.
    assert numpy.bincount(data.y).tolist() == [
        6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958]
    assert data.x.min() == -1 and data.x.max() == 255 / 128 - 1


@pytest.fixture
def published(site, small, monkeypatch):
    """Serves the files, zipped."""
    write_mnist(site[0], zipped=True)
    for name in FILES:
        content = (site[0] / f'{name}.gz').read_bytes()
        monkeypatch.setitem(mnist.ZIPPED, name,
                            hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(mnist, 'SITE', site[1])
    monkeypatch.delenv('IMSAT_DATA', raising=False)
    return site[0]


@pytest.mark.parametrize('folder', [None, 'without'])
def test_mnist_fetched(published, tmp_path, folder):
    data = load_dataset('mnist', folder and tmp_path / folder)
    files = load_dataset('mnist', published)
    numpy.testing.assert_array_equal(data.x, files.x)
    numpy.testing.assert_array_equal(data.y, files.y)


@pytest.mark.parametrize('known', [mnist.ZIPPED, mnist.FILES])
def test_mnist_fetched_is_compared(published, known, monkeypatch):
    """Zipped, and the images in it by their MD5."""
    monkeypatch.setitem(known, 't10k-labels-idx1-ubyte', 'another')
    with pytest.raises(InputError, match='t10k-labels.* is not the publ'):
        load_dataset('mnist')


def test_mnist_out_of_reach(monkeypatch):
    monkeypatch.delenv('IMSAT_DATA', raising=False)
    monkeypatch.setattr(mnist, 'SITE', 'http://127.0.0.1:1')
    with pytest.raises(ArgumentError, match='^data_dir or IMSAT_DATA') as info:
        load_dataset('mnist')
    assert info.value.option == '--data-dir'


def test_mnist_with_a_file_missing(tmp_path, small):
    write_mnist(tmp_path)
    (tmp_path / 't10k-images-idx3-ubyte').unlink()
    with pytest.raises(InputError, match='no t10k-images-idx3-ubyte'):
        load_dataset('mnist', tmp_path)


def test_mnist_with_another_file(tmp_path, small):
    write_mnist(tmp_path)
    path = tmp_path / 'train-labels-idx1-ubyte'
    for labels in LABELS[:-1], (LABELS + 1) % 10:
        path.write_bytes(idx(labels))
        with pytest.raises(InputError, match='train-labels.* is not the pub'):
            load_dataset('mnist', tmp_path)


def test_mnist_is_not_fetched_unasked(monkeypatch):
    monkeypatch.delenv('IMSAT_DATA', raising=False)
    with pytest.raises(InputError, match='data_dir or IMSAT_DATA'):
        load_dataset('mnist', fetch=False)


@pytest.mark.parametrize('content', [
    b'', b'\0\0', b'no idx file', idx(IMAGES)[:-1], idx(IMAGES) + b'x',
    idx(IMAGES)[:9], gzip.compress(idx(IMAGES), mtime=0)[:-9],
    gzip.compress(idx(IMAGES), mtime=0)[:20], b'\x1f\x8b' + b'broken' * 9,
    # Negative sizes, sizes beyond memory, 65 and 255 dimensions.
    struct.pack('>HBB2i', 0, 8, 2, -2, -3) + bytes(6),
    struct.pack('>HBB2i', 0, 8, 2, 2, -3),
    *(struct.pack('>HBB3i', 0, code, 3, *3 * [2 ** 31 - 1]) + bytes(6)
      for code in (8, 14)),
    gzip.compress(struct.pack('>HBB2i', 0, 8, 2, *2 * [2 ** 31 - 1]), mtime=0),
    struct.pack('>HBB65i', 0, 8, 65, *65 * [1]) + bytes(1),
    struct.pack('>HBB4i', 0, 8, 4, 0, *3 * [2 ** 31 - 1]),
    struct.pack('>HBB', 0, 8, 255)])
def test_damaged_idx(tmp_path, content):
    (tmp_path / 'file').write_bytes(content)
    with pytest.raises(InputError, match='file .*fetch it again'):
        read_idx(tmp_path / 'file')


@pytest.mark.parametrize('code,dtype', [(9, '>i1'), (0x0b, '>i2'),
                                        (0x0c, '>i4'), (0x0d, '>f4'),
                                        (0x0e, '>f8')])
def test_idx_types(tmp_path, code, dtype):
    array = numpy.array([[1, -2, 3]], dtype)
    (tmp_path / 'file').write_bytes(
        struct.pack('>HBB2i', 0, code, 2, 1, 3) + array.tobytes())
    numpy.testing.assert_array_equal(read_idx(tmp_path / 'file'), array)
