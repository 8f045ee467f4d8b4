"""Bad input is told in one sentence, before anything is launched."""
import collections
import importlib
import inspect
import pkgutil

import numpy
import pytest
import simt

from imsat.cuda import (
    arguments, batch_normalization_relu, code_mutual_information, directions,
    kernels, launch, runtime, sigmoid_kl, sigmoid_mutual_information,
    softmax_entropy, softmax_kl, sums)

Y = numpy.zeros((4, 3), 'f')
V = numpy.ones(3, 'f')
G = numpy.array(1, 'f')
X = numpy.zeros((4, 3, 2), 'f')
MAPS = numpy.zeros((4, 2, 3))
VALUES = Y[:, 0]
INDEX = numpy.arange(4)
KEY = numpy.arange(2)
INDICES = numpy.zeros((4, 2), 'l')
WORDS = numpy.ones((2, 5), 'u4')
LABELS = numpy.arange(5)


@pytest.mark.parametrize('value,error,message', [
    (Y.astype('e'), TypeError,
     'y has dtype float16; give float32 or float64'),
    (Y.astype('i'), TypeError, 'y has dtype int32; give float32 or float64'),
    (Y[0], ValueError, r'y has shape \(3,\); give \(any, 3\)'),
    (Y[:, :2], ValueError, r'y has shape \(4, 2\); give \(any, 3\)'),
])
def test_array(device, value, error, message):
    with pytest.raises(error, match=f'^{message}$'):
        arguments.array('y', device.asarray(value), (None, 3))


@pytest.mark.parametrize('value,name', [
    (Y, 'numpy.ndarray'), ([1.], 'list'), (None, 'NoneType')])
def test_no_array_of_the_device(device, value, name):
    with pytest.raises(
            TypeError, match=f'^y is a {name}; give a cupy.ndarray$'):
        arguments.array('y', value, (None, 3))


def test_another_device(emulator, monkeypatch):
    monkeypatch.setattr(emulator, 'is_current', lambda x: False)
    with pytest.raises(ValueError, match='y is on another GPU'):
        arguments.array('y', simt.asarray(Y), (4, 3))


def test_contiguous(device):
    y = device.asarray(Y)[::2, ::2]
    assert arguments.array('y', y, (2, 2)).flags.c_contiguous
    with pytest.raises(ValueError, match='updated in place'):
        arguments.in_place('y', y, (2, 2))
    whole = device.asarray(Y)
    assert arguments.in_place('y', whole, (4, 3)) is whole
    assert arguments.optional('y', None, (4, 3)) is None


@pytest.mark.parametrize('value,error', [
    ('x', TypeError), (None, TypeError), (-1, ValueError),
    (float('nan'), ValueError), (float('inf'), ValueError)])
def test_number(value, error):
    with pytest.raises(error, match='^eps is '):
        arguments.number('eps', value)


@pytest.mark.parametrize('value,error', [
    (1., TypeError), (None, TypeError), (-1, ValueError),
    (2 ** 63, ValueError)])
def test_integer(value, error):
    with pytest.raises(error, match='^seed is '):
        arguments.integer('seed', value)


def test_dtype():
    assert arguments.dtype('dtype', 'f') == numpy.float32
    with pytest.raises(TypeError, match='^dtype is float16; give float32'):
        arguments.dtype('dtype', 'e')


# --- Of every launcher -----------------------------------------------------
SQUARE = numpy.zeros((3, 3), 'f')
FIRST = Y[:, 0]
PAIR = Y[:, :2]


class Call:
    """Arrays that a launcher takes, and how, if not one after the other."""

    def __init__(self, *arrays, how=lambda function, *arrays: function(
            *arrays)):
        self.arrays, self.how = arrays, how


DIVERGENCE = Call(Y, Y, G, G, Y, how=lambda f, y0, y1, weight, *out: f(
    y0, y1, weight, 1e-8, *out))
# By module and function.
CALLS = {
    'adam.update': Call(V, V, V, V, G),
    'affine.forward': Call(X, MAPS),
    'affine.backward': Call(X, MAPS),
    'affine.random_matrices': Call(how=lambda f: f(5, 0)),
    'batch_normalization_relu.forward': Call(
        Y, V, V, V, V, how=lambda f, x, gamma, beta, *running: f(
            x, gamma, beta, 1e-5, *running)),
    'batch_normalization_relu.backward': Call(Y, V, V, (V, V), Y),
    'batch_normalization_relu.forward_groups': Call(
        Y, V, V, V, V, V, Y, (Y[:2], Y[:2]),
        how=lambda f, x, gamma, beta, bias, mean, var, y, saved: f(
            x, gamma, beta, 2, bias, 1e-5, mean, var, .9, 0, y, saved)),
    'batch_normalization_relu.backward_groups': Call(
        Y, V, V, (Y[:2], Y[:2]), Y, Y, V, V, V,
        how=lambda f, x, gamma, beta, saved, gy, *out: f(
            x, gamma, beta, saved, gy, 2, *out)),
    'sigmoid_mutual_information.forward': Call(Y),
    'sigmoid_mutual_information.backward': Call(
        Y, (Y, Y[:2], V, SQUARE, V), G, G, G),
    'sigmoid_mutual_information.value_and_gradient': Call(
        Y, V, VALUES, Y, how=lambda f, y, weights, *out: f(
            y, weights, 1e-8, *out)),
    'centred_products.covariances': Call(Y, V),
    'centred_products.times': Call(Y, V, SQUARE),
    'code_mutual_information.forward': Call(Y, how=lambda f, y: f(y, [1, 2])),
    'code_mutual_information.backward': Call(
        Y, (Y, PAIR, PAIR, V, V, SQUARE, V), G, G, G,
        how=lambda f, y, *arrays: f(y, [1, 2], *arrays)),
    'directions.perturb': Call(Y, Y, FIRST, INDEX, Y),
    'directions.perturb_randomly': Call(
        Y, INDEX, KEY, FIRST, Y, Y,
        how=lambda f, data, index, key, radius, *out: f(
            data, index, key, None, radius, *out)),
    'directions.random': Call(how=lambda f: f((5, 3), 'f', 0)),
    'directions.scale_rows': Call(Y, FIRST),
    'hamming.distances': Call(WORDS, WORDS),
    'hamming.from_words': Call(WORDS, how=lambda f, words: f(words, 8)),
    'hamming.histograms': Call(
        WORDS, LABELS, WORDS, LABELS, how=lambda f, *arrays: f(*arrays, 64)),
    'hamming.nearest': Call(
        WORDS, WORDS, LABELS, how=lambda f, a, b, ids: f(a, b, 64, 2, ids)),
    'hamming.pack_bits': Call(Y),
    'hamming.to_words': Call(WORDS.view('u1')),
    'hamming.within': Call(
        WORDS, WORDS, LABELS, how=lambda f, a, b, ids: f(a, b, 64, 2, ids)),
    'nearest.distance_of_rank': Call(
        Y, Y, INDICES, how=lambda f, *arrays: f(*arrays, 1)),
    'nearest.select': Call(
        Y, V, (PAIR, INDICES),
        how=lambda f, y, squares, so_far: f(y, squares, 2, 3, so_far)),
    'sigmoid_kl.forward': Call(Y, Y),
    'sigmoid_kl.backward': Call(Y, Y, G),
    'sigmoid_kl.value_and_gradient': DIVERGENCE,
    'softmax_entropy.forward': Call(Y, V),
    'softmax_entropy.backward': Call(
        Y, (FIRST, FIRST, V, V), G, G, G),
    'softmax_entropy.value_and_gradient': Call(
        Y, V, V, VALUES, Y, how=lambda f, y, weights, prior, *out: f(
            y, weights, prior, 1e-8, *out)),
    'softmax_kl.forward': Call(Y, Y),
    'softmax_kl.backward': Call(Y, Y, (PAIR, PAIR), G),
    'softmax_kl.value_and_gradient': DIVERGENCE,
    'products.product': Call(Y, SQUARE, Y, how=lambda f, a, b, out: f(
        a, b, out)),
    'sums.sum_rows': Call(Y, VALUES),
    'weight_decay.add_gradient': Call(
        V, V, G, how=lambda f, p, g, value: f(p, g, .1, value)),
}
# Public functions of modules with kernels that launch none.
NO_LAUNCHERS = {'centred_products.check_width', 'graph.captured',
                'sums.scalars'}


def test_no_launcher_is_left_out():
    modules = [importlib.import_module(f'imsat.cuda.{module.name}')
               for module in pkgutil.iter_modules([str(kernels.FOLDER)])]
    names = {f'{module.__name__.split(".")[-1]}.{name}'
             for module in modules
             # The means of all of them: they launch nothing themselves.
             if module not in (arguments, kernels, launch, runtime)
             for name, function in vars(module).items()
             if not name.startswith('_') and inspect.isfunction(function)
             and function.__module__ == module.__name__}
    assert names == CALLS.keys() | NO_LAUNCHERS


def launcher(name):
    module, function = name.split('.')
    return getattr(importlib.import_module(f'imsat.cuda.{module}'), function)


@pytest.mark.parametrize('name', CALLS)
def test_every_array_is_checked(device, name, monkeypatch):
    function, values = launcher(name), CALLS[name].arrays
    foreign = []

    def call(values):
        return CALLS[name].how(function, *values)

    def on_device(value):
        if isinstance(value, tuple):
            return tuple(map(on_device, value))
        return device.asarray(value)

    def wrong(value):
        """All the ways to spoil one array of an argument."""
        if isinstance(value, tuple):
            for i in range(len(value)):
                for spoilt, error in wrong(value[i]):
                    yield (*on_device(value[:i]), spoilt,
                           *on_device(value[i + 1:])), error
            return
        yield value, TypeError
        yield device.asarray(value.astype('e')), TypeError
        yield device.asarray(value[None]), ValueError
        elsewhere = device.asarray(value)
        foreign.append(elsewhere)
        yield elsewhere, ValueError

    count = collections.Counter()

    def counted(original):
        def method(self, *args):
            count['launches'] += 1
            return original(self, *args)
        return method

    cls = type(runtime.current)
    monkeypatch.setattr(cls, 'launch', counted(cls.launch))
    monkeypatch.setattr(cls, 'elementwise', counted(cls.elementwise))
    monkeypatch.setattr(cls, 'product', counted(cls.product))
    call(on_device(values))
    assert count['launches'] > 0

    monkeypatch.setattr(cls, 'is_current', lambda self, x: not any(
        x is each for each in foreign))
    count.clear()
    for i, value in enumerate(values):
        for spoilt, error in wrong(value):
            with pytest.raises(error):
                call((*on_device(values[:i]), spoilt,
                      *on_device(values[i + 1:])))
    assert not count


@pytest.mark.parametrize('function', [
    lambda y: softmax_entropy.forward(y, eps=-1),
    lambda y: sigmoid_mutual_information.forward(y, eps=-1),
    lambda y: code_mutual_information.forward(y, [1, 2], -1),
    lambda y: softmax_kl.forward(y, y, eps=-1),
    lambda y: sigmoid_kl.forward(y, y, eps=-1),
    lambda y: batch_normalization_relu.forward(y, y[0], y[0], eps=-1),
    lambda y: batch_normalization_relu.forward(y, y[0], y[0], decay=2)])
def test_numbers_are_checked(device, function):
    with pytest.raises(ValueError):
        function(device.asarray(Y))


def test_running_statistics_come_in_pairs(device):
    y, v = device.asarray(Y), device.asarray(V)
    with pytest.raises(TypeError, match='both'):
        batch_normalization_relu.forward(y, v, v, running_mean=v)


@pytest.mark.parametrize('shape,message', [
    ((3,), r'shape is \(3,\); give \(B, D\)'),
    ((-1, 3), 'B is -1; give an integer from 0 to 4294967296'),
    ((3, 2 ** 32 + 1), 'D is 4294967297; give an integer from 0 to')])
def test_shapes_of_directions(device, shape, message):
    with pytest.raises(ValueError, match=f'^{message}'):
        directions.random(shape, 'f', 0)


def test_nothing_to_sum(device):
    with pytest.raises(ValueError, match='^M is 0; give'):
        sums.sum_rows(device.asarray(Y[:0]))
