"""What fit and partial_fit take, leave, and let alone."""
import numpy
import pytest
from sklearn.datasets import make_blobs

import imsat
from imsat import (
    CollapseWarning, IMSATClustering, IMSATHasher, InputError)

X, Y = make_blobs(300, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)
SMALL = dict(hidden=(30,), epochs=4, batch_size=50, random_state=1)

pytestmark = pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')


@pytest.mark.parametrize('cls', [IMSATClustering, IMSATHasher])
def test_weights_that_are_masked(cls):
    weight = numpy.ma.array(numpy.ones(300), mask=numpy.arange(300) == 7)
    model = cls(3, **SMALL)
    with pytest.raises(InputError, match='sample_weight has values that are '
                                         'masked'):
        model.fit(X, sample_weight=weight)
    # One of which nothing is masked has numbers alone.
    model.fit(X, sample_weight=numpy.ma.array(numpy.ones(300)))
    with pytest.raises(InputError, match='masked'):
        model.score(X, sample_weight=weight)


@pytest.mark.parametrize('regularizer,is_vat', [
    ('vat', True), ('vat-neighbor', True), ('rpt', False)])
def test_a_chunk_says_what_was_taken(regularizer, is_vat):
    def expected(x, t):
        sigma = imsat.neighbor_distance(x, t)
        return pytest.approx(
            .19 * 2 ** .5 * .25 * numpy.median(sigma), rel=1e-5)
    model = IMSATClustering(3, regularizer=regularizer, **SMALL)
    # At most half of a group are neighbours: 300 points of 3 have 10, 30 five.
    for x, t in (X, 10), (4 * X, 10), (X[:30], 5):
        model.partial_fit(x)
        assert model.n_neighbors_ == t and model.batch_size_ == 50
        assert hasattr(model, 'xi_') == is_vat
        assert not is_vat or model.xi_ == expected(x, t)
    # Also of another fit, and of another regulariser.
    model.fit(X).set_params(xi=3.).partial_fit(X)
    assert not is_vat or model.xi_ == 3
    model.set_params(regularizer='weight-decay').partial_fit(X)
    assert not hasattr(model, 'xi_')


def test_copies_in_a_chunk_are_told_of():
    x = X.copy()
    x[:20] = x[0]
    model = IMSATClustering(3, **SMALL)
    for _ in range(2):
        with pytest.warns(CollapseWarning, match='20 points have 10 or more'):
            model.partial_fit(x)
        assert sum('copies' in note for note in model.warnings_) == 1
    # A chunk of 30 has five neighbours each.
    with pytest.warns(CollapseWarning, match='20 points have 5 or more'):
        model.partial_fit(x[:30])
    warnings = model.warnings_
    model.learning_rate = 1e30
    with pytest.raises(imsat.DivergenceError):
        for _ in range(3):
            model.partial_fit(x)
    model.learning_rate = .002
    assert sum('copies' in note for note in model.warnings_) == 1
    model.partial_fit(X)
    assert not any('copies' in note for note in model.warnings_)
    assert len(warnings) == 1


@pytest.mark.parametrize('cls', [IMSATClustering, IMSATHasher])
def test_numbers_that_others_draw_stay_where_they_are(cls, tmp_path):
    numpy.random.seed(3)
    expected = numpy.random.random_sample()
    model = cls(3, **SMALL)
    numpy.random.seed(3)
    model.fit(X)
    model.set_params(warm_start=True).fit(X + 1)
    model.partial_fit(X)
    model.save(tmp_path / 'model.npz')
    cls.load(tmp_path / 'model.npz').transform(X)
    assert numpy.random.random_sample() == expected
