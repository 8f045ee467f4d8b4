"""Batch normalization and ReLU, with running statistics, as in training."""
import chainer.functions as F
import numpy

from benchmarks.kernels.cases.case import FLOAT, differentiable
from imsat.cuda import batch_normalization_relu

BN_EPS, DECAY = 2e-5, .9


def inputs(rng, B, D):
    """x, gamma, beta, and running mean and variance."""
    x = rng.standard_normal((B, D), 'f')
    # Away from where the ReLU opens, which rounding would decide.
    x += numpy.copysign(numpy.float32(1), x)
    return (x, rng.uniform(.5, 1.5, D).astype('f'),
            rng.uniform(-.1, .1, D).astype('f'), numpy.zeros(D, 'f'),
            numpy.ones(D, 'f'))


def forward(x, gamma, beta, running_mean, running_var):
    y, kept = batch_normalization_relu.forward(
        x, gamma, beta, BN_EPS, running_mean, running_var, DECAY)
    return (y,), kept


def backward(inputs, kept, gs):
    return batch_normalization_relu.backward(*inputs[:3], kept, *gs)


def plain_forward(xp, x, gamma, beta, running_mean, running_var):
    n = len(x)
    mean = x.mean(axis=0)
    centred = x - mean
    var = (centred * centred).mean(axis=0)
    inv_std = 1 / xp.sqrt(var + BN_EPS)
    y = xp.maximum(centred * (gamma * inv_std) + beta, 0)
    running_mean *= DECAY
    running_mean += (1 - DECAY) * mean
    running_var *= DECAY
    running_var += (1 - DECAY) * n / max(n - 1, 1) * var
    return (y,), (centred, inv_std, y)


def plain_backward(xp, inputs, kept, gs):
    x, gamma = inputs[:2]
    centred, inv_std, y = kept
    gz = gs[0] * (y > 0)
    gbeta = gz.sum(axis=0)
    ggamma = (gz * centred).sum(axis=0) * inv_std
    gx = gamma * inv_std * (
        gz - gbeta / len(x) - centred * (ggamma * inv_std / len(x)))
    return gx, ggamma, gbeta


def original(x, gamma, beta, running_mean, running_var):
    return F.relu(F.batch_normalization(
        x, gamma, beta, eps=BN_EPS, running_mean=running_mean,
        running_var=running_var, decay=DECAY)),


def torch_batch_normalization(
        torch, x, gamma, beta, running_mean, running_var):
    return torch.relu(torch.nn.functional.batch_norm(
        x, running_mean, running_var, gamma, beta, training=True,
        momentum=1 - DECAY, eps=BN_EPS)),


CASES = differentiable(
    'batch_normalization_relu',
    paper=(dict(B=250, D=1200), dict(B=250, D=400)),
    large=(dict(B=70_000, D=1200), dict(B=1_000_000, D=64)),
    tiny=dict(B=7, D=5), inputs=inputs,
    gradients=lambda rng, B, D: (rng.standard_normal((B, D), 'f'),),
    n_wanted=3, ours=(forward, backward),
    plain=(plain_forward, plain_backward), original=original,
    torch=torch_batch_normalization,
    # Statistics first, in a pass of their own; forward with gamma, beta, the
    # running ones (read and written) and what is kept, backward the kept ones
    # twice, gamma and beta twice, and their gradients.
    n_bytes=(lambda B, D: FLOAT * (3 * B * D + 8 * D),
             lambda B, D: FLOAT * (5 * B * D + 10 * D)))
