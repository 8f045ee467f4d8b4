"""Bad input is told in one sentence, before anything is launched."""
import numpy
import pytest
import simt

from imsat.cuda import (
    affine, arguments, batch_normalization_relu, bit_information,
    code_information, directions, hamming, nearest, runtime, sigmoid_kl,
    softmax_information, softmax_kl)

Y = numpy.zeros((4, 3), 'f')
V = numpy.ones(3, 'f')
G = numpy.array(1, 'f')
X = numpy.zeros((4, 3, 2), 'f')
MAPS = numpy.zeros((4, 2, 3))
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


SQUARE = numpy.zeros((3, 3), 'f')


def heads(y, *args):
    return code_information.forward(y, [1, 2], *args)


def heads_backward(y, *args):
    return code_information.backward(y, [1, 2], *args)


CALLS = {
    'information': (softmax_information.forward, (Y, V)),
    'information backward': (softmax_information.backward, (
        Y, (Y[:, 0], Y[:, 0], V, V), G, G, G)),
    'bits': (bit_information.forward, (Y,)),
    'bits backward': (bit_information.backward, (
        Y, (Y, Y[:2], V, SQUARE, V), G, G, G)),
    'heads': (heads, (Y,)),
    'heads backward': (heads_backward, (
        Y, (Y, Y[:, :2], Y[:, :2], V, V, SQUARE, V), G, G, G)),
    'softmax': (softmax_kl.forward, (Y, Y)),
    'softmax backward': (softmax_kl.backward, (
        Y, Y, (Y[:, :2], Y[:, :2]), G)),
    'sigmoid': (sigmoid_kl.forward, (Y, Y)),
    'sigmoid backward': (sigmoid_kl.backward, (Y, Y, G)),
    'normalization': (batch_normalization_relu.forward, (Y, V, V)),
    'normalization backward': (
        batch_normalization_relu.backward, (Y, V, V, (V, V), Y)),
    'scaling': (directions.scale_rows, (Y, Y[:, 0])),
    'affine': (affine.forward, (X, MAPS)),
    'affine backward': (affine.backward, (X, MAPS)),
    'selection': (
        lambda y, v, so_far: nearest.select(y, v, 2, 3, so_far),
        (Y, V, (Y[:, :2], INDICES))),
    'distance': (
        lambda *arrays: nearest.distance_of_rank(*arrays, 1),
        (Y, Y, INDICES)),
    'packing': (hamming.pack_bits, (Y,)),
    'words': (hamming.to_words, (WORDS.view('u1'),)),
    'codes': (lambda words: hamming.from_words(words, 8), (WORDS,)),
    'distances': (hamming.distances, (WORDS, WORDS)),
    'histograms': (
        lambda *arrays: hamming.histograms(*arrays, 64),
        (WORDS, LABELS, WORDS, LABELS)),
    'nearest': (
        lambda q, g, ids: hamming.nearest(q, g, 64, 2, ids),
        (WORDS, WORDS, LABELS)),
    'within': (
        lambda q, g, ids: hamming.within(q, g, 64, 2, ids),
        (WORDS, WORDS, LABELS)),
}


@pytest.mark.parametrize('name', CALLS)
def test_every_array_is_checked(device, name, monkeypatch):
    function, values = CALLS[name]

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
        yield device.asarray(value.astype('i')), TypeError
        yield device.asarray(value[None]), ValueError

    function(*on_device(values))

    def launched(*args):
        pytest.fail('a kernel was launched')
    monkeypatch.setattr(type(runtime.current), 'launch', launched)
    monkeypatch.setattr(type(runtime.current), 'elementwise', launched)
    for i, value in enumerate(values):
        for spoilt, error in wrong(value):
            with pytest.raises(error):
                function(*on_device(values[:i]), spoilt,
                         *on_device(values[i + 1:]))


@pytest.mark.parametrize('function', [
    lambda y: softmax_information.forward(y, eps=-1),
    lambda y: bit_information.forward(y, eps=-1),
    lambda y: heads(y, -1),
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
