import chainer
import numpy
import pytest

from imsat import (
    ClusteringObjective, CodeObjective, HashingObjective, IMSATClustering,
    InputError)
from imsat.functions.entropy import Entropies
from imsat.losses import objectives
from imsat.losses.objectives import BoundedObjective

Y = chainer.Variable(numpy.random.RandomState(0).normal(0, 2, (50, 4)))
P = numpy.exp(Y.array) / numpy.exp(Y.array).sum(axis=1, keepdims=True)
CONDITIONAL = -(P * numpy.log(P)).sum() / 50
MEAN = P.mean(axis=0)
MARGINAL = -(MEAN * numpy.log(MEAN)).sum()
PRIOR = numpy.array([.4, .3, .2, .1])
KL = (MEAN * numpy.log(MEAN / PRIOR)).sum()


@pytest.mark.parametrize('arguments,expected', [
    (dict(), .1 * (CONDITIONAL - 4 * MARGINAL)),
    (dict(lam=.7, mu=1), .7 * (CONDITIONAL - MARGINAL)),
    (dict(prior=PRIOR), .1 * CONDITIONAL + .4 * KL),
    (dict(prior=PRIOR, delta=.01, mu=2), .1 * CONDITIONAL + .2 * KL),
    (dict(delta=.01), .1 * CONDITIONAL + .4 * (numpy.log(4) - MARGINAL)),
])
def test_by_hand(arguments, expected):
    loss, information = ClusteringObjective(**arguments)(Y)
    # The logarithms have 1e-8 inside, the expected values nothing.
    numpy.testing.assert_allclose(loss.array, expected, 1e-6)
    numpy.testing.assert_allclose(
        information.conditional_entropy.array, CONDITIONAL, 1e-6)


@pytest.mark.parametrize('zero', ['lam', 'mu'])
def test_a_penalty_that_can_not_grow(zero):
    with pytest.raises(InputError, match='lambda mu, which is 0'):
        ClusteringObjective(delta=.1, **{zero: 0})
    with pytest.raises(InputError, match='lambda mu, which is 0'):
        IMSATClustering(3, delta=.1, **{zero: 0}).fit(numpy.eye(9))


def test_fixed_weight_and_divergence_differ_by_a_constant():
    y = chainer.Variable(Y.array)
    gradients = []
    for arguments in (dict(), dict(prior=numpy.full(4, .25))):
        y.cleargrad()
        ClusteringObjective(**arguments)(y)[0].backward()
        gradients.append(y.grad)
    numpy.testing.assert_allclose(*gradients, rtol=1e-6, atol=1e-12)


def test_restarts_under_the_constraint():
    objective = ClusteringObjective(prior=PRIOR, delta=.05)

    def rank(sat, kl):
        return objective.rank(sat, Entropies(1., 1., kl))
    assert rank(.5, .01) < rank(.6, .01)
    assert rank(.9, .01) < rank(.1, .06) < rank(.1, .07)


@pytest.mark.parametrize('most,share', [
    (1.01 * MARGINAL, 1), (.99 * MARGINAL, .3)])
def test_less_use_of_entropy_beyond_what_is_enough(most, share):
    objective = BoundedObjective(.3, prior=PRIOR, most=most)
    entropy = MARGINAL if share == 1 else .7 * most + .3 * MARGINAL
    assert objective.combine(Entropies(CONDITIONAL, MARGINAL, KL)) \
        == pytest.approx(.3 * (CONDITIONAL - entropy), rel=1e-12)
    y = chainer.Variable(Y.array)
    loss, information = objective(y)
    assert type(information) is Entropies
    # The logarithms have 1e-8 inside.
    numpy.testing.assert_allclose(
        loss.array, .3 * (CONDITIONAL - entropy), 1e-6)
    loss.backward()
    other = chainer.Variable(y.array)
    ClusteringObjective(.3, mu=share)(other)[0].backward()
    numpy.testing.assert_allclose(y.grad, other.grad, 1e-12, 1e-16)


@pytest.mark.parametrize('prior', [
    [.5, .6], [.5, .5, 0], [-.5, 1.5], [[.5, .5]], [.5, numpy.nan], []])
def test_what_is_no_prior(prior):
    with pytest.raises(InputError, match='sum to 1'):
        ClusteringObjective(prior=prior)


@pytest.mark.parametrize('delta', [0, -1, numpy.nan])
def test_what_is_no_tolerance(delta):
    with pytest.raises(InputError, match='delta'):
        ClusteringObjective(delta=delta)


def test_hashing_by_hand():
    # A bit that is certain and even, and its copy, and one that knows nothing:
    # two bits of log 2, which they share, counted in both orders.
    y = numpy.array([[1e3, 1e3, 0.], [-1e3, -1e3, 0.]] * 5)
    loss, information = HashingObjective(lam=.7)(y)
    log_2 = numpy.log(2)
    numpy.testing.assert_allclose(
        [term.array for term in information],
        [log_2, 3 * log_2, 2 * log_2], 1e-6)
    # Eq. 14: each copy tells log 2 of the input, less what it shares twice.
    numpy.testing.assert_allclose(loss.array, .7 * 0 * log_2, atol=1e-6)


def test_codes_of_other_sizes_have_both_tasks_as_ends():
    y0, y1 = numpy.random.RandomState(1).normal(0, 2, (2, 9, 4))
    bits = HashingObjective(.3)
    clusters = ClusteringObjective(.3, mu=1)  # Eq. 7

    def pairs(y):
        return numpy.stack([y, 0 * y], axis=2).reshape(9, 8)
    codes = CodeObjective([2] * 4, .3)
    numpy.testing.assert_allclose(
        codes(pairs(y0))[0].array, bits(y0)[0].array, 1e-12)
    numpy.testing.assert_allclose(
        codes.distance(pairs(y0), pairs(y1)).array,
        bits.distance(y0, y1).array, 1e-12)
    codes = CodeObjective([4], .3)
    numpy.testing.assert_allclose(
        codes(y0)[0].array, clusters(y0)[0].array, 1e-12)
    numpy.testing.assert_allclose(
        codes.distance(y0, y1).array, clusters.distance(y0, y1).array, 1e-12)


@pytest.mark.parametrize('objective,n_outputs', [
    (CodeObjective((3, 2)), 6),
    (ClusteringObjective(prior=[.5, .5]), 3)])
def test_outputs_of_another_number(objective, n_outputs):
    objective.check(n_outputs - 1)
    with pytest.raises(InputError, match=f'{n_outputs} (outputs|clusters)'):
        objective.check(n_outputs)


@pytest.mark.parametrize('sizes', [(70000,), (40000, 40000)])
def test_values_whose_pairs_fit_nowhere(monkeypatch, sizes):
    monkeypatch.setattr(objectives, 'available_memory', lambda: 8e9)
    with pytest.raises(InputError, match='65,536 to one, and 14,142 in all'):
        CodeObjective(sizes).check(sum(sizes))
    CodeObjective((14000,)).check(14000)


@pytest.mark.parametrize('sizes', [(), (1, 2), (2., 3), 4, None])
def test_what_are_no_sizes(sizes):
    with pytest.raises(InputError, match='sizes'):
        CodeObjective(sizes)
