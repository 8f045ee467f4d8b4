import numpy
from sklearn.base import ClusterMixin
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances_argmin
from sklearn.metrics.pairwise import euclidean_distances

from imsat.estimators.base import Estimator


class KMeansClustering(ClusterMixin, Estimator):
    """K-means, by scikit-learn.

    Args:
        n_clusters (int): K.
        n_init (int): Initialisations, of which the one with the lowest sum of
            squares is kept (section 4.2.3: 12).
        random_state (int, RandomState or None): Of all of them.

    Attributes:
        centers_ (array): Shape (K, d), float32.
        labels_ (array): Cluster of every training point, shape (N,).
    """
    _arrays = 'centers_',
    _accept_sparse = 'csr'

    def __init__(self, n_clusters=10, *, n_init=12, random_state=None):
        self.n_clusters = n_clusters
        self.n_init = n_init
        self.random_state = random_state

    def fit(self, X, y=None):
        """Learns from X, shape (N, d), dense or sparse; ignores ``y``."""
        X = self._check_data(X)
        self.check(X)

        def run(seed, folder, progress):
            kmeans = KMeans(self.n_clusters, n_init=self.n_init,
                            random_state=seed).fit(X)
            return (kmeans.inertia_,
                    {'objective': float(kmeans.inertia_),
                     'logits': -kmeans.transform(X)},
                    {'centers_': kmeans.cluster_centers_,
                     'labels_': kmeans.labels_.astype(numpy.int64)})
        self._learn(run, n=1)
        return self

    def check(self, X, y=None):
        self._check_whole('n_clusters', 1)
        super().check(X, y)
        self._check_at_most(X.shape[0], 'n_clusters', 'the number of clusters')

    def transform(self, X):
        """Distances to the centres, shape (N, K)."""
        X = self._check_new(X)
        return euclidean_distances(X, self.centers_)

    def predict(self, X):
        """The nearest centre of each point, shape (N,)."""
        X = self._check_new(X)
        return pairwise_distances_argmin(X, self.centers_)

    @property
    def _n_features_out(self):
        return self.n_clusters
