"""How many clusters there are, told without labels."""
import collections
import contextlib
import dataclasses
import math
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy
from sklearn.base import clone

from imsat.errors import ArgumentError, DivergenceError
from imsat.estimators.clustering import IMSATClustering
from imsat.estimators.selection import pairwise_agreement
from imsat.hints import Points
from imsat.neighbors import have_copies, neighbors, without_copies
from imsat.parameters import (
    Choice, OneOf, argument_error, check_parameters, checked, is_whole, shown)
from imsat.storage import default_cache
from imsat.training.evaluation import softmax

NEIGHBORS = 10
NOTHING = 1e-3  # a mean of a criterion up to which nothing has been learnt
DEFAULT = 'information x neighbors'  # by measurement: docs/defaults.md
CRITERIA = DEFAULT, 'information', 'neighbors', 'stability'


def criteria(logits: Sequence[numpy.ndarray],
             nearest: numpy.ndarray) -> dict[str, numpy.ndarray]:
    """What speaks for a number of clusters, of each of several restarts.

    ``'information'`` is I^2 / log K, see :meth:`IMSATClustering.score`;
    ``'neighbors'`` how much more often nearest neighbours are in one cluster
    than any two points, a share of what is possible (Scott's pi);
    ``'information x neighbors'`` the product of both; and ``'stability'`` how
    far the other restarts agree, the mean ARI, 0 of one cluster for all.

    Args:
        logits (list of array): Of each restart, shape (N, K).
        nearest (array): Neighbours of each point, shape (N, k).

    Returns:
        dict: Arrays of shape (R,), the larger the better.
    """
    labels = [y.argmax(axis=1) for y in logits]
    k = logits[0].shape[1]
    shares = numpy.array([information(softmax(y)) ** 2 / math.log(k)
                          for y in logits])
    shared = numpy.array([agreement(own, nearest, k) for own in labels])
    stability = pairwise_agreement(labels).sum(axis=1) / (len(labels) - 1)
    return dict(zip(CRITERIA, (shares * shared, shares, shared, stability)))


def information(p):
    """I(X; Y) in nats, of p(y|x), shape (N, K)."""
    def entropy(p):
        return -(p * numpy.log(p + 1e-8)).sum(axis=-1)
    return entropy(p.mean(axis=0)) - entropy(p).mean()


def agreement(labels, nearest, k):
    shares = numpy.bincount(labels, minlength=k) / len(labels)
    chance = (shares ** 2).sum()
    if chance == 1:  # a single cluster
        return 0.
    return ((labels[nearest] == labels[:, None]).mean() - chance) \
        / (1 - chance)


@dataclasses.dataclass
class ClusterNumbers:
    """Numbers of clusters that were tried, and what speaks for each.

    Attributes:
        n_clusters (list of int): The numbers.
        values (list of dict): Of each, what :func:`criteria` says.
        criterion (str): Which of it decides.
        models (list of IMSATClustering): Fitted, in the same order; empty
            where they are kept elsewhere.

    Example:
        >>> tried = imsat.ClusterNumbers([2, 3], [
        ...     {'information': numpy.array(x)} for x in ([.2, .3], [.5, .5])],
        ...     'information')
        >>> tried.best, tried.is_sure, round(tried.margin, 2)
        (3, True, 0.5)
    """
    n_clusters: list
    values: list
    criterion: str = DEFAULT
    models: list = dataclasses.field(default_factory=list)

    @property
    def means(self) -> numpy.ndarray:
        """Of the criterion, over restarts, shape (len(n_clusters),)."""
        return numpy.array([value[self.criterion].mean()
                            for value in self.values])

    @property
    def ranking(self) -> list:
        """The numbers, the best first."""
        return [self.n_clusters[i]
                for i in numpy.argsort(-self.means, kind='stable')]

    @property
    def best(self) -> int:
        """The number that it would take."""
        return self.ranking[0]

    @property
    def margin(self) -> float:
        """How much less the second has, a share of what the best has."""
        first, second = sorted(self.means)[:-3:-1]
        return float((first - second) / first) if first > 0 else 0.

    @property
    def _of_best(self):
        return self.values[self.n_clusters.index(self.best)]

    @property
    def _has_learnt(self):
        # Seeds may agree on clusters by accident, which tell nothing.
        return all(self._of_best[name].mean() > NOTHING
                   for name in {self.criterion, DEFAULT}
                   if name in self._of_best)

    @property
    def is_sure(self) -> bool:
        """Whether each restart of the best has more than all others, if these
        have learnt something."""
        best = self.n_clusters.index(self.best)
        least = min(self._of_best[self.criterion])
        return self._has_learnt and bool(least > max(
            max(value[self.criterion])
            for i, value in enumerate(self.values) if i != best))

    def __str__(self):
        counts = [len(value[self.criterion]) for value in self.values]
        least, most, second = min(counts), max(counts), self.ranking[1]
        n = most if least == most else f'{least} to {most}'
        return (f'{self.best} clusters, by {self.criterion}: '
                f'{max(self.means):.3f} on average of {n} seeds, and '
                f'{second} clusters have {self.margin:.1%} less; ' + (
                    'not sure, as nothing was learnt: train longer'
                    if not self._has_learnt else
                    'sure, as each seed has more than all of other numbers'
                    if self.is_sure else
                    'not sure, as seeds of other numbers have as much'))


@checked(estimator=OneOf(IMSATClustering, 'give an imsat.IMSATClustering'),
         criterion=Choice(CRITERIA))
def choose_n_clusters(estimator: IMSATClustering, X: Points,
                      n_clusters: Iterable[int],
                      criterion: str = DEFAULT) -> ClusterNumbers:
    """Fits an estimator with each of some numbers of clusters, at least two
    restarts each, and says which it would take, without labels.

    Neighbours are looked for once.  Short runs will do: give the estimator
    few ``epochs``.  With ``out`` each number K has a folder of its own below
    it, ``clusters-K``, from which ``resume`` goes on.  Ctrl-C ends all, as
    what was trained for less long can't be compared.

    Args:
        estimator (IMSATClustering): Is not fitted itself.
        X (array): The points, shape (N, d).
        n_clusters (iterable of int): Two or more numbers, e.g.
            ``range(5, 16)``.
        criterion (str): Which of :func:`criteria` decides.

    Returns:
        ClusterNumbers: ``best`` is the number, ``str()`` says how sure.

    Raises:
        InputError: For what can't be used.

    Example:
        >>> rng = numpy.random.default_rng(0)
        >>> x = numpy.concatenate([rng.normal(9 * row, size=(60, 3))
        ...                        for row in numpy.eye(3)])
        >>> model = imsat.IMSATClustering(hidden=20, epochs=40,
        ...                               random_state=0)
        >>> imsat.choose_n_clusters(model, x, range(2, 6)).best
        3
    """
    numbers = check_numbers(n_clusters)
    models = [clone(estimator).set_params(n_clusters=k) for k in numbers]
    check_parameters(models[0])
    with contextlib.ExitStack() as stack:
        cache = estimator.cache or stack.enter_context(
            tempfile.TemporaryDirectory())
        for k, model in zip(numbers, models):
            model.set_params(
                n_init=max(2, estimator.n_init), cache=cache,
                out=None if estimator.out is None
                else Path(estimator.out) / f'clusters-{k}')
        points = models[0]._validated(X, ensure_min_samples=2)
        for model in models:
            model.check(points)
            check_comparable(model, points)
        values = [criteria_of(fitted(model, X), X, cache) for model in models]
        for model in models:
            model.set_params(cache=estimator.cache)
    return ClusterNumbers(numbers, values, criterion, models)


def fitted(model, X):
    """The model, fitted to X to the end: KeyboardInterrupt otherwise."""
    if model.fit(X)._was_stopped:
        raise KeyboardInterrupt
    return model


def check_comparable(model, X):
    """Raises InputError unless the restarts of a model that can be fitted to X
    can be compared by :func:`criteria_of`."""
    if model.halving:
        raise argument_error(
            model, 'halving', 'is on, which trains one restart to the end, '
            'and numbers of clusters are compared by several; leave it out')
    model._check_search(X, 'numbers of clusters are told by neighbours')


def criteria_of(model, X, cache=None):
    """:func:`criteria` of a model that was just fitted to X."""
    def start_of(restart):
        return restart.terms.get('start'), restart.terms.get('mu')
    starts = collections.defaultdict(list)
    for restart in model.restarts_:
        if not restart.is_joined:
            starts[start_of(restart)].append(restart.logits)
    # Of the start that was kept, if two of its restarts did not diverge.
    kept = starts[start_of(model.restarts_[model.best_restart_])]
    several = [logits for logits in (kept, *starts.values())
               if len(logits) > 1]
    if not several:
        raise DivergenceError(
            f'with {model.n_clusters} clusters all restarts but one diverged, '
            f'and numbers of clusters are compared by several; take more of '
            f'them (n_init), a smaller learning rate or other numbers')
    x = model.prepare(X)
    cache = default_cache() if cache is True else cache
    distances, nearest = neighbors(
        x, min(NEIGHBORS, len(model.labels_) - 1), cache,
        method=model.neighbor_search)
    if have_copies(distances):
        nearest = without_copies(x, nearest, cache,
                                 method=model.neighbor_search)
    return criteria(several[0], nearest)


def check_numbers(n_clusters):
    """Numbers of clusters as a sorted list; InputError if they are none."""
    try:
        numbers = sorted(set(n_clusters))
    except TypeError:
        numbers = []
    if len(numbers) < 2 or not all(map(is_whole, numbers)) or numbers[0] < 2:
        raise ArgumentError(
            'n_clusters', f'is {shown(n_clusters)}; give two or more whole '
            f'numbers from 2, e.g. range(5, 16)')
    return [int(number) for number in numbers]
