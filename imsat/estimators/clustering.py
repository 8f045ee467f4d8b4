"""Clustering by IMSAT (section 3.3)."""
import dataclasses
import math
import warnings
from typing import Any

import numpy
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from typing_extensions import Self

from imsat.estimators.base import Clusterer
from imsat.estimators.imsat import IMSATEstimator
from imsat.estimators.selection import SELECTIONS, All
from imsat.functions.probabilities import log_softmax
from imsat.hints import Labels, Points
from imsat.links import Ensemble
from imsat.losses.objectives import ClusteringObjective, Objective
from imsat.metrics import (
    clustering_accuracy, neighbor_agreement, neighbor_information)
from imsat.neighbors import MOST_EXACT, neighbors
from imsat.parameters import (
    AUTO, Choice, again, argument_error, documented, parameter)
from imsat.randomness import EVALUATION, generator
from imsat.training.evaluation import (
    information_of, predict_logits, softmax)

# Neighbours that are looked at by select='agreement'.
AGREEING = 10
# Random points on which K-means is compared, how many there must be for each
# cluster, and how much better it has to be to say so (docs/defaults.md).
COMPARED, EACH, BETTER = 2000, 20, .1


@documented
@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class IMSATClustering(Clusterer, IMSATEstimator):
    """Clustering by IMSAT (section 3.3), in scikit-learn's form.

    Labels that ``fit`` is given only add the accuracy to the log.

    Attributes:
        labels_ (array): Cluster of every training point, shape (N,), int64.

    Example:
        >>> rng = numpy.random.default_rng(0)
        >>> x = numpy.concatenate([rng.normal(size=(100, 2)),
        ...                        rng.normal(9, size=(100, 2))])
        >>> model = imsat.IMSATClustering(2, hidden=(20,), epochs=20,
        ...                               batch_size=50, random_state=0)
        >>> clusters = model.fit_predict(x)
        >>> imsat.clustering_accuracy([0] * 100 + [1] * 100, clusters)
        1.0
    """
    mu: float = again(ClusteringObjective, 'mu')
    prior: Any = again(ClusteringObjective, 'prior')
    delta: float | None = again(ClusteringObjective, 'delta')
    select: str = parameter(
        AUTO, Choice((AUTO, *SELECTIONS)), 'which of several restarts is '
        'kept, without labels: that with the lowest objective; whose clusters '
        'fit the 10 nearest neighbours best ("agreement"); '
        'whose clusters are most like the other restarts\' ("majority"); or '
        '"consensus", the mean of what all say; "auto": by agreement, beyond '
        f'{MOST_EXACT:,} points, whose neighbours take long, by the objective')

    def make_objective(self) -> Objective:
        """``objective``, or else the ClusteringObjective of the arguments."""
        if self.objective is not None:
            return self.objective
        return ClusteringObjective(self.lam, self.mu, self.prior, self.delta)

    def fit(self, X: Points, y: Labels = None,
            sample_weight: Any = None) -> Self:
        super().fit(X, y, sample_weight=sample_weight)
        self._keep(self.restarts_[self.best_restart_].logits)
        if self.batch_size_ < min(2 * self.n_clusters, len(self.labels_)):
            self._warn(
                f'a batch of {self.batch_size_} points says little of '
                f'{self.n_clusters} clusters; take a batch_size of '
                f'{2 * self.n_clusters} or more, or "auto"')
        self._warn_of_empty()
        return self

    def _keep(self, logits):
        self.labels_ = logits.argmax(axis=1)

    def settle(self, n: int) -> dict:
        settled = super().settle(n)
        if self.n_init > 1:
            settled['select'] = self.select if self.select != AUTO else (
                'agreement' if n <= MOST_EXACT else 'objective')
        return settled

    def restarts(self, n=1, steps=0):
        """As of any estimator; what looks at all together is told of all.
        """
        if n > 1 and not self.halving and self.select in (
                'majority', 'consensus'):
            return All(self, n, steps)
        return super().restarts(n, steps)

    @property
    def _most_neighbors(self):
        asked = AGREEING if self.n_init > 1 and self.select_ == 'agreement' \
            else 0
        return max(asked, super()._most_neighbors)

    def _rank(self, restart, rank, indices):
        if self.n_init == 1 or self.select_ != 'agreement':
            return rank
        agreement = neighbor_agreement(
            restart.logits.argmax(axis=1), indices[:, :AGREEING])
        restart.terms['agreement'] = agreement
        # A constraint (Eq. 10) comes first, and what diverged last.
        *first, last = numpy.atleast_1d(rank)
        return (*first, numpy.nan if numpy.isnan(last) else -agreement)

    def _warn_of_terms(self, objective, x):
        super()._warn_of_terms(objective, x)
        index = generator(0, EVALUATION).permutation(x.shape[0])[:COMPARED]
        if len(index) < EACH * self.n_clusters:
            return
        index.sort()
        best = self.restarts_[self.best_restart_]
        x, logits = x[index], numpy.asarray(best.logits)[index]
        _, nearest = neighbors(x, AGREEING)
        # Threads of OpenMP would hang in what forks this process later.
        with threadpool_limits(1, 'openmp'), warnings.catch_warnings():
            # Of points that are alike.
            warnings.simplefilter('ignore', ConvergenceWarning)
            others = KMeans(self.n_clusters, n_init=3, random_state=0
                            ).fit_predict(x)
        ours, theirs = (told_of_neighbors(clusters, nearest) for clusters in
                        (logits.argmax(axis=1), others))
        if theirs > ours + BETTER:
            self._warn(
                f'the clusters of K-means fit the nearest neighbours better: '
                f'of {len(index)} points one tells {theirs:.0%} of what there '
                f'is to tell about those of its neighbours, and one of these '
                f'{ours:.0%}; train longer, or, if groups may be of unlike '
                f'sizes, take mu=1 or give a prior')

    def check(self, X, y=None) -> None:
        super().check(X, y)
        if self.halving and self.select == 'consensus':
            raise argument_error(
                self, 'select', 'is "consensus", which joins all restarts, '
                'of which halving leaves one; leave halving out, or choose '
                'another')

    def transform(self, X: Points) -> numpy.ndarray:
        """Logits, shape (N, K), float32; with ``select='consensus'``
        logarithms of probabilities."""
        return self._logits(X)

    def predict_proba(self, X: Points) -> numpy.ndarray:
        """p(y|x), shape (N, K), float64."""
        return softmax(self._logits(X))

    def predict_log_proba(self, X: Points) -> numpy.ndarray:
        """log p(y|x), shape (N, K), float64, finite however small p."""
        return log_softmax(self._logits(X).astype(numpy.float64))

    def predict(self, X: Points) -> numpy.ndarray:
        """The most probable cluster of each point, shape (N,)."""
        return self._logits(X).argmax(axis=1)

    def score(self, X: Points, y: Labels = None,
              sample_weight: Any = None) -> float:
        """I^2 / log K, where I is I(X; Y) = H(Y) - H(Y|X) on X, in nats.

        Without labels; ``y`` is ignored.  I(X; Y) is log K at most, and by
        itself hardly ever falls with K, once there are as many clusters as
        groups.  So it counts by the share of log K that it is: one cluster
        more must tell more.  With one K it ranks as I(X; Y) does.

        That finds clear groups, in a GridSearchCV over ``n_clusters``, if
        every K is fitted well (``n_init``, ``epochs``): of 800 points in 3, 4
        and 6 blobs it was highest at 3, 4 and 6 of 2 to 9, I(X; Y) at 9, 6
        and 9.  Of groups that overlap, or of few points, it may take fewer,
        or others: 3 for 5 blobs in two dimensions.
        """
        X = self._check_new(X)
        information = information_of(
            self.make_objective(), predict_logits(self.encoder_, X),
            self._check_weight(sample_weight, X.shape[0]))
        mutual = information.marginal_entropy - information.conditional_entropy
        return mutual ** 2 / math.log(self.n_clusters) \
            if self.n_clusters > 1 else 0.

    @property
    def _n_networks(self):
        return self.n_init if self.select == 'consensus' else 1

    def _network(self, rng=None):
        if rng is not None or self._n_networks == 1:
            return super()._network(rng)
        return Ensemble(*(super(IMSATClustering, self)._network()
                          for _ in range(self.n_init)))

    @property
    def _n_outputs(self):
        return self.n_clusters

    @property
    def _n_features_out(self):
        return self.n_clusters

    def _summarize(self, logits, labels):
        if labels is None:
            return {}
        return {'accuracy': clustering_accuracy(labels, logits.argmax(axis=1))}


def told_of_neighbors(clusters, indices):
    """The share of H(Y) that a point's cluster tells about those of its
    neighbours, from 0 to 1."""
    information = neighbor_information(clusters, indices)
    return information and neighbor_agreement(clusters, indices) / information
