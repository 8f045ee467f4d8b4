"""What else a training step computes: batch normalization, VAT's directions
and affine distortion."""
from typing import Any

import chainer.functions as F
import numpy

from benchmarks.kernels.case import (
    FLOAT, Case, differentiable, direct, on_torch)
from benchmarks.plain import plain_normalize
from imsat.cuda import affine, batch_normalization_relu, directions

DOUBLE = 8
BN_EPS, DECAY = 2e-5, .9
ROTATION, SHIFT = .3, 3.


# --- Batch normalization and ReLU, with running statistics -----------------
def bn_inputs(rng, B, D):
    """x, gamma, beta, and running mean and variance."""
    x = rng.standard_normal((B, D), 'f')
    # Away from where the ReLU opens, which rounding would decide.
    x += numpy.copysign(numpy.float32(1), x)
    return (x, rng.uniform(.5, 1.5, D).astype('f'),
            rng.uniform(-.1, .1, D).astype('f'), numpy.zeros(D, 'f'),
            numpy.ones(D, 'f'))


def plain_bn(xp, x, gamma, beta, running_mean, running_var):
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
    return y, (gamma, centred, inv_std, y)


def plain_bn_backward(xp, kept, gy):
    gamma, centred, inv_std, y = kept
    n = len(y)
    gz = gy * (y > 0)
    gbeta = gz.sum(axis=0)
    ggamma = (gz * centred).sum(axis=0) * inv_std
    gx = gamma * inv_std * (
        gz - gbeta / n - centred * (ggamma * inv_std / n))
    return gx, ggamma, gbeta


# --- Directions: drawn, and rows of a given length -------------------------
def generator(xp, *inputs):
    """Prepares one."""
    return xp, xp.random.default_rng(0), *inputs


def plain_random(xp, rng, x):
    d = rng.standard_normal(x.shape, dtype=x.dtype)
    return d / xp.sqrt((d * d).sum(axis=1, keepdims=True))


def plain_scale(xp, d, radius):
    largest = abs(d).max(axis=1, keepdims=True)
    unit = d / xp.where(largest > 0, largest, 1)
    length = xp.sqrt(xp.maximum(
        (unit * unit).sum(axis=1, keepdims=True), 1e-30))
    return unit * (radius[:, None] / length)


# --- Affine maps, and images under them ------------------------------------
def plain_matrices(xp, rng, n):
    # The other components, of which rotations have none, are drawn as well.
    ranges = xp.asarray([[ROTATION], [0], [0], [0], [0], [SHIFT], [SHIFT]])
    angle, shear0, shear1, scale0, scale1, shift0, shift1 = (
        ranges * (2 * rng.random((7, n)) - 1) * (rng.random((7, n)) < 1))
    cos, sin = xp.cos(angle), xp.sin(angle)
    return xp.stack([
        (cos - sin * shear1) * (1 + scale0),
        (cos * shear0 - sin) * (1 + scale1), shift0,
        (sin + cos * shear1) * (1 + scale0),
        (sin * shear0 + cos) * (1 + scale1), shift1],
        axis=1).reshape(n, 2, 3)


def gram_and_range(matrix):
    """What all rotations with a shift have in common."""
    a, b = matrix[:, :, :2], matrix[:, :, 2]
    return a @ a.transpose(0, 2, 1), abs(b) <= SHIFT


def affine_inputs(rng, B, H, W):
    matrix = rng.normal(0, .1, (B, 2, 3))
    matrix[:, :, :2] += numpy.eye(2)
    matrix[:, :, 2] *= 20
    return rng.standard_normal((B, H, W), 'f'), matrix


def plain_affine(xp, x, matrix):
    corners = list(plain_corners(xp, matrix, x.shape, x.dtype))
    flat = x.reshape(-1)
    y = sum(flat[index] * weight for index, weight in corners)
    return y.reshape(x.shape), corners


def plain_affine_backward(xp, kept, gy):
    flat = gy.reshape(len(gy), -1)
    gx = xp.zeros(gy.size, gy.dtype)
    for index, weight in kept:
        xp.add.at(gx, index.reshape(-1), (weight * flat).reshape(-1))
    return gx.reshape(gy.shape)


def plain_corners(xp, matrix, shape, dtype):
    """Where in all images, and with what weight, each pixel is read."""
    n, H, W = shape
    center = xp.asarray([[(H - 1) / 2], [(W - 1) / 2]])
    grid = xp.indices((H, W)).reshape(2, -1) - center
    position = matrix[:, :, :2] @ grid + matrix[:, :, 2:] + center
    row, column = (xp.clip(position[:, axis], 0, size - 1)
                   for axis, size in enumerate((H, W)))
    top, left = row.astype(int), column.astype(int)
    down, right = (row - top).astype(dtype), (column - left).astype(dtype)
    first = xp.arange(n)[:, None] * (H * W)
    for i, vertical in (top, 1 - down), (xp.minimum(top + 1, H - 1), down):
        for j, horizontal in ((left, 1 - right),
                              (xp.minimum(left + 1, W - 1), right)):
            yield first + i * W + j, vertical * horizontal


def torch_affine(torch, x, matrix):
    # In units of half an image, the column first.
    _, H, W = x.shape
    half = torch.tensor([W - 1, H - 1], device=x.device) / 2
    theta = matrix.to(x.dtype).flip(1)
    theta = torch.cat([
        theta[:, :, :2].flip(2) * half / half[:, None],
        theta[:, :, 2:] / half[:, None]], 2)
    grid = torch.nn.functional.affine_grid(
        theta, (len(x), 1, H, W), align_corners=True)
    return torch.nn.functional.grid_sample(
        x[:, None], grid, padding_mode='border', align_corners=True)[:, 0]


DIRECTIONS: dict[str, Any] = dict(
    paper=(dict(B=250, D=784), dict(B=250, D=3072)),
    large=(dict(B=70_000, D=784), dict(B=1_000_000, D=64),
           dict(B=2_000, D=30_000)),
    tiny=dict(B=7, D=9))

CASES = (
    *differentiable(
        'batch_normalization_relu',
        paper=(dict(B=250, D=1200), dict(B=250, D=400)),
        large=(dict(B=70_000, D=1200), dict(B=1_000_000, D=64)),
        tiny=dict(B=7, D=5), inputs=bn_inputs,
        gradients=lambda rng, B, D: (rng.standard_normal((B, D), 'f'),),
        n_wanted=3,
        ours=(lambda x, gamma, beta, mean, var:
              batch_normalization_relu.forward(
                  x, gamma, beta, BN_EPS, mean, var, DECAY),
              lambda x, gamma, beta, mean, var, kept, gy:
              batch_normalization_relu.backward(x, gamma, beta, kept, gy)),
        plain=(plain_bn, plain_bn_backward),
        original=lambda x, gamma, beta, mean, var: F.relu(
            F.batch_normalization(
                x, gamma, beta, eps=BN_EPS, running_mean=mean,
                running_var=var, decay=DECAY)),
        torch=lambda torch, x, gamma, beta, mean, var: torch.relu(
            torch.nn.functional.batch_norm(
                x, mean, var, gamma, beta, training=True,
                momentum=1 - DECAY, eps=BN_EPS)),
        # Statistics first, in a pass of their own; forward with gamma, beta,
        # the running ones (read and written) and what is kept, backward the
        # kept ones twice, gamma and beta twice, and their gradients.
        n_bytes=(lambda B, D: FLOAT * (3 * B * D + 8 * D),
                 lambda B, D: FLOAT * (5 * B * D + 10 * D))),
    Case(
        name='random_directions', **DIRECTIONS,
        # Of the batch x only the shape is needed.
        inputs=lambda rng, B, D: (rng.standard_normal((B, D), 'f'),),
        ours=direct(lambda x: directions.random(x.shape, x.dtype, seed=0)),
        plain=direct(plain_random, generator),
        original=direct(lambda xp, x: plain_normalize(
            xp.random.normal(size=x.shape).astype('f'))),
        torch=on_torch(lambda torch, x: torch.nn.functional.normalize(
            torch.randn_like(x))),
        n_bytes=lambda B, D: FLOAT * B * D,
        # Four normal numbers from four words.
        operations=lambda B, D: dict(
            philox=B * D / 4, log=B * D / 2, sqrt=B * D / 2,
            sincospi=B * D / 2),
        # The numbers are other ones; all rows have length 1.
        compared=lambda d: ((d * d).sum(axis=1),)),
    Case(
        name='scale_rows', **DIRECTIONS,
        # Gradients are as small at the start of a training.
        inputs=lambda rng, B, D: (
            1e-6 * rng.standard_normal((B, D), 'f'),
            rng.uniform(1, 2, B).astype('f')),
        ours=direct(directions.scale_rows), plain=direct(plain_scale),
        # Where the gradient is zero, which isn't measured, this is NaN.
        original=direct(
            lambda xp, d, radius: radius[:, None] * plain_normalize(d)),
        torch=on_torch(lambda torch, d, radius: (
            radius[:, None] * torch.nn.functional.normalize(d))),
        n_bytes=lambda B, D: FLOAT * (2 * B * D + B),
        operations=lambda B, D: dict(divide=2 * B * D)),
    Case(
        name='random_affine_matrices', paper=(dict(n=250),),
        large=(dict(n=10_000_000),), tiny=dict(n=7),
        inputs=lambda rng, n: (n,),
        ours=direct(lambda n: affine.random_matrices(
            n, seed=0, rotation=ROTATION, shift=SHIFT)),
        plain=direct(plain_matrices, generator),
        n_bytes=lambda n: DOUBLE * 6 * n,
        operations=lambda n: dict(philox=4 * n, fp64=100 * n),
        # The numbers are other ones, in float64.
        compared=gram_and_range, tolerance=1e-14),
    *differentiable(
        'affine_transform',
        paper=(dict(B=250, H=28, W=28),),
        large=(dict(B=70_000, H=28, W=28), dict(B=500, H=512, W=512)),
        tiny=dict(B=3, H=6, W=5), inputs=affine_inputs,
        gradients=lambda rng, B, H, W: (
            rng.standard_normal((B, H, W), 'f'),),
        n_wanted=1,
        ours=(lambda x, matrix: (affine.forward(x, matrix), None),
              lambda x, matrix, kept, gy: affine.backward(gy, matrix)),
        plain=(plain_affine, plain_affine_backward), torch=torch_affine,
        n_bytes=2 * (
            lambda B, H, W: FLOAT * 2 * B * H * W + DOUBLE * 6 * B,),
        # A position has two coordinates; a pixel was read from about nine.
        operations=(
            lambda B, H, W: dict(fp64=10 * B * H * W, convert=8 * B * H * W),
            lambda B, H, W: dict(
                fp64=9 * 12 * B * H * W, convert=9 * 6 * B * H * W))))
