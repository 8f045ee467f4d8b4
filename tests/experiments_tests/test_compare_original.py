"""The script as a user runs it, and what --faithful chooses."""
import functools
import importlib
import json
import re
import sys
from pathlib import Path

import numpy
import pytest
import scripts
from PIL import Image

from imsat import InputError
from paper.departures import DEPARTURES, faithful

EXPERIMENTS = Path(__file__).parents[2] / 'experiments'
SMALL = ('--hidden', '9-8', '--dim', 7, '--clusters', 4, '--bits', 5,
         '--batch-size', 30)


@pytest.fixture
def options_of(monkeypatch):
    """Options of a script as a dict, or what it says of wrong ones."""
    monkeypatch.syspath_prepend(str(EXPERIMENTS))

    def options_of(script, *options):
        try:
            return vars(importlib.import_module(script).get_options(options))
        except InputError as e:
            return str(e)
    return options_of


run = functools.partial(scripts.run, 'compare_original', draw=True)


def test_traces_alone(tmp_path):
    process = run('--out', tmp_path)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-1] == 'agrees with the original'
    report = (tmp_path / 'report.md').read_text()
    for text in ('mild.kl.d_p', 'hash_step_warm', 'after5.l3.W',
                 '--initialization he', '104 of 104'):
        assert text in report
    assert not (tmp_path / 'differences.png').exists()


def test_all_three_modes(tmp_path, original, python2):
    process = run('--out', tmp_path, '--original', original, '--python2',
                  python2, *SMALL)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-1] == 'agrees with the original'
    report = (tmp_path / 'report.md').read_text()
    for text in ('cluster 7-9-8-4', 'hash 7-9-8-5', 'vat: d_l1.W',
                 'Encoder of imsat_hash.py: AttributeError',
                 'float32, single steps', 'direction', 'relu'):
        assert text in report
    assert numpy.asarray(Image.open(tmp_path / 'differences.png')).std() > 0


def test_where_it_first_parts(tmp_path):
    # A checkout of something else: warned of, gone on with, and found out.
    for name in 'imsat_cluster.py', 'imsat_hash.py':
        (tmp_path / name).write_text('def kl(p, q):\n    return F.sum(p)\n')
    process = run('--out', tmp_path, '--original', tmp_path, *SMALL)
    assert process.returncode == 1
    warned = process.stderr.splitlines()
    assert len(warned) == 2
    assert all('is not the file of commit 948f25f' in line for line in warned)
    last = process.stdout.splitlines()[-1]
    assert last.startswith('parts from the original first at cluster '
                           'definitions, kl: value (float64)')
    assert last.endswith('; the checkout was changed')
    assert 'imsat_hash.py does not define it' in process.stdout


def test_a_checkout_that_lacks_what_is_compared(tmp_path):
    for name in 'imsat_cluster.py', 'imsat_hash.py':
        (tmp_path / name).write_text('')
    process = run('--out', tmp_path, '--original', tmp_path, *SMALL)
    assert process.returncode == 1
    assert process.stdout.splitlines()[-1] == (
        'parts from the original first at cluster definitions, kl (float64): '
        'LookupError: imsat_cluster.py does not define it; the checkout was '
        'changed')
    report = (tmp_path / 'report.md').read_text()
    assert 'Not those of commit 948f25f: `imsat_cluster.py`, ' \
        '`imsat_hash.py`' in report


def test_a_changed_checkout_that_agrees(tmp_path, original):
    for name in 'imsat_cluster.py', 'imsat_hash.py':
        (tmp_path / name).write_text(
            (Path(original) / name).read_text() + '\n# changed\n')
    process = run('--out', tmp_path, '--original', tmp_path, *SMALL)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-1] == 'agrees with a changed checkout'


def test_wrong_directory(tmp_path):
    process = run('--out', tmp_path, '--original', tmp_path)
    assert process.returncode == 2 and not process.stdout
    assert process.stderr.count('\n') == 1
    assert f'{tmp_path} has no imsat_cluster.py' in process.stderr


@pytest.mark.parametrize('options,part', [
    (('--python2', 'python2'), 'give both'),
    (('--hidden', '5-5-5'), 'two hidden layers'),
    (('--iterations', '0'), '--iterations is 0'),
    *((option, f'{option[0]} is for what --original runs') for option in (
        ('--dim', '7'), ('--clusters', '4'), ('--bits', '5'), ('--seed', '1'),
        ('--hidden', '9-8'), ('--batch-size', '30'))),
    (('--original', 'DIR', '--iterations', '3'),
     '--iterations is for what --python2 runs'),
    (('--original', 'DIR', '--data-dir', 'DIR'),
     '--data-dir is for what --python2 runs'),
    (('--original', 'DIR', '--python2', 'python2', '--data-dir', 'DIR',
      '--dim', '7'), '--data-dir has images of 784 pixels')])
def test_errors(options_of, options, part):
    assert part in options_of('compare_original', *options)


def test_a_python_that_is_none(tmp_path, original):
    process = run('--out', tmp_path, '--original', original, '--python2',
                  sys.executable, *SMALL)
    assert process.returncode == 2
    assert 'and not 2.7' in process.stderr.splitlines()[-1]
    assert 'Traceback' not in process.stderr
    assert not process.stdout  # said before anything is computed


@pytest.mark.parametrize('script', ['clustering', 'hashing'])
def test_faithful(options_of, script):
    plain, chosen = options_of(script), options_of(script, '--faithful')
    # Nothing else is not the original's by default.
    assert {key for key in plain if plain[key] != chosen[key]} <= {
        'neighbor', 'neighbor_search', 'restarts', 'center', 'command'}
    assert chosen['neighbor'] == 11 and chosen['restarts'] == 1
    assert chosen['initialization'] == 'original'
    assert chosen['sampling'] == 'permutation'
    assert chosen['lam'] == .1 and chosen['alpha'] == .25
    assert {'clustering': chosen.get('mu') == 4,
            'hashing': chosen.get('train_on') == 'all'}[script]


@pytest.mark.parametrize('task,more', [
    ('clustering', dict(prior=None, delta=None)),
    ('hashing', dict(queries_per_class=100, train_on='all', values=None))])
def test_what_the_departures_make_of_faithful(options_of, task, more):
    expected = dict(
        method='imsat-vat', epochs=50, batch_size=250, learning_rate=.002,
        restarts=1, neighbor=11, neighbor_search='exact', xi=10,
        power_iterations=1, initialization='original',
        sampling='permutation', center='never', scale='none', **more)
    assert faithful(task) == expected
    options = options_of(task, '--faithful')
    assert expected == {key: options[key] for key in expected}


def test_faithful_refuses_what_contradicts(options_of, tmp_path):
    text = options_of('clustering', '--faithful', '--neighbor', '10')
    assert text == ("--faithful takes neighbor 11, as the authors' code does, "
                    "but 10 was asked for; leave one of them out")
    # What the original leaves open stays open.
    assert options_of('clustering', '--faithful', '--mu', '1')['mu'] == 1
    assert options_of('clustering', '--faithful', '--hidden',
                      '9-8')['hidden'] == [9, 8]
    config = tmp_path / 'config.json'
    config.write_text(json.dumps({'options': {'sampling': 'sweep'}}))
    assert 'sampling permutation' in options_of(
        'hashing', '--faithful', '--config', str(config))


# Of imsat_cluster.py and imsat_hash.py, with what they have.
@pytest.mark.parametrize('task,option,value,theirs', [
    ('clustering', 'learning-rate', '.05', 'learning-rate 0.002'),
    ('hashing', 'learning-rate', '.05', 'learning-rate 0.002'),
    ('clustering', 'scale', 'standard', 'scale none'),
    ('hashing', 'scale', 'standard', 'scale none'),
    ('clustering', 'neighbor-search', 'sampled', 'neighbor-search exact'),
    ('clustering', 'clusters', '2..4', 'one network'),
    ('clustering', 'hidden', '9-9-9', 'two hidden layers'),
    ('hashing', 'hidden', '9', 'two hidden layers'),
    ('hashing', 'values', '4', 'values None')])
def test_faithful_refuses_what_is_fixed_there(options_of, task, option, value,
                                              theirs):
    text = options_of(task, '--faithful', f'--{option}', value)
    assert isinstance(text, str) and theirs in text


def test_switches_of_the_departures_exist(options_of):
    known = {*options_of('clustering'), *options_of('hashing')}
    switches = {switch for departure in DEPARTURES.values()
                for switch in re.findall(r'--([a-z-]+)', departure.switch)}
    assert len(switches) > 8
    assert {switch.replace('-', '_') for switch in switches} <= known
