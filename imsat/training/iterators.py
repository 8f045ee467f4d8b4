"""Batches as indices of points."""
import chainer
import numpy
import scipy.sparse

from imsat.randomness import ORDER, generator

SAMPLINGS = 'permutation', 'sweep'  # the first by default


def sample_permutation(rng, n, batch_size):
    """The first ``batch_size`` of a fresh permutation of n, as the authors'
    code samples: within a batch no point comes twice."""
    return rng.permutation(n)[:batch_size]


def sample_by_weight(rng, weight, size):
    """``size`` points in random order, as often as their weights demand.

    Of a point with the share s of all weight there are size s, rounded up or
    down so that this is their mean (systematic sampling): what a permutation
    gives where every point is repeated by its weight, but with less chance.

    Args:
        weight (array): Shape (N,), at least 0.
    """
    order = rng.permutation(numpy.flatnonzero(weight))
    ends = numpy.cumsum(weight[order])
    places = (numpy.arange(size) + rng.random()) / size * ends[-1]
    return rng.permutation(
        order[numpy.searchsorted(ends[:-1], places, side='right')])


class IndexIterator(chainer.dataset.Iterator):
    """Indices of a batch at a time, shape (batch_size,).

    An epoch is ``n // batch_size`` batches.

    Args:
        n (int): Number of points.
        batch_size (int): At most n.
        sampling (str): ``'permutation'``, a fresh permutation of all points
            every iteration, of which the first are taken, as the authors'
            code does: one epoch shows about 63 % of the points.  Or
            ``'sweep'``, a permutation an epoch, so that every point comes
            once but for a remainder smaller than a batch.
        seed (int): Of every permutation, together with the iteration.
        weight (array): Shape (n,); if there is one, points are drawn by it,
            see :func:`sample_by_weight`, and ``sampling`` does not matter.

    Example:
        >>> from imsat.training import IndexIterator
        >>> batches = IndexIterator(6, 2, sampling='sweep')
        >>> sorted(int(i) for _ in range(3) for i in next(batches))
        [0, 1, 2, 3, 4, 5]
    """

    def __init__(self, n: int, batch_size: int,
                 sampling: str = SAMPLINGS[0], seed: int = 0,
                 weight: numpy.ndarray | None = None) -> None:
        self.n, self.batch_size, self.seed = n, batch_size, seed
        self.sampling, self.weight = sampling, weight
        self.steps_per_epoch = n // batch_size
        self.iteration = 0

    def __next__(self) -> numpy.ndarray:
        step = self.iteration
        self.iteration += 1
        if self.weight is not None:
            return sample_by_weight(generator(self.seed, ORDER, step),
                                    self.weight, self.batch_size)
        if self.sampling == 'permutation':
            return sample_permutation(
                generator(self.seed, ORDER, step), self.n, self.batch_size)
        epoch, position = divmod(step, self.steps_per_epoch)
        order = generator(self.seed, ORDER, epoch).permutation(self.n)
        return order[position * self.batch_size:][:self.batch_size]

    @property
    def epoch(self):
        return self.iteration // self.steps_per_epoch

    @property
    def is_new_epoch(self):
        return self.iteration > 0 and \
            self.iteration % self.steps_per_epoch == 0

    @property
    def epoch_detail(self):
        return self.iteration / self.steps_per_epoch

    @property
    def previous_epoch_detail(self):
        if not self.iteration:
            return -1.
        return (self.iteration - 1) / self.steps_per_epoch

    def serialize(self, serializer):
        self.iteration = serializer('iteration', self.iteration)


def dense(rows):
    """Rows of data that may be sparse, as an array."""
    return rows.toarray() if scipy.sparse.issparse(rows) else rows


def batch_of(x, index, device):
    """The rows ``x[index]`` as a dense array on the device.

    x is there already, or sparse and in the host's memory, as index is.
    """
    if scipy.sparse.issparse(x):
        return device.send(dense(x[index]))
    return x[device.send(index)]
