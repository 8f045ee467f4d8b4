"""Several networks as one."""
import math

import chainer
import chainer.functions as F

from imsat.hints import VariableOrArray


class Ensemble(chainer.ChainList):
    """Networks for the same outputs, whose probabilities are averaged.

    Args:
        links (chainer.Link): From a batch to logits, e.g.
            :class:`imsat.Encoder`.

    Example:
        Two that are sure of different clusters are together sure of none.

        >>> left, right = (imsat.Encoder(1, 2, hidden=()) for _ in range(2))
        >>> left.l1.b.array[:], right.l1.b.array[:] = (9, 0), (0, 9)
        >>> y = imsat.links.Ensemble(left, right)(numpy.zeros((1, 1), 'f'))
        >>> numpy.exp(y.array).round(6)
        array([[0.5, 0.5]], dtype=float32)
    """

    def __init__(self, *links: chainer.Link) -> None:
        super().__init__(*links)
        if links:  # a list of links has the CPU's device by itself
            self.to_device(links[0].device)

    def forward(self, x: VariableOrArray) -> chainer.Variable:
        """Logarithms of the mean probabilities, shape (B, M)."""
        return mean_logits([link(x) for link in self])


def mean_logits(logits):
    """Logarithms of the mean probabilities of some logits, each of shape
    (B, M), a Variable."""
    logs = F.stack([F.log_softmax(y) for y in logits])
    return F.logsumexp(logs, axis=0) - math.log(len(logits))
