"""Softmax and entropy on plain arrays, shared by the fused functions."""
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


def log_mean_exp(log_p, axis):
    """log of the mean of p, finite however small p."""
    xp = backend.get_array_module(log_p)
    largest = log_p.max(axis=axis)
    return largest + xp.log(
        xp.exp(log_p - xp.expand_dims(largest, axis)).mean(axis=axis))


def mean_with_logs(p, log_p, eps):
    """log(p + eps) of p, shape (B, K), its mean over the rows and
    log(mean + eps); ``log_p`` is log p."""
    xp = backend.get_array_module(p)
    mean = p.mean(axis=0)
    if eps:
        return xp.log(p + eps), mean, xp.log(mean + eps)
    return log_p, mean, log_mean_exp(log_p, axis=0)


def entropy_slope(p, log_p, eps):
    """Derivative of p log(p + eps), where log_p is log(p + eps)."""
    return log_p + (p / (p + eps) if eps else 1)
