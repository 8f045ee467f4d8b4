"""What Ctrl-C leaves of a training, and of what is said of it afterwards."""
import numpy
import pytest
from sklearn.datasets import make_blobs

import imsat
from imsat import CollapseWarning, IMSATClustering
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
