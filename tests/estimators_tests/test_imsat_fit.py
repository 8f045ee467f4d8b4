"""What fit and partial_fit take, leave, and let alone."""
import numpy
import pytest
from sklearn.datasets import make_blobs

from imsat import IMSATClustering, IMSATHasher, InputError

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
