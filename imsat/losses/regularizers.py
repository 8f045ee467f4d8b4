"""R of Eq. 1, self-augmented training (section 3.2.2) above all, as pure
functions.

Every regulariser is called as ``(forward, distance, x, radius, y, rng)``:

- ``forward``: from a batch to logits, without touching running statistics;
- ``distance``: of two sets of logits, e.g. :func:`functions.softmax_kl`;
- ``x``: array, shape (B, d);
- ``radius``: array, shape (B,), of each point's ball, alpha sigma_t(x) of
  Eq. 17, in the units of x; whatever needs no radius ignores it;
- ``y``: the clean logits, where they are known already: Variable or array of
  shape (B, M), never differentiated;
- ``rng``: ``numpy.random.Generator`` for all that is random,

and returns a 0-dimensional Variable, R_SAT of Eq. 4 up to a constant.  Those
with a name are in ``REGULARIZERS``.
"""
import collections
import functools

import chainer
import chainer.functions as F
import numpy

from imsat.cuda import directions, runtime


def self_augmented_training(forward, distance, x, augmented, y=None):
    """Eqs. 3 and 4: how far predictions move from ``x`` to ``augmented``."""
    return distance(_clean(forward, x, y), forward(augmented))


def augmentation(transform):
    """The regulariser of any augmentation T (section 3.2.2).

    Args:
        transform: Function ``(x, rng)`` to the augmented batch, an array or
            Variable of x's shape.
    """
    def regularizer(forward, distance, x, radius=None, y=None, rng=None):
        return self_augmented_training(
            forward, distance, x, transform(x, rng), y)
    regularizer.radius = False  # so that nobody computes sigma_t(x) for it
    return regularizer


def rpt(forward, distance, x, radius, y=None, rng=None, direction=None):
    """Random perturbation training: r uniform on the sphere of ``radius``.

    ``direction``, shape (B, d), replaces the draw from ``rng``; it is
    normalised here.
    """
    d = _unit_rows(x, rng, direction)
    return self_augmented_training(
        forward, distance, x,
        x + radius.astype(d.dtype, copy=False)[:, None] * d, y)


def vat(forward, distance, x, radius, y=None, rng=None, direction=None,
        xi=10., power_iterations=1):
    """Virtual adversarial training: r of Eq. 6 (Miyato et al. 2016).

    The direction in which ``distance`` grows fastest is found by power
    iteration from a random one.  A point whose gradient vanishes is not
    perturbed.

    Args:
        direction (array): Shape (B, d), replaces the draw from ``rng``.
        xi (float): Step of the finite difference, in the units of x.
        power_iterations (int): At least 0, which leaves the random direction.
    """
    y = _clean(forward, x, y)
    d = _unit_rows(x, rng, direction)
    for k in range(power_iterations):
        d = chainer.Variable(scale_rows(d) if k else d)
        moved = distance(y, forward(x + xi * d))
        # Only what leads to d is differentiated, no parameter.
        gradient, = chainer.grad([moved], [d])
        d = gradient.array
    return self_augmented_training(
        forward, distance, x,
        x + scale_rows(d, radius.astype(d.dtype, copy=False)), y)


def scale_rows(d, radius=None):
    """Rows of length ``radius``, shape (B,), or 1; rows of zeros stay.

    Gradients of 1e-30 are common at the start, so rows are scaled by their
    largest entry before they are squared.
    """
    if runtime.current.holds(d):
        return directions.scale_rows(d, radius)
    largest = numpy.abs(d).max(axis=1, keepdims=True)
    d = d / numpy.where(largest > 0, largest, 1)
    d /= numpy.sqrt(numpy.maximum(
        numpy.einsum('ij,ij->i', d, d)[:, None], d.dtype.type(1e-30)))
    if radius is not None:
        d *= radius[:, None]
    return d


def weight_decay(rate, network, weights_only=False):
    """The regulariser of RIM: rate / 2 times the squares of all parameters.

    Its gradient is that of ``chainer.optimizer_hooks.WeightDecay(rate)``.
    Scale and shift of batch normalizations have to be among them: whatever
    the scale of the weights beneath, it undoes it.

    Args:
        weights_only (bool): Leave biases, scales and shifts alone, as Gomes
            et al. (2010) do with the biases of linear RIM.
    """
    params = [param for param in network.params()
              if param.name == 'W' or not weights_only]

    def regularizer(forward, distance, x, radius=None, y=None, rng=None):
        # Each as one row: a pass over memory and no temporaries.
        return rate / 2 * sum(
            F.sum(F.batch_l2_norm_squared(F.reshape(param, (1, -1))))
            for param in params)
    return regularizer


def mean_of(first, second):
    """Eq. 18: half of one regulariser and half of the other."""
    def regularizer(forward, distance, x, radius, y=None, rng=None):
        y = _clean(forward, x, y)
        return .5 * first(forward, distance, x, radius, y=y, rng=rng) \
            + .5 * second(forward, distance, x, radius, y=y, rng=rng)
    return regularizer


def _vat_of(model, network):
    return functools.partial(
        vat, xi=model.xi, power_iterations=model.power_iterations)


# ``make(model, network)`` gives the function, from the arguments of an
# estimator and its network; ``radius`` and ``images`` say what it needs.
Entry = collections.namedtuple('Entry', ('make', 'radius', 'images'),
                               defaults=(False, False))

REGULARIZERS = {
    'vat': Entry(_vat_of, radius=True),
    'rpt': Entry(lambda model, network: rpt, radius=True),
    'weight-decay': Entry(
        lambda model, network: weight_decay(model.weight_decay, network)),
    'affine': Entry(lambda model, network: augmentation(model.distort()),
                    images=True),
    'vat-affine': Entry(
        lambda model, network: mean_of(_vat_of(model, network),
                                       augmentation(model.distort())),
        radius=True, images=True),
}


def _clean(forward, x, y):
    if y is None:
        with chainer.no_backprop_mode():
            y = forward(x)
    return y.array if isinstance(y, chainer.Variable) else y


def _unit_rows(x, rng, direction):
    if direction is not None:
        return scale_rows(direction)
    dtype = x.dtype if x.dtype == numpy.float64 else numpy.float32
    if runtime.current.holds(x):
        # On the GPU from the start, by a generator keyed by this one.
        return directions.random(x.shape, dtype, seed=rng.integers(2 ** 63))
    return scale_rows(rng.standard_normal(x.shape, dtype=dtype))
