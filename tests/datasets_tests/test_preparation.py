"""New data as those that were learnt from."""
import json

import numpy
import pandas
import pytest

from imsat import InputError
from imsat.datasets import Preparation, load_dataset

TABLE = 'id,b,a,kind\n7,2,1,u\n8,4,3,v\n'


@pytest.fixture
def how(tmp_path):
    (tmp_path / 'old.csv').write_text(TABLE)
    load_dataset(str(tmp_path / 'old.csv'), label='kind', index='id',
                 columns='a,b').preparation.save(tmp_path / 'how.npz')
    return Preparation.load(tmp_path / 'how.npz')


def new(tmp_path, content, how, **options):
    (tmp_path / 'new.csv').write_text(content)
    return load_dataset(str(tmp_path / 'new.csv'), like=how, **options)


@pytest.mark.parametrize('content,y,index', [
    (TABLE, ['u', 'v'], ['7', '8']),
    ('a,b\n1,2\n3,4\n', None, None),
    ('kind;x;b;a\nv;.;2;1\nw;.;4;3\n', ['v', 'w'], None),
    ('b,a,id\n2,1,x\n4,3,x\n', None, ['x', 'x']),
    ('1,2\n3,4\n', None, None)])
@pytest.mark.filterwarnings('ignore:.*no names of columns')
def test_columns(tmp_path, how, content, y, index):
    if content[0] == '1':  # no names, and the order that was asked for
        how = load_dataset_of(tmp_path, '5,6\n7,8\n')
    data = new(tmp_path, content, how)
    assert data.x.tolist() == [[1, 2], [3, 4]] and data.index == index
    assert (data.y if y is None else data.y.tolist()) == y


def load_dataset_of(tmp_path, content):
    (tmp_path / 'plain.csv').write_text(content)
    return load_dataset(str(tmp_path / 'plain.csv')).preparation


def test_one_point_or_equal_ones(tmp_path, how):
    assert new(tmp_path, 'a,b\n1,2\n', how).x.shape == (1, 2)
    assert new(tmp_path, 'a,b\n1,2\n1,2\n', how).x.shape == (2, 2)


@pytest.mark.parametrize('content,message', [
    ('a,c\n1,2\n', "no column 'b'"), ('a,b\n1,x\n', 'no finite number'),
    # Names of columns are never taken for their numbers.
    ('1,2\n', 'columns names'), ('x,y\n1,2\n', "no column 'a'")])
def test_other_columns(tmp_path, how, content, message):
    with pytest.raises(InputError, match=message):
        new(tmp_path, content, how)


def test_numbers_as_names(tmp_path):
    how = load_dataset_of(tmp_path, ',0,1\n0,5,6\n1,7,8\n')
    pytest.importorskip('pyarrow')
    path = tmp_path / 'new.parquet'
    pandas.DataFrame({'1': [6.], '0': [5.]}).to_parquet(path)
    assert load_dataset(str(path), like=how).x.tolist() == [[5, 6]]
    # By its number, 1, it is the other column.
    pandas.DataFrame({'0': [6.], 'c': [5.]}).to_parquet(path)
    with pytest.raises(InputError, match="no column '1'"):
        load_dataset(str(path), like=how)


def test_other_kinds(tmp_path, how):
    numpy.savez(tmp_path / 'a.npz', x=[[1., 2.]])
    with pytest.warns(UserWarning, match='no names of columns; .* a, b$'):
        assert load_dataset(str(tmp_path / 'a.npz'), like=how).x.tolist() == [
            [1, 2]]
    numpy.savez(tmp_path / 'a.npz', x=[[1., 2., 3.]])
    for name, d in (str(tmp_path / 'a.npz'), 3), ('digits', 64):
        with pytest.raises(InputError, match=f'has {d} features, .* from 2'):
            load_dataset(name, like=how)
    digits = load_dataset('digits').preparation
    assert digits.image_shape == (8, 8)
    numpy.savez(tmp_path / 'a.npz', x=numpy.eye(64))
    assert load_dataset(str(tmp_path / 'a.npz'), like=digits
                        ).image_shape == (8, 8)
    numpy.savez(tmp_path / 'a.npz', x=numpy.ones((3, 4, 16)))
    with pytest.raises(InputError, match='images of shape'):
        load_dataset(str(tmp_path / 'a.npz'), like=digits)


@pytest.mark.parametrize('change', [
    dict(dimension=3), dict(dimension=0), dict(dimension='2'),
    dict(dimension=True), dict(names=['a']), dict(names=['a', 'a']),
    dict(names=[1, 2]), dict(names='ab'), dict(label=[]), dict(index=1.5),
    dict(columns=3), dict(columns=[[]]), dict(text={}),
    dict(image_shape=[2]), dict(image_shape=[2, 2]),
    dict(image_shape=[-1, -2]), dict(image_shape='ab'),
    dict(words=['a', 'b']), dict(words=['a']), dict(words=3),
    dict(unknown=1), None, [], 3, 'text'])
def test_damaged(tmp_path, how, change):
    with numpy.load(tmp_path / 'how.npz') as arrays:
        told = json.loads(str(arrays['preparation']))
    numpy.savez(tmp_path / 'how.npz', preparation=json.dumps(
        {**told, **change} if isinstance(change, dict) else change))
    with pytest.raises(InputError) as info:
        Preparation.load(tmp_path / 'how.npz')
    assert '\n' not in str(info.value)


@pytest.mark.parametrize('idf', [[1.], [1., numpy.nan], [1., -1.], ['a', 'b'],
                                 [[1., 2.]], None])
def test_damaged_weights(tmp_path, how, idf):
    with numpy.load(tmp_path / 'how.npz') as arrays:
        told = json.loads(str(arrays['preparation']))
    numpy.savez(tmp_path / 'how.npz', preparation=json.dumps(
        {**told, 'words': ['a', 'b']}), **({} if idf is None else {
            'idf': idf}))
    with pytest.raises(InputError, match='idf'):
        Preparation.load(tmp_path / 'how.npz')


def test_no_preparation(tmp_path):
    numpy.savez(tmp_path / 'a.npz', x=[1])
    with pytest.raises(InputError, match='does not say how'):
        Preparation.load(tmp_path / 'a.npz')
