import hashlib

import numpy
import pytest

from imsat import InputError
from imsat.datasets import Files, stl

RNG = numpy.random.default_rng(0)
SIZES = {'train': 3, 'test': 2}
IMAGES = {part: RNG.integers(0, 256, (n, 96, 96, 3)).astype('u1')
          for part, n in SIZES.items()}
LABELS = {'train': [10, 1, 4], 'test': [2, 2]}


def publish(monkeypatch, folder):
    for part, n in SIZES.items():
        md5s = [hashlib.md5((folder / f'{part}_{kind}.bin').read_bytes()
                            ).hexdigest() for kind in 'Xy']
        monkeypatch.setitem(stl.PARTS, part, (n, *md5s))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Binaries: of each image the red, green and blue values, each column by
    column; labels from 1."""
    folder = tmp_path / 'stl10_binary'
    folder.mkdir()
    for part in SIZES:
        with open(folder / f'{part}_X.bin', 'wb') as f:
            for image in IMAGES[part]:
                for channel in range(3):
                    for column in range(96):
                        f.write(bytes(image[:, column, channel].tolist()))
        (folder / f'{part}_y.bin').write_bytes(bytes(LABELS[part]))
    publish(monkeypatch, folder)
    return folder


def test_images(tmp_path, folder):
    for above in tmp_path, folder:
        images, labels = stl.read_stl(Files(above))
        numpy.testing.assert_array_equal(
            images, [*IMAGES['train'], *IMAGES['test']])
        assert labels.tolist() == [9, 0, 3, 1, 1]


@pytest.mark.parametrize('name', ['train_X.bin', 'test_y.bin'])
def test_damaged(tmp_path, folder, monkeypatch, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=f'{name} is not the published'):
        stl.read_stl(Files(tmp_path))
    publish(monkeypatch, folder)
    with pytest.raises(InputError, match=f'{name} has .* bytes'):
        stl.read_stl(Files(tmp_path))
    path.unlink()
    with pytest.raises(InputError, match=f'no .*{name}; unpack http'):
        stl.read_stl(Files(tmp_path))
