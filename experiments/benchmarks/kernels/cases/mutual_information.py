"""Entropies and mutual information of bits and of softmax heads, Eq. 14."""
import numpy

from benchmarks.kernels.cases.case import EPS, FLOAT, differentiable
from benchmarks.plain import PlainHashing
from imsat.cuda import code_mutual_information, sigmoid_mutual_information
from imsat.functions.composition import scalars

INDEX = 8  # bytes of an int64


def logits(rng, B, width):
    """What outputs have in common makes information that float32 resolves."""
    return (rng.standard_normal((B, width), 'f')
            + rng.standard_normal((B, 1), 'f')
            * rng.choice(numpy.array([-1, 1], 'f'), width))


def gradients(rng, **size):
    return tuple(numpy.array(g, 'f') for g in (.7, -2, 1.3))


# --- Of probabilities, shape (B, S), of all values of all outputs ----------
def plain_entropies(xp, p, size):
    """Of outputs that have ``size`` values each, or of bits for 0.

    The values of bits are first all ones, then all zeros.
    """
    mean = p.mean(axis=0)
    joint, independent = p.T @ p / len(p), mean[:, None] * mean
    log_p, log_mean = xp.log(p + EPS), xp.log(mean + EPS)
    column = xp.arange(len(mean))
    output = column // size if size else column % (len(mean) // 2)
    other = output[:, None] != output
    log_ratio = other * xp.log((joint + EPS) / (independent + EPS))
    values = (-(p * log_p).sum() / len(p), -(mean * log_mean).sum(),
              (joint * log_ratio).sum())
    return values, (p, log_p, mean, log_mean, joint, independent, other,
                    log_ratio)


def plain_slopes(kept, gs):
    """The gradient to p."""
    p, log_p, mean, log_mean, joint, independent, other, log_ratio = kept
    conditional, marginal, pairs = gs
    by_joint = log_ratio + other * (joint / (joint + EPS))
    by_independent = other * (-joint / (independent + EPS))
    return (2 * pairs * (p @ by_joint + by_independent @ mean)
            - conditional * (log_p + p / (p + EPS))
            - marginal * (log_mean + mean / (mean + EPS))) / len(p)


def torch_entropies(torch, p, other):
    mean = p.mean(0)
    joint, independent = p.T @ p / len(p), torch.outer(mean, mean)
    return (-(p * torch.log(p + EPS)).sum() / len(p),
            -(mean * torch.log(mean + EPS)).sum(),
            (other * joint * torch.log(
                (joint + EPS) / (independent + EPS))).sum())


# --- Bits ------------------------------------------------------------------
def bits_forward(y):
    values, kept = sigmoid_mutual_information.forward(y)
    return scalars(values), kept


def bits_backward(inputs, kept, gs):
    return sigmoid_mutual_information.backward(*inputs, kept, *gs),


def plain_bits_forward(xp, y):
    p = 1 / (1 + xp.exp(-y))
    return plain_entropies(xp, xp.concatenate([p, 1 - p], axis=1), 0)


def plain_bits_backward(xp, inputs, kept, gs):
    p, gp = kept[0], plain_slopes(kept, gs)
    D = p.shape[1] // 2
    return p[:, :D] * p[:, D:] * (gp[:, :D] - gp[:, D:]),


def torch_bits(torch, y):
    p = torch.sigmoid(y)
    bit = torch.arange(y.shape[1], device=y.device).repeat(2)
    return torch_entropies(
        torch, torch.cat([p, 1 - p], 1), bit[:, None] != bit)


# --- Heads -----------------------------------------------------------------
def heads_forward(y, V):
    values, kept = code_mutual_information.forward(y, y.shape[1] // V * (V,))
    return scalars(values), kept


def heads_backward(inputs, kept, gs):
    y, V = inputs
    return code_mutual_information.backward(
        y, y.shape[1] // V * (V,), kept, *gs),


def plain_heads_forward(xp, y, V):
    heads = y.reshape(len(y), -1, V)
    e = xp.exp(heads - heads.max(axis=2, keepdims=True))
    p = e / e.sum(axis=2, keepdims=True)
    return plain_entropies(xp, p.reshape(y.shape), V)


def plain_heads_backward(xp, inputs, kept, gs):
    y, V = inputs
    p, gp = (x.reshape(len(y), -1, V)
             for x in (kept[0], plain_slopes(kept, gs)))
    gy = p * (gp - (p * gp).sum(axis=2, keepdims=True))
    return gy.reshape(y.shape),


def torch_heads(torch, y, V):
    p = torch.softmax(y.reshape(len(y), -1, V), 2).reshape(y.shape)
    head = torch.arange(y.shape[1], device=y.device) // V
    return torch_entropies(torch, p, head[:, None] != head)


# Of matrices of all pairs the covariances count once written and once read,
# though there is a part for each chunk of rows, and the slopes that are kept.
CASES = (
    *differentiable(
        'sigmoid_mutual_information',
        paper=(dict(B=250, D=16), dict(B=250, D=32), dict(B=250, D=256)),
        large=(dict(B=1_000_000, D=16), dict(B=100_000, D=256),
               dict(B=2_000, D=2_048)),
        tiny=dict(B=7, D=5),
        inputs=lambda rng, B, D: (logits(rng, B, D),),
        gradients=gradients, n_wanted=1, ours=(bits_forward, bits_backward),
        plain=(plain_bits_forward, plain_bits_backward),
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
        inputs=lambda rng, B, M, V: (logits(rng, B, M * V), V),
        gradients=gradients, n_wanted=1, ours=(heads_forward, heads_backward),
        plain=(plain_heads_forward, plain_heads_backward), torch=torch_heads,
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
                                 divide=B * M * V, fma=B * (M * V) ** 2))))
