"""Softmax of rows of logits on plain arrays, shared by the fused functions."""
from chainer import backend


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
