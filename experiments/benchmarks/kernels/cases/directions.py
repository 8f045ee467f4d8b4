"""VAT's perturbations: random directions, and rows of a given length."""
from typing import Any

from benchmarks.kernels.cases.case import FLOAT, Case
from benchmarks.plain import plain_normalize
from imsat.cuda import directions

SIZES: dict[str, Any] = dict(
    paper=(dict(B=250, D=784), dict(B=250, D=3072)),
    large=(dict(B=70_000, D=784), dict(B=1_000_000, D=64),
           dict(B=2_000, D=30_000)),
    tiny=dict(B=7, D=9))


# --- Drawn -----------------------------------------------------------------
def plain_random(xp, x):
    rng = xp.random.default_rng(0)

    def draw():
        d = rng.standard_normal(x.shape, dtype=x.dtype)
        return d / xp.sqrt((d * d).sum(axis=1, keepdims=True)),
    return draw


def original_random(xp, x):
    return lambda: (plain_normalize(
        xp.random.normal(size=x.shape).astype('f')),)


def torch_random(torch, wrap, x):
    function = wrap(lambda x: torch.nn.functional.normalize(
        torch.randn_like(x)))
    return lambda: (function(x),)


# --- Scaled ----------------------------------------------------------------
def plain_scale(xp, d, radius):
    def scale():
        largest = abs(d).max(axis=1, keepdims=True)
        unit = d / xp.where(largest > 0, largest, 1)
        length = xp.sqrt(xp.maximum(
            (unit * unit).sum(axis=1, keepdims=True), 1e-30))
        return unit * (radius[:, None] / length),
    return scale


def original_scale(xp, d, radius):
    # Where the gradient is zero, which isn't measured, this is NaN.
    return lambda: (radius[:, None] * plain_normalize(d),)


def torch_scale(torch, wrap, d, radius):
    function = wrap(lambda d, radius: (
        radius[:, None] * torch.nn.functional.normalize(d)))
    return lambda: (function(d, radius),)


CASES = (
    Case(
        name='random_directions', **SIZES,
        # Of the batch x only the shape is needed.
        inputs=lambda rng, B, D: (rng.standard_normal((B, D), 'f'),),
        ours=lambda x: lambda: (directions.random(x.shape, x.dtype, seed=0),),
        plain=plain_random, original=original_random, torch=torch_random,
        n_bytes=lambda B, D: FLOAT * B * D,
        # Four normal numbers from four words.
        operations=lambda B, D: dict(
            philox=B * D / 4, log=B * D / 2, sqrt=B * D / 2,
            sincospi=B * D / 2),
        # The numbers are other ones; all rows have length 1.
        compared=lambda d: ((d * d).sum(axis=1),)),
    Case(
        name='scale_rows', **SIZES,
        # Gradients are as small at the start of a training.
        inputs=lambda rng, B, D: (
            1e-6 * rng.standard_normal((B, D), 'f'),
            rng.uniform(1, 2, B).astype('f')),
        ours=lambda d, radius: lambda: (directions.scale_rows(d, radius),),
        plain=plain_scale, original=original_scale, torch=torch_scale,
        n_bytes=lambda B, D: FLOAT * (2 * B * D + B),
        operations=lambda B, D: dict(divide=2 * B * D)))
