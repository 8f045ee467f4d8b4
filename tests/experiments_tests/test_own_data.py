"""Data of one's own in the scripts, called in this process."""
import argparse
import base64
import io
import re
from pathlib import Path

import clustering
import datasets
import hashing
import numpy
import pytest
import scipy.sparse
from common.options import get_parser, parse
from common.scripts import main
from PIL import Image
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler

from imsat import (
    IMSATClustering, IMSATHasher, InputError, clustering_accuracy)
from imsat.datasets import Preparation, load_dataset
from imsat.storage import load_json, load_npz

RNG = numpy.random.RandomState(0)
X = numpy.concatenate([RNG.normal(c, 1, (40, 2)) for c in (0, 6)]).round(3)
QUICK = ['--epochs', '1', '--hidden', '5', '--batch-size', '40', '--quiet']


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, undrawn):
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


@pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')
def test_features_are_shown_as_the_images_that_they_are_of():
    red, blue = (200, 0, 0), (0, 0, 200)
    thumbnails = numpy.empty((80, 2, 3, 3), 'u1')
    thumbnails[:40], thumbnails[40:] = red, blue
    names = [f'photos/{i}.jpg' for i in range(80)]
    numpy.savez('f.npz', x=X, y=numpy.repeat([0, 1], 40), index=names,
                thumbnails=thumbnails)
    clustering.run(clustering.get_options(
        ['--dataset', 'f.npz', '--out', 'c', *QUICK]))
    assert Path('c/cluster_samples.png').exists()
    assert Path('c/assignments.csv').read_text().splitlines()[1].startswith(
        '0,photos/0.jpg,')
    report = Path('c/report.html').read_text()
    images = re.findall('<img src="data:image/png;base64,([^"]*)" alt="photos'
                        '/[0-9]*.jpg, [^"]*" class="images"', report)
    # Of each cluster, and of the points that are least certain.
    assert len(images) == 3
    colours = set()
    for png in images:
        with Image.open(io.BytesIO(base64.b64decode(png))) as image:
            colours.update(colour for _, colour in image.getcolors())
    assert colours == {(255, 0, 0), (0, 0, 255), (255, 255, 255)}, \
        'of 0 to 200'

    hashing.run(hashing.get_options(
        ['--dataset', 'f.npz', '--bits', '4', '--out', 'h', *QUICK]))
    assert Path('h/nearest.png').exists()
    numpy.savez('g.npz', x=X[::-1], y=numpy.repeat([1, 0], 40),
                index=names[::-1], thumbnails=thumbnails[::-1])
    data, query, _ = read('f.npz', 'g.npz')
    assert data.thumbnails[query[-1]].tolist() == 2 * [3 * [list(blue)]]
    assert data.index == names + names[::-1]
    numpy.savez('g.npz', x=X + 1, y=numpy.repeat([0, 1], 40),
                thumbnails=thumbnails[:, :1])
    data, _, _ = read('f.npz', 'g.npz')
    assert data.images is None and data.index is None


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


@pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')
@pytest.mark.parametrize('name', ['a.csv', 'a.npz'])
def test_one_class_says_nothing(name):
    """Every answer would be right by it, and clusters are not counted so."""
    if name == 'a.csv':
        write(name, [f'{a},{b},cat' for a, b in X], 'a,b,y')
    else:
        numpy.savez(name, x=X, y=numpy.full(80, 3))
    with pytest.raises(InputError, match="all labels of .* are ('cat'|3), "
                                         '.* --clusters K'):
        clustering.run(clustering.get_options(['--dataset', name, *QUICK]))
    with pytest.warns(UserWarning, match=f'all labels of {name} are'):
        clustering.run(clustering.get_options(
            ['--dataset', name, '--clusters', '2', '--out', 'c', *QUICK]))
    with pytest.warns(UserWarning, match=f'all labels of {name} are'):
        hashing.run(hashing.get_options(
            ['--dataset', name, '--bits', '2', '--out', 'h', *QUICK]))
    result = load_json('c/result.json')
    assert [result[key] for key in ('accuracy', 'nmi', 'ari', 'purity',
                                    'kmeans')] == [None] * 5
    assert load_json('h/result.json')['map_trapezoid'] is None
    # Queries of one class among several are scored.
    numpy.savez('g.npz', x=X, y=['cat' if i % 3 else 'dog'
                                 for i in range(80)])
    numpy.savez('q.npz', x=X[:4], y=['cat'] * 4)
    assert set(read('q.npz', 'g.npz')[0].y) == {'cat', 'dog'}
    numpy.savez('r.npz', x=X[4:8], y=['cat'] * 4)
    with pytest.warns(UserWarning, match='all labels of q.npz and r.npz are'):
        assert read('q.npz', 'r.npz')[0].y is None


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
    numpy.savez('g.npz', x=2 * x, y=numpy.array([2 ** 53 + 1, 2 ** 53], 'u8'))
    data, query, gallery = read('q.npz', 'g.npz')
    same = data.y[query][:, None] == data.y[gallery]
    assert same.tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize('q_labels,g_labels', [
    (['sun', 'fog'], ['sun', 'sunset', 'fog', 'foggy']),
    (numpy.array([0, 1], 'u1'), numpy.array([0, 256, 1, 257], 'u2')),
    (['1', 'x'], [1, 2, 3, 1]), ([b'a', b'b'], [b'a', b'ab', b'b', b'a'])])
def test_labels_of_the_gallery_are_whole(q_labels, g_labels):
    numpy.savez('q.npz', x=numpy.eye(2), y=q_labels)
    numpy.savez('g.npz', x=numpy.eye(4)[:, :2], y=g_labels)
    data, query, gallery = read('q.npz', 'g.npz')
    same = [[a == b for b in numpy.array(g_labels).tolist()]
            for a in numpy.array(q_labels).tolist()]
    of_query, of_gallery = data.y[query], data.y[gallery]
    assert [[a == b for b in of_gallery.tolist()]
            for a in of_query.tolist()] == same


def test_what_is_known_of_the_gallery_is_kept():
    write_texts('q.txt', 9)
    write_texts('g.txt', 80)
    data, _, _ = read('q.txt', 'g.txt')
    texts = [Path(name).read_text().splitlines()
             for name in ('q.txt', 'g.txt')]
    assert data.documents == texts[0] + texts[1]
    images = numpy.arange(64, dtype='u1').reshape(4, 4, 4)
    numpy.savez('q.npz', x=images[:2])
    numpy.savez('g.npz', x=images)
    data, _, _ = read('q.npz', 'g.npz')
    assert data.notes == load_dataset('g.npz').notes != []


@pytest.mark.parametrize('task', ['clustering', 'hashing'])
def test_old_configs_know_no_columns(task):
    args = parse(get_parser(task, ''), [], {})
    assert (args.label, args.index, args.columns) == (None, None, None)


# --- What is no table --------------------------------------------------------
WORDS = ['apple pear plum', 'dog cat mouse', 'fig plum apple', 'cat dog rat']


def write_texts(name, n=80):
    lines = [' '.join(sorted(WORDS[i % 4].split(), key=lambda word: (
        len(word) * i) % 5)) + f' w{i % 7} w{i % 11}' for i in range(n)]
    with open(name, 'w') as f:
        print(*lines, sep='\n', file=f)


def write_images(folder, n=80):
    rng = numpy.random.default_rng(0)
    for i in range(n):
        path = Path(folder, 'dark' if i % 2 else 'light', f'{i:02}.png')
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 60, (6, 5, 3)) + 190 * (i % 2 == 0)
        Image.fromarray(pixels.astype('u1')).save(path)


def write_sparse(name):
    rng = numpy.random.default_rng(0)
    scipy.sparse.save_npz(name, scipy.sparse.csr_matrix(
        rng.random((80, 9)) * (rng.random((80, 9)) < .6)))


KINDS = {
    'texts.txt': (write_texts, []), 'images': (write_images, []),
    'a.npz': (write_sparse, ['--scale', 'standard'])}


@pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')
@pytest.mark.parametrize('name', KINDS)
@pytest.mark.parametrize('script', [clustering, hashing])
def test_from_a_file_to_new_points(name, script):
    """A run, and what its folder says to read others alike."""
    make, options = KINDS[name]
    make(name)
    size = ['--clusters', '2'] if script is clustering else ['--bits', '4']
    script.run(script.get_options(
        ['--dataset', name, '--out', 'out', *QUICK, *size, *options,
         '--restarts', '1']))
    result = load_json('out/result.json')
    assert result['n'] == 80 and result['notes'] is not None
    how = Preparation.load('out/preprocessing.npz')
    data = load_dataset(name, like=how, verbose=False)
    cls = IMSATClustering if script is clustering else IMSATHasher
    found = cls.load('out/model.npz').predict_proba(data.x)
    assert found.shape == (80, 2 if script is clustering else 4)
    if script is clustering:
        numpy.testing.assert_allclose(
            found, load_npz('out/assignments.npz')['probability'], 0, 1e-6)
    pictures = {path.name for path in Path('out').glob('*.png')}
    assert ('cluster_samples.png' in pictures) == (
        name == 'images' and script is clustering)
    assert ('nearest.png' in pictures) == (
        name == 'images' and script is hashing)
    assert how.image_shape == ((6, 5, 3) if name == 'images' else None)


@pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')
def test_queries_have_the_words_of_the_gallery():
    write_texts('g.txt')
    write_texts('q.txt', 9)
    data, query, gallery = read('q.txt', 'g.txt')
    whole = load_dataset('g.txt')
    assert len(query) == 9 and len(gallery) == 80
    numpy.testing.assert_array_equal(data.x[gallery].toarray(),
                                     whole.x.toarray())
    numpy.testing.assert_array_equal(data.x[query].toarray(),
                                     whole.x[:9].toarray())


def test_kmeans_is_given_the_same_scale():
    x = X * [1, 1e5]
    numpy.savez('a.npz', x=x, y=numpy.repeat([0, 1], 40))
    clustering.run(clustering.get_options(
        ['--dataset', 'a.npz', '--out', 'out', '--scale', 'standard',
         *QUICK]))
    config, result = (load_json(f'out/{name}.json')
                      for name in ('config', 'result'))
    assert config['options']['scale'] == 'standard'
    by_hand = KMeans(2, n_init=12, random_state=0).fit_predict(
        StandardScaler().fit_transform(x))
    assert result['kmeans']['accuracy'] == clustering_accuracy(
        numpy.repeat([0, 1], 40), by_hand)


def test_files_that_can_not_be_read_get_a_sentence(capsys):
    Path('empty').mkdir()
    Path('bad.txt').write_bytes(b'\xff\xfe')
    numpy.save('a.npy', X)
    for options in (
            ['--dataset', 'empty'], ['--dataset', 'bad.txt'],
            ['--dataset', 'a.npy', '--labels', 'none.npy'],
            ['--dataset', 'a.npy', '--text', 'b'],
            ['--dataset', 'a.npy', '--image-size', '3x'],
            ['--dataset', 'digits', '--image-size', '8x8']):
        for script in clustering, hashing:
            size = '--clusters' if script is clustering else '--bits'
            code = main(script.run, lambda: script.get_options(
                [*options, size, '2', *QUICK]))
            said = capsys.readouterr().err
            assert code == 2 and said.count('\n') == 1
            assert not Path('results').exists()
