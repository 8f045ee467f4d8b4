import os

import numpy
import pytest
from PIL import Image

from imsat import InputError
from imsat.datasets.features import extract as module
from imsat.datasets.features.extract import extract
from imsat.datasets.folders import Images

IMAGES = numpy.arange(25.).reshape(5, 5)


class Compute:
    """Doubles; stops at the call number ``stop``."""

    def __init__(self, stop=None):
        self.calls, self.stop = [], stop

    def __call__(self, part):
        self.calls.append(len(part))
        if len(self.calls) == self.stop:
            raise RuntimeError('stopped')
        return 2 * part


def run(compute, images=IMAGES, kind='double'):
    with extract(images, compute, kind, chunk=2, verbose=False) as x:
        numpy.testing.assert_array_equal(x, 2 * images)
        assert x.dtype == numpy.float32


def test_resumes(tmp_path):
    with pytest.raises(RuntimeError):
        run(Compute(stop=3))
    compute = Compute()
    # Other images and other features start from the beginning.
    run(compute, IMAGES + 1)
    run(compute, kind='other')
    assert compute.calls == [2, 2, 1] * 2
    compute = Compute()
    run(compute)
    assert compute.calls == [1]
    assert not list((tmp_path / 'cache').iterdir())


def test_chunks_stay_until_they_are_saved():
    with pytest.raises(RuntimeError):
        with extract(IMAGES, Compute(), 'double', 2, False):
            raise RuntimeError('the disk is full')
    compute = Compute()
    run(compute)
    assert not compute.calls


def test_a_damaged_image_costs_no_more_than_its_chunk(tmp_path):
    folder = tmp_path / 'photos'
    folder.mkdir()
    for i in range(5):
        Image.new('RGB', (2, 2), (i, 0, 0)).save(folder / f'{i}.png')
    whole = (folder / '3.png').read_bytes()
    (folder / '3.png').write_bytes(whole[:20])
    with pytest.raises(InputError, match='3.png is damaged'):
        with extract(Images(folder, (2, 2)), Reds(), 'reds', 2, False):
            pass
    (folder / '3.png').write_bytes(whole)
    reds = Reds()
    with extract(Images(folder, (2, 2)), reds, 'reds', 2, False) as x:
        assert x.tolist() == [[i] for i in range(5)]
    assert reds.calls == [2, 1]


class Reds(Compute):
    def __call__(self, part):
        self.calls.append(len(part))
        return part[:, 0, 0, :1]


def test_chunks_that_nobody_asks_for_again(tmp_path):
    with pytest.raises(RuntimeError):
        run(Compute(stop=3))
    first, second = sorted((tmp_path / 'cache').glob('double/*.npz'))
    aged = first.stat().st_mtime - 8 * 86400
    os.utime(first, (aged, aged))
    run(Compute(), IMAGES + 1)
    assert list((tmp_path / 'cache').glob('double/*.npz')) == [second]


def test_beyond_memory(monkeypatch):
    monkeypatch.setattr(module, 'available_memory', lambda: 199)
    with pytest.raises(InputError, match='5 images with 5 features each'):
        run(Compute())
    monkeypatch.setattr(module, 'available_memory', lambda: 200)
    run(Compute())


def test_damaged_chunk(tmp_path):
    with pytest.raises(RuntimeError):
        run(Compute(stop=3))
    path, _ = sorted((tmp_path / 'cache').glob('*/*.npz'))
    path.write_bytes(path.read_bytes()[:50])
    compute = Compute()
    with pytest.warns(UserWarning, match='damaged'):
        run(compute)
    assert compute.calls == [2, 1]


def test_two_at_a_time(tmp_path):
    """Another process extracts the same while this one is at its second
    chunk, and ends before it."""
    class Slow(Compute):
        def __call__(self, part):
            if len(self.calls) == 1:
                run(other)
            return super().__call__(part)
    slow, other = Slow(), Compute()
    run(slow)
    assert other.calls == [2, 1], 'the first chunk was there'
    assert slow.calls == [2, 2, 1]
    assert not list((tmp_path / 'cache').iterdir())


def test_a_cache_that_can_not_be_written(tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('IMSAT_CACHE', str(tmp_path / 'file'))
    with pytest.warns(UserWarning, match='is not kept'):
        run(Compute())


def test_progress(capsys):
    with extract(IMAGES, Compute(), 'double', 2):
        pass
    assert '5/5' in capsys.readouterr().err
