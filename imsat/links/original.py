"""Networks that the authors' code has saved, and ours for it.

Both go by ``serializers.save_npz``'s names: ``l1/W``, ``bn1/avg_mean``.
"""
from collections.abc import Mapping

import chainer
import numpy
from chainer import serializers

from imsat.errors import InputError
from imsat.hints import Array
from imsat.links.encoder import Encoder
from imsat.storage import AnyPath, check_arrays, load_npz


def names_of(encoder: Encoder) -> list[str]:
    """Names of all arrays of an encoder: ``l1.W``, ..., ``bn2.avg_var``."""
    n_hidden = encoder.n_hidden
    return [f'l{i}.{name}' for i in range(1, n_hidden + 2)
            for name in ('W', 'b')] + [
        f'bn{i}.{name}' for i in range(1, n_hidden + 1)
        for name in ('gamma', 'beta', 'avg_mean', 'avg_var')]


def array_of(encoder: Encoder, name: str) -> Array:
    """The array itself, to read and to write, of one of those names."""
    layer, attribute = name.split('.')
    array = getattr(encoder[layer], attribute)
    return getattr(array, 'array', array)


def set_arrays(encoder: Encoder, arrays: Mapping[str, Array]) -> None:
    """Fills an encoder, on a CPU, from a dict by :func:`names_of`."""
    for name in names_of(encoder):
        array_of(encoder, name)[...] = arrays[name]


def load_original(path: AnyPath) -> Encoder:
    """The encoder that Chainer's ``serializers.save_npz`` wrote to ``path``.

    For instance from the authors' code, with Chainer 1.x::

        serializers.save_npz('encoder.npz', enc)

    Predictions are the same.  (On a CPU Chainer 1 saved running variances
    that are 2e-5 too large, and it predicted with those.)

    Args:
        path (path): An npz file.

    Returns:
        Encoder: On the CPU, in float32, of the depth and the sizes that the
        arrays have; ``IMSATClustering.from_encoder`` and
        ``IMSATHasher.from_encoder`` make an estimator of it.

    Raises:
        InputError: For a file that holds no such encoder.

    Example:
        >>> import chainer
        >>> encoder = imsat.Encoder(784, 10, hidden=(300,))
        >>> chainer.serializers.save_npz('encoder.npz', encoder)
        >>> imsat.load_original('encoder.npz').sizes
        (784, 300, 10)
    """
    return encoder_from(load_npz(path), path)


def encoder_from(arrays: Mapping[str, numpy.ndarray],
                 path: AnyPath) -> Encoder:
    """An encoder from the arrays of a file, named ``path`` in errors."""
    arrays = {name: array for name, array in arrays.items()
              if name not in BESIDE}
    sizes: list[int] = []
    while (w := arrays.get(f'l{max(len(sizes), 1)}/W')) is not None:
        if w.ndim != 2 or 0 in w.shape or sizes and sizes[-1] != w.shape[1]:
            break
        sizes += [*([] if sizes else [w.shape[1]]), w.shape[0]]
    if w is not None or not sizes:
        raise InputError(
            f'{path} holds no encoder of this project or of the authors\' '
            f'code: l{max(len(sizes), 1)}/W '
            + ('is missing' if w is None else f'has shape {w.shape}')
            + '; save one with serializers.save_npz')
    with chainer.using_config('dtype', numpy.float32):
        encoder = Encoder(sizes[0], sizes[-1], sizes[1:-1])
    like = serializers.npz.serialize(encoder)
    for name in 'center_', 'deviation_', 'spread_':  # of an estimator
        if name in arrays:
            like[name] = numpy.zeros(sizes[0])
    check_arrays(arrays, like, path)
    if arrays.get('center_', numpy.zeros(1)).any() \
            or (arrays.get('deviation_', numpy.ones(1)) != 1).any():
        raise InputError(f'{path} holds an encoder of points that are moved '
                         f'by center_ or scaled first; use load() of the '
                         f'estimator that saved it')
    serializers.NpzDeserializer(arrays).load(encoder)
    return encoder


# What a file that an estimator saved has beside its encoder.
BESIDE = ('estimator', 'arguments', 'n_features_in', 'objective',
          'settled', 'feature_names_in')
