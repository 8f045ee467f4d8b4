import chainer
import chainer.functions as F
import chainer.links as L
import numpy


class TanhNetwork(chainer.Chain):
    """The network of Deep Hash (Erin Liong et al. 2015): ``l1``, ``l2``, ...
    are linear, each with a hyperbolic tangent behind it.

    Weights start as identities cut to size, biases at 0.

    Args:
        n_in (int): Dimension of the input.
        sizes (sequence of int): Units of every layer, the last the bits.
    """

    def __init__(self, n_in, sizes):
        super().__init__()
        with self.init_scope():
            for i, (fan_in, units) in enumerate(zip((n_in, *sizes), sizes)):
                setattr(self, f'l{i + 1}', L.Linear(
                    fan_in, units,
                    initialW=numpy.eye(units, fan_in, dtype=numpy.float32)))

    def forward(self, x):
        """H of Erin Liong et al., shape (B, D), within (-1, 1)."""
        for layer in self.children():
            x = F.tanh(layer(x))
        return x
