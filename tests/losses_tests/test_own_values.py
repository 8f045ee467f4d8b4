"""Objectives and regularisers of one's own, as a user writes them."""
import collections
import functools
import warnings

import chainer
import numpy
import pytest

import imsat

pytestmark = pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')


def dropped(x, rng, rate=.1):
    return (x * (rng.random(x.shape) >= rate)).astype(x.dtype)


class Dropout(imsat.Regularizer):
    """As a user writes it."""

    def __call__(self, network, distance, x, radius=None, y=None, rng=None):
        return distance(y, network(dropped(x, rng), update_statistics=False))


def test_ones_own_is_learnt_as_the_library_s():
    # Whose clean logits are a constant, in a batch and of all data.
    x = numpy.random.RandomState(0).normal(size=(60, 4))
    options = dict(hidden=(8,), epochs=9, batch_size=20, random_state=0,
                   step='graph')
    own, ours = (imsat.IMSATClustering(3, regularizer=r, **options).fit(x)
                 for r in (Dropout(), imsat.Augmentation(dropped)))
    assert own.objective_ == ours.objective_
    assert own.restarts_[0].terms == ours.restarts_[0].terms
    numpy.testing.assert_array_equal(own.encoder_.l1.W.array,
                                     ours.encoder_.l1.W.array)


@pytest.mark.parametrize('other', [
    functools.partial(dropped, rate=.5), functools.partial(dropped, None),
    functools.partial(pow, rate=.1), dropped])
def test_resume_tells_partial_functions_apart(tmp_path, other):
    x = numpy.random.RandomState(0).normal(size=(60, 4))

    def fit(function, **more):
        return imsat.IMSATClustering(
            3, hidden=(8,), epochs=2, random_state=0, out=tmp_path,
            regularizer=imsat.Augmentation(function), **more).fit(x)
    first = fit(functools.partial(dropped, rate=.1))
    again = fit(functools.partial(dropped, rate=.1), resume=True)
    assert again.objective_ == first.objective_
    with pytest.raises(imsat.InputError, match='another regularizer'):
        fit(other, resume=True)


def test_an_objective_brings_mu_and_prior(tmp_path):
    x = numpy.random.RandomState(0).normal(size=(60, 3))
    options = dict(hidden=(5,), epochs=2, random_state=0)
    prior = [.2, .3, .5]
    objective = imsat.ClusteringObjective(mu=1, prior=prior)
    model = imsat.IMSATClustering(3, objective=objective, **options).fit(x)
    assert model.mu_ == 1 and model.prior_.tolist() == prior
    model.save(tmp_path / 'model.npz')
    loaded = imsat.IMSATClustering.load(tmp_path / 'model.npz')
    assert loaded.mu_ == 1 and loaded.prior_.tolist() == prior
    by_name = imsat.IMSATClustering(3, mu=1, prior=prior, **options).fit(x)
    assert by_name.objective_ == model.objective_
    # It is told of what would be another; not of the same.
    for given, told in (dict(mu=2, delta=.1), 'mu and delta would make'), (
            dict(lam=.5), 'lam would make an objective'):
        with pytest.warns(UserWarning, match=told):
            model.set_params(**given).fit(x)
        model.set_params(mu='auto', delta=None, lam=.1)
    with warnings.catch_warnings():
        warnings.filterwarnings('error', 'would make', UserWarning)
        model.set_params(mu=1., prior=numpy.array(prior)).fit(x)


@pytest.mark.parametrize('r', [.5, None, numpy.zeros(()),
                               chainer.Variable(numpy.zeros(3, 'f'))])
def test_r_that_is_no_number_to_differentiate(r):
    class Own(imsat.Regularizer):
        def __call__(self, *args, **kwargs):
            return r
    with pytest.raises(imsat.InputError, match='Own returns .*0-dimensional'):
        imsat.IMSATClustering(2, regularizer=Own(), hidden=()).fit(
            numpy.eye(9))


@pytest.mark.parametrize('kind,match', [
    (collections.namedtuple('T', 'loss b'), 'a term of Own is called loss,'),
    (collections.namedtuple('T', 'a seconds'), 'is called seconds,'),
    (lambda a, b: (a, b),
     'the information of Own is .*let it be a namedtuple')])
def test_terms_with_names_that_others_have(kind, match):
    class Own(imsat.Objective):
        distance = staticmethod(imsat.functions.softmax_kl)

        def information(self, y):
            return kind(*imsat.functions.softmax_entropy(y)[:2])

        def combine(self, information, penalty=None):
            return information[0] - information[1]
    with pytest.raises(imsat.InputError, match=match):
        imsat.IMSATClustering(2, objective=Own(), hidden=()).fit(numpy.eye(9))
