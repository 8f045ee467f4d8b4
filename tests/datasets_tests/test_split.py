import numpy
import pytest

from imsat import InputError
from imsat.datasets import split_queries


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
    ([0, 0, 1], 1, 'class 1 has a single point'), ([0, 0], 0, 'at least 1')])
def test_what_can_not_be_split(y, per_class, message):
    with pytest.raises(InputError, match=message):
        split_queries(y, per_class)
