import gzip
import struct
from urllib.error import URLError

import numpy
import pytest
import sklearn.datasets

from imsat import InputError
from imsat.datasets import load_dataset, read_idx
from imsat.datasets.load import MNIST_FILES

RNG = numpy.random.RandomState(0)
IMAGES = RNG.randint(0, 256, (5, 4, 3)).astype(numpy.uint8)
LABELS = RNG.randint(0, 10, 5).astype(numpy.uint8)


def idx(array):
    """An IDX file, written by the publisher's description of the format."""
    return struct.pack(f'>HBB{array.ndim}i', 0, 8, array.ndim, *array.shape) \
        + array.tobytes()


def write_mnist(folder, zipped=False):
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(MNIST_FILES):
        content = idx(LABELS if i % 2 else IMAGES + i)
        if zipped:
            (folder / f'{name}.gz').write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)


@pytest.mark.parametrize('zipped', [False, True])
@pytest.mark.parametrize('below', ['', 'mnist'])
def test_mnist_from_files(tmp_path, zipped, below):
    write_mnist(tmp_path / below, zipped)
    data = load_dataset('mnist', tmp_path)
    expected = numpy.concatenate([IMAGES, IMAGES + 2]).reshape(10, 12)
    assert data.x.dtype == numpy.float32
    numpy.testing.assert_array_equal(data.x, expected / 128. - 1)
    numpy.testing.assert_array_equal(data.y, [*LABELS, *LABELS])


def test_mnist_of_the_environment(tmp_path, monkeypatch):
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


def test_mnist_fetched(monkeypatch):
    def fetch(name, **kwargs):
        assert name == 'mnist_784'
        return sklearn.utils.Bunch(
            data=IMAGES.reshape(5, 12).astype('d'),
            target=LABELS.astype(str).astype(object))
    monkeypatch.delenv('IMSAT_DATA', raising=False)
    monkeypatch.setattr(sklearn.datasets, 'fetch_openml', fetch)
    data = load_dataset('mnist')
    numpy.testing.assert_array_equal(data.x, IMAGES.reshape(5, 12) / 128. - 1)
    numpy.testing.assert_array_equal(data.y, LABELS)


def test_mnist_out_of_reach(monkeypatch):
    def fetch(name, **kwargs):
        raise URLError('no network')
    monkeypatch.delenv('IMSAT_DATA', raising=False)
    monkeypatch.setattr(sklearn.datasets, 'fetch_openml', fetch)
    with pytest.raises(InputError, match='--data-dir or IMSAT_DATA'):
        load_dataset('mnist')


def test_mnist_with_a_file_missing(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / MNIST_FILES[2]).unlink()
    with pytest.raises(InputError, match=MNIST_FILES[2]):
        load_dataset('mnist', tmp_path)


def test_mnist_with_labels_of_another_length(tmp_path):
    write_mnist(tmp_path)
    (tmp_path / MNIST_FILES[1]).write_bytes(idx(LABELS[:-1]))
    with pytest.raises(InputError, match='labels of shape'):
        load_dataset('mnist', tmp_path)


@pytest.mark.parametrize('content', [
    b'', b'\0\0', b'no idx file', idx(IMAGES)[:-1], idx(IMAGES) + b'x',
    idx(IMAGES)[:9], gzip.compress(idx(IMAGES))[:-9],
    gzip.compress(idx(IMAGES))[:20], b'\x1f\x8b' + b'broken' * 9])
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


def test_digits():
    data = load_dataset('digits')
    assert data.x.shape == (1797, 64) and data.image_shape == (8, 8)
    assert data.x.min() == -1 and data.x.max() == 1


X = RNG.normal(size=(6, 2)).round(3)
Y = numpy.array([0, 1, 0, 1, 1, 0])


def test_npz(tmp_path):
    numpy.savez(tmp_path / 'a.npz', x=X, y=Y)
    data = load_dataset(str(tmp_path / 'a.npz'))
    numpy.testing.assert_array_equal(data.x, X.astype('f'))
    numpy.testing.assert_array_equal(data.y, Y)
    numpy.savez(tmp_path / 'b.npz', x=X)
    assert load_dataset(str(tmp_path / 'b.npz')).y is None


@pytest.mark.parametrize('head,has_labels', [
    (None, False), ('a,b', False), ('a,y,b', True), ('"a","y","b"', True)])
def test_csv(tmp_path, head, has_labels):
    rows = [f'{a},{"ft"[y]},{b}' if has_labels else f'{a},{b}'
            for (a, b), y in zip(X, Y)]
    (tmp_path / 'a.csv').write_text(
        '\n'.join(([head] if head else []) + rows) + '\n\n')
    data = load_dataset(str(tmp_path / 'a.csv'))
    numpy.testing.assert_array_equal(data.x, X.astype('f'))
    if has_labels:
        assert data.y.tolist() == ['ft'[y] for y in Y]
    else:
        assert data.y is None


@pytest.mark.parametrize('arrays,message', [
    (dict(points=X), 'no array x'),
    (dict(x=X[0]), r'shape \(2,\)'),
    (dict(x=X[:0]), r'shape \(0, 2\)'),
    (dict(x=X[:, :0]), r'shape \(6, 0\)'),
    (dict(x=X.astype(str)), 'give numbers'),
    (dict(x=numpy.where(X == X[2, 1], numpy.nan, X)), 'row 2, column 1'),
    (dict(x=numpy.where(X == X[2, 1], 1e39, X)), 'NaN or infinite'),
    (dict(x=X, y=Y[:-1]), 'one label for each'),
    (dict(x=X, y=X), 'one label for each'),
    (dict(x=numpy.ones((6, 2))), 'nothing to cluster'),
])
def test_bad_npz(tmp_path, arrays, message):
    numpy.savez(tmp_path / 'a.npz', **arrays)
    with pytest.raises(InputError, match=message) as info:
        load_dataset(str(tmp_path / 'a.npz'))
    assert 'a.npz' in str(info.value) and '\n' not in str(info.value)


def test_npz_with_pickle(tmp_path):
    numpy.savez(tmp_path / 'a.npz', x=numpy.array([{}, []], dtype=object))
    with pytest.raises(InputError, match='without pickle'):
        load_dataset(str(tmp_path / 'a.npz'))


@pytest.mark.parametrize('cut', [0, 10, -30])
def test_damaged_npz(tmp_path, cut):
    path = tmp_path / 'a.npz'
    numpy.savez(path, x=X)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match='damaged'):
        load_dataset(str(path))


@pytest.mark.parametrize('text,message', [
    ('', 'no points'), ('a,b\n', 'no points'), ('1,2\n3\n', 'can not be read'),
    ('1,2\n3,x\n', 'can not be read'), ('1,2\n3,\n', 'can not be read'),
    ('1,2\n3,nan\n', 'row 1, column 1')])
def test_bad_csv(tmp_path, text, message):
    (tmp_path / 'a.csv').write_text(text)
    with pytest.raises(InputError, match=message) as info:
        load_dataset(str(tmp_path / 'a.csv'))
    assert '\n' not in str(info.value)


def test_csv_that_is_no_text(tmp_path):
    (tmp_path / 'a.csv').write_bytes(b'\xff\xfe\x00\x80')
    with pytest.raises(InputError, match='no text file'):
        load_dataset(str(tmp_path / 'a.csv'))


@pytest.mark.parametrize('name,message', [
    ('nothing', 'is not known'), ('nothing.npz', 'there is no file')])
def test_unknown(name, message):
    with pytest.raises(InputError, match=message):
        load_dataset(name)
