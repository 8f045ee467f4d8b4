import chainer
import numpy
import pytest

from imsat import ClusteringObjective, InputError

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


def test_fixed_weight_and_divergence_differ_by_a_constant():
    y = chainer.Variable(Y.array)
    gradients = []
    for arguments in (dict(), dict(prior=numpy.full(4, .25))):
        y.cleargrad()
        ClusteringObjective(**arguments)(y)[0].backward()
        gradients.append(y.grad)
    numpy.testing.assert_allclose(*gradients, rtol=1e-6, atol=1e-12)


def test_the_penalty_grows_until_the_constraint_holds():
    objective = ClusteringObjective(prior=PRIOR, delta=.05)
    weights = []
    # first look; shrinks; stays; grows; shrinks a little; met; grows, met
    for kl in (.4, .3, .3, .35, .34, .01, .05):
        weights.append(objective.penalty)
        objective.tighten(kl)
    assert weights == [.4, .4, .4, .8, 1.6, 3.2, 3.2]
    assert objective.penalty == 3.2
    fixed = ClusteringObjective(prior=PRIOR)
    fixed.tighten(9)
    assert fixed.penalty == .4


def test_restarts_under_the_constraint():
    objective = ClusteringObjective(prior=PRIOR, delta=.05)

    def rank(sat, kl):
        return objective.rank(sat, type(information)(1., 1., kl))
    _, information = objective(Y)
    assert rank(.5, .01) < rank(.6, .01)
    assert rank(.9, .01) < rank(.1, .06) < rank(.1, .07)


@pytest.mark.parametrize('prior', [
    [.5, .6], [.5, .5, 0], [-.5, 1.5], [[.5, .5]], [.5, numpy.nan], []])
def test_what_is_no_prior(prior):
    with pytest.raises(InputError, match='sum to 1'):
        ClusteringObjective(prior=prior)


@pytest.mark.parametrize('delta', [0, -1, numpy.nan])
def test_what_is_no_tolerance(delta):
    with pytest.raises(InputError, match='delta'):
        ClusteringObjective(delta=delta)
