"""The script as a user runs it: what it writes, and what it says of errors.
"""
import functools
import json
import types
import warnings

import numpy
import pytest
import scipy.sparse
import scripts
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import average_precision_score

import clustering
import hashing
import score_codes
from imsat import IMSATHasher, InputError
from imsat.storage import load_json, load_npz
from imsat.retrieval.codes import unpack_bits

QUICK = ['--hidden', '40-40', '--epochs', '2', '--threads', '1']
RNG = numpy.random.RandomState(0)
X = numpy.concatenate([RNG.normal(c, 1, (150, 3)) for c in (0, 6)])
Y = numpy.repeat([0, 1], 150)

run = functools.partial(scripts.run, 'hashing')


@pytest.fixture(scope='module')
def digits(tmp_path_factory):
    out = tmp_path_factory.mktemp('digits')
    process = run(*QUICK, '--bits', 12, '--queries-per-class', 20,
                  '--map-at', 50, '--out', out, draw=True)
    assert process.returncode == 0, process.stderr
    return out, process


def test_result(digits):
    out, _ = digits
    result = json.loads((out / 'result.json').read_text())
    for key in ('map_trapezoid', 'map_step', 'map_expected',
                'precision_at_500', 'precision_at_500_expected',
                'precision_at_r2', 'empty_balls', 'bits', 'hidden', 'seconds',
                'seconds_evaluation', 'distinct_codes', 'conditional_entropy',
                'marginal_entropy', 'pairwise_information', 'seed'):
        assert result[key] is not None, key
    data = load_digits()
    codes = load_npz(out / 'codes.npz')
    query, gallery = codes['query_index'], codes['gallery_index']
    assert sorted([*query, *gallery]) == list(range(1797))
    assert numpy.bincount(data.target[query]).tolist() == [20] * 10
    model = IMSATHasher.load(out / 'model.npz')
    for name, index in (('query', query), ('gallery', gallery)):
        numpy.testing.assert_array_equal(
            model.transform(data.data[index] / 8 - 1), codes[f'{name}_codes'])
    # scikit-learn's rule today, query by query.
    bits = [unpack_bits(codes[f'{name}_codes'], 12).astype(int)
            for name in ('query', 'gallery')]
    distance = (bits[0][:, None] != bits[1]).sum(axis=2)
    right = data.target[query][:, None] == data.target[gallery]
    expected = numpy.mean([average_precision_score(r, -d)
                           for r, d in zip(right, distance)])
    numpy.testing.assert_allclose(result['map_step'], expected, 1e-12)
    assert result['distinct_codes'] == len(numpy.unique(bits[1], axis=0))
    # No ranking finds more than a class has.
    sizes = numpy.bincount(data.target[gallery])
    numpy.testing.assert_allclose(
        result['precision_at_500_possible'], sizes.mean() / 500, 1e-12)


def test_its_codes_can_be_scored(digits, tmp_path):
    out, _ = digits
    args = score_codes.get_options([
        str(out / 'codes.npz'), '--bits', '12', '--map-at', '50', '--out',
        str(tmp_path / 'scores.json')])
    score_codes.run(args)
    scores = load_json(tmp_path / 'scores.json')
    result = load_json(out / 'result.json')
    for key in 'map_trapezoid', 'map_step', 'precision_at_r2', 'map_at_50':
        assert scores[key] == result[key]


def test_summary(digits):
    _, process = digits
    for text in ('mAP', 'trapezoid', 'precision at 500', 'possible', 'r = 2',
                 'empty balls', 'distinct codes', 'nearest.png'):
        assert text in process.stdout


def test_pictures(digits):
    out, _ = digits
    for name in ('learning_curves', 'bits', 'retrieval', 'nearest'):
        with Image.open(out / f'{name}.png') as image:
            assert image.width > 300 and image.height > 200
            assert len(image.convert('L').getcolors()) > 20


def test_help():
    text = ' '.join(run('--help').stdout.split())
    for option in ('dataset data-dir out seed device bits hidden '
                   'queries-per-class train-on query gallery epochs '
                   'batch-size restarts lam alpha neighbor xi '
                   'power-iterations resume quiet').split():
        assert f'--{option}' in text
    for symbol in ('lambda', 'sigma_t(x)', 'Eq. 14', 'Eq. 17'):
        assert symbol in text


def write(folder, **files):
    for name, arrays in files.items():
        numpy.savez(folder / f'{name}.npz', **arrays)


def test_own_query_and_gallery(tmp_path):
    write(tmp_path, q=dict(x=X[::30], y=Y[::30]), g=dict(x=X, y=Y))
    process = run('--query', 'q.npz', '--gallery', 'g.npz', '--bits', 4,
                  '--train-on', 'gallery', *QUICK, '--out', 'out',
                  cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert 'warning: 10 of 10 queries are equal to points of g.npz' \
        in process.stderr
    codes = load_npz(tmp_path / 'out' / 'codes.npz')
    # Each file is numbered by itself, and equal points have equal codes.
    assert codes['query_index'].tolist() == list(range(10))
    assert codes['gallery_index'].tolist() == list(range(300))
    numpy.testing.assert_array_equal(codes['query_codes'],
                                     codes['gallery_codes'][::30])
    # What was learnt from the gallery alone does not depend on the queries.
    model = IMSATHasher(4, hidden=(40, 40), epochs=2, random_state=0).fit(X)
    numpy.testing.assert_array_equal(model.codes_, codes['gallery_codes'])


ONE_FILE = 'queries are drawn from one file, by its labels'


@pytest.mark.parametrize('labels,has_file,options,said', [
    (Y, True, ['--queries-per-class', '1'],
     [f'--queries-per-class: {ONE_FILE}']),
    (None, False, ['--queries-per-class', '1', '--train-on', 'gallery',
                   '--map-at', '5'],
     [f'--queries-per-class: {ONE_FILE}',
      '--train-on: without labels there are no queries to leave out',
      '--map-at: mAP needs labels']),
    (None, True, ['--train-on', 'gallery'], []),
    (Y, False, ['--queries-per-class', '1', '--train-on', 'gallery',
                '--map-at', '5'], [])])
def test_options_that_change_nothing(labels, has_file, options, said):
    data = types.SimpleNamespace(y=labels)
    args = hashing.get_options([*options, *(
        ['--query', 'q.npz', '--gallery', 'g.npz'] if has_file else [])])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        hashing.warn_of_unused(args, data)
    assert [str(w.message) for w in caught] == [
        f'no use is made of {text}' for text in said]


def test_without_labels_there_are_codes(tmp_path):
    write(tmp_path, points=dict(x=X))
    process = run('--dataset', 'points.npz', *QUICK, '--out', 'out',
                  cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert 'no labels, so no scores' in process.stdout
    result = json.loads((tmp_path / 'out' / 'result.json').read_text())
    assert result['map_step'] is None and result['queries'] == 0
    codes = load_npz(tmp_path / 'out' / 'codes.npz')
    assert codes['gallery_codes'].shape == (300, 2)


BAD = {
    'bits': (dict(x=X, y=Y), ['--bits', 300], 'from 1 to 256'),
    'no queries': (dict(x=X, y=Y), ['--queries-per-class', 0], 'at least 1'),
    'single point': (dict(x=X, y=[*Y[1:], 7]), [],
                     'class 7 has a single point'),
    'query alone': (dict(x=X, y=Y), ['--query', 'q.npz'], 'give both'),
    'width': (dict(x=X, y=Y), ['--query', 'wide.npz', '--gallery',
                               'points.npz'], '4 features'),
    'labels of one': (dict(x=X), ['--query', 'q.npz', '--gallery',
                                  'points.npz'], 'only one of'),
    'class': (dict(x=X, y=Y + 1), ['--query', 'q.npz', '--gallery',
                                   'points.npz'], 'label 0 of a query'),
    'gallery again': (dict(x=X, y=Y), [
        '--query', 'points.npz', '--gallery', 'points.npz'],
        'hold the same points'),
    'gallery copied': (dict(x=X[::30], y=Y[::30]), [
        '--query', 'q.npz', '--gallery', 'points.npz'],
        'hold the same points'),
    'data beside': (dict(x=X, y=Y), [
        '--query', 'q.npz', '--gallery', 'points.npz', '--dataset',
        'points.npz'], 'leave --dataset out'),
    'labels of two': (dict(x=X, y=Y), [
        '--query', 'q.npz', '--gallery', 'points.npz', '--labels', 'y.txt'],
        'put the labels into these files'),
    'batch': (dict(x=X, y=Y), ['--batch-size', 301], 'choose at most 300'),
}


@pytest.mark.parametrize('case', BAD)
def test_bad_input(tmp_path, case):
    points, options, message = BAD[case]
    write(tmp_path, points=points, q=dict(x=X[::30], y=Y[::30]),
          wide=dict(x=numpy.eye(4), y=[0, 1, 0, 1]))
    data = [] if '--gallery' in options else ['--dataset', 'points.npz']
    process = run(*data, *QUICK, *options, '--quiet', cwd=tmp_path)
    assert process.returncode == 2
    assert process.stderr.startswith('hashing.py: ')
    assert process.stderr.count('\n') == 1, 'one sentence'
    assert message in process.stderr
    assert not (tmp_path / 'results').exists()


@pytest.mark.parametrize('make', [numpy.asarray, scipy.sparse.csr_array])
def test_queries_of_the_gallery_are_counted(make):
    queries = [[1, 0], [0, 0], [1, 0], [2, 1], [0, 3]]
    gallery = [[-0., 3], [1, 0], [1, 0], [3, 3]]
    x = numpy.array(queries + gallery, 'f')
    expected = sum(query in gallery for query in queries)
    assert hashing.count_found(make(x), numpy.arange(5)) == expected == 3
    # Among the others, in whatever order.
    order = numpy.random.RandomState(0).permutation(len(x))
    place = numpy.argsort(order)[:5]
    assert hashing.count_found(make(x[order]), place) == 3
    assert hashing.count_found(make(x), numpy.arange(0)) == 0


@pytest.mark.parametrize('kinds', [
    ('i8', 'u1'), ('?', 'i8'), ('f8', 'i8'), ('i8', 'u8'), ('U1', 'U3')])
def test_labels_of_two_kinds_are_one(kinds):
    parts = [numpy.array([0, 1, 1]).astype(kind) for kind in kinds]
    y = hashing.joined_labels(*parts)
    assert not y.dtype.hasobject
    assert y.tolist() == [*parts[0].tolist(), *parts[1].tolist()]


@pytest.mark.parametrize('parts', [
    (numpy.array([1]), numpy.array(['1'])),
    (numpy.array([2 ** 53 + 1]), numpy.array([.5])),
    (numpy.array([2 ** 63 - 1]), numpy.array([2 ** 63], 'u8'))])
def test_labels_that_would_meet_as_others(parts):
    y = hashing.joined_labels(*parts)
    assert y.tolist() == [*parts[0].tolist(), *parts[1].tolist()]
    assert [type(label) for label in y.tolist()] == [
        type(label) for part in parts for label in part.tolist()]


def test_outputs_of_several_values(tmp_path):
    out = tmp_path / 'values'
    done = run('--bits', 3, '--values', 5, '--epochs', 2, '--hidden', '20',
               '--out', out)
    assert done.returncode == 0, done.stderr
    assert '3 outputs of 5 values' in done.stdout
    result = json.loads((out / 'result.json').read_text())
    codes = load_npz(out / 'codes.npz')
    assert codes['gallery_codes'].shape[1] == 3
    assert codes['gallery_codes'].max() < 5
    assert result['values'] == 5
    # The first query's nearest, by counting.
    assert result['distinct_codes'] == len(
        {tuple(code) for code in codes['gallery_codes'].tolist()})
    assert 0 < result['map_expected'] < 1


@pytest.mark.parametrize('options,message', [
    (['--values', 1], '--values is 1'),
    (['--values', 3, '--method', 'pca-itq'], 'pca-itq makes bits alone')])
def test_values_that_can_not_be(tmp_path, options, message):
    done = run(*options, '--out', tmp_path)
    assert done.returncode == 2 and message in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures('undrawn')
@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('apart', [False, pytest.param(
    True, marks=pytest.mark.slow)])
def test_points_with_several_labels(tmp_path, monkeypatch, apart):
    monkeypatch.chdir(tmp_path)
    y = RNG.randint(2, size=(300, 3))
    y[:3], y[3:33, 0] = 0, 1  # the first without any
    points = dict(x=X[:, [0, 1, 2, 0]], y=y, image_shape=[2, 2])
    options = [*QUICK, '--bits', '4', '--queries-per-class', '10', '--quiet',
               '--out', 'out', '--dataset', 'points.npz']
    files = dict(points=points)
    if apart:
        options[-2:] = ['--query', 'q.npz', '--gallery', 'points.npz']
        files['q'] = {**points, 'x': points['x'][3:33], 'y': y[3:33]}
        files['narrow'] = {**files['q'], 'y': y[3:33, :2]}
    write(tmp_path, **files)
    hashing.run(hashing.get_options(options))
    result = json.loads((tmp_path / 'out' / 'result.json').read_text())
    codes = load_npz(tmp_path / 'out' / 'codes.npz')
    query, gallery = codes['query_index'], codes['gallery_index']
    assert len(query) == 30
    own = y[3:33] if apart else y[query]
    assert own.any(axis=1).all()
    relevant = own @ y[gallery].T > 0
    bits = [unpack_bits(codes[f'{name}_codes'], 4).astype(int)
            for name in ('query', 'gallery')]
    distance = (bits[0][:, None] != bits[1]).sum(axis=2)
    expected = numpy.mean([average_precision_score(r, -d)
                           for r, d in zip(relevant, distance)])
    numpy.testing.assert_allclose(result['map_step'], expected, 1e-12)
    numpy.testing.assert_allclose(
        result['precision_at_500_possible'],
        relevant.sum(axis=1).mean() / 500, 1e-6)
    assert (tmp_path / 'out' / 'nearest.png').is_file()
    if apart:
        options[options.index('q.npz')] = 'narrow.npz'
        with pytest.raises(InputError, match='give both the same columns'):
            hashing.run(hashing.get_options(options))
    else:
        with pytest.raises(InputError, match='take hashing.py'):
            clustering.run(clustering.get_options(['--dataset', 'points.npz']))
