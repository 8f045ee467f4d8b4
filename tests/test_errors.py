"""Errors as they come from another process, or are copied."""
import copy
import pickle

import pytest

from imsat import errors

# All of them, made as the library makes them.
MADE = {
    'InputError': ['2 labels for 3 points; give one label for each point'],
    'ArgumentError': ['epochs', 'is 0; give a whole number', '--epochs'],
    'InputTypeError': ['X is no number'],
    'DivergenceError': ['the objective is nan; take a smaller rate'],
    'CollapseWarning': ['2 of 3 clusters are empty']}


def test_all_are_tried():
    assert MADE.keys() == {
        name for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)}


@pytest.mark.parametrize('name', MADE)
@pytest.mark.parametrize('copied', [
    copy.copy, copy.deepcopy,
    lambda error: pickle.loads(pickle.dumps(error))])
def test_a_copy_says_the_same(name, copied):
    error = getattr(errors, name)(*MADE[name])
    error.add_note('in restart 2')
    other = copied(error)
    assert other is not error and type(other) is type(error)
    assert str(other) == str(error) == ' '.join(MADE[name][:2])
    assert (other.args, vars(other)) == (error.args, vars(error))
