"""Single steps, with a step of our own in the place of the original's."""
import chainer
import numpy
import pytest

import imsat
from imsat.functions.normalization import (
    BatchNormalizationReLU, batch_normalization_relu)
from imsat.links.original import array_of, names_of
from original import trajectory as steps
from original.comparison import Trace, first_parting
from original.replay import Replay, eps_in_variance
from original.source import BATCH_SIZE

TRACE = Trace('hash_step_warm', 'f')
SAMPLE, UNIT = 3, 2


class Signs(chainer.FunctionHook):
    """Records what every ReLU gets, by Chainer's batch normalization."""

    def __init__(self):
        self.inputs = []

    def forward_preprocess(self, function, in_data):
        if isinstance(function, BatchNormalizationReLU):
            x, gamma, beta = (a.astype('d') for a in in_data)
            self.inputs.append(
                chainer.functions.batch_normalization(x, gamma, beta).array)


def replay(weights):
    return Replay('hash', weights, TRACE['x'], TRACE['eps'], TRACE['d0'])


def step(weights):
    """What the original would have left, and the inputs of the ReLUs."""
    original = replay(weights)
    with Signs() as signs:
        state = {name: numpy.float32(loss)
                 for name, loss in original.step().items()}
    state.update({f'grad.{name}': gradient
                  for name, gradient in original.gradients().items()})
    for name in names_of(original.encoder):
        array = array_of(original.encoder, name).copy()
        if name.endswith('avg_var'):
            array += numpy.float32(eps_in_variance(BATCH_SIZE, 1))
        state[f'after.{name}'] = array
    r = original.vat.inputs[1] - TRACE['x'][0]
    state[steps.DIRECTION] = r / numpy.linalg.norm(r, axis=1, keepdims=True)
    state.update((name, numpy.packbits(z > 0))
                 for name, z in zip(steps.RELUS, signs.inputs))
    return state, signs.inputs


def compare(before, state):
    single = steps.SingleSteps(replay(TRACE('init')))
    found = list(single.compare('a step', 1, before, state))
    return {c.quantity: c for c in found}, single


def moved(weights, distance):
    """Weights that put one unit at one point so far above 0."""
    _, inputs = step(weights)
    beta = weights['bn1.beta'].copy()
    beta[UNIT] += distance - inputs[0][SAMPLE, UNIT]
    return {**weights, 'bn1.beta': beta}


def test_the_same_step():
    found, single = compare(TRACE('init'), step(TRACE('init'))[0])
    assert first_parting(found.values()) is None
    # terms, direction, relu, gradients, arrays
    assert len(found) == 6 + 2 + 10 + 14
    assert found['relu'].absolute == 0
    # Adam gets what it is given.
    assert found['after.l1.b'].absolute == 0


def test_a_unit_at_0():
    # The same numbers but for rounding, and another side of 0.
    before, theirs = (moved(TRACE('init'), distance)
                      for distance in (-2e-6, 2e-6))
    (free, inputs), (state, others) = step(before), step(theirs)
    assert (inputs[0] > 0).sum() + 1 == (others[0] > 0).sum()
    name = 'grad.bn1.beta'
    assert abs(free[name] - state[name]).max() > .01 * abs(state[name]).max()
    found, _ = compare(before, state)
    assert first_parting(c for name, c in found.items() if name[:4] in (
        'dire', 'relu', 'grad', 'loss')) is None
    assert 5e-7 < found['relu'].absolute < 1e-5


@pytest.mark.parametrize('shift,near', [(0, 1e-3), (1000, 1e-5)])
def test_follows_signs(shift, near):
    # By numbers of which float32 has rounded the last digits away, or that
    # are moved so far that mean and variance follow.
    x = numpy.random.default_rng(0).normal(shift, 1, (250, 99)).astype('f')
    gamma, beta = numpy.ones((2, 99), 'f')
    with Signs() as signs:
        batch_normalization_relu(x.copy(), gamma, beta)
    z, = signs.inputs
    is_open = (z > 0) ^ (abs(z) < near)
    with steps.FollowOriginal(None, [numpy.packbits(is_open)]) as hook:
        y = batch_normalization_relu(x.copy(), gamma, beta)
    assert ((y.array > 0) == is_open).all()
    assert hook.relu == abs(z)[abs(z) < near].max(initial=0)


def test_records_what_is_followed():
    # Three passes as of VAT, each a layer, a ReLU and two more layers.
    rng = numpy.random.default_rng(0)
    x, r = rng.normal(size=(2, 5, 4)).astype('f')
    w = rng.normal(size=(4, 4)).astype('f')
    with steps.RecordOriginal() as record:
        for batch in x, x + 10, x + 3 * r:
            h = chainer.functions.relu(chainer.functions.linear(batch, w))
            for _ in range(2):
                h = chainer.functions.linear(h, w)
    numpy.testing.assert_allclose(
        record.direction, r / numpy.linalg.norm(r, axis=1)[:, None], 1e-5)
    for signs, batch in zip(record.signs, (x, x + 10, x + 3 * r), strict=True):
        numpy.testing.assert_array_equal(
            numpy.unpackbits(signs, count=20).reshape(5, 4), batch @ w.T > 0)


def test_a_unit_far_from_0():
    state, inputs = step(TRACE('init'))
    bits = state[steps.RELUS[3]]
    bits[0] ^= 128
    found, _ = compare(TRACE('init'), state)
    assert not found['relu'].agrees
    numpy.testing.assert_allclose(found['relu'].absolute,
                                  abs(inputs[3][0, 0]), rtol=1e-4)


def test_takes_the_direction():
    state, _ = step(TRACE('init'))
    d = state[steps.DIRECTION]
    d[0] = d[1]
    found, single = compare(TRACE('init'), state)
    # One point may part, and is followed.
    assert found['direction'].agrees
    r = single.replay.vat.inputs[1] - TRACE['x'][0]
    radius = .25 * TRACE['eps'][0]
    numpy.testing.assert_allclose(r, radius[:, None] * d, atol=1e-6)

    state[steps.DIRECTION] = d[::-1]
    assert not compare(TRACE('init'), state)[0]['direction'].agrees


@pytest.mark.parametrize('name,factor', [
    ('loss_vat', 1.001), ('pairwise_mi', 1.01), ('grad.bn2.gamma', 1.001),
    ('grad.l3.b', 1.001), ('after.l2.W', 1.00001), ('after.l1.b', 1.00001),
    ('after.bn1.avg_mean', 1.0001)])
def test_parts(name, factor):
    state, _ = step(TRACE('init'))
    state[name] = state[name] * numpy.float32(factor)
    found, _ = compare(TRACE('init'), state)
    parted = {c.quantity for c in found.values() if not c.agrees}
    # Adam is given the gradient.
    after = {name.replace('grad', 'after')} & {*state}
    assert name in parted and parted <= {name} | after


def test_precision_is_that_of_differences():
    # q - p of probabilities that are nearly equal, in float32.
    rng = numpy.random.default_rng(0)
    errors = []
    for scale in 1e-1, 1e-2, 1e-3:
        p, q = (numpy.full((250, 10), .1) * (1 + scale * rng.normal(
            size=(250, 10))) for _ in range(2))
        divergence = (p * numpy.log(p / q) - p + q).sum(axis=1).mean()
        error = (q.astype('f') - p.astype('f')) - (q - p)
        errors.append((error ** 2).mean() ** .5 / ((q - p) ** 2).mean() ** .5)
        given = steps.precision({'loss_vat': divergence}) - 1e-4
        assert errors[-1] < given < 300 * errors[-1]
    assert errors[2] > 50 * errors[0]
    # Of 16 bits each has its part of the divergence.
    assert given == steps.precision({
        'loss_vat': 16 * divergence, 'pairwise_mi': 0,
        'after.l3.b': numpy.zeros(16)}) - 1e-4


def test_a_changed_original():
    single = steps.SingleSteps(replay(TRACE('init')))
    state, _ = step(TRACE('init'))
    dim = TRACE['x'].shape[2]
    state[steps.DIRECTION] = numpy.zeros((BATCH_SIZE, dim))
    single.check(state, 'script.py')
    for broken in ({**state, steps.DIRECTION: numpy.zeros((dim, 250))},
                   *({name: a for name, a in state.items() if name != lacking}
                     for lacking in ('relu.7', 'cond_ent'))):
        with pytest.raises(imsat.InputError, match='too differently'):
            single.check(broken, 'script.py')
