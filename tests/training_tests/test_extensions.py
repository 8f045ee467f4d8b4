import math
import types

import chainer
import numpy
import pytest
import simt

import imsat
from imsat.losses.objectives import BoundedObjective
from imsat.training.extensions import (
    GrowingPenalty, LatePenalty, LogReport, refill)

PENALTY = .4


def observe(extension, kl):
    """What the extension reports after an epoch of that divergence."""
    report = {}
    reporter = chainer.Reporter()
    with reporter, reporter.scope(report):
        extension(types.SimpleNamespace(
            observation={'all/kl_to_prior': kl}))
    return report


@pytest.fixture
def loss():
    return imsat.IMSATLoss(imsat.ClusteringObjective(lam=PENALTY, mu=1),
                           imsat.VAT(), numpy.ones(1))


def test_the_penalty_grows_until_the_constraint_holds(loss):
    extension = GrowingPenalty(loss, delta=.05, growth=2.)
    weights = []
    # first look; shrinks; stays; grows; shrinks a little; met; grows, met
    for kl in (.4, .3, .3, .35, .34, .01, .05):
        weights.append(loss.penalty)
        assert observe(extension, kl) == {'all/penalty': weights[-1]}
    assert weights == [.4, .4, .4, .8, 1.6, 3.2, 3.2]
    assert loss.penalty == 3.2


def test_the_penalty_stops_growing(loss):
    extension = GrowingPenalty(loss, delta=1e-12, growth=2.)
    for _ in range(150):
        observe(extension, .001)
    assert loss.penalty == PENALTY * 2 ** 20


def test_clusters_may_be_as_uneven_as_their_prior():
    prior = [.9, .1]
    loss = imsat.IMSATLoss(imsat.ClusteringObjective(.2, prior=prior),
                           imsat.VAT(), numpy.ones(3, 'f'))
    objective, penalty = loss.objective, loss.penalty
    extension = LatePenalty(loss, numpy.zeros((3, 2)), epochs=4)
    assert loss.penalty == 0
    least = -.9 * math.log(.9) - .1 * math.log(.1)
    for epoch, share in enumerate((1, .75, .5, .25)):
        extension.initialize(at(epoch))
        assert (type(loss.objective), loss.objective.lam) == (
            BoundedObjective, .2)
        assert loss.objective.most == pytest.approx(
            share * math.log(2) + (1 - share) * least, rel=1e-12)
        numpy.testing.assert_allclose(loss.radius, 8 ** share, 1e-6)
    # A run that is resumed then has the penalty from its snapshot.
    extension.initialize(at(4))
    assert loss.objective is objective
    assert loss.radius.tolist() == [1, 1, 1]
    loss.penalty = penalty


def with_lost_output(bias):
    """A network of three outputs, the last of them for no point."""
    network = imsat.Encoder(2, 3, hidden=())
    optimizer = chainer.optimizers.Adam().setup(network)
    network.cleargrads()
    chainer.functions.sum(network(numpy.ones((1, 2), 'f'))).backward()
    optimizer.update()
    network.l1.W.array[...] = [[9, 0], [-9, 0], [0, 0]]
    network.l1.b.array[...] = 0, 0, bias
    for parameter in network.l1.params():
        for i, array in enumerate(parameter.update_rule.state.values()):
            array[...] = numpy.arange(array.size).reshape(array.shape) + i
    return network


X = numpy.repeat([[1., 0.], [-1., 0.]], [60, 40], axis=0).astype('f')


def test_a_lost_output_becomes_a_copy_of_one_that_may_be_two():
    chosen = []
    for seed in range(40):
        network = with_lost_output(bias=-9.)
        before = network.copy('copy')
        states = [{name: array.copy() for name, array
                   in parameter.update_rule.state.items()}
                  for parameter in network.params()]
        refill(network, X, [.2, .5, .3], numpy.random.default_rng(seed))
        W, old = network.l1.W.array, before.l1.W.array
        numpy.testing.assert_array_equal(W[:2], old[:2])
        assert (W[2] != old[2]).all()
        j = abs(old[:2] - W[2]).sum(axis=1).argmin()
        numpy.testing.assert_allclose(W[2], old[j], atol=.5)
        assert network.l1.b.array.tolist() == [0, 0, 0]
        for parameter, state in zip(network.params(), states):
            for name, array in parameter.update_rule.state.items():
                expected = state[name][[0, 1, j]]
                numpy.testing.assert_array_equal(array, expected)
        chosen.append(j)
    # .6 - .5 and .4 - .3 are as much too much.
    assert 8 < sum(chosen) < 32


def test_the_larger_part_of_copies_is_of_what_is_too_large():
    chosen = [0, 0]
    for seed in range(100):
        network = with_lost_output(bias=-9.)
        refill(network, X, [.05, .6, .35], numpy.random.default_rng(seed))
        chosen[int(network.l1.W.array[2, 0] < 0)] += 1
    # .4 is more than .35: three chances of four.
    assert 60 < chosen[1] < 90


def test_no_output_is_changed_that_has_points():
    network = with_lost_output(bias=9.)
    before = network.copy('copy')
    refill(network, X, [.2, .5, .3], numpy.random.default_rng(0))
    for ours, old in zip(network.params(), before.params()):
        numpy.testing.assert_array_equal(ours.array, old.array)


def at(epoch):
    return types.SimpleNamespace(
        updater=types.SimpleNamespace(epoch=epoch))


def test_serialized(loss):
    extension = GrowingPenalty(loss, .05, 2.)
    for kl in (.4, .39):  # a first look, and one that has hardly shrunk
        observe(extension, kl)
    saved = chainer.serializers.DictionarySerializer()
    extension.serialize(saved)
    assert saved.target == {'penalty': .8, 'last_kl': .39}

    loss.penalty = PENALTY
    extension = GrowingPenalty(loss, .05, 2.)
    extension.serialize(chainer.serializers.NpzDeserializer(
        {'penalty': numpy.array(3.2), 'last_kl': numpy.array(.2)}))
    # .19 is more than .9 times .2.
    assert observe(extension, .19) == {'all/penalty': 3.2}
    assert loss.penalty == 6.4


def test_the_log_adds_up_on_a_device_what_chainer_would(emulator):
    rng = numpy.random.RandomState(0)
    ours, chainers = (kind(log_name=None) for kind in (
        LogReport, chainer.training.extensions.LogReport))
    for step in range(10):
        loss = numpy.float32(rng.normal())
        for log, there in (ours, simt.asarray), (chainers, numpy.asarray):
            trainer = types.SimpleNamespace(
                observation={'loss': chainer.Variable(there(loss)),
                             'sat': there(loss / 3), 'kl': 2. * step,
                             'logits': there(rng.normal(size=2))},
                is_before_training=False, elapsed_time=1.,
                updater=types.SimpleNamespace(
                    epoch=step // 4, iteration=step, epoch_detail=step / 4))
            log(trainer)
        if step == 2:  # as a snapshot does in the midst of an epoch
            state = chainer.serializers.npz.serialize(ours)
            ours = LogReport(log_name=None)
            chainer.serializers.NpzDeserializer(state).load(ours)
    assert ours.log == chainers.log and len(ours.log) > 1
    assert set(ours.log[0]) > {'loss', 'sat', 'kl'}
    assert 'logits' not in ours.log[0]
