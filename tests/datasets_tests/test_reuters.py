import gzip
import hashlib
import inspect
import pickle
import shutil

import numpy
import pytest
import scipy.sparse
from sklearn.datasets import _rcv1

from imsat import InputError
from imsat.datasets import load_dataset, reuters

RNG = numpy.random.default_rng(0)
N, D = 60, 30
# Column j occurs in fewer documents the larger j is, but for 29: often.
DENSE = RNG.random((N, D)) * (RNG.random((N, D)) < numpy.linspace(.9, .1, D))
DENSE[:, 29] = .5
DENSE[7] = 0
Y = RNG.integers(0, 4, N)


def write(folder, **changes):
    matrix = scipy.sparse.csr_matrix(DENSE.astype('f'))
    (folder / 'rcv1').mkdir(exist_ok=True)
    arrays = {'data': matrix.data, 'indices': matrix.indices,
              'indptr': matrix.indptr, 'shape': numpy.array(matrix.shape),
              'y': Y, **changes}
    numpy.savez(folder / 'rcv1' / 'rcv1_singleroot.npz',
                **{k: v for k, v in arrays.items() if v is not None})


def check(data):
    counts = (DENSE.astype('f') > 0).sum(axis=0)
    words = sorted(sorted(range(D), key=lambda j: (-counts[j], j))[:5])
    assert 29 in words
    expected = DENSE[:, words]
    lengths = numpy.sqrt((expected ** 2).sum(axis=1))
    assert data.x.shape == (20, 5) and data.x.dtype == numpy.float32
    rows = []
    for x, y in zip(data.x, data.y):
        # Each document is one of the originals, with its label.
        matches = [i for i in range(N) if lengths[i] and numpy.allclose(
            x, expected[i] / lengths[i], atol=1e-6)]
        assert len(matches) == 1 and Y[matches[0]] == y
        rows += matches
    assert rows == sorted(set(rows))
    return rows


def test_file(tmp_path):
    write(tmp_path)
    data = load_dataset('reuters', tmp_path, points=20, words=5, norm='l2')
    rows = check(data)
    assert 'another sample' in data.notes[-1]
    assert 'each document scaled' in data.notes[1]
    other = load_dataset('reuters', tmp_path, points=20, words=5, norm='l2',
                         seed=1)
    assert check(other) != rows and 'seed 1' in other.notes[0]


def test_unscaled(tmp_path):
    write(tmp_path)
    data = load_dataset('reuters', tmp_path, points=59, words=D)
    numpy.testing.assert_array_equal(
        data.x, numpy.delete(DENSE, 7, axis=0).astype('f'))
    assert 'not scaled' in data.notes[1]


@pytest.fixture
def published(site, monkeypatch):
    """Serves small files in the format of LYRL2004."""
    roots = [{'CCAT', 'C11'}, {'GCAT'}, {'ECAT', 'MCAT'}, {'M1'}, {'MCAT'},
             {'ECAT', 'C11'}] * 12
    roots = [roots[i] for i in numpy.random.RandomState(0).permutation(72)]
    documents = 2286 + 3 * numpy.arange(72)
    known = [*reuters.VECTORS, *reuters.QRELS]
    shares = [range(12 * i, 12 * i + 12) for i in (1, 2, 3, 5, 4)]
    contents = [''.join(
        f'{documents[i]}  ' + ' '.join(
            f'{j + 1}:{DENSE[i % N, j]:.16g}' for j in range(D)
            if DENSE[i % N, j]) + '\n'
        for i in share) for share in shares]
    # Topics of documents in their order, which is another; the first twelve
    # of them have no vectors here.
    contents.append(''.join(f'{topic} {documents[i]} 1\n'
                            for i in range(12, 72)
                            for topic in sorted(roots[i])))
    for table, names in ((reuters.VECTORS, known[:-1]),
                         (reuters.QRELS, known[-1:])):
        for name in names:
            content = gzip.compress(contents[known.index(name)].encode())
            (site[0] / name).write_bytes(content)
            monkeypatch.setitem(table, name, (
                name, hashlib.sha256(content).hexdigest()))
    monkeypatch.setattr(reuters, 'SITE', site[1])
    monkeypatch.setattr(reuters, 'FEATURES', D)
    return site[0]


def fetch_by_sklearn(folder, home, monkeypatch):
    """What fetch_rcv1 makes of the same files."""
    def fetch(remote, dirname, **kwargs):
        return shutil.copy(folder / remote.filename, dirname)
    monkeypatch.setattr(_rcv1, '_fetch_remote', fetch)
    code = inspect.getsource(inspect.unwrap(_rcv1.fetch_rcv1))
    code = code.replace('804414', '60').replace('47236', str(D)).replace(
        'N_CATEGORIES = 103', 'N_CATEGORIES = 6')
    code = code[code.index('def fetch_rcv1'):]
    scope = dict(vars(_rcv1))
    exec(code, scope)
    return scope['fetch_rcv1'](data_home=home)


def test_fetched(tmp_path, published, monkeypatch):
    """As scikit-learn reads the same files."""
    data = load_dataset('reuters', tmp_path, points=20, words=5, norm='l2')
    rcv1 = fetch_by_sklearn(published, tmp_path / 'home', monkeypatch)
    names = rcv1.target_names.tolist()
    roots = rcv1.target[:, [names.index(topic) for topic in
                            ('CCAT', 'GCAT', 'MCAT', 'ECAT')]].toarray()
    single = roots.sum(axis=1) == 1
    write(tmp_path, **vars_of(rcv1.data[single]),
          y=roots[single].argmax(axis=1))
    expected = load_dataset('reuters', tmp_path, points=20, words=5,
                            norm='l2')
    numpy.testing.assert_array_equal(data.x, expected.x)
    numpy.testing.assert_array_equal(data.y, expected.y)
    assert len(set(data.y)) == 4 and 20 < single.sum() < 60
    assert f'of the {single.sum()} with' in data.notes[0]
    assert 'another sample' not in ' '.join(data.notes)


def vars_of(matrix):
    return {'data': matrix.data, 'indices': matrix.indices,
            'indptr': matrix.indptr, 'shape': numpy.array(matrix.shape)}


def test_another_file_than_published(tmp_path, published):
    path = published / next(iter(reuters.VECTORS))
    path.write_bytes(path.read_bytes() + b' ')
    with pytest.raises(InputError, match='train.dat.gz is not the published'):
        load_dataset('reuters', tmp_path)


def test_nothing_is_unpickled(planted, published):
    home, evil = planted
    for name in 'samples', 'sample_id', 'sample_topics', 'topics_names':
        (home / 'RCV1' / f'{name}_py3.pkl').write_bytes(pickle.dumps(evil))
    with pytest.raises(InputError, match='rcv1_singleroot.npz'):
        load_dataset('reuters', fetch=False)
    load_dataset('reuters', points=20, words=5)
    assert not evil.path.exists()


def test_out_of_reach(tmp_path, monkeypatch):
    monkeypatch.setattr(reuters, 'SITE', 'http://127.0.0.1:1')
    with pytest.raises(InputError, match='rcv1_singleroot.npz'):
        load_dataset('reuters', tmp_path)


@pytest.mark.parametrize('changes', [
    dict(y=Y[:-1]), dict(y=Y + 1), dict(y=None), dict(data=None),
    dict(indices=numpy.full(3, 2)), dict(shape=numpy.array([N, 20])),
    dict(shape=numpy.array([N])), dict(indptr=numpy.arange(N + 1) * 1000)])
def test_bad_file(tmp_path, changes):
    write(tmp_path, **changes)
    with pytest.raises(InputError, match='rcv1_singleroot.npz holds no CSR'):
        load_dataset('reuters', tmp_path, points=20, words=5, norm='l2')


def test_damaged_file(tmp_path):
    write(tmp_path)
    path = tmp_path / 'rcv1' / 'rcv1_singleroot.npz'
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match='damaged'):
        load_dataset('reuters', tmp_path, points=20, words=5, norm='l2')


def test_too_few(tmp_path):
    write(tmp_path)
    with pytest.raises(InputError, match='59 documents'):
        load_dataset('reuters', tmp_path)


def test_sample_that_is_there(data_folder):
    data = load_dataset('reuters', data_folder('rcv1'))
    assert data.x.shape == (10000, 2000)
    assert len(numpy.unique(data.y)) == 4
    lengths = (data.x ** 2).sum(axis=1)
    assert 0 < lengths.min() and lengths.max() < 1 + 1e-5
