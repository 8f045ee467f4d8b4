import numpy
import pytest
import simt

from imsat.cuda import runtime


@pytest.fixture(params=['contiguous', 'strided', 'misaligned'])
def place(request, device):
    """Puts an array on the device, in memory as it comes from a user."""
    def contiguous(x):
        return device.asarray(x)

    def strided(x):
        return device.asarray(numpy.repeat(x, 2, axis=-1))[..., ::2]

    def misaligned(x):
        padded = numpy.concatenate([x.ravel()[:1], x.ravel()])
        return device.asarray(padded)[1:].reshape(x.shape)

    return locals()[request.param]


@pytest.fixture
def repeats(device):
    """Again and again; emulated, in other orders of threads and blocks."""
    def each():
        for i in range(3):
            if device is simt:
                runtime.current.seed = i
            yield i
    return each()
