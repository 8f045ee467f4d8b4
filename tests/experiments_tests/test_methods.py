"""Both scripts with a method by name."""
import json

import numpy
import pytest
import scripts
from PIL import Image

from imsat.storage import load_npz

RNG = numpy.random.RandomState(0)
X = numpy.concatenate([RNG.normal(c, 1, (150, 4)) for c in (0, 6)])
Y = numpy.repeat([0, 1], 150)


def run(task, method, *options, cwd, **kwargs):
    return scripts.run(task, '--method', method, '--dataset', 'points.npz',
                       '--threads', 1, *options, cwd=cwd, **kwargs)


@pytest.fixture
def points(tmp_path):
    numpy.savez(tmp_path / 'points.npz', x=X, y=Y)
    return tmp_path


def results(folder, task, method):
    out = folder / 'results' / f'{task}-points-{method}-seed0'
    return out, *(json.loads((out / name).read_text())
                  for name in ('config.json', 'result.json'))


@pytest.mark.parametrize('method,options,used', [
    ('kmeans', [], dict(restarts=12, lam=None, epochs=None, hidden=None)),
    ('linear-rim', ['--epochs', 2],
     dict(lam=1, weight_decay=.005, hidden=None, epochs=2, mu='auto')),
    ('imsat-rpt', ['--epochs', 2, '--hidden', '9', '--alpha', 2],
     dict(lam=.05, alpha=2, hidden=[9])),
    ('dec', ['--epochs', 2, '--hidden', '9-7'],
     # A quarter of the points, of which there are less than 1,000.
     dict(batch_size=75, restarts=20, sampling='sweep', alpha=None))])
def test_clustering(points, method, options, used):
    process = run('clustering', method, *options, '--quiet', cwd=points,
                  draw=True)
    assert process.returncode == 0 and scripts.says_nothing(process.stderr)
    out, config, result = results(points, 'clustering', method)
    assert result['method'] == config['options']['method'] == method
    assert used == {key: config['options'][key] for key in used}
    assigned = load_npz(out / 'assignments.npz')
    assert ('probability' in assigned) == (method != 'kmeans')
    assert result['sizes'] == numpy.bincount(
        assigned['cluster'], minlength=2).tolist()
    assert (result['kmeans'] is None) == (method == 'kmeans')
    assert (out / 'contingency.png').exists()
    assert (out / 'log').exists() == (method != 'kmeans')
    if method != 'kmeans':
        with Image.open(out / 'learning_curves.png') as image:
            assert len(image.convert('L').getcolors()) > 20


@pytest.mark.parametrize('method,options', [
    ('spectral', []), ('pca-itq', []), ('deep-hash', ['--epochs', 2]),
    ('deep-rim', ['--epochs', 2, '--hidden', '9-7'])])
def test_hashing(points, method, options):
    process = run('hashing', method, '--bits', 4, *options, cwd=points)
    assert process.returncode == 0, process.stderr
    assert 'mAP' in process.stdout
    _, config, result = results(points, 'hashing', method)
    assert result['method'] == config['options']['method'] == method
    assert result['map_trapezoid'] > .5


def test_resumed(points):
    options = ['--epochs', 2, '--hidden', '9-7', '--quiet',
               '--snapshot-seconds', 0]
    assert run('clustering', 'dec', *options, cwd=points).returncode == 0
    out, _, before = results(points, 'clustering', 'dec')
    model = (out / 'model.npz').read_bytes()
    # As a run leaves them that is killed in its last phase.
    (out / 'model.npz').unlink()
    for path in (out / 'self-training').iterdir():
        path.unlink()
    process = run('clustering', 'dec', *options, '--resume', cwd=points)
    assert process.returncode == 0, process.stderr
    assert (out / 'model.npz').read_bytes() == model
    _, _, after = results(points, 'clustering', 'dec')
    assert after['objective'] == before['objective']


@pytest.mark.parametrize('task', ['clustering', 'hashing'])
def test_made_again_from_its_config(points, task):
    method = {'clustering': 'imsat-rpt', 'hashing': 'deep-rim'}[task]
    run(task, method, '--epochs', 2, '--hidden', 9, cwd=points)
    out, config, result = results(points, task, method)
    process = scripts.run(task, '--config', out / 'config.json', '--out',
                          'again', '--quiet', cwd=points)
    assert process.returncode == 0 and scripts.says_nothing(process.stderr)
    again = json.loads((points / 'again' / 'config.json').read_text())
    assert again['options'] == config['options']
    assert (points / 'again' / 'model.npz').read_bytes() == \
        (out / 'model.npz').read_bytes()


@pytest.mark.parametrize('method,options,unused', [
    ('kmeans', ['--lam', .2, '--epochs', 3], ['epochs', 'lam']),
    # What its regulariser is not made from.
    ('linear-rim', ['--xi', 3, '--alpha', 2, '--weight-decay', .1,
                    '--neighbor', 4, '--epochs', 2],
     ['alpha', 'neighbor', 'xi']),
    # A number for xi leaves the data in their unit.
    ('imsat-rpt', ['--nearest', 5, '--neighbor', 4, '--xi', 3, '--epochs', 2],
     ['nearest']),
    ('imsat-vat-neighbor', ['--nearest', 5, '--xi', 3, '--distortion',
                            'shift=1', '--epochs', 2], ['distortion'])])
def test_what_a_method_makes_no_use_of(points, method, options, unused):
    process = run('clustering', method, *options, '--quiet', cwd=points)
    assert process.returncode == 0
    said = [f'warning: {method} makes no use of --{option}'
            for option in unused]
    assert process.stderr.splitlines()[:len(said)] == said
    assert process.stderr.count('makes no use') == len(said)
    again = scripts.run(
        'clustering', '--config', points / 'results' /
        f'clustering-points-{method}-seed0' / 'config.json', '--out', 'again',
        '--quiet', cwd=points)
    assert 'makes no use' not in again.stderr


def test_options_of_no_method_are_none(points):
    process = run('hashing', 'linear-rim', '--nearest', 5, cwd=points)
    assert process.returncode == 2
    assert 'unrecognized arguments: --nearest 5' in process.stderr
    assert '--nearest' not in scripts.run('hashing', '--help').stdout


@pytest.mark.parametrize('task,method,options,message', [
    ('clustering', 'nope', [], "'nope'; choose one of dae-kmeans, dec"),
    ('clustering', 'imsat-affine', [], 'no images of shape None'),
    ('hashing', 'pca-itq', ['--bits', 5], 'at most 4 bits')])
def test_bad_input(points, task, method, options, message):
    process = run(task, method, *options, cwd=points)
    assert process.returncode == 2
    assert process.stderr.startswith(f'{task}.py: ')
    assert process.stderr.count('\n') == 1, 'one sentence'
    assert message in process.stderr
    assert not (points / 'results').exists()


def test_bad_distortion(points):
    process = run('clustering', 'imsat-affine', '--distortion', 'turn=3',
                  cwd=points)
    assert process.returncode == 2
    assert "argument --distortion: 'turn=3' can not be read" in process.stderr
