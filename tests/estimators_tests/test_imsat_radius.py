"""sigma_t(x), and the unit of the data that it gives."""
import numpy
import pytest
import scipy.sparse

from imsat import IMSATClustering

RNG = numpy.random.default_rng(0)
SHORT = dict(hidden=(30, 30), random_state=0, epochs=3, batch_size=50)

pytestmark = pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')


def untidy(x, kind):
    """x, shape (N, d), as a CSR matrix in which equal rows are written in
    different ways: all is there, zeros as well, each row in an order of its
    own, and half of the numbers in two parts."""
    n, d = x.shape
    columns = numpy.array([RNG.permutation(d) for _ in range(n)])
    values = numpy.take_along_axis(x, columns, axis=1)
    halved = RNG.random(x.shape) < .5
    values[halved] /= 2
    values[values == 0] *= RNG.choice([-1., 1.], (values == 0).sum())
    rows = numpy.repeat(numpy.arange(n), d).reshape(n, d)
    order = numpy.argsort(numpy.concatenate([rows[halved], rows.ravel()]),
                          kind='stable')
    data, indices = (numpy.concatenate([table[halved], table.ravel()])[order]
                     for table in (values, columns))
    ends = numpy.cumsum(d + halved.sum(axis=1))
    return kind((data, indices, numpy.concatenate([[0], ends])), x.shape)


@pytest.mark.parametrize('kind', [scipy.sparse.csr_matrix,
                                  scipy.sparse.csr_array])
def test_copies_however_sparse_rows_are_written(kind):
    # Four kinds of rows 20 times each, whose numbers halve without loss.
    few = numpy.array([[0., 1., 0., 3.], [0., 0., 0., 5.], [2., 0., 0., 0.],
                       [0., 1., 7., 0.]])
    x = numpy.repeat(few, 20, axis=0)
    # The nearest of the four, since a sixth of them is less than one.
    apart = numpy.linalg.norm(few[:, None] - few, axis=2)
    expected = numpy.sort(apart, axis=1)[:, 1].repeat(20)
    sparse = untidy(x, kind)
    numpy.testing.assert_array_equal(sparse.toarray(), x)
    before = [part.copy() for part in (
        sparse.data, sparse.indices, sparse.indptr)]
    model = IMSATClustering(3, alpha=1., **SHORT)
    numpy.testing.assert_allclose(model.radius(sparse), expected, 1e-6)
    # What a caller has given stays as it was.
    for part, was in zip((sparse.data, sparse.indices, sparse.indptr), before):
        numpy.testing.assert_array_equal(part, was)


def test_zeros_that_are_written_are_as_none():
    x = scipy.sparse.random(
        80, 6, .5, 'csr', numpy.float32, random_state=0, data_rvs=RNG.random)
    x = scipy.sparse.vstack([x] * 3, 'csr')
    x.data[::2] = 0
    model = IMSATClustering(3, **SHORT)
    tidy = scipy.sparse.csr_matrix(x.toarray())
    assert tidy.nnz < x.nnz
    numpy.testing.assert_array_equal(model.radius(x), model.radius(tidy))
