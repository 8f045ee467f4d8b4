"""What the network says of all data."""
import chainer
import numpy
from chainer import backend

from imsat.randomness import EVALUATION, generator
from imsat.ranks import current, sharing
from imsat.training.configuration import own_configuration
from imsat.training.iterators import batch_of, dense, sample_by_weight

BATCH = 1000


def predict_logits(model, x):
    """Logits of all of ``x``, shape (N, M), with the running statistics.

    Returns a NumPy array, whatever device the network is on.
    """
    return predict(model, x, model.device)


@own_configuration()
def predict(function, x, device):
    """``function`` of all of x, batch by batch, as a NumPy array.

    Ranks take the batches in turn, and all get all of the answer.
    """
    fetch, ranks = backend.CpuDevice().send, current()
    batches = range(0, x.shape[0], BATCH)
    with chainer.using_config('train', False), chainer.no_backprop_mode():
        parts = ranks.gather([
            fetch(function(device.send(dense(x[i:i + BATCH]))).array)
            for i in batches[ranks.rank::ranks.size]])
    return numpy.concatenate([
        parts[k % ranks.size][k // ranks.size] for k in range(len(batches))])


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
    logits = logits.astype(numpy.float64)
    if weight is not None:
        return objective.weighted_information(logits, weight / weight.sum())
    with chainer.no_backprop_mode():
        terms = objective.information(logits)
    return type(terms)(*(float(term.array) for term in terms))


def regularization_of(loss, network, x, batch_size, seed=0, weight=None):
    """R of Eq. 1 of all data, in batches as in training.

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
    order = rng.permutation(n) if weight is None else sample_by_weight(
        rng, weight, steps * batch_size)
    for step in range(steps):
        index = order[step * batch_size:(step + 1) * batch_size]
        sat = loss.regularizer(
            network, loss.objective.distance,
            batch_of(x, index, network.device),
            loss.radius[network.device.send(index)],
            rng=generator(seed, EVALUATION, step + 1))
        total += float(current().average(sat.array)[0])
    return total / steps
