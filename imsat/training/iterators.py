"""Batches as indices of points."""
import chainer
import numpy
import scipy.sparse
from chainer import backend

from imsat.randomness import ORDER, generator

SAMPLINGS = 'permutation', 'sweep'  # the first by default


def sample_permutation(rng, n, batch_size):
    """The first ``batch_size`` of a fresh permutation of n, as the authors'
    code samples: within a batch no point comes twice."""
    return rng.permutation(n)[:batch_size]


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

    Example:
        >>> from imsat.training import IndexIterator
        >>> batches = IndexIterator(6, 2, sampling='sweep')
        >>> sorted(int(i) for _ in range(3) for i in next(batches))
        [0, 1, 2, 3, 4, 5]
    """

    def __init__(self, n: int, batch_size: int,
                 sampling: str = SAMPLINGS[0], seed: int = 0) -> None:
        self.n, self.batch_size, self.seed = n, batch_size, seed
        self.sampling = sampling
        self.steps_per_epoch = n // batch_size
        self.iteration = 0

    def __next__(self) -> numpy.ndarray:
        step = self.iteration
        self.iteration += 1
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


def draw_neighbors(x, indices, device, index, rng, k):
    """One of the k nearest of each point of a batch, as :func:`batch_of`.

    Args:
        indices (numpy.ndarray): Of the neighbours of all points, the nearest
            first, shape (N, at least k).
        index (array): Which points the batch has, shape (B,).
        rng (numpy.random.Generator): Which of the k.
    """
    index = backend.CpuDevice().send(index)
    return batch_of(x, indices[index, rng.integers(k, size=len(index))],
                    device)
