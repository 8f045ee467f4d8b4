import math
import types

import chainer
import numpy
import pytest
import simt

import imsat
from imsat.losses.objectives import BoundedObjective
from imsat.training.extensions import (
    GrowingPenalty, LatePenalty, LogReport)

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
