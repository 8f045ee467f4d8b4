"""The distance of two predictions that self-augmented training uses."""
from collections.abc import Sequence
from typing import Any

import chainer
import chainer.functions as F
import numpy
from chainer import backend
from chainer.utils import type_check

from imsat.cuda import runtime
from imsat.cuda import sigmoid_kl as sigmoid_kernels
from imsat.cuda import softmax_kl as softmax_kernels
from imsat.functions.composition import FusedFunction, expect_table
from imsat.functions.mutual_information import Sizes, heads
from imsat.functions.probabilities import (
    bit_log_softmax, bit_probabilities, bit_softmax, log_softmax,
    softmax_backward)
from imsat.hints import VariableOrArray
from imsat.parameters import Number, Tensor, checked


class Divergence(FusedFunction):
    """Of two sets of logits of one shape and dtype."""
    kernels: Any = None  # that do all at once

    def __init__(self, eps):
        self.eps = eps

    def check_type_forward(self, in_types):
        type_check._argname(in_types, ('y0', 'y1'))
        y0, y1 = in_types
        expect_table('y0', y0)
        type_check.expect(
            y1.dtype == y0.dtype,
            y1.shape == y0.shape,
        )

    def value_and_gradient(self, y0, y1, weight, value, gy1):
        """All of a step at once, of arrays, without a graph.

        Args:
            y0, y1 (array): Logits, the first a constant.
            weight (array): 0-dimensional.
            value (array): 0-dimensional, to write the divergence times the
                weight to; None leaves it out.
            gy1 (array): Of y1's shape, to write the gradient of that to.
        """
        if self.kernels and runtime.current.holds(y0):
            self.kernels.value_and_gradient(
                y0, y1, weight, self.eps, value, gy1)
            return
        distance, = self.forward((y0, y1))
        _, gy1[...] = self.backward_arrays((1,), (y0, y1), (weight,))
        if value is not None:
            value[...] = weight * distance


class SoftmaxKL(Divergence):
    kernels = softmax_kernels

    def forward_cpu(self, inputs):
        log_p, log_q = map(log_softmax, inputs)
        p, q = numpy.exp(log_p), numpy.exp(log_q)
        if self.eps:
            log_ratio = numpy.log((p + self.eps) / (q + self.eps))
        else:
            log_ratio = log_p - log_q
        self._saved = p, q, log_ratio
        self.retain_inputs((0, 1))
        return numpy.asarray((p * log_ratio).sum() / len(p), p.dtype),

    def backward_cpu(self, indexes, inputs, grad_outputs):
        (p, q, log_ratio), eps = self._saved, self.eps
        g = grad_outputs[0] / len(p)
        gy0 = gy1 = None
        if 0 in indexes:
            gp = g * (log_ratio + (p / (p + eps) if eps else 1))
            gy0 = softmax_backward(p, gp)
        if 1 in indexes:
            gy1 = (softmax_backward(q, -g * p / (q + eps)) if eps
                   else g * (q - p))
        return gy0, gy1

    def forward_gpu(self, inputs):
        self.retain_inputs((0, 1))
        y0, y1 = inputs
        y, self._saved = softmax_kernels.forward(y0, y1, self.eps)
        return y,

    def backward_gpu(self, indexes, inputs, grad_outputs):
        y0, y1 = inputs
        g, = grad_outputs
        return softmax_kernels.backward(
            y0, y1, self._saved, g, self.eps, (0 in indexes, 1 in indexes))

    def _compose(self, y0, y1):
        p = F.softmax(y0)
        if self.eps:
            log_ratio = F.log((p + self.eps) / (F.softmax(y1) + self.eps))
        else:
            log_ratio = F.log_softmax(y0) - F.log_softmax(y1)
        return F.sum(p * log_ratio) / len(y0),


@checked(y0=Tensor(), y1=Tensor(), eps=Number())
def softmax_kl(y0: VariableOrArray, y1: VariableOrArray,
               eps: float = 1e-8) -> chainer.Variable:
    r"""Mean of :math:`KL[p(y|x_i) || p(y|T(x_i))]` from two sets of logits.

    With a constant ``y0`` its gradient is that of Eq. 3, of which it is the
    cross entropy less an entropy.

    Args:
        y0 (Variable or array): Logits of the clean input, shape (B, K),
            float32 or float64.
        y1 (Variable or array): Logits of the augmented input, of the same
            shape and dtype.
        eps (float): :math:`\log((p + eps) / (q + eps))`; 1e-8 in the
            authors' code.  0 gives the exact divergence.

    Returns:
        Variable: 0-dimensional, in nats; finite for any finite logits.

    Example:
        From (1/2, 1/2) to (1/4, 3/4) it is log(4/3) / 2.

        >>> y0, y1 = numpy.log([[.5, .5]]), numpy.log([[.25, .75]])
        >>> print(f'{imsat.functions.softmax_kl(y0, y1).item():.4f}')
        0.1438
    """
    y, = SoftmaxKL(eps).apply((y0, y1))
    return y


class SigmoidKL(Divergence):
    kernels = sigmoid_kernels

    def forward_cpu(self, inputs):
        (p, p0), (q, q0) = map(bit_softmax, inputs)
        if self.eps:
            ratio = numpy.log((p + self.eps) / (q + self.eps))
            ratio0 = numpy.log((p0 + self.eps) / (q0 + self.eps))
        else:
            ratio, ratio0 = (
                log_p - log_q
                for log_p, log_q in zip(*map(bit_log_softmax, inputs)))
        self._saved = p, p0, q, q0, ratio, ratio0
        self.retain_inputs((0, 1))
        return numpy.asarray(
            (p * ratio + p0 * ratio0).sum() / len(p), p.dtype),

    def backward_cpu(self, indexes, inputs, grad_outputs):
        (p, p0, q, q0, ratio, ratio0), eps = self._saved, self.eps
        g = grad_outputs[0] / len(p)
        gy0 = gy1 = None
        if 0 in indexes:
            gp = ratio - ratio0
            if eps:
                gp += p / (p + eps) - p0 / (p0 + eps)
            gy0 = g * p * p0 * gp
        if 1 in indexes:
            gy1 = g * (q * q0 * (p0 / (q0 + eps) - p / (q + eps)) if eps
                       else q - p)
        return gy0, gy1

    def forward_gpu(self, inputs):
        self.retain_inputs((0, 1))
        y0, y1 = inputs
        return sigmoid_kernels.forward(y0, y1, self.eps),

    def backward_gpu(self, indexes, inputs, grad_outputs):
        y0, y1 = inputs
        g, = grad_outputs
        return sigmoid_kernels.backward(
            y0, y1, g, self.eps, (0 in indexes, 1 in indexes))

    def _compose(self, y0, y1):
        total = 0
        for (p, log_p), (_, log_q) in zip(bit_probabilities(y0, self.eps),
                                          bit_probabilities(y1, self.eps)):
            total += F.sum(p * (log_p - log_q))
        return total / len(y0),


@checked(y0=Tensor(), y1=Tensor(), eps=Number())
def sigmoid_kl(y0: VariableOrArray, y1: VariableOrArray,
               eps: float = 1e-8) -> chainer.Variable:
    """:func:`softmax_kl` of independent bits, summed over the D bits.

    Args:
        y0 (Variable or array): Logits of the clean input, shape (B, D),
            float32 or float64.
        y1 (Variable or array): Logits of the augmented input, of the same
            shape and dtype.
        eps (float): Added inside the logarithms.

    Returns:
        Variable: 0-dimensional, in nats; finite for any finite logits.

    Example:
        Two bits, of which each goes from p = 1/2 to p = 1/4.

        >>> y0 = numpy.array([[0., 0.]])
        >>> y1 = numpy.log([[1 / 3, 1 / 3]])
        >>> print(f'{imsat.functions.sigmoid_kl(y0, y1).item():.4f}')
        0.2877
    """
    y, = SigmoidKL(eps).apply((y0, y1))
    return y


class CodeKL(Divergence):
    """The sum of :class:`SoftmaxKL` of each head."""

    def __init__(self, sizes, eps):
        self.width = sum(sizes)
        self.parts = [(head, SoftmaxKL(eps)) for head in heads(sizes)]

    def check_type_forward(self, in_types):
        super().check_type_forward(in_types)
        type_check.expect(in_types[0].shape[1] == self.width)

    def forward(self, inputs):
        self.retain_inputs((0, 1))
        total, *others = [
            part.forward(tuple(y[:, head] for y in inputs))[0]
            for head, part in self.parts]
        for distance in others:
            total += distance  # in place: an array of no dimensions
        return total,

    def backward_arrays(self, indexes, inputs, grad_outputs):
        xp = backend.get_array_module(*inputs)
        gradients = [part.backward_arrays(
            indexes, tuple(y[:, head] for y in inputs), grad_outputs)
            for head, part in self.parts]
        return tuple(None if gs[0] is None else xp.concatenate(gs, axis=1)
                     for gs in zip(*gradients))

    def _compose(self, y0, y1):
        return sum(part._compose(y0[:, head], y1[:, head])[0]
                   for head, part in self.parts),


@checked(y0=Tensor(), y1=Tensor(), sizes=Sizes(), eps=Number())
def code_kl(y0: VariableOrArray, y1: VariableOrArray, sizes: Sequence[int],
            eps: float = 1e-8) -> chainer.Variable:
    """:func:`softmax_kl` of M outputs of V_m values each, summed (Eq. 3).

    Args:
        y0 (Variable or array): Logits of the clean input, of one output after
            the other, shape (B, V_1 + ... + V_M), float32 or float64.
        y1 (Variable or array): Logits of the augmented input, of the same
            shape and dtype.
        sizes (sequence of int): V_1, ..., V_M.
        eps (float): Added inside the logarithms.

    Returns:
        Variable: 0-dimensional, in nats; finite for any finite logits.

    Example:
        An output of two values that goes from (1/2, 1/2) to (1/4, 3/4), and
        one of three that stays.

        >>> y0 = numpy.log([[.5, .5, .2, .3, .5]])
        >>> y1 = numpy.log([[.25, .75, .2, .3, .5]])
        >>> print(f'{imsat.functions.code_kl(y0, y1, [2, 3]).item():.4f}')
        0.1438
    """
    y, = CodeKL(sizes, eps).apply((y0, y1))
    return y
