import contextlib
import hashlib
import os
import tracemalloc
import types
import zipfile
from pathlib import Path

import numpy
import pytest
import scipy.sparse

from imsat.errors import InputError
from imsat.storage import (
    atomic_write, default_cache, digest, keep, load_json, load_npz, look_up,
    remove_half_written, save_json, save_npz)


class Sabotage(Exception):
    pass


def test_what_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / 'file'
    path.write_text('old')
    with pytest.raises(Sabotage):
        with atomic_write(path, 'w') as f:
            f.write('half')
            raise Sabotage
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_has_the_name_before_the_end(tmp_path):
    with atomic_write(tmp_path / 'file') as f:
        f.write(b'half')
        assert not (tmp_path / 'file').exists()
    assert (tmp_path / 'file').read_bytes() == b'half'


def test_a_folder_is_refused_before_the_block(tmp_path):
    with pytest.raises(InputError, match='is a folder; give the name of a f'):
        with atomic_write(tmp_path):
            raise AssertionError('it had begun')
    (tmp_path / 'a.npz').mkdir()
    with pytest.warns(UserWarning, match='a.npz is not kept'):
        keep(tmp_path / 'a.npz', {'x': 1})


@pytest.mark.skipif(os.name != 'posix', reason='permissions of POSIX')
def test_permissions_are_those_of_open(tmp_path):
    (tmp_path / 'plain').write_text('')
    save_json(tmp_path / 'file', {})
    assert (tmp_path / 'file').stat().st_mode == \
        (tmp_path / 'plain').stat().st_mode


def test_npz(tmp_path):
    arrays = {'b/c': numpy.arange(3.), 'a': 'text', 'd': 2}
    save_npz(tmp_path / 'one.npz', arrays)
    save_npz(tmp_path / 'two.npz', dict(reversed(arrays.items())))
    assert (tmp_path / 'one.npz').read_bytes() == \
        (tmp_path / 'two.npz').read_bytes()
    loaded = load_npz(tmp_path / 'one.npz')
    assert set(loaded) == set(arrays) and loaded['a'] == 'text'
    numpy.testing.assert_array_equal(loaded['b/c'], arrays['b/c'])


def test_npz_without_pickle(tmp_path):
    with pytest.raises(TypeError, match="'none'"):
        save_npz(tmp_path / 'file.npz', {'none': None})
    assert not list(tmp_path.iterdir())
    numpy.savez(tmp_path / 'file.npz', x=numpy.array([None]))
    with pytest.raises(InputError, match='without pickle'):
        load_npz(tmp_path / 'file.npz')


def test_every_truncation_is_noticed(tmp_path):
    save_npz(tmp_path / 'whole.npz', {'x': numpy.arange(50.), 'y': 1})
    whole = (tmp_path / 'whole.npz').read_bytes()
    path = tmp_path / 'cut.npz'
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match='damaged'):
            load_npz(path)


def test_a_single_array_is_no_npz(tmp_path):
    with open(tmp_path / 'file.npz', 'wb') as f:
        numpy.save(f, numpy.ones(3))
    with pytest.raises(InputError, match='single array'):
        load_npz(tmp_path / 'file.npz')


def test_json(tmp_path):
    save_json(tmp_path / 'a', {'b': [1, None]})
    assert load_json(tmp_path / 'a') == {'b': [1, None]}
    (tmp_path / 'a').write_text('{"b"')
    with pytest.raises(InputError, match='not valid JSON'):
        load_json(tmp_path / 'a')


def test_json_gives_every_name_once(tmp_path):
    (tmp_path / 'a').write_text('[{"b": 1, "b": 1}]')
    with pytest.raises(InputError, match='b is there twice'):
        load_json(tmp_path / 'a')


HALF = '.a.npz.x1_b2c3d~', '.b.npz.abc~'
OTHERS = '.notes.txt~', '.c.npz.~1~', '.log.abcdefgh~', 'a.npz', '.a.npz~'


def touch(folder):
    for name in HALF + OTHERS:
        (folder / name).touch()


@pytest.mark.parametrize('act', [
    lambda path: look_up(path, bool), lambda path: save_npz(path, {}),
    lambda path: remove_half_written(path.parent, 'a.*', 'b.npz')])
def test_what_dead_writers_left_goes(tmp_path, act):
    touch(tmp_path)
    act(tmp_path / 'c.npz')
    left = {path.name for path in tmp_path.iterdir()}
    assert left - {'c.npz'} == set(OTHERS)


@pytest.mark.skipif(os.name != 'posix', reason='locks of POSIX')
def test_what_is_being_written_stays(tmp_path):
    with atomic_write(tmp_path / 'a.npz') as f:
        f.write(b'slowly')
        save_npz(tmp_path / 'b.npz', {'x': 1})
        remove_half_written(tmp_path, '*')
    assert (tmp_path / 'a.npz').read_bytes() == b'slowly'
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize('cache', ['file', 'file/below', 'a' * 300])
def test_a_cache_that_can_not_be_written(tmp_path, cache):
    (tmp_path / 'file').touch()
    path = tmp_path / cache / 'x.npz'
    assert look_up(path, bool) is None
    with pytest.warns(UserWarning, match='x.npz is not kept .* IMSAT_CACHE'):
        keep(path, {'x': 1})


def test_no_home(monkeypatch):
    def no_entry(uid):
        raise KeyError
    pwd = pytest.importorskip('pwd')
    monkeypatch.setattr(pwd, 'getpwuid', no_entry)
    for name in 'HOME', 'XDG_CACHE_HOME', 'IMSAT_CACHE':
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match='let IMSAT_CACHE name a folder'):
        default_cache()


def sha(*contents):
    return hashlib.sha256(b''.join(contents)).hexdigest()[:32]


class TestDigest:
    x = numpy.arange(12, dtype='f').reshape(3, 4)

    def test_array(self, array_module):
        expected = sha(b'(3, 4)float32', self.x.tobytes())
        assert digest(array_module.asarray(self.x)) == expected
        # As written in config.json and in names of files.
        assert expected == '0845a7d103d5cd32ca99db5bccbc3390'
        columns = self.x[:, ::2]
        assert digest(columns) == sha(b'(3, 2)float32', columns.tobytes())

    def test_sparse(self):
        # Entries (0, 1) and (2, 0).
        csr = scipy.sparse.csr_matrix(([5., 7.], [1, 0], [0, 1, 1, 2]), (3, 2))
        expected = sha(
            b'(3, 2)', b'float64', numpy.array([5., 7.]).tobytes(),
            b'int32', numpy.array([1, 0], 'i').tobytes(),
            b'int32', numpy.array([0, 1, 1, 2], 'i').tobytes())
        assert digest(csr) == digest(csr.tocsc()) == expected

    def test_bytes(self):
        assert digest(b'abc') == sha(b'abc')

    def test_parts(self):
        assert digest(self.x, b'abc') == sha(
            sha(b'(3, 4)float32', self.x.tobytes()).encode(),
            sha(b'abc').encode())

    def test_what_differs(self):
        values = [
            (self.x,), (self.x.reshape(4, 3),), (self.x.view('i'),),
            (self.x + 1,), (self.x.tobytes(),), (self.x, b'a'),
            (b'a', self.x), (self.x, b''), (self.x, self.x), (b'ab', b'c'),
            (b'a', b'bc'), (b'abc',)]
        assert len({digest(*parts) for parts in values}) == len(values)


def test_default_cache(monkeypatch, tmp_path):
    monkeypatch.setenv('IMSAT_CACHE', str(tmp_path / 'a'))
    assert default_cache() == tmp_path / 'a'
    monkeypatch.delenv('IMSAT_CACHE')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'b'))
    assert default_cache() == tmp_path / 'b' / 'imsat'
    monkeypatch.delenv('XDG_CACHE_HOME')
    assert default_cache() == Path.home() / '.cache' / 'imsat'


# Of a byte's eight bits another one with every step.
STEPS = [17, pytest.param(1, marks=pytest.mark.slow)]


@pytest.mark.parametrize('step', STEPS)
def test_no_flipped_bit_is_taken_for_another_array(tmp_path, step):
    path = tmp_path / 'file.npz'
    arrays = {'x': numpy.arange(60.).reshape(6, 10), 'y': numpy.arange(6)}
    save_npz(path, arrays)
    whole = path.read_bytes()
    refused = 0
    places = range(0, 8 * len(whole), step)
    for place in places:
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        try:
            loaded = load_npz(path)
        except InputError:
            refused += 1
            continue
        # Dates and the like say nothing of the arrays.
        assert loaded.keys() == arrays.keys()
        for name, array in arrays.items():
            assert loaded[name].dtype == array.dtype
            numpy.testing.assert_array_equal(loaded[name], array)
    assert refused > .8 * len(places)


@pytest.mark.parametrize('keep', [0, 1, 100, -1, -22])
def test_a_file_that_is_cut_short(tmp_path, keep):
    path = tmp_path / 'file.npz'
    save_npz(path, {'x': numpy.arange(60.), 'y': numpy.arange(6)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match='file.npz is damaged'):
        load_npz(path)


def test_what_nobody_asks_for_is_not_read(tmp_path):
    path = tmp_path / 'file.npz'
    numpy.savez_compressed(path, x=numpy.arange(3.), bomb=numpy.zeros(10 ** 7))
    tracemalloc.start()
    assert list(load_npz(path, ('x', 'y'))) == ['x']
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 ** 7


def test_an_archive_written_to_a_stream(tmp_path):
    # Sizes follow the members there.
    with open(tmp_path / 'file.npz', 'wb') as f:
        writer = types.SimpleNamespace(write=f.write, flush=f.flush)
        with zipfile.ZipFile(writer, 'w') as archive:
            for name, array in ('x', numpy.eye(3)), ('y', numpy.arange(4)):
                with archive.open(f'{name}.npy', 'w') as member:
                    numpy.lib.format.write_array(member, array)
    loaded = load_npz(tmp_path / 'file.npz')
    numpy.testing.assert_array_equal(loaded['x'], numpy.eye(3))
    numpy.testing.assert_array_equal(loaded['y'], numpy.arange(4))


@pytest.mark.parametrize('step', STEPS)
def test_a_flipped_bit_never_loses_what_is_asked_for(tmp_path, step):
    path = tmp_path / 'file.npz'
    save_npz(path, {'x': numpy.arange(3), 'y': numpy.arange(3)})
    whole = path.read_bytes()
    for place in range(0, 8 * len(whole), step):
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        with contextlib.suppress(InputError):
            assert load_npz(path, ('x', 'y', 'notes')).keys() == {'x', 'y'}


def test_bytes_beyond_the_end(tmp_path):
    path = tmp_path / 'file.npz'
    save_npz(path, {'x': numpy.arange(3)})
    whole = path.read_bytes()
    for content in whole + b'\0', whole + b'abc', b'abc' * 20 + whole:
        path.write_bytes(content)
        with pytest.raises(InputError, match='file.npz is damaged'):
            load_npz(path)
