"""What RIM and IMSAT do alike, whatever the task."""
import dataclasses
import functools
import math
import warnings
from typing import Any, ClassVar

import numpy
import scipy.sparse
from chainer import backend, serializers
from typing_extensions import Self

from imsat.devices import to_numpy
from imsat.errors import InputError
from imsat.estimators.base import (
    REMEDIES, Restart, TrainedEstimator, over_ranks, send)
from imsat.estimators.centering import LEAST, MOST
from imsat.estimators.incremental import Incremental
from imsat.estimators.selection import Halving
from imsat.hints import Labels, Points
from imsat.labels import is_masked
from imsat.links import Encoder, Ensemble
from imsat.links.encoder import INITIALIZATION, INITIALIZATIONS
from imsat.losses.loss import IMSATLoss
from imsat.losses.objectives import (
    HashingObjective, Objective, is_shared)
from imsat.losses.regularizers import VAT, RegularizerParameters
from imsat.neighbors import (
    ALIKE, METHODS, distinct, have_copies, is_sampled, neighbor_distance,
    neighbors, without_copies)
from imsat.on_disk import from_map
from imsat.parameters import (
    AUTO, Auto, Choice, Flag, Number, OneOf, Place, Whole, again,
    argument_error, check_parameters, checked, documented, layers, parameter,
    shown)
from imsat.progress import ProgressBar
from imsat.ranks import current, ranks_of
from imsat.storage import default_cache, digest, reason_of
from imsat.training.adam import Adam, forget_training
from imsat.training.evaluation import (
    information_of, predict_logits, regularization_of)
from imsat.training.extensions import (
    Evaluator, GrowingPenalty, LatePenalty, sort_outputs)
from imsat.training.iterators import (
    SAMPLINGS, IndexIterator, draw_neighbors)
from imsat.training.plan import parts_of
from imsat.training.updater import STEPS, Updater

# The paper's, and what small data have at least: docs/defaults.md.
EPOCHS, NEIGHBOR = 50, 10
SIGMA = 8.  # the median of sigma_10, MNIST's is 7.7
LEAST_STEPS = 1000
# Of p(y) from the prior, in nats; [.8, .2] from [.9, .1] is .04.
UNLIKE = .05
# Of the batches' H(Y), what that of all data has at least.
LEAST_SHARE = .5


class Jobs(Whole):
    """How many processes, -1 for as many as there are cores."""

    def __init__(self):
        super().__init__(-1)
        self.wanted = 'give a whole number from 1, or -1 for all cores'

    def allows(self, value):
        return super().allows(value) and value != 0


@documented
@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class IMSATEstimator(RegularizerParameters, Incremental):
    """An encoder trained by RIM or IMSAT (Eq. 1), in scikit-learn's form.

    The estimator of a task says how many outputs the encoder has
    (``_n_outputs``), what is minimised (``make_objective``), what else to
    log (``_summarize``), and what is made of the logits.

    What is ``'auto'`` follows the data: docs/defaults.md.

    Attributes:
        batch_size_, epochs_, n_neighbors_ (int): What was taken.
        xi_ (float): Of VAT, the median over all points, in their units.
        encoder_ (Encoder): The network.
        objective_ (float): R plus the information term, of all data.
        restarts_ (list of Restart): Their ``terms`` are ``sat`` (R of Eq. 1)
            and those of the objective.
        best_restart_ (int): Index of the one that was kept.
        n_features_in_ (int): d, the number of features.
    """
    _accept_sparse: ClassVar[bool | str] = 'csr'
    _accept_on_disk: ClassVar[bool] = True
    _task: ClassVar[str]
    # What an objective is made from.
    _of_objective: ClassVar[tuple] = 'lam',

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
        'by FAISS; "sampled", from distances to 4,096 points; or "auto", '
        'exact for up to 300,000 points, and sampled for more than 256 MB on '
        'disk')
    epochs: Any = again(
        TrainedEstimator, 'epochs', default=AUTO, kind=Auto(Whole(1)),
        help='of floor(N / batch size) iterations each; "auto": the paper\'s '
        f'50, or as many as make {LEAST_STEPS} iterations')
    batch_size: Any = again(
        TrainedEstimator, 'batch_size', help='points of a step, the set B of '
        'Eq. 15; "auto": the paper\'s 250, a quarter of fewer than 1,000 '
        'points, or 2.5 for each of more than 100 clusters')
    halving: bool = parameter(
        False, Flag(), 'after 3/10 of the epochs only the better half of the '
        'restarts goes on, then of these, until one is left: 8 cost as much '
        'as 4')
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
    warm_start: bool = parameter(
        False, Flag(), 'fit goes on from the network that is fitted, with '
        'what Adam gathers anew; an uneven prior is there from the first step '
        'then', option='', how=True)
    n_jobs: int = parameter(
        1, Jobs(), 'restarts that are trained at once, in processes with as '
        'many threads of BLAS as this one, so that the results are the same; '
        '-1 for as many as there are cores', option='jobs', how=True)
    cache: Any = parameter(
        False, Place(flag=True), 'whether, or below which folder, to keep '
        'sigma_t(x), which takes a minute for MNIST; True: IMSAT_CACHE or '
        '~/.cache/imsat', option='', how=True)

    @over_ranks
    def fit(self, X: Points, y: Labels = None,
            sample_weight: Any = None) -> Self:
        """Learns from X, shape (N, d), dense or scipy sparse.

        Of a ``numpy.memmap`` batches alone are copied.  Ctrl-C during the
        training keeps what is learnt, with a warning, unless ``out`` has
        snapshots to go on from.

        Args:
            X (array): The points.
            y (array): Labels, shape (N,), which never change what is learnt.
            sample_weight (array): Of the points, shape (N,), at least 0:
                batches are drawn by it, and p(y) and R of all data are means
                with these weights, so that a whole number is as so many
                copies.  Neighbours, centre and scale are those of the rows,
                and so is how alike the clusters of restarts are.
        """
        before = self._fitted_network() if self.warm_start else None
        names = getattr(self, 'feature_names_in_', None)
        X, y = self._check_data(X, y)
        for name in self._among_restarts() if self.n_init == 1 else ():
            warnings.warn(f'{name} chooses among restarts, and there is one; '
                          f'ask for more of them or leave {name} out')
        unused = self._beside_objective()
        if unused:
            warnings.warn(f'{" and ".join(unused)} would make an objective, '
                          f'and objective is one already; leave out one of '
                          f'them')
        if before is not None:
            self._check_widths(before[0])
            self._check_columns(names)
        weight = self._check_weight(sample_weight, X.shape[0])
        objective, regularizer = self.make_objective(), self.make_regularizer()
        if weight is not None:
            objective.check_weights()
        if weight is not None and self.sampling != SAMPLINGS[0]:
            raise argument_error(
                self, 'sampling', f'is {self.sampling!r}, in which every '
                f'point comes as often; take {SAMPLINGS[0]!r} with '
                f'sample_weight')
        if hasattr(self, '_stream'):
            del self._stream
        for name, value in self.settle(X).items():
            setattr(self, f'{name}_', value)
        device = self._get_device()
        sigma, radius, indices = self._surroundings(X, max(
            regularizer.needs_neighbors, self._n_asked))
        scale = self._unit(X, sigma)
        x, radius = send(X * scale if scale != 1 else X, device), \
            device.send(radius * numpy.float32(scale))
        restarts = self.restarts(
            self.n_init, self.epochs_ * (X.shape[0] // self.batch_size_),
            weight)
        train = functools.partial(
            self._train, x=x, y=y, radius=radius, indices=indices,
            weight=weight, start=before and self._moved(*before), scale=scale)
        for restart, rank, network, is_stopped in restarts.run(
                train, self.n_jobs if self.n_init > 1 else 1):
            network.to_device(device)
            restarts.add(restart, rank, encoder_=network)
            if is_stopped:
                restarts.stop(restart, self.epochs_)
        self._warn_of_terms(objective)
        if not restarts.is_stopped:
            self._inspect(X)
        return self

    def _surroundings(self, X, k):
        """sigma_t(x), the radius, and the indices of at least k neighbours;
        says what xi came to, and how many points are copies."""
        regularizer = self.make_regularizer()
        sigma, indices = self._neighbors(X, k)
        sigma, copies = self._sigma(send(X, self._get_device()), sigma)
        radius = self._radius(sigma)
        self.__dict__.pop('xi_', None)
        for _, part in parts_of(regularizer):
            if isinstance(part, VAT):
                steps = part.step(radius, X.shape[1])
                self.xi_ = float(backend.get_array_module(steps).median(steps))
        if copies and regularizer.needs_radius:
            self._warn_of_points(
                f'{copies} points have {self.n_neighbors_} or more copies; '
                f'their sigma is that among points that are distinct')
        return sigma, radius, indices

    def _train(self, seed, session, *, x, y, radius, indices, weight, start,
               scale):
        """A restart, its rank, its network, and whether Ctrl-C ended it.

        Args:
            x, radius (array): Times ``scale``.
            indices (array): Of neighbours, see :meth:`_neighbors`.
            start (Encoder): To go on from; None for new weights.
        """
        device, size = self._get_device(), self.batch_size_
        if start is None:
            network = self._network(numpy.random.RandomState(seed))
        else:
            network = start.copy('copy')
            network.l1.W.array /= scale
        network.to_device(device)
        objective = self.make_objective()
        loss = IMSATLoss(
            objective, self.make_regularizer(), radius, seed,
            functools.partial(draw_neighbors, x, indices, device))
        training = session.run(
            Updater(IndexIterator(len(radius), size, self.sampling, seed,
                                  weight),
                    Adam(alpha=self._rate).setup(network), x, loss,
                    device, self.step),
            self.epochs_, self._extensions(
                network, x, y, loss, weight, start is not None), keeps=True)
        kept = functools.partial(self._in_spite_of_ctrl_c, session, training)

        def goes_on():
            return session.until not in (None, self.epochs_) \
                and not session.is_stopped

        def look():
            if not goes_on():  # a prior that was awaited (LatePenalty) counts
                loss.objective, loss.radius = objective, radius
                loss.penalty = loss.penalty or objective.penalty
            logits = predict_logits(network, x)
            return logits, information_of(loss.objective, logits, weight)
        logits, information = kept(look)
        # R of all data costs some epochs: too much for a round.
        sat = training.log[-1]['main/sat'] if goes_on() else kept(
            lambda: regularization_of(loss, network, x, size, weight=weight),
            lambda: training.log[-1]['main/sat'])
        restart = Restart(
            seed, sat + loss.objective.combine(information, loss.penalty),
            logits=logits, **vars(training),
            terms=dict(sat=sat, **information._asdict()))
        # From now on it takes points as they are.
        network.l1.W.array *= scale
        forget_training(network)
        rank = loss.objective.rank(sat, information, loss.penalty)
        return (restart, self._rank(restart, rank, indices), network,
                session.is_stopped)

    @staticmethod
    def _in_spite_of_ctrl_c(session, training, measure, instead=None):
        """What ``measure()`` says of a training that has ended.  Ctrl-C makes
        it the last, of which ``instead()``, or ``measure()`` again, tells;
        but if there is no epoch, or snapshots to go on from, it is raised."""
        try:
            return measure()
        except KeyboardInterrupt:
            if not training.log or session.folder is not None \
                    or current().size > 1:
                raise
            session.is_stopped = True
            return (instead or measure)()

    def _check_weight(self, weight, n):
        """sample_weight as fit has it; None for all alike."""
        ranks = current()
        if weight is None:
            ranks.check_agreement(dict(sample_weight=None))
            return None
        if is_masked(weight):
            raise InputError('sample_weight has values that are masked; fill '
                             'them in, with 0 for points that do not count')
        try:
            weight = numpy.asarray(weight)
            weight = numpy.empty(()) if weight.dtype.kind in 'cmM' \
                else weight.astype(numpy.float64)
        except RuntimeError as e:  # PyTorch's: it needs a gradient
            raise InputError(reason_of(e)) from e
        except (TypeError, ValueError, OverflowError):
            weight = numpy.empty(())
        if weight.shape != (n,) or not numpy.isfinite(weight.sum()) \
                or weight.min() < 0 or not weight.any():
            raise InputError(
                f'sample_weight is not a finite number from 0 for each of {n} '
                f'points, not all of them zero; give these, or None')
        ranks.check_agreement(dict(sample_weight=digest(weight)))
        return weight

    def _fitted_network(self):
        """The network that is fitted, if there is one, and what is done to
        points before it."""
        if not hasattr(self, 'encoder_'):
            return None
        if self.resume:
            raise InputError('resume goes on from snapshots and warm_start '
                             'from the fitted network; take one of them')
        return self.encoder_, self.center_, self.deviation_

    def _moved(self, encoder, center, deviation):
        """A copy of a network that was fitted with another ``center_`` and
        ``deviation_``, which says the same of points as they are moved now.
        """
        network = self._networks(1)
        serializers.NpzDeserializer(
            serializers.npz.serialize(encoder)).load(network)
        layer = network.l1
        W = layer.W.array.astype(numpy.float64) / deviation
        layer.b.array += W @ (self.center_ - center)
        layer.W.array[...] = W * self.deviation_
        return network

    def settle(self, X: Any) -> dict:
        """What ``'auto'`` comes to for the points X, shape (N, d), and what
        was given: a dict of ``batch_size``, ``epochs`` and ``n_neighbors``,
        and of ``select`` where there are restarts to select from."""
        n, size = X.shape[0], super().settle(X)['batch_size']
        epochs = max(EPOCHS, -(-LEAST_STEPS // max(1, n // size))) \
            if self.epochs == AUTO else self.epochs
        # Of a group, half of its points or less.
        t = max(1, min(NEIGHBOR, n // (2 * self._n_groups), n - 1)) \
            if self.n_neighbors == AUTO else self.n_neighbors
        return dict(batch_size=size, epochs=epochs, n_neighbors=t)

    def restarts(self, n=1, steps=0, weight=None):
        """As of any estimator; by halves if so asked."""
        return Halving(self, n, steps) if self.halving and n > 1 \
            else super().restarts(n, steps, weight)

    def _beside_objective(self):
        """The arguments that were given beside an ``objective`` which is made
        with other ones."""
        if self.objective is None:
            return []
        return [
            name for name in self._of_objective if not any(
                numpy.array_equal(getattr(self, name), value) for value in (
                    getattr(type(self), name),
                    getattr(self.objective, name, math.nan)))]

    def _among_restarts(self):
        """The arguments that were given and need several restarts."""
        return ['halving'] if self.halving else []

    def _rank(self, restart, rank, indices):
        """What restarts are compared by, from the objective's own rank."""
        return rank

    def _check_widths(self, encoder):
        """InputError unless a fitted network is what is asked for."""
        widths = tuple(self._widths(self.n_features_in_))
        if not isinstance(encoder, Encoder):
            raise InputError('several networks are fitted, by '
                             'select="consensus", with which no training goes '
                             'on; fit a new estimator')
        if encoder.sizes != widths:
            raise InputError(
                f'the network that is fitted has '
                f'{"-".join(map(str, encoder.sizes))} units, and '
                f'{"-".join(map(str, widths))} are asked for; ask for the '
                f'same to go on with it, or fit a new estimator')

    def _check_columns(self, fitted):
        """InputError unless the columns have the names that those had which
        were fitted before, where both have some."""
        given = getattr(self, 'feature_names_in_', None)
        if fitted is not None and given is not None \
                and list(fitted) != list(given):
            raise InputError(
                f'the columns are {shown(list(given))}, and those of the '
                f'network that is fitted {shown(list(fitted))}; give the '
                f'same in the same order, or fit a new estimator')

    @property
    def _has_estimated_prior(self):
        """Whether the objective's prior is nobody's word."""
        return False

    @property
    def _rate(self):
        return self.learning_rate

    @property
    def _n_groups(self):
        """Into how many groups an answer parts the points."""
        return self._n_outputs

    @property
    def _least_batch(self):
        return 5 * self._n_outputs // 2  # clusters are seen in each

    def _inspect(self, x):
        """Looks at the result beside the points, as they were learnt from."""

    def _warn_of_terms(self, objective):
        best = self.restarts_[self.best_restart_]
        if not best.log:  # stopped in the first epoch
            return
        of_all = best.terms.get('marginal_entropy', 0)
        of_batches = best.log[-1].get('main/marginal_entropy', 0)
        # That of a single cluster is 0, and may be below by rounding.
        if max(of_all, 0) < LEAST_SHARE * of_batches:
            self._warn(
                f'H(Y) is {of_all:.3g} nats over all data and was '
                f'{of_batches:.3g} in the batches: the running averages of '
                f'the batch normalizations lag behind; {REMEDIES}')
        kl = best.terms.get('kl_to_prior', 0)
        if objective.waits and kl > UNLIKE and not self._has_estimated_prior:
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

    def _extensions(self, network, x, labels, loss, weight, goes_on):
        def summarize(logits):
            return {
                **information_of(loss.objective, logits, weight)._asdict(),
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
            if goes_on:  # there are clusters
                wait = 0
                sort_outputs(network, x, loss.objective.prior, weight)
            extensions.append(LatePenalty(
                loss, x, min(wait, self.epochs_ // 2), weight))
        return extensions

    def _logits(self, X):
        """Logits of X, shape (N, M), float32."""
        X = self._check_new(X)
        return predict_logits(self.encoder_, X)

    @classmethod
    @checked(encoder=OneOf(Encoder, 'give an imsat.Encoder'))
    def from_encoder(cls, encoder: Encoder, **arguments: Any) -> Self:
        """An estimator around a trained network, for predictions.

        Args:
            encoder (Encoder): E.g. from :func:`imsat.load_original`.
            arguments: Of the estimator, but for what the encoder tells.
        """
        sizes = encoder.sizes
        estimator_of: Any = cls
        self = estimator_of(sizes[-1], hidden=sizes[1:-1], **arguments)
        check_parameters(self)
        self.n_features_in_, self.objective_ = sizes[0], math.nan
        self.center_, self.warnings_ = numpy.zeros(sizes[0]), []
        self.deviation_, self.spread_ = numpy.ones(sizes[0]), self.center_
        self.encoder_ = encoder
        return self

    def _widths(self, d):
        return d, *layers(self.hidden), self._n_outputs

    @property
    def _n_fitted(self):
        """How many outputs the network has that is fitted."""
        encoder = self.encoder_
        return (encoder[0] if isinstance(encoder, Ensemble)
                else encoder).sizes[-1]

    def _network(self, rng=None):
        return Encoder(self.n_features_in_, self._n_outputs, self.hidden,
                       self.initialization, rng)

    def _unit(self, X, sigma):
        """The power of two that brings points of that sigma, shape (N,), to
        MNIST's scale, or 1: what the paper fixed there, eps of the batch
        normalizations and the learning rate of a linear network, is in no
        unit of the data."""
        median = float(numpy.median(sigma))
        if not (self._is_scaled and median):
            return 1.
        power = round(math.log2(SIGMA / median))
        if power > 0:  # float32 has to hold the squares of what lies apart
            largest = max(float(X.max()), -float(X.min()))
            power = min(power, math.frexp(MOST / largest)[1] - 1)
        return 2. ** power

    @property
    def _is_scaled(self):
        """Whether points are brought to a common scale."""
        return self.xi == AUTO and self.make_regularizer().is_scale_free

    def radius(self, X: Points) -> numpy.ndarray:
        """alpha sigma_t(x) of Eq. 17, shape (N,), float32, in the units of X;
        zeros where the regulariser has no use for it."""
        check_parameters(self)
        self._check_alpha()
        X = self._validated_new(X)
        if not self.make_regularizer().needs_radius:
            return numpy.zeros(X.shape[0], numpy.float32)
        return self._radius(self._sigma(X)[0])

    @property
    def _n_asked(self):
        """How many neighbours of each point are asked what they say of a
        restart."""
        return 0

    def _neighbors(self, X, k):
        """sigma_t(x), None where :meth:`_t` is 0, and the indices of at least
        k neighbours, without copies; None for both if k is 0.
        """
        n = X.shape[0]
        if not k:
            return None, None
        t = self._t(X)
        with self._bar(n, 'neighbours') as bar:
            distances, indices = neighbors(
                X, min(max(k, t), n - 1), self._cache, bar.update,
                self.neighbor_search)
        if have_copies(distances):
            with self._bar(n, 'neighbours that are no copies') as bar:
                indices = without_copies(X, indices, self._cache, bar.update,
                                         self.neighbor_search)
        return distances[:, t - 1] if t else None, indices

    def _t(self, X):
        """t of sigma_t(x); 0 where nothing asks for it."""
        regularizer, t = self.make_regularizer(), self.settle(X)['n_neighbors']
        if regularizer.needs_radius:
            return t
        # Neighbours that are there anyway tell the unit.
        return min(t, regularizer.needs_neighbors) if self._is_scaled else 0

    def _bar(self, n, title):
        return ProgressBar(n, title, 'point',
                           disable=not self.verbose or current().rank > 0)

    @property
    def _cache(self):
        return default_cache() if self.cache is True else self.cache or None

    def _radius(self, sigma):
        if not self.make_regularizer().needs_radius:
            return numpy.zeros(len(sigma), numpy.float32)
        return (self.alpha * sigma).astype(numpy.float32)

    def _sigma(self, x, sigma=None):
        """sigma_t(x), shape (N,), float64, zeros where :meth:`_t` is 0, and
        how many points are copies too many; ``sigma`` if it is known."""
        t = self._t(x)
        if not t:
            return numpy.zeros(x.shape[0]), 0
        if sigma is None:
            with self._bar(x.shape[0], 'sigma') as bar:
                sigma = neighbor_distance(
                    x, t, self._cache, bar.update, self.neighbor_search)
        copies = sigma == 0
        if copies.any():
            # Nothing would perturb them.
            sigma[copies] = self._sigma_of_distinct(x, t)[copies]
        return sigma, int(copies.sum())

    def _sigma_of_distinct(self, x, t):
        """sigma of all points, where copies of a point count once."""
        if not scipy.sparse.issparse(x):
            x = to_numpy(x)
        first, inverse = distinct(x)
        m = len(first)
        if m == 1:
            raise InputError(ALIKE)
        t = max(1, min(t, m // (2 * self._n_groups)))
        return neighbor_distance(
            x[first], t, self._cache, method=self.neighbor_search)[inverse]

    def check(self, X: Any, y: Any = None) -> None:
        super().check(X, y)
        self._check_neighbors(X)
        self._check_alpha()
        self.make_regularizer().check(X.shape[1])
        objective = self.make_objective()
        self._check_task(objective)
        objective.check(self._n_outputs)
        if ranks_of(self.communicator).size == 1:
            return
        if self.n_jobs != 1:
            raise argument_error(
                self, 'n_jobs', f'is {self.n_jobs}, but ranks share each '
                f'restart already; leave it at 1')
        if not is_shared(objective):
            raise InputError(
                f'{type(objective).__name__} takes information of its own '
                f'from a batch, which is not shared out to ranks; leave the '
                f'communicator out, or take a function of imsat.functions')

    def _settled(self):
        return {'batch_size': self.batch_size_} \
            if hasattr(self, 'batch_size_') else {}

    def _take_settled(self, settled):
        self._take(settled, 'batch_size')

    def _information(self, X, sample_weight):
        """The terms of the objective for points X, as score takes them."""
        X = self._check_new(X)
        objective = self.make_objective()
        self._check_task(objective)
        objective.check(self._n_fitted)
        return information_of(
            objective, predict_logits(self.encoder_, X),
            self._check_weight(sample_weight, X.shape[0]))

    def _check_task(self, objective):
        if objective.task not in (None, self._task):
            raise argument_error(
                self, 'objective', f'is {shown(objective)}, whose task is '
                f'{objective.task}; give one for {self._task}, or None')

    def _check_alpha(self):
        # Beyond these nothing moves, or squares of what moves are infinite.
        if self.make_regularizer().needs_radius and self.alpha \
                and not LEAST <= self.alpha <= MOST:
            raise argument_error(
                self, 'alpha', f'is {self.alpha:g}, and float32 can\'t hold '
                f'perturbations of so many sigma; give 0, or a number from '
                f'{LEAST:g} to {MOST:g}')

    def _check_neighbors(self, X):
        n, t = X.shape[0], self.settle(X)['n_neighbors']
        if self.make_regularizer().needs_radius and t >= n:
            raise argument_error(
                self, 'n_neighbors', f'is {t}, but {n} points have no '
                f'neighbour number {t}; choose one from 1 to {n - 1}')
        k = self.make_regularizer().needs_neighbors
        if k >= n:
            raise InputError(
                f'{n} points have no {k} others to take as neighbours; let '
                f'the regulariser take at most {n - 1} (nearest, --nearest)')
        if k:
            self._check_search(X, 'the regulariser takes neighbours')

    def _is_sampled(self, X):
        """Whether it is not told which points are the nearest."""
        return is_sampled(from_map(X), self.neighbor_search)

    def _check_search(self, X, why):
        """InputError where it is not told which points are the nearest."""
        if self._is_sampled(X):
            raise argument_error(
                self, 'neighbor_search', f'is {self.neighbor_search!r}, which '
                f'says of these points how far a neighbour is and not which '
                f'it is, but {why}; take "exact" or "approximate", which '
                f'read all points into memory')
