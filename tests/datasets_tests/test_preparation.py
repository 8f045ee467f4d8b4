"""New data as those that were learnt from."""
import json
import struct

import numpy
import pandas
import pytest
import scipy.sparse
from PIL import Image

from imsat import InputError
from imsat.datasets import Preparation, arrays, load_dataset, mnist

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


def test_names_that_were_not_there(tmp_path):
    numpy.savez(tmp_path / 'old.npz', x=[[5., 6.], [7., 8.]])
    how = load_dataset(str(tmp_path / 'old.npz')).preparation
    with pytest.warns(UserWarning, match='new.csv are taken in this order: '
                                         'b, a$'):
        assert new(tmp_path, 'b,a\n2,1\n', how).x.tolist() == [[2, 1]]


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


ASKED = [dict(label=1, index=2), dict(label='1', index='2'),
         dict(label='kind', index='name')]


@pytest.mark.parametrize('asked', ASKED)
@pytest.mark.parametrize('content,y,index', [
    ('name,a,b\nr,1,2\ns,3,4\n', None, ['r', 's']),
    ('a,b\n1,2\n3,4\n', None, None),
    ('b,a,kind,name\n2,1,v,r\n4,3,w,s\n', ['v', 'w'], ['r', 's']),
    # One that is called as another's number is not that.
    ('1,a,b\n7,1,2\n8,3,4\n', None, None)])
def test_columns_given_by_number(tmp_path, asked, content, y, index):
    """Elsewhere they may stand in another place."""
    (tmp_path / 'old.csv').write_text('kind,name,a,b\nu,p,5,6\nv,q,7,8\n')
    load_dataset(str(tmp_path / 'old.csv'), **asked).preparation.save(
        tmp_path / 'how.npz')
    how = Preparation.load(tmp_path / 'how.npz')
    assert (how.label, how.index) == ('kind', 'name')
    data = new(tmp_path, content, how)
    assert data.x.tolist() == [[1, 2], [3, 4]] and data.index == index
    assert (data.y if y is None else data.y.tolist()) == y


def test_columns_without_names_where_there_were_some(tmp_path):
    (tmp_path / 'old.csv').write_text('kind,name,a,b\nu,p,5,6\nv,q,7,8\n')
    how = load_dataset(str(tmp_path / 'old.csv'), label=1, index=2).preparation
    for content, options in (
            ('1,2\n3,4\n', {}), ('r,1,2\ns,3,4\n', dict(index=1)),
            ('v,r,1,2\nw,s,3,4\n', dict(index=2, label=1))):
        with pytest.warns(UserWarning, match='has no names'):
            data = new(tmp_path, content, how, **options)
        assert data.x.tolist() == [[1, 2], [3, 4]]
        assert data.index == (options and ['r', 's'] or None)
    with pytest.raises(InputError, match="the label of .* is 'kind'; .*--la"):
        new(tmp_path, 'v,r,1,2\nw,s,3,4\n', how)
    with pytest.raises(InputError, match="the index of .* 'name'; .*--index"):
        new(tmp_path, 'v,r,1,2\nw,s,3,4\n', how, label=1)


def test_numbers_of_columns_without_names(tmp_path):
    (tmp_path / 'old.csv').write_text('u,p,5,6\nv,q,7,8\n')
    how = load_dataset(str(tmp_path / 'old.csv'), label=1, index='2', columns=[
        4, '3']).preparation
    assert (how.label, how.index) == (1, 2)
    how.save(tmp_path / 'how.npz')
    data = new(tmp_path, 'w,r,1,2\nz,s,3,4\n',
               Preparation.load(tmp_path / 'how.npz'))
    assert data.x.tolist() == [[2, 1], [4, 3]]
    assert data.index == ['r', 's'] and data.y.tolist() == ['w', 'z']
    assert data.preparation.columns is None
    assert data.preparation.label == 1


def test_a_number_of_before_is_one_still(tmp_path):
    """A file from before the names were kept does as it did."""
    how = Preparation(2, ['a', 'b'], '1', ' 2 ')
    data = new(tmp_path, 'name,x,a,b\nr,u,1,2\ns,v,3,4\n', how)
    assert data.x.tolist() == [[1, 2], [3, 4]]
    assert data.y.tolist() == ['r', 's'] and data.index == ['u', 'v']
    assert new(tmp_path, 'a,b\n1,2\n3,4\n', Preparation(
        2, ['a', 'b'], '9' * 5000, '3')).index is None


@pytest.mark.parametrize('text', [2, 'review'])
def test_texts_given_by_number(tmp_path, text):
    (tmp_path / 'old.csv').write_text(
        'title,review\nx,red wine\nx,red beer\nz,white wine\n'
        'z,white beer\n')
    how = load_dataset(str(tmp_path / 'old.csv'), text=text).preparation
    data = new(tmp_path, 'review,title\nwine,beer\nbeer,wine\n', how)
    assert data.documents == ['wine', 'beer']
    with pytest.raises(InputError, match="has no column 'review', which "
                                         "there was"):
        new(tmp_path, 'opinion,title\nwine,beer\nbeer,wine\n', how)


# --- Labels, which nothing needs

NONE = {'blank': ['', '', ''], 'of several kinds': ['', ' NA', 'nan'],
        'text': ['None', 'null', '?']}
SOME = {'partly blank': (['u', '', 'v'], 'has no (label|value)'),
        'twice': (['1', '1.0', '2'], 'labels 1 and 1.0')}


def write_labels(path, labels):
    frame = pandas.DataFrame({'a': [1, 3, 5], 'b': [2, 4, 6],
                              'kind': labels, 'y': labels})
    if path.suffix == '.csv':
        frame.to_csv(path, index=False)
    else:
        pytest.importorskip('pyarrow')
        frame.to_parquet(path)
    return str(path)


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('name', ['new.csv', 'new.parquet'])
@pytest.mark.parametrize('labels', [*NONE.values(), [None] * 3, [
    numpy.nan] * 3, [None, '', 'NA']], ids=str)
@pytest.mark.parametrize('label', [None, 'kind', 'y'])
def test_no_labels_in_a_table(tmp_path, how, name, labels, label):
    """A column of them may be there."""
    path = write_labels(tmp_path / name, labels)
    for like in how, Preparation(2, ['a', 'b']):
        data = load_dataset(path, like=like, label=label)
        assert data.y is None and data.x.tolist() == [[1, 2], [3, 4], [5, 6]]
    with pytest.raises(InputError, match='row 1 of .* no (label|value)'
                       if name[-1] == 't' else 'line 2 of .* no label'):
        load_dataset(path, label=label, columns='a,b')


@pytest.mark.parametrize('name', ['new.csv', 'new.parquet'])
@pytest.mark.parametrize('kind', [*SOME, 'null'])
def test_labels_of_a_table_that_can_not_be_used(tmp_path, how, name, kind):
    labels, message = SOME.get(kind, (['u', None, 'v'],
                                      'has no (label|value)'))
    path = write_labels(tmp_path / name, labels)
    with pytest.warns(UserWarning, match='the labels of .* are left out: .*'
                                         f'{message}'):
        data = load_dataset(path, like=how)
    assert data.y is None and data.x.tolist() == [[1, 2], [3, 4], [5, 6]]
    with pytest.raises(InputError, match=message):
        load_dataset(path, label='kind', columns='a,b')


@pytest.mark.filterwarnings('error')
def test_no_labels_beside_texts(tmp_path):
    (tmp_path / 'old.csv').write_text(
        'y,review\np,red wine\nq,red beer\np,white wine\nq,white beer\n')
    how = load_dataset(str(tmp_path / 'old.csv'), text='review').preparation
    assert how.label == 'y'
    data = new(tmp_path, 'review,y\nwine,\nbeer,\n', how)
    assert data.y is None and data.documents == ['wine', 'beer']


def write_arrays(path, y):
    """Beside points of two columns: y, or in HDF5 its two parts."""
    x = numpy.arange(1., 13).reshape(6, 2)
    if path.suffix == '.npz':
        numpy.savez(path, x=x, y=y)
    elif path.suffix == '.npy':
        numpy.save(path, x)
        numpy.save(path.with_name('y.npy'), y)
    else:
        with pytest.importorskip('h5py').File(path, 'w') as file:
            for part, rows in ('train', slice(4)), ('test', slice(4, None)):
                file[f'{part}/x'] = x[rows]
                labels = y[rows]
                if labels is not None:
                    file[f'{part}/y'] = labels.tolist() \
                        if labels.dtype.kind == 'U' else labels
    return {'labels': path.with_name('y.npy')} \
        if path.suffix == '.npy' else {}


@pytest.mark.filterwarnings('ignore:.*no names of columns')
@pytest.mark.filterwarnings('error:.*left out')
@pytest.mark.parametrize('name', ['a.npz', 'a.npy', 'a.h5'])
@pytest.mark.parametrize('y', [[numpy.nan] * 6, [''] * 6, ['nan', *[' '] * 5]],
                         ids=str)
def test_no_labels_in_arrays(tmp_path, how, name, y):
    options = write_arrays(tmp_path / name, numpy.array(y))
    path = str(tmp_path / name)
    data = load_dataset(path, like=how, **options)
    assert data.y is None and data.x.shape == (6, 2)
    with pytest.raises(InputError, match='has no label|are NaN'):
        load_dataset(path, **options)


@pytest.mark.filterwarnings('ignore:.*no names of columns')
@pytest.mark.parametrize('name', ['a.npz', 'a.npy', 'a.h5'])
@pytest.mark.parametrize('y,message', [
    ([1, 2, 3, numpy.nan, 5, 6], 'are NaN'),
    ([*'abcd', '', 'f'], r'row \d of .* has no label'),
    ([1, 2, 3, 4, 5], 'give one label for each')], ids=str)
def test_labels_of_arrays_that_can_not_be_used(tmp_path, how, name, y,
                                               message):
    options = write_arrays(tmp_path / name, numpy.array(y))
    path = str(tmp_path / name)
    with pytest.warns(UserWarning, match=f'are left out: .*{message}'):
        data = load_dataset(path, like=how, **options)
    assert data.y is None and data.x.shape == (6, 2)
    with pytest.raises(InputError, match=message):
        load_dataset(path, **options)


@pytest.mark.filterwarnings('ignore:.*no names of columns')
def test_labels_in_a_text_beside(tmp_path, how):
    write_arrays(tmp_path / 'a.npy', numpy.arange(6))
    (tmp_path / 'y.txt').write_text('NA\nnone\n?\nnull\nnan\nNaT\n')
    options = dict(labels=tmp_path / 'y.txt')
    assert load_dataset(str(tmp_path / 'a.npy'), like=how, **options
                        ).y is None
    with pytest.raises(InputError, match='line 1 of .* has no label'):
        load_dataset(str(tmp_path / 'a.npy'), **options)
    for kind in how, None:
        with pytest.raises(InputError, match='there is no file'):
            load_dataset(str(tmp_path / 'a.npy'), like=kind,
                         labels='missing.txt')


# --- Bytes, which are pixels or not ---

BYTES = numpy.random.default_rng(0).integers(0, 256, (9, 4, 5)).astype('u1')
ROWS = BYTES.reshape(9, 20)
# Made by a table, as no code of the library does.
PIXELS = numpy.array([k / 128 - 1 for k in range(256)], 'f')[ROWS]


def write_bytes(path, x):
    """An array in the format that the name of a file says."""
    if path.suffix == '.npz':
        numpy.savez(path, x=x)
    elif path.suffix == '.npy':
        numpy.save(path, x)
    elif path.suffix == '.h5':
        with pytest.importorskip('h5py').File(path, 'w') as file:
            file['x'] = x
    elif 'idx3' in path.name:
        path.write_bytes(struct.pack('>HBB3i', 0, 8, 3, *x.shape)
                         + x.tobytes())
    elif path.name == 'images':
        path.mkdir()
        for i, image in enumerate(x):
            Image.fromarray(image).save(path / f'{i}.png')
    else:
        path.mkdir()
        numpy.save(path / '1.npy', x[:4])
        numpy.save(path / '2.npy', x[4:])
    return str(path)


def like(tmp_path, name, x, **options):
    """The Preparation of such a file, written and read again."""
    load_dataset(write_bytes(tmp_path / f'old-{name}', x), verbose=False,
                 **options).preparation.save(tmp_path / 'how.npz')
    return Preparation.load(tmp_path / 'how.npz')


@pytest.fixture(params=['in memory', 'on disk'])
def anywhere(request, monkeypatch):
    if request.param == 'on disk':
        monkeypatch.setattr(arrays, 'LARGE', 1)


@pytest.mark.parametrize('old,options', [(BYTES, {}), (
    ROWS, {'image_size': '4x5'})], ids=['images', 'rows with their size'])
@pytest.mark.parametrize('name,x', [
    ('a.npy', BYTES), ('a.npy', ROWS), ('a.npz', ROWS), ('a.h5', ROWS),
    ('parts', ROWS), ('a.h5', BYTES), ('a.idx3', BYTES), ('images', BYTES),
    ('a.npy', PIXELS), ('a.npz', PIXELS.reshape(9, 4, 5))])
def test_bytes_as_pixels(tmp_path, anywhere, old, options, name, x):
    """Of whatever shape and file, they become what they were learnt as."""
    how = like(tmp_path, 'a.npy', old, **options)
    data = load_dataset(write_bytes(tmp_path / name, x), like=how,
                        verbose=False)
    numpy.testing.assert_array_equal(numpy.asarray(data.x), PIXELS)
    assert data.image_shape == how.image_shape == (4, 5)


@pytest.mark.parametrize('name', ['a.npy', 'a.npz', 'a.h5', 'parts'])
def test_the_size_marks_rows_of_bytes_as_images(tmp_path, anywhere, name):
    path = write_bytes(tmp_path / name, ROWS)
    data = load_dataset(path, image_size='4x5')
    numpy.testing.assert_array_equal(numpy.asarray(data.x), PIXELS)
    assert 'Pixels x / 128 - 1.' in data.notes
    numpy.testing.assert_array_equal(
        numpy.asarray(load_dataset(path).x), ROWS.astype('f'))


@pytest.mark.parametrize('name,x', [
    ('a.npy', BYTES), ('a.npy', ROWS), ('a.idx3', BYTES), ('parts', BYTES),
    ('a.npy', ROWS.astype('f8')), ('a.npz', BYTES.astype('i8'))])
def test_bytes_as_numbers(tmp_path, anywhere, name, x):
    how = like(tmp_path, 'a.npy', ROWS)
    data = load_dataset(write_bytes(tmp_path / name, x), like=how)
    numpy.testing.assert_array_equal(numpy.asarray(data.x), ROWS.astype('f'))


def test_sparse_bytes_are_no_pixels(tmp_path):
    """Which would be sparse no longer."""
    path = tmp_path / 'a.npz'
    scipy.sparse.save_npz(path, scipy.sparse.csr_matrix(ROWS))
    data = load_dataset(str(path))
    assert data.x.toarray().tolist() == ROWS.tolist()
    with pytest.raises(InputError, match='goes from 0 to .* give bytes'):
        load_dataset(str(path), like=like(tmp_path, 'a.npy', BYTES))
    with pytest.raises(InputError, match='learnt from were none'):
        load_dataset(write_bytes(tmp_path / 'images', BYTES), verbose=False,
                     like=data.preparation)


@pytest.mark.parametrize('x', [
    ROWS / 255, ROWS.astype('f'), BYTES / 128, ROWS / 255 * 3 - 1,
    BYTES.astype('i8')])
def test_no_pixels_for_what_has_learnt_pixels(tmp_path, x):
    how = like(tmp_path, 'a.npy', BYTES)
    for name in 'a.npz', 'a.npy':
        with pytest.raises(InputError, match=r'x of .* goes from .* to .*; '
                           r'give bytes \(dtype uint8\)') as info:
            load_dataset(write_bytes(tmp_path / name, x), like=how)
        assert '\n' not in str(info.value)
    numpy.savetxt(tmp_path / 'a.csv', x.reshape(9, -1), delimiter=',')
    with pytest.raises(InputError, match='give bytes'):
        load_dataset(str(tmp_path / 'a.csv'), like=how)


@pytest.mark.parametrize('old', [BYTES / 255, BYTES.astype('i4')])
@pytest.mark.parametrize('name,x', [('a.npy', BYTES), ('a.npy', ROWS), (
    'images', BYTES), ('a.idx3', BYTES)])
def test_bytes_for_what_has_learnt_other_images(tmp_path, old, name, x):
    how = like(tmp_path, 'a.npy', old)
    with pytest.raises(InputError, match='holds images of bytes, .* give '
                                         'an array of numbers'):
        load_dataset(write_bytes(tmp_path / name, x), like=how,
                     verbose=False)
    x = numpy.linspace(0, 9, 60).reshape(3, 20)
    assert load_dataset(write_bytes(tmp_path / 'b.npy', x), like=how
                        ).image_shape == (4, 5)


def test_bytes_for_what_has_learnt_rows_of_numbers(tmp_path):
    """Without images a number is one, whatever holds it."""
    how = like(tmp_path, 'a.npy', ROWS.astype('i8'))
    assert load_dataset(write_bytes(tmp_path / 'a.npy', ROWS), like=how
                        ).x.tolist() == ROWS.tolist()
    with pytest.raises(InputError, match='give an array of numbers'):
        load_dataset(write_bytes(tmp_path / 'b.npy', BYTES), like=how)


def test_mnist_for_what_has_learnt_rows_of_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, 'FILES', dict.fromkeys(mnist.FILES))
    for part, x in ('train', BYTES[:6]), ('t10k', BYTES[6:]):
        write_bytes(tmp_path / f'{part}-images-idx3-ubyte', x)
        (tmp_path / f'{part}-labels-idx1-ubyte').write_bytes(struct.pack(
            '>HBBi', 0, 8, 1, len(x)) + bytes(len(x)))
    data = load_dataset('mnist', tmp_path, like=like(tmp_path, 'a.npy', BYTES))
    numpy.testing.assert_array_equal(data.x, PIXELS)
    with pytest.raises(InputError, match='give rows of bytes'):
        load_dataset('mnist', tmp_path, like=like(tmp_path, 'b.npy', ROWS))
    with pytest.raises(InputError, match='give an array of numbers'):
        load_dataset('mnist', tmp_path, like=like(
            tmp_path, 'c.npy', ROWS / 255))


def test_the_digits_are_no_bytes(tmp_path):
    """Which go from 0 to 16, for -1 to 1."""
    how = load_dataset('digits').preparation
    x = numpy.arange(128).reshape(2, 8, 8).astype('u1') % 17
    with pytest.raises(InputError, match='give an array of numbers'):
        load_dataset(write_bytes(tmp_path / 'a.npy', x), like=how)


def test_as_before_values_were_kept(tmp_path):
    """A file that does not say it: what is an image by itself is scaled."""
    how = like(tmp_path, 'a.npy', BYTES)
    with numpy.load(tmp_path / 'how.npz') as content:
        told = json.loads(str(content['preparation']))
    assert told.pop('values') == 'scaled'
    numpy.savez(tmp_path / 'how.npz', preparation=json.dumps(told))
    old = Preparation.load(tmp_path / 'how.npz')
    assert old.values is None and old.image_shape == how.image_shape
    for name, x, expected in (('a.npy', ROWS, ROWS), ('b.npy', BYTES, PIXELS),
                              ('c.npy', ROWS / 255, ROWS / 255)):
        path = write_bytes(tmp_path / name, x)
        for options in {}, {'image_size': '4x5'}:
            numpy.testing.assert_array_equal(
                load_dataset(path, like=old, **options).x,
                expected.astype('f'))


@pytest.mark.parametrize('change', [
    dict(values='other'), dict(values=['scaled']), dict(values=1),
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
