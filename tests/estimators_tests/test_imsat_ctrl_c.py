"""What Ctrl-C leaves of a training, and of what is said of it afterwards."""
import numpy
import pytest
from sklearn.datasets import make_blobs

import imsat
from imsat import CollapseWarning, IMSATClustering
from imsat.estimators import imsat as module
from imsat.training.evaluation import regularization_of

X, Y = make_blobs(300, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)
X = X.astype(numpy.float32)
# Six steps an epoch, and a number for xi: the unit is that of the data.
SMALL = dict(hidden=(30,), epochs=8, batch_size=50, random_state=1, xi=1.,
             center='never')
PRIOR = [.5, .3, .2]

pytestmark = pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')


class Interrupted(imsat.RPT):
    """Ctrl-C comes in the calls of these numbers, in steps and in R of all
    data alike."""

    def __init__(self, *calls):
        super().__init__()
        object.__setattr__(self, 'calls', calls)
        object.__setattr__(self, 'count', iter(range(10 ** 9)))

    def __call__(self, *args, **kwargs):
        if next(self.count) in self.calls:
            raise KeyboardInterrupt
        return super().__call__(*args, **kwargs)


def objective_by_hand(terms, lam=.1, mu=4.):
    """Eq. 1 with the penalty of Eq. 10."""
    return terms['sat'] + lam * terms['conditional_entropy'] \
        + lam * mu * terms['kl_to_prior']


@pytest.mark.parametrize('call,epochs', [(13, 2), (21, 3), (27, 4)])
@pytest.mark.parametrize('delta', [None, .01])
def test_before_an_uneven_prior_has_come_in(call, epochs, delta):
    """After four of eight epochs it comes."""
    model = IMSATClustering(
        3, regularizer=Interrupted(call), prior=PRIOR, delta=delta, **SMALL)
    with pytest.warns(CollapseWarning, match=f'after {epochs} of 8'):
        model.fit(X)
    terms = model.restarts_[0].terms
    p = model.predict_proba(X).mean(axis=0)
    assert terms['kl_to_prior'] == pytest.approx(
        (p * numpy.log(p / PRIOR)).sum(), rel=1e-4)
    assert model.objective_ == pytest.approx(objective_by_hand(terms))
    loss = imsat.IMSATLoss(imsat.ClusteringObjective(), imsat.RPT(),
                           model.radius(X))
    assert terms['sat'] == pytest.approx(
        regularization_of(loss, model.encoder_, X, 50), rel=1e-4)


def test_one_without_its_prior_does_not_win():
    # Of a restart 48 steps and 6 batches of R: the second stops in its third
    # epoch, when it is not told of the prior yet.
    model = IMSATClustering(
        3, regularizer=Interrupted(54 + 13), prior=PRIOR, n_init=2,
        select='objective', **{**SMALL, 'learning_rate': .02})
    with pytest.warns(CollapseWarning, match='2 of 8 epochs of restart 2'):
        model.fit(X)
    first, second = model.restarts_
    assert second.objective == pytest.approx(objective_by_hand(second.terms))
    assert second.objective > first.objective == model.objective_


@pytest.mark.parametrize('calls,epochs', [
    ((48,), 8), ((51,), 8), ((30, 33), 5), ((13, 14), 2)])
def test_r_of_all_data_is_not_waited_for(calls, epochs):
    """A first Ctrl-C after all steps, or a second after some."""
    model = IMSATClustering(3, regularizer=Interrupted(*calls), **SMALL)
    with pytest.warns(CollapseWarning, match=f'after {epochs} of 8 epochs of '
                                             f'restart 1 of 1'):
        model.fit(X)
    whole = IMSATClustering(3, regularizer=imsat.RPT(), step='graph',
                            **{**SMALL, 'epochs': epochs}).fit(X)
    restart, = model.restarts_
    assert restart.terms['sat'] == whole.restarts_[0].log[-1]['main/sat']
    assert model.objective_ == pytest.approx(
        restart.terms['sat'] + .1 * restart.terms['conditional_entropy']
        - .4 * restart.terms['marginal_entropy'])
    numpy.testing.assert_array_equal(model.labels_, model.predict(X))


@pytest.mark.parametrize('options,epochs', [
    ({}, 20), (dict(halving=True, n_init=4, prior=PRIOR), 6)])
@pytest.mark.parametrize('name', ['predict_logits', 'information_of'])
def test_answers_are_asked_again(name, options, epochs, monkeypatch):
    """Also after a first round, which ends before the prior comes in."""
    def interrupted(*args):
        if next(calls) == 0:
            raise KeyboardInterrupt
        return measure(*args)
    measure = getattr(module, name)
    # The last epoch of all asks it for the log.
    calls = iter(range(-1 if epochs == 20 and name == 'information_of' else 0,
                       100))
    monkeypatch.setattr(module, name, interrupted)
    model = IMSATClustering(3, regularizer='rpt', evaluations=1,
                            **{**SMALL, 'epochs': 20}, **options)
    with pytest.warns(CollapseWarning, match=f'after {epochs} of 20 epochs'):
        model.fit(X)
    assert next(calls) > 0
    restart, = model.restarts_
    terms = restart.terms
    by_hand = objective_by_hand(terms) if options else (
        terms['sat'] + .1 * terms['conditional_entropy']
        - .4 * terms['marginal_entropy'])
    assert model.objective_ == pytest.approx(by_hand)
    numpy.testing.assert_array_equal(model.labels_, model.predict(X))


def test_a_restart_without_an_epoch_is_none():
    # In the first epoch of the second, and while that is looked at.
    model = IMSATClustering(3, regularizer=Interrupted(54 + 3, 54 + 5),
                            n_init=4, **SMALL)
    with pytest.warns(CollapseWarning, match='after 1 of 4 restarts'):
        model.fit(X)
    assert len(model.restarts_) == 1
    numpy.testing.assert_array_equal(model.labels_, model.predict(X))
    model = IMSATClustering(3, regularizer=Interrupted(3, 5), **SMALL)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert not hasattr(model, 'objective_')


def test_snapshots_are_gone_on_from_instead(tmp_path):
    model = IMSATClustering(3, regularizer=Interrupted(50), out=tmp_path,
                            **SMALL)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert not hasattr(model, 'objective_')
