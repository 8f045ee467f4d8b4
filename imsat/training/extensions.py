"""What is done around the steps: evaluation, Eq. 10's penalty, a bar, and a
look at whether all is finite."""
import math
import warnings
from collections.abc import Callable
from typing import Any

import chainer
import numpy
from chainer import backend, reporter
from chainer.training import extension, extensions

from imsat.cuda import runtime
from imsat.errors import DivergenceError
from imsat.losses import IMSATLoss
from imsat.losses.objectives import BoundedObjective, check_prior
from imsat.on_disk import blocks_of
from imsat.parameters import (
    FUNCTION, TABLE, Number, OneOf, Whole, checked)
from imsat.progress import ProgressBar
from imsat.randomness import NOISE, generator
from imsat.training.evaluation import predict_logits, softmax

LOSS = OneOf(IMSATLoss, 'give an imsat.IMSATLoss')


class Evaluator(extension.Extension):
    """Reports what the network says of all data.

    Args:
        model (chainer.Link): The network.
        x (array or sparse matrix): All data, shape (N, d).
        summarize: Function from the logits, shape (N, M), to a dict of what
            to report.
        every (int): After every so many epochs.
        last (int): After this epoch, too.
    """
    trigger = 1, 'epoch'
    default_name = 'evaluator'
    priority = extension.PRIORITY_WRITER

    @checked(model=OneOf(chainer.Link, 'give a chainer.Link'), x=TABLE,
             summarize=FUNCTION, every=Whole(1), last=Whole(0, optional=True))
    def __init__(self, model: chainer.Link, x: Any,
                 summarize: Callable[..., dict], every: int = 1,
                 last: int | None = None) -> None:
        self.model, self.x, self.summarize = model, x, summarize
        self.every, self.last = every, last

    def __call__(self, trainer):
        epoch = trainer.updater.epoch
        if epoch % self.every and epoch != self.last:
            return
        report = self.summarize(predict_logits(self.model, self.x))
        chainer.report({f'all/{name}': value
                        for name, value in report.items()})


# Of perturbations, before a prior is brought in: docs/defaults.md.
WIDE = 8.
# How often clusters that were lost are looked for before that.
ATTEMPTS = 40
# So many times its first weight the penalty may become, see docs/data.md.
MOST_GROWTH = 2. ** 20


class GrowingPenalty(extension.Extension):
    """The penalty method for the constraint of Eq. 10, KL <= delta.

    After every epoch it multiplies the weight by ``growth`` where
    KL[p(y) || q(y)] of all data demands it: above delta and not a tenth below
    what it was an epoch before, up to MOST_GROWTH times the first weight, from
    where it would drown all else.  (The paper's own sequence of weights, in
    its Appendix B, could not be had.)

    It reads what :class:`Evaluator` has reported, and reports the weight with
    which the epoch was trained.

    Args:
        loss (IMSATLoss): Whose ``penalty`` grows.
        delta (float): Tolerance in nats.
        growth (float): Factor.
    """
    trigger = 1, 'epoch'
    default_name = 'penalty'
    priority = extension.PRIORITY_EDITOR  # after Evaluator, before the log

    @checked(loss=LOSS, delta=Number(), growth=Number(1))
    def __init__(self, loss: IMSATLoss, delta: float,
                 growth: float) -> None:
        self.loss, self.delta, self.growth = loss, delta, growth
        self.last_kl = math.inf
        self.most = MOST_GROWTH * loss.penalty

    def __call__(self, trainer):
        chainer.report({'all/penalty': self.loss.penalty})
        kl = trainer.observation['all/kl_to_prior']
        if kl > max(self.delta, .9 * self.last_kl):
            self.loss.penalty = min(self.loss.penalty * self.growth,
                                    self.most)
        self.last_kl = kl

    def serialize(self, serializer):
        self.loss.penalty = serializer('penalty', self.loss.penalty)
        self.last_kl = serializer('last_kl', self.last_kl)


class LatePenalty(extension.Extension):
    """Brings in a prior when there are clusters that it can be about.

    For ``epochs`` there is no penalty, and I(X; Y) is maximised (Eq. 7) under
    perturbations that are WIDE times as long at first: what lies far apart
    is told apart first, and no large cluster is cut for want of another.
    H(Y) counts less beyond log K at first, and h(q) in the end, so that
    clusters become as uneven as the prior where that makes them surer.
    An output that hardly any point has would never come back: ATTEMPTS times
    it becomes a copy of another, see :func:`refill`.  Then the outputs change
    places, so that the largest cluster has the largest prior and so on, and
    the constraint of Eq. 10 has its weight.

    Args:
        loss (IMSATLoss): Whose ``penalty`` is 0 until then, and whose
            ``objective`` another.
        x (array or sparse matrix): All data, shape (N, d).
        epochs (int): How many; of a network that has clusters, 0.
        weight (array): Of the points, shape (N,); None for all alike.
    """
    trigger = 1, 'epoch'
    default_name = 'prior'
    priority = GrowingPenalty.priority - 1  # once that has looked

    @checked(loss=LOSS, x=TABLE, epochs=Whole(0), weight=OneOf(
        numpy.ndarray, 'give an array of weights, or None', optional=True))
    def __init__(self, loss: IMSATLoss, x: Any, epochs: int,
                 weight: numpy.ndarray | None = None) -> None:
        self.loss, self.x, self.epochs = loss, x, epochs
        self.weight = weight
        self.radius = loss.radius
        self.objective: Any = loss.objective
        if epochs:
            loss.penalty = 0.

    def initialize(self, trainer):
        left = self.epochs - trainer.updater.epoch
        if left <= 0:
            self.loss.radius = self.radius
            self.loss.objective = self.objective
            return
        share = left / self.epochs
        self.loss.radius = self.radius * numpy.float32(WIDE ** share)
        prior = check_prior(self.objective.prior)
        self.loss.objective = BoundedObjective(
            self.objective.lam, prior=self.objective.prior,
            most=share * math.log(len(prior))
            - (1 - share) * float(prior @ numpy.log(prior)))

    def __call__(self, trainer):
        # GrowingPenalty, if there is one, has said it before it raised it.
        chainer.report({'all/penalty': trainer.observation.get(
            'all/penalty', self.loss.penalty)})
        self.initialize(trainer)
        updater = trainer.updater
        network = updater.get_optimizer('main').target
        every = max(1, self.epochs // ATTEMPTS)
        if updater.epoch == self.epochs:
            self.loss.penalty = self.objective.penalty
            sort_outputs(network, self.x, self.objective.prior, self.weight)
        # The copies need time to part.
        elif updater.epoch <= self.epochs - every \
                and updater.epoch % every == 0:
            refill(network, self.x, self.objective.prior, generator(
                self.loss.seed, NOISE, updater.iteration), self.weight)

    def serialize(self, serializer):
        self.loss.penalty = serializer('penalty', self.loss.penalty)
        epochs = int(serializer('epochs', self.epochs))
        if epochs != self.epochs:
            warnings.warn(
                f'the prior came or comes in after {epochs} epochs, as in the '
                f'run that goes on, and not after {self.epochs}, as in one of '
                f'so many epochs from the start')
            self.epochs = epochs


def sort_outputs(network, x, prior, weight=None):
    """Brings clusters and a prior, shape (K,), in one order of size."""
    p = sizes_of(network, x, weight)
    order = numpy.empty(len(p), int)
    order[numpy.argsort(prior, kind='stable')] = \
        numpy.argsort(p, kind='stable')
    reorder(network.last, order)


def refill(network, x, prior, rng, weight=None):
    """Each output that has lost nearly all of its points becomes a copy of
    another, of which the two may then part.

    That is one at random: half of the time any, and half of the time one of
    those that have more than the part of the prior, shape (K,), that is
    theirs in the order of size, since they may be two.
    """
    p, prior = sizes_of(network, x, weight), numpy.sort(check_prior(prior))
    lost = p < .3 * prior[0]
    if not lost.any():
        return
    due = prior[numpy.argsort(numpy.argsort(p, kind='stable'))]
    excess = numpy.where(lost, 0., numpy.maximum(p - due, 0.))
    chance = excess / max(excess.sum(), 1e-9) + ~lost / (~lost).sum()
    order = numpy.arange(len(p))
    order[lost] = rng.choice(len(p), lost.sum(), p=chance / chance.sum())
    layer = network.last
    reorder(layer, order)
    W = layer.W.array
    noise = .01 * W.std() * rng.standard_normal(W.shape)
    W += layer.device.send((noise * lost[:, None]).astype(W.dtype))


def sizes_of(network, x, weight=None):
    """p(y) of all data, shape (K,), float64."""
    p = sum((softmax(block) if weight is None else
             weight[start:start + len(block), None] * softmax(block)
             ).sum(axis=0) for start, block in blocks_of(
                 predict_logits(network, x)))
    return p / p.sum()


def reorder(layer, order):
    """Gives each output of a linear layer the weights of another, shape (M,),
    and what its optimizer has gathered of them."""
    order = layer.device.send(order)
    for parameter in layer.params():
        gathered = getattr(parameter.update_rule, 'state', None) or {}
        for array in (parameter.array, *gathered.values()):
            array[...] = array[order]


# What helps against a divergence.
STEADIER = ('take a smaller learning rate, weights such as lambda near their '
            'defaults, or data scaled to about 1')


class DivergenceCheck(extension.Extension):
    """Raises DivergenceError at the first NaN or infinity.

    It looks at the loss after every step; on a GPU, which would have to wait
    for it, not before the end of an epoch.  Then it also looks at all that
    was reported, the network and the optimizer, before any of it is written.
    """
    default_name = 'divergence'
    priority = extension.PRIORITY_WRITER - 1  # once Evaluator has reported

    def __call__(self, trainer):
        updater, observed = trainer.updater, trainer.observation
        network = updater.get_optimizer('main').target
        if updater.is_new_epoch or network.xp is numpy \
                and not _is_finite(observed['main/loss']):
            check_finite(observed, updater)


def check_finite(observed, updater, when=None):
    """Raises DivergenceError if something of what was reported, the network
    or the optimizer is not finite.

    Args:
        observed (dict): What was reported.
        updater (Updater): Has the network and the optimizer.
        when (str): In words; by default the epoch and the step.
    """
    optimizer = updater.get_optimizer('main')
    look, within = _Look([]), _Look([])
    for name in sorted(observed):
        look(name, observed[name])
    optimizer.target.serialize(within)
    optimizer.serialize(within)
    found = look.found + sorted(within.found)
    if found:
        when = when or (f'epoch {math.ceil(updater.epoch_detail)}, by step '
                        f'{updater.iteration}')
        raise DivergenceError(
            f'{", ".join(found[:3])} became NaN or infinite in {when}; '
            f'{STEADIER}')


class _Look(chainer.Serializer):
    """Finds what is not finite of what it shall write."""

    def __init__(self, found, path=''):
        self.found, self.path = found, path

    def __getitem__(self, key):
        return _Look(self.found, f'{self.path}{key.strip("/")}/')

    def __call__(self, key, value):
        if value is not None and not _is_finite(value):
            self.found.append(f'{self.path}{key}')
        return value


def _is_finite(value):
    value = getattr(value, 'array', value)
    return bool(backend.get_array_module(value).isfinite(value).all())


class Progress(extension.Extension):
    """A bar with the time left, the epoch, and how the clusters look.

    Args:
        total (int): Iterations of all restarts together.
    """
    default_name = 'progress'
    priority = extension.PRIORITY_READER

    @checked(total=Whole(0, 2 ** 62))
    def __init__(self, total: int) -> None:
        self._offset = 0
        self._bar = ProgressBar(total)

    def start(self, description, iteration):
        """A restart begins after ``iteration`` steps of all."""
        self._bar.set_description(description)
        self._bar.n = self._bar.initial = iteration
        self._offset = iteration
        self._bar.refresh()

    def __call__(self, trainer):
        self._bar.update(
            self._offset + trainer.updater.iteration - self._bar.n)
        if trainer.updater.is_new_epoch:
            log = trainer.observation
            shown = {'epoch': trainer.updater.epoch}
            for key, name in (('all/conditional_entropy', 'H(Y|X)'),
                              ('all/marginal_entropy', 'H(Y)'),
                              ('all/accuracy', 'ACC')):
                if key in log:
                    shown[name] = f'{float(log[key]):.3f}'
            self._bar.set_postfix(shown, refresh=False)

    def close(self):
        """Leaves the bar as it is."""
        self._bar.close()


class LogReport(extensions.LogReport):
    """Chainer's, which a step on a GPU does not wait for.

    What is there is fetched, and added up, once the means are wanted: to do
    so as it comes would be four launches a number.
    """

    def _init_summary(self):
        self._summary = _Summary()


class _Summary(reporter.DictSummary):

    def __init__(self):
        super().__init__()
        self._there = {}

    def add(self, d):
        here = {}
        for name, value in d.items():
            array = getattr(value, 'array', value)
            if runtime.current.holds(array) and array.ndim == 0:
                self._there.setdefault(name, []).append(array)
            else:
                here[name] = value
        super().add(here)

    def compute_mean(self):
        self._fetch()
        return super().compute_mean()

    def make_statistics(self):
        self._fetch()
        return super().make_statistics()

    def serialize(self, serializer):
        self._fetch()
        super().serialize(serializer)

    def _fetch(self):
        for name, arrays in self._there.items():
            xp = backend.get_array_module(*arrays)
            for value in backend.CpuDevice().send(xp.stack(arrays)):
                super().add({name: value})
        self._there = {}
