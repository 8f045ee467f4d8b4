"""What is minimised beside the regulariser."""
import math

import numpy

from imsat.errors import InputError
from imsat.functions import (
    code_mutual_information, code_kl, sigmoid_mutual_information, sigmoid_kl,
    softmax_entropy, softmax_kl)


class Objective:
    """The information term of a task, from the logits of a batch.

    A task says which terms it is made of (``information``, a function from
    logits to a namedtuple), how they add up (``combine``) and which
    ``distance`` of predictions SAT uses.
    """

    def __call__(self, y):
        """The term to minimise, and its parts, from logits (B, M)."""
        information = self.information(y)
        return self.combine(information), information

    def after_epoch(self, information):
        """Hook that learns from the terms of all data; returns what to log.
        """
        return {}

    def rank(self, sat, information):
        """What restarts are compared by; the smallest is the best.

        The objective itself, from figures of all data.
        """
        return 0., sat + self.combine(information)

    def serialize(self, serializer):
        pass


class HashingObjective(Objective):
    r"""Eq. 14, the information of D hash bits up to pairs, to be maximised:

    .. math::
        \lambda \Big(\sum_d H(Y_d|X) - \sum_d H(Y_d)
        + \sum_{d \ne d'} I(Y_d; Y_{d'})\Big)

    Args:
        lam (float): lambda, the weight of the information.
    """

    information = staticmethod(sigmoid_mutual_information)
    distance = staticmethod(sigmoid_kl)

    def __init__(self, lam=.1):
        self.lam = lam

    def combine(self, information):
        return self.lam * (information.conditional_entropy
                           - information.marginal_entropy
                           + information.pairwise_information)


class CodeObjective(HashingObjective):
    """:class:`HashingObjective` for M outputs of V_m values each (section
    3.2.1), of which clustering is M = 1 and hashing V_m = 2.

    Args:
        sizes (sequence of int): V_1, ..., V_M.
        lam (float): lambda, the weight of the information.
    """

    def __init__(self, sizes, lam=.1):
        super().__init__(lam)
        self.sizes = tuple(sizes)

    def information(self, y):
        return code_mutual_information(y, self.sizes)

    def distance(self, y0, y1):
        return code_kl(y0, y1, self.sizes)


class ClusteringObjective(Objective):
    r"""The information term of clustering.

    Without a prior, :math:`\lambda (H(Y|X) - \mu H(Y))`: Eq. 7 for mu = 1,
    and the authors' code for mu = 4.  With a class prior q the second term is
    :math:`\lambda \mu KL[p(y) || q(y)]`, the same up to a constant where q is
    uniform.

    With a tolerance delta it is the constrained form of Eq. 10, solved by the
    penalty method: :math:`\lambda H(Y|X) + w KL[p(y) || q(y)]`, where w
    starts at lambda mu and :meth:`after_epoch` raises it for as long as the
    divergence exceeds delta and does not shrink by itself.  (The paper's own
    sequence of weights, in its Appendix B, could not be had.)

    Args:
        lam (float): lambda, the weight of the information.
        mu (float): Weight of the marginal entropy.
        prior (array): q(y), shape (K,), summing to 1; None for uniform.
        delta (float): Tolerance in nats; None for the fixed weight mu.
            Section 4.2.3 takes .01 h(q).
        growth (float): Factor by which the weight is raised.
    """

    distance = staticmethod(softmax_kl)

    def __init__(self, lam=.1, mu=4., prior=None, delta=None, growth=2.):
        if prior is not None:
            prior = check_prior(prior)
        if delta is not None and not delta > 0:
            raise InputError(f'delta is {delta}; give a tolerance above 0')
        self.lam, self.mu, self.delta, self.growth = lam, mu, delta, growth
        self.prior = prior
        self.penalty = lam * mu
        self.last_kl = math.inf

    def information(self, y):
        prior = self.prior
        if prior is not None:
            prior = prior.astype(y.dtype)
        return softmax_entropy(y, prior)

    def combine(self, information):
        loss = self.lam * information.conditional_entropy
        if self.prior is None and self.delta is None:
            return loss - self.lam * self.mu * information.marginal_entropy
        return loss + self.penalty * information.kl_to_prior

    def after_epoch(self, information):
        """Raises the penalty where KL[p(y) || q(y)] of all data demands it:
        above delta and not a tenth below what it was at the last call.
        """
        if self.delta is None:
            return {}
        log = {'penalty': self.penalty}
        if information.kl_to_prior > max(self.delta, .9 * self.last_kl):
            self.penalty *= self.growth
        self.last_kl = information.kl_to_prior
        return log

    def rank(self, sat, information):
        """As for any objective; under Eq. 10, first by how much the
        constraint is violated."""
        if self.delta is None:
            return super().rank(sat, information)
        return (max(information.kl_to_prior - self.delta, 0.),
                sat + self.lam * information.conditional_entropy)

    def serialize(self, serializer):
        self.penalty = serializer('penalty', self.penalty)
        self.last_kl = serializer('last_kl', self.last_kl)


def check_prior(prior):
    """A class prior as float64; InputError if it is none."""
    prior = numpy.asarray(prior, dtype=numpy.float64)
    if prior.ndim != 1 or not numpy.all(prior > 0) \
            or not math.isclose(prior.sum(), 1, abs_tol=1e-6):
        raise InputError(
            f'the prior must be a list of positive numbers that sum to 1, '
            f'one a cluster; these have shape {prior.shape} and sum to '
            f'{prior.sum():.6g}')
    return prior / prior.sum()
