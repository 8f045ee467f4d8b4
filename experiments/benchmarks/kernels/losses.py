"""Entropies, mutual information, and the distances of self-augmented
training."""
import chainer.functions as F
import numpy

from benchmarks.kernels.case import EPS, FLOAT, differentiable
from benchmarks.plain import PlainClustering, PlainHashing, plain_entropy
from imsat.cuda import (
    code_mutual_information, sigmoid_kl, sigmoid_mutual_information,
    softmax_entropy, softmax_kl)
from imsat.functions.composition import scalars

INDEX = 8  # bytes of an int64


def forward(function, n):
    """With the first n values that the kernels give by themselves."""
    def forward(*inputs):
        values, kept = function(*inputs)
        return scalars(values[:n]), kept
    return forward


def constants(*values):
    """Upstream gradients of so many numbers."""
    return lambda rng, **size: tuple(numpy.array(g, 'f') for g in values)


def logits(rng, B, width):
    """What outputs have in common makes information that float32 resolves."""
    return (rng.standard_normal((B, width), 'f')
            + rng.standard_normal((B, 1), 'f')
            * rng.choice(numpy.array([-1, 1], 'f'), width))


def two_logits(rng, B, width):
    return tuple(2 * rng.standard_normal((2, B, width), 'f'))


def sigmoid(xp, y):
    return 1 / (1 + xp.exp(-y))


def softmax(xp, y):
    e = xp.exp(y - y.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_slopes(p, gp):
    """The gradient to logits from that to p."""
    return p * (gp - (p * gp).sum(axis=-1, keepdims=True))


# --- Entropies of p(y|x), shape (B, S), of all values of all outputs --------
def plain_entropies(xp, p):
    """And what their gradient needs; ``xp`` may be PyTorch."""
    mean = p.mean(axis=0)
    log_p, log_mean = xp.log(p + EPS), xp.log(mean + EPS)
    return (-(p * log_p).sum() / len(p), -(mean * log_mean).sum()), (
        p, log_p, mean, log_mean)


def entropy_slopes(kept, conditional, marginal):
    """The gradient to p, times B."""
    p, log_p, mean, log_mean = kept
    return -(conditional * (log_p + p / (p + EPS))
             + marginal * (log_mean + mean / (mean + EPS)))


def plain_entropies_backward(xp, kept, *gs):
    p = kept[0]
    return softmax_slopes(p, entropy_slopes(kept, *gs) / len(p))


def original_entropies(y):
    p = F.softmax(y)
    return plain_entropy(p), plain_entropy(F.sum(p, axis=0) / len(p))


# --- And what outputs share by pairs ---------------------------------------
def plain_information(xp, p, other):
    """``other`` says of two values whether they are of two outputs; ``xp`` may
    be PyTorch."""
    entropies, kept = plain_entropies(xp, p)
    mean = kept[2]
    joint, independent = p.T @ p / len(p), mean[:, None] * mean
    log_ratio = other * xp.log((joint + EPS) / (independent + EPS))
    return (*entropies, (joint * log_ratio).sum()), (
        kept, joint, independent, other, log_ratio)


def information_slopes(kept, conditional, marginal, pairs):
    """The gradient to p."""
    entropies, joint, independent, other, log_ratio = kept
    p, _, mean, _ = entropies
    by_joint = log_ratio + other * (joint / (joint + EPS))
    by_independent = other * (-joint / (independent + EPS))
    return (2 * pairs * (p @ by_joint + by_independent @ mean)
            + entropy_slopes(entropies, conditional, marginal)) / len(p)


def plain_bits(xp, y):
    p, bit = sigmoid(xp, y), xp.tile(xp.arange(y.shape[1]), 2)
    return plain_information(
        xp, xp.concatenate([p, 1 - p], axis=1), bit[:, None] != bit)


def plain_bits_backward(xp, kept, *gs):
    p, gp = kept[0][0], information_slopes(kept, *gs)
    D = p.shape[1] // 2
    return p[:, :D] * p[:, D:] * (gp[:, :D] - gp[:, D:])


def torch_bits(torch, y):
    p = torch.sigmoid(y)
    bit = torch.arange(y.shape[1], device=y.device).repeat(2)
    return plain_information(
        torch, torch.cat([p, 1 - p], 1), bit[:, None] != bit)[0]


def plain_heads(xp, y, sizes):
    p = softmax(xp, y.reshape(len(y), len(sizes), -1))
    head = xp.arange(y.shape[1]) // sizes[0]
    values, kept = plain_information(
        xp, p.reshape(y.shape), head[:, None] != head)
    return values, (p, kept)


def plain_heads_backward(xp, kept, *gs):
    p, kept = kept
    gp = information_slopes(kept, *gs)
    return softmax_slopes(p, gp.reshape(p.shape)).reshape(gp.shape)


def torch_heads(torch, y, sizes):
    p = torch.softmax(y.reshape(len(y), len(sizes), -1), 2).reshape(y.shape)
    head = torch.arange(y.shape[1], device=y.device) // sizes[0]
    return plain_information(torch, p, head[:, None] != head)[0]


# --- Distances -------------------------------------------------------------
def plain_softmax_kl(xp, y0, y1):
    p, q = softmax(xp, y0), softmax(xp, y1)
    log_ratio = xp.log((p + EPS) / (q + EPS))
    return (p * log_ratio).sum() / len(p), (p, q, log_ratio)


def plain_softmax_kl_backward(xp, kept, g):
    p, q, log_ratio = kept
    g = g / len(p)
    return (softmax_slopes(p, g * (log_ratio + p / (p + EPS))),
            softmax_slopes(q, -g * p / (q + EPS)))


def plain_sigmoid_kl(xp, y0, y1):
    p, q = sigmoid(xp, y0), sigmoid(xp, y1)
    ratio = xp.log((p + EPS) / (q + EPS))
    ratio0 = xp.log((1 - p + EPS) / (1 - q + EPS))
    return (p * ratio + (1 - p) * ratio0).sum() / len(p), (
        p, q, ratio, ratio0)


def plain_sigmoid_kl_backward(xp, kept, g):
    p, q, ratio, ratio0 = kept
    gp = ratio - ratio0 + p / (p + EPS) - (1 - p) / (1 - p + EPS)
    gq = (1 - p) / (1 - q + EPS) - p / (q + EPS)
    return g / len(p) * p * (1 - p) * gp, g / len(p) * q * (1 - q) * gq


def torch_kl(torch, p, q):
    return (p * torch.log((p + EPS) / (q + EPS))).sum()


def torch_sigmoid_kl(torch, y0, y1):
    p, q = torch.sigmoid(y0), torch.sigmoid(y1)
    return (torch_kl(torch, p, q) + torch_kl(torch, 1 - p, 1 - q)) / len(p)


CASES = (
    *differentiable(
        'softmax_entropy',
        paper=(dict(B=250, K=10), dict(B=250, K=100), dict(B=70_000, K=10)),
        large=(dict(B=4_000_000, K=10), dict(B=500_000, K=100),
               dict(B=500, K=100_000)),
        tiny=dict(B=7, K=5),
        inputs=lambda rng, B, K: (2 * rng.standard_normal((B, K), 'f'),),
        gradients=constants(.7, -2), n_wanted=1,
        ours=(forward(softmax_entropy.forward, 2), softmax_entropy.backward),
        plain=(lambda xp, y: plain_entropies(xp, softmax(xp, y)),
               plain_entropies_backward),
        original=original_entropies,
        # Of millions of rows it takes 20 seconds.
        affordable=lambda y: y.size <= 10 ** 6,
        torch=lambda torch, y: plain_entropies(torch, torch.softmax(y, 1))[0],
        # Rows leave two numbers each, with which columns are summed in a
        # second pass; these leave two slopes each.
        n_bytes=(lambda B, K: FLOAT * (2 * B * K + 4 * B + 2 * K),
                 lambda B, K: FLOAT * (2 * B * K + 2 * B + 2 * K)),
        # Each p is needed for the row's sum, its entropy and the column's.
        operations=(lambda B, K: dict(exp=3 * B * K, log=B * K),
                    lambda B, K: dict(exp=B * K, log=B * K, divide=B * K))),
    # Of matrices of all pairs the covariances count once written and once
    # read, though there is a part for each chunk of rows, and the slopes that
    # are kept.
    *differentiable(
        'sigmoid_mutual_information',
        paper=(dict(B=250, D=16), dict(B=250, D=32), dict(B=250, D=256)),
        large=(dict(B=1_000_000, D=16), dict(B=100_000, D=256),
               dict(B=2_000, D=2_048)),
        tiny=dict(B=7, D=5),
        inputs=lambda rng, B, D: (logits(rng, B, D),),
        gradients=constants(.7, -2, 1.3), n_wanted=1,
        ours=(forward(sigmoid_mutual_information.forward, 3),
              sigmoid_mutual_information.backward),
        plain=(plain_bits, plain_bits_backward),
        original=PlainHashing.entropies,
        # Of 256 bits it stacks 32,640 columns twice, one by one: seconds.
        affordable=lambda y: y.shape[1] <= 64, torch=torch_bits,
        # y; p, written and read; of each bit five numbers written with the
        # means, four and the means read by pairs, and three summed.
        n_bytes=(lambda B, D: FLOAT * (3 * B * D + 3 * D * D + 13 * D),
                 lambda B, D: FLOAT * (5 * B * D + D * D + 3 * D)),
        # Covariances are symmetric; a pair has a table of four cells.
        operations=(
            lambda B, D: dict(
                exp=B * D, divide=B * D + 8 * D * D,
                log=2 * B * D + 4 * D * D, fma=B * D * (D + 1) // 2),
            lambda B, D: dict(exp=B * D, log=B * D, divide=4 * B * D,
                              fma=B * D * D))),
    *differentiable(
        'code_mutual_information',
        paper=(dict(B=250, M=16, V=2), dict(B=250, M=4, V=10)),
        large=(dict(B=500_000, M=4, V=10), dict(B=100_000, M=32, V=8)),
        tiny=dict(B=7, M=3, V=4),
        inputs=lambda rng, B, M, V: (logits(rng, B, M * V), M * (V,)),
        gradients=constants(.7, -2, 1.3), n_wanted=1,
        ours=(forward(code_mutual_information.forward, 3),
              code_mutual_information.backward),
        plain=(plain_heads, plain_heads_backward), torch=torch_heads,
        # Heads leave two numbers each; tables say where they begin and whose
        # a column is.
        n_bytes=(lambda B, M, V: FLOAT * (
                     4 * B * M * V + 4 * B * M + 3 * (M * V) ** 2
                     + 11 * M * V) + INDEX * (2 * M * V + M + 1),
                 lambda B, M, V: FLOAT * (
                     5 * B * M * V + 2 * B * M + (M * V) ** 2 + 3 * M * V)
                 + INDEX * (M + 1)),
        operations=(
            lambda B, M, V: dict(
                exp=2 * B * M * V, log=B * M * V + (M * V) ** 2,
                divide=2 * (M * V) ** 2, fma=B * M * V * (M * V + 1) // 2),
            lambda B, M, V: dict(exp=B * M * V, log=B * M * V,
                                 divide=B * M * V, fma=B * (M * V) ** 2))),
    *differentiable(
        'softmax_kl',
        paper=(dict(B=250, K=10), dict(B=250, K=100)),
        large=(dict(B=4_000_000, K=10), dict(B=500_000, K=100),
               dict(B=500, K=100_000)),
        tiny=dict(B=7, K=5),
        inputs=lambda rng, B, K: two_logits(rng, B, K),
        gradients=constants(1.7), n_wanted=2,
        ours=(softmax_kl.forward, softmax_kl.backward),
        plain=(plain_softmax_kl, plain_softmax_kl_backward),
        original=PlainClustering.distance,
        torch=lambda torch, y0, y1: torch_kl(
            torch, torch.softmax(y0, 1), torch.softmax(y1, 1)) / len(y0),
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
        inputs=lambda rng, B, D: two_logits(rng, B, D),
        gradients=constants(1.7), n_wanted=2,
        ours=(lambda y0, y1: (sigmoid_kl.forward(y0, y1), None),
              lambda y0, y1, kept, g: sigmoid_kl.backward(y0, y1, g)),
        plain=(plain_sigmoid_kl, plain_sigmoid_kl_backward),
        original=PlainHashing.distance, torch=torch_sigmoid_kl,
        # Backward each gradient takes a launch, which reads both.
        n_bytes=(lambda B, D: FLOAT * 2 * B * D,
                 lambda B, D: FLOAT * 6 * B * D),
        operations=(
            lambda B, D: dict(exp=2 * B * D, log=2 * B * D, divide=4 * B * D),
            lambda B, D: dict(
                exp=4 * B * D, log=2 * B * D, divide=10 * B * D))))
