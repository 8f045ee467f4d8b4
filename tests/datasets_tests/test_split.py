import math

import numpy
import pytest
import scipy.sparse

from imsat import InputError
from imsat.datasets import split_queries
from imsat.errors import ArgumentError


@pytest.mark.parametrize('seed', [0, 1])
def test_golden(golden, seed):
    trace = golden('split')
    query, gallery = split_queries(trace['labels'], 100, seed)
    numpy.testing.assert_array_equal(query, trace[f'seed{seed}.ind_query'])
    numpy.testing.assert_array_equal(gallery, trace[f'seed{seed}.ind_gallery'])


def test_small_classes_leave_half():
    y = numpy.repeat(['a', 'b', 'c'], [2, 7, 50])
    query, gallery = split_queries(y, 10, seed=3)
    assert sorted([*query, *gallery]) == list(range(59))
    labels, counts = numpy.unique(y[query], return_counts=True)
    assert counts.tolist() == [1, 3, 10]


@pytest.mark.parametrize('y,per_class,message', [
    ([0, 0, 1], 1, 'class 1 has a single point'), ([0, 0], 0, 'at least 1'),
    ([0, 0], '5', 'per_class .* at least 1'), ([0, 0], 1.5, 'per_class'),
    ([0, 0, None, 'a'], 1, 'a label .* is missing'),
    ([0., 0, math.nan, math.nan], 1, 'a label .* is missing'),
    ([[0, 0], [1, 1]], 1, 'one label for each')])
def test_what_can_not_be_split(y, per_class, message):
    with pytest.raises(InputError, match=message):
        split_queries(y, per_class)


@pytest.mark.parametrize('seed', [-1, 2 ** 32, 'a', .5, None])
def test_what_is_no_seed(seed):
    with pytest.raises(ArgumentError, match='^seed is') as info:
        split_queries([0, 0], 1, seed)
    assert info.value.option == '--seed'


def test_points_with_several_labels():
    rng = numpy.random.default_rng(0)
    y = (rng.random((200, 5)) < .2).astype(int)
    y[:, 4] = 0
    y[7, 4] = 1  # a label that only one point has
    query, gallery = split_queries(y, per_class=10, seed=3)
    assert sorted([*query, *gallery]) == list(range(200))
    # 50 but for those without labels or company.
    assert 45 <= len(query) <= 50
    for i in query:
        assert any((y[i] & y[j]).any() for j in gallery)
    again, _ = split_queries(scipy.sparse.csr_matrix(y), per_class=10, seed=3)
    assert query.tolist() == again.tolist()
    assert set(split_queries(y, 10, seed=4)[0]) != set(query)


def test_points_of_which_no_two_share_a_label():
    with pytest.raises(InputError, match='no two points share a label'):
        split_queries(numpy.eye(6, dtype=int), 1)
    with pytest.raises(InputError, match='a row of 0 and 1'):
        split_queries(numpy.arange(6).reshape(3, 2), 1)
