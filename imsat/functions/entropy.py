"""Entropies of the outputs, Eqs. 8 and 9."""
import math
from collections.abc import Sequence
from typing import NamedTuple

import chainer
import chainer.functions as F
import numpy
from chainer import backend
from numpy.typing import ArrayLike

from imsat.cuda import runtime
from imsat.cuda import softmax_entropy as kernels
from imsat.functions.composition import InformationFunction, scalars
from imsat.functions.probabilities import (
    entropy_slope, log_softmax, mean_with_logs, softmax_backward)
from imsat.errors import InputError
from imsat.hints import VariableOrArray
from imsat.parameters import Kind, Number, Tensor, checked


class Entropies(NamedTuple):
    """What a softmax output says of its input: 0-dimensional, in nats."""
    conditional_entropy: chainer.Variable
    marginal_entropy: chainer.Variable
    kl_to_prior: chainer.Variable


class Prior(Kind):
    """Positive numbers that sum to 1, one a cluster."""
    metavar = 'FILE'
    wanted = 'give positive numbers that sum to 1, one a cluster'

    def problem(self, value):
        if value is None and self.optional:
            return None
        wanted = 'must be positive numbers that sum to 1, one a cluster'
        if numpy.ma.is_masked(value):
            return f'{wanted}; these are masked in part'
        try:
            prior = numpy.asarray(value)
            if prior.dtype.kind not in 'fiu' or not (
                    isinstance(value, Sequence)
                    or hasattr(value, '__array__')):
                raise TypeError
            prior = prior.astype(numpy.float64)
        except (TypeError, ValueError):
            return f'{wanted}; these are no numbers'
        if prior.ndim == 1 and numpy.all(prior > 0) \
                and math.isclose(prior.sum(), 1, abs_tol=1e-6):
            return None
        return (f'{wanted}; these have shape {prior.shape} and sum to '
                f'{prior.sum():.6g}')


class SoftmaxEntropy(InformationFunction):

    def __init__(self, prior, eps):
        self.prior, self.eps = prior, eps

    def forward_cpu(self, inputs):
        y, = inputs
        xp, eps, n = backend.get_array_module(y), self.eps, len(y)
        log_p = log_softmax(y)
        p = numpy.exp(log_p)
        log_p, mean, log_mean = mean_with_logs(p, log_p, eps)
        log_q = self._log_prior(xp, y)
        self._saved = p, log_p, mean, log_mean, log_q
        self.retain_inputs((0,))
        return (xp.asarray(-(p * log_p).sum() / n, y.dtype),
                xp.asarray(-(mean * log_mean).sum(), y.dtype),
                xp.asarray((mean * (log_mean - log_q)).sum(), y.dtype))

    def backward_cpu(self, indexes, inputs, grad_outputs):
        p, log_p, mean, log_mean, log_q = self._saved
        eps, n = self.eps, len(p)
        gp = 0
        g_conditional, g_marginal, g_kl = grad_outputs
        if g_conditional is not None:
            gp = -g_conditional / n * entropy_slope(p, log_p, eps)
        slope = entropy_slope(mean, log_mean, eps)
        if g_marginal is not None:
            gp = gp - g_marginal / n * slope
        if g_kl is not None:
            gp = gp + g_kl / n * (slope - log_q)
        return softmax_backward(p, gp),

    def forward_gpu(self, inputs):
        self.retain_inputs((0,))
        y, = inputs
        values, self._saved = kernels.forward(
            y, self._prior_on_gpu(y.dtype), self.eps)
        return scalars(values)

    def backward_gpu(self, indexes, inputs, grad_outputs):
        y, = inputs
        g_conditional, g_marginal, g_kl = grad_outputs
        return kernels.backward(y, self._saved, g_conditional, g_marginal,
                                g_kl, self.eps),

    def value_and_gradient_gpu(self, y, weights, values, gy):
        kernels.value_and_gradient(
            y, weights, self._prior_on_gpu(y.dtype), self.eps, values, gy)
        return True

    def _prior_on_gpu(self, dtype):
        # Sent once: while a CUDA graph is captured nothing can be.
        if self.prior is not None and not runtime.current.holds(self.prior):
            self.prior = runtime.current.asarray(self.prior, dtype)
        return self.prior

    def _compose(self, y):
        p = F.softmax(y)
        mean = F.mean(p, axis=0)
        if self.eps:
            log_p, log_mean = F.log(p + self.eps), F.log(mean + self.eps)
        else:
            log_p = F.log_softmax(y)
            log_mean = F.logsumexp(log_p, axis=0) - math.log(len(y))
        log_q = self._log_prior(y.xp, y)
        return (-F.sum(p * log_p) / len(y), -F.sum(mean * log_mean),
                F.sum(mean * (log_mean - log_q)))

    def _log_prior(self, xp, y):
        prior = self.prior
        if prior is None:
            prior = xp.full(y.shape[1], 1 / y.shape[1], y.dtype)
        return xp.log(xp.asarray(prior, y.dtype) + self.eps)


@checked(y=Tensor(), prior=Prior(optional=True), eps=Number())
def softmax_entropy(y: VariableOrArray, prior: ArrayLike | None = None,
                    eps: float = 1e-8) -> Entropies:
    r"""How much a softmax output says of its input.

    .. math::
        H(Y|X) &= \tfrac{1}{B} \sum_i h(p(y|x_i)) \quad\text{(Eq. 9)} \\
        H(Y) &= h(p(y)), \quad p(y) = \tfrac{1}{B} \sum_i p(y|x_i)
            \quad\text{(Eqs. 8, 15)} \\
        KL[p(y) || q(y)] &= \sum_y p(y) \log (p(y) / q(y))
            \quad\text{(Eq. 10)}

    in nats, where :math:`h(p) = -\sum_y p(y) \log (p(y) + eps)`; the
    divergence has ``eps`` inside its logarithms too.  Values and gradients
    are finite for any finite logits, ``eps=0`` included.

    Args:
        y (Variable or array): Logits, shape (B, K), float32 or float64.
        prior (array): q(y), shape (K,), in the host's memory; None for the
            uniform one.
        eps (float): The authors' code has 1e-8 in every logarithm.

    Returns:
        ``(conditional_entropy, marginal_entropy, kl_to_prior)``, three
        0-dimensional Variables.

    Example:
        Two points, each nine tenths sure of a cluster of its own.  From
        (1/2, 1/2) to the prior (3/4, 1/4) it is log(4/3) / 2.

        >>> y = numpy.log([[.9, .1], [.1, .9]])
        >>> prior = numpy.array([.75, .25])
        >>> for value in imsat.functions.softmax_entropy(y, prior):
        ...     print(f'{value.item():.4f}')
        0.3251
        0.6931
        0.1438
    """
    if prior is not None and numpy.shape(prior) != y.shape[1:]:
        raise InputError(f'the prior has shape {numpy.shape(prior)} where the '
                         f'logits have shape {y.shape}; give a number for '
                         f'each column')
    return Entropies(*SoftmaxEntropy(prior, eps).apply((y,)))
