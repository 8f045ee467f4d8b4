import numpy
import pytest
from benchmarks.plain import (
    PlainClustering, PlainEncoder, PlainHashing, plain_step)

import imsat
import chainer


@pytest.mark.parametrize('task,n_out,objective', [
    (PlainClustering, 4, imsat.functions.softmax_entropy),
    (PlainHashing, 5, imsat.functions.sigmoid_mutual_information)])
def test_information(task, n_out, objective):
    y = numpy.random.RandomState(0).randn(20, n_out)
    values = objective(y)
    conditional, marginal = (values.conditional_entropy.array,
                             values.marginal_entropy.array)
    expected = conditional - 4 * marginal if task is PlainClustering else (
        conditional - marginal + values.pairwise_information.array)
    assert task.information(y).array == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize('task', [PlainClustering, PlainHashing])
def test_step(task):
    rng = numpy.random.RandomState(0)
    numpy.random.seed(0)  # the initial weights and the directions
    x = rng.randn(30, 6).astype('f')
    model = PlainEncoder(6, (8, 7), 4)
    optimizer = chainer.optimizers.Adam(alpha=.01).setup(model)
    before = {name: p.array.copy() for name, p in model.namedparams()}
    information = []
    for _ in range(30):
        plain_step(task, model, optimizer, x, numpy.ones(30, 'f'))
        information.append(task.information(model(x, False)).item())
    # The clean pass alone moves running statistics.
    assert model.bn1.N == 0 and optimizer.t == 30
    for name, p in model.namedparams():
        assert (p.array != before[name]).any(), name
    assert information[-1] < information[0]
