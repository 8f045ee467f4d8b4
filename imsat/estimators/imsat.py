"""What RIM and IMSAT do alike, whatever the task."""
import dataclasses
import math
from typing import Any, ClassVar

import numpy
from typing_extensions import Self

from imsat.errors import InputError
from imsat.estimators.base import (
    REMEDIES, Restart, TrainedEstimator, over_ranks, send)
from imsat.functions import (
    code_mutual_information, sigmoid_mutual_information, softmax_entropy)
from imsat.hints import Labels, Points
from imsat.links import Encoder
from imsat.links.encoder import INITIALIZATION, INITIALIZATIONS
from imsat.losses.loss import IMSATLoss
from imsat.losses.objectives import (
    ClusteringObjective, CodeObjective, HashingObjective, Objective)
from imsat.losses.regularizers import RegularizerParameters
from imsat.neighbors import METHODS, neighbor_distance
from imsat.parameters import (
    Choice, Number, OneOf, Place, Whole, again, argument_error, documented,
    parameter)
from imsat.progress import ProgressBar
from imsat.ranks import current, ranks_of
from imsat.storage import default_cache
from imsat.training.adam import Adam
from imsat.training.evaluation import (
    information_of, predict_logits, regularization_of)
from imsat.training.extensions import Evaluator, GrowingPenalty
from imsat.training.iterators import IndexIterator
from imsat.training.updater import STEPS, Updater

# From what ranks know how to take of a batch that they share.
INFORMATION = (
    ClusteringObjective.information, CodeObjective.information,
    code_mutual_information, sigmoid_mutual_information, softmax_entropy)
# Of the batches' H(Y), what that of all data has at least.
LEAST_SHARE = .5


@documented
@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class IMSATEstimator(RegularizerParameters, TrainedEstimator):
    """An encoder trained by RIM or IMSAT (Eq. 1), in scikit-learn's form.

    The estimator of a task says how many outputs the encoder has
    (``_n_outputs``), what is minimised (``make_objective``), what else to
    log (``_summarize``), and what is made of the logits.

    Attributes:
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
    n_neighbors: int = parameter(
        10, Whole(1), 't of Eq. 17, the paper\'s 10 by default (the authors\' '
        'code takes the 11th)', option='neighbor')
    neighbor_search: str = parameter(
        'auto', Choice(METHODS), 'how it is found: "exact"; "approximate", '
        'by FAISS; or "auto", exact for up to 300,000 points')
    initialization: str = parameter(
        INITIALIZATION, Choice(INITIALIZATIONS), 'of the weights: "original", '
        'as the authors\' code draws them, or "he", smaller')
    step: str = parameter(
        'plan', Choice(STEPS), 'how a training step is computed: as a "plan" '
        'of products and fused functions where there is one for the method, '
        'or through Chainer\'s "graph"; restarts_ have which it was',
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
        device = self._get_device()
        x = send(X, device)
        objective, regularizer = self.make_objective(), self.make_regularizer()
        radius = device.send(self.radius(x))
        steps = self.epochs * (X.shape[0] // self.batch_size)
        restarts = self.restarts(self.n_init, steps)
        for seed, session in restarts:
            network = self._network(numpy.random.RandomState(seed))
            network.to_device(device)
            loss = IMSATLoss(objective, regularizer, radius, seed)
            training = session.run(
                Updater(IndexIterator(len(radius), self.batch_size,
                                      self.sampling, seed),
                        Adam(alpha=self.learning_rate).setup(network), x,
                        loss, device, self.step),
                self.epochs, self._extensions(network, x, y, loss))
            logits = predict_logits(network, x)
            information = information_of(objective, logits)
            sat = regularization_of(loss, network, x, self.batch_size)
            restarts.add(
                Restart(seed, sat + objective.combine(information,
                                                      loss.penalty),
                        logits=logits, **vars(training),
                        terms=dict(sat=sat, **information._asdict())),
                objective.rank(sat, information, loss.penalty),
                encoder_=network)
        self._warn_of_terms(objective)
        return self

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
        extensions = [Evaluator(network, x, summarize)]
        if loss.objective.tolerance is not None:
            extensions.append(GrowingPenalty(
                loss, loss.objective.tolerance, loss.objective.growth))
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

    def radius(self, X) -> numpy.ndarray:
        """alpha sigma_t(x) of Eq. 17, shape (N,), float32, in the units of X;
        zeros where the regulariser has no use for it."""
        if not self.make_regularizer().needs_radius:
            return numpy.zeros(X.shape[0], numpy.float32)
        return (self.alpha * self._sigma(X)).astype(numpy.float32)

    def _sigma(self, x):
        cache = default_cache() if self.cache is True else self.cache or None
        ranks = current()
        with ProgressBar(x.shape[0], 'sigma', 'point',
                         disable=not self.verbose or ranks.rank > 0) as bar:
            sigma = ranks.tell(lambda: neighbor_distance(
                x, self.n_neighbors, cache, bar.update,
                self.neighbor_search))
        zero = int((sigma == 0).sum())
        if zero:
            raise InputError(
                f'{zero} points have {self.n_neighbors} or more duplicates, '
                f'so that sigma is 0 and nothing would perturb them; remove '
                f'duplicates (numpy.unique(x, axis=0)) or take a higher '
                f'neighbour than {self.n_neighbors}')
        return sigma

    def check(self, X, y=None) -> None:
        super().check(X, y)
        n, regularizer = X.shape[0], self.make_regularizer()
        if regularizer.needs_radius and self.n_neighbors >= n:
            raise argument_error(
                self, 'n_neighbors', f'is {self.n_neighbors}, but {n} points '
                f'have no neighbour number {self.n_neighbors}; choose one '
                f'from 1 to {n - 1}')
        regularizer.check(X.shape[1])
        objective = self.make_objective()
        objective.check(self._n_outputs)
        if ranks_of(self.communicator).size > 1 \
                and type(objective).information not in INFORMATION:
            raise InputError(
                f'{type(objective).__name__} takes information of its own '
                f'from a batch, which is not shared out to ranks; leave the '
                f'communicator out, or take a function of imsat.functions')
