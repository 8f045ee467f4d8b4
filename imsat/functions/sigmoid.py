"""Probabilities of bits, shared by the functions of hash codes."""
import chainer
import chainer.functions as F
from chainer import backend


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
    """p and log p of a bit's two values on plain arrays.

    Returns:
        p(1), p(0), log p(1) and log p(0), each exact however large the
        logits y.
    """
    xp = backend.get_array_module(y)
    e = xp.exp(-abs(y))
    larger, smaller = 1 / (1 + e), e / (1 + e)
    log_larger = -xp.log1p(e)
    is_positive = y > 0
    return (xp.where(is_positive, larger, smaller),
            xp.where(is_positive, smaller, larger),
            xp.minimum(y, 0) + log_larger,
            xp.minimum(-y, 0) + log_larger)
