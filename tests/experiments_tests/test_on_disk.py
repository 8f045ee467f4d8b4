"""Points that stay on disk in the scripts, called in this process."""
import csv
import importlib

import clustering
import hashing
import numpy
import predict
import pytest
from common import answers, report
from sklearn.datasets import make_blobs

from imsat import InputError, on_disk
from imsat.estimators import base
from imsat.datasets import arrays
from imsat.on_disk import OnDisk
from imsat.storage import load_json, load_npz

X, Y = make_blobs(400, 6, centers=4, random_state=0)
QUICK = ['--hidden', '9', '--epochs', '8', '--batch-size', '40', '--quiet',
         '--threads', '1', '--sampling', 'shuffle-buffer',
         '--neighbor-search', 'sampled']
pytestmark = pytest.mark.filterwarnings(
    'ignore:the distances of', 'ignore::imsat.CollapseWarning')


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('matplotlib.figure.Figure.savefig',
                        lambda self, f, **kwargs: f.write(b'quick'))
    (tmp_path / 'x').mkdir()
    numpy.save('x/1.npy', X[:150].astype('f'))
    numpy.save('x/2.npy', X[150:].astype('f'))
    numpy.save('y.npy', Y)
    return tmp_path


@pytest.fixture
def stays(monkeypatch):
    """``stays()``: from now on all is as if it were large."""
    def read_all(self, dtype=None, copy=None):
        raise AssertionError('all points were copied')

    def set_all():
        monkeypatch.setattr(OnDisk, '__array__', read_all)
        for module in (arrays, base,
                       importlib.import_module('imsat.neighbors')):
            monkeypatch.setattr(module, 'LARGE', 500)
        monkeypatch.setattr(on_disk, 'LARGE_RESULT', 200)
        monkeypatch.setattr(on_disk, 'BLOCK', 100)
        monkeypatch.setattr(report, 'MOST_POINTS', 60)
        monkeypatch.setattr(answers, 'ROWS', 33)
        monkeypatch.setattr(answers, 'MOST', 900)
    return set_all


def lines(path):
    with open(path, newline='') as f:
        return list(csv.reader(f))


@pytest.mark.parametrize('labels', [[], ['--labels', 'y.npy']])
def test_clustering(here, stays, labels):
    options = ['--dataset', 'x', '--clusters', '4', '--no-kmeans', *labels,
               *QUICK]
    clustering.run(clustering.get_options([*options, '--out', 'one']))
    stays()
    clustering.run(clustering.get_options([*options, '--out', 'two']))
    one, two = (load_npz(f'{name}/assignments.npz') for name in 'one two'
                .split())
    numpy.testing.assert_array_equal(two['cluster'], one['cluster'])
    assert sorted(two) == ['cluster', 'top', 'top_probability']
    p = one['probability']
    order = numpy.argsort(-p, kind='stable')[:, :3]
    assert (two['top'] == order).mean() > .99
    numpy.testing.assert_allclose(
        two['top_probability'], numpy.sort(p)[:, :-4:-1], 1e-3, 1e-6)
    first, second = lines('one/assignments.csv'), lines('two/assignments.csv')
    assert [line[:2] for line in second] == [line[:2] for line in first]
    numpy.testing.assert_allclose(*(
        [float(line[2]) for line in each[1:]] for each in (first, second)),
        1e-3)
    first, second = (load_json(f'{name}/result.json') for name in (
        'one', 'two'))
    for key in 'accuracy', 'nmi', 'ari', 'sizes', 'n':
        assert first[key] == second[key]
    assert first['objective'] == pytest.approx(second['objective'], 1e-4)
    page = (here / 'two' / 'report.html').read_text()
    assert 'shows 60 of 400 points' in page and '400 points in 4' in page


def test_prediction(here, stays, capsys):
    clustering.run(clustering.get_options(
        ['--dataset', 'x', '--clusters', '4', '--out', 'run', *QUICK]))
    stays()
    predict.run(predict.get_options(
        ['run', '--dataset', 'x', '--out', 'new.csv', '--top', '2']))
    head, *rows = lines('new.csv')
    assert head == ['row', 'cluster', 'probability', 'top0', 'top1', 'top_p0',
                    'top_p1', 'unlike']
    p = load_npz('run/assignments.npz')['probability']
    order = numpy.argsort(-p, kind='stable')
    assert [row[1] for row in rows] == [str(i) for i in order[:, 0]]
    assert [row[3:5] for row in rows] == order[:, :2].astype(str).tolist()
    numpy.testing.assert_allclose(
        [float(row[6]) for row in rows], numpy.sort(p)[:, -2], 1e-3, 1e-6)


@pytest.mark.parametrize('labels', [[], ['--labels', 'y.npy']])
def test_hashing(here, stays, labels):
    options = ['--dataset', 'x', '--bits', '5', *labels,
               '--queries-per-class', '7', *QUICK]
    hashing.run(hashing.get_options([*options, '--out', 'one']))
    stays()
    hashing.run(hashing.get_options([*options, '--out', 'two']))
    for key, codes in load_npz('one/codes.npz').items():
        numpy.testing.assert_array_equal(
            load_npz('two/codes.npz')[key], codes)
    assert lines('one/codes.csv') == lines('two/codes.csv')
    first, second = (load_json(f'{name}/result.json') for name in (
        'one', 'two'))
    for key in 'map_step', 'precision_at_500', 'distinct_codes', 'queries':
        assert first[key] == second[key]
    if not labels:
        with pytest.raises(InputError, match='--train-on is gallery'):
            hashing.run(hashing.get_options(
                [*options, '--train-on', 'gallery', '--out', 'three']))


def test_queries_of_ones_own(here, stays):
    numpy.save('q.npy', X[:20].astype('f'))
    options = ['--query', 'q.npy', '--gallery', 'x', '--bits', '5', *QUICK]
    hashing.run(hashing.get_options([*options, '--out', 'one']))
    stays()
    hashing.run(hashing.get_options([*options, '--out', 'two']))
    assert lines('one/codes.csv') == lines('two/codes.csv')
