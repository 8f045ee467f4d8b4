"""Information of hash bits, Eq. 14."""
import chainer.functions as F
import numpy
from chainer import backend

from imsat.cuda import sigmoid_mutual_information as kernels
from imsat.functions.compiled import compiled
from imsat.functions.composition import InformationFunction, scalars
from imsat.functions.mutual_information import (
    CodeInformation, cells_of_bits, compose_pairs, same_bit)
from imsat.functions.probabilities import (
    bit_log_softmax, bit_probabilities, bit_softmax, entropy_slope,
    log_mean_exp)
from imsat.hints import VariableOrArray
from imsat.parameters import Number, Tensor, checked
from imsat.ranks import current


class SigmoidMutualInformation(InformationFunction):

    def __init__(self, eps):
        self.eps = eps

    def forward_cpu(self, inputs):
        y, = inputs
        xp, eps, (n, n_bits) = (
            backend.get_array_module(y), self.eps, y.shape)
        # The two values of a bit, 1 and 0, shape (2, B, D).
        sides = numpy.stack(bit_softmax(y))
        log_sides = (numpy.log(sides + eps) if eps
                     else numpy.stack(bit_log_softmax(y)))
        mean, = current().average(sides.mean(axis=1))
        log_mean = (numpy.log(mean + eps) if eps
                    else log_mean_exp(log_sides, 1))
        centred = sides[0] - mean[0]
        covariance, = current().average(centred.T @ centred / n)
        cells, slope, slope_mean = cells_of_bits(mean, covariance, eps)
        sign = xp.asarray([1, -1], y.dtype)
        slope = numpy.einsum('a,adbe,b->de', sign,
                             slope.reshape(2, n_bits, 2, n_bits), sign)
        self._saved = (sides, log_sides, mean, log_mean, centred, slope,
                       slope_mean.reshape(2, n_bits))
        self.retain_inputs((0,))
        return (xp.asarray(-(sides * log_sides).sum() / n, y.dtype),
                xp.asarray(-(mean * log_mean).sum(), y.dtype),
                xp.asarray(cells.sum(), y.dtype))

    def backward_cpu(self, indexes, inputs, grad_outputs):
        sides, log_sides, mean, log_mean, centred, slope, slope_mean = \
            self._saved
        eps, n = self.eps, len(centred)
        g_conditional, g_marginal, g_pairs = grad_outputs
        # To p, of which the second side is the complement.
        gp = 0
        if g_conditional is not None:
            slopes = entropy_slope(sides, log_sides, eps)
            gp = g_conditional / n * (slopes[1] - slopes[0])
        if g_marginal is not None:
            slopes = entropy_slope(mean, log_mean, eps)
            gp = gp + g_marginal / n * (slopes[1] - slopes[0])
        if g_pairs is not None:
            gp = gp + g_pairs / n * (
                2 * centred @ slope + slope_mean[0] - slope_mean[1])
        return gp * sides[0] * sides[1],

    def forward_gpu(self, inputs):
        self.retain_inputs((0,))
        y, = inputs
        values, self._saved = kernels.forward(y, self.eps)
        return scalars(values)

    def backward_gpu(self, indexes, inputs, grad_outputs):
        y, = inputs
        g_conditional, g_marginal, g_pairs = grad_outputs
        return kernels.backward(y, self._saved, g_conditional, g_marginal,
                                g_pairs, self.eps),

    def value_and_gradient_gpu(self, y, weights, values, gy):
        kernels.value_and_gradient(y, weights, self.eps, values, gy)
        return True

    def value_and_gradient_cpu(self, y, weights, values, gy):
        loop = _value_and_gradient_loop() \
            if self.eps and y.shape[1] <= MOST_IN_LOOP \
            and current().size == 1 else None
        if loop is not None:
            loop(y, weights, y.dtype.type(self.eps), values, gy)
        return loop is not None

    def _compose(self, y):
        conditional = marginal = 0
        sides = bit_probabilities(y, self.eps)
        for p, log_p in sides:
            mean = F.mean(p, axis=0)
            conditional -= F.sum(p * log_p) / len(p)
            marginal -= F.sum(mean * F.log(mean + self.eps))
        p = F.concat([p for p, _ in sides], axis=1)
        return conditional, marginal, compose_pairs(
            p, same_bit(y.xp, y.shape[1]), self.eps)


# Bits up to which the products of all pairs need no BLAS.
MOST_IN_LOOP = 64


@compiled()
def _value_and_gradient_loop(y, weights, eps, values, gy):
    n, n_bits = y.shape
    zero, half, one, two = (y.dtype.type(0), y.dtype.type(.5),
                            y.dtype.type(1), y.dtype.type(2))
    count = y.dtype.type(n)
    p = numpy.empty((2, n, n_bits), y.dtype)  # of the values 1, then 0
    mean = numpy.zeros((2, n_bits), y.dtype)
    conditional = marginal = pairs = 0.
    for i in range(n):
        for d in range(n_bits):
            e = numpy.exp(-abs(y[i, d]))
            p1 = one / (one + e)
            p0 = e * p1
            if not y[i, d] > zero:
                p1, p0 = p0, p1
            p[0, i, d], p[1, i, d] = p1, p0
            mean[0, d] += p1
            mean[1, d] += p0
            log1, log0 = numpy.log(p1 + eps), numpy.log(p0 + eps)
            conditional -= p1 * log1 + p0 * log0
            gy[i, d] = weights[0] * (log0 + p0 / (p0 + eps)
                                     - log1 - p1 / (p1 + eps))
    mean /= count
    # Of every table of two bits, see cells_of_pairs.
    centred = p[0] - mean[0]
    covariance = numpy.zeros((n_bits, n_bits), y.dtype)
    for i in range(n):
        for d in range(n_bits):
            for k in range(n_bits):
                covariance[d, k] += centred[i, d] * centred[i, k]
    covariance /= count
    slope = numpy.zeros_like(covariance)
    to_mean = numpy.zeros_like(mean[0])  # the gradient, but for weights
    for d in range(n_bits):
        for k in range(n_bits):
            for a in range(2 * (d != k)):
                for b in range(2):
                    c = covariance[d, k] if a == b else -covariance[d, k]
                    independent = mean[a, d] * mean[b, k]
                    joint = max(independent + c, zero)
                    ratio = c / (independent + eps)
                    log_ratio = numpy.log1p(ratio) if ratio > -half \
                        else numpy.log((joint + eps) / (independent + eps))
                    pairs += joint * log_ratio
                    part = eps / (joint + eps)
                    s = log_ratio - part
                    slope[d, k] += s if a == b else -s
                    s = two * mean[b, k] * (log_ratio - ratio + ratio * part)
                    to_mean[d] += s if a == 0 else -s
    for d in range(n_bits):
        log1, log0 = numpy.log(mean[0, d] + eps), numpy.log(mean[1, d] + eps)
        marginal -= mean[0, d] * log1 + mean[1, d] * log0
        to_mean[d] = weights[2] * to_mean[d] + weights[1] * (
            log0 + mean[1, d] / (mean[1, d] + eps)
            - log1 - mean[0, d] / (mean[0, d] + eps))
    row = numpy.empty_like(to_mean)
    for i in range(n):
        row[:] = to_mean
        for d in range(n_bits):
            factor = two * weights[2] * centred[i, d]
            for k in range(n_bits):
                row[k] += factor * slope[d, k]
        for d in range(n_bits):
            gy[i, d] = (gy[i, d] + row[d]) / count * p[0, i, d] * p[1, i, d]
    values[0], values[1], values[2] = conditional / n, marginal, pairs
    values[3] = weights[0] * values[0] + weights[1] * values[1] \
        + weights[2] * values[2]


@checked(y=Tensor(), eps=Number())
def sigmoid_mutual_information(y: VariableOrArray,
                               eps: float = 1e-8) -> CodeInformation:
    r"""How much D hash bits say of their input, to second order.

    .. math::
        \sum_d H(Y_d|X), \quad \sum_d H(Y_d), \quad
        \sum_{d \ne d'} I(Y_d; Y_{d'})

    for bits with :math:`p(Y_d = 1|x) = \sigma(y_d)`.  Eq. 14 is the second
    less the first less the third; the third, over ordered pairs, counts every
    pair twice.  All tables of two bits follow from one D x D matrix.

    Args:
        y (Variable or array): Logits, shape (B, D), float32 or float64; on a
            GPU D is at most 8192, since matrices of all pairs are kept.
        eps (float): Added inside every logarithm, as in
            :func:`softmax_entropy`.

    Returns:
        ``(conditional_entropy, marginal_entropy, pairwise_information)`` in
        nats, three 0-dimensional Variables; they and their gradients are
        finite for any finite logits.

    Example:
        Two bits that are sure, even and always equal: 0, 2 log 2 and, for
        both orders of the pair, 2 log 2.

        >>> y = numpy.array([[50., 50.], [-50., -50.]])
        >>> for value in imsat.functions.sigmoid_mutual_information(y, eps=0):
        ...     print(f'{value.item():.4f}')
        0.0000
        1.3863
        1.3863
    """
    return CodeInformation(*SigmoidMutualInformation(eps).apply((y,)))
