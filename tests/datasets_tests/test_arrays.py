"""Points in .npz, .npy, sparse .npz, HDF5 and IDX."""
import gzip
import os
import struct
import sys
import warnings

import numpy
import pytest
import scipy.sparse

from imsat import InputError, on_disk
from imsat.datasets import arrays, load_dataset, mnist

RNG = numpy.random.default_rng(0)
X = RNG.normal(size=(6, 12)).round(3)
Y = numpy.array([0, 1, 0, 1, 1, 0])
GREY = RNG.integers(0, 256, (6, 3, 4)).astype('u1')
COLOUR = RNG.integers(0, 256, (6, 2, 5, 3)).astype('u1')
PIXELS = numpy.float32(1 / 128)


def load(path, **options):
    return load_dataset(str(path), verbose=False, **options)


def refused(message, path, **options):
    with pytest.raises(InputError, match=message) as info:
        load(path, **options)
    assert '\n' not in str(info.value)


# --- .npz and .npy

@pytest.mark.parametrize('names', [('x', 'y'), ('X', 'y'), ('x', 'target'),
                                   ('X', 'target')])
def test_names(tmp_path, names):
    numpy.savez(tmp_path / 'a.npz', **dict(zip(names, (X, Y))))
    data = load(tmp_path / 'a.npz')
    numpy.testing.assert_array_equal(data.x, X.astype('f'))
    assert data.y.tolist() == Y.tolist() and data.image_shape is None


@pytest.mark.parametrize('both', [('x', 'X'), ('y', 'target')])
def test_two_of_a_kind(tmp_path, both):
    numpy.savez(tmp_path / 'a.npz', **{'x': X, **dict.fromkeys(both, X)})
    refused('holds both', tmp_path / 'a.npz')


@pytest.mark.parametrize('x,shape', [
    (GREY, (3, 4)), (GREY[..., None], (3, 4)), (GREY[:, None], (3, 4)),
    (COLOUR, (2, 5, 3)), (COLOUR.transpose(0, 3, 1, 2), (2, 5, 3))])
@pytest.mark.parametrize('dtype', ['u1', 'f8'])
@pytest.mark.parametrize('suffix', ['.npz', '.npy'])
def test_images(tmp_path, x, shape, dtype, suffix):
    path = (tmp_path / 'a').with_suffix(suffix)
    x = x.astype(dtype)
    numpy.save(path, x) if suffix == '.npy' else numpy.savez(path, x=x)
    data = load(path)
    pixels = COLOUR if len(shape) == 3 else GREY
    expected = pixels.reshape(6, -1).astype('f')
    numpy.testing.assert_array_equal(
        data.x, expected * PIXELS - 1 if dtype == 'u1' else expected)
    assert data.image_shape == shape


@pytest.mark.parametrize('shape', [[3, 4], [2, 2, 3], [12, 1]])
def test_image_shape(tmp_path, shape):
    numpy.savez(tmp_path / 'a.npz', x=X, image_shape=shape)
    data = load(tmp_path / 'a.npz')
    numpy.testing.assert_array_equal(data.x, X.astype('f'))
    assert data.image_shape == tuple(shape)
    assert all(type(side) is int for side in data.image_shape)


@pytest.mark.parametrize('shape', [
    3, [12], [3, 5], [3., 4.], [1, 3, 4], [-3, -4], [0, 4], [], 'a b',
    [2 ** 32, 2 ** 32], [2, 2, 3, 1]])
def test_bad_image_shape(tmp_path, shape):
    numpy.savez(tmp_path / 'a.npz', x=X, image_shape=shape)
    refused('image_shape', tmp_path / 'a.npz')


@pytest.mark.parametrize('x', [
    RNG.normal(size=(6, 2, 4, 5)), RNG.normal(size=(6, 3, 4, 5, 3)),
    numpy.zeros((0, 3, 4)), numpy.zeros((6, 0, 4)), numpy.float64(3),
    RNG.normal(size=6), numpy.array(list('abcdef')),
    numpy.zeros((6, 3, 4), 'V3'), numpy.zeros((6, 2), 'f4,f4'),
    numpy.zeros((6, 2), 'M8[s]'), X * 1j])
@pytest.mark.parametrize('suffix', ['.npz', '.npy'])
def test_no_points(tmp_path, x, suffix):
    path = (tmp_path / 'a').with_suffix(suffix)
    numpy.save(path, x) if suffix == '.npy' else numpy.savez(path, x=x)
    refused('x of .* (shape|dtype)', path)


def test_what_points_are_called(tmp_path):
    path = tmp_path / 'a.npz'
    numpy.savez(path, x=X, index=[f'{i}.png' for i in range(len(X))])
    assert load_dataset(str(path)).index == [
        f'{i}.png' for i in range(len(X))]
    numpy.savez(path, x=X, index=numpy.arange(len(X)))
    assert load_dataset(str(path)).index == [str(i) for i in range(len(X))]
    for index in numpy.arange(len(X) - 1), numpy.zeros(X.shape, int), \
            numpy.zeros(len(X)), 'name':
        numpy.savez(path, x=X, index=index)
        with pytest.raises(InputError, match='give a name or whole number '
                                             'for each, or leave index out'):
            load_dataset(str(path))


def test_names_that_are_objects(tmp_path):
    path = tmp_path / 'a.npz'
    numpy.savez(path, x=X, index=numpy.array([*'abcdef'], object))
    with pytest.raises(InputError, match='index is of Python objects; make '
                                         'it numbers or text'):
        load_dataset(str(path))


def test_what_is_passed_over(tmp_path):
    numpy.savez(tmp_path / 'a.npz', x=X, labels=Y, weights=Y)
    with pytest.warns(UserWarning, match='holds labels, weights, .* call them '
                                         'y$'):
        data = load_dataset(str(tmp_path / 'a.npz'))
    note = 'a.npz holds labels, weights, which nothing here reads.'
    assert data.y is None and data.notes == [note]
    numpy.savez(tmp_path / 'b.npz', x=X, y=Y, labels=Y)
    h5py = pytest.importorskip('h5py')
    with h5py.File(tmp_path / 'b.h5', 'w') as file:
        file['x'], file['y'], file['labels'] = X, Y, Y
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for name in 'b.npz', 'b.h5':
            assert load_dataset(str(tmp_path / name)).notes == [
                f'{name} holds labels, which nothing here reads.']
        assert not load_dataset(str(tmp_path / 'a.npz'),
                                like=data.preparation).y


def test_what_points_look_like(tmp_path):
    path = tmp_path / 'a.npz'
    small = RNG.integers(0, 256, (len(X), 2, 4, 3)).astype('u1')
    numpy.savez(path, x=X, thumbnails=small)
    rows, shape = load_dataset(str(path)).images
    numpy.testing.assert_array_equal(rows.reshape(-1, *shape), small)
    for wrong in small[1:], small[..., :1], small / 2., small[:, :, 0], \
            small[:, :0]:
        numpy.savez(path, x=X, thumbnails=wrong)
        with pytest.raises(InputError, match='thumbnails of .* or leave them '
                                             'out'):
            load_dataset(str(path))


def test_pickles_are_refused(tmp_path):
    numpy.save(tmp_path / 'a.npy', numpy.array([{}, []], dtype=object))
    refused('without pickle', tmp_path / 'a.npy')


def test_rows_of_pixels(tmp_path):
    numpy.save(tmp_path / 'a.npy', X)
    assert load(tmp_path / 'a.npy', image_size='3x4').image_shape == (3, 4)
    refused('rows .* 12 numbers', tmp_path / 'a.npy', image_size='3x5')
    scipy.sparse.save_npz(tmp_path / 'a.npz',
                          scipy.sparse.eye(12, format='csr'))
    refused('sparse, which are not drawn', tmp_path / 'a.npz',
            image_size='3x4')
    like = load(tmp_path / 'a.npy', image_size='3x4').preparation
    assert load(tmp_path / 'a.npz', like=like).image_shape is None
    numpy.save(tmp_path / 'b.npy', GREY)
    assert load(tmp_path / 'b.npy', image_size='3x4').image_shape == (3, 4)
    refused('images of 3 x 4', tmp_path / 'b.npy', image_size='4x3')


# --- labels beside

def idx(array):
    kinds = {'u1': 8, 'i1': 9, '>i2': 11, '>i4': 12, '>f4': 13, '>f8': 14}
    kind = kinds[array.dtype.str.lstrip('|')]
    return struct.pack(f'>HBB{array.ndim}i', 0, kind, array.ndim,
                       *array.shape) + array.tobytes()


def test_labels(tmp_path):
    numpy.save(tmp_path / 'a.npy', X)
    numpy.save(tmp_path / 'y.npy', Y)
    (tmp_path / 'y.txt').write_text('u\nv\nu\n v \nv\nu\n')
    (tmp_path / 'y-idx1-ubyte').write_bytes(idx(Y.astype('u1')))
    for name in 'y.npy', 'y.txt', 'y-idx1-ubyte':
        y = load(tmp_path / 'a.npy', labels=tmp_path / name).y
        assert [['u', 'v'].index(v) if name == 'y.txt' else int(v)
                for v in y] == Y.tolist()
    numpy.savez(tmp_path / 'b.npz', x=X, y=Y)
    refused('labels itself', tmp_path / 'b.npz', labels=tmp_path / 'y.npy')
    with pytest.raises(InputError, match='labels is .*, but digits'):
        load_dataset('digits', labels='y.npy')


@pytest.mark.parametrize('name,content,message', [
    ('y.npy', Y[1:], 'one label for each'),
    ('y.npy', numpy.where(Y, 1, numpy.nan), 'NaN'),
    ('y.npy', X, 'one label for each'), ('y.npy', None, 'no file'),
    ('y.npy', numpy.array([None] * 6), 'without pickle'),
    ('y.txt', 'a\nb\n', 'one label for each'),
    ('y.txt', 'a\nb\n\nd\ne\nf\n', 'line 3 .* has no label'),
    ('y.txt', 'a\nb\nnan\nd\ne\nf\n', 'line 3 .* has no label'),
    ('y.csv', 'a\nb\n', 'no known kind'), ('y', 'a', 'no known kind')])
def test_bad_labels(tmp_path, name, content, message):
    numpy.save(tmp_path / 'a.npy', X)
    if isinstance(content, str):
        (tmp_path / name).write_text(content)
    elif content is not None:
        numpy.save(tmp_path / name, content)
    refused(message, tmp_path / 'a.npy', labels=tmp_path / name)


# How rows are named, and what is missing: docs/data.md.
@pytest.mark.parametrize('name,place,missing', [
    ('y.txt', 'line 3', ['', 'NA', '?', '\u200b']),
    ('y.npy', 'row 2', ['', 'nan', '\u200b']),
    ('a.npz', 'row 2', ['', 'nan', '\u200b']),
    ('a.h5', 'row 2', ['', 'nan', '\u200b'])])
def test_labels_that_are_text(tmp_path, name, place, missing):
    """As those of tables, whatever holds them."""
    def read(labels):
        path, options = tmp_path / name, {}
        if name == 'a.npz':
            numpy.savez(path, x=X, y=labels)
        elif name == 'a.h5':
            with pytest.importorskip('h5py').File(path, 'w') as file:
                file.update(x=X, y=labels)
        else:
            numpy.save(tmp_path / 'a.npy', X)
            if name == 'y.npy':
                numpy.save(path, labels)
            else:
                path.write_text('\n'.join(labels), 'utf-8')
            path, options = tmp_path / 'a.npy', {'labels': path}
        return load(path, **options).y.tolist()
    same = ['\u00e9', 'e\u0301', ' \u00e9', '\u00e9\u200b', '\ufeff\u00e9']
    assert read([*same, 'e']) == ['\u00e9'] * 5 + ['e']
    # Too large for a number: none of them is another.
    large = [f'{i}e{"9" * 30}' for i in range(6)]
    assert read(large) == large
    assert read(['01', '1a', '2', '2,5', '1.2.3', '-']) == [
        '01', '1a', '2', '2,5', '1.2.3', '-']
    for one in '1.0', '01', '+1', '1,0', '10e-1':
        with pytest.raises(InputError, match='the same number written twice'):
            read(['1', *'abcd', one])
    for text in missing:
        with pytest.raises(InputError, match=f'{place} of .* has no label'):
            read(['a', 'b', text, *'def'])


# --- sparse

DENSE = numpy.where(RNG.random((6, 12)) < .3, X, 0)


@pytest.mark.parametrize('kind', ['csr', 'csc', 'bsr', 'coo', 'dia'])
@pytest.mark.parametrize('compressed', [True, False])
def test_sparse(tmp_path, kind, compressed):
    path = tmp_path / 'a.npz'
    for form in scipy.sparse.csr_matrix, scipy.sparse.csr_array:
        scipy.sparse.save_npz(path, form(DENSE).asformat(kind), compressed)
        data = load(path)
        assert scipy.sparse.issparse(data.x) and data.x.format == 'csr'
        assert data.x.dtype == numpy.float32
        numpy.testing.assert_array_equal(data.x.toarray(), DENSE.astype('f'))
    numpy.save(tmp_path / 'y.npy', Y)
    assert load(path, labels=tmp_path / 'y.npy').y.tolist() == Y.tolist()


def test_entries_that_are_there_twice_add_up(tmp_path):
    scipy.sparse.save_npz(tmp_path / 'a.npz', scipy.sparse.coo_matrix(
        ([1., 2, 4], ([0, 0, 1], [1, 1, 0])), (2, 2)))
    assert load(tmp_path / 'a.npz').x.toarray().tolist() == [[0, 3], [4, 0]]


CSR = dict(format=b'csr', shape=[3, 2], data=[1., 2.], indices=[0, 1],
           indptr=[0, 1, 1, 2])


@pytest.mark.parametrize('change,message', [
    (dict(indices=[0, 2]), 'sparse'), (dict(indices=[0, -1]), 'sparse'),
    (dict(indices=[0]), 'sparse'), (dict(indptr=[0, 1, 2]), 'sparse'),
    (dict(indptr=[0, 2, 1, 2]), 'sparse'), (dict(data=[1.]), 'sparse'),
    (dict(indptr=[1, 1, 1, 2]), 'sparse'), (dict(shape=[3]), 'sparse'),
    (dict(shape=[-3, 2]), 'sparse'), (dict(shape=[3., 2.]), 'sparse'),
    (dict(shape=[2 ** 60, 2]), 'sparse'), (dict(format=b'xyz'), 'sparse'),
    (dict(format=b'csc', shape=[2 ** 60, 3]), 'sparse'),
    (dict(format=b'coo'), 'sparse'), (dict(format=7), 'sparse'),
    (dict(shape=[3, 2 ** 60]), 'sparse'), (dict(indptr='abcd'), 'sparse'),
    (dict(data=[1., numpy.nan]), 'row 2, column 1'),
    (dict(data=[1., 1e39]), r'1e.39 in row 2, column 1'),
    (dict(data=[1j, 2]), 'dtype complex'),
    (dict(data=['a', 'b']), 'sparse|dtype'),
    (dict(data=[0., 0.]), 'nothing to cluster'),
    (dict(shape=None), 'no array x'), (dict(format=None), 'no array x'),
    (dict(indptr=None), 'sparse')])
def test_bad_sparse(tmp_path, change, message):
    numpy.savez(tmp_path / 'a.npz', **{
        name: value for name, value in {**CSR, **change}.items()
        if value is not None})
    refused(message, tmp_path / 'a.npz')


# --- HDF5

def hdf5(path, **arrays):
    h5py = pytest.importorskip('h5py')
    with h5py.File(path, 'w') as file:
        for name, value in arrays.items():
            file[name.replace('_', '/')] = value


@pytest.mark.parametrize('names', [('x', 'y'), ('X', 'target'),
                                   ('data', 'target'), ('data', 'y')])
def test_hdf5(tmp_path, names):
    hdf5(tmp_path / 'a.h5', **dict(zip(names, (X, Y))))
    data = load(tmp_path / 'a.h5')
    numpy.testing.assert_array_equal(data.x, X.astype('f'))
    assert data.y.tolist() == Y.tolist()


def test_hdf5_as_usps_comes(tmp_path):
    hdf5(tmp_path / 'usps.hdf5', train_data=X[:4], train_target=Y[:4],
         test_data=X[4:], test_target=Y[4:])
    data = load(tmp_path / 'usps.hdf5', image_size='3x4')
    numpy.testing.assert_array_equal(data.x, X.astype('f'))
    assert data.y.tolist() == Y.tolist() and data.image_shape == (3, 4)
    hdf5(tmp_path / 'b.h5', x=GREY, y=list('abcdef'))
    data = load(tmp_path / 'b.h5')
    assert data.image_shape == (3, 4) and ''.join(data.y) == 'abcdef'


@pytest.mark.parametrize('beside,message', [
    ({'y': Y}, 'holds y beside train and test, which have points'),
    ({'x': X}, 'holds x beside train and test'),
    ({'data': X, 'target': Y}, 'holds data and target beside')])
def test_hdf5_with_two_kinds_of_points(tmp_path, beside, message):
    hdf5(tmp_path / 'a.h5', train_data=X[:4], test_data=X[4:], **beside)
    refused(message, tmp_path / 'a.h5')


def test_hdf5_with_what_nothing_reads(tmp_path):
    hdf5(tmp_path / 'a.h5', train_data=X[:4], train_y=Y[:4], valid_data=X)
    data = load(tmp_path / 'a.h5')
    assert len(data.x) == 4
    assert 'a.h5 holds valid, which nothing here reads.' in data.notes


def test_hdf5_of_bytes_and_others(tmp_path):
    hdf5(tmp_path / 'a.h5', train_data=X[:4].astype('u1'), test_data=X[4:])
    refused('train and test of .* are bytes', tmp_path / 'a.h5')


def links(path):
    h5py = pytest.importorskip('h5py')
    hdf5(path.with_name('secret.h5'), x=X)
    with h5py.File(path, 'w') as file:
        file['x'] = h5py.ExternalLink('secret.h5', 'x')


def raw(path):
    h5py = pytest.importorskip('h5py')
    path.with_name('secret').write_bytes(X.tobytes())
    with h5py.File(path, 'w') as file:
        file.create_dataset('x', X.shape, 'f8', external=[
            (str(path.with_name('secret')), 0, X.nbytes)])


def virtual(path):
    h5py = pytest.importorskip('h5py')
    hdf5(path.with_name('secret.h5'), x=X)
    layout = h5py.VirtualLayout(X.shape, 'f8')
    layout[...] = h5py.VirtualSource(
        str(path.with_name('secret.h5')), 'x', X.shape)
    with h5py.File(path, 'w') as file:
        file.create_virtual_dataset('x', layout)


def groups(path):
    h5py = pytest.importorskip('h5py')
    hdf5(path.with_name('secret.h5'), train_x=X)
    with h5py.File(path, 'w') as file:
        file['train'] = h5py.ExternalLink('secret.h5', 'train')


def huge(path):
    h5py = pytest.importorskip('h5py')
    with h5py.File(path, 'w') as file:
        file.create_dataset('x', (2 ** 40, 2 ** 10), 'f8', chunks=(8, 8))


COMPOUND = numpy.zeros(6, [('a', 'f8')])


@pytest.mark.parametrize('write,message', [
    (dict(points=X), 'holds no x, X or data'), (dict(), 'holds no x'),
    (dict(x=X, X=X), 'holds both'), (dict(x_y=X), 'no array'),
    (dict(train_x=X, test_y=Y), 'both of its groups'),
    (dict(train_x=X, test_x=X[:, 1:]), 'differ'),
    (dict(train_x=X, test_x=X, test_y=Y), 'only one has labels'),
    (dict(train_x=X, test_x=X, train_y=Y, test_y=list('abcdef')),
     'kind of their labels'),
    (dict(train_x=X, test_x=X, train_y=Y, test_y=numpy.eye(6)),
     'kind of their labels'),
    (dict(train_x=X, test_x=X, train_y=Y[1:], test_y=[*Y, 0]),
     'has shape .5,. for 6 points'),
    (dict(train_x=X, test_x=X, train_y=Y, test_y=COMPOUND), 'nor text'),
    (dict(train_x=X, test_x=COMPOUND), 'give numbers'),
    (dict(x=X, y=Y[1:]), 'one label for each'), (dict(x=3.), 'no array'),
    (dict(x=['a', 'b']), 'dtype'), (dict(x=X * numpy.nan), 'NaN'),
    (links, 'within the file'), (raw, 'within the file'),
    (virtual, 'within the file'), (groups, 'holds no x'),
    (huge, 'has no room')])
def test_bad_hdf5(tmp_path, write, message):
    if isinstance(write, dict):
        hdf5(tmp_path / 'a.h5', **write)
    else:
        write(tmp_path / 'a.h5')
    refused(message, tmp_path / 'a.h5')


@pytest.mark.parametrize('cut', [0, 9, 700, -1])
def test_damaged_hdf5(tmp_path, cut):
    hdf5(tmp_path / 'a.h5', x=X)
    content = (tmp_path / 'a.h5').read_bytes()
    (tmp_path / 'a.h5').write_bytes(content[:cut])
    refused('damaged or no HDF5', tmp_path / 'a.h5')


def test_without_h5py(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'h5py', None)
    (tmp_path / 'a.h5').write_bytes(b'anything')
    refused(r'needs h5py .*imsat\[hdf5\]', tmp_path / 'a.h5')


# --- IDX

def write_idx(folder, prefix='', dot='-'):
    """Parts of one data set, one of them gzipped; returns x and y."""
    for part, images, y in (('train', GREY[:4], Y[:4]),
                            ('t10k', GREY[4:], Y[4:])):
        (folder / f'{prefix}{part}-images{dot}idx3-ubyte').write_bytes(
            idx(images))
        (folder / f'{prefix}{part}-labels{dot}idx1-ubyte.gz').write_bytes(
            gzip.compress(idx(y.astype('u1'))))


@pytest.mark.parametrize('prefix,dot', [('', '-'), ('', '.'),
                                        ('emnist-letters-', '-')])
def test_idx(tmp_path, prefix, dot):
    write_idx(tmp_path, prefix, dot)
    data = load(tmp_path / f'{prefix}train-images{dot}idx3-ubyte')
    numpy.testing.assert_array_equal(
        data.x, GREY[:4].reshape(4, -1) * PIXELS - 1)
    assert data.y.tolist() == Y[:4].tolist() and data.image_shape == (3, 4)
    assert data.y.dtype == numpy.int64 and 'labels' in ' '.join(data.notes)
    data = load(tmp_path)
    numpy.testing.assert_array_equal(data.x, GREY.reshape(6, -1) * PIXELS - 1)
    assert data.y.tolist() == Y.tolist() and data.name == tmp_path.name
    numpy.save(tmp_path / 'y.npy', 1 - Y[:4])
    data = load(tmp_path / f'{prefix}train-images{dot}idx3-ubyte',
                labels=tmp_path / 'y.npy')
    assert data.y.tolist() == (1 - Y[:4]).tolist()


def test_idx_is_read_as_mnist_is(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, 'FILES', dict.fromkeys(mnist.FILES))
    write_idx(tmp_path)
    ours, theirs = load(tmp_path), load_dataset('mnist', tmp_path)
    numpy.testing.assert_array_equal(ours.x, theirs.x)
    numpy.testing.assert_array_equal(ours.y, theirs.y)


def test_idx_without_labels(tmp_path):
    (tmp_path / 'some-idx3-ubyte').write_bytes(idx(GREY))
    assert load(tmp_path / 'some-idx3-ubyte').y is None
    (tmp_path / 'x-idx2-float').write_bytes(idx(X.astype('>f4')))
    (tmp_path / 'a.idx2').write_bytes(idx(X.astype('>f4')))
    for name in 'a.idx2',:
        numpy.testing.assert_array_equal(load(tmp_path / name).x,
                                         X.astype('f'))


def test_bad_idx(tmp_path):
    write_idx(tmp_path)
    path = tmp_path / 'train-images-idx3-ubyte'
    (tmp_path / 'train-labels-idx1-ubyte').write_bytes(
        idx(Y.astype('u1')))
    refused(r'labels of shape \(6,\) for 4 images', path)
    refused(r'labels of shape \(6,\) for 4 images', tmp_path)
    refused('shape', tmp_path / 't10k-labels-idx1-ubyte.gz')
    write_idx(tmp_path, 'other-')
    refused('2 data sets', tmp_path)
    path.write_bytes(b'no idx')
    refused('is no IDX file', path)


def test_what_is_hidden_beside_arrays_is_left_out(tmp_path):
    for name in 'npy', 'idx':
        (tmp_path / name / '.thumbs').mkdir(parents=True)
        (tmp_path / name / '.thumbs' / 'a.png').write_bytes(b'no image')
    numpy.save(tmp_path / 'npy' / '1.npy', X)
    numpy.testing.assert_array_equal(load(tmp_path / 'npy').x, X.astype('f'))
    # As macOS leaves them on other disks.
    write_idx(tmp_path / 'idx')
    write_idx(tmp_path / 'idx', '._')
    assert load(tmp_path / 'idx').y.tolist() == Y.tolist()


# --- others

@pytest.mark.parametrize('name', ['a.png', 'a.xlsx', 'a', 'a.npz.bak'])
def test_of_no_known_kind(tmp_path, name):
    (tmp_path / name).write_bytes(b'abc')
    refused('is of no known kind', tmp_path / name)
    refused('is not known', tmp_path / f'other-{name}')


@pytest.mark.parametrize('name', [None, 3, '', [], b'digits', 'a\0.npz',
                                  'a' * 5000, 'a' * 5000 + '.npz'])
def test_no_name(name):
    with pytest.raises(InputError):
        load_dataset(name)


# --- What stays on disk

@pytest.fixture
def all_stays(monkeypatch):
    monkeypatch.setattr(arrays, 'LARGE', 1)
    monkeypatch.setattr(on_disk, 'BLOCK', 20)


@pytest.mark.parametrize('x', [
    X, X.astype('f'), X.astype('f2'), X.astype('>f4'), (9 * X).astype('i8'),
    (X > 0), GREY.reshape(6, -1), GREY, GREY[..., None], GREY[:, None],
    COLOUR, COLOUR.transpose(0, 3, 1, 2), COLOUR.astype('f8'),
    numpy.asfortranarray(X)], ids=lambda x: f'{x.dtype} {x.shape}')
def test_stays_on_disk(tmp_path, x, monkeypatch):
    numpy.save(tmp_path / 'a.npy', x)
    (tmp_path / 'parts').mkdir()
    for name, part in zip('2 10 1'.split(), (x[1:3], x[3:], x[:1])):
        numpy.save(tmp_path / 'parts' / f'{name}.npy', part)
    expected = load(tmp_path / 'a.npy')
    assert isinstance(expected.x, numpy.ndarray)
    in_parts = load(tmp_path / 'parts')
    assert in_parts.name == 'parts'
    numpy.testing.assert_array_equal(in_parts.x, expected.x)
    monkeypatch.setattr(arrays, 'LARGE', 1)
    monkeypatch.setattr(on_disk, 'BLOCK', 20)
    for path in tmp_path / 'a.npy', tmp_path / 'parts':
        data = load(path)
        assert isinstance(data.x, on_disk.OnDisk)
        assert data.x.dtype == numpy.float32
        numpy.testing.assert_array_equal(numpy.asarray(data.x), expected.x)
        assert data.image_shape == expected.image_shape
        assert data.notes == expected.notes


def test_labels_of_what_stays(tmp_path, all_stays):
    numpy.save(tmp_path / 'a.npy', X)
    numpy.save(tmp_path / 'y.npy', Y)
    data = load(tmp_path / 'a.npy', labels=tmp_path / 'y.npy')
    numpy.testing.assert_array_equal(data.y, Y)
    numpy.save(tmp_path / 'y.npy', Y[1:])
    refused('has shape .5,. for 6 points', tmp_path / 'a.npy',
            labels=tmp_path / 'y.npy')


@pytest.mark.parametrize('x,message', [
    (numpy.where(X == X[3, 1], numpy.nan, X),
     '1 values that are NaN or infinite, the first in row 3, column 1'),
    (numpy.where(X == X[4, 0], 1e39, X), '1e.39 in row 4, column 0'),
    (X * 1e-6 + 1e9, 'float32 does not hold apart'),
    (X * 0, 'all points of .* are equal'), (X + 1j, 'give numbers'),
    (X[0], 'give a table'), (X[..., None, None, None], 'give a table')])
def test_refused_on_disk(tmp_path, x, message, all_stays):
    numpy.save(tmp_path / 'a.npy', x)
    refused(message, tmp_path / 'a.npy')


@pytest.mark.parametrize('part', [X[:, 1:], X[..., None], X[0]])
@pytest.mark.parametrize('stays', [False, True])
def test_parts_of_other_widths(tmp_path, part, stays, monkeypatch):
    if stays:
        monkeypatch.setattr(arrays, 'LARGE', 1)
    numpy.save(tmp_path / 'part-9.npy', X)
    numpy.save(tmp_path / 'part-10.npy', part)
    refused('part-10.npy has an array of shape .* and part-9.npy one of',
            tmp_path)


@pytest.mark.parametrize('part', [
    X + 1j, X.astype('M8[s]'), X.astype('m8[s]'), X.astype('U5'),
    X.astype('S5'), X.astype('V8'), X[:0].astype('U5')],
    ids=lambda part: f'{part.dtype} {len(part)}')
@pytest.mark.parametrize('name', ['1.npy', '3.npy'])
@pytest.mark.parametrize('stays', [False, True])
def test_parts_that_are_no_numbers(tmp_path, part, name, stays, monkeypatch):
    if stays:
        monkeypatch.setattr(arrays, 'LARGE', 1)
    numpy.save(tmp_path / '2.npy', X)
    numpy.save(tmp_path / name, part)
    refused(f'{name} has dtype .*; give numbers', tmp_path)


@pytest.mark.parametrize('stays', [False, True])
def test_parts_of_bytes_and_others(tmp_path, stays, monkeypatch):
    if stays:
        monkeypatch.setattr(arrays, 'LARGE', 0)
    for i, dtype in enumerate(('u1', 'f4', 'f8')):
        numpy.save(tmp_path / f'{i}.npy', GREY.astype(dtype))
    refused('of the parts of .* some are bytes', tmp_path)
    (tmp_path / '0.npy').unlink()
    assert len(load(tmp_path).x) == 2 * len(GREY)


@pytest.mark.parametrize('cut', [5, 100, 300, -1])
def test_parts_cut_short(tmp_path, cut):
    numpy.save(tmp_path / 'a.npy', X)
    numpy.save(tmp_path / 'b.npy', X)
    content = (tmp_path / 'b.npy').read_bytes()
    (tmp_path / 'b.npy').write_bytes(content[:cut])
    refused('b.npy is damaged or no npy file', tmp_path)


def test_too_many_parts(tmp_path):
    resource = pytest.importorskip('resource')
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    numbers = [int(number) for number in os.listdir('/dev/fd')]
    limit = max(numbers) + 9
    n = limit - len(numbers) + 20  # 20 or more will not find room
    for i in range(n):
        numpy.save(tmp_path / f'{i}.npy', X)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        refused(f'has {n} parts, more than files may be open', tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_images_beside_arrays(tmp_path):
    from PIL import Image
    Image.fromarray(GREY[0]).save(tmp_path / 'a.png')
    Image.fromarray(GREY[1]).save(tmp_path / 'b.png')
    numpy.save(tmp_path / 'y.npy', Y)
    with pytest.warns(UserWarning, match='left out'):
        assert load(tmp_path).image_shape == (3, 4)
