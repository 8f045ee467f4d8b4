import functools
import io
import os
import struct
import warnings
import zlib

import numpy
import pytest
from PIL import Image

from imsat import InputError
from imsat.datasets import Preparation, load_dataset
from imsat.datasets.images import load_images

RNG = numpy.random.default_rng(0)
GREY = RNG.integers(0, 256, (3, 5, 4)).astype('u1')
COLOUR = RNG.integers(0, 256, (3, 5, 4, 3)).astype('u1')


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) \
        else Image.fromarray(pixels)
    image.save(path, **options)


def load(folder, **options):
    return load_dataset(str(folder), verbose=False, **options)


def test_grey(tmp_path):
    for name, pixels in zip(('b.png', 'a.PNG', 'c.png'), GREY):
        save(tmp_path / 'mine' / name, pixels)
    save(tmp_path / 'mine' / '.hidden.png', GREY[0][:2])
    data = load(tmp_path / 'mine')
    numpy.testing.assert_array_equal(
        data.x, GREY[[1, 0, 2]].reshape(3, 20) / numpy.float32(128) - 1)
    assert data.x.dtype == numpy.float32 and data.y is None
    assert data.name == 'mine' and data.image_shape == (5, 4)
    assert data.index == ['a.PNG', 'b.png', 'c.png']
    assert 'grey, as they are, 5 x 4' in data.notes[0]


def test_folders_are_classes(tmp_path):
    for name, pixels in zip(('dog/1.png', 'cat/x/2.png', 'cat/1.png'),
                            COLOUR):
        save(tmp_path / name, pixels)
    data = load(tmp_path)
    assert data.y.tolist() == ['cat', 'cat', 'dog']
    assert data.index == ['cat/1.png', 'cat/x/2.png', 'dog/1.png']
    assert data.image_shape == (5, 4, 3)
    numpy.testing.assert_array_equal(
        data.x.reshape(3, 5, 4, 3), COLOUR[[2, 1, 0]] / numpy.float32(128) - 1)


@pytest.mark.parametrize('places,asked', [
    # Parts of a data set, or sessions of each class: who could tell?
    (['test/cat/1.png', 'test/dog/1.png', 'train/cat/1.png',
      'train/dog/1.png'], 'test has images in folders below it alone'),
    (['cat/1.png', 'more/cat/1.png', 'more/dog/1.png'], 'more has images in'),
    (['1/1.png', '01/1.png'], 'labels 0?1 and 0?1, the same number')])
def test_classes_that_are_not_clear(tmp_path, places, asked):
    """New images need none."""
    folder = tmp_path / 'mine'
    for i, place in enumerate(places):
        save(folder / place, GREY[i % 3] // (i + 1))
    for read in load, lambda folder: load_images(str(folder)):
        with pytest.raises(InputError, match=asked) as info:
            read(folder)
        assert '\n' not in str(info.value)
    save(tmp_path / 'old/1.png', GREY[0])
    how = load(tmp_path / 'old').preparation
    with pytest.warns(UserWarning, match=f'are left out: .*{asked}'):
        data = load(folder, like=how)
    assert data.y is None and len(data.x) == len(places)


@pytest.mark.parametrize('above', ['images', 'a/b/c'])
def test_a_folder_around_the_classes(tmp_path, above):
    """As archives have one; what is beside it is still told."""
    for i, place in enumerate(('cat/1.png', 'cat/x/2.png', 'dog/1.png')):
        save(tmp_path / above / place, GREY[i])
    (tmp_path / 'LICENSE').touch()
    (tmp_path / above / 'cat/notes.txt').touch()
    with pytest.warns(UserWarning, match=': 2 files or folders'):
        data = load(tmp_path)
    assert data.y.tolist() == ['cat', 'cat', 'dog']
    assert data.index == [f'{above}/{name}' for name in (
        'cat/1.png', 'cat/x/2.png', 'dog/1.png')]
    numpy.testing.assert_array_equal(
        data.x, GREY.reshape(3, 20) / numpy.float32(128) - 1)


def test_names_of_classes_that_look_alike(tmp_path):
    for i, name in enumerate(('caf\u00e9', 'cafe\u0301', 'z')):
        save(tmp_path / name / '1.png', GREY[i])
    assert load(tmp_path).y.tolist().count('caf\u00e9') == 2


def test_the_order_is_that_of_numbers(tmp_path):
    """As that of parts in npy, and as labels are written that were counted."""
    for i in reversed(range(13)):
        for name in f'mine/{i}.png', f'of/b{i // 4}/img{i}.png':
            save(tmp_path / name, numpy.full((2, 2), 9 * i, 'u1'))
    (tmp_path / 'y.txt').write_text('\n'.join(map(str, range(13))))
    expected = numpy.repeat(9 * numpy.arange(13), 4).reshape(13, 4) / 128 - 1
    with pytest.warns(UserWarning, match='9.png before 10.png; see that .*y'):
        data = load(tmp_path / 'mine', labels=tmp_path / 'y.txt')
    assert data.index == [f'{i}.png' for i in range(13)]
    assert data.y.tolist() == [str(i) for i in range(13)]
    numpy.testing.assert_array_equal(data.x, expected)
    numpy.testing.assert_array_equal(load(tmp_path / 'of').x, expected)
    for name in '09.png', '9.png', '9a.png', 'a.png':
        save(tmp_path / 'few' / name, GREY[0] // (2 + len(name)))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        (tmp_path / 'y.txt').write_text('\n'.join('0123'))
        assert load(tmp_path / 'few', labels=tmp_path / 'y.txt').index == [
            '09.png', '9.png', '9a.png', 'a.png']


def test_folders_that_can_not_be_read_are_left_out(tmp_path, monkeypatch):
    """As lost+found of a disk."""
    for i, place in enumerate(('cat/1.png', 'dog/1.png', 'lost/1.png')):
        save(tmp_path / place, GREY[i])
    def look(whole, path='.'):
        if os.fspath(path).endswith('lost'):  # nothing stops root
            raise PermissionError(path)
        return whole(path)
    for name in 'scandir', 'listdir':
        monkeypatch.setattr(os, name, functools.partial(
            look, getattr(os, name)))
    with pytest.warns(UserWarning, match='such as .*lost'):
        assert load(tmp_path).index == ['cat/1.png', 'dog/1.png']


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('name', [
    '.thumbs/1.png', '.ipynb_checkpoints/x/1.png', 'cat/.thumbs/1.png',
    'cat/x/.y/z/1.png', 'cat/.1.png', '.1.png', '.thumbs/y/1.txt'])
def test_what_is_hidden_is_left_out(tmp_path, name):
    for i, place in enumerate(('cat/1.png', 'cat/x/2.png', 'dog/1.png')):
        save(tmp_path / place, GREY[i])
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(png(GREY[0][:2]))
    data = load(tmp_path)
    assert data.index == ['cat/1.png', 'cat/x/2.png', 'dog/1.png']
    assert data.y.tolist() == ['cat', 'cat', 'dog']
    assert data.image_shape == (5, 4)


@pytest.mark.parametrize('name', ['none', 'NA', 'null', '?', 'None', 'NaT',
                                  '<na>', '-nan'])
def test_a_class_may_have_any_name(tmp_path, name):
    """Also where it comes from a file of features."""
    for i, place in enumerate((f'{name}/1.png', 'z/2.png', f'{name}/2.png')):
        save(tmp_path / 'mine' / place, GREY[i])
    expected = [name, name, 'z']
    assert load(tmp_path / 'mine').y.tolist() == expected
    images, labels, names = load_images(str(tmp_path / 'mine'))
    for suffix, classes in ('.npz', {'y': labels}), ('.h5', {
            'y': labels.tolist()}):
        path = tmp_path / f'a{suffix}'
        x = images[:].reshape(3, -1).mean(axis=1, keepdims=True)
        if suffix == '.npz':
            numpy.savez(path, x=x, index=names, **classes)
        else:
            with pytest.importorskip('h5py').File(path, 'w') as file:
                file.update(x=x, **classes)
        assert load(path).y.tolist() == expected
    numpy.save(tmp_path / 'x.npy', x)
    numpy.save(tmp_path / 'y.npy', labels)
    assert load(tmp_path / 'x.npy', labels=tmp_path / 'y.npy'
                ).y.tolist() == expected


@pytest.mark.parametrize('name', ['nan', 'NaN', ' '])
def test_a_class_without_a_name(tmp_path, name):
    save(tmp_path / 'z/1.png', GREY[0])
    save(tmp_path / name / '1.png', GREY[1])
    for read in load, lambda folder: load_images(str(folder)):
        with pytest.raises(InputError, match='is a class without a name .*; '
                                             'rename it'):
            read(tmp_path)
    numpy.savez(tmp_path / 'a.npz', x=numpy.eye(2), y=[name, 'z'])
    with pytest.raises(InputError, match='row 0 of .* has no label'):
        load(tmp_path / 'a.npz')


@pytest.mark.parametrize('place', ['', 'cat'])
def test_a_link_to_nothing_is_not_dropped(tmp_path, place):
    folder = tmp_path / 'mine' / place
    save(folder / 'a.png', GREY[0])
    save(folder / 'b.png', GREY[1])
    (folder / 'c.png').symlink_to(tmp_path / 'gone.png')
    with pytest.raises(FileNotFoundError, match='c.png'):
        load(tmp_path / 'mine')
    (folder / 'c.png').rename(folder / 'c.txt')
    with pytest.warns(UserWarning, match='1 files or folders .*c.txt'):
        assert len(load(tmp_path / 'mine').x) == 2


def test_a_link_to_a_folder(tmp_path):
    """It may be a class; in one it might lead in a circle, and is named."""
    for i in range(3):
        save(tmp_path / 'elsewhere' / f'{i}.png', GREY[i])
    save(tmp_path / 'mine/cat/a.png', GREY[0])
    (tmp_path / 'mine/dog').symlink_to(tmp_path / 'elsewhere')
    assert load(tmp_path / 'mine').y.tolist() == ['cat', *['dog'] * 3]
    (tmp_path / 'mine/cat/all').symlink_to(tmp_path / 'mine')
    with pytest.warns(UserWarning, match='1 files or folders .*cat/all'):
        assert len(load(tmp_path / 'mine').x) == 4


def test_a_photograph(tmp_path):
    """JPEG loses some; its EXIF says that it lies on its side."""
    x, y = numpy.meshgrid(numpy.arange(48), numpy.arange(32))
    pixels = numpy.stack([5 * x, 7 * y, 0 * x], axis=2).astype('u1')
    exif = Image.Exif()
    exif[0x112] = 6  # turn by 90 degrees clockwise
    save(tmp_path / 'a.jpeg', pixels, quality=95, exif=exif)
    save(tmp_path / 'b.jpg', numpy.rot90(pixels, -1), quality=95)
    data = load(tmp_path)
    assert data.image_shape == (48, 32, 3)
    expected = numpy.rot90(pixels, -1).reshape(-1) / 128 - 1
    assert abs(data.x - expected).max() < .2


@pytest.mark.parametrize('size', [None, '8x6', (8, 6)])
def test_sizes(tmp_path, size):
    """What has one colour has it in any size."""
    for i, shape in enumerate([(9, 70), (200, 30), (3, 3)]):
        save(tmp_path / f'{i}.png', numpy.full(shape, 60 * i, 'u1'))
    data = load(tmp_path, image_size=size)
    shape = (8, 6) if size else (32, 32)
    assert data.image_shape == shape
    numpy.testing.assert_array_equal(data.x, numpy.repeat(
        [[-1], [60 / 128 - 1], [120 / 128 - 1]], shape[0] * shape[1], axis=1))
    assert f'resized to {shape[0]} x {shape[1]}' in data.notes[0]


def test_large_images_are_made_smaller(tmp_path):
    left = numpy.zeros((100, 100), 'u1')
    left[:, 50:] = 255
    save(tmp_path / '1.png', left)
    save(tmp_path / '2.png', left.T)
    data = load(tmp_path)
    assert data.image_shape == (32, 32)
    image = data.x[0].reshape(32, 32)
    assert (image[:, :15] == -1).all() and (image[:, 17:] > .99).all()
    numpy.testing.assert_array_equal(data.x[1].reshape(32, 32), image.T)


def test_every_mode(tmp_path):
    """The same grey picture as others may save it."""
    grey = GREY[0]
    clear = numpy.where(grey > 128, 255, 0).astype('u1')
    on_white = numpy.where(grey > 128, grey, 255)
    palette = Image.fromarray(grey).convert('P')
    same = {'L': grey, 'RGB': numpy.repeat(grey[..., None], 3, axis=2),
            'P': palette, '16': grey.astype('u2') * 257}
    for name, pixels in same.items():
        save(tmp_path / 'same' / f'{name}.png', pixels)
    save(tmp_path / 'same' / 'other.png', GREY[1])
    data = load(tmp_path / 'same')
    assert data.image_shape == (5, 4) and len(data.x) == 5
    for row in data.x[:4]:
        numpy.testing.assert_array_equal(row, grey.ravel() / 128 - 1)
    save(tmp_path / 'clear/LA.png', numpy.stack([grey, clear], axis=2))
    save(tmp_path / 'clear/RGBA.png', numpy.stack([grey] * 3 + [clear],
                                                  axis=2))
    save(tmp_path / 'clear/other.png', grey)
    x = load(tmp_path / 'clear').x
    numpy.testing.assert_array_equal(x[:2], [on_white.ravel() / 128 - 1] * 2)
    save(tmp_path / 'bits/1.png', grey > 128)
    save(tmp_path / 'bits/2.png', grey)
    numpy.testing.assert_array_equal(
        load(tmp_path / 'bits').x[0], (grey > 128).ravel() * 255 / 128 - 1)


def png_of(width, height, bits, kind, content):
    """A PNG by hand, as the standard has it."""
    def chunk(name, content):
        return struct.pack('>I', len(content)) + name + content \
            + struct.pack('>I', zlib.crc32(name + content))
    return b'\x89PNG\r\n\x1a\n' + chunk(
        b'IHDR', struct.pack('>2I5B', width, height, bits, kind, 0, 0, 0)
        ) + chunk(b'IDAT', zlib.compress(content)) + chunk(b'IEND', b'')


def bomb():
    """Of a few KB, which promise 60,000 x 60,000 pixels."""
    return png_of(60000, 60000, 8, 0, bytes(10 ** 6))


def png_of_16_bits(pixels, kind):
    """Of colour, which Pillow doesn't write; kind as IHDR has it."""
    rows = pixels.astype('>u2')
    return png_of(rows.shape[1], rows.shape[0], 16, kind, b''.join(
        b'\0' + row.tobytes() for row in rows))


@pytest.mark.parametrize('kind,channels', [(0, 1), (2, 3), (4, 2), (6, 4)])
@pytest.mark.parametrize('most', [200, 1023, 4095, 32767])
def test_16_bits_that_are_not_filled(tmp_path, kind, channels, most):
    """Their upper bytes would say little, and nothing that they do."""
    rng = numpy.random.default_rng(0)
    images = rng.integers(0, most, (3, 6, 5, channels)).clip(0, 200)
    images[1, 3, 2, 0] = most
    if channels in (2, 4):  # opaque
        images[..., -1] = 65535
    for i, pixels in enumerate(images):
        (tmp_path / f'{i}.png').write_bytes(png_of_16_bits(pixels, kind))
    said = most if channels == 1 else most // 256 * 256 + 255
    for read in load, lambda folder: load_images(str(folder), size=(6, 5)):
        with pytest.raises(InputError, match=f' go to {said} at most, in '
                                             '[01].png, .* scale them') as e:
            read(tmp_path)
        assert '\n' not in str(e.value)
    # One is enough: the others may be dark.
    images[2, 0, 0, 0] = 32768
    (tmp_path / '2.png').write_bytes(png_of_16_bits(images[2], kind))
    x = load(tmp_path).x.reshape(3, 6, 5, -1)
    assert x.max() == 0 and x.shape[3] == (3 if channels > 2 else 1)
    numpy.testing.assert_array_equal(
        x, (images[..., :x.shape[3]] >> 8) / 128 - 1)
    save(tmp_path / '2.png', GREY[0])  # of 8 bits, which says nothing
    with pytest.raises(InputError, match=' go to '):
        load(tmp_path)


def test_an_animated_image(tmp_path):
    frames = [Image.fromarray(pixels) for pixels in GREY]
    for i in range(2):
        save(tmp_path / f'{i}.png', frames[i], save_all=True,
             append_images=frames[i + 1:])
    save(tmp_path / '2.png', frames[2])
    with pytest.warns(UserWarning, match=': 2 images are animated, such as '
                                         '.*0.png; the first') as told:
        data = load(tmp_path)
    assert len(told) == 1
    numpy.testing.assert_array_equal(
        data.x, GREY.reshape(3, 20) / numpy.float32(128) - 1)


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, 'png')
    return stream.getvalue()


def flipped():
    content = bytearray(png(GREY[0]))
    content[content.index(b'IDAT') + 12] ^= 1
    return bytes(content)


def test_what_is_wrong_with_many_images_is_said_once(tmp_path):
    exif = Image.Exif()
    exif[0x10e] = 'a description'
    for i in range(5):
        save(tmp_path / f'{i}.jpg', GREY[i % 3] // (i + 1),
             exif=exif.tobytes()[:-9])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('default')
        load(tmp_path, image_size='5x4')
    assert len(caught) == 1 and caught[0].category is UserWarning


@pytest.mark.parametrize('content', [
    b'', b'no image', png(GREY[0])[:-20], flipped(), bomb(),
    b'GIF89a' + bytes(50), png(GREY[0])[:40]])
@pytest.mark.parametrize('size', [None, '5x4'])
def test_damaged(tmp_path, content, size):
    save(tmp_path / 'a.png', GREY[1])
    (tmp_path / 'b.png').write_bytes(content)
    with pytest.raises(InputError, match='b.png is damaged') as info:
        load(tmp_path, image_size=size)
    assert '\n' not in str(info.value)


def test_nothing_or_too_much(tmp_path):
    with pytest.raises(InputError, match='holds no PNG or JPEG'):
        load(tmp_path)
    (tmp_path / 'notes.txt').write_text('no image')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(InputError, match='holds no PNG or JPEG'):
        load(tmp_path)
    save(tmp_path / 'a.png', GREY[0])
    save(tmp_path / 'b.png', GREY[1])
    with pytest.warns(UserWarning, match='2 files or folders .* left out'):
        load(tmp_path)
    save(tmp_path / 'full' / 'a.png', GREY[1])
    with pytest.raises(InputError, match='a class each, or none'):
        load(tmp_path)


@pytest.mark.parametrize('size', [
    '28', '28x', 'x28', '0x5', '-1x2', '2x3x4', 'axb', 28, (28,), (1.5, 2),
    (2, 3, 4), '99999999999x1', True, b'2x2', ''])
def test_bad_sizes(tmp_path, size):
    save(tmp_path / 'a.png', GREY[0])
    with pytest.raises(InputError, match='image_size'):
        load(tmp_path, image_size=size)


def test_images_beyond_memory(tmp_path):
    save(tmp_path / 'a.png', GREY[0])
    with pytest.raises(InputError, match='image_size is 1000000 x'):
        load(tmp_path, image_size='1000000x1000000')


def test_new_images_are_made_alike(tmp_path):
    for i in range(3):
        save(tmp_path / 'old' / f'{i}.png', GREY[i])
        save(tmp_path / 'new' / f'{i}.png', Image.new(
            'RGB', (40, 50), tuple(COLOUR[i, 0, 0].tolist())))
    load(tmp_path / 'old').preparation.save(tmp_path / 'how.npz')
    how = Preparation.load(tmp_path / 'how.npz')
    assert how.image_shape == (5, 4) and how.dimension == 20
    data = load(tmp_path / 'new', like=how)
    assert data.image_shape == (5, 4)
    # As ITU-R BT.601 weighs red, green and blue.
    expected = COLOUR[:, 0, 0] @ numpy.array([[.299], [.587], [.114]])
    assert abs(data.x * 128 + 128 - expected).max() <= 1
    assert load(tmp_path / 'old', like=load(
        tmp_path / 'new').preparation).image_shape == (50, 40, 3)
    numpy.savez(tmp_path / 'a.npz', x=numpy.eye(20))
    rows = load_dataset(str(tmp_path / 'a.npz'))
    with pytest.raises(InputError, match='folder of images'):
        load(tmp_path / 'old', like=rows.preparation)
