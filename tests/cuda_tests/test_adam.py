"""Adam of all parameters at once."""
import chainer
import numpy
import pytest
from chainer.backends.cuda import to_cpu

from imsat.cuda import adam


def state(n, dtype):
    """p, m, v."""
    rng = numpy.random.RandomState(0)
    return [a.astype(dtype) for a in (
        rng.normal(size=n), rng.normal(size=n), rng.uniform(0, 2, n))]


@pytest.mark.parametrize('dtype', 'fd')
@pytest.mark.parametrize('n', [1, 31, 33, 1000, 70_001])
def test_update(device, n, dtype):
    p, m, v = state(n, dtype)
    g = numpy.random.RandomState(1).normal(size=n).astype(dtype)
    g[::5] = 0
    v[::7] = m[::7] = 0
    ours = list(map(device.asarray, (p, g, m, v)))
    adam.update(*ours, device.asarray(numpy.array(.01, dtype)), .8, .99, 1e-6)
    real = numpy.dtype(dtype).type
    m += real(1 - .8) * (g - m)
    v += real(1 - .99) * (g * g - v)
    p -= real(.01) * m / (numpy.sqrt(v) + real(1e-6))
    # A GPU rounds once where m += a b rounds twice; all terms are up to 4.
    eps = 4 * 4 * numpy.finfo(dtype).eps
    for a, b in zip(ours, (p, g, m, v)):
        numpy.testing.assert_allclose(to_cpu(a), b, eps, eps)


@pytest.mark.parametrize('dtype,tolerance', [('f', 1e-6), ('d', 1e-14)])
def test_it_is_chainers(device, dtype, tolerance):
    p, zero, n = state(40, dtype)[0], numpy.zeros(40, dtype), 5
    parameter = chainer.Parameter(p.copy())
    rule = chainer.optimizers.Adam(alpha=.002).create_update_rule()
    ours = [device.asarray(a) for a in (p, zero, zero)]
    for t in range(n):
        g = numpy.random.RandomState(t).normal(0, 1e-6, 40).astype(dtype)
        parameter.grad = g
        rule.update(parameter)
        rate = .002 * (1 - .999 ** (t + 1)) ** .5 / (1 - .9 ** (t + 1))
        adam.update(ours[0], device.asarray(g), *ours[1:],
                    device.asarray(numpy.array(rate, dtype)))
    numpy.testing.assert_allclose(to_cpu(ours[0]), parameter.array, tolerance)


def test_nothing_to_update(device):
    adam.update(*(device.asarray(numpy.zeros(0, 'f')) for _ in range(4)),
                device.asarray(numpy.array(1, 'f')))


def test_it_is_updated_in_place_or_not_at_all(device):
    p, m, v = map(device.asarray, state(8, 'f'))
    with pytest.raises(ValueError, match='m is updated in place'):
        adam.update(p[:4], p[:4], m[::2], v[:4],
                    device.asarray(numpy.array(1, 'f')))
