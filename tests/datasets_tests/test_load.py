import pytest

from imsat import InputError
from imsat.datasets import SOURCES, load_dataset


def test_digits():
    data = load_dataset('digits')
    assert data.x.shape == (1797, 64) and data.image_shape == (8, 8)
    assert data.x.min() == -1 and data.x.max() == 1


@pytest.mark.parametrize('name,message', [
    ('nothing', 'is not known'), ('nothing.npz', 'there is no file')])
def test_unknown(name, message):
    with pytest.raises(InputError, match=message):
        load_dataset(name)


def test_names_of_the_issue_are_known():
    assert list(SOURCES) == [
        'digits', 'mnist', 'omniglot', 'stl', 'cifar10', 'cifar100',
        'cifar10-gist', 'cifar100-gist', 'svhn', 'reuters', '20news']


@pytest.mark.parametrize('name,file', [
    ('omniglot', 'images_background'), ('svhn', 'train_32x32.mat'),
    ('stl', 'stl-resnet50.npz'), ('cifar10', 'cifar10-resnet50.npz'),
    ('cifar100', 'cifar100-resnet50.npz'),
    ('cifar10-gist', 'data_batch_1.bin'), ('cifar100-gist', 'train.bin')])
@pytest.mark.parametrize('named', [True, False])
def test_what_is_missing_gets_one_sentence(tmp_path, monkeypatch, name, file,
                                           named):
    monkeypatch.delenv('IMSAT_DATA', raising=False)
    with pytest.raises(InputError, match=file) as info:
        load_dataset(name, tmp_path if named else None)
    text = str(info.value)
    assert '\n' not in text
    assert str(tmp_path) in text if named else 'data_dir' in text
    # Where to get it.
    assert 'http' in text or 'experiments/features.py resnet50' in text
