"""One step of a loss."""
import functools
import time
from collections.abc import Callable
from typing import Any

import chainer
from chainer.training import updaters

from imsat.cuda import runtime
from imsat.errors import InputError
from imsat.parameters import FUNCTION, TABLE, Choice, OneOf, checked
from imsat.ranks import current
from imsat.storage import digest
from imsat.training.iterators import IndexIterator, batch_of
from imsat.training.plan import Plan, is_planned

STEPS = 'plan', 'graph'


class Updater(updaters.StandardUpdater):
    """One step of a loss, on a batch of data that stay where they are.

    Ranks that share it out (:func:`imsat.ranks.sharing`) average their
    gradients and what they report.  The loss is given the whole batch on each,
    and is the mean of its own rows.

    Args:
        iterator: Of indices, e.g. :class:`iterators.IndexIterator`.
        optimizer (chainer.Optimizer): Set up with the network.
        x (array or sparse matrix): All data, shape (N, d), on the device; a
            sparse matrix stays in the host's memory.
        loss: Function ``(network, x, index, step)`` of a batch and its
            indices to a dict of what to report, ``loss`` above all: e.g.
            :class:`imsat.IMSATLoss`, Eq. 1.
        device: Chainer device of the network and the data.
        step (str): ``'plan'``, for :class:`imsat.training.plan.Plan` where it
            does what Chainer's graph would do, without calling hooks of the
            optimizer; or ``'graph'``.

    Attributes:
        step (str): Which of the two it is.  While an extension has put
            another objective into the loss, the plan rests and the graph
            is taken.

    Example:
        >>> from imsat.training import Adam, IndexIterator, Updater
        >>> x = numpy.ones((6, 2), 'f')
        >>> network = imsat.Encoder(2, 1, hidden=())
        >>> def loss(network, x, index, step):
        ...     return {'loss': abs(network(x)[0, 0])}
        >>> updater = Updater(IndexIterator(6, 3), Adam().setup(network), x,
        ...                   loss)
        >>> updater.update()
        >>> updater.iteration
        1
    """

    @checked(iterator=OneOf(chainer.dataset.Iterator,
                            'give an iterator, such as IndexIterator'),
             optimizer=OneOf(chainer.Optimizer, 'give a chainer.Optimizer'),
             x=TABLE, loss=FUNCTION, device=OneOf(
                 chainer.backend.Device, 'give a device of Chainer, or None',
                 optional=True), step=Choice(STEPS))
    def __init__(self, iterator: chainer.dataset.Iterator,
                 optimizer: chainer.Optimizer, x: Any,
                 loss: Callable[..., dict],
                 device: chainer.backend.Device | None = None,
                 step: str = 'graph') -> None:
        if optimizer.target is None:
            raise InputError('the optimizer has no network; call its setup() '
                             'with one first')
        super().__init__(iterator, optimizer, device=device)
        if runtime.current.holds(next(optimizer.target.params()).array) \
                and isinstance(iterator, IndexIterator):
            iterator.draw_ahead()
        self.x, self.loss = x, loss
        self.step = step if is_planned(optimizer, x, loss) else 'graph'
        self._plan = Plan(optimizer, loss) if self.step == 'plan' else None
        self.update_seconds = 0.

    def update_core(self):
        start = time.perf_counter()
        optimizer = self.get_optimizer('main')
        network = optimizer.target
        index = self.get_iterator('main').next()
        if self._plan is not None and chainer.config.train \
                and self._plan.suits():
            terms = self._plan(self.x, index, self.iteration)
        else:
            terms = self.loss(
                network, batch_of(self.x, index, network.device),
                network.device.send(index), self.iteration)
            network.cleargrads()
            terms['loss'].backward()
            ranks = current()
            if ranks.size > 1:
                ranks.average_gradients(network)
                terms = dict(zip(terms, map(chainer.as_variable, ranks.average(
                    *(term.array for term in terms.values())))))
            optimizer.update()
        chainer.report(terms, network)
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
        weight = getattr(self.get_iterator('main'), 'weight', None)
        return digest(self.x) if weight is None else digest(self.x, weight)
