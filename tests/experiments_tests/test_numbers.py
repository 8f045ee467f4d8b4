"""clustering.py --clusters 2..4: a run for each, and which it takes."""
import re
import shutil
from pathlib import Path

import numpy
import pytest
import scripts
from PIL import Image

import clustering
from imsat import IMSATClustering, InputError
from imsat.storage import load_json

RNG = numpy.random.RandomState(0)
Y = numpy.repeat([0, 1, 2], 60)
X = RNG.normal(0, .5, (180, 3)) + 6 * numpy.eye(3)[Y]

pytestmark = pytest.mark.filterwarnings('ignore')


def run(*options):
    args = clustering.get_options(scripts.once(*options))
    clustering.run(args)


@pytest.fixture
def options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    numpy.savez('points.npz', x=X, y=Y)
    return ['--dataset', 'points.npz', '--clusters', '2..4', '--hidden', 20,
            '--batch-size', 60, '--epochs', 40, '--no-kmeans', '--threads', 1,
            '--out', 'run']


def test_a_run_for_each_number(options, capsys):
    run(*options)
    result = load_json('run/result.json')
    assert result['clusters'] == 3 and result['n'] == 180
    assert [part['clusters'] for part in result['numbers']] == [2, 3, 4]
    for part in result['numbers']:
        k = part['clusters']
        own = load_json(f'run/clusters-{k}/result.json')
        assert len(own['restarts']) == 2
        assert own['accuracy'] == part['accuracy']
        assert part['stability'] == own['criteria']['stability']
        model = IMSATClustering.load(f'run/clusters-{k}/model.npz')
        assert model.n_clusters == k
    assert result['numbers'][1]['accuracy'] == 1
    # None is mixed, if one is cut or stays empty.
    assert result['numbers'][2]['purity'] == 1
    with Image.open('run/cluster_numbers.png') as image:
        assert image.width > 300
    said = capsys.readouterr().out
    assert '3 clusters, by information x neighbors: ' in said
    assert 'purity' in said
    page = Path('run/report.html').read_text(encoding='utf-8')
    sentence = next(line for line in said.splitlines()
                    if line.startswith('3 clusters, '))
    assert sentence in page
    links = re.findall(r'href="([^"]*)"', page)
    assert links == [f'clusters-{k}/report.html' for k in (2, 3, 4)]
    for k, link in zip((2, 3, 4), links):
        assert f'{k} clusters' in (Path('run') / link).read_text()
        purity = result['numbers'][k - 2]['purity']
        assert re.search(rf'>{k}</a></td>.*?<td>{purity:.1%}</td></tr>', page)

    # What is there is not run again, and what is not is.
    before = [load_json(f'run/clusters-{k}/result.json') for k in (2, 3)]
    shutil.rmtree('run/clusters-4')
    Path('run/result.json').unlink()
    with pytest.raises(InputError, match='interrupted; go on with it'):
        run(*options)
    run(*options, '--resume', '--quiet')
    again = load_json('run/result.json')
    assert before == [load_json(f'run/clusters-{k}/result.json')
                      for k in (2, 3)]
    assert again['numbers'] == result['numbers']
    with pytest.raises(InputError, match='another clusters'):
        run(*options, '--clusters', '2..5')


@pytest.mark.slow
def test_a_range_that_is_resumed_to_more(options, monkeypatch):
    options += ['--epochs', 2, '--quiet']
    run(*options)
    whole = [load_json(f'run/clusters-{k}/result.json') for k in (2, 3, 4)]
    # To more numbers, of which the others are not run again,
    run(*options, '--resume', '--clusters', '2..5')
    assert [part['clusters'] for part in load_json('run/result.json')[
        'numbers']] == [2, 3, 4, 5]
    assert whole == [load_json(f'run/clusters-{k}/result.json')
                     for k in (2, 3, 4)]
    # to more epochs, which all are.
    run(*options, '--resume', '--clusters', '2..5', '--epochs', 3)
    for k in 2, 3, 4, 5:
        entries = load_json(f'run/clusters-{k}/log')
        assert [entry['epoch'] for entry in entries] == [1, 2, 3]
        for name in 'run', f'run/clusters-{k}':
            assert load_json(f'{name}/config.json')['options']['epochs'] == 3
    shutil.rmtree('run')
    # "auto" is settled for each number; 1,000 steps would take minutes.
    for module in 'clustering', 'imsat':
        monkeypatch.setattr(f'imsat.estimators.{module}.LEAST_STEPS', 60)
    run(*options, '--epochs', 'auto', '--batch-size', 180, '--clusters',
        '2..3')
    config = load_json('run/clusters-2/config.json')
    assert config['options']['epochs'] == 60
    run(*options, '--epochs', 61, '--batch-size', 180, '--clusters', '2..3',
        '--resume')
    assert load_json('run/clusters-3/log')[-1]['epoch'] == 61
    shutil.rmtree('run')
    run(*options, '--epochs', 3, '--clusters', '2..5')
    for less in ['--clusters', '3..5'], ['--clusters', '2..4'], [
            '--epochs', 2], ['--epochs', 'auto']:
        with pytest.raises(InputError, match='holds a run with '):
            run(*options, '--resume', '--clusters', '2..5', '--epochs', 3,
                *less)


def test_nothing_is_run_before_all_is_checked(options):
    numpy.save('eight.npy', X[:8])
    with pytest.raises(InputError, match='is 9.*choose at most 8'):
        run('--dataset', 'eight.npy', *options[2:], '--clusters', '2..9',
            '--batch-size', 'auto')
    assert not Path('run').exists()
    with pytest.raises(InputError, match='one number of --clusters'):
        run(*options, '--prior', 'prior.txt')


@pytest.mark.parametrize('text', ['5..5', '7..5', '1..4', '2..', 'a..b'])
def test_ranges_that_are_none(text, capsys):
    with pytest.raises(SystemExit):
        clustering.get_options(['--clusters', text])
    assert 'a range such as 5..15' in capsys.readouterr().err


def test_methods_without_restarts():
    with pytest.raises(InputError, match='give one number of --clusters'):
        clustering.get_options(['--clusters', '2..4', '--method', 'dec'])
