"""The benchmark of defaults: what is kept, and the table of it."""
import json
import re

import numpy
import pytest
import scripts
from sklearn.cluster import KMeans

import benchmark_defaults as benchmark
import imsat
from benchmarks.data import blobs, usps
from common import markdown
from imsat import InputError

X = numpy.repeat([[0., 0.], [5., 5.]], 20, axis=0)
Y = numpy.repeat([0, 1], 20)


@pytest.fixture
def fits(monkeypatch, tmp_path):
    """Two methods and data sets; the list of the fits."""
    done = []

    class Halves:
        def __init__(self, k, seed):
            self.seed = seed

        def fit_predict(self, x):
            done.append(self.seed)
            # Seed 1 has ten of forty wrong.
            return numpy.where(numpy.arange(40) < 10 * self.seed, 1, Y)
    monkeypatch.setattr(benchmark, 'DATA', {
        'a, b': lambda _: (X, Y), 'other': lambda _: (X, Y)})
    monkeypatch.setattr(benchmark, 'METHODS', {
        'halves': Halves, 'K-means': lambda k, seed: KMeans(k)})
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'page.md').write_text(
        f'before\n{markdown.BEGIN}\nold\n{markdown.END}\nafter\n')
    return done


def run(*options):
    benchmark.run(benchmark.get_options(
        scripts.once('--seeds', 2, *options)))


def test_what_is_there_is_not_run_again(fits, tmp_path):
    run('--datasets', 'a b', '--methods', 'halves')
    run('--datasets', 'a b', '--methods', 'halves', '--seeds', '3')
    assert fits == [0, 1, 2]
    kept = json.loads((tmp_path / 'results/defaults/a-b.json').read_text())
    assert [kept['halves'][seed]['accuracy'] for seed in '01'] == [1, .75]


def test_table(fits, tmp_path):
    run('--table', 'page.md')
    text = (tmp_path / 'page.md').read_text()
    assert text.startswith('before\n') and text.endswith('\nafter\n')
    assert 'old' not in text
    for name in 'a, b', 'other':
        assert re.search(
            rf'\| {name} +\| 87.5 \(75.0\) /2 \| 100.0 \(100.0\) /2 \|', text)
    (tmp_path / 'none.md').write_text('no marks')
    with pytest.raises(InputError, match='none.md has no lines'):
        run('--table', 'none.md')
    with pytest.raises(InputError, match="no 'x'; choose among a b, other"):
        run('--datasets', 'x')


def test_rules_for_xi(fits, monkeypatch, capsys):
    steps = []

    class Model:
        def __init__(self, k, **options):
            steps.append(options['xi'])

        def fit_predict(self, x):
            return Y
    monkeypatch.setattr(imsat, 'IMSATClustering', Model)
    monkeypatch.setattr(benchmark, 'DATA', {'pairs': lambda _: (
        numpy.arange(40.)[:, None], Y)})
    run('--rules', '--datasets', 'pairs', '--seeds', '1')
    # The 10th neighbour is 5 away of most on a line.
    assert steps == ['auto', 10, *(5 * share for share in (
        1.3, .8, .5, .25, .1))]
    assert '| pairs | 100.0 /1 |' in capsys.readouterr().out
    for option in ['--methods', 'halves'], ['--table', 'page.md']:
        with pytest.raises(InputError, match='leave --methods and --table'):
            run('--rules', *option)


def test_data_that_are_not_there(monkeypatch, tmp_path):
    pytest.importorskip('h5py')
    monkeypatch.setenv('IMSAT_DATA', str(tmp_path))
    for folder in None, str(tmp_path / 'none'):
        with pytest.raises(InputError, match='no .*usps.h5; let --data-dir'):
            usps(folder)


def test_blobs():
    x, y = blobs([30, 10], 3, 1000, offset=50, scale=2)
    assert numpy.bincount(y).tolist() == [30, 10]
    assert 1 < x[y == 0].std(axis=0).mean() < 3
