"""What is captured does again and again what it did at first."""
import numpy
import pytest
from chainer.backends.cuda import to_cpu

from imsat.cuda import adam, graph, products


def descend(device, captures, rates):
    """Adam on |x w - y|^2, its gradient by products."""
    rng = numpy.random.RandomState(0)
    x, w, y = (device.asarray(rng.normal(size=shape).astype('f'))
               for shape in ((20, 6), (6, 1), (20, 1)))
    residual, g, m, v = map(device.asarray, (
        numpy.zeros((20, 1), 'f'), *numpy.zeros((3, 6), 'f')))
    rate = device.asarray(numpy.array(0, 'f'))
    identity = device.asarray(-numpy.eye(20, dtype='f'))

    def step():
        products.product(identity, y, residual)
        products.product(x, w, residual, add=True)
        products.product(x.T, residual, g[:, None])
        adam.update(w[:, 0], g, m, v, rate)

    call = graph.captured(step) if captures else step
    for each in rates:
        rate[...] = each
        call()
    return to_cpu(w)


def test_captured(device):
    rates = .1, .2, .05, .3, .1
    expected = descend(device, False, rates)
    assert (descend(device, True, rates) == expected).all()
    # It would not be so, were the rate that of the capture.
    assert (descend(device, True, [.1, .2, .2, .2, .2]) != expected).any()


def optimizer(device):
    return [*map(device.asarray, numpy.zeros((4, 5), 'f')),
            device.asarray(numpy.array(1, 'f'))]


def test_it_is_called_twice_and_never_again(device):
    state, calls = optimizer(device), []

    def step():
        calls.append(None)
        adam.update(*state)

    call = graph.captured(step)
    for _ in range(4):
        call()
    assert len(calls) == 2


def test_a_failure_ends_the_capture(device):
    state, calls = optimizer(device), []

    def step():
        calls.append(None)
        if len(calls) == 2:
            raise KeyError

    call = graph.captured(step)
    call()
    with pytest.raises(KeyError):
        call()
    adam.update(*state)  # is launched, not captured
