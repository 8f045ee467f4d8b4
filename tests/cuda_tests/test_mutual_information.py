"""Sizes and layouts; tests/functions_tests has the values."""
import chainer
import numpy
import pytest
from chainer.backends.cuda import to_cpu

from imsat import functions
from imsat.cuda import (
    code_mutual_information, runtime, sigmoid_mutual_information)
from imsat.cuda.centred_products import MAX_WIDTH

GS = .3, 1.7, -.4


class Bits:
    def __init__(self, n, width):
        self.shape = n, width

    forward = staticmethod(sigmoid_mutual_information.forward)
    backward = staticmethod(sigmoid_mutual_information.backward)
    function = staticmethod(functions.sigmoid_mutual_information)


class Heads:
    def __init__(self, n, sizes):
        self.shape, self.sizes = (n, sum(sizes)), sizes

    def forward(self, y, eps):
        return code_mutual_information.forward(y, self.sizes, eps)

    def backward(self, y, saved, *args):
        return code_mutual_information.backward(y, self.sizes, saved, *args)

    def function(self, y, eps):
        return functions.code_mutual_information(y, self.sizes, eps)


CASES = [
    Bits(1, 1), Bits(5, 1), Bits(1, 7), Bits(3, 31), Bits(2, 33), Bits(9, 65),
    Bits(250, 16), Bits(257, 3), Bits(70, 128),
    Heads(1, [1]), Heads(1, [2, 3]), Heads(5, [1] * 4), Heads(3, [31, 2]),
    Heads(129, [3, 1, 2, 4]), Heads(4, [40, 1, 33]), Heads(66, [10] * 7)]
LARGE = [Bits(3, 256), Heads(2, [1000]), Heads(2, [2] * 256),
         Heads(2, [1, 300, 5])]


def name(case):
    sizes = getattr(case, 'sizes', '')
    return f'{type(case).__name__}-{case.shape}-{len(sizes)}'


def logits(shape, dtype):
    return numpy.random.RandomState(0).normal(0, 3, shape).astype(dtype)


def compute(case, y, eps, place):
    y = place(y)
    gs = [place(numpy.array([g], y.dtype)).reshape(()) for g in GS]
    values, saved = case.forward(y, eps)
    return to_cpu(values), to_cpu(case.backward(y, saved, *gs, eps))


def check(case, dtype, tolerance, eps, place):
    y = logits(case.shape, dtype)
    values, gy = compute(case, y, eps, place)
    assert values.dtype == gy.dtype == dtype
    x = chainer.Variable(y.astype('d'))  # by NumPy in float64
    terms = case.function(x, eps)
    sum(g * term for g, term in zip(GS, terms)).backward()
    numpy.testing.assert_allclose(
        values, [term.array for term in terms], tolerance, tolerance)
    numpy.testing.assert_allclose(
        gy, x.grad, 0, tolerance * (abs(x.grad).max() + 1e-30))


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('eps', [0, 1e-8])
@pytest.mark.parametrize('dtype,tolerance', [('f', 2e-5), ('d', 1e-12)])
@pytest.mark.parametrize('case', CASES, ids=name)
def test_sizes(place, case, dtype, tolerance, eps):
    check(case, dtype, tolerance, eps, place)


@pytest.mark.by_turns(2)
@pytest.mark.parametrize('dtype,tolerance', [
    ('f', 2e-5), pytest.param('d', 1e-12, marks=pytest.mark.slow)])
@pytest.mark.parametrize('case', LARGE, ids=name)
def test_many_values(device, case, dtype, tolerance):
    check(case, dtype, tolerance, 1e-8, device.asarray)


@pytest.mark.parametrize('case', [Bits(0, 5), Bits(5, 0), Heads(0, [2, 3])],
                         ids=name)
def test_empty(device, case):
    values, gy = compute(case, logits(case.shape, 'f'), 1e-8, device.asarray)
    assert gy.shape == case.shape
    if case.shape[0] == 0:
        assert numpy.isnan(values).all()
    else:
        assert (values == 0).all()


@pytest.mark.parametrize('case', [Bits(9, 5), Heads(9, [2, 3])], ids=name)
def test_missing_gradients(device, case):
    y = device.asarray(logits(case.shape, 'd'))
    _, saved = case.forward(y, 1e-8)
    gs = [device.asarray(numpy.array(g)) for g in GS]
    parts = [case.backward(y, saved, *(
        g if i == j else None for j, g in enumerate(gs))) for i in range(3)]
    numpy.testing.assert_allclose(
        to_cpu(sum(parts)), to_cpu(case.backward(y, saved, *gs)), 1e-12,
        1e-16)


@pytest.mark.parametrize('eps', [0, 1e-8])
@pytest.mark.parametrize('case', [Bits(9, 5), Heads(9, [2, 3])], ids=name)
def test_a_diverged_network_is_noticed(device, case, eps):
    y = logits(case.shape, 'f')
    y[2, 1] = numpy.nan
    values, gy = compute(case, y, eps, device.asarray)
    assert numpy.isnan(values).all() and numpy.isnan(gy[:, 1]).all()
    # By each value alone: the means and the covariances are NaN as well.
    y = device.asarray(y)
    _, saved = case.forward(y, eps)
    g = device.asarray(numpy.array(1, 'f'))
    for gs in (None, g, None), (None, None, g):
        gy = to_cpu(case.backward(y, saved, *gs, eps))
        assert numpy.isnan(gy[:, 1]).all()


@pytest.mark.parametrize('case', [Bits(300, 65), Heads(300, [3, 60, 7])],
                         ids=name)
def test_the_order_of_threads_does_not_matter(repeats, device, case):
    results = [compute(case, logits(case.shape, 'f'), 1e-8, device.asarray)
               for _ in repeats]
    for values, gy in results:
        assert (values == results[0][0]).all() and (gy == results[0][1]).all()


@pytest.mark.parametrize('sizes,error,message', [
    ([], ValueError, 'sizes is empty'),
    ([5, 0], ValueError, 'a size is 0; give an integer from 1'),
    ([2.5, 2.5], TypeError, 'a size is a float; give an integer'),
    ([2, 2], ValueError, r'y has shape \(2, 5\); give \(any, 4\)')])
def test_bad_sizes(device, sizes, error, message):
    y = device.asarray(logits((2, 5), 'f'))
    with pytest.raises(error, match=f'^{message}'):
        code_mutual_information.forward(y, sizes)


@pytest.mark.parametrize('case', [
    Bits(1, MAX_WIDTH + 1), Heads(1, [MAX_WIDTH, 1])], ids=name)
def test_too_many_pairs(device, case, monkeypatch):
    monkeypatch.setattr(type(runtime.current), 'launch', None)
    y = device.asarray(logits(case.shape, 'f'))
    with pytest.raises(ValueError, match='^y has 8193 columns, .* or fewer$'):
        case.forward(y, 1e-8)
