import numpy
import pytest
from PIL import Image

from imsat import InputError
from imsat.datasets.images import load_images

IMAGES = numpy.zeros((4, 8, 8, 3), 'u1')


def test_file(tmp_path):
    numpy.savez(tmp_path / 'a.npz', images=IMAGES, y=numpy.arange(4))
    images, labels, names = load_images(str(tmp_path / 'a.npz'))
    assert names is None
    assert images.shape == IMAGES.shape and labels.tolist() == [0, 1, 2, 3]
    numpy.savez(tmp_path / 'a.npz', images=IMAGES)
    assert load_images(str(tmp_path / 'a.npz'))[1] is None


def test_folder(tmp_path):
    pixels = numpy.random.default_rng(0).integers(0, 256, (3, 9, 7, 3))
    originals = [Image.fromarray(image.astype('u1')) for image in pixels]
    for image, name in zip(originals, ('b/1', 'a/2', 'a/3')):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        image.save(tmp_path / f'{name}.png')
    images, labels, names = load_images(str(tmp_path), size=(4, 5))
    assert (len(images), images.size) == (3, (4, 5))
    assert names == ['a/2.png', 'a/3.png', 'b/1.png']
    assert labels.tolist() == ['a', 'a', 'b']
    expected = numpy.stack([originals[i].resize(
        (5, 4), Image.Resampling.BICUBIC) for i in (1, 2, 0)])
    numpy.testing.assert_array_equal(images[:3], expected)
    numpy.testing.assert_array_equal(images[1:2], expected[1:2])
    # Only what is asked for is read.
    (tmp_path / 'a/3.png').write_bytes(b'no image')
    numpy.testing.assert_array_equal(images[2:], expected[2:])
    with pytest.raises(InputError, match='3.png is damaged'):
        images[1:]


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
