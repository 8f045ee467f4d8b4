"""GIST, the spatial envelope of images (Oliva and Torralba, 2001)."""
import typing
from collections.abc import Sequence

import numpy
import scipy.fft
from chainer import backend

from imsat.devices import available_cores
from imsat.errors import ArgumentError, InputError

# The two descriptors of the paper.  'gray', 512-d, has the parameters of
# Torralba's LMgist.m; 'color', 960-d, those of INRIA's lear_gist.
KINDS: dict[str, dict[str, typing.Any]] = {
    'gray': {'orientations': (8, 8, 8, 8), 'boundary': 32, 'rescale': True},
    'color': {'orientations': (8, 8, 4), 'boundary': 0, 'rescale': False}}
NOTES = {
    'gray': 'GIST of 512 dimensions, computed from the pixels at their own '
            'size with the parameters of Torralba\'s LMgist; which program '
            'the paper took is not known.',
    'color': 'GIST of 960 dimensions, computed from the pixels at their own '
             'size with the parameters of INRIA\'s lear_gist; which program '
             'the paper took is not known.'}
# Images at a time: bounds memory.
CHUNK, GPU_CHUNK = 32, 1024
CUTOFF = 4  # of the prefilter, in cycles an image
PREFILTER_PADDING = 5


def gist(images: typing.Any, kind: str = 'gray', blocks: int = 4
         ) -> typing.Any:
    """GIST of square images: mean Gabor responses in a grid of blocks.

    Images are whitened and their local contrast is made equal
    (:func:`prefilter`), then filtered by oriented band-pass filters
    (:func:`gabor_filters`); the magnitudes of each response are averaged
    over ``blocks`` x ``blocks`` blocks.

    Args:
        images (array): Shape (N, n, n) or (N, n, n, 3), NumPy or CuPy, any
            real dtype, from 0 to 255; n even, from 8.
        kind (str): ``'gray'``: channels averaged, stretched to 0..255, and
            reflected by 32 pixels at the border.  ``'color'``: each channel
            by itself, as it is, the border wrapped around.
        blocks (int): Along each side of an image.

    Returns:
        array: Shape (N, d), float32, d = channels x filters x blocks^2 in
        that order, and of the blocks column by column, as both programs
        order them.

    Raises:
        InputError: For images of another shape or kind.
    """
    if kind not in KINDS:
        raise ArgumentError('kind', f'is {kind!r}; choose one of '
                            f'{", ".join(KINDS)}', '--kind')
    options, xp = KINDS[kind], backend.get_array_module(images)
    images = xp.asarray(images)
    if images.dtype.kind not in 'buif':
        raise InputError(f'the images have dtype {images.dtype}; give numbers '
                         f'from 0 to 255')
    channels = 3 if kind == 'color' else 1
    n = images.shape[1] if images.ndim > 1 else 0
    if images.ndim not in (3, 4) or images.shape[1:3] != (n, n) \
            or n < 8 or n % 2 or images.shape[3:] not in ((), (3,)) \
            or (channels == 3 and images.ndim == 3):
        raise InputError(f'the images have shape {images.shape}; {kind} GIST '
                         f'needs (N, n, n, 3)' + (' or (N, n, n)' if
                                                  channels == 1 else '')
                         + ' with an even n from 8')
    filters = xp.asarray(gabor_filters(n + 2 * options['boundary'],
                                       options['orientations']))
    features = xp.empty((len(images), channels * len(filters) * blocks ** 2),
                        numpy.float32)
    chunk = CHUNK if xp is numpy else GPU_CHUNK
    for start in range(0, len(images), chunk):
        part = images[start:start + chunk].astype(numpy.float32)
        if part.ndim == 3:
            part = part[..., None]
        if channels == 1:
            part = part.mean(axis=3, keepdims=True)
        if options['rescale']:
            part -= part.min(axis=(1, 2), keepdims=True)
            largest = part.max(axis=(1, 2), keepdims=True)
            part *= 255 / xp.where(largest == 0, 1, largest)
        part = prefilter(part.transpose(0, 3, 1, 2))
        responses = mean_responses(part.reshape(-1, n, n), filters,
                                   options['boundary'], blocks)
        features[start:start + chunk] = responses.reshape(
            -1, features.shape[1])
    return features


def gabor_filters(n: int, orientations: Sequence[int]) -> numpy.ndarray:
    """Transfer functions of the filters for images of n x n pixels.

    With m = orientations[s], filter j of scale s passes frequencies of
    length f near f_s = .3 / 1.85^s cycles a pixel and direction near
    -pi j / m, of which t is the distance:
    exp(-3.5 (f / f_s - 1)^2 - 2 pi (m / 8)^2 t^2).

    Args:
        n (int): Pixels along a side.
        orientations (sequence of int): Filters of each scale, from fine to
            coarse.

    Returns:
        numpy.ndarray: Shape (sum(orientations), n, n), float32, in the order
        of an FFT.
    """
    frequency = numpy.fft.fftfreq(n)
    radius = numpy.hypot(frequency[:, None], frequency)
    direction = numpy.arctan2(frequency[:, None], frequency)
    filters = []
    for scale, count in enumerate(orientations):
        centre = .3 / 1.85 ** scale
        for j in range(count):
            angle = direction + numpy.pi * j / count
            angle -= 2 * numpy.pi * (angle > numpy.pi)
            filters.append(numpy.exp(
                -3.5 * (radius / centre - 1) ** 2
                - 2 * numpy.pi * (count / 8) ** 2 * angle ** 2))
    return numpy.array(filters, numpy.float32)


def prefilter(images: typing.Any) -> typing.Any:
    """Whitens images and makes their local contrast equal.

    Args:
        images (array): Shape (N, channels, n, n), float32, not negative.

    Returns:
        array: The same shape: log(1 + x) without its frequencies below
        ``CUTOFF`` cycles an image, divided by .2 + its local standard
        deviation, which all channels share.
    """
    xp = backend.get_array_module(images)
    x = _reflect(xp.log1p(images), PREFILTER_PADDING)
    n = x.shape[-1]
    cycles = xp.fft.fftfreq(n) * n
    low = xp.exp(-(cycles[:, None] ** 2 + cycles ** 2)
                 * numpy.log(2) / CUTOFF ** 2).astype(x.dtype)

    def blur(x):
        return _inverse(xp, _fft2(xp, x) * low).real
    x = x - blur(x)
    mean = x.mean(axis=1, keepdims=True)
    x = x / (.2 + xp.sqrt(xp.abs(blur(mean ** 2))))
    inner = slice(PREFILTER_PADDING, -PREFILTER_PADDING)
    return x[..., inner, inner]


def mean_responses(images: typing.Any, filters: typing.Any, boundary: int = 0,
                   blocks: int = 4) -> typing.Any:
    """Magnitudes of filtered images, averaged over blocks.

    Args:
        images (array): Shape (N, n, n), float32.
        filters (array): Transfer functions, shape (K, m, m) for m =
            n + 2 boundary.
        boundary (int): Pixels by which images are reflected at the border.
        blocks (int): Along each side.

    Returns:
        array: Shape (N, K, blocks, blocks), float32; of the last two axes the
        first is the column, the second the row.
    """
    xp = backend.get_array_module(images)
    n = images.shape[-1]
    spectrum = _fft2(xp, _reflect(images, boundary))
    edges = numpy.arange(blocks + 1) * n // blocks
    means = xp.empty((len(images), len(filters), blocks, blocks),
                     numpy.float32)
    for k, transfer in enumerate(filters):
        response = abs(_inverse(xp, spectrum * transfer, boundary))
        for i in range(blocks):
            for j in range(blocks):
                block = response[:, edges[i]:edges[i + 1],
                                 edges[j]:edges[j + 1]]
                means[:, k, j, i] = block.mean(axis=(1, 2))
    return means


def _reflect(x, width):
    xp = backend.get_array_module(x)
    sides = [(0, 0)] * (x.ndim - 2) + [(width, width)] * 2
    return xp.pad(x, sides, mode='symmetric')


def _fft2(xp, x):
    # NumPy's FFT would compute in double precision before version 2.
    if xp is numpy:
        return scipy.fft.fft2(x, workers=available_cores())
    return xp.fft.fft2(x)


def _inverse(xp, spectrum, margin=0):
    """The inverse transform without a margin, which is not computed whole."""
    inner = slice(margin, spectrum.shape[-1] - margin)
    if xp is numpy:
        workers = available_cores()
        half = scipy.fft.ifft(spectrum, axis=-2, workers=workers)
        return scipy.fft.ifft(half[..., inner, :], axis=-1,
                              workers=workers)[..., inner]
    half = xp.fft.ifft(spectrum, axis=-2)
    return xp.fft.ifft(half[..., inner, :], axis=-1)[..., inner]
