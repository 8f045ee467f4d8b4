from urllib.error import URLError

import numpy
import pytest
import scipy.sparse
import sklearn.datasets

from imsat import InputError
from imsat.datasets import load_dataset

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


def test_fetched(tmp_path, monkeypatch):
    def fetch(download_if_missing):
        assert download_if_missing
        # Documents with two roots or none between the others.
        roots = numpy.zeros((N + 2, 6), int)
        names = ['C11', 'CCAT', 'ECAT', 'GCAT', 'M1', 'MCAT']
        for i, topic in enumerate(Y):
            roots[i, names.index(['CCAT', 'GCAT', 'MCAT', 'ECAT'][topic])] = 1
            roots[i, 0] = i % 2
        roots[N, [1, 2]] = 1
        return sklearn.utils.Bunch(
            data=scipy.sparse.csr_matrix(
                numpy.concatenate([DENSE, DENSE[:2]])),
            target=scipy.sparse.csr_matrix(roots),
            target_names=numpy.array(names, dtype=object))
    monkeypatch.setattr(sklearn.datasets, 'fetch_rcv1', fetch)
    data = load_dataset('reuters', tmp_path, points=20, words=5, norm='l2')
    check(data)
    assert f'of the {N} with' in data.notes[0]
    assert 'another sample' not in ' '.join(data.notes)


def test_out_of_reach(tmp_path, monkeypatch):
    def fetch(**kwargs):
        raise URLError('no network')
    monkeypatch.setattr(sklearn.datasets, 'fetch_rcv1', fetch)
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
