"""The distance of two predictions that self-augmented training uses."""
import chainer
import chainer.functions as F
from chainer import backend, function_node
from chainer.utils import type_check

from imsat.functions.code_information import heads
from imsat.functions.composition import gradient_of
from imsat.functions.sigmoid import bit_probabilities
from imsat.functions.softmax import log_softmax, softmax_backward


class SoftmaxKL(function_node.FunctionNode):

    def __init__(self, eps):
        self.eps = eps

    def check_type_forward(self, in_types):
        type_check._argname(in_types, ('y0', 'y1'))
        y0, y1 = in_types
        type_check.expect(
            y0.dtype.kind == 'f',
            y0.ndim == 2,
            y1.dtype == y0.dtype,
            y1.shape == y0.shape,
        )

    def forward(self, inputs):
        xp = backend.get_array_module(*inputs)
        log_p, log_q = map(log_softmax, inputs)
        p, q = xp.exp(log_p), xp.exp(log_q)
        if self.eps:
            log_ratio = xp.log((p + self.eps) / (q + self.eps))
        else:
            log_ratio = log_p - log_q
        self._arrays = p, q, log_ratio
        self.retain_inputs((0, 1))
        return xp.asarray((p * log_ratio).sum() / len(p), p.dtype),

    def backward(self, indexes, grad_outputs):
        if chainer.config.enable_backprop:
            return gradient_of(
                self._compose, self.get_retained_inputs(), grad_outputs)
        (p, q, log_ratio), eps = self._arrays, self.eps
        g = grad_outputs[0].array / len(p)
        gy0 = gy1 = None
        if 0 in indexes:
            gp = g * (log_ratio + (p / (p + eps) if eps else 1))
            gy0 = chainer.as_variable(softmax_backward(p, gp))
        if 1 in indexes:
            gy1 = chainer.as_variable(
                softmax_backward(q, -g * p / (q + eps)) if eps
                else g * (q - p))
        return gy0, gy1

    def _compose(self, y0, y1):
        p = F.softmax(y0)
        if self.eps:
            log_ratio = F.log((p + self.eps) / (F.softmax(y1) + self.eps))
        else:
            log_ratio = F.log_softmax(y0) - F.log_softmax(y1)
        return F.sum(p * log_ratio) / len(y0),


def softmax_kl(y0, y1, eps=1e-8):
    r"""Mean of :math:`KL[p(y|x_i) || p(y|T(x_i))]` from two sets of logits.

    With a constant ``y0`` its gradient is that of Eq. 3, of which it is the
    cross entropy less an entropy.

    Args:
        y0 (Variable or array): Logits of the clean input, shape (B, K), of a
            float dtype.
        y1 (Variable or array): Logits of the augmented input, of the same
            shape and dtype.
        eps (float): :math:`\log((p + eps) / (q + eps))`; 1e-8 in the
            authors' code.  0 gives the exact divergence.

    Returns:
        Variable: 0-dimensional, in nats; finite for any finite logits.
    """
    y, = SoftmaxKL(eps).apply((y0, y1))
    return y


def sigmoid_kl(y0, y1, eps=1e-8):
    """:func:`softmax_kl` of independent bits, summed over the D bits.

    Args:
        y0 (Variable or array): Logits of the clean input, shape (B, D).
        y1 (Variable or array): Logits of the augmented input, same shape.
        eps (float): Added inside the logarithms.

    Returns:
        Variable: 0-dimensional, in nats; finite for any finite logits.
    """
    total = 0
    for (p, log_p), (_, log_q) in zip(bit_probabilities(y0, eps),
                                      bit_probabilities(y1, eps)):
        total += F.sum(p * (log_p - log_q))
    return total / len(y0)


def code_kl(y0, y1, sizes, eps=1e-8):
    """:func:`softmax_kl` of M outputs of V_m values each, summed (Eq. 3).

    Args:
        y0 (Variable or array): Logits of the clean input, of one output after
            the other, shape (B, V_1 + ... + V_M).
        y1 (Variable or array): Logits of the augmented input, same shape.
        sizes (sequence of int): V_1, ..., V_M.
        eps (float): Added inside the logarithms.

    Returns:
        Variable: 0-dimensional, in nats; finite for any finite logits.
    """
    return sum(softmax_kl(y0[:, head], y1[:, head], eps)
               for head in heads(sizes))
