"""The networks of deep embedded clustering (Xie et al. 2016)."""
import chainer
import chainer.functions as F
import chainer.links as L
import numpy
from chainer import backend
from chainer.initializers import Normal


class Autoencoder(chainer.Chain):
    """d-500-500-2000-10 and back (section 3.3 of Xie et al.).

    All layers are rectified but the code and the reconstruction, which may
    be negative.  Weights come from N(0, .01^2), biases are 0.

    Args:
        n_in (int): d.
        sizes (sequence of int): Units of every layer, the code's last.
        rng (numpy.random.RandomState): Source of the weights.
    """

    def __init__(self, n_in, sizes=(500, 500, 2000, 10), rng=None):
        super().__init__()
        pairs = list(zip((n_in, *sizes), sizes))

        def linear(fan_in, units):
            return L.Linear(fan_in, units, initialW=Normal(.01, rng=rng))
        with self.init_scope():
            self.encoder = chainer.ChainList(
                *(linear(a, b) for a, b in pairs))
            self.decoder = chainer.ChainList(
                *(linear(b, a) for a, b in pairs))

    def forward(self, x):
        """The reconstruction of x, both of shape (B, d)."""
        h = encode(self.encoder, x)
        for i in reversed(range(len(self.decoder))):
            h = self.decode_layer(i, h)
        return h

    def decode_layer(self, i, h):
        h = self.decoder[i](h)
        return F.relu(h) if i else h

    def denoise_layer(self, i, h, rng, rate):
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
    """

    def __init__(self, encoder, centers):
        super().__init__()
        with self.init_scope():
            self.encoder = encoder
            self.centers = chainer.Parameter(centers)

    def forward(self, x):
        """Logits of q, shape (B, K): :math:`-log(1 + ||z - mu_k||^2)`."""
        z = encode(self.encoder, x)
        shape = (len(z), *self.centers.shape)
        difference = F.broadcast_to(z[:, None], shape) \
            - F.broadcast_to(self.centers, shape)
        return -F.log1p(F.sum(difference ** 2, axis=2))


def encode(layers, x):
    """The code, shape (B, code), of x, shape (B, d)."""
    for i in range(len(layers)):
        x = encode_layer(layers, i, x)
    return x


def encode_layer(layers, i, h):
    h = layers[i](h)
    return h if i == len(layers) - 1 else F.relu(h)


def corrupt(h, rng, rate):
    """Dropout whose mask comes from a ``numpy.random.Generator``."""
    xp = backend.get_array_module(h)
    keep = xp.asarray(rng.random(h.shape, dtype=numpy.float32) >= rate)
    return h * (keep.astype(h.dtype) / (1 - rate))


def target_distribution(q):
    """P of Eq. 3 of Xie et al., shape (N, K), from all data's q."""
    weight = q ** 2 / q.sum(axis=0)
    return weight / weight.sum(axis=1, keepdims=True)
