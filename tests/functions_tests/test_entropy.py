import chainer
import numpy
import pytest
from chainer import gradient_check
from chainer.backends.cuda import to_cpu

from imsat.functions import softmax_entropy
from imsat.functions.entropy import SoftmaxEntropy

PRIOR = numpy.array([.1, .2, .05, .35, .3])


def naive_softmax_entropy(y, prior, eps):
    n, k = len(y), len(y[0])
    p = []
    for row in y.astype('d'):
        e = [numpy.exp(v - max(row)) for v in row]
        p.append([v / sum(e) for v in e])
    conditional = marginal = divergence = 0
    for row in p:
        for v in row:
            if v + eps > 0:
                conditional -= v * numpy.log(v + eps) / n
    for j in range(k):
        mean = sum(row[j] for row in p) / n
        marginal -= mean * numpy.log(mean + eps)
        divergence += mean * numpy.log((mean + eps) / (prior[j] + eps))
    return conditional, marginal, divergence


@pytest.mark.parametrize('eps', [1e-8, 0, .1])
@pytest.mark.parametrize('shape', [(7, 5), (1, 5), (3, 1)])
@pytest.mark.parametrize('dtype,rtol', [('f', 2e-5), ('d', 1e-12)])
@pytest.mark.parametrize('uniform', [False, True])
def test_softmax_forward(xp, dtype, rtol, shape, eps, uniform):
    y = numpy.random.RandomState(0).normal(0, 3, shape).astype(dtype)
    if uniform:
        prior, q = None, numpy.full(shape[1], 1 / shape[1])
    else:
        prior = q = PRIOR[:shape[1]] / PRIOR[:shape[1]].sum()
    actual = softmax_entropy(xp.asarray(y), prior, eps)
    expected = naive_softmax_entropy(y, q, eps)
    for a, e in zip(actual, expected):
        assert a.dtype == y.dtype and a.shape == ()
        numpy.testing.assert_allclose(
            to_cpu(a.array), e, rtol, atol=rtol)


@pytest.mark.parametrize('eps', [1e-8, 0, .1])
@pytest.mark.parametrize('prior', [None, PRIOR])
def test_softmax_backward(xp, prior, eps):
    rng = numpy.random.RandomState(1)
    y = xp.asarray(rng.normal(0, 2, (6, 5)))
    gs = [xp.asarray(v) for v in rng.normal(size=3)]
    ggy = xp.asarray(rng.normal(size=y.shape))

    def f(y):
        return tuple(softmax_entropy(y, prior, eps))

    gradient_check.check_backward(f, y, gs, rtol=1e-6, atol=1e-8,
                                  dtype=numpy.float64)
    gradient_check.check_double_backward(f, y, gs, ggy, rtol=1e-5, atol=1e-7,
                                         dtype=numpy.float64)


@pytest.mark.parametrize('eps', [1e-8, 0])
@pytest.mark.parametrize('scale', [1, 1e2, 1e4])
@pytest.mark.parametrize('dtype', ['f', 'd'])
def test_softmax_saturated(xp, dtype, scale, eps):
    rng = numpy.random.RandomState(2)
    y = (scale * rng.choice([-1, 1], (8, 5))).astype(dtype)
    y = chainer.Variable(xp.asarray(y))
    terms = softmax_entropy(y, PRIOR, eps)
    sum(terms).backward()
    for a in (*(term.array for term in terms), y.grad):
        assert numpy.isfinite(to_cpu(a)).all()
    # Each term has its own finite gradient where the others are not asked.
    for i in range(3):
        y.cleargrad()
        softmax_entropy(y, PRIOR, eps)[i].backward()
        assert numpy.isfinite(to_cpu(y.grad)).all()


@pytest.mark.parametrize('eps', [1e-8, 0])
def test_softmax_of_shifted_logits(xp, eps):
    # 2^13 costs a float32 all digits that a probability needs, but these
    # logits are exact and so are their differences.
    y = numpy.random.RandomState(5).randint(-9, 9, (8, 5)).astype('f')
    for a, b in zip(softmax_entropy(xp.asarray(y), PRIOR, eps),
                    softmax_entropy(xp.asarray(y + 8192), PRIOR, eps)):
        assert (to_cpu(a.array) == to_cpu(b.array)).all()


def test_rejects_what_are_no_logits():
    for y in (numpy.zeros((2, 3), 'i'), numpy.zeros(3, 'f')):
        with pytest.raises(chainer.utils.type_check.InvalidType):
            SoftmaxEntropy(None, 0).apply((y,))
