"""Entropies of softmax outputs, as Eq. 7 needs them."""
import chainer.functions as F
import numpy

from benchmarks.kernels.cases.case import EPS, FLOAT, differentiable
from benchmarks.plain import plain_entropy
from imsat.cuda import softmax_entropy


def softmax(xp, y):
    e = xp.exp(y - y.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def forward(y):
    values, kept = softmax_entropy.forward(y)
    return tuple(values[i:i + 1].reshape(()) for i in (0, 1)), kept


def backward(inputs, kept, gs):
    return softmax_entropy.backward(*inputs, kept, *gs),


def plain_forward(xp, y):
    p = softmax(xp, y)
    mean = p.mean(axis=0)
    log_p, log_mean = xp.log(p + EPS), xp.log(mean + EPS)
    values = -(p * log_p).sum() / len(p), -(mean * log_mean).sum()
    return values, (p, log_p, mean, log_mean)


def plain_backward(xp, inputs, kept, gs):
    p, log_p, mean, log_mean = kept
    conditional, marginal = gs
    gp = -(conditional * (log_p + p / (p + EPS))
           + marginal * (log_mean + mean / (mean + EPS))) / len(p)
    return p * (gp - (p * gp).sum(axis=1, keepdims=True)),


def original(y):
    p = F.softmax(y)
    return plain_entropy(p), plain_entropy(F.sum(p, axis=0) / len(p))


def torch_entropies(torch, y):
    p = torch.softmax(y, 1)
    mean = p.mean(0)
    return (-(p * torch.log(p + EPS)).sum() / len(p),
            -(mean * torch.log(mean + EPS)).sum())


CASES = differentiable(
    'softmax_entropy',
    paper=(dict(B=250, K=10), dict(B=250, K=100), dict(B=70_000, K=10)),
    large=(dict(B=4_000_000, K=10), dict(B=500_000, K=100),
           dict(B=500, K=100_000)),
    tiny=dict(B=7, K=5),
    inputs=lambda rng, B, K: (2 * rng.standard_normal((B, K), 'f'),),
    gradients=lambda rng, B, K: (numpy.array(.7, 'f'), numpy.array(-2, 'f')),
    n_wanted=1, ours=(forward, backward),
    plain=(plain_forward, plain_backward), original=original,
    torch=torch_entropies,
    # Rows leave two numbers each, with which columns are summed in a second
    # pass; these leave two slopes each.
    n_bytes=(lambda B, K: FLOAT * (2 * B * K + 4 * B + 2 * K),
             lambda B, K: FLOAT * (2 * B * K + 2 * B + 2 * K)),
    # Each p is needed for the row's sum, its entropy and the column's sum.
    operations=(lambda B, K: dict(exp=3 * B * K, log=B * K),
                lambda B, K: dict(exp=B * K, log=B * K, divide=B * K)))
