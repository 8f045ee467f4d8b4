import math

import numpy
import pytest

from imsat import InputError
from imsat.datasets.features.gist import (
    gabor_filters, gist, mean_responses, prefilter)

RNG = numpy.random.default_rng(0)


def transfer(fx, fy, scale, j, count):
    """The filter's answer to a frequency, evaluated for one at a time."""
    f, angle = math.hypot(fx, fy), math.atan2(fy, fx) + math.pi * j / count
    if angle > math.pi:
        angle -= 2 * math.pi
    centre = .3 / 1.85 ** scale
    return math.exp(-10 * .35 * (f / centre - 1) ** 2
                    - 2 * (16 * count ** 2 / 32 ** 2) * math.pi * angle ** 2)


@pytest.mark.parametrize('orientations', [(8, 8, 8, 8), (8, 8, 4), (3,)])
def test_filters(orientations):
    n, k = 12, 0
    filters = gabor_filters(n, orientations)
    assert filters.shape == (sum(orientations), n, n)
    frequencies = [i / n if i < n / 2 else i / n - 1 for i in range(n)]
    for scale, count in enumerate(orientations):
        for j in range(count):
            expected = [[transfer(fx, fy, scale, j, count)
                         for fx in frequencies] for fy in frequencies]
            numpy.testing.assert_allclose(filters[k], expected, rtol=2e-5,
                                          atol=1e-30)
            k += 1


@pytest.mark.parametrize('scale', [0, 1, 2])
def test_grating(array_module, scale):
    """A grating is answered strongest by the filter of its own frequency and
    direction, with half its amplitude times the transfer function."""
    n, orientations = 32, (8, 8, 4)
    filters = gabor_filters(n, orientations)
    rows, columns = numpy.mgrid[:n, :n]
    for j in range(orientations[scale]):
        # The frequency of an FFT to which this filter answers strongest.
        fx, fy = max(
            ((fx, fy) for fx in range(-n // 2, n // 2)
             for fy in range(-n // 2, n // 2)),
            key=lambda f: transfer(f[0] / n, f[1] / n, scale, j,
                                   orientations[scale]))
        grating = numpy.cos(2 * numpy.pi * (fx * columns + fy * rows) / n + .7)
        found = numpy.array(mean_responses(
            array_module.asarray(grating[None], 'f'),
            array_module.asarray(filters)).tolist())[0]
        own = sum(orientations[:scale]) + j
        assert found.mean(axis=(1, 2)).argmax() == own
        # A cosine is two opposite frequencies; where a filter stops one, the
        # magnitude of its answer is the same everywhere.
        k = 0
        for s, count in enumerate(orientations):
            for i in range(count):
                low, high = sorted(
                    transfer(sign * fx / n, sign * fy / n, s, i, count)
                    for sign in (1, -1))
                if low < 1e-6:
                    numpy.testing.assert_allclose(found[k], high / 2,
                                                  atol=1e-6)
                assert k != own or low < 1e-6
                k += 1


def naive(image, kind):
    """The descriptor of one image by the definition of every step, in float64
    and with sums in the place of FFTs."""
    channels, orientations, boundary = {
        'gray': (1, (8, 8, 8, 8), 32), 'color': (3, (8, 8, 4), 0)}[kind]
    image = image.astype('d')
    if kind == 'gray':
        image = image.mean(axis=2, keepdims=True)
        image = 255 * (image - image.min()) / (image.max() - image.min())
    n = len(image)

    def reflected(x, width):
        # ... 1 0 | 0 1 2 ... n-1 | n-1 n-2 ..., again and again.
        period = [*range(len(x)), *reversed(range(len(x)))]
        index = [period[i % len(period)]
                 for i in range(-width, len(x) + width)]
        return x[index][:, index]

    def filtered(x, function):
        m = len(x)
        wave = numpy.exp(
            2j * numpy.pi * numpy.outer(numpy.arange(m), numpy.arange(m)) / m)
        f = [i if i < m / 2 else i - m for i in range(m)]
        h = numpy.array([[function(fx, fy) for fx in f] for fy in f])
        return wave @ (h * (wave.conj() @ x @ wave.conj())) @ wave / m ** 2

    def low(fx, fy):
        return math.exp(-(fx ** 2 + fy ** 2) / (4 / math.sqrt(math.log(2))
                                                ) ** 2)
    padded = [reflected(numpy.log(image[:, :, c] + 1), 5)
              for c in range(channels)]
    white = [x - filtered(x, low).real for x in padded]
    contrast = .2 + numpy.sqrt(abs(filtered((sum(white) / channels) ** 2,
                                            low)))
    descriptor = []
    for x in white:
        x = reflected((x / contrast)[5:-5, 5:-5], boundary)
        m = len(x)
        for scale, count in enumerate(orientations):
            for j in range(count):
                response = abs(filtered(x, lambda fx, fy: transfer(
                    fx / m, fy / m, scale, j, count)))
                response = response[boundary:, boundary:]
                for column in range(4):
                    for row in range(4):
                        descriptor.append(response[
                            row * n // 4:(row + 1) * n // 4,
                            column * n // 4:(column + 1) * n // 4].mean())
    return descriptor


@pytest.mark.parametrize('kind,d,n', [('gray', 512, 8), ('color', 960, 12),
                                      ('color', 960, 10)])
def test_naive(array_module, kind, d, n):
    images = RNG.integers(0, 256, (2, n, n, 3)).astype('u1')
    found = gist(array_module.asarray(images), kind)
    assert found.shape == (2, d) and found.dtype == numpy.float32
    numpy.testing.assert_allclose(
        found.tolist(), [naive(image, kind) for image in images], rtol=2e-4,
        atol=1e-6)


def test_chunks_and_gray_images():
    images = RNG.integers(0, 256, (70, 8, 8)).astype('u1')
    together = gist(images)
    apart = [gist(image[None])[0] for image in images]
    numpy.testing.assert_allclose(together, apart, rtol=1e-5, atol=1e-7)
    colored = numpy.repeat(images[..., None], 3, axis=3)
    numpy.testing.assert_allclose(gist(colored), together, rtol=1e-4,
                                  atol=1e-6)


def test_constant_image():
    assert not gist(numpy.full((1, 8, 8, 3), 7, 'u1')).any()
    # log(8) less its mean, but for the rounding of float32.
    assert gist(numpy.full((1, 8, 8, 3), 7, 'u1'), 'color').max() < 1e-4


def test_prefilter_removes_what_is_slow():
    rows = numpy.arange(64) / 64
    slow = numpy.exp(2 + numpy.cos(2 * numpy.pi * rows)) - 1
    fast = numpy.exp(2 + numpy.cos(2 * numpy.pi * 16 * rows)) - 1
    images = numpy.repeat([slow, fast], 64, axis=0).reshape(2, 1, 64, 64)
    found = abs(prefilter(images.astype('f'))).mean(axis=(1, 2, 3))
    assert found[1] > 3 * found[0]


@pytest.mark.parametrize('shape,kind', [
    ((2, 8, 10, 3), 'gray'), ((2, 9, 9, 3), 'gray'), ((2, 6, 6, 3), 'gray'),
    ((2, 8, 8, 2), 'gray'), ((8, 8), 'gray'), ((8,), 'gray'),
    ((2, 8, 8), 'color')])
def test_other_shapes(shape, kind):
    with pytest.raises(InputError, match='needs .N, n, n, 3'):
        gist(numpy.zeros(shape, 'u1'), kind)


def test_lists_and_what_is_no_image():
    images = numpy.random.RandomState(0).randint(0, 256, (1, 8, 8))
    numpy.testing.assert_array_equal(gist(images.tolist()), gist(images))
    with pytest.raises(InputError, match='kind is'):
        gist(images, 'grey')
    with pytest.raises(InputError, match='dtype'):
        gist(images.astype(str))
