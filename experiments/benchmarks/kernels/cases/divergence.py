"""The distances of self-augmented training."""
import numpy

from benchmarks.kernels.cases.case import EPS, FLOAT, differentiable
from benchmarks.kernels.cases.entropy import softmax
from benchmarks.plain import PlainClustering, PlainHashing
from imsat.cuda import sigmoid_kl, softmax_kl


def inputs(rng, B, K):
    return tuple(2 * rng.standard_normal((2, B, K), 'f'))


def gradients(rng, **size):
    return numpy.array(1.7, 'f'),


# --- Softmax ---------------------------------------------------------------
def softmax_forward(y0, y1):
    value, kept = softmax_kl.forward(y0, y1)
    return (value,), kept


def softmax_backward(inputs, kept, gs):
    return softmax_kl.backward(*inputs, kept, *gs)


def plain_softmax_forward(xp, y0, y1):
    p, q = softmax(xp, y0), softmax(xp, y1)
    log_ratio = xp.log((p + EPS) / (q + EPS))
    return ((p * log_ratio).sum() / len(p),), (p, q, log_ratio)


def plain_softmax_backward(xp, inputs, kept, gs):
    p, q, log_ratio = kept
    g, = gs
    gp = g / len(p) * (log_ratio + p / (p + EPS))
    gq = -g / len(p) * p / (q + EPS)
    return (p * (gp - (p * gp).sum(axis=1, keepdims=True)),
            q * (gq - (q * gq).sum(axis=1, keepdims=True)))


def torch_softmax(torch, y0, y1):
    p, q = torch.softmax(y0, 1), torch.softmax(y1, 1)
    return (p * torch.log((p + EPS) / (q + EPS))).sum() / len(p),


# --- Sigmoid ---------------------------------------------------------------
def sigmoid_forward(y0, y1):
    return (sigmoid_kl.forward(y0, y1),), None


def sigmoid_backward(inputs, kept, gs):
    return sigmoid_kl.backward(*inputs, *gs)


def plain_sigmoid_forward(xp, y0, y1):
    p, q = 1 / (1 + xp.exp(-y0)), 1 / (1 + xp.exp(-y1))
    ratio = xp.log((p + EPS) / (q + EPS))
    ratio0 = xp.log((1 - p + EPS) / (1 - q + EPS))
    value = (p * ratio + (1 - p) * ratio0).sum() / len(p)
    return (value,), (p, q, ratio, ratio0)


def plain_sigmoid_backward(xp, inputs, kept, gs):
    p, q, ratio, ratio0 = kept
    g, = gs
    gp = ratio - ratio0 + p / (p + EPS) - (1 - p) / (1 - p + EPS)
    gq = (1 - p) / (1 - q + EPS) - p / (q + EPS)
    return (g / len(p) * p * (1 - p) * gp, g / len(p) * q * (1 - q) * gq)


def torch_sigmoid(torch, y0, y1):
    p, q = torch.sigmoid(y0), torch.sigmoid(y1)
    return ((p * torch.log((p + EPS) / (q + EPS))).sum()
            + ((1 - p) * torch.log((1 - p + EPS) / (1 - q + EPS))).sum()
            ) / len(p),


CASES = (
    *differentiable(
        'softmax_kl',
        paper=(dict(B=250, K=10), dict(B=250, K=100)),
        large=(dict(B=4_000_000, K=10), dict(B=500_000, K=100),
               dict(B=500, K=100_000)),
        tiny=dict(B=7, K=5), inputs=inputs, gradients=gradients, n_wanted=2,
        ours=(softmax_forward, softmax_backward),
        plain=(plain_softmax_forward, plain_softmax_backward),
        original=lambda y0, y1: (PlainClustering.distance(y0, y1),),
        torch=torch_softmax,
        # Four numbers of each row are kept.
        n_bytes=(lambda B, K: FLOAT * (2 * B * K + 4 * B),
                 lambda B, K: FLOAT * (4 * B * K + 4 * B)),
        operations=(
            lambda B, K: dict(exp=4 * B * K, log=B * K, divide=B * K),
            lambda B, K: dict(exp=2 * B * K, log=B * K, divide=3 * B * K))),
    *differentiable(
        'sigmoid_kl',
        paper=(dict(B=250, D=16), dict(B=250, D=64)),
        large=(dict(B=3_000_000, D=16), dict(B=200_000, D=256)),
        tiny=dict(B=7, D=5),
        inputs=lambda rng, B, D: inputs(rng, B, D), gradients=gradients,
        n_wanted=2,
        ours=(sigmoid_forward, sigmoid_backward),
        plain=(plain_sigmoid_forward, plain_sigmoid_backward),
        original=lambda y0, y1: (PlainHashing.distance(y0, y1),),
        torch=torch_sigmoid,
        # Backward each gradient takes a launch, which reads both.
        n_bytes=(lambda B, D: FLOAT * 2 * B * D,
                 lambda B, D: FLOAT * 6 * B * D),
        operations=(
            lambda B, D: dict(exp=2 * B * D, log=2 * B * D, divide=4 * B * D),
            lambda B, D: dict(
                exp=4 * B * D, log=2 * B * D, divide=10 * B * D))))
