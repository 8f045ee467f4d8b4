"""Probabilities of bits, shared by the functions of hash codes."""
import chainer
import chainer.functions as F
from chainer import backend


def sigmoid(y):
    """p of logits y on plain arrays."""
    xp = backend.get_array_module(y)
    return xp.tanh(y * .5) * .5 + .5


def log_sigmoid(y):
    """log p of logits y on plain arrays, exact for any finite ones."""
    xp = backend.get_array_module(y)
    return xp.minimum(y, 0) - xp.log1p(xp.exp(-abs(y)))


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
