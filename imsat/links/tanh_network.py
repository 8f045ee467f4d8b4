"""The network of Deep Hash."""
from collections.abc import Sequence

import chainer
import chainer.functions as F
import chainer.links as L
import numpy

from imsat.devices import check_memory
from imsat.hints import VariableOrArray
from imsat.parameters import Units, Whole, checked, layers


class TanhNetwork(chainer.Chain):
    """The network of Deep Hash (Erin Liong et al. 2015): ``l1``, ``l2``, ...
    are linear, each with a hyperbolic tangent behind it.

    Weights start as identities cut to size, biases at 0.

    Args:
        n_in (int): Dimension of the input.
        sizes (sequence of int, or int): Units of every layer, the last the
            bits.

    Example:
        A fresh network of one layer: tanh of the first inputs.

        >>> network = imsat.links.TanhNetwork(3, (2,))
        >>> network(numpy.array([[0., 1., 2.]], 'f')).array.round(4)
        array([[0.    , 0.7616]], dtype=float32)
    """

    @checked(n_in=Whole(1), sizes=Units())
    def __init__(self, n_in: int, sizes: Sequence[int] | int):
        super().__init__()
        inputs = n_in, *layers(sizes)
        check_memory(inputs)
        self.n_layers = len(inputs) - 1
        with self.init_scope():
            for i, (fan_in, units) in enumerate(zip(inputs, inputs[1:])):
                setattr(self, f'l{i + 1}', L.Linear(
                    fan_in, units,
                    initialW=numpy.eye(units, fan_in, dtype=numpy.float32)))

    def forward(self, x: VariableOrArray) -> chainer.Variable:
        """H of Erin Liong et al., shape (B, D), within (-1, 1)."""
        # children() has l10 before l2.
        for i in range(1, self.n_layers + 1):
            x = F.tanh(self[f'l{i}'](x))
        return x
