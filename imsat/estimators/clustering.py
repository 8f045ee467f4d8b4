"""Clustering by IMSAT (section 3.3)."""
import dataclasses
import functools
import math
from typing import Any, ClassVar

import numpy
from typing_extensions import Self

from imsat.errors import DivergenceError
from imsat.estimators.base import Clusterer, all_or_nothing, send
from imsat.estimators.comparison import (
    AGREEING, MUCH, SLIGHTLY, compare, surety_of, teach)
from imsat.estimators.imsat import LEAST_STEPS, IMSATEstimator
from imsat.estimators.selection import SELECTIONS, All
from imsat.functions.probabilities import log_softmax
from imsat.hints import Labels, Points
from imsat.losses.objectives import ClusteringObjective, Objective
from imsat.metrics import clustering_accuracy, neighbor_agreement
from imsat.neighbors import MOST_EXACT
from imsat.parameters import (
    AUTO, Auto, Choice, Number, again, argument_error, check_parameters,
    documented, parameter)
from imsat.ranks import current, ranks_of
from imsat.training.evaluation import softmax

# From the clusters of another method on: the mu, Eq. 7's, and by how much the
# learning rate is less where groups lie apart, from which large networks
# would wander off.
UNEVEN, SLOWER = 1., 10


@documented
@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class IMSATClustering(Clusterer, IMSATEstimator):
    """Clustering by IMSAT (section 3.3), in scikit-learn's form.

    Labels that ``fit`` is given only add the accuracy to the log.

    Attributes:
        labels_ (array): Cluster of every training point, shape (N,), int64.
        mu_ (float): What was taken.
        prior_ (array): ``prior``, or the sizes of groups that lie apart, if
            these were taken, shape (K,); None for neither.

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
    _task: ClassVar[str] = 'clustering'
    _of_objective: ClassVar[tuple] = ('lam', 'mu', 'prior', 'delta')

    mu: Any = again(
        ClusteringObjective, 'mu', default=AUTO, kind=Auto(Number()),
        help='weight of H(Y) beside H(Y|X): 1 is Eq. 7, 4 the authors\' code; '
        'the penalty of Eq. 10 starts at lambda mu; "auto": 4, and where '
        'K-means or spectral clustering fits the nearest neighbours better '
        'after 1,000 steps, or points are unsure of groups that lie apart, '
        'once more from its clusters: if there is no prior, with the sizes '
        'of groups that lie apart for one, and else with 1, and with 4 where '
        'that loses clusters; the best is kept')
    prior: Any = again(ClusteringObjective, 'prior')
    delta: float | None = again(ClusteringObjective, 'delta')
    select: str = parameter(
        AUTO, Choice((AUTO, *SELECTIONS)), 'which of several restarts is '
        'kept, without labels: that with the lowest objective; whose clusters '
        'fit the 10 nearest neighbours best ("agreement"); '
        'whose clusters are most like the other restarts\' ("majority"); or '
        '"consensus", the mean of what all say; "auto": by agreement, or by '
        'the objective where neighbours take long or are not told, beyond '
        f'{MOST_EXACT:,} points and 256 MB on disk')

    def make_objective(self) -> Objective:
        """``objective``, or else the ClusteringObjective of the arguments."""
        if self.objective is not None:
            return self.objective
        mu, prior = self._mu_and_prior()
        return ClusteringObjective(self.lam, mu, prior, self.delta)

    def _mu_and_prior(self, goes_on=True):
        """What is asked for; where nothing is, what a fit has chosen, if this
        goes on from it, but not what it was asked for."""
        if isinstance(self.objective, ClusteringObjective):
            return self.objective.mu, self.objective.prior
        chosen = () if not goes_on else getattr(self, '_chosen', [
            # A pickle of before does not say it.
            name for name in ('mu', 'prior') if hasattr(self, f'{name}_')])
        mu, prior = self.mu, self.prior
        if mu == AUTO:
            mu = self.mu_ if 'mu' in chosen else ClusteringObjective.mu
        if prior is None and 'prior' in chosen:
            prior = self.prior_
        return mu, prior

    def _take_mu_and_prior(self, goes_on):
        self.mu_, prior = self._mu_and_prior(goes_on)
        self.prior_, self._chosen = _as_array(prior), self._not_given()

    def _not_given(self):
        return tuple(name for name, given in (
            ('mu', self.mu != AUTO), ('prior', self.prior is not None))
            if not given and self.objective is None)

    def _settled(self):
        return {**super()._settled(), 'mu': self.mu_, 'prior': self.prior_,
                # A pickle of before does not say it.
                'chosen': getattr(self, '_chosen', self._not_given())} \
            if hasattr(self, 'mu_') else {}

    def _take_settled(self, settled):
        super()._take_settled(settled)
        for name in 'mu', 'prior':
            self._take(settled, name)
        ClusteringObjective(prior=self.prior_).check(self._n_outputs)
        self.prior_ = _as_array(self.prior_)
        self._chosen = tuple(settled.pop('chosen'))
        if not {'mu', 'prior'}.issuperset(self._chosen):
            raise KeyError('chosen')

    @all_or_nothing
    def fit(self, X: Points, y: Labels = None,
            sample_weight: Any = None) -> Self:
        check_parameters(self)
        self._take_mu_and_prior(
            self.warm_start and hasattr(self, 'encoder_'))
        self._compared = None
        self.__dict__.pop('select_', None)
        super().fit(X, y, sample_weight=sample_weight)
        compared = self._compared
        del self._compared
        if compared and self._may_retry() and (
                compared.is_better or compared.leaves_unsure
                and self._takes_sizes(compared, sample_weight)):
            compared = self._retry(compared, X, y, sample_weight)
        if compared and compared.tells_more(MUCH):
            self._warn(
                f'the clusters of {compared.method} fit the nearest '
                f'neighbours better: of {len(compared.chosen)} points one '
                f'tells {compared.theirs.told:.0%} of what there is to tell '
                f'about those of its neighbours, and one of these '
                f'{compared.ours.told:.0%}; train longer, from more seeds '
                f'(n_init), or, if groups may be of unlike sizes, with mu=1 '
                f'or a prior')
        self._keep(self.restarts_[self.best_restart_].logits)
        if self.batch_size_ < min(2 * self.n_clusters, len(self.labels_)):
            self._warn(
                f'a batch of {self.batch_size_} points says little of '
                f'{self.n_clusters} clusters; take a batch_size of '
                f'{2 * self.n_clusters} or more, or "auto"')
        self._warn_of_empty()
        return self

    def _may_retry(self):
        """Whether nothing says how to train, or goes on."""
        return self.mu == AUTO and self.delta is None \
            and self.objective is None and not self.warm_start \
            and self.select != 'consensus'

    def _retry(self, compared, X, y, sample_weight):
        """Fits again from the clusters of another method and keeps the better
        of both.

        All restarts are in ``restarts_``, with what neighbours say of them.
        """
        self._tell(f'{compared.method} fits the nearest neighbours better: '
                   f'once more from its clusters' if compared.is_better else
                   'groups lie apart, and points are not sure of theirs: '
                   'once more with the sizes of the groups')
        fit = functools.partial(self._fit_from, compared, X, y, sample_weight)
        others = fit(SecondStart)
        if others and others[0].mu_ != self.mu_ \
                and others[0]._compared.lost_outputs:
            self._tell(f'clusters were lost: once more from those of '
                       f'{compared.method} with mu = {self.mu_:g}')
            others += fit(ThirdStart)
        if not others:
            return compared
        why = 'neighbors' if compared.is_better else 'surety'
        for start, fitted in [('random', self), *(
                (compared.method, other) for other in others)]:
            for restart in fitted.restarts_:
                judged = compared.judge(restart.logits)
                restart.terms.update(
                    start=start, why=None if fitted is self else why,
                    mu=fitted.mu_, told=judged.told,
                    agreement=judged.agreement,
                    surety=surety_of(restart.logits[compared.chosen]))
        best, beside, restarts = self, compared, list(self.restarts_)
        for other in others:
            select = self._criterion(beside, other._compared)
            if _worth(select, other, other._compared) \
                    > _worth(select, best, beside):
                best, beside = other, other._compared
                best.best_restart_ += len(restarts)
            restarts += other.restarts_
        lost = [note for fitted in (self, *others) if fitted is not best
                for note in fitted._of_restarts]
        if best is not self:
            del best._start, best._compared
            best.random_state = self.random_state
            if self._was_stopped:  # in the last of them
                best._was_stopped = True
                best.warnings_.append(self.warnings_[-1])
            self.__dict__.update(vars(best))
        self.restarts_, self.select_ = restarts, select
        self.warnings_ += lost
        return beside

    def _fit_from(self, compared, X, y, sample_weight, kind):
        """A list of one more fit, a ``kind`` of SecondStart; empty if there
        was none to the end."""
        own = type(self)
        if own is not IMSATClustering:  # what a user's class overrides counts
            kind = type(f'{kind.__name__}Of{own.__name__}', (kind, own), {})
        other = kind.__new__(kind)
        # Whatever __init__ or fit of such a class have set is there.
        vars(other).update(vars(self), random_state=self.seed_)
        other.begin(self, compared, sample_weight)
        try:
            super(IMSATClustering, other).fit(
                X, y, sample_weight=sample_weight)
        except DivergenceError as e:
            self._warn_of_restarts(f'what began{other._origin} diverged, and '
                                   f'what was learnt before is kept: {e}')
            return []
        except KeyboardInterrupt:
            if self.out is not None:
                raise
        if other._compared is None:
            self._warn_of_stop(f'on its way from the clusters of '
                               f'{compared.method}; what was learnt before '
                               f'is kept')
            return []
        return [other]

    def _tell(self, what):
        if self.verbose and not ranks_of(self.communicator).rank:
            print(what, flush=True)

    def _criterion(self, first, second):
        """By what the better of two is told, each Compared."""
        if self.prior is not None:
            return 'objective'  # the same of both
        if not first.are_apart:
            return 'agreement'
        alike = first.ours.used == second.ours.used and abs(
            first.ours.told - second.ours.told) <= SLIGHTLY
        return 'surety' if alike else 'told'

    def _takes_sizes(self, compared, sample_weight):
        """Whether the sizes of others' clusters may be the prior; weights
        would make others of them."""
        return self.prior is None and sample_weight is None \
            and compared.are_apart and compared.theirs.used == self.n_clusters

    @property
    def _has_estimated_prior(self):
        return self.prior is None and self.objective is None \
            and self.prior_ is not None

    def _check_chunk(self, X):
        check_parameters(self)
        self._take_mu_and_prior(True)
        self.prior_ = _as_array(self.prior)  # a chosen one was of all data
        return super()._check_chunk(X)

    def _keep(self, logits):
        self.labels_ = logits.argmax(axis=1)

    def settle(self, X: Any) -> dict:
        settled = super().settle(X)
        if self.n_init > 1:
            settled['select'] = self.select if self.select != AUTO else (
                'objective' if X.shape[0] > MOST_EXACT
                or self._is_sampled(X) else 'agreement')
        return settled

    def restarts(self, n=1, steps=0, weight=None):
        """As of any estimator; what looks at all together is told of all.
        """
        if n > 1 and not self.halving and self.select in (
                'majority', 'consensus'):
            return All(self, n, steps, weight)
        return super().restarts(n, steps, weight)

    def _among_restarts(self):
        return [*super()._among_restarts(),
                *(['select'] if self.select != AUTO else [])]

    @property
    def _n_asked(self):
        return AGREEING if self.n_init > 1 and self.select_ == 'agreement' \
            else 0

    def _rank(self, restart, rank, indices):
        if not self._n_asked:
            return rank
        agreement = neighbor_agreement(
            restart.logits.argmax(axis=1), indices[:, :AGREEING])
        restart.terms['agreement'] = agreement
        # A constraint (Eq. 10) comes first, and what diverged last.
        *first, last = numpy.atleast_1d(rank)
        return (*first, numpy.nan if numpy.isnan(last) else -agreement)

    def _inspect(self, x):
        try:
            compared = self._compare(x)
        except KeyboardInterrupt:
            if self.out is not None or current().size > 1:
                raise
            self._warn_of_stop('before what was learnt, which is kept, had '
                               'been compared with other methods')
            compared = None
        self._compared = current().tell(lambda: compared)

    def _compare(self, x):
        """Others' clusters and ours, by neighbours; None where it is too soon
        or there are too few points."""
        best = self.restarts_[self.best_restart_]
        n = x.shape[0]
        if self.epochs_ * (n // self.batch_size_) < LEAST_STEPS \
                or not best.log or best.log[-1]['epoch'] < self.epochs_:
            return None
        return compare(x, numpy.asarray(best.logits))

    def check(self, X, y=None) -> None:
        super().check(X, y)
        if self.halving and self.select == 'consensus':
            raise argument_error(
                self, 'select', 'is "consensus", which joins all restarts, '
                'of which halving leaves one; leave halving out, or choose '
                'another')
        if self.n_init > 1 and self.select == 'agreement':
            self._check_search(X, 'select="agreement" asks neighbours')

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
        information = self._information(X, sample_weight)
        mutual = information.marginal_entropy - information.conditional_entropy
        k = self._n_fitted
        return mutual ** 2 / math.log(k) if k > 1 else 0.

    @property
    def _n_outputs(self):
        return self.n_clusters

    @property
    def _n_features_out(self):
        return self._n_fitted

    def _summarize(self, logits, labels):
        if labels is None:
            return {}
        return {'accuracy': clustering_accuracy(labels, logits.argmax(axis=1))}


def _as_array(prior):
    return None if prior is None else numpy.asarray(prior, numpy.float64)


def _worth(criterion, fitted, compared):
    """What to tell the best of several fits by, the largest."""
    if criterion == 'objective':
        return compared.ours.used, -fitted.objective_
    if criterion == 'surety':
        return (compared.surety,)
    return compared.rank(compared.ours)


class SecondStart(IMSATClustering):
    """A fit from the clusters of another method."""
    _part = 'second-start'

    def begin(self, first, compared, sample_weight):
        """Takes what a first fit took.

        But where that had no prior, the sizes of groups that lie apart are
        one, which ``sample_weight`` would make others, or mu is another.
        """
        self.mu_, self.prior_ = first.mu_, first.prior_
        self._start, self._compared = compared, None
        if self._takes_sizes(compared, sample_weight):
            self.prior_ = compared.sizes
        elif self.prior is None:
            self.mu_ = UNEVEN

    @property
    def _origin(self):
        return f' from the clusters of {self._start.method}'

    def _warn_of_points(self, note):
        self.warnings_.append(note)  # the first fit has said it

    def _warn_of_stop(self, how_far):
        self._was_stopped = True  # the first fit tells what is kept

    def _inspect(self, x):
        logits = numpy.asarray(self.restarts_[self.best_restart_].logits)
        self._compared = self._start.beside(logits)

    def made_with(self, *args, **kwargs):
        return {**super().made_with(*args, **kwargs),
                'start': self._start.method, 'mu_': self.mu_,
                'prior_': numpy.asarray(self.prior_).tolist()}

    def _train(self, seed, session, *, x, start, scale, **others):
        device = self._get_device()
        start = self._network(numpy.random.RandomState(seed))
        start.to_device(device)
        teach(start, send(self._start.points * scale, device),
              self._start.labels, self.batch_size_, seed)
        start.l1.W.array *= scale
        return super()._train(seed, session, x=x, start=start, scale=scale,
                              **others)

    @property
    def _rate(self):
        return super()._rate / (SLOWER if self._start.are_apart else 1)


class ThirdStart(SecondStart):
    """Another with the weight of H(Y) that the first fit had, for with less of
    it outputs were lost."""
    _part = 'third-start'

    def begin(self, first, compared, sample_weight):
        super().begin(first, compared, sample_weight)
        self.mu_ = first.mu_
