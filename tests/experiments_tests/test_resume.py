"""A run that is killed and resumed ends as one that never was."""
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from imsat import IMSATClustering
from imsat.storage import load_npz
from imsat.training.snapshot import snapshots
from kills import WRITES, outcome

EXPERIMENTS = Path(__file__).parents[2] / 'experiments'
OPTIONS = ['--hidden', '40-40', '--epochs', '6', '--restarts', '2',
           '--snapshot-seconds', '0', '--threads', '1']

# Runs the script, and dies by SIGKILL at the N-th call of a function.
KILLED = '''
import os, runpy, signal, sys
module, name, n, *argv = sys.argv[1:]
import imsat, importlib
module = importlib.import_module(module)
owner, _, name = name.rpartition('.')
owner = getattr(module, owner) if owner else module
original, calls = getattr(owner, name), 0
def counted(*args, **kwargs):
    global calls
    calls += 1
    if calls == int(n):
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*args, **kwargs)
setattr(owner, name, counted)
sys.argv = argv
sys.path.insert(0, os.path.dirname(argv[0]))
runpy.run_path(argv[0], run_name='__main__')
'''

# What is interrupted, in the order of a run of 2 restarts, 6 epochs of 7
# steps each, a snapshot an epoch.
MOMENTS = {
    'in the first step': ('imsat.training.updater', 'Updater.update_core',
                          1),
    'before any snapshot': ('imsat.training.updater',
                            'Updater.update_core', 6),
    'in an epoch': ('imsat.training.updater', 'Updater.update_core', 24),
    'half way through writing': ('os', 'fsync', 6),
    'before the name is given': ('os', 'replace', 7),
    'after writing, before the old one goes': ('pathlib', 'Path.unlink', 2),
    'in the second restart': ('imsat.training.updater',
                              'Updater.update_core', 65),
    'with the pictures': ('imsat.pictures', 'contingency', 1),
}


def run(out, *options, killed=None, task='clustering'):
    prefix = ['-c', KILLED, *map(str, killed)] if killed else []
    return subprocess.run(
        [sys.executable, *prefix, str(EXPERIMENTS / f'{task}.py'), *OPTIONS,
         '--out', str(out), *options], capture_output=True, text=True)


@pytest.fixture(scope='module')
def whole_run(tmp_path_factory):
    """Outcome of an uninterrupted run of each task."""
    outcomes = {}
    for task in WRITES:
        out = tmp_path_factory.mktemp(task)
        process = run(out, task=task)
        assert process.returncode == 0, process.stderr
        outcomes[task] = outcome(out, task)
    return outcomes


@pytest.fixture
def uninterrupted(whole_run):
    return whole_run['clustering']


@pytest.mark.skipif(os.name != 'posix', reason='SIGKILL is of POSIX')
@pytest.mark.parametrize('moment', MOMENTS)
def test_killed_once(tmp_path, uninterrupted, moment):
    out = tmp_path / 'out'
    process = run(out, killed=MOMENTS[moment])
    assert process.returncode == -signal.SIGKILL, process.stderr
    for path in out.rglob('*.npz'):
        load_npz(path)  # whole, whatever was under way
    process = run(out, '--resume')
    assert process.returncode == 0, process.stderr
    assert outcome(out) == uninterrupted


@pytest.mark.skipif(os.name != 'posix', reason='SIGKILL is of POSIX')
@pytest.mark.parametrize('task', WRITES)
def test_killed_again_and_again(tmp_path, whole_run, task):
    # Every process lives for ten steps: a snapshot and a few steps in vain.
    out, deaths = tmp_path / 'out', 0
    while run(out, '--resume', task=task, killed=(
            'imsat.training.updater', 'Updater.update_core', 10)
              ).returncode:
        deaths += 1
        assert deaths < 12
    assert deaths == 11
    assert outcome(out, task) == whole_run[task]


@pytest.mark.parametrize('cut', [0, 100, -100])
def test_truncated_snapshot(tmp_path, uninterrupted, cut):
    out = tmp_path / 'out'
    run(out, killed=MOMENTS['in the second restart'])
    newest = snapshots(out / 'restart-1')[-1]
    newest.write_bytes(newest.read_bytes()[:cut])
    # From the snapshot before, of epoch 2, 28 steps are left; from the start
    # they would be 42.
    process = run(out, '--resume', killed=(
        'imsat.training.updater', 'Updater.update_core', 29))
    assert process.returncode == 0, 'it started over'
    assert f'{newest.name} is damaged' in process.stderr
    assert 'going back to the one before it' in process.stderr
    assert outcome(out) == uninterrupted


def test_resumed_when_done(tmp_path, uninterrupted):
    out = tmp_path / 'out'
    run(out)
    process = run(out, '--resume', killed=(
        'imsat.training.updater', 'Updater.update_core', 1))
    assert process.returncode == 0, 'it trained again'
    assert outcome(out) == uninterrupted


def test_made_again_from_its_config(tmp_path, uninterrupted):
    run(tmp_path / 'one')
    process = subprocess.run(
        [sys.executable, str(EXPERIMENTS / 'clustering.py'), '--config',
         str(tmp_path / 'one' / 'config.json'), '--out',
         str(tmp_path / 'two')], capture_output=True, text=True)
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
    # Half of the epochs, and then the others from their snapshot.
    x = numpy.random.RandomState(0).normal(size=(200, 3))

    def fit(epochs, **options):
        # So slow that the divergence stays and the weight is always raised,
        # but not before there are two divergences to compare.
        return IMSATClustering(
            4, hidden=(20,), epochs=epochs, batch_size=50, learning_rate=1e-5,
            prior=[.4, .3, .2, .1], delta=.01, random_state=0, **options
        ).fit(x).restarts_[0]
    whole = fit(4)
    fit(2, out=tmp_path)
    resumed = fit(4, out=tmp_path, resume=True)
    assert [entry['all/penalty'] for entry in resumed.log] == [
        .4, .4, .8, 1.6]
    assert resumed.objective == whole.objective
    assert resumed.terms['kl_to_prior'] == whole.terms['kl_to_prior']
