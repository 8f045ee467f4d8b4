"""New points by a finished run, called in this process."""
import csv
import os
import shutil
from pathlib import Path

import clustering
import hashing
import numpy
import pandas
import predict
import pytest
from common.scripts import main
from common.unlike import get_reference, is_unlike

import imsat
from imsat.storage import load_npz, save_npz

RNG = numpy.random.RandomState(0)
X = numpy.concatenate([RNG.normal(c, 1, (60, 3)) for c in (0, 6)]).astype('f')
QUICK = ['--hidden', '9', '--epochs', '3', '--batch-size', '40', '--quiet',
         '--threads', '1']


def frame(x, **columns):
    return pandas.DataFrame(dict(zip('abc', x.T), **columns))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Points as a table and as arrays, and runs that have learnt from them.
    """
    folder = tmp_path_factory.mktemp('runs')
    names = [f'no. {i}' for i in range(len(X))]
    frame(X, id=names, kind=numpy.repeat(['p', 'q'], 60)).to_csv(
        folder / 'points.csv', index=False)
    numpy.savez(folder / 'points.npz', x=X)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('IMSAT_CACHE', str(folder / 'cache'))
        patch.chdir(folder)
        patch.setattr('matplotlib.figure.Figure.savefig',
                      lambda self, f, **kwargs: f.write(b'quick'))
        patch.setattr('imsat.estimators.autoencoder.ITERATIONS', 9)
        table = ['--dataset', 'points.csv', '--index', 'id', '--label', 'kind']
        for out, options in {
                'table': table, 'dec': [*table, '--method', 'dec'],
                'kmeans': ['--dataset', 'points.npz', '--method', 'kmeans',
                           '--clusters', '2']}.items():
            clustering.run(clustering.get_options(
                [*options, *(QUICK if out != 'kmeans' else QUICK[-3:]),
                 '--no-kmeans', '--out', out]))
        for out, options in {
                'bits': ['--bits', '9'], 'values': ['--bits', '2', '--values',
                                                    '3']}.items():
            hashing.run(hashing.get_options(
                ['--dataset', 'points.npz', *options, *QUICK, '--out', out]))
    return folder


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)


def lines(*options):
    predict.run(predict.get_options([*options, '--out', 'out.csv']))
    with open('out.csv', newline='') as f:
        return list(csv.DictReader(f))


@pytest.mark.parametrize('run', ['table', 'dec'])
def test_the_points_that_it_learnt_from(run):
    with open(f'{run}/assignments.csv', newline='') as f:
        saved = list(csv.DictReader(f))
    arrays = load_npz(f'{run}/assignments.npz')
    found = lines(run, '--dataset', 'points.csv', '--all')
    for i, (now, before) in enumerate(zip(found, saved, strict=True)):
        assert now['row'] == before['row'] == str(i)
        assert now['index'] == before['index'] == f'no. {i}'
        assert now['cluster'] == before['cluster'] \
            == str(arrays['cluster'][i])
        p = arrays['probability'][i]
        for text in now['probability'], before['probability']:
            assert float(text) == pytest.approx(p.max(), rel=1e-5)
        assert [float(now[f'p{k}']) for k in range(2)] \
            == pytest.approx(p.tolist(), rel=1e-5)


def test_columns_are_taken_by_their_names():
    # In another order, among others, without labels and names of points.
    new = X[::7] + .5
    frame(new, d=numpy.arange(len(new)) * 1e3)[[*'cdba']].to_csv(
        'new.csv', index=False)
    model = imsat.IMSATClustering.load('table/model.npz')
    found = lines('table', '--dataset', 'new.csv')
    assert [int(line['cluster']) for line in found] \
        == model.predict(new).tolist()
    assert 'index' not in found[0]
    numpy.savez('new.npz', x=new)
    assert lines('table', '--dataset', 'new.npz') == found


def test_other_columns_are_told_of():
    # Named by hand: nothing says whether they were renamed.
    frame(X[:7]).to_csv('other.csv', index=False)
    expected = imsat.IMSATClustering.load('table/model.npz').predict(
        X[:7, [1, 0, 2]])
    with pytest.warns(UserWarning, match='the columns b, a, c of .* are taken '
                      'for a, b, c, which were learnt from'):
        found = lines('table', '--dataset', 'other.csv', '--columns', 'b,a,c')
    assert [int(line['cluster']) for line in found] == expected.tolist()


def test_labels_may_be_blank(recwarn):
    expected = lines('table', '--dataset', 'points.csv')
    table = pandas.read_csv('points.csv')
    for kinds, n in ('', 0), (['', *table['kind'][1:]], 1):
        table.assign(kind=kinds).to_csv('blank.csv', index=False)
        recwarn.clear()
        assert lines('table', '--dataset', 'blank.csv') == expected
        assert len([warning for warning in recwarn
                    if 'labels' in str(warning.message)]) == n


@pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')
def test_the_same_pixels_in_another_shape(tmp_path):
    pixels = RNG.randint(0, 90, (60, 4, 5)) + 160 * (numpy.arange(60) % 2
                                                     )[:, None, None]
    for name, x in ('images', pixels), ('rows', pixels.reshape(60, 20)):
        numpy.save(tmp_path / f'{name}.npy', x.astype('u1'))
    for run, other in ('images', 'rows'), ('rows', 'images'):
        clustering.run(clustering.get_options([
            '--dataset', str(tmp_path / f'{run}.npy'), '--clusters', '2',
            *QUICK, '--out', str(tmp_path / run)]))
        found, expected = (lines(str(tmp_path / run), '--dataset', str(
            tmp_path / f'{name}.npy'), '--all') for name in (other, run))
        assert found == expected


def test_far_points_are_unlike():
    new = numpy.array([[0, 0, 0], [6, 6, 6], [3, 3, 3], [0, 0, 50]], 'f')
    numpy.savez('new.npz', x=new)
    found = lines('table', '--dataset', 'new.npz')
    assert [line['unlike'] for line in found] == [*'0011']


def test_a_method_without_probabilities():
    found = lines('kmeans', '--dataset', 'points.npz')
    assert found[0].keys() == {'row', 'cluster', 'unlike'}
    assert [int(line['cluster']) for line in found] \
        == load_npz('kmeans/assignments.npz')['cluster'].tolist()


@pytest.mark.parametrize('run,name,n', [('bits', 'bit', 9),
                                        ('values', 'value', 2)])
def test_codes(run, name, n):
    codes = load_npz(f'{run}/codes.npz')['gallery_codes']
    expected = codes if run == 'values' else numpy.unpackbits(
        codes, axis=1)[:, :n]
    found = lines(run, '--dataset', 'points.npz')
    with open(f'{run}/codes.csv', newline='') as f:
        saved = list(csv.DictReader(f))
    for rows in found, saved:
        assert [[int(row[f'{name}{j}']) for j in range(n)]
                for row in rows] == expected.tolist()
    assert {row['set'] for row in saved} == {'gallery'}


def test_more_points_than_a_batch(capsys):
    x = numpy.tile(X, (9, 1))[:1030]
    numpy.savez('many.npz', x=x)
    found = lines('table', '--dataset', 'many.npz')
    assert [int(line['row']) for line in found] == list(range(1030))
    model = imsat.IMSATClustering.load('table/model.npz')
    assert [int(line['cluster']) for line in found] \
        == model.predict(x).tolist()
    capsys.readouterr()
    predict.run(predict.get_options(['table', '--dataset', 'many.npz']))
    said = capsys.readouterr()
    with open('out.csv', newline='') as f:
        assert said.out == f.read()
    n = sum(line['unlike'] == '1' for line in found)
    assert f'1030 points, {n} of them unlike' in said.err


def test_query_and_gallery_are_numbered_by_themselves(tmp_path):
    for name, x in ('q', X[::9]), ('g', X):
        frame(x, id=[f'{name}{i}' for i in range(len(x))]).to_csv(
            f'{name}.csv', index=False)
    args = hashing.get_options([
        '--query', 'q.csv', '--gallery', 'g.csv', '--index', 'id', '--bits',
        '3', *QUICK])
    assert args.out == 'results/hashing-q-g-seed0'
    args.out = str(tmp_path)
    hashing.run(args)
    with open(tmp_path / 'codes.csv', newline='') as f:
        found = list(csv.DictReader(f))
    assert [(line['set'], line['row'], line['index']) for line in found] == [
        ('query', f'{i}', f'q{i}') for i in range(14)] + [
        ('gallery', f'{i}', f'g{i}') for i in range(120)]


BAD = {
    'no run': (['nowhere'], 'holds no finished run'),
    'half a run': (['half'], 'reference.npz is not there'),
    'width': (['kmeans', '--dataset', 'wide.npz'], 'has 4 features, and what '
              'was learnt from 3'),
    'names': (['table', '--dataset', 'other.csv'], "has no column 'a'"),
    'several': (['several'], 'name the folder of one, such as '
                'several/clusters-3'),
    'no file': (['table', '--dataset', 'none.csv'], 'there is no file'),
    'damage': (['damaged', '--dataset', 'points.npz'], 'points has shape'),
}


@pytest.mark.parametrize('case', BAD)
def test_bad_input(case, tmp_path, capsys):
    options, message = BAD[case]
    Path('several/clusters-3').mkdir(parents=True, exist_ok=True)
    Path('several/clusters-3/model.npz').touch()
    numpy.savez('wide.npz', x=numpy.eye(4))
    frame(X).rename(columns={'a': 'z'}).to_csv('other.csv', index=False)
    for name in 'half', 'damaged':
        shutil.copytree('table', name, dirs_exist_ok=True)
    os.remove('half/reference.npz')
    save_npz('damaged/reference.npz', {
        **load_npz('damaged/reference.npz'), 'points': numpy.eye(2)})
    if '--dataset' not in options:
        options = [*options, '--dataset', 'points.npz']
    out = tmp_path / 'out.csv'
    out.write_text('mine')
    code = main(predict.run, lambda: predict.get_options(
        [*options, '--out', str(out)]))
    said = capsys.readouterr().err
    assert code == 2 and said.count('\n') == 1 and message in said, said
    assert out.read_text() == 'mine'


class Nothing:
    """A model that sees points as they are."""
    center_, deviation_ = numpy.zeros(1), numpy.ones(1)


@pytest.mark.parametrize('n,rate', [(2, 1 / 2), (100, 1 / 51), (2400, .01)])
def test_rate_of_false_flags(n, rate):
    # Points of a distribution that no ball describes.
    def draw(n):
        x = rng.standard_cauchy((n, 2))
        return numpy.stack([x[:, 0], x[:, 0] ** 2 + .1 * x[:, 1]], axis=1)
    flagged, rng = [], numpy.random.default_rng(0)
    for seed in range(20):
        reference = get_reference(Nothing, draw(n), seed)
        flagged.append(is_unlike(Nothing, draw(200), reference).mean())
    assert reference['rate'] == pytest.approx(rate, abs=1e-4)
    error = numpy.std(flagged) / len(flagged) ** .5
    # It is an upper bound, and hardly less where distances have no ties.
    assert abs(numpy.mean(flagged) - rate) < 3 * error


def test_distances_by_counting():
    x = numpy.random.default_rng(0).normal(size=(50, 3)).astype('f')
    reference = get_reference(Nothing, x, 0)
    points = reference['points']
    assert len(points) == 25
    others = [a for a in x.tolist() if a not in points.tolist()]
    nearest = sorted(min(sum((u - v) ** 2 for u, v in zip(a, b)) ** .5
                         for b in points.tolist()) for a in others)
    # Of 25 the largest: no rank has a rate of 1 %.
    assert reference['distance'] == pytest.approx(nearest[-1])
    assert reference['rate'] == 1 - 25 / 26


def test_onnx_of_a_run(tmp_path, monkeypatch):
    runtime = pytest.importorskip('onnxruntime')
    args = clustering.get_options([
        '--dataset', 'points.npz', '--clusters', '2', *QUICK, '--onnx',
        '--out', str(tmp_path)])
    monkeypatch.setattr('matplotlib.figure.Figure.savefig',
                        lambda self, f, **kwargs: f.write(b'quick'))
    clustering.run(args)
    session = runtime.InferenceSession(tmp_path / 'model.onnx')
    p, = session.run(['probability'], {'x': X})
    saved = load_npz(tmp_path / 'assignments.npz')['probability']
    numpy.testing.assert_allclose(p, saved, atol=1e-5)
    said = session.get_modelmeta().custom_metadata_map
    assert said['source'].startswith('points, by python experiments/clust')


@pytest.mark.parametrize('method,package,message', [
    ('kmeans', True, 'kmeans has no network'),
    ('imsat-vat', False, "pip install 'imsat[onnx]'")])
def test_no_onnx(tmp_path, capsys, monkeypatch, method, package, message):
    from imsat.estimators import onnx
    monkeypatch.setattr(onnx, 'helper', package or None)
    out = tmp_path / 'out'
    code = main(clustering.run, lambda: clustering.get_options([
        '--method', method, '--onnx', '--out', str(out)]))
    said = capsys.readouterr().err
    assert code == 2 and said.count('\n') == 1 and message in said
    assert not out.exists()


@pytest.mark.parametrize('option', [['--top', '2'], ['--all']])
def test_no_best_clusters_without_probabilities(folder, option):
    with pytest.raises(imsat.InputError, match='kmeans has no probabilities '
                       f'of clusters; leave {option[0]} out'):
        predict.run(predict.get_options(
            [str(folder / 'kmeans'), '--dataset', str(folder / 'points.npz'),
             *option]))


def test_what_is_read_is_not_written_over(folder, tmp_path):
    new = tmp_path / 'new.csv'
    frame(X).to_csv(new, index=False)
    snapshot = next((folder / 'table').glob('snapshot-*.npz'))
    for out in (new, folder / 'table' / 'assignments.csv',
                folder / 'table' / 'log', snapshot):
        before = out.read_bytes()
        with pytest.raises(imsat.InputError, match='would be lost'):
            predict.run(predict.get_options(
                [str(folder / 'table'), '--dataset', str(new), '--out',
                 str(out)]))
        assert out.read_bytes() == before
    for _ in range(2):  # an earlier answer is no input
        predict.run(predict.get_options(
            ['table', '--dataset', str(new), '--out', 'table/new.csv']))


def test_features_of_another_network(folder, tmp_path):
    numpy.savez(tmp_path / 'old.npz', x=X, made_by='onnx-1')
    clustering.run(clustering.get_options(
        ['--dataset', str(tmp_path / 'old.npz'), '--clusters', '2', *QUICK,
         '--out', str(tmp_path / 'run')]))
    out = str(tmp_path / 'new.csv')
    for kind in 'onnx-1', None, 'onnx-2':
        numpy.savez(tmp_path / 'new.npz', x=X,
                    **({} if kind is None else {'made_by': kind}))
        options = predict.get_options(
            [str(tmp_path / 'run'), '--dataset', str(tmp_path / 'new.npz'),
             '--out', out])
        if kind != 'onnx-2':
            predict.run(options)
            continue
        with pytest.raises(imsat.InputError, match='made otherwise than '
                           r'those .* \(onnx-2 and not onnx-1'):
            predict.run(options)
