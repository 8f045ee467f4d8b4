"""What is minimised beside the regulariser, as values."""
import dataclasses
import functools
import math
from typing import Any

import chainer
import chainer.functions as F
import numpy

from imsat.devices import available_memory
from imsat.errors import InputError
from imsat.functions import (
    code_kl, code_mutual_information, sigmoid_kl, sigmoid_mutual_information,
    softmax_entropy, softmax_kl)
from imsat.functions.entropy import Entropies, Prior
from imsat.functions.mutual_information import (
    CodeInformation, Sizes, cells_of_pairs, heads, same_head)
from imsat.functions.probabilities import log_softmax
from imsat.hints import VariableOrArray
from imsat.parameters import (
    Number, argument_error, check_value, documented, parameter)
from imsat.retrieval.codes import MOST_VALUES

EPS = 1e-8  # in every logarithm, as in the authors' code
# Tables of all pairs of values that a step makes: cells_of_pairs.
TABLES = 10
# Of what H(Y) has beyond what is enough: docs/defaults.md.
BEYOND = .3
# Declared once, for every objective.
_lam = functools.partial(
    parameter, .1, Number(), 'lambda of Eqs. 1, 7, 10, 14: weight of the '
    'information', kw_only=False)


class Objective:
    """The information term of a task, from the logits of a batch.

    One of your own is a frozen dataclass that says which terms it is made of
    (``information``, a function from logits to a namedtuple of
    0-dimensional Variables), how they add up (``combine``) and which
    ``distance`` of predictions SAT uses.

    Attributes:
        task (str): ``'clustering'`` or ``'hashing'``, if it is of one alone:
            estimators of the other refuse it.
        sizes (tuple): V_1, ..., V_M of an output of M dimensions that each
            are a softmax; None where the outputs are one softmax or bits.
        tolerance (float): delta of Eq. 10; None without a constraint.
        penalty (float): Weight of the constraint at the start; None without.
        growth (float): Factor by which it grows.
        waits (bool): Whether the constraint begins when there are clusters
            already, see :class:`imsat.training.extensions.LatePenalty`.

    Example:
        Confident predictions alone.

        >>> class Confidence(imsat.Objective):
        ...     distance = staticmethod(imsat.functions.softmax_kl)
        ...     information = staticmethod(imsat.functions.softmax_entropy)
        ...     def combine(self, information, penalty=None):
        ...         return information.conditional_entropy
        >>> loss, terms = Confidence()(numpy.zeros((4, 2)))
        >>> round(float(loss.array), 3)  # log 2
        0.693
    """
    task: Any = None
    sizes: Any = None
    tolerance: Any = None
    penalty: Any = None
    growth: Any = None
    waits: Any = False

    def __post_init__(self):
        check_value(self)

    def __call__(self, y: VariableOrArray, penalty: float | None = None
                 ) -> tuple[chainer.Variable, Any]:
        """The term to minimise, and what it is made of, from logits (B, M).
        """
        information = self.information(y)
        return self.combine(information, penalty), information

    def check(self, n_outputs: int) -> None:
        """Raises InputError unless it suits so many outputs."""

    def information(self, y: VariableOrArray) -> Any:
        """The terms of logits y, shape (B, M), a namedtuple."""
        raise TypeError(f'{type(self).__name__} does not say what it is made '
                        f'of; define information')

    def weighted_information(self, y, weight):
        """The terms as floats, of all data, where points have weights.

        Args:
            y (array): Logits, shape (N, M), float64.
            weight (array): Shape (N,), of sum 1.
        """
        raise self._no_weights()

    def check_weights(self) -> None:
        """Raises InputError unless it says what it is made of where points
        have weights, and not only what another is made of that it changes.
        """
        information, weighted = (
            next(i for i, cls in enumerate(type(self).__mro__)
                 if name in vars(cls))
            for name in ('information', 'weighted_information'))
        if information < weighted or type(self).weighted_information \
                is Objective.weighted_information:
            raise self._no_weights()

    def _no_weights(self):
        return InputError(
            f'{type(self).__name__} does not say what it is made of where '
            f'points have weights; leave sample_weight out, or define '
            f'weighted_information')

    def combine(self, information: Any, penalty: float | None = None) -> Any:
        """The term to minimise; ``penalty`` is the weight of a constraint
        that has grown."""
        raise TypeError(f'{type(self).__name__} does not say how its terms '
                        f'add up; define combine')

    def distance(self, y0: VariableOrArray, y1: VariableOrArray
                 ) -> chainer.Variable:
        """How far predictions moved, from logits y0 to logits y1."""
        raise TypeError(f'{type(self).__name__} does not say how far '
                        f'predictions are apart; define distance')

    def rank(self, sat: float, information: Any,
             penalty: float | None = None) -> tuple[float, float]:
        """What restarts are compared by; the smallest is the best.

        The objective itself, from figures of all data.
        """
        return 0., sat + self.combine(information, penalty)


class PairsObjective(Objective):
    """Of M outputs: the information of each, less what pairs share."""
    task: Any = 'hashing'

    lam: float

    def combine(self, information, penalty=None):
        return self.lam * (information.conditional_entropy
                           - information.marginal_entropy
                           + information.pairwise_information)


@documented
@dataclasses.dataclass(frozen=True)
class HashingObjective(PairsObjective):
    r"""Eq. 14, the information of D hash bits up to pairs, to be maximised.

    .. math::
        \lambda \left(\sum_d H(Y_d|X) - \sum_d H(Y_d)
        + \sum_{d \ne d'} I(Y_d; Y_{d'})\right)

    is minimised.

    Example:
        >>> imsat.HashingObjective(lam=.2)
        HashingObjective(lam=0.2)
    """
    lam: float = _lam()

    information = staticmethod(sigmoid_mutual_information)
    distance = staticmethod(sigmoid_kl)

    def weighted_information(self, y, weight):
        # A bit is an output of two values with the logits y and 0.
        two = numpy.stack([y, 0 * y], axis=2).reshape(len(y), -1)
        return weighted_information(two, (2,) * y.shape[1], weight)


@documented
@dataclasses.dataclass(frozen=True)
class CodeObjective(PairsObjective):
    """:class:`HashingObjective` for M outputs of V_m values each.

    Section 3.2.1, of which clustering is M = 1 and hashing V_m = 2.

    Example:
        Codes of three digits from 0 to 9.

        >>> imsat.CodeObjective((10, 10, 10))
        CodeObjective(sizes=(10, 10, 10), lam=0.1)
    """
    sizes: tuple = parameter((), Sizes(2), 'V_1, ..., V_M of section 3.2.1',
                             kw_only=False)
    lam: float = _lam()

    @property
    def task(self):
        # A single output is clustering as well.
        return None if len(self.sizes) == 1 else super().task

    def check(self, n_outputs):
        if sum(self.sizes) != n_outputs:
            raise argument_error(
                self, 'sizes', f'sum to {sum(self.sizes)}, but the network '
                f'has {n_outputs} outputs; give it as many')
        size, most = 4 * TABLES * n_outputs ** 2, available_memory()
        if max(self.sizes) > MOST_VALUES or size > most:
            raise argument_error(
                self, 'sizes', f'are {n_outputs:,} values in all, and '
                f'{max(self.sizes):,} of an output; give at most '
                f'{MOST_VALUES:,} to one, and '
                f'{int(math.sqrt(most / (4 * TABLES))):,} in all, whose pairs '
                f'fit into memory')

    def information(self, y):
        return code_mutual_information(y, self.sizes)

    def weighted_information(self, y, weight):
        return weighted_information(y, self.sizes, weight)

    def distance(self, y0, y1):
        return code_kl(y0, y1, self.sizes)


@documented
@dataclasses.dataclass(frozen=True)
class ClusteringObjective(Objective):
    r"""The information term of clustering.

    Without a prior, :math:`\lambda (H(Y|X) - \mu H(Y))`: Eq. 7 for mu = 1,
    and the authors' code for mu = 4.  With a class prior q the second term is
    :math:`\lambda \mu KL[p(y) || q(y)]`, the same up to a constant where q is
    uniform.

    With a tolerance delta it is the constrained form of Eq. 10, solved by the
    penalty method: :math:`\lambda H(Y|X) + w KL[p(y) || q(y)]`, where w
    starts at lambda mu and :class:`imsat.training.extensions.GrowingPenalty`
    raises it.

    Example:
        >>> imsat.ClusteringObjective(mu=1).penalty
        0.1
    """
    lam: float = _lam()
    mu: float = parameter(
        4., Number(), 'weight of H(Y) beside H(Y|X): 1 is Eq. 7, 4 the '
        'authors\' code; the penalty of Eq. 10 starts at lambda mu',
        kw_only=False)
    prior: Any = parameter(
        None, Prior(optional=True), 'q(y) of Eq. 10, K numbers that sum to 1 '
        '(text or .npy); default uniform', kw_only=False)
    delta: float | None = parameter(
        None, Number(0, open='(', optional=True), 'tolerance of Eq. 10 in '
        'nats: the penalty grows until KL[p(y) || q(y)] <= delta (the paper: '
        '.01 h(q)); default: none, the fixed weight mu', kw_only=False)
    growth: float = parameter(
        2., Number(1), 'factor by which the penalty is raised',
        kw_only=False)

    task = 'clustering'
    distance = staticmethod(softmax_kl)

    def __post_init__(self):
        super().__post_init__()
        if self.delta is not None and not self.lam * self.mu:
            raise argument_error(
                self, 'delta', f'is {self.delta:g}, but its penalty starts at '
                f'lambda mu, which is 0, and no factor raises it; give lam '
                f'and mu above 0, or no delta')

    @property
    def tolerance(self):
        return self.delta

    @property
    def penalty(self):
        return self.lam * self.mu

    @property
    def waits(self):
        # Of an uneven q the constant answer p(y|x) = q is too good a start.
        return self.prior is not None and numpy.ptp(self.prior) > 0

    def check(self, n_outputs):
        if self.prior is not None and len(self.prior) != n_outputs:
            raise argument_error(
                self, 'prior', f'has {len(self.prior)} entries for '
                f'{n_outputs} clusters; give one each')

    def information(self, y):
        prior = self.prior
        if prior is not None:
            prior = check_prior(prior).astype(y.dtype)
        return softmax_entropy(y, prior)

    def weighted_information(self, y, weight):
        conditional, marginal, _ = weighted_information(
            y, y.shape[1:], weight)
        mean = weight @ numpy.exp(log_softmax(y))
        prior = numpy.full(y.shape[1], 1 / y.shape[1]) \
            if self.prior is None else check_prior(self.prior)
        return Entropies(conditional, marginal, float(
            mean @ numpy.log((mean + EPS) / (prior + EPS))))

    def combine(self, information, penalty=None):
        loss = self.lam * information.conditional_entropy
        if self.prior is None and self.delta is None:
            return loss - self.penalty * information.marginal_entropy
        return loss + (self.penalty if penalty is None else penalty) \
            * information.kl_to_prior

    def rank(self, sat, information, penalty=None):
        """As for any objective; under Eq. 10, first by how much the
        constraint is violated."""
        if self.delta is None:
            return super().rank(sat, information, penalty)
        return (max(information.kl_to_prior - self.delta, 0.),
                sat + self.lam * information.conditional_entropy)


@documented
@dataclasses.dataclass(frozen=True)
class BoundedObjective(ClusteringObjective):
    r"""Eq. 7 that has less use for clusters more even than need be.

    :math:`\lambda (H(Y|X) - .7 \min(H(Y), most) - .3 H(Y))`: by it
    :class:`imsat.training.extensions.LatePenalty` finds clusters that may be
    as uneven as their prior.  Without the last term what is still undecided
    would go into one cluster.

    Example:
        >>> imsat.losses.objectives.BoundedObjective(most=.5).lam
        0.1
    """
    most: float = parameter(0., Number(0), 'H(Y) that is enough, nats',
                            kw_only=False)

    def combine(self, information, penalty=None):
        entropy = information.marginal_entropy
        enough = F.clip(entropy, 0., self.most) \
            if isinstance(entropy, chainer.Variable) \
            else min(entropy, self.most)
        return self.lam * (information.conditional_entropy
                           - (1 - BEYOND) * enough - BEYOND * entropy)


def weighted_information(y, sizes, weight):
    """:func:`imsat.functions.code_mutual_information` of points with weights,
    as floats; of one output, the entropies of a softmax."""
    log_p = numpy.concatenate(
        [log_softmax(y[:, head]) for head in heads(sizes)], axis=1)
    p = numpy.exp(log_p)
    mean = weight @ p
    centred = p - mean
    cells, _, _ = cells_of_pairs(mean, centred.T @ (weight[:, None] * centred),
                                 same_head(numpy, sizes), EPS)
    return CodeInformation(
        -float(weight @ (p * numpy.log(p + EPS)).sum(axis=1)),
        -float(mean @ numpy.log(mean + EPS)), float(cells.sum()))


def check_prior(prior):
    """A class prior as float64; InputError if it is none."""
    problem = Prior().problem(prior)
    if problem:
        raise InputError(f'the prior {problem}')
    prior = numpy.asarray(prior, dtype=numpy.float64)
    return prior / prior.sum()


def is_shared(objective):
    """Whether its information can be taken of parts of a batch, by ranks or
    one after the other."""
    return type(objective).information in (
        ClusteringObjective.information, CodeObjective.information,
        code_mutual_information, sigmoid_mutual_information, softmax_entropy)
