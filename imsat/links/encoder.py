"""The network of IMSAT and RIM."""
import math
from collections.abc import Callable, Sequence

import chainer
import chainer.functions as F
import chainer.links as L
import numpy
from chainer.initializers import Normal

from imsat.devices import check_memory
from imsat.functions import batch_normalization_relu
from imsat.hints import VariableOrArray
from imsat.parameters import (
    RANDOM_STATE, Choice, Units, Whole, checked, layers)
from imsat.ranks import current

HIDDEN = 1200, 1200  # units of section 4.1
# Standard deviation of the weights, by fan-in: (hidden layers, last layer).
INITIALIZATIONS: dict[str, tuple[Callable[[int], float], ...]] = {
    # The authors' code under Chainer 1.21: sqrt(wscale / fan_in).
    'original': (lambda n: math.sqrt(.1 / n), lambda n: math.sqrt(1e-4 / n)),
    # He-normal times .1 and 1e-4, as PyTorch ports of IMSAT have it.
    'he': (lambda n: .1 * math.sqrt(2 / n), lambda n: 1e-4 * math.sqrt(2 / n)),
}
INITIALIZATION = 'original'


class Encoder(chainer.Chain):
    """The network d-1200-1200-M of section 4.1: logits of p(y|x).

    ``l1``, ``l2``, ... are its linear layers, ``bn1``, ``bn2``, ... the batch
    normalizations behind all but the last; the hidden activations are ReLU.
    Weights are drawn layer by layer, l1 first, and biases are 0.

    Args:
        n_in (int): Dimension d of the input.
        n_out (int): Number M of outputs: clusters or bits.
        hidden (sequence of int, or int): Units of the hidden layers, or of
            the only one; empty for a linear classifier.
        initialization (str): ``'original'``, weights from N(0, .1 / fan_in),
            of the last layer N(0, 1e-4 / fan_in), as the authors' code draws
            them; or ``'he'``, smaller: N(0, (.1 sqrt(2 / fan_in))^2) and
            N(0, (1e-4 sqrt(2 / fan_in))^2).
        rng (numpy.random.RandomState): Source of the weights; NumPy's global
            one by default.

    Example:
        >>> encoder = imsat.Encoder(784, 10, hidden=(300,))
        >>> encoder(numpy.zeros((5, 784), 'f')).shape
        (5, 10)
        >>> encoder.l1.W.shape
        (300, 784)
    """

    @checked(n_in=Whole(1), n_out=Whole(1), hidden=Units(),
             initialization=Choice(INITIALIZATIONS), rng=RANDOM_STATE)
    def __init__(self, n_in: int, n_out: int,
                 hidden: Sequence[int] | int = HIDDEN,
                 initialization: str = INITIALIZATION,
                 rng: numpy.random.RandomState | None = None):
        super().__init__()
        std_hidden, std_last = INITIALIZATIONS[initialization]
        sizes = (n_in, *map(int, layers(hidden)), n_out)
        check_memory(sizes)
        self.sizes, self.n_hidden = sizes, len(sizes) - 2
        with self.init_scope():
            for i, (fan_in, units) in enumerate(zip(sizes, sizes[1:]), 1):
                last = i > self.n_hidden
                std = (std_last if last else std_hidden)(fan_in)
                setattr(self, f'l{i}', L.Linear(
                    fan_in, units, initialW=Normal(std, rng=rng)))
                if not last:
                    # Chainer 1 started the running variance at 0.
                    setattr(self, f'bn{i}', L.BatchNormalization(
                        units, decay=.9, eps=2e-5, initial_avg_var=0))

    @property
    def last(self) -> L.Linear:
        """The linear layer of the outputs."""
        return self[f'l{self.n_hidden + 1}']

    def forward(self, x: VariableOrArray,
                update_statistics: bool = True) -> chainer.Variable:
        """Logits, shape (B, M), of x, shape (B, d).

        In training (``chainer.config.train``) the batch is normalised by its
        own statistics, and ``update_statistics`` says whether the running
        ones learn from it: VAT's perturbed batches must leave no trace
        there.  Otherwise the running statistics normalise.

        Of several ranks that train together each gives the logits of its
        own rows.
        """
        h = current().rows(x) if chainer.config.train else x
        for i in range(1, self.n_hidden + 1):
            h = self[f'l{i}'](h)
            bn = self[f'bn{i}']
            if not chainer.config.train:
                h = F.relu(F.fixed_batch_normalization(
                    h, bn.gamma, bn.beta, bn.avg_mean, bn.avg_var, bn.eps))
            elif update_statistics:
                h = batch_normalization_relu(h, bn.gamma, bn.beta, bn.eps,
                                             bn.avg_mean, bn.avg_var, bn.decay)
            else:
                h = batch_normalization_relu(h, bn.gamma, bn.beta, bn.eps)
        return self.last(h)
