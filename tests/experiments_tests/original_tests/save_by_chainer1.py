"""Made encoder_chainer1.npz and predictions_chainer1.npz, beside it.

Ran once, with CPython 2.7.18, Chainer 1.21.0 and NumPy 1.12.1:

    python2.7 tests/experiments_tests/original_tests/save_by_chainer1.py
"""
import os

import chainer
import chainer.functions as F
import chainer.links as L
import numpy
from chainer import serializers

encoder = chainer.Chain(
    l1=L.Linear(6, 5), bn1=L.BatchNormalization(5),
    l2=L.Linear(5, 4), bn2=L.BatchNormalization(4), l3=L.Linear(4, 3))


def forward(x, test):
    h = F.relu(encoder.bn1(encoder.l1(x), test=test))
    h = F.relu(encoder.bn2(encoder.l2(h), test=test))
    return encoder.l3(h)


numpy.random.seed(0)
for parameter in encoder.params():
    parameter.data[...] = numpy.random.normal(size=parameter.data.shape)
x = numpy.random.normal(size=(8, 6)).astype('f')
for _ in range(3):  # running statistics
    forward(chainer.Variable(x), test=False)

here = os.path.dirname(os.path.abspath(__file__))
serializers.save_npz(os.path.join(here, 'encoder_chainer1.npz'), encoder)
numpy.savez(os.path.join(here, 'predictions_chainer1.npz'), x=x,
            logits=forward(chainer.Variable(x), test=True).data)
