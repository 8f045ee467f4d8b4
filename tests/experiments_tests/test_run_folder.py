"""What a folder of --out holds is safe from other runs."""
import argparse

import clustering
import filelock
import hashing
import numpy
import pytest

from common.folders import options_of, run_folder
from imsat import InputError
from imsat.storage import load_json

DATA = {'n': 3, 'sha256': 'a'}


def enter(out, resume=False, data=DATA, **options):
    return run_folder(argparse.Namespace(
        out=str(out), resume=resume, task='clustering', method='kmeans',
        communicator=None, **{'dataset': 'digits', **options}), data)


def test_options_are_kept(tmp_path):
    with enter(tmp_path / 'a' / 'b', seed=1) as out:
        assert out == tmp_path / 'a' / 'b'
    config = load_json(out / 'config.json')
    assert config['options']['seed'] == 1 and config['data'] == DATA


@pytest.mark.parametrize('left', ['result.json', 'log', 'snapshot-000001.npz',
                                  'restart-1/snapshot-000001.npz'])
@pytest.mark.parametrize('resume', [False, True])
def test_another_run_is_refused(tmp_path, left, resume):
    with enter(tmp_path, seed=1):
        (tmp_path / left).parent.mkdir(exist_ok=True)
        (tmp_path / left).touch()
    for change in dict(seed=2), dict(seed=1, data={**DATA, 'sha256': 'b'}):
        with pytest.raises(InputError, match='holds a run with another'):
            with enter(tmp_path, resume, **change):
                pass
    assert load_json(tmp_path / 'config.json')['options']['seed'] == 1
    assert (tmp_path / left).exists()


def test_an_option_that_an_earlier_version_had_not(tmp_path):
    with enter(tmp_path, seed=1):
        (tmp_path / 'log').touch()
    # It had the method's default then.
    with enter(tmp_path, resume=True, seed=1, restarts=12):
        pass
    with pytest.raises(InputError, match=r'another restarts \(12 and not 3\)'):
        with enter(tmp_path, resume=True, seed=1, restarts=3):
            pass


@pytest.mark.parametrize('text', ['[1]', '{}', '{"options": 3}'])
def test_a_config_that_is_none(tmp_path, text):
    (tmp_path / 'config.json').write_text(text)
    (tmp_path / 'log').touch()
    with pytest.raises(InputError, match='not the config.json of a run'):
        with enter(tmp_path, resume=True, seed=1):
            pass
    assert (tmp_path / 'config.json').read_text() == text


def test_what_learnt_nothing_gives_way(tmp_path):
    with pytest.raises(InputError, match='for instance'):
        with enter(tmp_path, seed=1):
            raise InputError('delta is 0, for instance')
    with enter(tmp_path, seed=2):
        pass
    assert load_json(tmp_path / 'config.json')['options']['seed'] == 2


def test_notes_may_be_other_words(tmp_path):
    """Of the same points, as a later version has them."""
    for number in 0, 1:
        with enter(tmp_path, resume=True, data={**DATA, 'notes': [number]}):
            (tmp_path / 'log').touch()
    with pytest.raises(InputError, match='another sha256'):
        with enter(tmp_path, resume=True, data={**DATA, 'sha256': 'b'}):
            pass


def test_an_interrupted_run_is_not_lost(tmp_path):
    with enter(tmp_path, seed=1):
        (tmp_path / 'snapshot-000001.npz').touch()
    with pytest.raises(InputError, match='go on with it by --resume'):
        with enter(tmp_path, seed=1):
            pass
    with enter(tmp_path, resume=True, seed=1):
        (tmp_path / 'result.json').touch()
    with enter(tmp_path, seed=1):  # finished: may be made again
        pass


def test_what_was_half_written_goes(tmp_path):
    half = [tmp_path / 'layer-1' / '.snapshot-000001.npz.abc~',
            tmp_path / '.result.json.ab_4~',
            tmp_path / 'restart-1' / 'log1234abc_' / 'log.json']
    others = [tmp_path / '.notes.txt~',  # of an editor's
              tmp_path / 'logarithms' / 'mine.json',
              tmp_path / 'log.json']
    for path in half + others:
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
    with enter(tmp_path, resume=True, seed=1):
        assert not any(path.exists() for path in half)
        assert not half[2].parent.exists()
        assert all(path.exists() for path in others)


def test_one_run_at_a_time(tmp_path):
    with enter(tmp_path, seed=1):
        with pytest.raises(InputError, match='another run is at work'):
            with enter(tmp_path, resume=True, seed=1):
                pass
    with filelock.FileLock(tmp_path / '.lock').acquire(blocking=False):
        pass


def test_of_a_finished_run_the_last_snapshots_stay(tmp_path):
    def snapshots(out):
        return sorted(str(path.relative_to(out))
                      for path in out.rglob('snapshot-*'))
    made = [f'{folder}snapshot-00000{i}.npz' for folder in ('', 'restart-1/')
            for i in (1, 2, 3)]
    (tmp_path / 'restart-1').mkdir()
    with pytest.raises(KeyboardInterrupt):
        with enter(tmp_path, seed=1):
            for name in made:
                (tmp_path / name).touch()
            raise KeyboardInterrupt
    assert snapshots(tmp_path) == sorted(made)
    with enter(tmp_path, resume=True, seed=1):
        (tmp_path / 'snapshot-mine.npz').touch()
    assert snapshots(tmp_path) == [
        'restart-1/snapshot-000003.npz', 'snapshot-000003.npz',
        'snapshot-mine.npz']


def test_more_epochs_than_before(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('matplotlib.figure.Figure.savefig',
                        lambda self, f, **kwargs: f.write(b'quick'))
    numpy.savez('points.npz', x=numpy.random.RandomState(0).normal(
        size=(60, 3)))

    def run(out, epochs, *options):
        clustering.run(clustering.get_options(
            ['--dataset', 'points.npz', '--clusters', '2', '--hidden', '5',
             '--batch-size', '20', '--restarts', '2', '--quiet', '--threads',
             '1', '--snapshot-seconds', '0', '--epochs', f'{epochs}', '--out',
             out, *options]))
        return (tmp_path / out / 'model.npz').read_bytes()
    whole = run('whole', 4)
    assert run('parts', 2) != whole
    assert len([*(tmp_path / 'parts').rglob('snapshot-*')]) == 2
    # As of --onnx, which is not asked for again.
    (tmp_path / 'parts' / 'model.onnx').touch()
    with pytest.warns(UserWarning, match='model.onnx was of fewer epochs'):
        assert run('parts', 4, '--resume') == whole
    assert not (tmp_path / 'parts' / 'model.onnx').exists()


def test_each_number_gets_its_report(tmp_path, monkeypatch, undrawn):
    monkeypatch.chdir(tmp_path)
    numpy.savez('points.npz', x=numpy.random.RandomState(0).normal(
        size=(60, 3)))
    args = clustering.get_options([
        '--dataset', 'points.npz', '--clusters', '2..3', '--hidden', '5',
        '--epochs', '1', '--quiet', '--threads', '1', '--out', 'out'])

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt
    with monkeypatch.context() as patch:
        patch.setattr(clustering, 'write_report', interrupt)
        with pytest.raises(KeyboardInterrupt):
            clustering.run(args)
    args.resume = True
    clustering.run(args)
    for k in 2, 3:
        assert (tmp_path / f'out/clusters-{k}/report.html').exists()
    # One that goes on by itself is one of several again.
    result = load_json(tmp_path / 'out' / 'result.json')
    clustering.run(clustering.get_options(
        ['--out', 'out/clusters-3', '--resume', '--quiet']))
    assert 'criteria' not in load_json(tmp_path / 'out/clusters-3/result.json')
    clustering.run(args)
    again = load_json(tmp_path / 'out' / 'result.json')
    assert again['numbers'] == result['numbers']


def test_resumed_by_its_folder_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    numpy.savez('points.npz', x=numpy.zeros((9, 3)))
    command = ['--dataset', 'points.npz', '--clusters', '2', '--epochs', '7',
               '--seed', '5', '--method', 'imsat-rpt', '--out', 'out']
    args = clustering.get_options(command)
    with pytest.raises(KeyboardInterrupt):
        with run_folder(args, {}):
            raise KeyboardInterrupt
    again = clustering.get_options(['--out', 'out', '--resume'])
    assert options_of(again) == options_of(args)
    longer = clustering.get_options(
        ['--out', 'out', '--resume', '--epochs', '9'])
    assert options_of(longer) == {**options_of(args), 'epochs': 9}
    # Whoever says with what data is taken at his word.
    other = clustering.get_options(
        ['--out', 'out', '--resume', '--dataset', 'points.npz'])
    assert (other.seed, other.method, other.epochs) == (0, 'imsat-vat', 'auto')
    with pytest.raises(InputError, match="task is 'clustering'; choose"):
        hashing.get_options(['--out', 'out', '--resume'])
    assert clustering.get_options(
        ['--out', 'new', '--resume']).dataset == 'digits'
    files = ['--query', 'q.npz', '--gallery', 'g.npz', '--out', 'codes']
    args = hashing.get_options([*files, '--seed', '5'])
    with pytest.raises(KeyboardInterrupt):
        with run_folder(args, {}):
            raise KeyboardInterrupt
    assert hashing.get_options([*files, '--resume']).seed == 0
    assert hashing.get_options(['--out', 'codes', '--resume']).seed == 5


def test_a_run_does_not_change_its_data(tmp_path):
    points = tmp_path / 'run' / 'codes.npz'
    points.parent.mkdir()
    points.write_bytes(b'points')
    with pytest.raises(InputError, match='codes.npz is what is read, and'):
        with enter(tmp_path / 'run', dataset=str(points)):
            pass
    assert list(points.parent.iterdir()) == [points]
    for option in 'labels', 'query', 'gallery':
        with pytest.raises(InputError, match='codes.npz is what is read'):
            with enter(tmp_path / 'run', **{option: str(points)}):
                pass
    # A picture would be an image more, and a folder of them a class.
    for out in tmp_path, tmp_path / 'run', tmp_path / 'new' / 'run':
        with pytest.raises(InputError, match='would become part of the dat'):
            with enter(out, dataset=str(tmp_path)):
                pass
        for option in 'query', 'gallery':
            with pytest.raises(InputError, match='would become part of the '):
                with enter(out, **{option: str(tmp_path)}):
                    pass
    assert list(tmp_path.iterdir()) == [points.parent]
    with enter(tmp_path / 'other', dataset=str(points)) as out:
        assert out.is_dir()
