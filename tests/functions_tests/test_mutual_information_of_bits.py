import tracemalloc

import chainer
import numpy
import pytest
from chainer import gradient_check
from chainer.backends.cuda import to_cpu
from sklearn.metrics import mutual_info_score

from imsat.functions import (
    pairwise_mutual_information, sigmoid_mutual_information)
from imsat.functions.mutual_information_of_bits import (
    SigmoidMutualInformation)

KINDS = ['mild', 'sat', 'tiny']
TERMS = ['cond_ent', 'marg_ent', 'pairwise_mi']


def naive_information(y, eps):
    """Bit by bit and pair by pair, in double precision."""
    p = 1 / (1 + numpy.exp(-y.astype('d')))
    sides = numpy.stack([p, 1 - p])
    n_bits = y.shape[1]
    conditional = marginal = pairs = 0
    for d in range(n_bits):
        for side in sides[:, :, d]:
            conditional -= (side * numpy.log(side + eps)).mean()
            marginal -= side.mean() * numpy.log(side.mean() + eps)
    for d in range(n_bits):
        for e in range(n_bits):
            for a in sides[:, :, d]:
                for b in sides[:, :, e]:
                    if d != e:
                        joint = (a * b).mean()
                        pairs += joint * numpy.log(
                            (joint + eps) / (a.mean() * b.mean() + eps))
    return conditional, marginal, pairs


@pytest.mark.parametrize('bits', [16, 32])
@pytest.mark.parametrize('kind', KINDS)
def test_single_precision_against_golden_double(golden, xp, bits, kind):
    trace, key = golden('functions_hash'), f'b{bits}.{kind}.'
    y = chainer.Variable(xp.asarray(trace[key + 'y0'].astype('f')))
    for term, name in zip(sigmoid_mutual_information(y), TERMS):
        assert term.dtype == numpy.float32 and term.shape == ()
        # The authors' own single precision is off by 1e-5 for `tiny`, where
        # the information is 1e-11.
        numpy.testing.assert_allclose(
            to_cpu(term.array), trace[key + name], 1e-5, atol=1e-9)


@pytest.mark.parametrize('eps', [1e-8, 0, .1])
@pytest.mark.parametrize('shape', [(7, 5), (1, 3), (4, 1), (250, 33)])
@pytest.mark.parametrize('dtype,rtol', [('f', 2e-5), ('d', 1e-11)])
def test_forward(xp, dtype, rtol, shape, eps):
    y = numpy.random.RandomState(0).normal(0, 3, shape).astype(dtype)
    for a, e in zip(sigmoid_mutual_information(xp.asarray(y), eps),
                    naive_information(y, eps)):
        assert a.dtype == y.dtype and a.shape == ()
        numpy.testing.assert_allclose(
            to_cpu(a.array), e, rtol, atol=rtol)


@pytest.mark.parametrize('eps', [1e-8, 0, .1])
def test_backward(xp, eps):
    rng = numpy.random.RandomState(1)
    y, ggy = (xp.asarray(a) for a in rng.normal(0, 2, (2, 6, 5)))
    gs = [xp.asarray(v) for v in rng.normal(size=3)]

    def f(y):
        return tuple(sigmoid_mutual_information(y, eps))

    gradient_check.check_backward(f, y, gs, rtol=1e-6, atol=1e-8,
                                  dtype=numpy.float64)
    gradient_check.check_double_backward(f, y, gs, ggy, rtol=1e-5, atol=1e-7,
                                         dtype=numpy.float64)


@pytest.mark.parametrize('eps', [1e-8, 0])
@pytest.mark.parametrize('scale', [1e2, 1e4])
@pytest.mark.parametrize('dtype', ['f', 'd'])
def test_saturated(xp, dtype, scale, eps):
    rng = numpy.random.RandomState(2)
    logits = scale * rng.choice([-1, 1], (8, 5))
    logits[:, 1] = -logits[:, 0]  # never both 1: an empty cell
    logits[:, 2] = scale  # always 1: an empty margin
    y = chainer.Variable(xp.asarray(logits.astype(dtype)))
    # A bit and its contrary share log 2 at most, counted in both orders.
    assert sigmoid_mutual_information(y, eps).pairwise_information.array > .5
    for i in range(3):
        y.cleargrad()
        term = sigmoid_mutual_information(y, eps)[i]
        term.backward()
        for a in (term.array, y.grad):
            assert numpy.isfinite(to_cpu(a)).all()


def test_nearly_independent_in_single_precision(xp):
    y = numpy.random.RandomState(3).normal(0, .02, (250, 16))
    _, _, expected = naive_information(y, 0)
    assert expected < 1e-6
    for dtype in 'fd':
        _, _, actual = sigmoid_mutual_information(xp.asarray(y.astype(dtype)))
        numpy.testing.assert_allclose(to_cpu(actual.array), expected, 1e-3)


@pytest.mark.parametrize('eps', [1e-8, 0])
@pytest.mark.parametrize('dtype,tolerance', [('f', 1e-4), ('d', 1e-8)])
def test_gradient_of_nearly_independent(xp, dtype, tolerance, eps):
    y = numpy.random.RandomState(3).normal(0, .02, (250, 16))
    x = chainer.Variable(y)
    # This way it is composed of joint probabilities.
    expected, = chainer.grad([sigmoid_mutual_information(x, eps)[2]], [x],
                             enable_double_backprop=True)
    x = chainer.Variable(xp.asarray(y.astype(dtype)))
    sigmoid_mutual_information(x, eps)[2].backward()
    numpy.testing.assert_allclose(
        to_cpu(x.grad), expected.array, 0,
        tolerance * abs(expected.array).max())


def test_matrix_of_certain_bits():
    bits = numpy.random.RandomState(5).randint(2, size=(50, 4))
    bits[:, 2] = bits[:, 0] | bits[:, 1]
    matrix = pairwise_mutual_information(bits.astype('d'))
    for d in range(4):
        for e in range(4):
            expected = d != e and mutual_info_score(bits[:, d], bits[:, e])
            numpy.testing.assert_allclose(matrix[d, e], expected, 1e-9, 1e-15)


def test_memory_grows_with_pairs_of_bits_not_times_points():
    n, bits = 2000, 256
    y = chainer.Variable(numpy.random.RandomState(4).normal(size=(n, bits)))
    tracemalloc.start()
    sum(sigmoid_mutual_information(y)).backward()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A table of all pairs for every point would take 2 GB.
    assert peak < 8 * 16 * (n * bits + 4 * bits ** 2)


def test_rejects_what_are_no_logits():
    for y in (numpy.zeros((2, 3), 'i'), numpy.zeros(3, 'f')):
        with pytest.raises(chainer.utils.type_check.InvalidType):
            SigmoidMutualInformation(0).apply((y,))
