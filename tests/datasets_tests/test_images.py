import numpy
import pytest

from imsat import InputError
from imsat.datasets.images import load_images

IMAGES = numpy.zeros((4, 8, 8, 3), 'u1')


def test_file(tmp_path):
    numpy.savez(tmp_path / 'a.npz', images=IMAGES, y=numpy.arange(4))
    images, labels = load_images(str(tmp_path / 'a.npz'))
    assert images.shape == IMAGES.shape and labels.tolist() == [0, 1, 2, 3]
    numpy.savez(tmp_path / 'a.npz', images=IMAGES)
    assert load_images(str(tmp_path / 'a.npz'))[1] is None


@pytest.mark.parametrize('arrays,message', [
    (dict(x=IMAGES), 'no array images'),
    (dict(images=IMAGES[..., :2]), 'no array images'),
    (dict(images=IMAGES / 2.), 'no array images'),
    (dict(images=IMAGES, y=numpy.arange(3)), 'one label for each')])
def test_bad_file(tmp_path, arrays, message):
    numpy.savez(tmp_path / 'a.npz', **arrays)
    with pytest.raises(InputError, match=message):
        load_images(str(tmp_path / 'a.npz'))


def test_unknown(tmp_path):
    with pytest.raises(InputError, match='cifar10, cifar100, stl, svhn'):
        load_images('mnist')
    with pytest.raises(InputError, match='there is no file'):
        load_images(str(tmp_path / 'a.npz'))
