import numpy
import pytest

from imsat import InputError
from imsat.datasets import load_dataset

RNG = numpy.random.RandomState(0)
X = RNG.normal(size=(6, 2)).round(3)
Y = numpy.array([0, 1, 0, 1, 1, 0])


def test_npz(tmp_path):
    numpy.savez(tmp_path / 'a.npz', x=X, y=Y)
    data = load_dataset(str(tmp_path / 'a.npz'))
    numpy.testing.assert_array_equal(data.x, X.astype('f'))
    numpy.testing.assert_array_equal(data.y, Y)
    numpy.savez(tmp_path / 'b.npz', x=X)
    assert load_dataset(str(tmp_path / 'b.npz')).y is None


@pytest.mark.parametrize('head,has_labels', [
    (None, False), ('a,b', False), ('a,y,b', True), ('"a","y","b"', True)])
def test_csv(tmp_path, head, has_labels):
    rows = [f'{a},{"ft"[y]},{b}' if has_labels else f'{a},{b}'
            for (a, b), y in zip(X, Y)]
    (tmp_path / 'a.csv').write_text(
        '\n'.join(([head] if head else []) + rows) + '\n\n')
    data = load_dataset(str(tmp_path / 'a.csv'))
    numpy.testing.assert_array_equal(data.x, X.astype('f'))
    if has_labels:
        assert data.y.tolist() == ['ft'[y] for y in Y]
    else:
        assert data.y is None


def test_csv_as_others_write_it(tmp_path):
    path = tmp_path / 'a.csv'
    path.write_text('1,2\n3,4\n', encoding='utf-8-sig')  # Excel
    assert load_dataset(str(path)).x.tolist() == [[1, 2], [3, 4]]
    path.write_text('y,a\n1,2\n3,4\n', encoding='utf-8-sig')
    assert load_dataset(str(path)).y.tolist() == ['1', '3']
    path.write_text('0,1,y\n1,2,0\n3,4,1\n')  # pandas
    data = load_dataset(str(path))
    assert data.x.tolist() == [[1, 2], [3, 4]] and data.y.tolist() == [
        '0', '1']


@pytest.mark.parametrize('arrays,message', [
    (dict(points=X), 'no array x'),
    (dict(x=X[0]), r'shape \(2,\)'),
    (dict(x=X[:0]), r'shape \(0, 2\)'),
    (dict(x=X[:, :0]), r'shape \(6, 0\)'),
    (dict(x=X.astype(str)), 'give numbers'),
    (dict(x=numpy.where(X == X[2, 1], numpy.nan, X)), 'row 2, column 1'),
    (dict(x=numpy.where(X == X[2, 1], 1e39, X)), 'NaN or infinite'),
    (dict(x=X, y=Y[:-1]), 'one label for each'),
    (dict(x=X, y=X), 'one label for each'),
    (dict(x=X, y=numpy.where(Y, Y, numpy.nan)), 'NaN or neither'),
    (dict(x=X, y=Y * 1j), 'NaN or neither'),
    (dict(x=numpy.ones((6, 2))), 'nothing to cluster'),
])
def test_bad_npz(tmp_path, arrays, message):
    numpy.savez(tmp_path / 'a.npz', **arrays)
    with pytest.raises(InputError, match=message) as info:
        load_dataset(str(tmp_path / 'a.npz'))
    assert 'a.npz' in str(info.value) and '\n' not in str(info.value)


def test_npz_with_pickle(tmp_path):
    numpy.savez(tmp_path / 'a.npz', x=numpy.array([{}, []], dtype=object))
    with pytest.raises(InputError, match='without pickle'):
        load_dataset(str(tmp_path / 'a.npz'))


@pytest.mark.parametrize('cut', [0, 10, -30])
def test_damaged_npz(tmp_path, cut):
    path = tmp_path / 'a.npz'
    numpy.savez(path, x=X)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match='damaged'):
        load_dataset(str(path))


@pytest.mark.parametrize('text,message', [
    ('', 'no points'), ('a,b\n', 'no points'), ('1,2\n3\n', 'can not be read'),
    ('1,2\n3,x\n', 'can not be read'), ('1,2\n3,\n', 'can not be read'),
    ('1,2\n3,nan\n', 'row 1, column 1'), ('1,,2\n3,4,5\n', 'can not be read'),
    ('1,NA\n3,4\n', 'can not be read')])
def test_bad_csv(tmp_path, text, message):
    (tmp_path / 'a.csv').write_text(text)
    with pytest.raises(InputError, match=message) as info:
        load_dataset(str(tmp_path / 'a.csv'))
    assert '\n' not in str(info.value)


def test_csv_that_is_no_text(tmp_path):
    (tmp_path / 'a.csv').write_bytes(b'\xff\xfe\x00\x80')
    with pytest.raises(InputError, match='no text file'):
        load_dataset(str(tmp_path / 'a.csv'))


def test_notes_are_kept(tmp_path):
    numpy.savez(tmp_path / 'a.npz', x=X, notes=numpy.array(['a', 'b']))
    assert load_dataset(str(tmp_path / 'a.npz')).notes == ['a', 'b']
    numpy.savez(tmp_path / 'b.npz', x=X)
    assert load_dataset(str(tmp_path / 'b.npz')).notes == []
    numpy.savez(tmp_path / 'c.npz', x=X, notes='one')
    assert load_dataset(str(tmp_path / 'c.npz')).notes == ['one']
