"""Probabilities and entropies of logits, shared by the fused functions."""
import chainer
import chainer.functions as F
from chainer import backend

from imsat.ranks import current


def log_softmax(y):
    """log p of logits y, shape (B, K); finite for any finite logits."""
    xp = backend.get_array_module(y)
    z = y - y.max(axis=1, keepdims=True)
    z -= xp.log(xp.exp(z).sum(axis=1, keepdims=True))
    return z


def softmax_backward(p, gp):
    """From the gradient to p = softmax(y) to that to y."""
    gy = p * gp
    gy -= p * gy.sum(axis=1, keepdims=True)
    return gy


def log_mean_exp(log_p, axis):
    """log of the mean of p, finite however small p."""
    xp = backend.get_array_module(log_p)
    largest = log_p.max(axis=axis)
    ranks = current()
    if ranks.size > 1:
        largest = xp.stack(ranks.gather(largest)).max(axis=0)
    mean, = ranks.average(
        xp.exp(log_p - xp.expand_dims(largest, axis)).mean(axis=axis))
    return largest + xp.log(mean)


def mean_with_logs(p, log_p, eps):
    """log(p + eps) of p, shape (B, K), its mean over the rows and
    log(mean + eps); ``log_p`` is log p."""
    xp = backend.get_array_module(p)
    mean, = current().average(p.mean(axis=0))
    if eps:
        return xp.log(p + eps), mean, xp.log(mean + eps)
    return log_p, mean, log_mean_exp(log_p, axis=0)


def entropy_slope(p, log_p, eps):
    """Derivative of p log(p + eps), where log_p is log(p + eps)."""
    return log_p + (p / (p + eps) if eps else 1)


def bit_probabilities(y, eps):
    """p and log(p + eps) of a bit's two values, 1 and then 0, from logits y.

    With ``eps`` the second is 1 - p, as the authors' code has it; without, it
    and the logarithms are exact however large the logits.
    """
    y = chainer.as_variable(y)
    if eps:
        p = F.sigmoid(y)
        return [(side, F.log(side + eps)) for side in (p, 1 - p)]
    log_p = F.log_softmax(F.stack([y, y * 0], axis=2), axis=2)
    return [(F.exp(side), side) for side in (log_p[:, :, 0], log_p[:, :, 1])]


def bit_softmax(y):
    """p of a bit's two values on plain arrays.

    Returns:
        p(1) and p(0), each exact however large the logits y.
    """
    xp = backend.get_array_module(y)
    e = xp.exp(-abs(y))
    larger, smaller = 1 / (1 + e), e / (1 + e)
    is_positive = y > 0
    return (xp.where(is_positive, larger, smaller),
            xp.where(is_positive, smaller, larger))


def bit_log_softmax(y):
    """The logarithms of :func:`bit_softmax`, as exact."""
    xp = backend.get_array_module(y)
    log_larger = -xp.log1p(xp.exp(-abs(y)))
    return xp.minimum(y, 0) + log_larger, xp.minimum(-y, 0) + log_larger
