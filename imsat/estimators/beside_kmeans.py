"""IMSAT beside K-means: whose clusters fit the nearest neighbours better, and
a network that begins with those of K-means."""
import functools
import math
import warnings
from typing import Any, NamedTuple

import numpy
from chainer import functions as F
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from imsat.metrics import neighbor_agreement, neighbor_information
from imsat.neighbors import neighbors
from imsat.randomness import EVALUATION, generator, restart_seeds
from imsat.ranks import current
from imsat.training.adam import Adam, forget_training
from imsat.training.iterators import IndexIterator
from imsat.training.session import Session
from imsat.training.updater import Updater

# Neighbours that are looked at.
AGREEING = 10
# Random points of which K-means is made, and how many there must be for each
# cluster.
COMPARED, EACH = 2000, 20
# Steps in which a network learns its clusters, and the step size of Adam.
LESSONS, RATE = 100, .01


class Compared(NamedTuple):
    """Clusters beside those of K-means: of which points, their neighbours
    among them, the share that each tells of what there is to tell about those
    of its neighbours, and the centres of K-means, shape (K, d)."""
    chosen: numpy.ndarray
    nearest: numpy.ndarray
    ours: float
    theirs: float
    centers: numpy.ndarray


def compare(x: Any, logits: numpy.ndarray) -> Compared | None:
    """K-means' clusters of some points x, shape (N, d), and those of logits,
    shape (N, K); None where there are too few points."""
    n, k = logits.shape
    index = generator(0, EVALUATION).choice(
        n, min(n, COMPARED), replace=False, shuffle=False)
    if len(index) < EACH * k:
        return None
    index.sort()
    x, clusters = x[index], logits[index].argmax(axis=1)
    _, nearest = neighbors(x, AGREEING)
    # Threads of OpenMP would hang in what forks this process later.
    with threadpool_limits(1, 'openmp'), warnings.catch_warnings():
        # Of points that are alike.
        warnings.simplefilter('ignore', ConvergenceWarning)
        kmeans = KMeans(k, n_init=3, random_state=0).fit(x)
    return Compared(
        index, nearest, told_of_neighbors(clusters, nearest),
        told_of_neighbors(kmeans.labels_, nearest), kmeans.cluster_centers_)


def told_of_neighbors(clusters, indices):
    """The share of H(Y) that a point's cluster tells about those of its
    neighbours, from 0 to 1."""
    information = neighbor_information(clusters, indices)
    return information and neighbor_agreement(clusters, indices) / information


def teach(network, x, centers, batch_size, sampling, seed):
    """Trains a network in place to tell which centre is the nearest.

    Args:
        network (Encoder): Of K outputs.
        x (array or sparse matrix): All data, shape (N, d).
        centers (array): Shape (K, d).
    """
    iterator = IndexIterator(x.shape[0], batch_size, sampling,
                             restart_seeds(seed, 1)[-1])
    centers = network.device.send(centers.astype(numpy.float32))
    Session().run(
        Updater(iterator, Adam(RATE).setup(network), x, functools.partial(
            cross_entropy, centers, (centers * centers).sum(axis=1) / 2),
            network.device),
        math.ceil(LESSONS / (x.shape[0] // batch_size)))
    forget_training(network)


def cross_entropy(centers, halves, network, x, index, step):
    """Of the nearest centre of each point; halves of their squares."""
    x = current().rows(x)
    nearest = (x @ centers.T - halves).argmax(axis=1).astype(numpy.int32)
    return {'loss': F.softmax_cross_entropy(network(x), nearest)}
