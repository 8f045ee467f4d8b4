"""What an augmentation of one's own may return."""
import chainer
import numpy
import pytest

import imsat

X = numpy.random.default_rng(0).normal(size=(40, 3)).astype('f')
OPTIONS = dict(hidden=(5,), epochs=2, batch_size=20, random_state=0)


def fit(transform):
    return imsat.IMSATClustering(
        2, regularizer=imsat.Augmentation(transform), **OPTIONS).fit(X)


@pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')
@pytest.mark.parametrize('to', [
    lambda y: y.astype('d'), lambda y: y.astype('g'),
    lambda y: chainer.Variable(y.astype('d')), chainer.Variable])
def test_any_dtype(to):
    expected = fit(lambda x, rng: x * numpy.float32(1.25))
    model = fit(lambda x, rng: to(x * numpy.float32(1.25)))
    assert model.objective_ == expected.objective_


@pytest.mark.parametrize('transform', [
    lambda x, rng: x[:, :2], lambda x, rng: None, lambda x, rng: x[0],
    lambda x, rng: x.tolist(), lambda x, rng: x.astype(complex),
    lambda x, rng: x.astype(str), lambda x, rng: x.astype(object)])
def test_no_batch(transform):
    with pytest.raises(imsat.InputError, match='augmentation .*; return'):
        fit(transform)


def in_place(x, rng):
    x *= numpy.float32(1.25)
    return x


@pytest.mark.parametrize('step', ['plan', 'graph'])
def test_one_that_works_in_place(step):
    values = [imsat.Augmentation(transform) for transform in (
        in_place, lambda x, rng: x * numpy.float32(1.25))]
    models = [imsat.IMSATClustering(2, regularizer=value, step=step,
                                    **OPTIONS).fit(X) for value in values]
    assert models[0].objective_ == models[1].objective_
