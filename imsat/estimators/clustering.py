from sklearn.base import ClusterMixin

from imsat.errors import InputError
from imsat.estimators.imsat import IMSATEstimator
from imsat.metrics import clustering_accuracy
from imsat.losses.objectives import ClusteringObjective
from imsat.training.evaluation import information_of, softmax


class IMSATClustering(ClusterMixin, IMSATEstimator):
    """Clustering by IMSAT (section 3.3), in scikit-learn's form.

    Args:
        n_clusters (int): K.
        mu (float): Weight of H(Y) beside H(Y|X): 4 in the authors' code, 1
            in Eq. 7.
        prior (array): q(y), shape (K,) (Eq. 10); None for uniform.
        delta (float): Tolerance in nats of KL[p(y) || q(y)] <= delta (Eq.
            10), held by the penalty method; None for the fixed weight mu.

    Other arguments, attributes and errors: see :class:`IMSATEstimator`.
    Labels that ``fit`` is given only add the accuracy to the log.

    Attributes:
        labels_ (array): Cluster of every training point, shape (N,), int64.
    """

    def __init__(self, n_clusters=10, *, hidden=(1200, 1200),
                 initialization='original', n_init=1, epochs=50,
                 batch_size=250, lam=.1, mu=4., alpha=.25, n_neighbors=10,
                 xi=10., power_iterations=1, regularizer='vat',
                 weight_decay=.005, image_shape=None, distortion=None,
                 prior=None, delta=None, sampling='permutation',
                 learning_rate=.002, device=-1, cache=False, out=None,
                 resume=False, snapshot_seconds=10., verbose=False,
                 random_state=None):
        super().__init__(
            hidden, initialization, n_init, epochs, batch_size, lam, alpha,
            n_neighbors, xi, power_iterations, regularizer, weight_decay,
            image_shape, distortion, sampling, learning_rate, device, cache,
            out, resume, snapshot_seconds, verbose, random_state)
        self.n_clusters = n_clusters
        self.mu = mu
        self.prior = prior
        self.delta = delta

    def fit(self, X, y=None):
        super().fit(X, y)
        best = self.restarts_[self.best_restart_]
        self.labels_ = best['logits'].argmax(axis=1)
        return self

    def transform(self, X):
        """Logits, shape (N, K), float32."""
        return self._logits(X)

    def predict_proba(self, X):
        """p(y|x), shape (N, K), float64."""
        return softmax(self._logits(X))

    def predict(self, X):
        """The most probable cluster of each point, shape (N,)."""
        return self._logits(X).argmax(axis=1)

    def score(self, X, y=None):
        """I(X; Y) = H(Y) - H(Y|X) of the clusters on X, in nats.

        Like K-means' score it needs no labels and ignores ``y``.
        """
        information = information_of(self._objective(), self._logits(X))
        return information.marginal_entropy - information.conditional_entropy

    def check(self, X, y=None):
        self._check_whole('n_clusters', 1)
        super().check(X, y)
        self._check_at_most(X.shape[0], 'n_clusters', 'the number of clusters')
        if self.prior is not None and len(self.prior) != self.n_clusters:
            raise InputError(f'the prior has {len(self.prior)} entries for '
                             f'{self.n_clusters} clusters; give one each')

    @property
    def _n_outputs(self):
        return self.n_clusters

    @property
    def _n_features_out(self):
        return self.n_clusters

    def _objective(self):
        return ClusteringObjective(self.lam, self.mu, self.prior, self.delta)

    def _summarizer(self, labels):
        if labels is None:
            return lambda logits: {}
        return lambda logits: {'accuracy': clustering_accuracy(
            labels, logits.argmax(axis=1))}
