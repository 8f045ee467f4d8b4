"""Information of M-dimensional discrete representations, section 3.2.1."""
from collections.abc import Sequence

import chainer.functions as F
import numpy
from chainer import backend
from chainer.utils import type_check

from imsat.cuda import code_mutual_information as kernels
from imsat.functions.composition import InformationFunction, scalars
from imsat.functions.mutual_information import (
    CodeInformation, Sizes, cells_of_pairs, compose_pairs, heads, same_head)
from imsat.functions.probabilities import (
    entropy_slope, log_softmax, mean_with_logs, softmax_backward)
from imsat.hints import VariableOrArray
from imsat.parameters import Number, Tensor, checked
from imsat.ranks import current


class CodeMutualInformation(InformationFunction):

    def __init__(self, sizes, eps):
        self.sizes, self.eps = tuple(sizes), eps

    def check_type_forward(self, in_types):
        super().check_type_forward(in_types)
        type_check.expect(in_types[0].shape[1] == sum(self.sizes))

    def forward_cpu(self, inputs):
        y, = inputs
        xp, eps, n = backend.get_array_module(y), self.eps, len(y)
        log_p = numpy.concatenate(
            [log_softmax(y[:, head]) for head in heads(self.sizes)], axis=1)
        p = numpy.exp(log_p)
        log_p, mean, log_mean = mean_with_logs(p, log_p, eps)
        centred = p - mean
        covariance, = current().average(centred.T @ centred / n)
        cells, slope, slope_mean = cells_of_pairs(
            mean, covariance, same_head(xp, self.sizes), eps)
        self._saved = p, log_p, mean, log_mean, centred, slope, slope_mean
        self.retain_inputs((0,))
        return (xp.asarray(-(p * log_p).sum() / n, y.dtype),
                xp.asarray(-(mean * log_mean).sum(), y.dtype),
                xp.asarray(cells.sum(), y.dtype))

    def backward_cpu(self, indexes, inputs, grad_outputs):
        p, log_p, mean, log_mean, centred, slope, slope_mean = self._saved
        eps, n = self.eps, len(p)
        g_conditional, g_marginal, g_pairs = grad_outputs
        gp = numpy.zeros_like(p)
        if g_conditional is not None:
            gp -= g_conditional / n * entropy_slope(p, log_p, eps)
        if g_marginal is not None:
            gp -= g_marginal / n * entropy_slope(mean, log_mean, eps)
        if g_pairs is not None:
            gp += g_pairs / n * (2 * centred @ slope + slope_mean)
        return numpy.concatenate(
            [softmax_backward(p[:, head], gp[:, head])
             for head in heads(self.sizes)], axis=1),

    def forward_gpu(self, inputs):
        self.retain_inputs((0,))
        y, = inputs
        values, self._saved = kernels.forward(y, self.sizes, self.eps)
        return scalars(values)

    def backward_gpu(self, indexes, inputs, grad_outputs):
        y, = inputs
        g_conditional, g_marginal, g_pairs = grad_outputs
        return kernels.backward(y, self.sizes, self._saved, g_conditional,
                                g_marginal, g_pairs, self.eps),

    def _compose(self, y):
        eps = self.eps
        log_p = F.concat([F.log_softmax(y[:, head])
                          for head in heads(self.sizes)], axis=1)
        p = F.exp(log_p)
        mean = F.mean(p, axis=0)
        if eps:
            log_p = F.log(p + eps)
        return (-F.sum(p * log_p) / len(y), -F.sum(mean * F.log(mean + eps)),
                compose_pairs(p, same_head(y.xp, self.sizes), eps))


@checked(y=Tensor(), sizes=Sizes(), eps=Number())
def code_mutual_information(y: VariableOrArray, sizes: Sequence[int],
                            eps: float = 1e-8) -> CodeInformation:
    r"""How much M discrete outputs say of their input, to second order.

    .. math::
        \sum_m H(Y_m|X), \quad \sum_m H(Y_m), \quad
        \sum_{m \ne m'} I(Y_m; Y_{m'})

    for the representations :math:`Y_1 \times \ldots \times Y_M` of section
    3.2.1, whose m-th dimension takes :math:`V_m` values: Eqs. 12 to 14 with
    softmax heads for bits.  With M = 1 the entropies are those of
    :func:`softmax_entropy`; with all :math:`V_m = 2` and logits (y, 0)
    the three terms are those of :func:`sigmoid_mutual_information`.

    Args:
        y (Variable or array): Logits of one head after the other, shape
            (B, V_1 + ... + V_M), float32 or float64; on a GPU of at most 8192
            columns, since matrices of all pairs of them are kept.
        sizes (sequence of int): V_1, ..., V_M.
        eps (float): Added inside every logarithm, as in
            :func:`softmax_entropy`.

    Returns:
        ``(conditional_entropy, marginal_entropy, pairwise_information)`` in
        nats, three 0-dimensional Variables; they and their gradients are
        finite for any finite logits.

    Example:
        Two outputs of three values that are sure, even and always equal: 0,
        2 log 3 and, for both orders of the pair, 2 log 3.

        >>> y = numpy.tile(50 * numpy.eye(3), 2)
        >>> for value in imsat.functions.code_mutual_information(
        ...         y, [3, 3], eps=0):
        ...     print(f'{value.item():.4f}')
        0.0000
        2.1972
        2.1972
    """
    return CodeInformation(*CodeMutualInformation(sizes, eps).apply((y,)))
