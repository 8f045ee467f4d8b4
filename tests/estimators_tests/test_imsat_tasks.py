"""Objectives of another task, and what both tasks take."""
import dataclasses

import numpy
import pytest
from sklearn.datasets import make_blobs

import imsat
from imsat import (
    ClusteringObjective, CodeObjective, HashingObjective, IMSATClustering,
    IMSATHasher, InputError)
from imsat.losses.objectives import BoundedObjective

X, Y = make_blobs(300, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)
SMALL = dict(hidden=(30,), epochs=4, batch_size=50, random_state=1)

pytestmark = pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')


@dataclasses.dataclass(frozen=True)
class Own(imsat.Objective):
    """Confident predictions alone."""
    distance = staticmethod(imsat.functions.softmax_kl)
    information = staticmethod(imsat.functions.softmax_entropy)

    def combine(self, information, penalty=None):
        return information.conditional_entropy


class OfBits(HashingObjective):
    """One of a user's own, from a library's."""


@pytest.mark.parametrize('cls,objective,theirs,ours', [
    (IMSATClustering, CodeObjective((3, 3)), 'hashing', 'clustering'),
    # Of other sizes too: these are not what is wrong.
    (IMSATClustering, CodeObjective((2, 3)), 'hashing', 'clustering'),
    (IMSATClustering, HashingObjective(), 'hashing', 'clustering'),
    (IMSATClustering, OfBits(), 'hashing', 'clustering'),
    (IMSATHasher, ClusteringObjective(), 'clustering', 'hashing'),
    (IMSATHasher, ClusteringObjective(prior=[.5, .5]), 'clustering',
     'hashing'),
    (IMSATHasher, BoundedObjective(), 'clustering', 'hashing')])
def test_of_another_task(cls, objective, theirs, ours):
    message = f'objective is .* whose task is {theirs}; give one for {ours}'
    with pytest.raises(imsat.errors.ArgumentError, match=message):
        cls(6, objective=objective, **SMALL).fit(X)
    with pytest.raises(InputError, match=message):
        cls(6, objective=objective, **SMALL).partial_fit(X)
    model = cls(6, **SMALL).partial_fit(X)
    before = model.transform(X)
    with pytest.raises(InputError, match=message):
        model.set_params(objective=objective).partial_fit(X)
    numpy.testing.assert_array_equal(
        model.set_params(objective=None).transform(X), before)


@pytest.mark.parametrize('cls', [IMSATClustering, IMSATHasher])
def test_of_ones_own_or_of_both(cls):
    one_output = CodeObjective((3,))
    for objective in one_output, Own():
        model = cls(3, objective=objective, **SMALL).fit(X)
        assert numpy.isfinite(model.objective_)
    assert numpy.isfinite(cls(3, objective=one_output, **SMALL).fit(
        X).score(X))


def test_one_output_is_clustering_by_eq_7():
    model = IMSATClustering(3, objective=CodeObjective((3,)), **SMALL).fit(X)
    by_name = IMSATClustering(3, mu=1, **SMALL).fit(X)
    numpy.testing.assert_allclose(model.objective_, by_name.objective_, 1e-3)
    assert (model.labels_ == by_name.labels_).mean() > .99
