"""Points that stay on disk, as arrays have them."""
import functools

import numpy
import pytest

from imsat import InputError, on_disk
from imsat.on_disk import OnDisk, blocks_of, from_map, joined

RNG = numpy.random.default_rng(0)


def on_file(path, x):
    numpy.save(path, x)
    return numpy.load(path, mmap_mode='r')


@pytest.fixture
def parts(tmp_path):
    """Parts of several lengths, one of them empty, and all of their rows."""
    x = RNG.normal(size=(23, 5))
    lengths = numpy.split(x, [4, 4, 15])
    return [on_file(tmp_path / f'{i}.npy', part) if len(part) else part
            for i, part in enumerate(lengths)], x


@pytest.mark.parametrize('rows', [
    slice(None), slice(3, 5), slice(4, 15), slice(0, 0), slice(9, 3),
    slice(-4, None), slice(1, 20, 3), slice(None, None, -1), 0, -1, 17,
    [3, 4, 22, 4, 0], [-1, -23], numpy.arange(23) % 3 == 0,
    numpy.array([], int)])
def test_rows(parts, rows):
    found, x = parts
    numpy.testing.assert_array_equal(OnDisk(found)[rows], x[rows])


def test_as_an_array(parts):
    found, x = parts
    there = (OnDisk(found) * 2).then(lambda block: block + 1, 'f8')
    numpy.testing.assert_array_equal(numpy.asarray(there), x * 2 + 1)
    assert there.shape == x.shape and len(there) == 23 and there.ndim == 2
    assert there.min() == (x * 2 + 1).min()
    assert there.max() == (x * 2 + 1).max()


@pytest.mark.parametrize('dtypes,expected', [
    ('f4', 'f4'), ('u1', 'u1'), ('f8', 'f8'), ('f4 u1', 'f8'), ('f2', 'f8'),
    ('>f4', 'f8'), ('i4', 'f8'), ('?', 'f8'), ('f4 f4', 'f4')])
def test_dtypes(tmp_path, dtypes, expected):
    there = OnDisk([on_file(tmp_path / f'{i}.npy', numpy.ones((3, 2), dtype))
                    for i, dtype in enumerate(dtypes.split())])
    assert there.dtype == there[:2].dtype == there[[4 % len(there)]].dtype \
        == expected


def test_images_are_rows(tmp_path):
    x = RNG.integers(0, 9, (6, 3, 2, 4)).astype('u1')
    turned = on_file(tmp_path / 'x.npy', x).transpose(0, 2, 3, 1)
    there = OnDisk([turned])
    assert there.shape == (6, 24)
    expected = x.transpose(0, 2, 3, 1).reshape(6, -1)
    numpy.testing.assert_array_equal(there[1:4], expected[1:4])
    numpy.testing.assert_array_equal(there[[5, 0]], expected[[5, 0]])


@pytest.mark.parametrize('rows', [slice(0, 2), [0], 0])
def test_cut_short(tmp_path, rows):
    there = OnDisk([on_file(tmp_path / 'x.npy', numpy.ones((9000, 2)))]) * 2
    assert (there[rows] == 2).all()
    with open(tmp_path / 'x.npy', 'r+b') as f:
        f.truncate(5000)
    with pytest.raises(InputError, match=r'x\.npy was cut short .* to 5000;'):
        there[rows]


def test_what_stays(tmp_path):
    x = on_file(tmp_path / 'x.npy', RNG.normal(size=(4, 3)))
    assert isinstance(from_map(x), OnDisk)
    numpy.testing.assert_array_equal(from_map(x[::2])[:], x[::2])
    for other in x + 1, x[[0, 1]], x[0], x.view('u1').view('S8'), [[1]]:
        assert from_map(other) is other


@pytest.mark.parametrize('block', [1, 7, 15, 10 ** 6])
def test_blocks(parts, block, monkeypatch):
    monkeypatch.setattr(on_disk, 'BLOCK', block)
    found, x = parts
    starts, blocks = zip(*blocks_of(OnDisk(found)))
    assert [x[start].tolist() for start in starts] == [
        block[0].tolist() for block in blocks]
    numpy.testing.assert_array_equal(numpy.concatenate(blocks), x)
    assert [b is x for _, b in blocks_of(x)] == [True]


def test_joined(parts, monkeypatch):
    _, x = parts
    assert joined(iter([x[:3], x[3:]]), 23).base is None
    monkeypatch.setattr(on_disk, 'LARGE_RESULT', 100)
    there = joined(iter([x[:3], x[3:]]), 23)
    assert isinstance(there.base, numpy.memmap)
    assert type(there) is type(there.argmax(axis=1)) is numpy.ndarray
    numpy.testing.assert_array_equal(there, x)
    there[0] = 1  # of one's own


def test_no_room(parts, monkeypatch):
    _, x = parts
    monkeypatch.setattr(on_disk, 'LARGE_RESULT', 100)
    monkeypatch.setattr(on_disk.tempfile, 'TemporaryFile',
                        functools.partial(open, '/dev/full', 'r+b'))
    with pytest.raises(InputError, match='No space left .* TMPDIR'):
        joined(iter([x[:3], x[3:]]), 23)
