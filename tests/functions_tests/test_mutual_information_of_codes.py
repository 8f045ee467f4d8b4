import itertools

import chainer
import numpy
import pytest
from chainer import gradient_check
from chainer.backends.cuda import to_cpu
from sklearn.metrics import mutual_info_score

from imsat.functions import (
    code_mutual_information, sigmoid_mutual_information, softmax_entropy)

SIZES = [3, 1, 2, 4]


def naive_information(y, sizes, eps):
    """Output by output and table by table, in double precision."""
    ends = numpy.cumsum(sizes)
    ps = []
    for end, size in zip(ends, sizes):
        e = numpy.exp(y[:, end - size:end].astype('d'))
        ps.append(e / e.sum(axis=1, keepdims=True))
    conditional = marginal = pairs = 0
    for p in ps:
        conditional -= (p * numpy.log(p + eps)).sum() / len(y)
        marginal -= (p.mean(axis=0) * numpy.log(p.mean(axis=0) + eps)).sum()
    for p, q in itertools.permutations(ps, 2):
        for u in range(p.shape[1]):
            for v in range(q.shape[1]):
                joint = (p[:, u] * q[:, v]).mean()
                pairs += joint * numpy.log(
                    (joint + eps) / (p[:, u].mean() * q[:, v].mean() + eps))
    return conditional, marginal, pairs


@pytest.mark.parametrize('eps', [1e-8, 0, .1])
@pytest.mark.parametrize('sizes', [SIZES, [5], [1], [7, 7]])
@pytest.mark.parametrize('dtype,rtol', [('f', 2e-5), ('d', 1e-11)])
def test_forward(xp, dtype, rtol, sizes, eps):
    rng = numpy.random.RandomState(0)
    y = rng.normal(0, 2, (9, sum(sizes))).astype(dtype)
    for a, e in zip(code_mutual_information(xp.asarray(y), sizes, eps),
                    naive_information(y, sizes, eps)):
        assert a.dtype == y.dtype and a.shape == ()
        numpy.testing.assert_allclose(
            to_cpu(a.array), e, rtol, atol=rtol)


@pytest.mark.parametrize('eps', [1e-8, 0, .1])
def test_backward(xp, eps):
    rng = numpy.random.RandomState(1)
    y, ggy = (xp.asarray(a) for a in rng.normal(0, 2, (2, 6, sum(SIZES))))
    gs = [xp.asarray(v) for v in rng.normal(size=3)]

    def f(y):
        return tuple(code_mutual_information(y, SIZES, eps))

    gradient_check.check_backward(f, y, gs, rtol=1e-6, atol=1e-8,
                                  dtype=numpy.float64)
    gradient_check.check_double_backward(f, y, gs, ggy, rtol=1e-5, atol=1e-7,
                                         dtype=numpy.float64)


def value_and_gradient(function, y, i):
    y = chainer.Variable(y)
    term = function(y)[i]
    term.backward()
    return to_cpu(term.array), to_cpu(y.grad)


@pytest.mark.parametrize('eps', [1e-8, 0])
@pytest.mark.parametrize('i', [0, 1])
def test_one_head_is_clustering(xp, eps, i):
    y = xp.asarray(numpy.random.RandomState(2).normal(0, 2, (9, 6)))
    assert code_mutual_information(y, [6], eps).pairwise_information.array == 0
    for actual, expected in zip(
            value_and_gradient(
                lambda y: code_mutual_information(y, [6], eps), y, i),
            value_and_gradient(
                lambda y: softmax_entropy(y, eps=eps), y, i)):
        numpy.testing.assert_allclose(actual, expected, 1e-12, 1e-15)


@pytest.mark.parametrize('eps', [1e-8, 0])
@pytest.mark.parametrize('i', [0, 1, 2])
def test_heads_of_two_are_hashing(xp, eps, i):
    y = numpy.random.RandomState(3).normal(0, 2, (9, 5))
    pairs = numpy.stack([y, numpy.zeros_like(y)], axis=2).reshape(9, 10)
    value, gradient = value_and_gradient(
        lambda y: code_mutual_information(y, [2] * 5, eps),
        xp.asarray(pairs), i)
    bits_value, bits_gradient = value_and_gradient(
        lambda y: sigmoid_mutual_information(y, eps), xp.asarray(y), i)
    numpy.testing.assert_allclose(value, bits_value, 1e-12)
    numpy.testing.assert_allclose(gradient[:, ::2], bits_gradient, 1e-9,
                                  1e-14)
    # The second logit of a pair moves against the first.
    numpy.testing.assert_allclose(gradient[:, 1::2], -gradient[:, ::2], 1e-9,
                                  1e-14)


@pytest.mark.parametrize('eps', [1e-8, 0])
@pytest.mark.parametrize('dtype', ['f', 'd'])
def test_certain_outputs(xp, dtype, eps):
    # With logits of +-1e4 it is the information of two labellings.
    rng = numpy.random.RandomState(4)
    a, b = rng.randint(3, size=40), rng.randint(4, size=40)
    b[a == 0] = 2
    y = numpy.full((40, 7), -1e4, dtype)
    y[numpy.arange(40), a] = y[numpy.arange(40), 3 + b] = 1e4
    y = chainer.Variable(xp.asarray(y))
    terms = code_mutual_information(y, [3, 4], eps)
    sum(terms).backward()
    numpy.testing.assert_allclose(
        to_cpu(terms.pairwise_information.array),
        2 * mutual_info_score(a, b), 1e-5)
    assert numpy.isfinite(to_cpu(y.grad)).all()


def test_rejects_logits_of_another_width():
    with pytest.raises(chainer.utils.type_check.InvalidType):
        code_mutual_information(numpy.zeros((2, 5), 'f'), [3, 3])
