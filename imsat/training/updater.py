import functools
import time

import chainer
import scipy.sparse
from chainer.training import updaters

from imsat.storage import digest
from imsat.training.random import DIRECTION, generator


def dense(rows):
    """Rows of data that may be sparse, as an array."""
    return rows.toarray() if scipy.sparse.issparse(rows) else rows


def batch_of(x, index, device):
    """The rows ``x[index]`` as a dense array on the device.

    x is there already, or sparse and in the host's memory, as index is.
    """
    if scipy.sparse.issparse(x):
        return device.send(dense(x[index]))
    return x[device.send(index)]


class Updater(updaters.StandardUpdater):
    """One step of a loss, on a batch of data that stay where they are.

    Args:
        iterator: Of indices, e.g. :class:`iterators.IndexIterator`.
        optimizer (chainer.Optimizer): Set up with the network.
        x (array or sparse matrix): All data, shape (N, d), on the device; a
            sparse matrix stays in the host's memory.
        losses: Function ``(model, x, index, step)`` of a batch and its
            indices to a dict of what to report, ``loss`` above all.
        device: Chainer device of the network and the data.
    """

    def __init__(self, iterator, optimizer, x, losses, device=None):
        super().__init__(iterator, optimizer, device=device)
        self.x, self.losses = x, losses
        self.update_seconds = 0.

    def update_core(self):
        start = time.perf_counter()
        optimizer = self.get_optimizer('main')
        model = optimizer.target
        index = self.get_iterator('main').next()
        losses = self.losses(model, batch_of(self.x, index, model.device),
                             model.device.send(index), self.iteration)
        model.cleargrads()
        losses['loss'].backward()
        optimizer.update()
        chainer.report(losses, model)
        self.update_seconds += time.perf_counter() - start

    def serialize(self, serializer):
        """ValueError for the state of another seed or of other data."""
        super().serialize(serializer)
        self.update_seconds = serializer('update_seconds',
                                         self.update_seconds)
        seed = self.get_iterator('main').seed
        if serializer('seed', seed) != seed:
            raise ValueError('another seed')
        if serializer('data', self._digest) != self._digest:
            raise ValueError('other data')

    @functools.cached_property
    def _digest(self):
        return digest(self.x)


class IMSATUpdater(Updater):
    """One step of R_SAT + information term (Eq. 1), from Chainer's updater.

    The clean batch goes through the network once: its logits, which update
    the running statistics, serve the information term, and as a constant the
    regulariser, whose own passes leave no trace in the statistics.

    Args:
        iterator, optimizer, x, device: See :class:`Updater`.
        radius (array): Shape (N,), the size of each point's perturbation.
        objective: E.g. :class:`objectives.ClusteringObjective`.
        regularizer: See :mod:`imsat.losses.regularizers`.
        seed (int): Of the random directions, together with the iteration.
    """

    def __init__(self, iterator, optimizer, x, radius, objective, regularizer,
                 seed=0, device=None):
        super().__init__(iterator, optimizer, x, self._losses, device)
        self.radius = radius
        self.objective, self.regularizer, self.seed = \
            objective, regularizer, seed

    def _losses(self, model, x, index, step):
        y = model(x)
        loss_information, information = self.objective(y)
        sat = self.regularizer(
            functools.partial(model, update_statistics=False),
            self.objective.distance, x, self.radius[index], y=y,
            rng=generator(self.seed, DIRECTION, step))
        return {'loss': sat + loss_information, 'sat': sat,
                **information._asdict()}

    def serialize(self, serializer):
        super().serialize(serializer)
        self.objective.serialize(serializer['objective'])
