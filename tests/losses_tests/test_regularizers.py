import functools
import itertools

import chainer
import chainer.functions as F
import numpy
import pytest
from chainer.backends.cuda import to_cpu

import imsat
from imsat import rpt
from imsat.functions import softmax_kl
from imsat.losses.regularizers import (
    augmentation, scale_rows, self_augmented_training, weight_decay)
from imsat.training.iterators import draw_neighbors

RNG = numpy.random.RandomState(0)
W = RNG.normal(size=(4, 6))
X = RNG.normal(size=(5, 6))
RADIUS = numpy.linspace(.1, .5, 5)
DIRECTION = RNG.normal(size=X.shape)


def forward(x):
    return F.matmul(chainer.as_variable(x), W, transb=True)


def network(x, update_statistics):
    assert not update_statistics  # by what is perturbed
    return forward(x)


def vat(forward, distance, x, radius, **arguments):
    return imsat.vat(forward, distance, x, radius, **{
        'xi': 10., 'power_iterations': 1, **arguments})


def on(xp, *arrays):
    """A forward pass and arrays on a device."""
    w = xp.asarray(W)
    return (lambda x: F.matmul(chainer.as_variable(x), w, transb=True),
            *map(xp.asarray, arrays))


def softmax(y):
    e = numpy.exp(y - y.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def kl_by_hand(x, moved):
    p, q = softmax(x @ W.T), softmax(moved @ W.T)
    return (p * numpy.log((p + 1e-8) / (q + 1e-8))).sum() / len(p)


def test_vat_by_hand(xp):
    # The gradient of the divergence by central differences.
    d = DIRECTION / numpy.linalg.norm(DIRECTION, axis=1)[:, None]
    gradient = numpy.empty_like(d)
    for index in numpy.ndindex(*d.shape):
        step = numpy.zeros_like(d)
        step[index] = 1e-6
        gradient[index] = (kl_by_hand(X, X + .5 * (d + step))
                           - kl_by_hand(X, X + .5 * (d - step))) / 2e-6
    d = gradient / numpy.linalg.norm(gradient, axis=1)[:, None]
    expected = kl_by_hand(X, X + RADIUS[:, None] * d)
    forward, x, radius, direction = on(xp, X, RADIUS, DIRECTION)
    actual = vat(forward, softmax_kl, x, radius, direction=direction, xi=.5)
    numpy.testing.assert_allclose(to_cpu(actual.array), expected, 1e-6)


def test_vat_is_worse_than_chance():
    # What makes the direction adversarial.
    random = rpt(forward, softmax_kl, X, RADIUS, direction=DIRECTION)
    for iterations in (1, 3):
        adversarial = vat(forward, softmax_kl, X, RADIUS,
                          direction=DIRECTION, xi=.1,
                          power_iterations=iterations)
        assert adversarial.array > 1.5 * random.array


def test_rpt_by_hand():
    d = DIRECTION / numpy.linalg.norm(DIRECTION, axis=1)[:, None]
    actual = rpt(forward, softmax_kl, X, RADIUS, direction=DIRECTION)
    numpy.testing.assert_allclose(
        actual.array, kl_by_hand(X, X + RADIUS[:, None] * d), 1e-12)


def test_no_power_iteration_is_rpt():
    numpy.testing.assert_allclose(
        vat(forward, softmax_kl, X, RADIUS, direction=DIRECTION,
            power_iterations=0).array,
        rpt(forward, softmax_kl, X, RADIUS, direction=DIRECTION).array)


def test_augmentation_by_hand():
    def flip(x, rng):
        return x[:, ::-1] + rng.normal(size=x.shape)
    actual = augmentation(forward, softmax_kl, X, transform=flip,
                          rng=numpy.random.default_rng(3))
    moved = X[:, ::-1] + numpy.random.default_rng(3).normal(size=X.shape)
    numpy.testing.assert_allclose(actual.array, kl_by_hand(X, moved), 1e-12)


@pytest.mark.parametrize('dtype', ['f', 'd'])
def test_vat_of_a_zero_gradient(xp, dtype):
    # A network that ignores its input moves nothing, and gives no NaN.
    x, radius, w = map(xp.asarray, (
        X.astype(dtype), RADIUS.astype(dtype), numpy.zeros((6, 4), dtype)))
    loss = vat(lambda x: F.matmul(chainer.as_variable(x), w),
               softmax_kl, x, radius, rng=numpy.random.default_rng(0))
    assert loss.array == 0


def test_scale_rows(xp):
    d = numpy.array([[3, 4], [0, 0], [3e-30, 4e-30], [3e30, -4e30]], 'f')
    numpy.testing.assert_allclose(
        to_cpu(scale_rows(xp.asarray(d))),
        [[.6, .8], [0, 0], [.6, .8], [.6, -.8]], 1e-6)
    radius = xp.asarray(numpy.array([10, 1, 5, .5], 'f'))
    numpy.testing.assert_allclose(
        to_cpu(scale_rows(xp.asarray(d), radius)),
        [[6, 8], [0, 0], [3, 4], [.3, -.4]], 1e-6)


def test_known_logits_save_a_pass_and_stay_constant():
    calls = []

    def counting(x):
        calls.append(x)
        return forward(x)

    y = chainer.Variable(forward(X).array)
    given = self_augmented_training(counting, softmax_kl, X, X + 1, y)
    assert len(calls) == 1
    given.backward()
    assert y.grad is None
    computed = self_augmented_training(counting, softmax_kl, X, X + 1)
    assert len(calls) == 3
    assert given.array == computed.array


def test_vat_differentiates_no_parameter_on_the_way():
    weight = chainer.Parameter(W.copy())

    def forward(x):
        return F.matmul(chainer.as_variable(x), weight, transb=True)
    vat(forward, softmax_kl, X, RADIUS, direction=DIRECTION)
    assert weight.grad is None


def test_directions_repeat_with_the_generator(xp):
    forward, x, radius = on(xp, X, RADIUS)

    def loss(seed):
        return vat(forward, softmax_kl, x, radius,
                   rng=numpy.random.default_rng(seed)).array
    assert loss(1) == loss(1) != loss(2)


@pytest.mark.parametrize('weights_only', [False, True])
def test_weight_decay_is_chainers(weights_only):
    rate, network = .3, imsat.Encoder(6, 4, (5,))
    network.l2.b.array[...] = [1, -2, 3, .5]
    network.cleargrads()
    loss = weight_decay(network, rate, weights_only)
    squares = sum((layer.W.array ** 2).sum()
                  for layer in (network.l1, network.l2))
    if not weights_only:
        squares += 14.25 + 5  # the biases above and the five scales of 1
    numpy.testing.assert_allclose(loss.array, rate / 2 * squares, 1e-6)
    loss.backward()
    gradients = {name: param.grad for name, param in network.namedparams()}
    hook = chainer.optimizer_hooks.WeightDecay(rate)
    for name, param in network.namedparams():
        if weights_only and not name.endswith('W'):
            assert gradients[name] is None
            continue
        param.grad = numpy.zeros_like(param.array)
        param.update_rule = chainer.optimizers.SGD().create_update_rule()
        hook(param.update_rule, param)
        numpy.testing.assert_allclose(gradients[name], param.grad, 1e-6)


# What a value computes is what the function of the same name does.
@pytest.mark.parametrize('value,function', [
    (imsat.VAT(.5, 2), lambda rng: vat(
        forward, softmax_kl, X, RADIUS, rng=rng, xi=.5, power_iterations=2)),
    (imsat.RPT(), lambda rng: rpt(forward, softmax_kl, X, RADIUS, rng=rng)),
    (imsat.Augmentation(lambda x, rng: x + rng.normal(size=x.shape)),
     lambda rng: self_augmented_training(
         forward, softmax_kl, X, X + rng.normal(size=X.shape)))])
def test_values(value, function):
    loss = value(network, softmax_kl, X, RADIUS,
                 rng=numpy.random.default_rng(0))
    expected = function(numpy.random.default_rng(0))
    assert loss.array == expected.array > 0
    assert value.needs_radius == (not isinstance(value, imsat.Augmentation))
    assert not value.needs_images


def test_weight_decay_as_a_value():
    network = imsat.Encoder(6, 4, (5,))
    value = imsat.WeightDecay(.3)
    assert not value.needs_radius
    assert value(network, softmax_kl, X).array \
        == weight_decay(network, .3).array > 0


class Constant(imsat.Regularizer):

    def __init__(self, value):
        self.value = numpy.array(value)

    def __call__(self, network, distance, x, radius, y, rng):
        return chainer.Variable(self.value)


def test_half_and_half():
    both = imsat.Mean(Constant(3.), Constant(5.))
    assert both(network, softmax_kl, X, RADIUS).array == 4
    assert not both.needs_radius and not both.needs_images
    assert imsat.Mean(Constant(1.), imsat.VAT()).needs_radius
    assert imsat.Mean(imsat.Affine((2, 3)), Constant(1.)).needs_images


def test_vat_and_affine():
    # Eq. 18 from its parts, with the same random numbers.
    model = imsat.IMSATClustering(
        4, regularizer='vat-affine', image_shape=(2, 3), xi=.5,
        distortion=dict(probability=1))
    both = model.make_regularizer()
    assert both == imsat.Mean(
        imsat.VAT(.5), imsat.Affine((2, 3), dict(probability=1)))
    loss = both(network, softmax_kl, X, RADIUS,
                rng=numpy.random.default_rng(0))
    rng = numpy.random.default_rng(0)
    first = vat(forward, softmax_kl, X, RADIUS, rng=rng, xi=.5)
    moved = imsat.AffineDistortion((2, 3), probability=1)(X, rng)
    second = kl_by_hand(X, moved)
    assert second > .01
    numpy.testing.assert_allclose(loss.array, (first.array + second) / 2,
                                  1e-9)


@pytest.mark.parametrize('make,message', [
    (lambda: imsat.VAT(xi=-1), 'xi is -1; give a finite number from 0'),
    (lambda: imsat.VAT(power_iterations=1.5),
     'power_iterations is 1.5; give a whole number from 0'),
    (lambda: imsat.WeightDecay(True), 'weight_decay is True; give a finite'),
    (lambda: imsat.Affine((2,)), r'image_shape is \(2,\); give the'),
    (lambda: imsat.Affine((2, 3), dict(tilt=1)), 'give a dict of arguments'),
    (lambda: imsat.Affine((2, 3)).check(7), 'no images of shape')])
def test_what_is_no_value(make, message):
    with pytest.raises(imsat.InputError, match=message):
        make()


def test_neighbours_by_hand():
    # One of the two nearest of each of a batch; of all, in a matrix of its
    # own, three are known.
    indices = numpy.array([[1, 2, 3], [0, 2, 4], [4, 3, 0], [2, 4, 1],
                           [3, 2, 0]])
    index = numpy.array([3, 0, 4])
    near = functools.partial(draw_neighbors, X, indices,
                             chainer.get_device('@numpy'), index)

    def values(regularizer, seeds=range(40)):
        return {round(float(regularizer(
            network, softmax_kl, X[index], RADIUS[index],
            rng=numpy.random.default_rng(seed), near=near).array), 9)
            for seed in seeds}
    expected = {round(kl_by_hand(X[index], X[list(chosen)]), 9)
                for chosen in itertools.product([2, 4], [1, 2], [3, 2])}
    assert len(expected) == 8
    assert values(imsat.Neighbor(2)) == expected
    assert len(values(imsat.Neighbor(2), [7, 7, 7])) == 1  # of one seed


def test_gradient_of_neighbours():
    # Only the neighbour's prediction is moved; the clean one is a constant.
    w = chainer.Parameter(W.copy())
    moved = X[::-1].copy()

    def of(x, update_statistics):
        return F.matmul(chainer.as_variable(x), w, transb=True)
    imsat.Neighbor(1)(of, functools.partial(softmax_kl, eps=0), X,
                      near=lambda rng, k: moved).backward()
    p, q = softmax(X @ W.T), softmax(moved @ W.T)
    numpy.testing.assert_allclose(w.grad, (q - p).T @ moved / len(X),
                                  atol=1e-7)


def test_half_of_neighbours():
    near = functools.partial(
        draw_neighbors, X, numpy.roll(numpy.arange(5), 1)[:, None],
        chainer.get_device('@numpy'), numpy.arange(5))

    def of(regularizer, **near):
        return float(regularizer(network, softmax_kl, X, RADIUS,
                                 rng=numpy.random.default_rng(0),
                                 **near).array)
    half = imsat.Mean(imsat.RPT(), imsat.Neighbor(1))
    assert of(half, near=near) == pytest.approx(
        (of(imsat.RPT()) + kl_by_hand(X, numpy.roll(X, 1, axis=0))) / 2,
        rel=1e-6)
    with pytest.raises(imsat.InputError, match='near'):
        of(half)
    with pytest.raises(imsat.InputError, match='Mean takes neighbours of'):
        imsat.IMSATLoss(imsat.ClusteringObjective(), half, RADIUS)
