import warnings

import numpy
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist

import imsat
from imsat.estimators import beside_kmeans, clustering

RNG = numpy.random.default_rng(0)
CENTERS = RNG.normal(0, 3, (4, 6)).astype('f')
SIZES = 40, 120, 80, 60
X = (numpy.repeat(CENTERS, SIZES, axis=0)
     + RNG.normal(size=(300, 6))).astype('f')
OPTIONS = dict(hidden=(20,), epochs=250, random_state=0)  # 1,000 steps


@pytest.mark.parametrize('kind', [numpy.asarray, sparse.csr_array])
def test_a_network_learns_which_center_is_nearest(kind):
    network = imsat.Encoder(6, 4, hidden=(30,))
    beside_kmeans.teach(network, kind(X), CENTERS, 50, 'permutation', 0)
    model = imsat.IMSATClustering.from_encoder(network)
    right = model.predict(X) == cdist(X, CENTERS).argmin(axis=1)
    assert right.mean() > .98


def test_with_a_prior_mu_stays(monkeypatch):
    """As if K-means were always better."""
    monkeypatch.setattr(clustering, 'RETRY', -1)
    prior = [.1, .2, .3, .4]
    model = imsat.IMSATClustering(4, prior=prior, **OPTIONS).fit(X)
    assert [(r.terms['mu'], r.terms['start']) for r in model.restarts_] == [
        (4, 'random'), (4, 'K-means')]
    # Whichever is kept, its clusters are in the prior's order.
    assert list(numpy.bincount(model.labels_).argsort()) == [0, 1, 2, 3]


@pytest.mark.parametrize('error', [imsat.DivergenceError, KeyboardInterrupt])
def test_what_was_fitted_is_kept(monkeypatch, tmp_path, error):
    monkeypatch.setattr(clustering, 'RETRY', -1)

    def stop(*args):
        raise error
    monkeypatch.setattr(clustering, 'teach', stop)
    warnings.simplefilter('ignore', imsat.CollapseWarning)
    model = imsat.IMSATClustering(4, **OPTIONS).fit(X)
    alone = imsat.IMSATClustering(4, mu=4, **OPTIONS).fit(X)
    assert vars(model).keys() == vars(alone).keys()
    assert model.mu_ == 4 and len(model.restarts_) == 1
    numpy.testing.assert_array_equal(model.predict_proba(X),
                                     alone.predict_proba(X))
    # What has snapshots goes on from them.
    model.set_params(out=str(tmp_path))
    if error is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            model.fit(X)
    else:
        model.fit(X)
