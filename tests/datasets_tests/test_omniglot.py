import struct
import zlib

import numpy
import pytest
from PIL import Image

from imsat import InputError
from imsat.datasets import load_dataset, omniglot

RNG = numpy.random.default_rng(0)
NAMES = ['images_background/A/character01', 'images_background/A/character02',
         'images_background/B/character01', 'images_evaluation/C/character01']
INK = RNG.random((4, 20, 105, 105)) < .1


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Four characters in the publisher's folders of PNG files of 1 bit."""
    for name, drawings in zip(NAMES, INK):
        character = tmp_path / 'omniglot' / name
        character.mkdir(parents=True)
        for i, ink in enumerate(drawings):
            Image.fromarray(~ink).save(character / f'0709_{i + 1:02}.png')
    monkeypatch.setattr(omniglot, 'CHARACTERS', 4)
    return tmp_path


def averaged(ink):
    """5 x 5 pixels at a time, by loops."""
    small = numpy.zeros((21, 21))
    for i in range(105):
        for j in range(105):
            small[i // 5, j // 5] += ink[i, j] / 25
    return small


def test_undistorted(folder):
    """A shift of 0 and no other component: the drawings themselves."""
    data = load_dataset('omniglot', folder, characters=4, distortions=1,
                        probability=0)
    assert data.x.shape == (80, 441) and data.x.dtype == numpy.float32
    assert data.image_shape == (21, 21)
    assert data.y.tolist() == [k for k in range(4) for _ in range(20)]
    for index in 0, 25, 79:
        expected = 2 * averaged(INK[index // 20, index % 20]) - 1
        numpy.testing.assert_allclose(data.x[index].reshape(21, 21), expected,
                                      atol=1e-6)


def test_seed_and_distortions(folder):
    data = load_dataset('omniglot', folder, seed=3, characters=2)
    assert data.x.shape == (800, 441)
    assert numpy.bincount(data.y).tolist() == [400, 400]
    assert -1 <= data.x.min() < data.x.max() <= 1
    assert 'seed 3' in ' '.join(data.notes)
    same = load_dataset('omniglot', folder, seed=3, characters=2)
    numpy.testing.assert_array_equal(same.x, data.x)
    assert same.notes == data.notes
    other = load_dataset('omniglot', folder, seed=4, characters=2)
    assert not numpy.array_equal(other.x, data.x)
    # All characters, distorted by another seed.
    seeds = [load_dataset('omniglot', folder, seed=seed, characters=4)
             for seed in (0, 1)]
    assert not numpy.array_equal(seeds[0].x, seeds[1].x)
    # The 20 distortions of a drawing are 20 different ones.
    assert len(numpy.unique(data.x[:20], axis=0)) > 15


@pytest.mark.slow
def test_distorted_about_the_corner(folder):
    data = load_dataset('omniglot', folder, characters=4, shift=0)
    corner = [2 * averaged(INK[index // 20, index % 20])[0, 0] - 1
              for index in range(80)]
    numpy.testing.assert_allclose(data.x[:, 0], numpy.repeat(corner, 20),
                                  atol=1e-6)
    assert "but for {'shift': 0}" in ' '.join(data.notes)


def test_cached_copy_is_used_and_repaired(folder, tmp_path):
    data = load_dataset('omniglot', folder, characters=2)
    path, = (tmp_path / 'cache').glob('omniglot-*.npz')
    arrays = dict(numpy.load(path))
    numpy.savez(path, **{**arrays, 'x': arrays['x'] * 0})
    assert not load_dataset('omniglot', folder, characters=2).x.any()
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.warns(UserWarning, match='damaged'):
        again = load_dataset('omniglot', folder, characters=2)
    numpy.testing.assert_array_equal(again.x, data.x)
    # Another drawing is another entry.
    for i in range(20):
        for name in NAMES:
            Image.fromarray(INK[0, i]).save(
                folder / 'omniglot' / name / f'0709_{i + 1:02}.png')
    assert not numpy.array_equal(
        load_dataset('omniglot', folder, characters=2).x, data.x)


def test_damaged(folder):
    path = folder / 'omniglot' / NAMES[0] / '0709_07.png'
    content = path.read_bytes()
    for damaged in b'', content[:60], content[:-30], b'no image':
        path.write_bytes(damaged)
        with pytest.raises(InputError, match='0709_07.png is damaged'):
            load_dataset('omniglot', folder, characters=4)
    Image.fromarray(INK[0, 0, :100]).save(path)
    with pytest.raises(InputError, match='105 x 100 pixels'):
        load_dataset('omniglot', folder, characters=4)
    path.unlink()
    with pytest.raises(InputError, match='19 drawings'):
        load_dataset('omniglot', folder, characters=4)
    for path in sorted((folder / 'omniglot' / NAMES[0]).iterdir()):
        path.unlink()
    path.parent.rmdir()
    with pytest.raises(InputError, match='3 characters'):
        load_dataset('omniglot', folder, characters=3)


@pytest.mark.slow
def test_published(data_folder):
    data = load_dataset('omniglot', data_folder('omniglot'))
    assert data.x.shape == (40000, 441)
    assert (numpy.bincount(data.y) == 400).all() and data.y.max() == 99


@pytest.mark.parametrize('side', [5000, 20000, 2 ** 31 - 1])
def test_sizes_that_a_file_only_promises(tmp_path, side):
    """A head alone: nothing is made room for."""
    head = struct.pack('>4s2I5B', b'IHDR', side, side, 1, 0, 0, 0, 0)
    path = tmp_path / 'a.png'
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + head
                     + struct.pack('>I', zlib.crc32(head)))
    with pytest.raises(InputError, match='a.png (has|is damaged)'):
        omniglot.read_drawing(path)


def test_a_wrong_checksum(folder):
    """Of the last chunk of pixels; what follows is no chunk."""
    path = folder / 'omniglot' / NAMES[0] / '0709_01.png'
    whole = path.read_bytes()
    end = whole.index(b'IEND') - 4
    path.write_bytes(whole[:end - 4] + b'1234' + whole[end:])
    with pytest.raises(InputError, match='0709_01.png is damaged'):
        omniglot.read_drawing(path)
