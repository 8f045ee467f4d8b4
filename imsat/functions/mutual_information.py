"""I(Y_d; Y_d') of pairs of outputs, Eq. 13, shared by the fused functions."""
from collections.abc import Sequence
from typing import NamedTuple

import chainer
import chainer.functions as F
import numpy
from chainer import backend

from imsat.errors import InputError
from imsat.hints import Array
from imsat.parameters import (
    MOST, Kind, Tensor, checked, is_sequence, is_whole)


class Sizes(Kind):
    """V_1, ..., V_M, each at least ``least``."""
    wanted = 'give the number of values of each output, e.g. (10, 10, 10)'

    def __init__(self, least=1, optional=False):
        super().__init__(optional)
        self.least = least

    def allows(self, value):
        return is_sequence(value) and len(value) > 0 and all(
            is_whole(size) and self.least <= size <= MOST for size in value)


class CodeInformation(NamedTuple):
    """What a code says of its input: 0-dimensional, in nats."""
    conditional_entropy: chainer.Variable
    marginal_entropy: chainer.Variable
    pairwise_information: chainer.Variable


@checked(p=Tensor(2), sizes=Sizes(optional=True))
def pairwise_mutual_information(p: Array,
                                sizes: Sequence[int] | None = None) -> Array:
    r"""The mutual information of all pairs of outputs, Eq. 13.

    .. math::
        I(Y_d; Y_{d'}) = \sum_{y_d, y_{d'}} p(y_d, y_{d'})
        \log \frac{p(y_d, y_{d'})}{p(y_d) p(y_{d'})}

    where :math:`p(y_d, y_{d'})` is the mean over all points of the product of
    both, as in Eq. 15.

    Args:
        p (array): Shape (N, D), float32 or float64: p(Y_d = 1|x) of D bits;
            or, with ``sizes``, the probabilities of all values of one output
            after the other, shape (N, V_1 + ... + V_M).
        sizes (sequence of int): V_1, ..., V_M; None for bits.

    Returns:
        array: Shape (D, D) or (M, M), in nats, with a diagonal of zeros.

    Example:
        Two bits that are always equal share log 2 nats.

        >>> p = numpy.array([[0., 0.], [1., 1.]])
        >>> imsat.functions.pairwise_mutual_information(p).round(3)
        array([[0.   , 0.693],
               [0.693, 0.   ]])
    """
    if not len(p) or p.dtype.kind != 'f' or p.dtype == numpy.float16 \
            or sizes is not None and sum(sizes) != p.shape[1]:
        raise InputError(f'p has shape {p.shape} and dtype {p.dtype}; give '
                         f'float32 or float64, a row for each point and a '
                         f'column for each bit or, with sizes, value')
    xp = backend.get_array_module(p)
    mean = p.mean(axis=0)
    centred = p - mean
    covariance = centred.T @ centred / len(p)
    if sizes is None:
        n_bits = p.shape[1]
        cells, _, _ = cells_of_bits(
            xp.stack([mean, 1 - mean]), covariance, eps=0)
        return cells.reshape(2, n_bits, 2, n_bits).sum(axis=(0, 2))
    cells, _, _ = cells_of_pairs(
        mean, covariance, same_head(xp, sizes), eps=0)
    return xp.stack([xp.stack([cells[rows, columns].sum()
                               for columns in heads(sizes)])
                     for rows in heads(sizes)])


def heads(sizes):
    """The slice of columns of each of the outputs with ``sizes`` values."""
    ends = numpy.cumsum(sizes).tolist()
    return [slice(end - size, end) for size, end in zip(sizes, ends)]


def same_head(xp, sizes):
    """Shape (S, S), whether two values are of one of the outputs."""
    head = xp.asarray(numpy.repeat(numpy.arange(len(sizes)), sizes))
    return head[:, None] == head


def same_bit(xp, n_bits):
    """:func:`same_head` of bits, all ones before all zeros."""
    return xp.tile(xp.eye(n_bits, dtype=bool), (2, 2))


def cells_of_bits(mean, c, eps):
    """:func:`cells_of_pairs` of bits, whose values are 1, then 0.

    Args:
        mean (array): Of both values, shape (2, D).
        c (array): Covariance of p(Y_d = 1|x), shape (D, D).
    """
    xp = backend.get_array_module(c)
    rows = xp.concatenate([c, -c], axis=1)  # CuPy has no block
    return cells_of_pairs(
        mean.reshape(-1), xp.concatenate([rows, -rows]),
        same_bit(xp, len(c)), eps)


def cells_of_pairs(mean, covariance, same, eps):
    r"""What the cells of all tables of two outputs add to their information.

    They sum to :math:`I(Y_m; Y_{m'})` over a table, and over everything to
    the sum over all ordered pairs :math:`m \ne m'`.

    A cell has probability :math:`p_u p_v + c_{uv}`.  Taken from the
    covariance, the logarithm of its ratio to :math:`p_u p_v` keeps all its
    digits where the outputs are nearly independent: what single precision
    makes of the difference of two joint probabilities there is a thousand
    times larger than the information.

    Args:
        mean (array): p_u of the S values of all outputs, shape (S,).
        covariance (array): c_uv over the batch, shape (S, S).
        same (array): Shape (S, S), whether u and v are values of one output.
        eps (float): :math:`\log((p_{uv} + eps) / (p_u p_v + eps))`.

    Returns:
        tuple: The cells in nats, shape (S, S), and the gradients of their sum
        to ``covariance`` (with the means held) and to ``mean`` (with the
        covariances held).  The first is less 1, which the covariances with
        all values of an output, whose sum is 0, do not notice, and next to
        which it would lose its digits.
    """
    xp = backend.get_array_module(mean)
    independent = mean[:, None] * mean
    joint = independent + covariance
    if eps:
        xp.maximum(joint, 0, out=joint)
        base = independent + eps
    else:
        tiny = xp.finfo(mean.dtype).tiny
        xp.maximum(joint, tiny, out=joint)
        base = xp.maximum(independent, tiny)
    ratio = covariance / base
    log_ratio = xp.where(
        ratio > -.5, xp.log1p(xp.maximum(ratio, -.5)),
        xp.log((joint + eps) / base))
    log_ratio[same] = 0
    cells = joint * log_ratio
    slope, slope_independent = log_ratio, log_ratio - ratio
    if eps:
        slope = log_ratio - eps / (joint + eps)
        slope_independent += ratio * eps / (joint + eps)
    slope[same] = slope_independent[same] = 0
    return cells, slope, 2 * slope_independent @ mean


def compose_pairs(p, same, eps):
    """:func:`cells_of_pairs` of probabilities (B, S), in Chainer's
    functions."""
    mean = F.mean(p, axis=0)
    joint = F.matmul(p, p, transa=True) / len(p)
    independent = F.matmul(mean[:, None], mean[None])
    ratio = F.log((joint + eps) / (independent + eps))
    return F.sum(F.where(same, p.xp.zeros_like(joint.array), joint * ratio))
