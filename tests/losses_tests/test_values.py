"""What is recorded of values that JSON has no form for."""
import array
import collections
import json
import types

import numpy
import pandas
import pytest
from sklearn.datasets import make_blobs

import imsat
from imsat import IMSATClustering, InputError
from imsat.losses.values import described, to_json

X, Y = make_blobs(300, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)
SMALL = dict(hidden=(30,), epochs=4, batch_size=50, random_state=1)
PRIOR = [.5, .25, .25]

pytestmark = pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')


@pytest.mark.parametrize('make', [
    tuple, numpy.array, pandas.Series, pandas.Index, pandas.array,
    collections.deque, collections.UserList,
    lambda numbers: array.array('d', numbers),
    lambda numbers: memoryview(numpy.array(numbers)),
    lambda numbers: numpy.array(numbers, numpy.longdouble),
    lambda numbers: numpy.array(numbers, numpy.float32),
    lambda numbers: pandas.Series(numbers, index=[2, 0, 1], dtype='Float64'),
    lambda numbers: list(map(numpy.longdouble, numbers))])
def test_numbers_of_any_kind(make):
    numbers = make(PRIOR)
    for default in to_json, described:
        assert json.loads(json.dumps(numbers, default=default)) == PRIOR
        objective = imsat.ClusteringObjective(prior=numbers)
        assert json.loads(json.dumps(objective, default=default))[
            'prior'] == PRIOR


def test_ranges_of_any_mapping():
    affine = imsat.Affine((1, 2), types.MappingProxyType(dict(rotation=5)))
    assert json.loads(json.dumps(affine, default=described)) == dict(
        value='Affine', image_shape=[1, 2], distortion=dict(rotation=5))


def test_one_of_its_own_is_none_of_these():
    with pytest.raises(InputError, match='of your own'):
        to_json(imsat.Augmentation(len).transform)
    assert described(len) == dict(value='len')


def test_shares_as_pandas_counts_them(tmp_path):
    # The most frequent first, which is no order of names.
    shares = pandas.Series(list('bacaabac')).value_counts(normalize=True)
    assert shares.index.tolist() == ['a', 'b', 'c']
    shares = shares[['c', 'a', 'b']]
    folder = tmp_path / 'run'
    by_list, by_series = (
        IMSATClustering(3, prior=prior, out=out, **SMALL).fit(X)
        for prior, out in (([.25, .5, .25], None), (shares, folder)))
    numpy.testing.assert_array_equal(by_series.transform(X),
                                     by_list.transform(X))
    by_series.save(tmp_path / 'model.npz')
    assert IMSATClustering.load(tmp_path / 'model.npz').prior == [
        .25, .5, .25]
    options = dict(SMALL, epochs=5, resume=True, out=folder)
    with pytest.raises(InputError, match='prior'):
        IMSATClustering(3, prior=shares[['a', 'b', 'c']], **options).fit(X)
    # The same numbers are the same, of whatever kind.
    again = IMSATClustering(3, prior=[.25, .5, .25], **options).fit(X)
    assert again.n_iter_ == 5


@pytest.mark.parametrize('prior,message', [
    (numpy.ma.array(PRIOR, mask=[0, 0, 1]), 'these are masked in part'),
    ((numpy.ctypeslib.ctypes.c_double * 3)(*PRIOR), 'these are no numbers'),
    (set(PRIOR), 'these are no numbers'), (dict.fromkeys(PRIOR, 1), 'no num'),
    (iter(PRIOR), 'these are no numbers'), ('abc', 'these are no numbers')])
def test_what_can_not_be_recorded_is_refused(prior, message):
    with pytest.raises(InputError, match=message):
        IMSATClustering(3, prior=prior, **SMALL).fit(X)
