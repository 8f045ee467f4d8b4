"""What the network says of all data."""
import itertools
from collections.abc import Iterator

import chainer
import numpy
from chainer import backend

from imsat.losses.objectives import is_shared
from imsat.on_disk import OnDisk, blocks_of, joined
from imsat.randomness import EVALUATION, generator
from imsat.ranks import current, sharing, taken_in_turn
from imsat.training.configuration import own_configuration
from imsat.training.iterators import (
    IndexIterator, batch_of, dense, sample_by_weight)

BATCH = 1000
# Of points on disk: batches of a rank at a time, and the points from which R
# is taken.
ROUND, MOST = 64, 1 << 20


def predict_logits(model, x):
    """Logits of all of ``x``, shape (N, M), with the running statistics.

    Returns a NumPy array, whatever device the network is on.
    """
    return predict(model, x, model.device)


@own_configuration()
def predict(function, x, device):
    """``function`` of all of x, batch by batch, as a NumPy array.

    Ranks take the batches in turn, and all get all of the answer.  Of points
    on disk it stays on disk too, if it is large.
    """
    fetch, ranks = backend.CpuDevice().send, current()
    batches = range(0, x.shape[0], BATCH)
    size = ROUND * ranks.size if isinstance(x, OnDisk) else len(batches)

    def rounds():
        for start in range(0, len(batches), size):
            some = batches[start:start + size]
            parts = ranks.gather([
                fetch(function(device.send(dense(x[i:i + BATCH]))).array)
                for i in some[ranks.rank::ranks.size]])
            for k in range(len(some)):
                yield parts[k % ranks.size][k // ranks.size]
    with chainer.using_config('train', False), chainer.no_backprop_mode():
        if isinstance(x, OnDisk):
            return joined(rounds(), x.shape[0])
        return numpy.concatenate(list(rounds()))


def softmax(logits):
    """p(y|x), in float64, of NumPy logits."""
    p = numpy.exp(logits - logits.max(axis=1, keepdims=True),
                  dtype=numpy.float64)
    return p / p.sum(axis=1, keepdims=True)


@own_configuration()
@sharing(None)  # every rank has all logits
def information_of(objective, logits, weight=None):
    """The terms of ``objective`` for all data, as floats in nats; of points
    with weights, shape (N,), as if each were there so many times."""
    if weight is not None:
        objective.check_weights()
        return objective.weighted_information(
            numpy.asarray(logits).astype(numpy.float64),
            weight / weight.sum())
    blocks = [(0, logits)]
    if is_shared(objective):
        blocks = list(blocks_of(logits))
    kinds = []

    def information(block):
        terms = objective.information(
            numpy.asarray(block).astype(numpy.float64))
        kinds.append(type(terms))
        return [float(term.array) for term in terms]
    with chainer.no_backprop_mode():
        terms = taken_in_turn(information, [block for _, block in blocks])
    return kinds[0](*terms)


def regularization_of(loss, network, x, batch_size, seed=0, weight=None):
    """R of Eq. 1 of all data, in batches as in training; of more than a
    million points on disk, of a random million.

    The batches and random directions depend on ``seed`` alone, so that
    restarts are measured alike.

    Args:
        loss (IMSATLoss): Whose regulariser.
        network (chainer.Link): The network.
        x (array or sparse matrix): All data, shape (N, d).
        weight (array): Of the points, shape (N,), by which they are drawn;
            None for all alike.
    """
    n, rng = x.shape[0], generator(seed, EVALUATION)
    total, steps = 0., n // batch_size
    if isinstance(x, OnDisk) and n > MOST and weight is None:
        steps = max(1, MOST // batch_size)
        batches: Iterator = IndexIterator(n, batch_size, 'shuffle-buffer',
                                          seed)
    else:
        order = rng.permutation(n) if weight is None else sample_by_weight(
            rng, weight, steps * batch_size)
        batches = (order[start:start + batch_size]
                   for start in range(0, n, batch_size))
    for step, index in enumerate(itertools.islice(batches, steps)):
        sat = loss.regularize(
            network, batch_of(x, index, network.device),
            network.device.send(index),
            generator(seed, EVALUATION, step + 1))
        total += float(current().average(sat.array)[0])
    return total / steps
