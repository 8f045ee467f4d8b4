import numpy
import pytest

from imsat import Encoder


def test_the_original_start(golden):
    # Encoder(dim 6, hidden 5-4, 3 classes) after np.random.seed(0)
    trace = golden('init_stats', 'f')
    encoder = Encoder(6, 3, (5, 4), rng=numpy.random.RandomState(0))
    for name, expected in trace('seed0').items():
        layer, attribute = name.split('.')
        actual = getattr(encoder[layer], attribute)
        actual = getattr(actual, 'array', actual)
        assert actual.dtype == numpy.float32
        numpy.testing.assert_array_equal(actual, expected, name)


def test_constants(golden):
    trace = golden('init_stats')
    encoder = Encoder(6, 3, (5, 4))
    for i in (1, 2):
        assert encoder[f'bn{i}'].eps == trace['bn_eps']
        assert encoder[f'bn{i}'].decay == trace['bn_decay']


@pytest.mark.parametrize('initialization,hidden,last', [
    # The README's table of the original: .011294, .009129, 2.887e-4.
    ('original', (.0112938, .0091287), 2.88675e-4),
    ('he', (.1 * (2 / 784) ** .5, .1 * (2 / 1200) ** .5),
     1e-4 * (2 / 1200) ** .5)])
def test_standard_deviations(initialization, hidden, last):
    encoder = Encoder(784, 10, initialization=initialization,
                      rng=numpy.random.RandomState(0))
    for layer, std in zip((encoder.l1, encoder.l2, encoder.l3),
                          (*hidden, last)):
        w = layer.W.array
        # Of n draws the estimate is off by std / sqrt(2 n), here 5 times.
        assert abs(w.std() - std) < 5 * std / (2 * w.size) ** .5
        assert abs(w.mean()) < 5 * std / w.size ** .5
        assert (layer.b.array == 0).all()


@pytest.mark.parametrize('hidden', [(), (7,), (7, 5, 3)])
def test_any_depth(hidden):
    encoder = Encoder(4, 2, hidden)
    x = numpy.random.RandomState(0).normal(size=(6, 4)).astype('f')
    assert encoder(x).shape == (6, 2)
    assert encoder.count_params() == sum(
        a * b + b for a, b in zip((4, *hidden), (*hidden, 2))
    ) + 2 * sum(hidden)
