"""The networks of deep embedded clustering (Xie et al. 2016)."""
from collections.abc import Sequence

import chainer
import chainer.functions as F
import chainer.links as L
import numpy
from chainer import backend
from chainer.initializers import Normal

from imsat.devices import check_memory
from imsat.hints import Array, VariableOrArray
from imsat.parameters import (
    GENERATOR, RANDOM_STATE, Number, OneOf, Tensor, Units, Whole, checked,
    layers)
from imsat.ranks import current


class Autoencoder(chainer.Chain):
    """d-500-500-2000-10 and back (section 3.3 of Xie et al.).

    All layers are rectified but the code and the reconstruction, which may
    be negative.  Weights come from N(0, .01^2), biases are 0.

    Args:
        n_in (int): d, the number of features.
        sizes (sequence of int, or int): Units of every layer, the code's
            last.
        rng (numpy.random.RandomState): Source of the weights; NumPy's global
            one by default.

    Example:
        >>> network = imsat.links.Autoencoder(784, (500, 10))
        >>> network(numpy.zeros((3, 784), 'f')).shape
        (3, 784)
    """

    @checked(n_in=Whole(1), sizes=Units(), rng=RANDOM_STATE)
    def __init__(self, n_in: int, sizes: Sequence[int] | int,
                 rng: numpy.random.RandomState | None = None):
        super().__init__()
        outputs = layers(sizes)
        inputs = n_in, *outputs
        check_memory(inputs)
        pairs = list(zip(inputs, outputs))

        def linear(fan_in, units):
            return L.Linear(fan_in, units, initialW=Normal(.01, rng=rng))
        with self.init_scope():
            self.encoder = chainer.ChainList(
                *(linear(a, b) for a, b in pairs))
            self.decoder = chainer.ChainList(
                *(linear(b, a) for a, b in pairs))

    def forward(self, x: VariableOrArray) -> chainer.Variable:
        """The reconstruction of x, both of shape (B, d)."""
        h = encode(self.encoder, x)
        for i in reversed(range(len(self.decoder))):
            h = self.decode_layer(i, h)
        return h

    def decode_layer(self, i: int, h: VariableOrArray) -> chainer.Variable:
        h = self.decoder[i](h)
        return F.relu(h) if i else h

    def denoise_layer(self, i: int, h: VariableOrArray,
                      rng: numpy.random.Generator,
                      rate: float) -> chainer.Variable:
        """What a layer and its inverse make of their own corrupted input.

        Both the input of the layer and that of its inverse are corrupted.
        """
        code = encode_layer(self.encoder, i, corrupt(h, rng, rate))
        return self.decode_layer(i, corrupt(code, rng, rate))


class StudentClusters(chainer.Chain):
    """Soft clusters of codes by Student's t distribution, Eq. 1 of Xie et
    al. with one degree of freedom.

    Args:
        encoder (chainer.ChainList): Of an :class:`Autoencoder`.
        centers (array): mu, shape (K, code).

    Example:
        A code at the first of two centres, at a squared distance of 2 from
        the other: q is proportional to 1 and 1/3.

        >>> import chainer
        >>> identity = chainer.ChainList(
        ...     chainer.links.Linear(2, 2, initialW=numpy.eye(2)))
        >>> centers = numpy.array([[0, 0], [1, 1]], 'f')
        >>> network = imsat.links.StudentClusters(identity, centers)
        >>> y = network(numpy.zeros((1, 2), 'f'))
        >>> chainer.functions.softmax(y).array.round(3)
        array([[0.75, 0.25]], dtype=float32)
    """

    @checked(encoder=OneOf(chainer.ChainList, 'give that of an Autoencoder'),
             centers=Tensor(2))
    def __init__(self, encoder: chainer.ChainList, centers: Array):
        super().__init__()
        with self.init_scope():
            self.encoder = encoder
            self.centers = chainer.Parameter(centers)

    def forward(self, x: VariableOrArray) -> chainer.Variable:
        r"""Logits of q, shape (B, K): :math:`-\log(1 + ||z - \mu_k||^2)`."""
        z = encode(self.encoder, x)
        shape = (len(z), *self.centers.shape)
        difference = F.broadcast_to(z[:, None], shape) \
            - F.broadcast_to(self.centers, shape)
        return -F.log1p(F.sum(difference ** 2, axis=2))


def encode(layers: chainer.ChainList, x: VariableOrArray) -> chainer.Variable:
    """The code, shape (B, code), of x, shape (B, d)."""
    for i in range(len(layers)):
        x = encode_layer(layers, i, x)
    return x


def encode_layer(layers: chainer.ChainList, i: int,
                 h: VariableOrArray) -> chainer.Variable:
    h = layers[i](h)
    return h if i == len(layers) - 1 else F.relu(h)


@checked(h=Tensor(), rng=GENERATOR, rate=Number(0, 1, open=')'))
def corrupt(h: VariableOrArray, rng: numpy.random.Generator,
            rate: float) -> VariableOrArray:
    """Dropout whose mask comes from a ``numpy.random.Generator``.

    Args:
        h (Variable or array): Of any shape and a float dtype; of several
            ranks, the rows of this one.
        rng (numpy.random.Generator): Source of the mask, on any device.
        rate (float): How likely an element becomes 0, below 1.

    Returns:
        Variable or array: As h; what is kept is divided by ``1 - rate``.

    Example:
        >>> h = numpy.ones((100, 100), 'f')
        >>> y = imsat.links.corrupt(h, numpy.random.default_rng(0), .5)
        >>> numpy.unique(y)
        array([0., 2.], dtype=float32)
    """
    xp, ranks = backend.get_array_module(h), current()
    shape = h.shape if ranks.size == 1 \
        else (h.shape[0] * ranks.size, *h.shape[1:])
    keep = xp.asarray(ranks.rows(
        rng.random(shape, dtype=numpy.float32)) >= rate)
    return h * (keep.astype(h.dtype) / (1 - rate))


@checked(q=Tensor(2))
def target_distribution(q: Array) -> Array:
    """P of Eq. 3 of Xie et al., shape (N, K), from all data's q.

    Example:
        It makes sure assignments surer, and full clusters smaller.

        >>> q = numpy.array([[.5, .5], [.75, .25]])
        >>> imsat.links.target_distribution(q).round(5)
        array([[0.375  , 0.625  ],
               [0.84375, 0.15625]])
    """
    weight = q ** 2 / q.sum(axis=0)
    return weight / weight.sum(axis=1, keepdims=True)
