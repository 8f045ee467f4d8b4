"""Affine distortion: maps that are drawn, and images under them."""
import numpy

from benchmarks.kernels.cases.case import FLOAT, Case, differentiable
from imsat.cuda import affine

DOUBLE = 8
ROTATION, SHIFT = .3, 3.


# --- Maps ------------------------------------------------------------------
def plain_matrices(xp, n):
    rng = xp.random.default_rng(0)
    # The other components, of which rotations have none, are drawn as well.
    ranges = xp.asarray([[ROTATION], [0], [0], [0], [0], [SHIFT], [SHIFT]])

    def draw():
        angle, shear0, shear1, scale0, scale1, shift0, shift1 = (
            ranges * (2 * rng.random((7, n)) - 1) * (rng.random((7, n)) < 1))
        cos, sin = xp.cos(angle), xp.sin(angle)
        return xp.stack([
            (cos - sin * shear1) * (1 + scale0),
            (cos * shear0 - sin) * (1 + scale1), shift0,
            (sin + cos * shear1) * (1 + scale0),
            (sin * shear0 + cos) * (1 + scale1), shift1],
            axis=1).reshape(n, 2, 3),
    return draw


def gram_and_range(matrix):
    """What all rotations with a shift have in common."""
    a, b = matrix[:, :, :2], matrix[:, :, 2]
    return a @ a.transpose(0, 2, 1), abs(b) <= SHIFT


# --- Images ----------------------------------------------------------------
def inputs(rng, B, H, W):
    matrix = rng.normal(0, .1, (B, 2, 3))
    matrix[:, :, :2] += numpy.eye(2)
    matrix[:, :, 2] *= 20
    return rng.standard_normal((B, H, W), 'f'), matrix


def backward(inputs, kept, gs):
    return affine.backward(*gs, inputs[1]),


def plain_forward(xp, x, matrix):
    corners = list(plain_corners(xp, matrix, x.shape, x.dtype))
    flat = x.reshape(-1)
    y = sum(flat[index] * weight for index, weight in corners)
    return (y.reshape(x.shape),), corners


def plain_backward(xp, inputs, kept, gs):
    gy = gs[0].reshape(len(gs[0]), -1)
    gx = xp.zeros(gy.size, gy.dtype)
    for index, weight in kept:
        xp.add.at(gx, index.reshape(-1), (weight * gy).reshape(-1))
    return gx.reshape(gs[0].shape),


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


def torch_transform(torch, x, matrix):
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
        x[:, None], grid, padding_mode='border', align_corners=True)[:, 0],


CASES = (
    Case(
        name='random_affine_matrices', paper=(dict(n=250),),
        large=(dict(n=10_000_000),), tiny=dict(n=7),
        inputs=lambda rng, n: (n,),
        ours=lambda n: lambda: (affine.random_matrices(
            n, seed=0, rotation=ROTATION, shift=SHIFT),),
        plain=plain_matrices, n_bytes=lambda n: DOUBLE * 6 * n,
        operations=lambda n: dict(philox=4 * n, fp64=100 * n),
        # The numbers are other ones, in float64.
        compared=gram_and_range, tolerance=1e-14),
    *differentiable(
        'affine_transform',
        paper=(dict(B=250, H=28, W=28),),
        large=(dict(B=70_000, H=28, W=28), dict(B=500, H=512, W=512)),
        tiny=dict(B=3, H=6, W=5), inputs=inputs,
        gradients=lambda rng, B, H, W: (
            rng.standard_normal((B, H, W), 'f'),),
        n_wanted=1,
        ours=(lambda x, matrix: ((affine.forward(x, matrix),), None),
              backward),
        plain=(plain_forward, plain_backward), torch=torch_transform,
        n_bytes=2 * (
            lambda B, H, W: FLOAT * 2 * B * H * W + DOUBLE * 6 * B,),
        # A position has two coordinates; a pixel was read from about nine.
        operations=(
            lambda B, H, W: dict(fp64=10 * B * H * W, convert=8 * B * H * W),
            lambda B, H, W: dict(
                fp64=9 * 12 * B * H * W, convert=9 * 6 * B * H * W))))
