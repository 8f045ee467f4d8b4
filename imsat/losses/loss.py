"""Eq. 1 on one screen."""
import functools
from collections.abc import Callable
from typing import Any

import chainer

from imsat.errors import InputError
from imsat.hints import Array
from imsat.losses.objectives import Objective
from imsat.losses.regularizers import (
    Regularizer, clean_logits, untraced)
from imsat.parameters import SEED, OneOf, Tensor, checked, shown
from imsat.randomness import DIRECTION, generator

# What else a log, the terms of a restart and its summary have.
TAKEN = frozenset((
    'loss', 'sat', 'penalty', 'accuracy', 'distinct_codes', 'seed',
    'objective', 'seconds', 'step', 'steps_per_second', 'epochs', 'start',
    'why', 'mu', 'told', 'agreement', 'surety', 'majority', 'kept'))


class IMSATLoss:
    r"""What a training step minimises, Eq. 1.

    .. math::
        R_{SAT}(\theta; T) + \lambda (H(Y|X) - \mu H(Y))

    for clustering, and for hashing with the information of Eq. 14.

    The clean batch goes through the network once: its logits, which update
    the running statistics, serve the information term, and as a constant the
    regulariser, whose own passes leave no trace in the statistics.

    Args:
        objective (Objective): The information term, e.g.
            :class:`imsat.ClusteringObjective`.
        regularizer (Regularizer): R, e.g. :class:`imsat.VAT`.
        radius (array): alpha sigma_t(x) of Eq. 17, shape (N,), in the units
            of the data.
        seed (int): Of all that is random, together with the step.
        near: For a regulariser that ``needs_neighbors`` a function ``(index,
            rng, k)`` to one of the k nearest of each point, shape (B, d).

    Attributes:
        penalty (float): Weight of the constraint of Eq. 10; it grows.

    Example:
        At the start predictions are uniform: nothing moves, and nothing is
        known.

        >>> x = numpy.random.default_rng(0).normal(size=(8, 5)).astype('f')
        >>> loss = imsat.IMSATLoss(imsat.ClusteringObjective(), imsat.VAT(),
        ...                        radius=numpy.ones(8, 'f'))
        >>> network = imsat.Encoder(5, 3, hidden=(4,))
        >>> terms = loss(network, x, index=numpy.arange(8), step=0)
        >>> sorted(terms)[-2:]
        ['marginal_entropy', 'sat']
        >>> round(float(terms['marginal_entropy'].array), 3)  # log 3
        1.099
    """

    @checked(objective=OneOf(Objective, 'give an imsat.Objective'),
             regularizer=OneOf(Regularizer, 'give an imsat.Regularizer'),
             radius=Tensor(1), seed=SEED, near=OneOf(
                 Callable, 'give a function, or None', optional=True))
    def __init__(self, objective: Objective, regularizer: Regularizer,
                 radius: Array, seed: int = 0,
                 near: Callable | None = None) -> None:
        if regularizer.needs_neighbors and near is None:
            raise InputError(f'{type(regularizer).__name__} takes neighbours '
                             f'of points, which nobody has found; give near')
        self.objective, self.regularizer = objective, regularizer
        self.radius, self.seed, self.near = radius, seed, near
        self.penalty = objective.penalty

    def __call__(self, network: chainer.Link, x: Array, index: Array,
                 step: int) -> dict[str, chainer.Variable]:
        """The loss of a batch and its terms, 0-dimensional Variables.

        Args:
            network (chainer.Link): From a batch to logits, e.g.
                :class:`imsat.Encoder`.
            x (array): The batch, shape (B, d).
            index (array): Which points of all these are, shape (B,).
            step (int): Number of the iteration.
        """
        y = network(x)
        term, information = self.objective(y, self.penalty)
        sat = self.regularize(network, x, index,
                              generator(self.seed, DIRECTION, step), y)
        return {'loss': sat + term, 'sat': sat,
                **named(information, self.objective)}

    def regularize(self, network, x, index, rng, y=None):
        """R of a batch, from its points and, if they are known, their clean
        logits y, which are a constant."""
        y = clean_logits(untraced(network), x, y)
        near: dict[str, Any] = {}
        if self.near is not None and self.regularizer.needs_neighbors:
            near['near'] = functools.partial(self.near, index)
        r = self.regularizer(network, self.objective.distance, x,
                             self.radius[index], y=y, rng=rng, **near)
        if not isinstance(r, chainer.Variable) or r.shape:
            raise InputError(
                f'{type(self.regularizer).__name__} returns {shown(r)}; let '
                f'it return a 0-dimensional chainer.Variable')
        return r


def named(information, objective):
    """The terms of an objective as a dict; InputError for names that a log, a
    restart or its summary have for something else."""
    if not hasattr(information, '_asdict'):
        raise InputError(
            f'the information of {type(objective).__name__} is '
            f'{shown(information)}; let it be a namedtuple of 0-dimensional '
            f'Variables')
    terms = information._asdict()
    for name in terms:
        if name in TAKEN:
            raise InputError(
                f'a term of {type(objective).__name__} is called {name}, as '
                f'something else is; give it another name')
    return terms
