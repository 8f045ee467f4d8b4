"""A training step and its parts as the authors' code writes them.

In plain Chainer: the clean batch goes through the network twice, the power
iteration differentiates every parameter, the tables of all pairs of bits are
stacked for every point, and batch normalization, ReLU and Adam are Chainer's
own.
"""
import numpy

import chainer
import chainer.functions as F
import chainer.links as L


class PlainEncoder(chainer.Chain):
    """The network, of two hidden layers."""

    def __init__(self, n_in, hidden, n_out):
        super().__init__()
        with self.init_scope():
            self.l1 = L.Linear(n_in, hidden[0])
            self.l2 = L.Linear(hidden[0], hidden[1])
            self.l3 = L.Linear(hidden[1], n_out)
            self.bn1 = L.BatchNormalization(hidden[0])
            self.bn2 = L.BatchNormalization(hidden[1])

    def forward(self, x, update=True):
        h = F.relu(self.normalize(self.bn1, self.l1(x), update))
        h = F.relu(self.normalize(self.bn2, self.l2(h), update))
        return self.l3(h)

    @staticmethod
    def normalize(bn, h, update):
        return bn(h) if update else F.batch_normalization(
            h, bn.gamma, bn.beta)


def plain_entropy(p):
    """Of p(y) or, as a mean over the batch, of p(y|x)."""
    return -F.sum(p * F.log(p + 1e-8)) / (len(p) if p.ndim == 2 else 1)


def plain_kl(p, q):
    return F.sum(p * F.log((p + 1e-8) / (q + 1e-8))) / len(p)


def plain_normalize(d):
    return d / numpy.sqrt((d ** 2).sum(axis=1))[:, None]


class PlainClustering:
    """Eq. 7 with the code's weight mu, and the distance of SAT."""

    @staticmethod
    def information(y, mu=4):
        p = F.softmax(y)
        return plain_entropy(p) - mu * plain_entropy(
            F.sum(p, axis=0) / len(p))

    @staticmethod
    def distance(y0, y1):
        return plain_kl(F.softmax(y0), F.softmax(y1))


def plain_tables(p):
    """The four cells of all pairs of bits: (B, D(D-1)/2, 4) from (B, D)."""
    bits = F.separate(p, axis=1)
    first, second = (F.stack([bits[d] for d in index], axis=1)
                     for index in numpy.triu_indices(len(bits), 1))
    return F.stack([first, 1 - first, first, 1 - first], axis=2) \
        * F.stack([second, second, 1 - second, 1 - second], axis=2)


class PlainHashing:
    """Eq. 14, and the distance of SAT."""

    @staticmethod
    def entropies(y):
        """Sums of H(Y_d|X), of H(Y_d), and of I(Y_d; Y_d') over ordered
        pairs, of which Eq. 13 has each."""
        p = F.sigmoid(y)
        mean = F.sum(p, axis=0) / len(p)
        joint = F.sum(plain_tables(p), axis=0) / len(p)
        product = plain_tables(mean[None])[0]
        shared = 2 * F.sum(
            joint * F.log((joint + 1e-8) / (product + 1e-8)))
        return (plain_entropy(p) + plain_entropy(1 - p),
                plain_entropy(mean) + plain_entropy(1 - mean), shared)

    @classmethod
    def information(cls, y):
        conditional, marginal, shared = cls.entropies(y)
        return conditional - marginal + shared

    @staticmethod
    def distance(y0, y1):
        p, q = F.sigmoid(y0), F.sigmoid(y1)
        return plain_kl(p, q) + plain_kl(1 - p, 1 - q)


def plain_step(task, model, optimizer, x, radius, lam=.1, xi=10):
    """One update of a PlainEncoder.

    Args:
        task: :class:`PlainClustering` or :class:`PlainHashing`.
        model (PlainEncoder)
        optimizer (Optimizer): Set up with the model.
        x (array): The batch, shape (B, d), float32.
        radius (array): epsilon of each point, shape (B,), float32.
        lam (float): lambda, the weight of the information.
        xi (float): Step of the power iteration.
    """
    information = task.information(model(x))

    y = model(x, update=False)
    y.unchain_backward()
    d = plain_normalize(numpy.random.normal(size=x.shape).astype('f'))
    d = chainer.Variable(d)
    moved = task.distance(y, model(x + xi * d, update=False))
    moved.backward()
    d = chainer.Variable(plain_normalize(d.grad))
    sat = task.distance(y, model(x + radius[:, None] * d, update=False))

    loss = sat + lam * information
    model.cleargrads()
    loss.backward()
    optimizer.update()
