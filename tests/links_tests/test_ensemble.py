"""Several networks as one."""
import chainer
import numpy

import imsat
from imsat.links import Ensemble


class Elsewhere(chainer.backend.CpuDevice):
    """A device that is not the one that links have by default."""


def test_it_is_where_its_networks_are():
    networks = [imsat.Encoder(2, 3, ()) for _ in range(2)]
    assert isinstance(Ensemble(*networks).device, chainer.backend.CpuDevice)
    elsewhere = Elsewhere()
    for network in networks:
        network.to_device(elsewhere)
    assert Ensemble(*networks).device is elsewhere


def test_means():
    networks = [imsat.Encoder(2, 3, ()) for _ in range(3)]
    x = numpy.random.default_rng(0).normal(size=(5, 2)).astype('f')
    p = [numpy.exp(y) / numpy.exp(y).sum(axis=1, keepdims=True)
         for y in (network(x).array for network in networks)]
    numpy.testing.assert_allclose(
        numpy.exp(Ensemble(*networks)(x).array), numpy.mean(p, axis=0), 1e-5)
