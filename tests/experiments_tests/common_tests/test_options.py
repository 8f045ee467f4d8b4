"""Options that a config.json gives are checked as those of the command
line."""
import json

import pytest

import clustering
import hashing
from common.folders import options_of
from common.options import make_model
from imsat import InputError


def read(tmp_path, options, script=clustering):
    path = tmp_path / 'config.json'
    content = options if isinstance(options, str | bytes) \
        else json.dumps({'options': options})
    path.write_bytes(content.encode() if isinstance(content, str)
                     else content)
    return script.get_options(['--config', str(path)])


WHOLE, NUMBER = 'give a whole number from', 'give a finite number'
UNITS, PATH, CHOICE = 'give the units', 'give a path', 'choose one of'
BAD = {
    'epochs': [(value, WHOLE) for value in (
        None, 2.5, 2., -1, 0, [1], '5', True, 10 ** 30, float('inf'))],
    'lam': [(value, NUMBER) for value in (
        None, 'x', -.1, 10 ** 400, float('nan'), float('inf'), {}, False)],
    'hidden': [(value, UNITS) for value in (
        None, '40-40', 0, [1.5], [[1]], [1, [2, 3]], [0], [10 ** 30])],
    'dataset': [(value, PATH) for value in (
        None, '', 5, ['digits'], 'a\0b', '\ud800')],
    'method': [(value, CHOICE) for value in (None, 5, ['kmeans'], 'nope')],
    'seed': [(value, WHOLE) for value in (None, -1, 2 ** 32, 1.5, '1')],
    'threads': [(value, WHOLE) for value in (0, '2', 10 ** 12)],
    'sampling': [(value, CHOICE) for value in (None, 5, ['sweep'])],
    'prior': [(value, PATH) for value in (5, [.5, .5], '')],
    'distortion': [(value, 'give a dict') for value in (5, [], {'a': 1})],
    'clusters': [(value, WHOLE) for value in (0, -1, '2')],
    'device': [(value, WHOLE) for value in (None, -2, .5)],
    'delta': [(value, NUMBER) for value in (0, '1')],
    'task': [('hashing', CHOICE), (None, CHOICE)]}


@pytest.mark.parametrize('name', BAD)
def test_bad_value(tmp_path, name):
    for value, wanted in BAD[name]:
        with pytest.raises(InputError) as e:
            read(tmp_path, {'mu': 1., name: value})
        path, text = str(e.value).split(': ', 1)
        assert path == str(tmp_path / 'config.json')
        assert text.startswith(f'{name} is ') and wanted in text, value


@pytest.mark.parametrize('name,value', [
    ('bits', 0), ('bits', None), ('values', 1), ('train_on', 'x'),
    ('queries_per_class', None), ('queries_per_class', 0), ('query', 5),
    ('task', 'clustering')])
def test_bad_value_of_hashing(tmp_path, name, value):
    with pytest.raises(InputError, match=f'config.json: {name} is '):
        read(tmp_path, {name: value}, hashing)


@pytest.mark.parametrize('name', [
    'out', 'resume', 'quiet', 'config', 'data_dir', 'kmeans', 'faithful',
    'snapshot_seconds', 'bits', 'Epochs'])
def test_what_is_no_option_of_a_config(tmp_path, name):
    with pytest.raises(InputError, match=f'not known: {name}; remove them'):
        read(tmp_path, {name: 1})


@pytest.mark.parametrize('content,message', [
    ('', 'not valid JSON'), ('[]', 'not the config.json of a run'),
    ('{"options": []}', 'not the config.json of a run'),
    ('{"options": {"seed": 1, "seed": 2}}', 'seed is there twice'),
    ('[' * 10 ** 5, 'not valid JSON'), (b'\xff{}', 'not valid JSON'),
    ('{"options": {"hidden": ' + '[' * 500 + ']' * 500 + '}}', 'hidden is'),
    ('{"options": {"seed": ' + '9' * 5000 + '}}', 'not valid JSON')])
def test_what_is_no_config(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, content)


def test_a_file_that_is_too_long(tmp_path):
    with open(tmp_path / 'config.json', 'wb') as f:
        f.truncate(1 << 30)  # takes no room
    with pytest.raises(InputError, match='more than 64 MB'):
        clustering.get_options(['--config', str(tmp_path / 'config.json')])


def test_good_values(tmp_path):
    args = read(tmp_path, {
        'epochs': 7, 'lam': 1, 'hidden': [], 'delta': None, 'prior': 'a.txt',
        'clusters': None, 'threads': None, 'distortion': {'shear': .2}})
    assert (args.epochs, args.lam, args.hidden, args.delta, args.prior,
            args.clusters, args.distortion) == (
        7, 1, [], None, 'a.txt', None, {'shear': .2})


def test_what_the_method_makes_no_use_of_is_null(tmp_path):
    args = read(tmp_path, {'method': 'kmeans', 'epochs': None})
    assert args.method == 'kmeans' and args.epochs is None
    with pytest.raises(InputError, match='epochs is -1'):
        read(tmp_path, {'method': 'kmeans', 'epochs': -1})


@pytest.mark.parametrize('script', [clustering, hashing])
@pytest.mark.parametrize('options,expected', [
    (['--dataset', 'mnist'], (10, 50, 250, 10)),
    (['--faithful'], (10, 50, 250, 11)),
    (['--dataset', 'a.csv'], 4 * ('auto',)),
    (['--dataset', 'a.csv', '--faithful'], (10, 50, 250, 11)),
    (['--xi', 'auto', '--epochs', '3'], ('auto', 3, 250, 10))])
def test_the_paper_for_data_sets_by_name(script, options, expected):
    args = script.get_options(options)
    assert (args.xi, args.epochs, args.batch_size, args.neighbor) == expected


def test_files_of_ones_own_follow_their_data():
    args = hashing.get_options(['--query', 'q.csv', '--gallery', 'g.csv'])
    assert args.xi == args.epochs == 'auto'


@pytest.mark.parametrize('options,threads', [
    ([], 6), (['--jobs', '2'], 6), (['--jobs', '2', '--restarts', '4'], 3),
    (['--jobs', '4', '--restarts', '3'], 2), (
        ['--jobs', '-1', '--restarts', '4'], 1),
    (['--jobs', '9', '--restarts', '9'], 1),
    (['--jobs', '2', '--clusters', '2..5'], 3),  # two restarts of each
    (['--jobs', '2', '--restarts', '4', '--threads', '5'], 5)])
def test_threads_are_shared_out_to_restarts_at_once(monkeypatch, options,
                                                    threads):
    monkeypatch.setattr('imsat.devices.available_cores', lambda: 6)
    args = clustering.get_options(['--dataset', 'mnist', *options])
    assert args.threads == threads
    assert 'jobs' not in options_of(args)  # threads are there
    if '--clusters' not in options:
        assert make_model(args).n_jobs == (args.jobs or 1)
