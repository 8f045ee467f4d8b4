"""Mutual information of pairs of outputs, shared by the fused functions."""
from chainer import backend


def pairwise_information(mean, covariance, same, eps):
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
