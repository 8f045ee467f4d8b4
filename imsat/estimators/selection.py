"""What becomes of several runs: one is kept by a criterion that needs no
labels, or all are joined, or only the better half of them goes on."""
import copy
import dataclasses
import functools
import itertools
from typing import Any

import chainer
import numpy
from scipy.optimize import linear_sum_assignment

from imsat.estimators.base import Restarts, closed, done_in_turn
from imsat.links.ensemble import Ensemble, mean_logits
from imsat.metrics import adjusted_rand
from imsat.on_disk import blocks_of, joined
from imsat.randomness import restart_seeds
from imsat.ranks import current
from imsat.training.evaluation import information_of, softmax
from imsat.training.extensions import reorder

SELECTIONS = 'objective', 'agreement', 'majority', 'consensus'
# When the first and the last half of the runs end, as shares of all epochs:
# earlier nothing tells how a run will end (docs/selection.md).
FIRST_CUT, LAST_CUT = .3, .7


class All(Restarts):
    """Looks at all runs, once they are there: keeps that which agrees most
    with the others (``'majority'``), or joins them (``'consensus'``), unless
    Ctrl-C has ended them before the last was there."""

    def __init__(self, model, n, steps, weight=None):
        super().__init__(model, n, steps)
        self.fitted, self.weight = [], weight

    def choose(self):
        model = self.model
        try:
            # All at once: half of it would not go together.
            vars(model).update(self._chosen())
        except KeyboardInterrupt:
            if model.out is not None or current().size > 1:
                raise
            self.is_stopped = True
            model._warn_of_stop('before restarts had been compared; that '
                                'with the lowest objective is kept')
        super().choose()

    def _chosen(self):
        """What is fitted of all together, by name."""
        model, restarts = self.model, list(self.model.restarts_)
        best = most_alike(restarts)
        if model.select != 'consensus':
            return {**self.fitted[best], 'best_restart_': best}
        together = [i for i, restart in enumerate(restarts)
                    if _n_used(_clusters(restart)) > 1]
        if 0 < len(together) < len(restarts):
            model._warn(f'{len(restarts) - len(together)} of {len(restarts)} '
                        f'restarts have one cluster for all points, and are '
                        f'left out')
        if self.is_stopped or len(together) < 2:
            together = [best] * 2  # alone: a file of one is no ensemble's
        reference = together.index(best)
        # Copies, whose outputs change places.
        network, restart = join(
            [self.fitted[i]['encoder_'].copy('copy') for i in together],
            [restarts[i] for i in together], reference, model.make_objective(),
            self.weight)
        return dict(encoder_=network, best_restart_=len(restarts),
                    restarts_=[*restarts, restart])

    def add(self, restart, rank=None, **fitted):
        super().add(restart, rank, **fitted)
        self.fitted.append(fitted)


class Halving(Restarts):
    """Successive halving: all runs begin, and after each round the better
    half goes on from where it was.

    What goes on is what it would have been alone, bit for bit.  Before the
    last round R, a term of the objective, is the mean over the last epoch.
    Where all that go on diverge, the next best go on for them.

    Where Ctrl-C ends it, the best of those that got farthest is kept, from
    the round that was done last, or the one that was under way.
    """

    def __init__(self, model, n, steps):
        super().__init__(model, n, steps)
        self.ranks: list[Any] = [None] * n
        self.kept: Any = None

    def run(self, train, n_jobs=1):
        model, n = self.model, self.n
        plan = rounds(n, model.epochs_)
        per_epoch = self.steps // model.epochs_
        first, progress = self._begin(sum(
            count * (end - start) * per_epoch for count, start, end in plan))
        model.restarts_ = [None] * n
        with closed(progress):
            try:
                yield from self._rounds(
                    plan, functools.partial(with_state, train), first,
                    per_epoch, progress, n_jobs)
            except KeyboardInterrupt:
                if self.kept is None or model.out is not None:
                    raise
                self.is_stopped = True
                model._warn_of_stop(f'in round {self.number} of {len(plan)}; '
                                    f'what was learnt is kept')
        self._warn_of_diverged()
        self.choose()

    def _rounds(self, plan, train, first, per_epoch, progress, n_jobs):
        n = self.n
        seeds, states = restart_seeds(first, n), [None] * n
        alive, done = list(range(n)), 0
        for self.number, (count, start, self.end) in enumerate(plan, 1):
            waiting, alive = self._order(alive), []
            self.best, self.is_last = None, count == 1
            while waiting and not alive:
                begun, waiting = sorted(waiting[:count]), waiting[count:]
                tasks = ((seeds[i], dataclasses.replace(
                    self._session(i, first, progress).below(
                        f'round-{self.number}'),
                    until=self.end, state=states[i])) for i in begun)
                results = done_in_turn(self._sparing(train), tasks,
                                       n_jobs if count > 1 else 1)
                for self.index in begun:
                    if progress is not None:
                        progress.start(
                            f'round {self.number}, restart {self.index + 1} '
                            f'of {n}', done - start * per_epoch)
                    result = self._next(results)
                    done += (self.end - start) * per_epoch
                    if result is None:
                        continue
                    alive.append(self.index)
                    result, states[self.index] = result
                    yield result
                    if self.is_stopped:
                        return
            if not alive:
                raise min(self.diverged)[1]
            for i in range(n):
                if i not in alive:
                    states[i] = None

    def choose(self):
        model = self.model
        begun = [i for i in range(self.n) if model.restarts_[i] is not None]
        model.restarts_ = [model.restarts_[i] for i in begun]
        model.best_restart_ = begun.index(self.kept)
        super().choose()

    def add(self, restart, rank=None, **fitted):
        epochs = restart.log[-1]['epoch'] if restart.log else 0
        restart.terms['epochs'] = epochs
        self.ranks[self.index] = rank
        self.model.restarts_[self.index] = restart
        # What was stopped is behind others, but not behind its own past.
        may_be_kept = epochs == self.end or self.is_last \
            or self.kept in (None, self.index)
        if may_be_kept and self._is_better(rank):
            self.best, self.kept = rank, self.index
            vars(self.model).update(fitted)

    def _order(self, alive):
        """The runs that go on, the best first."""
        if self.kept is None:  # none has begun
            return alive
        restarts = self.model.restarts_
        if getattr(self.model, 'select', None) == 'majority' \
                and len(alive) > 1:
            most_alike([restarts[i] for i in alive])
        return sorted(alive, key=lambda i: (
            -restarts[i].terms.get('majority', 0.),
            bool(numpy.isnan(self.ranks[i]).any()), self.ranks[i]))


def with_state(train, seed, session):
    """What ``train`` returns, and the state of its session, which a process
    of its own would keep to itself."""
    return train(seed, session), session.state


def rounds(n, epochs):
    """How many runs go on in each round, from which epoch to which.

    Their number is halved after each but the last, evenly between FIRST_CUT
    and LAST_CUT of the epochs: 4 runs cost as much as 2.3 whole ones, 8 as
    much as 3.9.

    Returns:
        list of tuple: The number of runs, and their first and last epoch.
    """
    counts = [n]
    while counts[-1] > 1:
        counts.append(-(-counts[-1] // 2))
    cuts = len(counts) - 1
    shares = numpy.linspace(FIRST_CUT, LAST_CUT, cuts) if cuts > 1 else [
        (FIRST_CUT + LAST_CUT) / 2] * cuts
    ends = [max(1, round(share * epochs)) for share in shares] + [epochs]
    return list(zip(counts, [0, *ends], ends))


def most_alike(restarts):
    """Which run's clusters are most like the others': their mean ARI, which
    becomes a term of each; -1 of one cluster for all, which tells nothing.
    Of two it is the one with the better objective.
    """
    clusterings = [_clusters(restart) for restart in restarts]
    for restart, clusters, values in zip(
            restarts, clusterings, pairwise_agreement(clusterings)):
        restart.terms['majority'] = -1. if _n_used(clusters) == 1 else \
            float(values.sum() / max(1, len(values) - 1))
    return max(range(len(restarts)), key=lambda i: (
        restarts[i].terms['majority'], -restarts[i].objective))


def pairwise_agreement(clusterings):
    """The ARI of each two of R clusterings, arrays of shape (N,): an array of
    shape (R, R), 0 on the diagonal, and of two of one cluster each, which
    agree by having learnt nothing."""
    agreement = numpy.zeros((len(clusterings),) * 2)
    several = [i for i, clusters in enumerate(clusterings)
               if _n_used(clusters) > 1]
    for i, j in itertools.combinations(several, 2):
        agreement[i, j] = agreement[j, i] = adjusted_rand(
            clusterings[i], clusterings[j])
    return agreement


def _clusters(restart):
    logits = restart.logits
    return logits.argmax(axis=1).astype(numpy.min_scalar_type(logits.shape[1]))


def _n_used(clusters):
    return len(numpy.unique(clusters))


def mean_of(tables, reference, weight=None):
    """The mean of some tables of probabilities, shape (N, K), whose clusters
    are first called as those of one of them are, with which they have most
    in common, by the Hungarian algorithm.

    Args:
        tables (list): Of each a function () to its rows, some at a time.
        reference (int): Which of them the others are like.
        weight (array): Of the points, shape (N,); None for all alike.

    Returns:
        tuple: The mean, some rows at a time, and how the clusters of each
        are called, arrays of shape (K,).
    """
    def weighted():
        start = 0
        for p in tables[reference]():
            yield p if weight is None \
                else p * weight[start:start + len(p), None]
            start += len(p)
    orders = [linear_sum_assignment(
        sum(like.T @ p for like, p in zip(weighted(), table())),
        maximize=True)[1] for table in tables]

    def means():
        for parts in zip(*(table() for table in tables)):
            yield sum(p.take(order, axis=1) for p, order
                      in zip(parts, orders)) / len(orders)
    return means(), orders


def join(networks, restarts, reference, objective, weight=None):
    """One network whose probabilities are the mean of those of all.

    Returns:
        tuple: The Ensemble, and the Restart of what it says.
    """
    def probabilities(restart):  # of many points on disk, some at a time
        return (softmax(block) for _, block in blocks_of(restart.logits))
    _, orders = mean_of(
        [functools.partial(probabilities, restart) for restart in restarts],
        reference, weight)
    for network, order in zip(networks, orders):
        reorder(network.last, order)
    like = restarts[reference]
    with chainer.no_backprop_mode():
        logits = joined((
            mean_logits([y.take(order, axis=1) for y, order
                         in zip(blocks, orders)]).array
            for blocks in zip(*(
                (block for _, block in blocks_of(restart.logits))
                for restart in restarts))), len(like.logits))
    information = information_of(objective, logits, weight)
    # R of the mean is at most the mean of R, as the KL is convex.
    sat = float(numpy.mean([restart.terms['sat'] for restart in restarts]))
    mean = copy.copy(like)
    mean.objective = sat + objective.combine(information)
    mean.logits, mean.seconds, mean.is_joined = logits, 0., True
    mean.terms = dict(sat=sat, **information._asdict())
    return Ensemble(*networks), mean
