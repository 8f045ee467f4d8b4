"""sigma_t(x), and the unit of the data that it gives."""
import numpy
import pytest
import scipy.sparse
from sklearn.datasets import make_blobs

import imsat
from imsat import IMSATClustering, IMSATHasher, InputError

X, Y = make_blobs(300, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)
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


NEIGHBORS = [
    dict(regularizer='neighbor'), dict(regularizer=imsat.Neighbor(3)),
    dict(regularizer=imsat.Mean(imsat.Neighbor(3), imsat.Neighbor(12))),
    dict(regularizer='neighbor', n_init=2), dict(alpha=0.)]


@pytest.mark.parametrize('cls', [IMSATClustering, IMSATHasher])
@pytest.mark.parametrize('options', NEIGHBORS)
def test_neighbours_tell_the_unit(cls, options):
    model = cls(3, **SHORT, **options).fit(X)
    stream = cls(3, **SHORT, **options).partial_fit(X)
    for power in -30, 20:  # which lose no digit
        x = X * 2. ** power
        other = cls(3, **SHORT, **options).fit(x)
        numpy.testing.assert_array_equal(other.transform(x),
                                         model.transform(X))
        assert other.objective_ == model.objective_
        numpy.testing.assert_array_equal(
            cls(3, **SHORT, **options).partial_fit(x).transform(x),
            stream.transform(X))


def objective(x, **options):
    return IMSATClustering(3, regularizer='neighbor', **SHORT, **options).fit(
        x).objective_


def test_where_nothing_is_scaled():
    sigma = numpy.median(imsat.neighbor_distance(X, 10))
    usual = X * 8 / sigma  # MNIST's scale
    assert objective(usual) == objective(usual, xi=10.)
    # A number says that the unit is that of the data.
    assert objective(X) != objective(X, xi=10.)
    assert objective(X) == objective(X * 2 ** 9)


def test_the_unit_does_not_hang_on_how_many_are_asked():
    """Restarts that are compared by neighbours ask ten of them."""
    # So far apart that a third neighbour has another unit than a tenth.
    third, tenth = (numpy.median(imsat.neighbor_distance(X, t))
                    for t in (3, 10))
    x = X * (8 / tenth * (tenth / third) ** .5 * 2 ** .5)
    one, both = (IMSATClustering(
        3, regularizer=imsat.Neighbor(3), n_init=n, select='agreement',
        **SHORT).fit(x) for n in (1, 2))
    assert both.restarts_[0].objective == one.objective_


def test_neighbours_that_are_copies_tell_no_unit():
    few = numpy.repeat(numpy.eye(3), 100, axis=0)
    objectives = {objective(few * 2. ** power) for power in (-30, 0, 20)}
    assert len(objectives) == 1
    # There is nothing to warn of: none is moved by it.
    model = IMSATClustering(3, regularizer='neighbor', **SHORT).fit(few)
    assert not any('copies' in note for note in model.warnings_)
    assert not model.radius(few).any()


@pytest.mark.parametrize('options', [{}, dict(regularizer='rpt'),
                                     dict(regularizer='neighbor')])
@pytest.mark.parametrize('power', [0, 40])
def test_most_points_far_nearer_than_the_others(options, power):
    """As the answers of a classifier that is very sure."""
    y = numpy.arange(300) % 3
    logits = 3. * RNG.normal(size=(300, 3)) + 60 * numpy.eye(3)[y]
    p = numpy.exp(logits - logits.max(axis=1, keepdims=True))
    p = (p / p.sum(axis=1, keepdims=True)).astype(numpy.float32)
    sigma = numpy.median(imsat.neighbor_distance(p, 10))
    # To MNIST's scale their squares would be infinite.
    assert sigma < 1e-20 and (8 / sigma) ** 2 > numpy.finfo('f').max
    x = p * numpy.float32(2. ** power)
    model = IMSATClustering(3, **{**SHORT, 'epochs': 40}, **options).fit(x)
    assert imsat.clustering_accuracy(y, model.labels_) > .99
    again = IMSATClustering(3, **SHORT, **options).fit(x)
    assert again.objective_ == IMSATClustering(3, **SHORT, **options).fit(
        p).objective_


@pytest.mark.parametrize('alpha', [1e300, 1e16, 1e-16, 1e-300])
@pytest.mark.parametrize('regularizer', ['vat', 'rpt', 'vat-neighbor'])
def test_lengths_that_float32_can_not_hold(alpha, regularizer):
    model = IMSATClustering(3, alpha=alpha, regularizer=regularizer, **SHORT)
    message = 'alpha is .*; give 0, or a number from 1e-15 to 1e\\+15'
    for use in model.fit, model.partial_fit, model.radius:
        with pytest.raises(InputError, match=message):
            use(X)
    # Who has no use for it does not look at it.
    model.set_params(regularizer='weight-decay').fit(X)


@pytest.mark.parametrize('alpha', [0., 1e-15, 1e15])
def test_lengths_at_the_ends(alpha):
    model = IMSATClustering(3, alpha=alpha, **SHORT)
    assert numpy.isfinite(model.fit(X).objective_)
    numpy.testing.assert_allclose(
        model.radius(X), alpha * imsat.neighbor_distance(X, 10), 1e-6)
