"""What RIM and IMSAT do alike, whatever the task."""
import dataclasses
import functools
import math
from typing import Any, ClassVar

import numpy
import scipy.sparse
from chainer import backend
from typing_extensions import Self

from imsat.errors import InputError
from imsat.estimators.base import (
    REMEDIES, Restart, TrainedEstimator, over_ranks, send)
from imsat.estimators.selection import Halving
from imsat.functions import (
    code_mutual_information, sigmoid_mutual_information, softmax_entropy)
from imsat.hints import Labels, Points
from imsat.links import Encoder
from imsat.links.encoder import INITIALIZATION, INITIALIZATIONS
from imsat.losses.loss import IMSATLoss
from imsat.losses.objectives import (
    ClusteringObjective, CodeObjective, HashingObjective, Objective)
from imsat.losses.regularizers import RegularizerParameters
from imsat.neighbors import METHODS, neighbor_distance, neighbors
from imsat.parameters import (
    AUTO, Auto, Choice, Flag, Number, OneOf, Place, Whole, again,
    argument_error, documented, parameter)
from imsat.progress import ProgressBar
from imsat.ranks import current, ranks_of
from imsat.storage import default_cache
from imsat.training.adam import Adam
from imsat.training.evaluation import (
    information_of, predict_logits, regularization_of)
from imsat.training.extensions import (
    Evaluator, GrowingPenalty, LatePenalty)
from imsat.training.iterators import IndexIterator, draw_neighbors
from imsat.training.updater import STEPS, Updater

# From what ranks know how to take of a batch that they share.
INFORMATION = (
    ClusteringObjective.information, CodeObjective.information,
    code_mutual_information, sigmoid_mutual_information, softmax_entropy)
# The paper's, and what small data have at least: docs/defaults.md.
BATCH, EPOCHS, NEIGHBOR = 250, 50, 10
SIGMA = 8.  # the median of sigma_10, MNIST's is 7.7
LEAST_BATCH, LEAST_STEPS = 32, 1000
# Of p(y) from the prior, in nats; [.8, .2] from [.9, .1] is .04.
UNLIKE = .05
# Of the batches' H(Y), what that of all data has at least.
LEAST_SHARE = .5


@documented
@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class IMSATEstimator(RegularizerParameters, TrainedEstimator):
    """An encoder trained by RIM or IMSAT (Eq. 1), in scikit-learn's form.

    The estimator of a task says how many outputs the encoder has
    (``_n_outputs``), what is minimised (``make_objective``), what else to
    log (``_summarize``), and what is made of the logits.

    What is ``'auto'`` follows the data: docs/defaults.md.

    Attributes:
        batch_size_, epochs_, n_neighbors_ (int): What was taken.
        encoder_ (Encoder): The network.
        objective_ (float): R plus the information term, of all data.
        restarts_ (list of Restart): Their ``terms`` are ``sat`` (R of Eq. 1)
            and those of the objective.
        best_restart_ (int): Index of the one that was kept.
        n_features_in_ (int): d, the number of features.
    """
    _accept_sparse: ClassVar[bool | str] = 'csr'

    objective: Objective | None = parameter(
        None, OneOf(Objective, 'give a value such as '
                    'imsat.ClusteringObjective(mu=1), or None',
                    optional=True), 'a value in place of the task\'s own, '
        'which is made from lam and others', option='')
    lam: float = again(HashingObjective, 'lam')
    alpha: float = parameter(
        .25, Number(), 'Eq. 17: perturbations have length alpha sigma_t(x)')
    n_neighbors: Any = parameter(
        AUTO, Auto(Whole(1)), 't of Eq. 17; "auto": the paper\'s 10, or less '
        'where clusters have few points (the authors\' code takes the 11th)',
        option='neighbor')
    neighbor_search: str = parameter(
        'auto', Choice(METHODS), 'how it is found: "exact"; "approximate", '
        'by FAISS; or "auto", exact for up to 300,000 points')
    epochs: Any = again(
        TrainedEstimator, 'epochs', default=AUTO, kind=Auto(Whole(1)),
        help='of floor(N / batch size) iterations each; "auto": the paper\'s '
        f'50, or as many as make {LEAST_STEPS} iterations')
    batch_size: Any = again(
        TrainedEstimator, 'batch_size', default=AUTO, kind=Auto(Whole(2)),
        help='points of a step, the set B of Eq. 15; "auto": the paper\'s '
        '250, a quarter of fewer than 1,000 points, or 2.5 for each of more '
        'than 100 clusters')
    halving: bool = parameter(
        False, Flag(), 'after a few epochs only the better half of the '
        'restarts goes on, then of these, until one is left: 8 cost as much '
        'as 2')
    initialization: str = parameter(
        INITIALIZATION, Choice(INITIALIZATIONS), 'of the weights: "original", '
        'as the authors\' code draws them, or "he", smaller')
    evaluations: int = parameter(
        10, Whole(1), 'how often all points are evaluated, at ends of epochs, '
        'for the log: each costs a seventh of an epoch; with delta after '
        'every epoch', how=True)
    step: str = parameter(
        'plan', Choice(STEPS), 'how a training step is computed: as a "plan" '
        'of products and fused functions where there is one for the method, '
        'or through Chainer\'s "graph"; the results say which it was',
        how=True)
    cache: Any = parameter(
        False, Place(flag=True), 'whether, or below which folder, to keep '
        'sigma_t(x), which takes a minute for MNIST; True: IMSAT_CACHE or '
        '~/.cache/imsat', option='', how=True)

    @over_ranks
    def fit(self, X: Points, y: Labels = None) -> Self:
        """Learns from X, shape (N, d), dense or scipy sparse.

        ``y``, labels of shape (N,), never changes what is learnt.
        """
        X, y = self._check_data(X, y)
        for name, value in self.settle(X.shape[0]).items():
            setattr(self, f'{name}_', value)
        device = self._get_device()
        objective, regularizer = self.make_objective(), self.make_regularizer()
        sigma, indices = self._neighbors(X)
        radius, copies = self._radius(send(X, device), sigma)
        if copies:
            self._warn(
                f'{copies} points have {self.n_neighbors_} or more copies; '
                f'their sigma is that among points that are distinct')
        scale = self._unit(regularizer, radius)
        x, radius = send(X * scale if scale != 1 else X, device), \
            device.send(radius * numpy.float32(scale))
        size, epochs = self.batch_size_, self.epochs_
        restarts = self.restarts(
            self.n_init, epochs * (X.shape[0] // size))
        for seed, session in restarts:
            network = self._network(numpy.random.RandomState(seed))
            network.to_device(device)
            loss = IMSATLoss(
                objective, regularizer, radius, seed,
                functools.partial(draw_neighbors, x, indices, device))
            training = session.run(
                Updater(IndexIterator(len(radius), size, self.sampling, seed),
                        Adam(alpha=self.learning_rate).setup(network), x,
                        loss, device, self.step),
                epochs, self._extensions(network, x, y, loss))
            logits = predict_logits(network, x)
            information = information_of(objective, logits)
            # Of all data it costs some epochs: too much for a round.
            sat = regularization_of(loss, network, x, size) \
                if session.until in (None, epochs) \
                else training.log[-1]['main/sat']
            restart = Restart(
                seed, sat + objective.combine(information, loss.penalty),
                logits=logits, **vars(training),
                terms=dict(sat=sat, **information._asdict()))
            restarts.add(
                restart, self._rank(restart, objective.rank(
                    sat, information, loss.penalty), indices),
                encoder_=network)
            # From now on it takes points as they are.
            network.l1.W.array *= scale
        self._warn_of_terms(objective)
        return self

    def settle(self, n: int) -> dict:
        """What ``'auto'`` comes to for ``n`` points, and what was given: a
        dict of ``batch_size``, ``epochs`` and ``n_neighbors``."""
        k = self._n_outputs
        # Clusters are seen in each batch, and a batch is not all points.
        size = min(n, max(min(BATCH, n // 4), 5 * k // 2, LEAST_BATCH)) \
            if self.batch_size == AUTO else self.batch_size
        epochs = max(EPOCHS, -(-LEAST_STEPS // max(1, n // size))) \
            if self.epochs == AUTO else self.epochs
        # Of a cluster, half of its points or less.
        t = max(1, min(NEIGHBOR, n // (2 * k), n - 1)) \
            if self.n_neighbors == AUTO else self.n_neighbors
        return dict(batch_size=size, epochs=epochs, n_neighbors=t)

    def restarts(self, n=1, steps=0):
        """As of any estimator; by halves if so asked."""
        return Halving(self, n, steps) if self.halving and n > 1 \
            else super().restarts(n, steps)

    def _rank(self, restart, rank, indices):
        """What restarts are compared by, from the objective's own rank."""
        return rank

    def _warn_of_terms(self, objective):
        best = self.restarts_[self.best_restart_]
        of_all = best.terms.get('marginal_entropy', 0)
        of_batches = best.log[-1].get('main/marginal_entropy', 0)
        if of_all < LEAST_SHARE * of_batches:
            self._warn(
                f'H(Y) is {of_all:.3g} nats over all data and was '
                f'{of_batches:.3g} in the batches: the running averages of '
                f'the batch normalizations lag behind; {REMEDIES}')
        kl = best.terms.get('kl_to_prior', 0)
        if objective.waits and kl > UNLIKE:
            self._warn(
                f'KL[p(y) || q(y)] is {kl:.3g} nats: the clusters are not of '
                f'the sizes of the prior; see whether it is right, take a '
                f'larger mu or train longer')
        if objective.tolerance is not None and kl > objective.tolerance:
            penalty = best.log[-1]['all/penalty']
            self._warn(
                f'KL[p(y) || q(y)] is {kl:.3g} nats and not the '
                f'{objective.tolerance:.3g} of delta, although its penalty '
                f'grew to {penalty:.3g}; take a larger delta or more epochs')

    @property
    def _may_center(self):
        return self.make_regularizer().is_shift_invariant

    def _extensions(self, network, x, labels, loss):
        def summarize(logits):
            return {**information_of(loss.objective, logits)._asdict(),
                    **self._summarize(logits, labels)}
        # The penalty grows by what it says.
        every = 1 if loss.objective.tolerance is not None else max(
            1, self.epochs_ // self.evaluations)
        extensions = [Evaluator(network, x, summarize, every, self.epochs_)]
        if loss.objective.tolerance is not None:
            extensions.append(GrowingPenalty(
                loss, loss.objective.tolerance, loss.objective.growth))
        if loss.objective.waits:
            # Half of the steps that there are at least.
            wait = -(-LEAST_STEPS // (2 * (x.shape[0] // self.batch_size_)))
            extensions.append(LatePenalty(
                loss, x, min(wait, self.epochs_ // 2)))
        return extensions

    def _logits(self, X):
        """Logits of X, shape (N, M), float32."""
        X = self._check_new(X)
        return predict_logits(self.encoder_, X)

    @classmethod
    def from_encoder(cls, encoder: Encoder, **arguments: Any) -> Self:
        """An estimator around a trained network, for predictions.

        Args:
            encoder (Encoder): E.g. from :func:`imsat.load_original`.
            arguments: Of the estimator, but for what the encoder tells.
        """
        sizes = encoder.sizes
        estimator_of: Any = cls
        self = estimator_of(sizes[-1], hidden=sizes[1:-1], **arguments)
        self.n_features_in_, self.objective_ = sizes[0], math.nan
        self.center_, self.warnings_ = numpy.zeros(sizes[0]), []
        self.deviation_ = numpy.ones(sizes[0])
        self.encoder_ = encoder
        return self

    def _widths(self, d):
        return d, *self.hidden, self._n_outputs

    def _network(self, rng=None):
        return Encoder(self.n_features_in_, self._n_outputs, self.hidden,
                       self.initialization, rng)

    def _unit(self, regularizer, radius):
        """The power of two that brings data of that radius to MNIST's scale,
        or 1: what the paper fixed there, eps of the batch normalizations and
        the learning rate of a linear network, is in no unit of the data."""
        if not (self.xi == AUTO and regularizer.is_scale_free
                and radius.any()):
            return 1.
        median = float(numpy.median(radius)) / self.alpha
        return 2. ** round(math.log2(SIGMA / median))

    def radius(self, X) -> numpy.ndarray:
        """alpha sigma_t(x) of Eq. 17, shape (N,), float32, in the units of X;
        zeros where the regulariser has no use for it."""
        return self._radius(X)[0]

    @property
    def _most_neighbors(self):
        """How many of each point something needs to know, but for sigma."""
        return self.make_regularizer().needs_neighbors

    def _neighbors(self, X):
        """sigma_t(x) and the indices of neighbours, shape (N, k); None for
        both if nothing but sigma_t(x) needs them."""
        k, t = self._most_neighbors, self.n_neighbors_
        if not k:
            return None, None
        n = X.shape[0]
        with self._bar(n, 'neighbours') as bar:
            distances, indices = current().tell(lambda: neighbors(
                X, min(max(k, t), n - 1), self._cache, bar.update,
                self.neighbor_search))
        return distances[:, t - 1], indices

    def _bar(self, n, title):
        return ProgressBar(n, title, 'point',
                           disable=not self.verbose or current().rank > 0)

    @property
    def _cache(self):
        return default_cache() if self.cache is True else self.cache or None

    def _radius(self, x, sigma=None):
        """The radius, and how many points are copies too many."""
        if not self.make_regularizer().needs_radius:
            return numpy.zeros(x.shape[0], numpy.float32), 0
        ranks, t = current(), self.settle(x.shape[0])['n_neighbors']
        if sigma is None:
            with self._bar(x.shape[0], 'sigma') as bar:
                sigma = ranks.tell(lambda: neighbor_distance(
                    x, t, self._cache, bar.update, self.neighbor_search))
        copies = sigma == 0
        if copies.any():
            # Nothing would perturb them.
            sigma[copies] = ranks.tell(
                lambda: self._sigma_of_distinct(x, t))[copies]
        return (self.alpha * sigma).astype(numpy.float32), int(copies.sum())

    def _sigma_of_distinct(self, x, t):
        """sigma of all points, where copies of a point count once."""
        x = x.tocsr() if scipy.sparse.issparse(x) \
            else backend.CpuDevice().send(x)
        rows = [(row.indices.tobytes(), row.data.tobytes()) for row in x] \
            if scipy.sparse.issparse(x) else (row.tobytes() for row in x + 0)
        places = {}
        inverse = [places.setdefault(row, len(places)) for row in rows]
        m = len(places)
        if m == 1:
            raise InputError('all points are the same, so that there is '
                             'nothing to tell apart; give others')
        first = numpy.unique(inverse, return_index=True)[1]
        t = max(1, min(t, m // (2 * self._n_outputs)))
        return neighbor_distance(
            x[first], t, self._cache, method=self.neighbor_search)[inverse]

    def check(self, X, y=None) -> None:
        super().check(X, y)
        n, regularizer = X.shape[0], self.make_regularizer()
        t = self.settle(n)['n_neighbors']
        if regularizer.needs_radius and t >= n:
            raise argument_error(
                self, 'n_neighbors', f'is {t}, but {n} points have no '
                f'neighbour number {t}; choose one from 1 to {n - 1}')
        if regularizer.needs_neighbors >= n:
            raise InputError(
                f'{n} points have no {regularizer.needs_neighbors} others to '
                f'take as neighbours; let the regulariser take at most '
                f'{n - 1} (nearest, --nearest)')
        regularizer.check(X.shape[1])
        objective = self.make_objective()
        objective.check(self._n_outputs)
        if ranks_of(self.communicator).size > 1 \
                and type(objective).information not in INFORMATION:
            raise InputError(
                f'{type(objective).__name__} takes information of its own '
                f'from a batch, which is not shared out to ranks; leave the '
                f'communicator out, or take a function of imsat.functions')
