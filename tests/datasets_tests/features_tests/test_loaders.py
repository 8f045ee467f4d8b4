import numpy
import pytest
from PIL import Image

from imsat import InputError
from imsat.datasets import Files, load_dataset
from imsat.datasets.features import loaders

RNG = numpy.random.default_rng(0)
X = RNG.random((6, 2048)).astype('f')
Y = numpy.array([0, 1, 2, 0, 1, 2])


def load_resnet50(folder):
    return loaders.load_resnet50('some', Files(folder), 6, 3)


def test_resnet50(tmp_path):
    numpy.savez(tmp_path / 'some-resnet50.npz', x=X, y=Y,
                notes=numpy.array(['of random weights']))
    data = load_resnet50(tmp_path)
    assert data.name == 'some' and data.notes == ['of random weights']
    numpy.testing.assert_array_equal(data.x, X)
    numpy.testing.assert_array_equal(data.y, Y)


@pytest.mark.parametrize('arrays', [
    dict(x=X[:-1], y=Y[:-1]), dict(x=X[:, 1:], y=Y), dict(x=X),
    dict(x=X, y=Y // 2)])
def test_other_features(tmp_path, arrays):
    numpy.savez(tmp_path / 'some-resnet50.npz', **arrays)
    with pytest.raises(InputError, match=r'not \(6, 2048\) with labels of 3'):
        load_resnet50(tmp_path)


@pytest.mark.parametrize('name,shape,classes', [
    ('stl', '(13000, 2048)', 10), ('cifar10', '(60000, 2048)', 10),
    ('cifar100', '(60000, 2048)', 100)])
def test_features_of_another_data_set(tmp_path, name, shape, classes):
    numpy.savez(tmp_path / f'{name}-resnet50.npz', x=X, y=Y)
    with pytest.raises(InputError) as e:
        load_dataset(name, tmp_path)
    assert f'not {shape} with labels of {classes} classes' in str(e.value)


@pytest.mark.parametrize('most', [3, 2])
def test_thumbnails(tmp_path, monkeypatch, most):
    monkeypatch.setattr(loaders, 'MOST_THUMBNAILS', most)
    images = RNG.integers(0, 256, (3, 50, 40, 3)).astype('u1')
    path = tmp_path / 'f.npz'
    shape = loaders.save_features(
        path, images, None, ['a', 'b', 'c'], lambda part: part[:, 0, :4, 0],
        'corner', ['a note'], 2, False)
    data = load_dataset(str(path))
    assert shape == data.x.shape == (3, 4) and data.index == ['a', 'b', 'c']
    if most < 3:
        assert data.thumbnails is None
        assert data.notes == ['a note', 'More than 2 images, so without '
                              'thumbnails.']
        return
    numpy.testing.assert_array_equal(data.thumbnails, numpy.stack([
        Image.fromarray(image).resize((32, 32)) for image in images]))


def test_gist_goes_on_after_an_interruption(tmp_path, monkeypatch):
    images = RNG.integers(0, 256, (2500, 8, 8, 3)).astype('u1')
    expected = loaders.gist(images, 'color')
    done = []

    def interrupted(part, kind):
        done.append(len(part))
        if len(done) == 2:
            raise KeyboardInterrupt
        return gist(part, kind)
    gist = loaders.gist
    monkeypatch.setattr(loaders, 'gist', interrupted)

    def make():
        return loaders.load_gist(
            'some', images, numpy.arange(2500), 'color', verbose=False)

    with pytest.raises(KeyboardInterrupt):
        make()
    data = make()
    assert done == [1000, 1000, 1000, 500]
    numpy.testing.assert_array_equal(data.x, expected)
    # Only the whole is left, and is found again.
    assert [path.suffix for path in (tmp_path / 'cache').iterdir()] == ['.npz']
    make()
    assert len(done) == 4
