"""Values and gradients in one launch, at the sizes that break kernels.

Expected values are naive loops in float64, written from the equations.
"""
import importlib
import math

import numpy
import pytest
import simt
from chainer.backends.cuda import to_cpu

from imsat.cuda import launch, softmax_entropy

ROWS = 1, 2, 31, 32, 33, 1000, 1024
COLUMNS = 1, 2, 10, 33, 64
SHAPES = [*((n, 10) for n in ROWS), *((33, k) for k in COLUMNS), (1024, 64)]
TOO_LARGE = [(1025, 3), (5, 65)]
DTYPES = [('f', 2e-5), ('d', 1e-11)]
WEIGHTS = .1, -.4, .3


def logits(shape, dtype, seed=0, scale=3):
    return numpy.random.RandomState(seed).normal(0, scale, shape).astype(dtype)


def log(p, eps):
    return math.log(p + eps) if p + eps > 0 else -math.inf


def softmax(row):
    e = [math.exp(y - max(row)) for y in row]
    return [each / math.fsum(e) for each in e]


def entropies(y, prior, eps):
    """H(Y|X), H(Y) and KL[p(y) || q(y)], Eqs. 8 to 10."""
    p = [softmax(row) for row in y.tolist()]
    n, k = y.shape
    mean = [math.fsum(row[j] for row in p) / n for j in range(k)]
    return numpy.array([
        -math.fsum(q * log(q, eps) for row in p for q in row) / n,
        -math.fsum(q * log(q, eps) for q in mean),
        math.fsum(q * (log(q, eps) - log(r, eps))
                  for q, r in zip(mean, prior))])


def divergence(y0, y1, eps):
    """Eq. 3's KL of two softmax outputs, over the batch."""
    return math.fsum(
        p * (log(p, eps) - log(q, eps))
        for row0, row1 in zip(y0.tolist(), y1.tolist())
        for p, q in zip(softmax(row0), softmax(row1))) / len(y0)


def bit_divergence(y0, y1, eps):
    """Likewise, the sum over bits: each a softmax of (y, 0)."""
    pairs = [numpy.stack([y.ravel(), 0 * y.ravel()], 1) for y in (y0, y1)]
    return divergence(*pairs, eps) * y0.shape[1]


def bit_information(y, eps):
    """Sums of H(Y_d|X), H(Y_d) and, over ordered pairs, I(Y_d; Y_d')."""
    n, d = y.shape
    sides = numpy.array([[softmax([y_j, 0]) for y_j in row]
                         for row in y.tolist()])  # p(1), p(0)
    means = sides.mean(axis=0)
    pairs = 0
    for u in range(d):
        for v in range(u):
            joint = sides[:, u].T @ sides[:, v] / n
            for a in 0, 1:
                for b in 0, 1:
                    pairs += 2 * joint[a, b] * (
                        log(joint[a, b], eps)
                        - log(means[u, a] * means[v, b], eps))
    return numpy.array([
        -math.fsum(q * log(q, eps) for q in sides.ravel()) / n,
        -math.fsum(q * log(q, eps) for q in means.ravel()), pairs])


def slopes(function, y, places):
    """Derivatives by some of the entries, from differences of order 4."""
    def difference(place, h):
        above, below = y.copy(), y.copy()
        above[place] += h
        below[place] -= h
        return (function(above) - function(below)) / (2 * h)
    return numpy.array([(4 * difference(place, 1e-3)
                         - difference(place, 2e-3)) / 3 for place in places])


def some_places(shape):
    rng = numpy.random.RandomState(1)
    return [(shape[0] - 1, shape[1] - 1),
            (rng.randint(shape[0]), rng.randint(shape[1]))]


def check_gradient(gy, function, y, tolerance):
    """Against differences, exact to 1e-10."""
    places = some_places(y.shape)
    expected = slopes(function, y.astype('d'), places)
    numpy.testing.assert_allclose(
        [gy[place] for place in places], expected, 0,
        max(tolerance * abs(gy).max(), 1e-10))


def array(device, value, dtype):
    return device.asarray(numpy.array(value, dtype))


# Rows, columns and logits' size with eps: ordinary, and saturated.
SCALES = [(3, 1e-8), (3, 0), (1e4, 1e-8), (1e4, 0)]
MODULES = {
    'softmax_entropy': lambda y: entropies(
        y, [1 / y.shape[1]] * y.shape[1], 1e-8),
    'sigmoid_mutual_information': lambda y: bit_information(y, 1e-8)}
DIVERGENCES = {'softmax_kl': divergence, 'sigmoid_kl': bit_divergence}

OUTPUTS = ('value', 'gy1'), ('values', 'gy')


def module_of(name):
    return importlib.import_module(f'imsat.cuda.{name}')


@pytest.mark.by_turns(2)
@pytest.mark.parametrize('dtype,tolerance', DTYPES)
@pytest.mark.parametrize('shape', [*SHAPES[:-1], *TOO_LARGE])
@pytest.mark.parametrize('name', MODULES)
def test_information(device, name, shape, dtype, tolerance):
    y, expected = logits(shape, dtype), MODULES[name]
    values, gy = map(to_cpu, module_of(name).value_and_gradient(
        device.asarray(y), array(device, WEIGHTS, dtype)))
    of_y = expected(y)
    numpy.testing.assert_allclose(
        values, [*of_y, of_y @ WEIGHTS], tolerance, tolerance * shape[1])
    if y.size < 3000:
        check_gradient(gy, lambda y: expected(y) @ WEIGHTS, y, tolerance)


def test_prior(device):
    y, prior = logits((33, 10), 'd'), numpy.linspace(1, 2, 10) / 15
    values, gy = map(to_cpu, softmax_entropy.value_and_gradient(
        *(array(device, a, 'd') for a in (y, WEIGHTS, prior))))
    numpy.testing.assert_allclose(
        values[:3], entropies(y, prior, 1e-8), 1e-12)
    check_gradient(gy, lambda y: entropies(y, prior, 1e-8) @ WEIGHTS, y, 0)


@pytest.mark.by_turns(2)
@pytest.mark.parametrize('dtype,tolerance', DTYPES)
@pytest.mark.parametrize('shape', [*SHAPES[:-1], *TOO_LARGE])
@pytest.mark.parametrize('name', DIVERGENCES)
def test_divergences(device, name, shape, dtype, tolerance):
    y0, y1 = logits(shape, dtype), logits(shape, dtype, seed=1)
    expected = DIVERGENCES[name]
    value, gy1 = map(to_cpu, module_of(name).value_and_gradient(
        device.asarray(y0), device.asarray(y1), array(device, .5, dtype)))
    numpy.testing.assert_allclose(
        value, .5 * expected(y0, y1, 1e-8), tolerance)
    if y0.size < 3000:
        check_gradient(gy1, lambda y1: .5 * expected(y0, y1, 1e-8), y1,
                       tolerance)


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('scale,eps', SCALES)
@pytest.mark.parametrize('dtype,tolerance', DTYPES)
@pytest.mark.parametrize('name', [*MODULES, *DIVERGENCES])
@pytest.mark.parametrize('shape', [(33, 10), (7, 33), (1024, 64)])
def test_one_block_is_as_good_as_many(
        device, monkeypatch, name, shape, dtype, tolerance, scale, eps):
    args = [logits(shape, dtype, i, scale) for i in range(
        1 + (name in DIVERGENCES))]
    args.append(numpy.array(WEIGHTS if name in MODULES else .5, dtype))
    function = module_of(name).value_and_gradient
    args = list(map(device.asarray, args))
    results = [map(to_cpu, function(*args, eps=eps))]
    for limit in 'BLOCK_ROWS', 'BLOCK_ELEMENTS':
        monkeypatch.setattr(launch, limit, 0)
    results.append(map(to_cpu, function(*args, eps=eps)))
    for one, many in zip(*results):
        assert numpy.isfinite(many).all()
        numpy.testing.assert_allclose(
            one, many, tolerance, tolerance * abs(many).max())


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('name', [*MODULES, *DIVERGENCES])
def test_it_writes_where_it_is_told(place, device, name):
    y, weights = logits((31, 7), 'f'), numpy.array(WEIGHTS, 'f')
    more = (weights,)
    if name in DIVERGENCES:
        more = y[::-1], weights[0].reshape(())
    function = module_of(name).value_and_gradient
    expected = [to_cpu(a) for a in function(
        device.asarray(y), *map(device.asarray, more))]
    outputs = [array(device, a + 1, 'f') for a in expected]
    written = function(place(y), *(
        place(a) if a.ndim else device.asarray(a) for a in more),
        **dict(zip(OUTPUTS[name in MODULES], outputs)))
    for a, b, e in zip(written, outputs, expected):
        assert a is b
        assert (to_cpu(a) == e).all()


@pytest.mark.parametrize('name', [*MODULES, *DIVERGENCES])
def test_one_launch(emulator, name):
    args = [logits((1024, 64), 'f')] * (1 + (name in DIVERGENCES))
    args.append(numpy.array(WEIGHTS if name in MODULES else .5, 'f'))
    module_of(name).value_and_gradient(*map(simt.asarray, args))
    assert emulator.launches == {f'{name}_at_once': 1}


@pytest.mark.parametrize('name', [*MODULES, *DIVERGENCES])
@pytest.mark.parametrize('shape', [(0, 5), (5, 0)])
def test_empty(device, name, shape):
    args = [logits(shape, 'f')] * (1 + (name in DIVERGENCES))
    args.append(numpy.array(WEIGHTS if name in MODULES else .5, 'f'))
    values, gy = module_of(name).value_and_gradient(
        *map(device.asarray, args))
    assert gy.shape == shape
    assert numpy.isnan(to_cpu(values)).all() == (shape[0] == 0)


@pytest.mark.parametrize('name', [*MODULES, *DIVERGENCES])
def test_the_order_of_threads_does_not_matter(repeats, device, name):
    args = [logits((300, 33), 'f', i) for i in range(
        1 + (name in DIVERGENCES))]
    args.append(numpy.array(WEIGHTS if name in MODULES else .5, 'f'))
    results = [[to_cpu(a) for a in module_of(name).value_and_gradient(
        *map(device.asarray, args))] for _ in repeats]
    for result in results:
        for a, b in zip(result, results[0]):
            assert (a == b).all()
