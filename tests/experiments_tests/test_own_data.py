"""Tables of one's own in the scripts, called in this process."""
import argparse

import clustering
import datasets
import hashing
import numpy
import pytest
from common.options import get_parser, parse
from common.scripts import main

from imsat import InputError
from imsat.storage import load_json, load_npz

RNG = numpy.random.RandomState(0)
X = numpy.concatenate([RNG.normal(c, 1, (40, 2)) for c in (0, 6)]).round(3)
QUICK = ['--epochs', '1', '--hidden', '5', '--batch-size', '40', '--quiet']


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name, rows, head='id;a;b;kind'):
    with open(name, 'w') as f:
        print(head, *rows, sep='\n', file=f)


def decimal_commas(x, start=100):
    return [f'{start + i};{a};{b};"kind {int(i >= 40)}; x"'.replace('.', ',')
            for i, (a, b) in enumerate(x)]


def test_a_table_gives_the_same_run_as_its_arrays():
    write('points.csv', decimal_commas(X))
    numpy.savez('points.npz', x=X.astype('f'), y=numpy.repeat([0, 1], 40))
    table = ['--label', 'kind', '--columns', 'a,b']
    for name, options in ('points.csv', table), ('points.npz', []):
        clustering.run(clustering.get_options(
            ['--dataset', name, '--out', name + '-out', *QUICK, *options]))
    numpy.testing.assert_array_equal(
        *(load_npz(f'points.{kind}-out/assignments.npz')['probability']
          for kind in ('csv', 'npz')))
    config, result = (load_json(f'points.csv-out/{name}.json')
                      for name in ('config', 'result'))
    assert (config['options']['label'], config['options']['columns']) == (
        'kind', 'a,b')
    assert result['clusters'] == 2 and result['dataset'] == 'points'


def test_options_are_named_as_a_user_knows_them(capsys, monkeypatch):
    monkeypatch.delenv('IMSAT_DATA', raising=False)
    write('points.csv', decimal_commas(X))
    cases = {'--label': 'z', '--index': '9', '--columns': 'a,a'}
    for option, value in cases.items():
        code = main(clustering.run, lambda: clustering.get_options(
            ['--dataset', 'points.csv', option, value, *QUICK]))
        said = capsys.readouterr().err
        assert code == 2 and said.count('\n') == 1 and f': {option} ' in said
    args = argparse.Namespace(data_dir=None, notes=False)
    datasets.run(args)
    said = capsys.readouterr().out
    assert '--data-dir' in said and 'data_dir' not in said


@pytest.mark.parametrize('y', [
    RNG.normal(size=80), RNG.normal(size=80).astype(str),
    numpy.repeat([.5, 1], 40), numpy.repeat(['1,5', '2'], 40),
    numpy.arange(80), [f'name {i}' for i in range(80)],
    numpy.arange(2000) % 300])
def test_measurements_are_no_classes(y):
    with pytest.raises(InputError, match='--clusters K'):
        clustering.count_classes(numpy.asarray(y), 'points.csv')


@pytest.mark.parametrize('y,n', [
    ([0, 0, 1], 2), ([0., 1, 2] * 2, 3), (['1', '2'] * 9, 2),
    (['infinity', 'b'] * 9, 2), ([True, False], 2),
    (numpy.arange(32460) % 1623, 1623), (numpy.arange(500) % 100, 100)])
def test_classes_are_counted(y, n):
    assert clustering.count_classes(numpy.asarray(y), 'points.csv') == n


def read(query, gallery, *options):
    return hashing.read_points(hashing.get_options(
        ['--query', query, '--gallery', gallery, '--bits', '2', *options]))


@pytest.mark.parametrize('q', [X[:1], X[[0, 0, 0]]])
def test_queries_may_be_one_or_equal(q):
    write('q.csv', decimal_commas(q))
    write('g.csv', decimal_commas(X))
    data, query, gallery = read('q.csv', 'g.csv', '--label', 'kind',
                                '--index', 'id')
    numpy.testing.assert_array_equal(data.x[query], q.astype('f'))
    numpy.testing.assert_array_equal(data.x[gallery], X.astype('f'))
    assert len(data.y) == len(q) + 80


def test_columns_of_queries_are_those_of_the_gallery():
    write('q.csv', ['1,2', '3,4'], 'b,a')
    write('g.csv', ['1,2', '3,4'], 'a,b')
    with pytest.raises(InputError, match='in the same order'):
        read('q.csv', 'g.csv')
    data, _, _ = read('q.csv', 'g.csv', '--columns', 'a,b')
    assert data.x.tolist() == [[2, 1], [4, 3], [1, 2], [3, 4]]


def test_large_labels_of_two_types():
    x = numpy.eye(2)
    numpy.savez('q.npz', x=x, y=numpy.array([2 ** 53, 2 ** 53 + 1], 'i8'))
    numpy.savez('g.npz', x=x, y=numpy.array([2 ** 53 + 1, 2 ** 53], 'u8'))
    data, query, gallery = read('q.npz', 'g.npz')
    same = data.y[query][:, None] == data.y[gallery]
    assert same.tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize('task', ['clustering', 'hashing'])
def test_old_configs_know_no_columns(task):
    args = parse(get_parser(task, ''), [], {})
    assert (args.label, args.index, args.columns) == (None, None, None)
