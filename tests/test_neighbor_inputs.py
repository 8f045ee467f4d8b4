"""neighbor_distance of a table in whatever form it comes."""
import numpy
import pandas
import pytest
import scipy.sparse

import imsat
from imsat import InputError

RNG = numpy.random.RandomState(0)
# Whole numbers, many of them 0, that all dtypes hold.
X = RNG.poisson(.8, size=(30, 5)) * RNG.randint(1, 9, size=(30, 5))
X[:, 0] = numpy.arange(30)
T = 4


def naive(x):
    x = x.astype(float)
    distance = numpy.sqrt(((x[:, None] - x) ** 2).sum(axis=2))
    return numpy.sort(distance, axis=1)[:, T]


def twice(x):
    """CSR with each entry as two parts, out of order, and zeros."""
    rows, columns = numpy.nonzero(numpy.ones_like(x))
    values = x[rows, columns].astype(float)
    order = RNG.permutation(2 * len(rows))
    rows, columns = (numpy.tile(a, 2)[order] for a in (rows, columns))
    values = numpy.concatenate([values + 7, values * 0 - 7])[order]
    by_row = numpy.argsort(rows, kind='stable')
    matrix = scipy.sparse.csr_matrix(x.shape)
    matrix.data, matrix.indices = values[by_row], columns[by_row].astype('i4')
    matrix.indptr = numpy.arange(0, 2 * x.size + 1, 2 * x.shape[1]).astype(
        'i4')
    assert not matrix.has_canonical_format
    return matrix


def memmap(x, tmp_path):
    numpy.save(tmp_path / 'x.npy', x)
    return numpy.load(tmp_path / 'x.npy', mmap_mode='r')


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


FORMS = {
    **{f'{name} {kind}': lambda x, name=name, kind=kind: getattr(
        scipy.sparse, f'{name}_{kind}')(x.astype(float))
       for name in ('csr', 'csc', 'coo', 'bsr', 'lil', 'dok', 'dia')
       for kind in ('matrix', 'array')},
    'csr of whole numbers': scipy.sparse.csr_array,
    'csr of bools': lambda x: scipy.sparse.csr_array(x > 2),
    'csr twice': twice,
    'lists': lambda x: x.tolist(),
    'tuples': lambda x: tuple(map(tuple, x.tolist())),
    'frame': lambda x: pandas.DataFrame(x, index=range(9, 39)),
    'frame of two dtypes': lambda x: pandas.DataFrame(x).astype({0: 'f4'}),
    'nullable frame': lambda x: pandas.DataFrame(x).astype('Int64'),
    'fortran': numpy.asfortranarray, 'read-only': read_only,
    'strided': lambda x: numpy.repeat(x, 2, axis=1)[:, ::2],
    'reversed': lambda x: x[::-1].copy()[::-1],
    'masked nowhere': numpy.ma.masked_array,
    'bools': lambda x: x > 2,
    **{dtype: lambda x, dtype=dtype: x.astype(dtype) for dtype in (
        'i1', 'u8', 'i8', 'f2', 'f4', 'f8', 'g', '>f4', '>f8', '>i4')}}


@pytest.mark.parametrize('form', FORMS)
def test_right(form):
    given = FORMS[form](X)
    expected = naive(X > 2 if 'bools' in form else X)
    kept = given.copy() if scipy.sparse.issparse(given) else None
    try:
        sigma = imsat.neighbor_distance(given, T)
    except InputError:
        # Objects are refused and not guessed at.
        assert form == 'nullable frame'
        return
    numpy.testing.assert_allclose(sigma, expected, 1e-12, 1e-12)
    if form == 'csr twice':  # the caller's is as it was
        numpy.testing.assert_array_equal(given.data, kept.data)
        numpy.testing.assert_array_equal(given.indices, kept.indices)


def test_memmap(tmp_path):
    numpy.testing.assert_allclose(
        imsat.neighbor_distance(memmap(X, tmp_path), T), naive(X), 1e-12)


DTYPES = '?', 'i1', 'u1', 'u4', 'i8', 'u8', 'f2', 'f4', 'f8'


@pytest.mark.parametrize('dtype', DTYPES)
def test_right_on_a_gpu(device, dtype):
    x = X.astype(dtype)
    numpy.testing.assert_allclose(
        imsat.neighbor_distance(device.asarray(x), T), naive(x), 1e-12,
        1e-12)


@pytest.mark.parametrize('x,message', [
    (X * 1e160, "can't hold its square"), (X * 1e-170, "can't hold its sq"),
    (X.astype('u8') + 2 ** 63, r'above 2\*\*53'),
    (X.astype('i8') - 2 ** 60, r'above 2\*\*53'),
    (X.astype('F'), 'dtype complex64'), (X[0], r'shape \(5,\)'),
    (X[None], r'shape \(1, 30, 5\)'), (X[:0], '0 points have no'),
    (X + [numpy.nan] * 5, 'NaN or infinite'),
    (X - [numpy.inf] * 5, 'NaN or infinite')])
@pytest.mark.parametrize('find', [imsat.neighbor_distance, imsat.neighbors])
def test_refused_wherever_it_is(everywhere, find, x, message):
    with pytest.raises(InputError, match=message):
        find(everywhere.asarray(x), T)


@pytest.mark.parametrize('x', [
    X.astype(object), X.astype(str), X + 1j, X[0], X[None], 3, 'abc', None,
    [[1, 2], [3]], numpy.ma.masked_equal(X, 1),
    list(numpy.ma.masked_equal(X, 1)), X + [numpy.nan] * 5,
    X.astype('g') * numpy.longdouble('1e2000'), X + 2 ** 60,
    scipy.sparse.csr_array(X * 1j), scipy.sparse.coo_array(X[0]),
    scipy.sparse.csr_array(X + numpy.inf), {'a': 1}, X[:T],
    scipy.sparse.csr_array(X[:T])])
def test_refused(x):
    with pytest.raises(InputError) as info:
        imsat.neighbor_distance(x, T)
    assert '\n' not in str(info.value)


# What scikit-learn reads, the estimators read alike.
@pytest.mark.parametrize('form', [
    form for form in FORMS if 'bools' not in form and form != 'f2'])
def test_estimators_see_the_same_points(form):
    given = FORMS[form](X)
    for cls, arguments in (
            (imsat.KMeansClustering, {}),
            (imsat.IMSATClustering, dict(hidden=(), epochs=1, batch_size=15,
                                         n_neighbors=T))):
        expected = cls(2, random_state=0, **arguments).fit(X.astype('f8'))
        model = cls(2, random_state=0, **arguments).fit(given)
        numpy.testing.assert_allclose(
            model.transform(given), expected.transform(X.astype('f8')),
            1e-4, 1e-4)


@pytest.mark.parametrize('form', [numpy.asarray, scipy.sparse.csr_matrix])
@pytest.mark.parametrize('factor', [1e100, 1e-100, 1e200, 1e-200])
def test_numbers_whose_squares_leave_float64(form, factor):
    x = form(X * factor)
    if 1e-150 < factor < 1e150:
        numpy.testing.assert_allclose(
            imsat.neighbor_distance(x, T), naive(X) * factor, 1e-9)
        return
    with pytest.raises(InputError, match="float64 can't hold its square"):
        imsat.neighbor_distance(x, T)
