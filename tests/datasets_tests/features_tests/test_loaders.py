import numpy
import pytest

from imsat import InputError
from imsat.datasets import SOURCES, load_dataset
from imsat.datasets.features import loaders
from imsat.datasets.sources import Statistics

RNG = numpy.random.default_rng(0)
X = RNG.random((6, 8)).astype('f')
Y = numpy.array([0, 1, 2, 0, 1, 2])


@pytest.fixture(params=['stl', 'cifar10', 'cifar100'])
def name(request, monkeypatch):
    monkeypatch.setattr(SOURCES[request.param], 'paper',
                        Statistics(6, 3, 8, 33))
    return request.param


def test_resnet50(tmp_path, name):
    numpy.savez(tmp_path / f'{name}-resnet50.npz', x=X, y=Y,
                notes=numpy.array(['of random weights']))
    data = load_dataset(name, tmp_path)
    assert data.name == name and data.notes == ['of random weights']
    numpy.testing.assert_array_equal(data.x, X)
    numpy.testing.assert_array_equal(data.y, Y)


@pytest.mark.parametrize('arrays', [
    dict(x=X[:-1], y=Y[:-1]), dict(x=X[:, 1:], y=Y), dict(x=X),
    dict(x=X, y=Y // 2)])
def test_other_features(tmp_path, name, arrays):
    numpy.savez(tmp_path / f'{name}-resnet50.npz', **arrays)
    with pytest.raises(InputError, match=r'not \(6, 8\) with labels of 3'):
        load_dataset(name, tmp_path)


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
    labels = numpy.arange(2500)
    with pytest.raises(KeyboardInterrupt):
        loaders.load_gist('some', images, labels, 'color', verbose=False)
    data = loaders.load_gist('some', images, labels, 'color', verbose=False)
    assert done == [1000, 1000, 1000, 500]
    numpy.testing.assert_array_equal(data.x, expected)
    # Only the whole is left, and is found again.
    assert [path.suffix for path in (tmp_path / 'cache').iterdir()] == ['.npz']
    loaders.load_gist('some', images, labels, 'color', verbose=False)
    assert len(done) == 4
