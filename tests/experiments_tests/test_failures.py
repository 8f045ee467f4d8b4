"""What the scripts make of runs that collapse or diverge."""
import errno
import itertools
import json

import numpy
import pytest
import scripts

import clustering
import hashing
from common.scripts import main
from imsat import CollapseWarning
from imsat.storage import load_json, save_json
from tabulation.runs import Record
from tabulation.runs import Run, Runs

X = numpy.random.default_rng(0).normal(size=(120, 4)).astype('f')
QUICK = ['--quiet', '--out', 'run', '--epochs', '2', '--batch-size', '50',
         '--hidden', '5-4', '--threads', '1']


@pytest.fixture
def points(tmp_path, monkeypatch, undrawn):
    monkeypatch.chdir(tmp_path)

    def points(x):
        numpy.savez(tmp_path / 'points.npz', x=x, y=numpy.arange(120) % 2)
        return ['--dataset', 'points.npz', *QUICK]
    return points


def strict(path):
    """A JSON file as a parser reads it that has no NaN."""
    def refuse(name):
        raise AssertionError(f'{path} has {name}')
    return json.loads(path.read_text(), parse_constant=refuse)


@pytest.mark.parametrize('script,options', [
    (clustering, []), (clustering, ['--method', 'deep-rim']),
    (hashing, ['--bits', '4', '--queries-per-class', '5'])])
def test_a_run_that_diverges(tmp_path, points, capsys, script, options):
    argv = [*points(X), *options, '--lam', '1e30']
    for again in [], ['--resume']:
        assert main(script.run,
                    lambda: script.get_options([*argv, *again])) == 2
        lines = capsys.readouterr().err.splitlines()
        assert 'became NaN or infinite in epoch 1, by step' in lines[-1]
        assert not (tmp_path / 'run' / 'result.json').exists()
    # The folder is free for another attempt, as nothing was learnt there.
    assert main(script.run, lambda: script.get_options(
        argv[:-2])) == 0
    strict(tmp_path / 'run' / 'result.json')
    strict(tmp_path / 'run' / 'log')


@pytest.mark.parametrize('script,options', [
    (clustering, ['--method', 'kmeans']), (clustering, ['--method', 'dec']),
    (clustering, []), (hashing, ['--method', 'spectral'])])
@pytest.mark.parametrize('factor', [1e30, 1e-30])
def test_data_beyond_float32(tmp_path, points, capsys, script, options,
                             factor):
    argv = [*points(X * numpy.float32(factor)), *options]
    if options and options[1] in ('kmeans', 'spectral'):
        argv = ['--dataset', 'points.npz', '--quiet', '--out', 'run',
                *options]
    assert main(script.run, lambda: script.get_options(argv)) == 2
    assert "float32 can't hold its square" in capsys.readouterr().err
    assert not (tmp_path / 'run').exists()


def test_the_result_says_what_was_warned_of(tmp_path, points):
    x = numpy.hstack([X, 1e4 * X[:, :1]])
    argv = [*points(x), '--clusters', '100']
    with pytest.warns(CollapseWarning) as told:
        assert main(clustering.run,
                    lambda: clustering.get_options(argv)) == 0
    noted = strict(tmp_path / 'run' / 'result.json')['warnings']
    assert 'column 4 has 100.00000% of all variance' in noted[0]
    assert 'says little of 100 clusters' in noted[1]
    assert 'of 100 clusters are empty' in noted[2]
    assert set(noted) <= {str(warning.message) for warning in told}


def test_json_without_nan(tmp_path):
    save_json(tmp_path / 'a', {'a': [1.5, float('nan'), (2, float('inf'))],
                               'b': {'c': -float('inf'), 'd': 'NaN'}})
    assert strict(tmp_path / 'a') == {
        'a': [1.5, None, [2, None]], 'b': {'c': None, 'd': 'NaN'}}


def test_tables_leave_out_what_diverged(tmp_path, points, forked):
    points(X)
    run = Run('clustering', 'points.npz', 'kmeans', {}, 0)
    record = Record(tmp_path / 'record.json')
    runs = Runs(tmp_path / 'out', ['--threads', '1'], record)
    runs.out.mkdir()
    assert runs.do(run) is None
    path = runs.out / run.folder / 'result.json'
    good = load_json(path)
    for spoilt in (dict(objective=float('nan')), dict(objective=None),
                   dict(marginal_entropy=float('inf'))):
        path.write_text(json.dumps({**good, **spoilt}))
        with pytest.warns(UserWarning,
                          match='kmeans.* diverged and is left out'):
            assert runs.result(run) is None
        assert not record.runs
    path.write_text(json.dumps(good))
    assert runs.result(run)['accuracy'] == good['accuracy']
    assert list(record.runs)


def test_a_disk_that_is_full_at_any_file(tmp_path, points, capsys,
                                         monkeypatch):
    argv = [*points(X), '--snapshot-seconds', '0', '--no-kmeans']

    def run(*options):
        return main(clustering.run, lambda: clustering.get_options(
            scripts.once(*argv, *options)))
    assert run('--out', 'whole') == 0
    for number in 1, 3, 5, 8, 12:
        out, calls = f'run{number}', itertools.count(1)

        def fsync(file, number=number, calls=calls):
            if next(calls) == number:
                raise OSError(errno.ENOSPC, 'No space left on device')
        with monkeypatch.context() as patch:
            patch.setattr('os.fsync', fsync)
            assert run('--out', out) == 2
        said = capsys.readouterr().err.splitlines()
        assert 'free some space' in said[-1]
        assert run('--out', out, '--resume') == 0
        for name in 'model.npz', 'assignments.npz', 'assignments.csv':
            assert (tmp_path / out / name).read_bytes() \
                == (tmp_path / 'whole' / name).read_bytes()
        assert not list((tmp_path / out).rglob('*~'))
