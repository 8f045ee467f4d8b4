"""Runs side by side, called in this process."""
from pathlib import Path

import clustering
import compare_runs
import hashing
import numpy
import pytest
from common.scripts import main
from sklearn.metrics import adjusted_rand_score

from imsat.storage import load_json, load_npz

QUICK = ['--dataset', 'points.npz', '--hidden', '9', '--epochs', '2',
         '--batch-size', '30', '--quiet', '--threads', '1']
# So little training leaves clusters empty.
pytestmark = pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('runs')
    x = numpy.random.RandomState(0).normal(size=(90, 3))
    x[45:] += 5
    numpy.savez(folder / 'points.npz', x=x, y=numpy.repeat([0, 1], 45))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('IMSAT_CACHE', str(folder / 'cache'))
        patch.chdir(folder)
        patch.setattr('matplotlib.figure.Figure.savefig',
                      lambda self, f, **kwargs: f.write(b'quick'))
        for out, options in {'a/run': ['--seed', '1'], 'b/run': [
                '--seed', '2', '--lam', '.3']}.items():
            clustering.run(clustering.get_options(
                [*QUICK, *options, '--no-kmeans', '--out', out]))
        clustering.run(clustering.get_options(
            ['--dataset', 'points.npz', '--method', 'kmeans', '--quiet',
             '--out', 'c']))
        hashing.run(hashing.get_options(
            [*QUICK, '--bits', '3', '--out', 'bits']))
    return folder


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)


def tables(text):
    """Each a dict by its first cells, of dicts by its titles."""
    found = []
    for block in text.split('\n\n'):
        lines = [[cell.strip() for cell in line.strip('|').split('|')]
                 for line in block.splitlines() if line.startswith('|')]
        if lines:
            found.append({line[0]: dict(zip(lines[0], line))
                          for line in lines[2:]})
    return found


def test_runs_are_compared(capsys):
    compare_runs.run(compare_runs.get_options(
        ['a/run', 'b/run', 'c', '--out', 'runs.png']))
    scores, options, agreement = tables(capsys.readouterr().out)
    names = [*scores]  # of c the last parts as well
    assert names[:2] == ['a/run', 'b/run'] and names[2].endswith('/c')
    for name, path in zip(names, ('a/run', 'b/run', 'c'), strict=True):
        result = load_json(f'{path}/result.json')
        assert scores[name]['accuracy'] == f'{result["accuracy"]:.1%}'
        assert scores[name]['method'] == result['method']
    assert [options['lam'][name] for name in names] == ['0.1', '0.3', '']
    assert options['seed']['a/run'] == '1' and 'n' not in options
    clusters = [load_npz(f'{name}/assignments.npz')['cluster']
                for name in ('b/run', 'c')]
    assert agreement['b/run']['ARI of their clusters'] \
        == f'{adjusted_rand_score(*clusters):.3f}'
    from PIL import Image
    with Image.open('runs.png') as image:
        assert image.width > 300


def test_codes_beside_clusters(capsys):
    compare_runs.run(compare_runs.get_options(['bits', 'c']))
    scores, *_ = tables(capsys.readouterr().out)
    assert [row['bits'] for row in scores.values()] == ['3', '']
    assert [row['clusters'] for row in scores.values()] == ['', '2']


def test_no_run(capsys):
    code = main(compare_runs.run, lambda: compare_runs.get_options(
        ['c', 'none']))
    said = capsys.readouterr().err
    assert code == 2 and said.count('\n') == 1
    assert 'none holds no finished run' in said


@pytest.mark.parametrize('paths,names', [
    (['x/a', 'x/b'], ['a', 'b']), (['x/a/1', 'x/b/1'], ['a/1', 'b/1']),
    (['x/a'], ['a']), (['x/a', 'x/a'], ['a', 'a'])])
def test_names_tell_runs_apart(paths, names):
    assert compare_runs.shorten(paths) == names


def test_no_run_is_written_over(capsys):
    before = Path('c/result.json').read_bytes()
    code = main(compare_runs.run, lambda: compare_runs.get_options(
        ['c', 'bits', '--out', 'c/result.json']))
    assert code == 2 and 'is what is read' in capsys.readouterr().err
    assert Path('c/result.json').read_bytes() == before
