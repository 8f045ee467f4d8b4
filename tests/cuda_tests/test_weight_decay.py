"""Weight decay of parameters that lie one after the other."""
import numpy
import pytest
from chainer.backends.cuda import to_cpu

from imsat.cuda import weight_decay


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('dtype,tolerance', [('f', 1e-6), ('d', 1e-14)])
@pytest.mark.parametrize('n', [0, 1, 31, 33, 1024, 2048, 70_001])
def test_add_gradient(place, device, n, dtype, tolerance):
    p, g = numpy.random.RandomState(0).normal(size=(2, n)).astype(dtype)
    ours = device.asarray(g)
    out = device.asarray(numpy.array(7, dtype))
    value = weight_decay.add_gradient(
        place(p) if n else device.asarray(p), ours, .3, out)
    assert value is out
    numpy.testing.assert_allclose(
        float(to_cpu(value)), .15 * (p.astype('d') ** 2).sum(), tolerance)
    numpy.testing.assert_allclose(
        to_cpu(ours), g + .3 * p, tolerance, tolerance)
