"""Batches as indices of points."""
import concurrent.futures
import functools

import chainer
import numpy
import scipy.sparse
from chainer import backend

from imsat.errors import ArgumentError
from imsat.on_disk import OnDisk
from imsat.parameters import SEED, Choice, Numbers, Whole, checked
from imsat.randomness import ORDER, generator

# The first by default.
SAMPLINGS = 'permutation', 'sweep', 'shuffle-buffer'
# Of a shuffle buffer: how many blocks it mixes, and the rows of each, which
# lie side by side.
BLOCKS, ROWS = 64, 1024
# Batches that threads draw before they are wanted.
AHEAD = 4


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
            once but for a remainder smaller than a batch.  Or
            ``'shuffle-buffer'``, likewise, but rows are read in blocks: of
            64 blocks of 1,024 rows, one from each 64th of the data, all rows
            are shuffled before the next 64 are read.
        seed (int): Of every permutation, together with the iteration.
        weight (array): Shape (n,); if there is one, points are drawn by it,
            see :func:`sample_by_weight`, and ``sampling`` does not matter.

    Example:
        >>> from imsat.training import IndexIterator
        >>> batches = IndexIterator(6, 2, sampling='sweep')
        >>> sorted(int(i) for _ in range(3) for i in next(batches))
        [0, 1, 2, 3, 4, 5]
    """

    # Of one that was refused, too, which finalize() looks at.
    _threads: concurrent.futures.Executor | None = None

    @checked(n=Whole(1), batch_size=Whole(1), sampling=Choice(SAMPLINGS),
             seed=SEED, weight=Numbers(1, optional=True))
    def __init__(self, n: int, batch_size: int,
                 sampling: str = SAMPLINGS[0], seed: int = 0,
                 weight: numpy.ndarray | None = None) -> None:
        if batch_size > n:
            raise ArgumentError('batch_size', f'is {batch_size}, more than '
                                f'the {n} points; choose at most {n}')
        if weight is not None and (len(weight) != n or weight.min() < 0
                                   or not weight.any()):
            raise ArgumentError(
                'weight', f'has not a number from 0 for each of {n} points, '
                f'or zeros alone; give these')
        self.n, self.batch_size, self.seed = n, batch_size, seed
        self.sampling, self.weight = sampling, weight
        self.steps_per_epoch = n // batch_size
        self.iteration = 0
        self._ahead: dict[int, concurrent.futures.Future] = {}

    def draw_ahead(self) -> None:
        """From now on, lets threads draw the batches to come, the same ones.

        A GPU takes less time for a step than a permutation of 70,000 points
        takes.
        """
        self._threads = concurrent.futures.ThreadPoolExecutor(AHEAD)

    def finalize(self) -> None:
        if self._threads is not None:
            self._threads.shutdown()
        self._threads, self._ahead = None, {}

    def __next__(self) -> numpy.ndarray:
        step = self.iteration
        self.iteration += 1
        if self._threads is None:
            return self._draw(step)
        self._ahead = {each: self._ahead.get(each) or self._threads.submit(
            self._draw, each) for each in range(step, step + AHEAD)}
        return self._ahead[step].result()

    def _draw(self, step):
        """The batch of any step."""
        if self.weight is not None:
            return sample_by_weight(generator(self.seed, ORDER, step),
                                    self.weight, self.batch_size)
        if self.sampling == 'permutation':
            return sample_permutation(
                generator(self.seed, ORDER, step), self.n, self.batch_size)
        epoch, position = divmod(step, self.steps_per_epoch)
        if self.sampling == 'shuffle-buffer':
            return _from_buffers(self.seed, epoch, self.n,
                                 position * self.batch_size, self.batch_size)
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


def _from_buffers(seed, epoch, n, start, size):
    """Indices of some places in the order of an epoch."""
    sizes, ends = _buffers(seed, epoch, n)[1:]
    first, last = numpy.searchsorted(ends, [start, start + size - 1], 'right')
    begins, found = ends - sizes, []
    for i in range(first, last + 1):
        found.append(_buffer(seed, epoch, n, i)[
            max(start - begins[i], 0):start + size - begins[i]])
    return numpy.concatenate(found)


@functools.lru_cache(1)
def _buffers(seed, epoch, n):
    """Of every buffer of an epoch the numbers of its blocks, shape
    (buffers, BLOCKS), its size and where it ends."""
    buffers = -(-n // (ROWS * BLOCKS))
    # A part of the data is a row; of its blocks each buffer has one.
    blocks = generator(seed, ORDER, epoch).permuted(
        numpy.arange(BLOCKS * buffers).reshape(BLOCKS, buffers), axis=1).T
    sizes = numpy.clip(n - ROWS * blocks, 0, ROWS).sum(axis=1)
    return blocks, sizes, numpy.cumsum(sizes)


@functools.lru_cache(2)
def _buffer(seed, epoch, n, i):
    """The indices of a buffer, shuffled."""
    blocks = _buffers(seed, epoch, n)[0][i]
    rows = (ROWS * blocks[:, None] + numpy.arange(ROWS)).ravel()
    return generator(seed, ORDER, epoch, i + 1).permutation(rows[rows < n])


def stays(x):
    """Whether x is sparse, in the host's memory, or on disk, so that batches
    of it are made dense and sent to the device."""
    return scipy.sparse.issparse(x) or isinstance(x, OnDisk)


def dense(rows):
    """Rows of data that may be sparse, as an array."""
    return rows.toarray() if scipy.sparse.issparse(rows) else rows


def batch_of(x, index, device):
    """The rows ``x[index]`` as a dense array on the device.

    x is there already, or :func:`stays` where it is; index is in the host's
    memory.
    """
    if stays(x):
        return device.send(dense(x[index]))
    return x[device.send(index)]


def draw_neighbors(x, indices, device, index, rng, k):
    """One of the k nearest of each point of a batch, as :func:`batch_of`.

    Args:
        indices (numpy.ndarray): Of the neighbours of all points, the nearest
            first, shape (N, k or more); where fewer points are distinct,
            less.
        index (array): Which points the batch has, shape (B,).
        rng (numpy.random.Generator): Which of the k.
    """
    index = backend.CpuDevice().send(index)
    k = min(k, indices.shape[1])
    return batch_of(x, indices[index, rng.integers(k, size=len(index))],
                    device)
