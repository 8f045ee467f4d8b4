"""K-means, to compare with."""
import dataclasses
from typing import ClassVar

import numpy
import scipy.sparse
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances_argmin
from sklearn.metrics.pairwise import euclidean_distances
from typing_extensions import Self

from imsat.estimators.base import (
    Clusterer, Estimator, Restart, TrainedEstimator, all_or_nothing)
from imsat.estimators.centering import centred
from imsat.hints import Labels, Points
from imsat.parameters import again, documented
from imsat.storage import Like

# Points and columns from which on initialisations take a minute and more.
MANY, WIDE = 10_000, 64


@documented
@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class KMeansClustering(Clusterer, Estimator):
    """K-means, by scikit-learn.

    The initialisations of 10,000 dense points or more, in 64 columns up to
    a quarter as many, are compared along an eighth as many principal
    components.  The best goes on in all columns.

    Attributes:
        centers_ (array): Shape (K, d), float32, or float64 where the data
            are centred.
        labels_ (array): Cluster of every training point, shape (N,).
        n_iter_ (int): Iterations of the initialisation that was kept, in all
            columns.

    Example:
        >>> x = numpy.array([[0.], [1.], [9.], [10.]])
        >>> model = imsat.KMeansClustering(2, random_state=0).fit(x)
        >>> sorted(model.centers_.ravel().tolist())
        [0.5, 9.5]
    """
    _accept_sparse: ClassVar[bool | str] = 'csr'

    n_init: int = again(TrainedEstimator, 'n_init', default=12)

    @all_or_nothing
    def fit(self, X: Points, y: Labels = None) -> Self:
        """Learns from X, shape (N, d), dense or sparse; ignores ``y``."""
        X, _ = self._check_data(X)
        restarts = self.restarts()
        for seed, _ in restarts:
            kmeans = self._fit(X, seed)
            restarts.add(
                Restart(seed, float(kmeans.inertia_),
                        logits=-kmeans.transform(X)),
                centers_=self._as_given(kmeans.cluster_centers_),
                labels_=kmeans.labels_.astype(numpy.int64),
                n_iter_=kmeans.n_iter_)
        self._warn_of_empty()
        return self

    def _fit(self, X, seed):
        n, d = X.shape
        kmeans = KMeans(self.n_clusters, n_init=self.n_init,
                        random_state=seed)
        if self.n_init == 1 or scipy.sparse.issparse(X) or n < MANY \
                or not WIDE <= d <= n // 4:
            return kmeans.fit(X)
        pca = PCA(d // 8, svd_solver='covariance_eigh')
        kmeans.fit(pca.fit_transform(X))
        centers = pca.inverse_transform(kmeans.cluster_centers_)
        return kmeans.set_params(init=centers, n_init=1).fit(X)

    def transform(self, X: Points) -> numpy.ndarray:
        """Distances to the centres, shape (N, K)."""
        X = self._check_new(X)
        return euclidean_distances(X, self._centers)

    def predict(self, X: Points) -> numpy.ndarray:
        """The nearest centre of each point, shape (N,)."""
        X = self._check_new(X)
        return pairwise_distances_argmin(X, self._centers)

    @property
    def _centers(self):
        """The centres among centred and scaled data."""
        return centred(self.centers_, self.center_, self.deviation_)

    def _as_given(self, centers):
        """The centres among the data as they were given."""
        if (self.deviation_ != 1).any():
            centers = centers * self.deviation_
        return centers + self.center_ if self.center_.any() else centers

    def _like(self):
        return {**super()._like(), 'centers_': Like(
            (self.n_clusters, self.n_features_in_))}

    @property
    def _n_features_out(self):
        return len(self.centers_)
