"""A run that is killed and resumed ends as one that never was."""
import functools
import os
import shutil
import signal

import numpy
import pytest
import scripts

from imsat import IMSATClustering
from imsat.storage import load_npz
from imsat.training.snapshot import snapshots
from kills import WRITES, outcome

# Three steps an epoch.
RNG = numpy.random.RandomState(0)
Y = numpy.repeat([0, 1, 2], 50)
POINTS = dict(x=RNG.normal(size=(150, 4)) + Y[:, None], y=Y)
OPTIONS = ['--dataset', 'points.npz', '--batch-size', '50', '--hidden', '9-9',
           '--epochs', '6', '--restarts', '2', '--snapshot-seconds', '0',
           '--threads', '1']

# What is interrupted, in the order of a run of 2 restarts, 6 epochs of 3
# steps each, a snapshot an epoch; make test tries some.
MOMENTS = {
    'in the first step': ('imsat.training.updater', 'Updater.update_core',
                          1),
    'before any snapshot': ('imsat.training.updater',
                            'Updater.update_core', 3),
    'in an epoch': ('imsat.training.updater', 'Updater.update_core', 11),
    'half way through writing': ('os', 'fsync', 6),
    'before the name is given': ('os', 'replace', 7),
    'after writing, before the old one goes': ('pathlib', 'Path.unlink', 2),
    'in the second restart': ('imsat.training.updater',
                              'Updater.update_core', 29),
    'with the pictures': ('imsat.pictures', 'contingency', 1),
}


SOME = ('in the first step', 'half way through writing',
        'in the second restart', 'with the pictures')
MORE = {'clustering': [], 'hashing': ['--queries-per-class', '10']}


def run(out, *options, killed=None, task='clustering'):
    """Works in the folder above ``out``."""
    numpy.savez(out.parent / 'points.npz', **POINTS)
    return scripts.run(
        task, *scripts.once(*OPTIONS, *MORE[task], '--out', out, *options),
        cwd=out.parent, killed=killed)


@pytest.fixture(scope='module')
def whole_runs(tmp_path_factory):
    """Function of a task to the folder of an uninterrupted run."""
    @functools.cache
    def folder(task):
        out = tmp_path_factory.mktemp(task) / 'out'
        numpy.savez(out.parent / 'points.npz', **POINTS)
        # Those of scripts.run have the hash seed of their common server.
        process = scripts.run_anew(task, *OPTIONS, *MORE[task], '--out', out,
                                   cwd=out.parent)
        assert process.returncode == 0, process.stderr
        return out
    return folder


@pytest.fixture(scope='module')
def uninterrupted(whole_runs):
    return outcome(whole_runs('clustering'))


@pytest.mark.skipif(os.name != 'posix', reason='SIGKILL is of POSIX')
@pytest.mark.parametrize('task,moment', [
    pytest.param('hashing', 'in an epoch', marks=pytest.mark.slow),
    *(pytest.param('clustering', moment, marks=[] if moment in SOME
                   else pytest.mark.slow) for moment in MOMENTS)])
def test_killed_once(tmp_path, whole_runs, task, moment):
    out = tmp_path / 'out'
    process = run(out, killed=MOMENTS[moment], task=task)
    assert process.returncode == -signal.SIGKILL, process.stderr
    for path in out.rglob('*.npz'):
        load_npz(path)  # whole, whatever was under way
    process = run(out, '--resume', task=task)
    assert process.returncode == 0, process.stderr
    assert outcome(out, task) == outcome(whole_runs(task), task)


@pytest.mark.slow
@pytest.mark.skipif(os.name != 'posix', reason='SIGKILL is of POSIX')
@pytest.mark.parametrize('task', WRITES)
def test_killed_again_and_again(tmp_path, whole_runs, task):
    # Every process lives for five steps: a snapshot and a step in vain.
    out, deaths = tmp_path / 'out', 0
    while run(out, '--resume', task=task, killed=(
            'imsat.training.updater', 'Updater.update_core', 5)
              ).returncode:
        deaths += 1
        assert deaths < 12
    assert deaths == 11
    assert outcome(out, task) == outcome(whole_runs(task), task)


@pytest.fixture(scope='module')
def killed_run(tmp_path_factory):
    out = tmp_path_factory.mktemp('killed') / 'out'
    run(out, killed=MOMENTS['in the second restart'])
    return out


@pytest.mark.parametrize('cut', [
    100, *(pytest.param(cut, marks=pytest.mark.slow) for cut in (0, -100))])
def test_truncated_snapshot(tmp_path, uninterrupted, killed_run, cut):
    out = shutil.copytree(killed_run, tmp_path / 'out')
    newest = snapshots(out / 'restart-1')[-1]
    newest.write_bytes(newest.read_bytes()[:cut])
    # From the snapshot before, of epoch 2, 12 steps are left; from the start
    # they would be 18.
    process = run(out, '--resume', killed=(
        'imsat.training.updater', 'Updater.update_core', 13))
    assert process.returncode == 0, 'it started over'
    assert f'{newest.name} is damaged' in process.stderr
    assert 'going back to the one before it' in process.stderr
    assert outcome(out) == uninterrupted


def test_resumed_when_done(tmp_path, whole_runs, uninterrupted):
    out = shutil.copytree(whole_runs('clustering'), tmp_path / 'out')
    process = run(out, '--resume', killed=(
        'imsat.training.updater', 'Updater.update_core', 1))
    assert process.returncode == 0, 'it trained again'
    assert outcome(out) == uninterrupted


def test_made_again_from_its_config(tmp_path, whole_runs, uninterrupted):
    out = whole_runs('clustering')
    process = scripts.run('clustering', '--config', out / 'config.json',
                          '--out', tmp_path / 'two', cwd=out.parent)
    assert process.returncode == 0, process.stderr
    assert outcome(tmp_path / 'two') == uninterrupted


def test_another_run_is_not_overwritten(tmp_path):
    out = tmp_path / 'out'
    assert run(out, '--epochs', '1', '--restarts', '1').returncode == 0
    before = {path: path.read_bytes() for path in out.rglob('*')
              if path.is_file()}
    for options in (['--lam', '.2'], ['--lam', '.2', '--resume']):
        process = run(out, '--epochs', '1', '--restarts', '1', *options)
        assert process.returncode == 2
        assert 'another lam (0.1 and not 0.2)' in process.stderr
    assert before == {path: path.read_bytes() for path in out.rglob('*')
                      if path.is_file()}


def test_resumed_under_the_constraint(tmp_path):
    # All epochs, and then the last again from the snapshot before it.
    x = numpy.random.RandomState(0).normal(size=(200, 3))

    def fit(epochs, **options):
        # So slow that the divergence stays and the weight is always raised,
        # but not before there are two divergences to compare.
        return IMSATClustering(
            4, hidden=(20,), epochs=epochs, batch_size=50, learning_rate=1e-5,
            prior=[.4, .3, .2, .1], delta=.01, random_state=0, **options
        ).fit(x).restarts_[0]
    # An uneven prior comes in after half of the epochs, the second.
    whole = fit(5)
    fit(5, out=tmp_path, snapshot_seconds=0)
    max(tmp_path.glob('snapshot-*')).unlink()
    resumed = fit(5, out=tmp_path, resume=True)
    assert [entry['all/penalty'] for entry in resumed.log] == [
        0, 0, .4, .8, 1.6]
    assert resumed.objective == whole.objective
    assert resumed.terms['kl_to_prior'] == whole.terms['kl_to_prior']


@pytest.mark.skipif(os.name != 'posix', reason='SIGKILL is of POSIX')
def test_killed_between_halves(tmp_path):
    # Rounds of 4 x 6, 2 x 6 and 6 steps.
    whole, out = tmp_path / 'whole', tmp_path / 'out'
    options = ['--restarts', '4', '--halving', '--select', 'agreement']
    assert run(whole, *options).returncode == 0
    for n in 27, 3, 9:
        process = run(out, *options, *(['--resume'] if n < 27 else []),
                      killed=('imsat.training.updater',
                              'Updater.update_core', n))
        assert process.returncode == -signal.SIGKILL, process.stderr
    process = run(out, *options, '--resume', killed=(
        'imsat.training.updater', 'Updater.update_core', 13))
    assert process.returncode == 0, 'it did again what was done'
    assert 'restarts by agreement: ' in process.stdout
    assert outcome(out) == outcome(whole)
    kept = [restart['epochs'] for restart in outcome(out)[3]['restarts']]
    assert sorted(kept) == [2, 2, 4, 6]
    assert '<th>agreement</th>' in (out / 'report.html').read_text()
