import hashlib

import numpy
import pytest
import scipy.io

from imsat import InputError
from imsat.datasets import Files, load_dataset, svhn
from imsat.datasets.features.gist import gist

RNG = numpy.random.default_rng(0)
PARTS = {'train_32x32.mat': 12, 'test_32x32.mat': 5}
IMAGES = {name: RNG.integers(0, 256, (n, 32, 32, 3)).astype('u1')
          for name, n in PARTS.items()}
# The publisher labels the zeros 10.
LABELS = {name: RNG.integers(1, 11, n) for name, n in PARTS.items()}


@pytest.fixture
def write(tmp_path, monkeypatch):
    def write(name, below='', n=None, **arrays):
        path = tmp_path / below / name
        path.parent.mkdir(exist_ok=True)
        scipy.io.savemat(path, {
            'X': IMAGES[name].transpose(1, 2, 3, 0),
            'y': LABELS[name][:, None].astype('u1'), **arrays},
            do_compression=True)
        publish(path, n or PARTS[name])
        return path

    def publish(path, n):
        md5 = hashlib.md5(path.read_bytes()).hexdigest()
        monkeypatch.setitem(svhn.FILES, path.name, (md5, n))
    write.publish = publish
    return write


@pytest.mark.parametrize('below', ['', 'svhn'])
def test_images(tmp_path, write, below):
    for name in PARTS:
        write(name, below)
    images, labels = svhn.read_svhn(Files(tmp_path))
    numpy.testing.assert_array_equal(
        images, numpy.concatenate(list(IMAGES.values())))
    expected = numpy.concatenate(list(LABELS.values()))
    assert labels.tolist() == [0 if y == 10 else y for y in expected]
    assert 0 in labels and labels.dtype == numpy.int64


def test_gist(tmp_path, write):
    for name in PARTS:
        write(name)
    data = load_dataset('svhn', tmp_path, verbose=False)
    assert data.x.shape == (17, 960) and data.x.dtype == numpy.float32
    numpy.testing.assert_array_equal(
        data.x, gist(numpy.concatenate(list(IMAGES.values())), 'color'))
    assert '960' in data.notes[0]
    numpy.testing.assert_array_equal(
        load_dataset('svhn', tmp_path, verbose=False).x, data.x)


def test_other_md5(tmp_path, write):
    path = write('train_32x32.mat')
    path.write_bytes(path.read_bytes()[:-1] + b'x')
    with pytest.raises(InputError, match='not the published file'):
        svhn.read_svhn(Files(tmp_path))


def test_damaged(tmp_path, write):
    path = write('train_32x32.mat')
    content = path.read_bytes()
    for damaged in b'', b'no mat file' * 20, content[:1000], content[:-20]:
        path.write_bytes(damaged)
        write.publish(path, 12)
        with pytest.raises(InputError, match='no mat file'):
            svhn.read_svhn(Files(tmp_path))


@pytest.mark.parametrize('arrays,message', [
    (dict(y=LABELS['test_32x32.mat']), '5 labels, not 12 images'),
    (dict(X=IMAGES['train_32x32.mat']), r'shape \(12, 32, 32, 3\)'),
    (dict(X=IMAGES['train_32x32.mat'].transpose(1, 2, 3, 0) / 2.), 'shape'),
    (dict(n=13), 'not 13 images')])
def test_other_arrays(tmp_path, write, arrays, message):
    write('train_32x32.mat', **arrays)
    with pytest.raises(InputError, match=message):
        svhn.read_svhn(Files(tmp_path))
