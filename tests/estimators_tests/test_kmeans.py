import numpy
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics import adjusted_rand_score

from imsat.estimators import kmeans
from imsat.estimators.kmeans import KMeansClustering

X = (load_digits().data / 8 - 1).astype('f')


def test_is_scikit_learns():
    model = KMeansClustering(10, n_init=3, random_state=7).fit(X)
    expected = KMeans(10, n_init=3, random_state=7).fit(X)
    numpy.testing.assert_array_equal(model.labels_, expected.labels_)
    numpy.testing.assert_allclose(model.objective_, expected.inertia_, 1e-6)
    numpy.testing.assert_array_equal(model.predict(X[:50]),
                                     expected.predict(X[:50]))
    numpy.testing.assert_allclose(model.transform(X[:50]),
                                  expected.transform(X[:50]), 1e-4)


@pytest.mark.slow
def test_the_best_of_its_initialisations_is_kept():
    one = [KMeans(10, n_init=1, random_state=seed).fit(X).inertia_
           for seed in range(6)]
    assert KMeansClustering(10, random_state=0).fit(X).objective_ \
        < numpy.median(one)


def test_of_many_points_it_ends_where_scikit_learn_does(monkeypatch):
    x, _ = make_blobs(1000, 80, centers=6, cluster_std=4, random_state=0)
    monkeypatch.setattr(kmeans, 'MANY', 1000)
    ours = KMeansClustering(6, random_state=0).fit(x.astype('f'))
    theirs = KMeans(6, n_init=12, random_state=0).fit(x)
    assert ours.n_iter_ <= 2  # it began at the end
    assert adjusted_rand_score(ours.labels_, theirs.labels_) == 1
    numpy.testing.assert_allclose(ours.objective_, theirs.inertia_, 1e-5)
