import gzip
import io
import json
import re
import sys
import warnings

import numpy
import pandas
import pytest

from imsat import InputError
from imsat.datasets import load_dataset, texts
from imsat.datasets.tables import parquet, table, text as text_tables
from imsat.errors import ArgumentError
from imsat.on_disk import OnDisk

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
    (dict(x=numpy.where(X == X[2, 1], numpy.inf, X)), 'NaN or infinite'),
    (dict(x=numpy.where(X == X[2, 1], 1e39, X)),
     r'1e.39 in row 2, column 1 \(counted from 0\), and float32'),
    (dict(x=X + 1e9), 'float32 does not hold apart'),
    (dict(x=numpy.array([[2 ** 60], [2 ** 60 + 1]])), 'float32 does not hold'),
    (dict(x=X * 1e-45), 'float32 does not hold apart'),
    # One far value makes the range large.
    (dict(x=numpy.vstack([X * 20 + 1.7e9, 0 * X[:1]])),
     'column 0 .* float32 does not hold apart'),
    (dict(x=numpy.array([[2 ** 60], [2 ** 60 + 1], [0]])),
     'column 0 .* float32 does not hold apart'),
    (dict(x=X, y=Y[:-1]), 'one label for each'),
    (dict(x=X, y=X), 'one label for each'),
    (dict(x=X, y=numpy.where(Y, Y, numpy.nan)), 'NaN or neither'),
    (dict(x=X, y=Y * 1j), 'NaN or neither'),
    (dict(x=X, y=numpy.array([*'abcde', numpy.nan])), 'row 5 .* no label'),
    (dict(x=X, y=numpy.array([b'a', b''] * 3)), 'row 1 .* no label'),
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


@pytest.fixture(params=[text_tables.PART, 9], ids=['whole', 'in parts'])
def parts(request, monkeypatch):
    """A text is looked at as a whole, and in parts of a few bytes."""
    monkeypatch.setattr(text_tables, 'PART', request.param)


def read(path, text, **columns):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    data = load_dataset(str(path), **columns)
    assert data.x.dtype == numpy.float32
    return data.x.tolist(), None if data.y is None else data.y.tolist()


# The same four values in every way that is read.
TWO = [[1.5, 2], [3, .25]]


@pytest.mark.parametrize('text', [
    '1.5,2\n3,.25\n', '1.5;2\n3;.25\n', '1,5;2\n3;,25\n', '1,5|2\n3|0,25\n',
    '1.5\t2\n3\t.25\n', '1,5\t2\n3\t0,25\n', '1.5 2\n3 .25\n',
    '  1.5   2  \n 3\t.25\n', '1,5 2\n3 0,25\n', '1.5, 2\n3, .25\n',
    '1.5,\t2\n3,\t.25\n', '"1.5","2"\n"3",".25"\n', '15e-1,+2.\n3,25E-2\n',
    '1.5,2\r\n3,.25\r\n', '1.5,2\r3,.25\r', '1.5,2\n3,.25',
    '\n  \n1.5,2\n\n3,.25\n\n', '\ufeff1.5,2\n3,.25\n',
    '\na,b\n\n1.5,2\n3,.25\n', '"a","b, c"\n1.5,2\n3,.25\n',
    '"a\nb",c\n1.5,2\n3,.25\n', '# a,b\n1.5,2\n3,.25\n',
    ',a,b\n0,1.5,2\n1,3,.25\n', ',0,1\n0,1.5,2\n1,3,.25\n',
    '"","a","b"\n"r1",1.5,2\n"r2",3,.25\n', ';a;b\n5;1,5;2\n5;3;0,25\n',
    'a,b\n1,1.5,2\n2,3,.25\n', '"a" "b"\n"r 1" 1.5 2\n"r2" 3 .25\n',
    'Unnamed: 0,a,b\n0,1.5,2\n1,3,.25\n',
])
def test_the_same_values(parts, tmp_path, text):
    assert read(tmp_path / 'a.csv', text) == (TWO, None)


@pytest.mark.parametrize('text,labels', [
    ('a,y,b\n1.5,"Smith, Ann",2\n3,"Smith, Bob",.25\n',
     ['Smith, Ann', 'Smith, Bob']),
    ('a;y;b\n1,5;"u;""v""";2\n3;"w\nx";0,25\n', ['u;"v"', 'w\nx']),
    ('a,b,y\n1.5,2, cat\n3,.25,cat \n', ['cat', 'cat']),
    ('a,b,y\n1.5,2,caf\u00e9\n3,.25,cafe\u0301\n', ['caf\u00e9'] * 2),
    ('# y,a,b\nu,1.5,2\nv,3,.25\n', ['u', 'v']),
    (',a,b,y\n0,1.5,2,u\n1,3,.25,v\n', ['u', 'v']),
    ('"a" "b" "y"\n"1" 1.5 2 "u"\n"2" 3 .25 "v"\n', ['u', 'v']),
    # Beyond 2^53, where floats would merge them.
    ('a,b,y\n1.5,2,9007199254740993\n3,.25,9007199254740992\n',
     ['9007199254740993', '9007199254740992']),
])
def test_labels(parts, tmp_path, text, labels):
    assert read(tmp_path / 'a.csv', text) == (TWO, labels)


@pytest.mark.parametrize('text,columns,labels', [
    ('a,b,kind\n1.5,2,u\n3,.25,v\n', dict(label='kind'), 'uv'),
    ('a,b,kind\n1.5,2,u\n3,.25,v\n', dict(label=3), 'uv'),
    ('1.5,2,u\n3,.25,v\n', dict(label='3'), 'uv'),
    ('1,y,b\n1.5,u,2\n3,v,.25\n', dict(label='y'), 'uv'),
    # Names go before numbers: column '1' is the second.
    ('y,1,b\nu,1.5,2\nv,3,.25\n', dict(columns=['1', 'b']), 'uv'),
    ('id,a,b\n7,1.5,2\n9,3,.25\n', dict(index='id'), None),
    ('7,1.5,2\n9,3,.25\n', dict(index=1), None),
    ('b,city,a\n2,Rome,1.5\n.25,,3\n', dict(columns='a,b'), None),
    ('b,"a, m",c\n2,1.5,\n.25,3,\n', dict(columns='"a, m",b'), None),
])
def test_columns(parts, tmp_path, text, columns, labels):
    assert read(tmp_path / 'a.csv', text, **columns) == (
        TWO, labels and list(labels))


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('name', ['a.csv', 'a.tsv', 'a.csv.gz', 'a.tsv.gz'])
def test_kinds_of_text(parts, tmp_path, name):
    text = 'b\ty\ta\n2\tu\t1.5\n.25\tv\t3\n'
    content = gzip.compress(text.encode()) if '.gz' in name else text
    assert read(tmp_path / name, content, columns=['a', 'b']) == (
        TWO, ['u', 'v'])
    assert load_dataset(str(tmp_path / name)).names == ['b', 'a']


@pytest.mark.parametrize('text,message', [
    ('', 'no points'), ('a,b\n', 'no points'), ('\n\n', 'no points'),
    ('y\n1\n2\n', 'columns .* none'),
    # Ragged, either way, and as an editor counts.
    ('1,2\n3\n', 'line 2 .* has 1 values where line 1 has 2'),
    ('1,2\n3,4,5\n', 'line 2 .* has 3 values where line 1 has 2'),
    ('a,b\n1,2\n\n3,4,5\n', 'line 4 '), ('a,y\n1,"u\nv"\n3\n', 'line 4 '),
    ('a,b,c\n1,2\n3,4\n', 'line 2 .* has 2 values where line 1 has 3'),
    ('a,b\n7,1,2\n9,3,4\n', 'line 2 .* has 3 values where line 1 has 2'),
    ('a,b\n.5,1,2\n.6,3,4\n', 'line 2 .* has 3 values where line 1 has 2'),
    ('a,b\n1,2,\n4,5,\n', 'line 2 .* has 3 values'),
    ('a\n1,5\n2,5\n', 'line 2 .* has 2 values'),
    ('# of me\n1,2,3\n3,4,5\n', 'line 2 .* has 3 values'),
    # No numbers.
    ('1,2\n3,x\n', "line 2 .* has 'x' in column 2"),
    ('a,b\n\n1,2\n3,x\n', "line 4 .* has 'x' in column 'b'"),
    ('a,b,y\n1,2,"u\nv"\n3,x,w\n', "line 4 .* has 'x' in column 'b'"),
    ('a,b\n"1,234",2\n3,4\n', "line 2 .* has '1,234'"),
    ('a;b\n1.234,5;2\n3;4\n', "line 2 .* has '1.234,5'"),
    ('a;b\n1,5;2\n3;4.5\n', "line 3 .* has '4.5'"),
    ('a;b\n1,234;2\n3;45,678\n', 'thousands or decimals'),
    ('a;b\n1.234;2\n3;45.678.901\n', 'thousands or decimals'),
    ('a\tb\n1,234\t2\n3\t4\n', 'thousands or decimals'),
    *((f'a,b\n1,2\n3,{text}\n', 'line 3 .* is no finite number') for text in (
        '0x10', '1_000', '1d3', 'inf', '-Infinity', '1e400', 'True', '1 000',
        '2020-01-01', '12:30', "1'000", '$1', '5%', '1.2.3', '1-2', '1j')),
    ('True,False\nFalse,True\n', "line 2 .* has 'False'"),
    ('2020-01-01,1\n2020-01-02,2\n', "line 1 .* has '2020-01-01'"),
    ('a,b\n1,1e39\n3,4\n', "1e.39 in line 2, column 'b', and float32"),
    ('a,b\n1,1700000000\n3,1700000010\n', "column 'b' .* float32 does not"),
    # No values.
    *((f'a,b\n1,2\n3,{text}\n', "line 3 .* no value in column 'b'")
      for text in ('', ' ', 'nan', 'NaN', 'NA', 'N/A', 'null', 'None', '?')),
    ('1,,2\n3,4,5\n', 'line 1 .* no value in column 2'),
    (',1,2\n3,4,5\n', 'line 1 .* no value in column 1'),
    ('1,2,\n3,4,\n', 'line 1 .* no value in column 3'),
    ('1\n""\n3\n', 'line 2 .* no value'), ('1\n\n3\n', 'line 2 .* no value'),
    *((f'a,y\n1,u\n\n2,{text}\n', 'line 4 .* no label') for text in (
        '', ' ', '""', 'nan', 'NA', 'None', '?')),
    ('a,y\n1,1.0\n2,1\n', 'labels 1.0 and 1, the same number'),
    ('a,y\n1,01\n2,1\n', 'labels 01 and 1, the same number'),
    ('a;y\n1;1,0\n2;1\n', 'labels 1,0 and 1, the same number'),
    # Names.
    ('a,y,y\n1,u,v\n2,w,x\n', "two columns 'y'"),
    ('a, a\n1,2\n3,4\n', "two columns 'a'"),
    ('a,,b\n1,2,3\n3,4,5\n', 'column 2 .* has no name'),
    ('a,b,\n1,2,\n3,4,\n', 'column 3 .* has no name'),
    ('NA\n2\n1\n', 'column 1 .* has no name'),
    (',a\n.5,2\n.6,1\n', 'first column .* no name'),
    ('0,1,2\n.1,.2,.3\n.4,.5,.6\n', 'names or a point'),
    # Quotes.
    ('a,b\n1,2\n3,"4\n5,6\n', 'line 3 .* close its quotes'),
    ('a,y\n1,"u"v\n3,w\n', 'line 2 .* close its quotes'),
    # Encodings.
    ('a,b\n1,2\n'.encode('utf-16'), 'UTF-8'),
    ('a,b\n1,2\n'.encode('utf-16-le'), 'UTF-8'),
    ('caf\u00e9,b\n1,2\n'.encode('latin-1'), 'UTF-8'),
    (gzip.compress(b'a,b\n1,2\n', mtime=0), 'UTF-8'),
    ('a,b\n1,2\n1,2\n', 'nothing to cluster'),
])
def test_bad_csv(parts, tmp_path, text, message):
    with pytest.raises(InputError, match=message) as info:
        read(tmp_path / 'a.csv', text)
    assert '\n' not in str(info.value) and 'a.csv' in str(info.value)


@pytest.mark.parametrize('columns,message', [
    (dict(label='z'), "label names 'z', .* give one of a, b, k, or a number"),
    (dict(index='z'), "index names 'z'"), (dict(label=4), 'from 1 to 3'),
    (dict(label=0), 'from 1 to 3'), (dict(label=''), 'from 1 to 3'),
    (dict(columns='a,z'), "columns names 'z'"), (dict(columns=''), 'columns'),
    (dict(columns=[]), 'columns'), (dict(columns='a,a'), 'name one twice'),
    (dict(columns='a,k', label='k'), 'that of the labels')])
def test_bad_columns(tmp_path, columns, message):
    with pytest.raises(ArgumentError, match=message) as info:
        read(tmp_path / 'a.csv', 'a,b,k\n1,2,u\n3,4,v\n', **columns)
    assert info.value.option == f'--{info.value.argument}'
    for name in 'digits', str(tmp_path / 'a.npz'):
        numpy.savez(tmp_path / 'a.npz', x=X)
        with pytest.raises(ArgumentError, match='is no table'):
            load_dataset(name, **columns)


@pytest.mark.parametrize('cut', [-1, -9, 12])
def test_damaged_gz(parts, tmp_path, cut):
    with pytest.raises(InputError, match='damaged or cut short'):
        read(tmp_path / 'a.csv.gz', gzip.compress(b'1,2\n3,4\n')[:cut])


@pytest.mark.parametrize('text,message', [
    ('a,label\n1,0\n3,1\n', "'label' is among the features"),
    ('id,a\n4,1\n3,2\n', "'id' is among the features"),
    ('a,y,y.1\n4,u,1\n3,v,2\n', "'y.1' is among the features"),
    ('a,user_id\n4,1\n3,2\n', "'user_id' is among the features"),
    ('a,Nr\n4,1\n3,2\n', "'Nr' is among the features"),
    ('0,.5\n1,.2\n2,.7\n', 'column 1 counts the points'),
    ('a,b\n.5,1000\n.2,1001\n.7,1002\n', "column 'b' counts the points"),
    ('a,b\n' + ''.join(f'{i % 3},{1000 + 7 * i % 11}\n' for i in range(11)),
     "column 'b' counts the points")])
def test_what_is_hardly_a_feature(parts, tmp_path, text, message):
    with pytest.warns(UserWarning, match=message):
        read(tmp_path / 'a.csv', text)


@pytest.mark.parametrize('text', [
    'a,b\n.5,7\n.2,8\n.7,10\n',  # one left out
    'a,b\n' + ''.join(f'{i % 3},{5 * i % 11 // 2}\n' for i in range(11)),
    'a,hid\n1,2\n3,5\n'])
def test_what_may_be_a_feature(parts, tmp_path, text):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        read(tmp_path / 'a.csv', text)


def table_of(y, *names):
    """A CSV with columns of those names, one of them y."""
    others = [[f'{i * 7 % 11}.{j}' for j in range(12)]
              for i in range(len(names))]
    columns = [y if name == 'y' else other
               for name, other in zip(names, others)]
    return '\n'.join(map(','.join, [names, *zip(*columns)])) + '\n'


@pytest.mark.parametrize('suffix', ['.csv', '.parquet'])
@pytest.mark.parametrize('y,names', [
    ([f'{i % 3}.{i}1' for i in range(12)], 'xyz'),
    ([f'{i % 3}.{i}1' for i in range(12)], 'ayb'),
    ([str(i % 3) for i in range(12)], 'xy'),
    ([str(100 + i) for i in range(12)], 'yab')])
def test_y_that_may_be_a_feature(tmp_path, suffix, y, names):
    path = tmp_path / f'a{suffix}'
    text = table_of(y, *names)
    path.write_text(text) if suffix == '.csv' else pandas.read_csv(
        io.StringIO(text)).to_parquet(path)
    with pytest.raises(InputError, match=(
            f"'y' .* labels or a feature.* --columns {','.join(names)}$")):
        load_dataset(str(path))
    data = load_dataset(str(path), columns=','.join(names))
    assert data.names == list(names) and data.y is None
    numpy.testing.assert_allclose(
        data.x[:, names.index('y')], numpy.array(y, float), 1e-6)
    data = load_dataset(str(path), label='y')
    assert data.names == [name for name in names if name != 'y']
    assert numpy.array(data.y, float).tolist() == list(map(float, y))


@pytest.mark.parametrize('y,names', [
    ([str(i % 3) for i in range(12)], 'aby'),
    (['u', 'v', 'w'] * 4, 'xy'), (list('abcdefghijkl'), 'aby')])
def test_y_that_is_the_labels(tmp_path, y, names):
    (tmp_path / 'a.csv').write_text(table_of(y, *names))
    data = load_dataset(str(tmp_path / 'a.csv'))
    assert data.y.tolist() == y and "'y' is the labels" in data.notes[-1]


@pytest.mark.parametrize('text', [
    '1,2,3\n5,6,7\n8,9,2\n', '2019,2020,2021\n5,6.1,7\n3,4,1\n',
    '10 20 30\n.5 .6 .7\n.1 .9 .2\n',
    '2019;2021;2024\n5.5;6.1;7.5\n3.5;4.5;1.2\n'])
def test_names_that_may_be_a_point(tmp_path, text):
    with pytest.raises(InputError, match='first line .* names or a point'):
        read(tmp_path / 'a.csv', text)
    lines = text.splitlines()
    x, _ = read(tmp_path / 'a.csv', '\n'.join(
        [re.sub(r'\d+', lambda number: f'c{number[0]}', lines[0]),
         *lines[1:]]))
    assert len(x) == len(lines) - 1


@pytest.mark.parametrize('text', [
    '3,4,5\n5,6,7\n8,1,2\n', '3,1,2\n5.5,6.1,7.5\n', '1,2\n3,4\n6,5\n',
    '3.5,4.5,5.5\n1,2,7\n'])
def test_points_that_may_not_be_names(parts, tmp_path, text):
    x, _ = read(tmp_path / 'a.csv', text)
    assert len(x) == text.count('\n')


@pytest.mark.parametrize('suffix', ['.csv', '.parquet'])
def test_whole_numbers_that_float64_merges(tmp_path, suffix):
    path = tmp_path / f'a{suffix}'
    big = 2 ** 53
    for column, is_lost in (
            ([big, big + 1, 0], True), ([big, 3 * big, 0], False),
            ([-big, -big - 1, 5], True), ([big + 1, 7, 0], False)):
        frame = pandas.DataFrame({'a': column, 'b': [.5, .2, .1]})
        frame.to_csv(path, index=False) if suffix == '.csv' \
            else frame.to_parquet(path)
        if is_lost:
            with pytest.raises(InputError, match="column 'a' .* float64 does"):
                load_dataset(str(path))
            load_dataset(str(path), index='a')
        else:
            load_dataset(str(path))


def test_the_index_is_not_dropped_in_silence(tmp_path):
    read(tmp_path / 'a.csv', ',a,b\n0,1,2\n1,3,4\n')
    note, = load_dataset(str(tmp_path / 'a.csv')).notes
    assert 'index' in note


@pytest.mark.parametrize('separator,decimal', [
    (',', '.'), (';', '.'), (';', ','), ('\t', '.'), ('\t', ','), ('|', '.'),
    (' ', '.')])
@pytest.mark.parametrize('index', [False, True])
@pytest.mark.parametrize('quoting', range(4))
def test_as_pandas_writes_it(tmp_path, separator, decimal, index, quoting):
    if decimal == ',' and quoting in (1, 2):
        decimal = '.'  # pandas writes no quoted decimal commas
    tab = ' ' if separator == ' ' else '\t'  # any white space separates
    labels = ['a, b', 'c; d', f'e{tab}f', 'g|h', 'i "j"', 'k\nl']
    frame = pandas.DataFrame(X * 100, columns=['u', 'v, w'])
    frame['y'] = labels
    if quoting == 3:
        frame['y'] = labels = list('abcdef')
        frame = frame.rename(columns={'v, w': 'v'})
    frame.to_csv(tmp_path / 'a.csv', sep=separator, decimal=decimal,
                 index=index, quoting=quoting)
    data = load_dataset(str(tmp_path / 'a.csv'))
    numpy.testing.assert_array_equal(data.x, (X * 100).astype('f'))
    assert data.y.tolist() == labels and data.names == frame.columns.tolist(
        )[:2]


def test_as_before(tmp_path):
    """What numpy.loadtxt reads, to the last bit."""
    x = RNG.normal(size=(50, 4)) * 10. ** RNG.randint(-30, 30, (50, 1))
    numpy.savetxt(tmp_path / 'a.csv', x, delimiter=',', fmt='%.17g')
    numpy.testing.assert_array_equal(
        load_dataset(str(tmp_path / 'a.csv')).x,
        numpy.loadtxt(tmp_path / 'a.csv', delimiter=',').astype('f'))


@pytest.mark.parametrize('y', [['u', ' v'], [2 ** 53 + 1, 2 ** 53],
                               [2 ** 64 - 1, 2 ** 63], [True, False]])
def test_parquet(tmp_path, y):
    pytest.importorskip('pyarrow')
    path = tmp_path / 'a.parquet'
    pandas.DataFrame({'a': [1.5, 3], 'y': y, 'b': [True, False]},
                     index=['p', 'q']).to_parquet(path)
    data = load_dataset(str(path))
    assert data.x.tolist() == [[1.5, 1], [3, 0]] and data.names == ['a', 'b']
    assert data.y.tolist() == ['u', 'v'] if y[0] == 'u' else y
    assert load_dataset(str(path), label='b', columns='a').y.tolist() == [
        True, False]


@pytest.mark.parametrize('columns,message', [
    ({'a': [1., None], 'b': [1, 2]}, "row 2 .* no value in column 'a'"),
    ({'a': ['1', '2'], 'b': [1, 2]}, "column 'a' .* no numbers"),
    ({'a': [1, 2], 'y': ['u', None]}, "row 2 .* no value in column 'y'"),
    ({'a': [1, 2], 'y': ['u', '']}, 'row 2 .* no label'),
    ({'a': [1, 2], 'y': pandas.to_datetime(['2020', '2021'])}, 'y of'),
    ({'a': pandas.to_datetime(['2020', '2021'])}, "column 'a' .* no numbers"),
    ({'a': [1., numpy.inf]}, "row 2, column 'a'"), ({'a': []}, 'no points')])
def test_bad_parquet(tmp_path, columns, message):
    pytest.importorskip('pyarrow')
    pandas.DataFrame(columns).to_parquet(tmp_path / 'a.parquet')
    with pytest.raises(InputError, match=message):
        load_dataset(str(tmp_path / 'a.parquet'))


def test_damaged_parquet(tmp_path):
    pytest.importorskip('pyarrow')
    path = tmp_path / 'a.parquet'
    pandas.DataFrame({'a': [1., 2]}).to_parquet(path)
    content = path.read_bytes()
    for damaged in content[:-1], content[:40], b'', content[:-20] + bytes(20):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match='damaged or no Parquet'):
            load_dataset(str(path))


@pytest.fixture
def row_groups(tmp_path, monkeypatch):
    """A Parquet file of which columns and row groups are read by themselves,
    and the frame in it."""
    pytest.importorskip('pyarrow')
    for module in parquet, table:
        monkeypatch.setattr(module, 'LARGE', 20)
    frame = pandas.DataFrame({
        'a': RNG.normal(size=20), 'y': list('pq') * 10,
        'b': numpy.arange(20, dtype='f4') ** 2,
        'c': RNG.randint(0, 9, 20)}, index=[f'no. {i}' for i in range(20)])
    frame.to_parquet(tmp_path / 'a.parquet', row_group_size=6)
    return tmp_path / 'a.parquet', frame


@pytest.mark.parametrize('columns', [None, 'c,a', 'b'])
def test_row_groups(row_groups, columns, monkeypatch):
    path, frame = row_groups
    data = load_dataset(str(path), columns=columns)
    names = columns.split(',') if columns else ['a', 'b', 'c']
    assert isinstance(data.x, OnDisk) and data.names == names
    assert data.y.tolist() == frame['y'].tolist()
    numpy.testing.assert_array_equal(
        numpy.asarray(data.x), frame[names].to_numpy('f4'))
    monkeypatch.setattr(table, 'atomic_write', None)  # it is there
    again = load_dataset(str(path), columns=columns)
    numpy.testing.assert_array_equal(again.x[[7, 2]], data.x[[7, 2]])


def test_row_groups_are_refused(row_groups, tmp_path, monkeypatch):
    path, frame = row_groups
    with pytest.raises(InputError, match="column 'y' .* no numbers"):
        load_dataset(str(path), columns='y,a', label='b')
    frame.loc['no. 9', 'c'] = numpy.nan
    frame.to_parquet(path, row_group_size=6)
    with pytest.raises(InputError, match="row 10 .* no value in column 'c'"):
        load_dataset(str(path))
    frame.to_parquet(path, row_group_size=6)
    monkeypatch.setenv('IMSAT_CACHE', '/dev/full/there')
    with pytest.raises(InputError, match='let IMSAT_CACHE name another'):
        load_dataset(str(path), columns='a,b')


def test_a_large_text_stays_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(table, 'LARGE', 40)
    monkeypatch.setattr(text_tables, 'PART', 99)
    frame = pandas.DataFrame(RNG.normal(size=(20, 2)), columns=['a', 'b'])
    frame['y'] = ['p\nq', 'r'] * 10
    path = tmp_path / 'a.csv'
    frame.to_csv(path, sep=';', decimal=',')
    data = load_dataset(str(path))
    assert isinstance(data.x, OnDisk) and data.y.tolist() == ['p\nq', 'r'] * 10
    assert data.index == list(map(str, range(20)))
    numpy.testing.assert_array_equal(
        numpy.asarray(data.x), frame[['a', 'b']].to_numpy('f4'))
    monkeypatch.setattr(table, 'atomic_write', None)  # it is there
    again = load_dataset(str(path))
    numpy.testing.assert_array_equal(again.x[[17, 2]], data.x[[17, 2]])
    # A fault far below is named by its line: three lines for two points.
    path.write_text(path.read_text().replace(
        str(frame['b'][18]).replace('.', ','), 'x'))
    monkeypatch.undo()
    monkeypatch.setattr(text_tables, 'PART', 99)
    with pytest.raises(InputError, match="line 29 .* 'x' in column 'b'"):
        load_dataset(str(path))
    path.write_text(path.read_text() + '7;8\n')
    with pytest.raises(InputError, match='line 32 .* has 2 values where line '
                                         '1 has 4'):
        load_dataset(str(path))


@pytest.mark.parametrize('text,labels', [
    # Quotes that are part of a value, and one that is never closed.
    ('a,y\n1,5"\n2,6\n3,7\n4,8\n', ['5"', '6', '7', '8']),
    ('a,y\n1,"5\n2,6\n3,7\n4,8\n', None)])
def test_quotes_across_parts(tmp_path, monkeypatch, text, labels):
    monkeypatch.setattr(text_tables, 'PART', 9)
    monkeypatch.setattr(texts, 'QUOTED', 1)
    if labels:
        assert read(tmp_path / 'a.csv', text)[1] == labels
    else:
        with pytest.raises(InputError, match='line 2 .* close its quotes'):
            read(tmp_path / 'a.csv', text)


def test_parquet_with_checksums(tmp_path):
    pytest.importorskip('pyarrow')
    path = tmp_path / 'a.parquet'
    pandas.DataFrame({'a': [1.5, 2.5]}).to_parquet(
        path, compression=None, write_page_checksum=True)
    content = path.read_bytes()
    values = numpy.array([1.5, 2.5]).tobytes()
    assert values in content
    path.write_bytes(content.replace(values, values[::-1]))
    with pytest.raises(InputError, match='damaged or no Parquet'):
        load_dataset(str(path))


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'pyarrow', None)
    (tmp_path / 'a.parquet').write_bytes(b'PAR1')
    with pytest.raises(InputError, match=r"pip install 'imsat\[parquet\]'"):
        load_dataset(str(tmp_path / 'a.parquet'))


def test_a_single_point(tmp_path):
    """Such as one query."""
    numpy.savez(tmp_path / 'a.npz', x=X[:1])
    assert len(load_dataset(str(tmp_path / 'a.npz')).x) == 1


def test_notes_are_kept(tmp_path):
    numpy.savez(tmp_path / 'a.npz', x=X, notes=numpy.array(['a', 'b']))
    assert load_dataset(str(tmp_path / 'a.npz')).notes == ['a', 'b']
    numpy.savez(tmp_path / 'b.npz', x=X)
    assert load_dataset(str(tmp_path / 'b.npz')).notes == []
    numpy.savez(tmp_path / 'c.npz', x=X, notes='one')
    assert load_dataset(str(tmp_path / 'c.npz')).notes == ['one']


def test_indices_without_a_name_in_parquet(tmp_path):
    """As pandas calls it, and others keep it without pandas' notes."""
    pyarrow = pytest.importorskip('pyarrow')
    parquet = pytest.importorskip('pyarrow.parquet')
    path = tmp_path / 'a.parquet'
    parquet.write_table(pyarrow.table({
        'a': [1.5, 2.], 'b': [3., 5.], '__index_level_0__': [7, 9]}), path)
    data = load_dataset(str(path))
    assert data.x.tolist() == [[1.5, 3], [2, 5]]
    assert data.index == ['7', '9'] and data.names == ['a', 'b']
    assert data.notes == ['Column 3, which has no name, is the index.']
    assert load_dataset(str(path), index='a').names == ['b']


@pytest.fixture(params=['in memory', 'on disk'])
def anywhere(request, monkeypatch):
    """Parquet is read at once, or by columns and row groups."""
    pytest.importorskip('pyarrow')
    if request.param == 'on disk':
        for module in parquet, table:
            monkeypatch.setattr(module, 'LARGE', 1)


def test_an_index_called_y_holds_no_labels(tmp_path, anywhere):
    path = tmp_path / 'a.parquet'
    pandas.DataFrame({'a': [1., 2, 3, 4]}, pandas.MultiIndex.from_product(
        [[0, 1], [5, 6]], names=['y', 'x'])).to_parquet(path)
    data = load_dataset(str(path))
    assert data.y is None and data.names == ['a']
    assert load_dataset(str(path), label='y').y.tolist() == [0, 0, 1, 1]


INDICES = {
    'text': pandas.Index([*'uvw']), 'numbers': pandas.Index([7, 3, 9]),
    'fractions': pandas.Index([.5, .25, 4]),
    'times': pandas.to_datetime(['2020-01-02', '2020-01-01', '2020-01-03']),
    'a part': pandas.RangeIndex(10, 13), 'backwards': pandas.RangeIndex(
        2, -1, -1), 'categories': pandas.CategoricalIndex([*'xyx'])}


@pytest.mark.parametrize('kind', INDICES)
@pytest.mark.parametrize('name', [None, 'id', 'a'])
def test_indices_in_parquet_are_as_in_csv(tmp_path, anywhere, kind, name):
    frame = pandas.DataFrame({'a': [1., 2, 3], 'b': [4, 5, 7]},
                             index=INDICES[kind].rename(name))
    path = tmp_path / 'a.parquet'
    frame.to_parquet(path, row_group_size=2)
    expected = [line.split(',')[0] for line in frame.to_csv().split()[1:]]
    data = load_dataset(str(path))
    assert data.x.dtype == numpy.float32 and data.names == ['a', 'b']
    assert numpy.asarray(data.x).tolist() == [[1, 4], [2, 5], [3, 7]]
    assert data.index == expected
    if name != 'id':  # or a column has it
        assert data.notes == ['Column 3, which has no name, is the index.']
        return
    assert data.notes == ["Column 'id', by which pandas names the rows, is "
                          "the index."]
    assert data.preparation.index == 'id'
    if kind != 'times':
        again = load_dataset(str(path), label='id', columns='b')
        assert list(map(str, again.y)) == expected and again.index is None
        assert again.notes == []
    again = load_dataset(str(path), index='id', columns='b')
    assert again.index == expected and again.notes == []


def test_an_index_that_only_counts_is_none(tmp_path, anywhere):
    path = tmp_path / 'a.parquet'
    pandas.DataFrame({'a': [1., 2], 'b': [4, 5]}).to_parquet(path)
    data = load_dataset(str(path))
    assert data.index is None and data.names == ['a', 'b']
    assert data.notes == []
    with pytest.raises(ArgumentError, match="'id', which .* has no column"):
        load_dataset(str(path), index='id')


@pytest.mark.parametrize('start', [7, 30])
def test_an_index_as_a_feature(tmp_path, anywhere, start):
    frame = pandas.DataFrame({'a': [1., 2, 3]}, index=pandas.RangeIndex(
        start, start + 30, 10, name='id'))
    frame.to_parquet(tmp_path / 'a.parquet', row_group_size=2)
    for columns, expected in ('id', [0]), ('a,id', [1, 0]), ('id,a', [0, 1]):
        data = load_dataset(str(tmp_path / 'a.parquet'), columns=columns)
        rows = numpy.array([[start, start + 10, start + 20], [1, 2, 3]])
        assert numpy.asarray(data.x).tolist() == rows[expected].T.tolist()


@pytest.mark.parametrize('names', [[None, None], ['k', 'j']])
def test_several_indices_in_parquet(tmp_path, anywhere, names):
    """None of them is a feature, and none by itself names the rows."""
    path = tmp_path / 'a.parquet'
    pandas.DataFrame({'a': [1., 2], 'b': [4, 5]}, index=pandas.MultiIndex(
        [['x', 'z'], [3, 5]], [[1, 0], [0, 1]], names=names)).to_parquet(path)
    data = load_dataset(str(path))
    assert data.names == ['a', 'b'] and data.index is None
    assert data.notes == [
        f'Column {title}, is no feature.' for title in (
            ['3, which has no name', '4, which has no name']
            if names[0] is None else
            ["'k', by which pandas names the rows",
             "'j', by which pandas names the rows"])]
    if names[0]:
        data = load_dataset(str(path), label='k')
        assert data.y.tolist() == ['z', 'x'] and data.index == ['3', '5']


@pytest.mark.parametrize('values,expected', [
    (['u', None, 'w'], ['u', 'nan', 'w']),
    (pandas.Categorical(['u', None, 'w']), ['u', 'nan', 'w']),
    (pandas.array([7, None, 9], 'Int64'), ['7', 'nan', '9']),
    ([.5, None, 9], ['0.5', 'nan', '9.0']),
    (pandas.to_datetime(['2020-01-02', None, '2020-01-01']),
     ['2020-01-02', 'nan', '2020-01-01'])])
def test_what_is_missing_in_an_index(tmp_path, anywhere, values, expected):
    path = tmp_path / 'a.parquet'
    frame = pandas.DataFrame({'a': [1., 2, 3], 'id': values})
    frame.set_index('id').to_parquet(path)
    assert load_dataset(str(path)).index == expected
    frame.to_parquet(path)
    assert load_dataset(str(path), index='id').index == expected


@pytest.mark.parametrize('kept', [
    5, 'a', [{}], [{'name': 'a', 'start': 0, 'step': 0}], {'a': 1},
    [{'name': 'b', 'start': 10 ** 30, 'step': 1}], [[]],
    [{'name': 'b', 'start': '0', 'step': 1}], [None]])
def test_damaged_notes_of_pandas(tmp_path, anywhere, kept):
    pyarrow = pytest.importorskip('pyarrow')
    path = tmp_path / 'a.parquet'
    for content in json.dumps({'index_columns': kept}), '{', '[]':
        pyarrow.parquet.write_table(pyarrow.table({
            'a': [1., 2.], 'b': [3., 5.]}).replace_schema_metadata(
                {'pandas': content}), path)
        try:
            assert load_dataset(str(path)).x.shape[0] == 2
        except InputError as e:
            assert '\n' not in str(e)


def test_two_columns_of_a_name_in_parquet(tmp_path):
    pyarrow = pytest.importorskip('pyarrow')
    parquet = pytest.importorskip('pyarrow.parquet')
    path = tmp_path / 'a.parquet'
    parquet.write_table(pyarrow.table(
        [[1., 2.], [3., 5.]], names=['a', 'a']), path)
    with pytest.raises(InputError, match="has two columns 'a'"):
        load_dataset(str(path))


def test_labels_with_what_can_not_be_seen(tmp_path):
    path = tmp_path / 'a.csv'
    path.write_text('a,y\n4,cat\n2,cat\u200b\n3,\ufeffcat\n')
    assert set(load_dataset(str(path)).y) == {'cat'}
