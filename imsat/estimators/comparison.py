"""Clusters of other methods beside ours: which fit the nearest neighbours
better, and a network that begins with them."""
import functools
import math
import threading
import warnings
from typing import Any, NamedTuple

import numpy
import scipy.sparse
from chainer import functions as F
from scipy.stats import entropy
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.metrics import pairwise_distances_chunked
from threadpoolctl import threadpool_limits

from imsat.metrics import neighbor_agreement, neighbor_information
from imsat.neighbors import distinct, most_of_distinct, neighbors
from imsat.randomness import EVALUATION, generator, restart_seeds
from imsat.ranks import current
from imsat.training.adam import Adam, forget_training
from imsat.training.evaluation import softmax
from imsat.training.iterators import IndexIterator
from imsat.training.session import Session
from imsat.training.updater import Updater

# Neighbours that are looked at.
AGREEING = 10
# Random points that others cluster, and how many there must be for each
# cluster; of more than 100 clusters there are more.
COMPARED, EACH = 2000, 20
MANY = COMPARED // EACH
# The most clusters that spectral clustering finds: 500 take it half a minute,
# 1,000 ten.
GRAPHED = 500
# What clusters tell about those of neighbours where groups lie apart, and
# how much more the others' have to tell to be better, there, or of many
# clusters, and elsewhere, and to be spoken of; and what clusters tell that
# hardly cut a group: docs/defaults.md.
APART, SLIGHTLY, BETTER, MUCH, CLEAR = .98, .003, .05, .1, .95
# The share of points that are nearer to their neighbours than groups may be
# to each other.
NEARER = .9
# Of what clusters of their sizes can tell, the least that points tell which
# are sure of theirs.
SURE = .9
# Fits in several threads take turns where they change what is the process's:
# each puts back what it found, which may be another's.
ALONE = threading.Lock()
# Steps in which a network learns their clusters, and the step size of Adam.
LESSONS, RATE = 100, .01


class Judged(NamedTuple):
    """What neighbours say of clusters: how many there are, the share of H(Y)
    that a point's cluster tells about those of its neighbours, from 0 to 1,
    and neighbor_agreement, in nats."""
    used: int
    told: float
    agreement: float


def judge(labels: numpy.ndarray, nearest: numpy.ndarray) -> Judged:
    """By indices of neighbours, shape (N, k)."""
    information = neighbor_information(labels, nearest)
    agreement = neighbor_agreement(labels, nearest)
    told = information and agreement / information
    return Judged(len(numpy.unique(labels)), min(told, 1.), agreement)


class Compared(NamedTuple):
    """Clusters beside those of another method.

    Args:
        method (str): Its name.
        labels (array): What it says of some points, shape (n,).
        theirs, ours (Judged): Of these points.
        chosen (array): Their numbers, shape (n,).
        points (array or sparse matrix): Themselves, shape (n, d).
        nearest (array): Their neighbours among them, shape (n, k).
        surety (float): Of ours, see :func:`surety_of`.
        are_whole (bool): Of theirs, see :func:`are_whole`.
    """
    method: str
    labels: numpy.ndarray
    theirs: Judged
    ours: Judged
    chosen: numpy.ndarray
    points: Any
    nearest: numpy.ndarray
    surety: float = 1.
    are_whole: bool = True

    @property
    def is_better(self) -> bool:
        """Whether theirs tell more, or are more and agree more."""
        # Two of many clusters that are one, and one that is two, say little.
        least = SLIGHTLY if self.are_apart or self.theirs.used > MANY \
            else BETTER
        return self.tells_more(least) \
            or self.theirs.used > self.ours.used and self.agrees_more

    def tells_more(self, margin: float) -> bool:
        """A few points in a cluster of their own tell a large share of what
        there is to tell, which is little.  So theirs have to agree more, or
        to lie apart where ours don't; or to be whole, for then ours cut them.
        """
        return self.theirs.told > self.ours.told + margin and (
            self.agrees_more or self.are_apart and (
                self.ours.told <= APART or self.are_whole))

    @property
    def are_apart(self) -> bool:
        """Whether hardly a neighbour is in another cluster of theirs."""
        return self.theirs.told > APART

    @property
    def agrees_more(self) -> bool:
        return self.theirs.agreement > self.ours.agreement

    @property
    def leaves_unsure(self) -> bool:
        """Whether groups lie apart, and our points are not sure of theirs.

        Then H(Y) wants clusters of like size where groups are of others.
        """
        return self.are_apart and self.surety < SURE

    @property
    def lost_outputs(self) -> bool:
        """Whether ours are fewer, of not too many."""
        return self.ours.used < self.theirs.used <= MANY

    @property
    def sizes(self) -> numpy.ndarray:
        """The share of the points in each of theirs, shape (K,)."""
        return numpy.bincount(self.labels, minlength=self.theirs.used) \
            / len(self.labels)

    def judge(self, logits: numpy.ndarray) -> Judged:
        """Of other clusters of all data, by logits, shape (N, K)."""
        return judge(logits[self.chosen].argmax(axis=1), self.nearest)

    def beside(self, logits: numpy.ndarray) -> 'Compared':
        """The same clusters of theirs beside others of ours."""
        return self._replace(ours=self.judge(logits),
                             surety=surety_of(logits[self.chosen]))

    def rank(self, judged: Judged) -> tuple:
        """What to compare clusters of these points by, the largest best.

        Agreement wants even ones, and would cut the largest of groups that
        lie apart.  Of many clusters a few less say little.
        """
        if self.are_apart:
            return judged.used, judged.told
        return (judged.used if self.theirs.used <= MANY else 0,
                judged.agreement)


def surety_of(logits: numpy.ndarray) -> float:
    """I(X; Y) by logits, shape (n, K), as a share of the entropy of their
    clusters' sizes: 1 where each point is sure of its cluster."""
    p = softmax(logits)
    sizes = numpy.bincount(logits.argmax(axis=1))
    most = float(entropy(sizes))
    return float(entropy(p.mean(axis=0)) - entropy(p, axis=1).mean()) / most \
        if most else 0.


def compare(x: Any, logits: numpy.ndarray) -> Compared | None:
    """Clusters by logits, shape (N, K), of some points x, shape (N, d), beside
    those of K-means or spectral clustering; None where there are too few
    points.

    The latter tells more about neighbours, of images and texts, than right
    clusters do.  It counts where it finds groups that lie apart, where
    K-means, which looks at no neighbours, is better too, and where outputs
    were lost.
    """
    n, k = logits.shape
    chosen = generator(0, EVALUATION).choice(
        n, min(n, max(COMPARED, EACH * k)), replace=False, shuffle=False)
    if len(chosen) < EACH * k:
        return None
    chosen.sort()
    points, logits = x[chosen], logits[chosen]
    first, inverse = distinct(points)
    if len(first) == 1:
        return None
    # Copies of a point would say of all clusters that they are right.
    distances, among = neighbors(
        points[first], most_of_distinct(AGREEING, len(first)))
    nearest = first[among][inverse]
    ours, surety = judge(logits.argmax(axis=1), nearest), surety_of(logits)
    # Threads of OpenMP would hang in what forks this process later.
    with ALONE, threadpool_limits(1, 'openmp'), warnings.catch_warnings():
        # Of points that are alike, and of graphs in several parts.
        warnings.simplefilter('ignore')
        found = {'K-means': by_kmeans(points, k)}
        if k <= min(GRAPHED, len(first) - 1):
            found['spectral clustering'] = by_graph(among, k)[inverse]
        kmeans, *others = [
            Compared(method, labels, judge(labels, nearest), ours, chosen,
                     points, nearest, surety, are_whole(
                         points[first], labels[first], among,
                         distances[:, -1]))
            for method, labels in found.items()]
    if not others:
        return kmeans
    spectral, = others
    if not (spectral.are_apart or kmeans.is_better or ours.used < k):
        return kmeans
    # A crowd within a group is apart, too, and two groups one beside it.
    if kmeans.theirs.told > CLEAR and not spectral.are_whole \
            and kmeans.theirs.agreement > spectral.theirs.agreement:
        return kmeans
    return max(kmeans, spectral, key=lambda one: (
        one.is_better, one.are_apart, one.rank(one.theirs)))


def are_whole(points, labels, nearest, sigma):
    """Whether clusters have all neighbours of their points, and lie farther
    apart than nearly all points do from theirs.

    A crowd of points that are nearly equal, as values that are rounded make
    them, has all its neighbours, but is no farther from others than these
    are from each other.

    Args:
        points (array or sparse matrix): Shape (m, d), distinct.
        labels (array): Shape (m,).
        nearest (array): Their neighbours, shape (m, k).
        sigma (array): Distances to the last of these, shape (m,).
    """
    if (labels[nearest] != labels[:, None]).any():
        return False

    def nearest_of_others(distances, start):
        own = labels[start:start + len(distances), None]
        return numpy.where(labels == own, numpy.inf, distances).min(axis=1)
    return min(part.min() for part in pairwise_distances_chunked(
        points, reduce_func=nearest_of_others)) > numpy.quantile(sigma, NEARER)


def by_kmeans(points, k):
    return KMeans(k, n_init=10, random_state=0).fit_predict(points)


def by_graph(nearest, k):
    """Spectral clustering of the graph of neighbours, shape (n, 10)."""
    n = len(nearest)
    graph = scipy.sparse.csr_matrix(
        (numpy.full(nearest.size, .5), nearest.ravel().astype(numpy.int32),
         numpy.arange(0, nearest.size + 1, nearest.shape[1],
                      dtype=numpy.int32)), shape=(n, n))
    return SpectralClustering(
        k, affinity='precomputed', assign_labels='cluster_qr',
        random_state=0).fit_predict(graph + graph.T)


def teach(network, points, labels, batch_size, seed):
    """Trains a network in place to tell the labels of points.

    Args:
        network (Encoder): Of K outputs.
        points (array or sparse matrix): Shape (n, d), on its device or in
            the host's memory.
        labels (array): Shape (n,), from 0 to K - 1.
    """
    n = len(labels)
    size = min(batch_size, n - n % current().size)
    iterator = IndexIterator(n, size, seed=restart_seeds(seed, 1)[-1])
    labels = network.device.send(labels.astype(numpy.int32))
    Session().run(
        Updater(iterator, Adam(RATE).setup(network), points,
                functools.partial(cross_entropy, labels), network.device),
        math.ceil(LESSONS / (n // size)))
    forget_training(network)


def cross_entropy(labels, network, x, index, step):
    """Of the labels of all points."""
    # The network takes its rows itself.
    return {'loss': F.softmax_cross_entropy(
        network(x), labels[current().rows(index)])}
