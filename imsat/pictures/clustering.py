"""What clusters look like."""
from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import scipy.sparse
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from sklearn.decomposition import PCA

from imsat.errors import InputError
from imsat.functions.entropy import Prior
from imsat.labels import classes_of
from imsat.metrics import match_clusters
from imsat.parameters import (
    PATH, SEED, Numbers, Whole, checked, is_sequence, is_whole)
from imsat.pictures.images import (
    ImageShape, are_strokes, check_images, drawable)
from imsat.pictures.training import BLUE, ORANGE, save
from imsat.storage import AnyPath
from imsat.utf8 import as_utf8


MOST_CLUSTERS = 10 ** 6


@checked(path=PATH, n_clusters=Whole(0, MOST_CLUSTERS))
def contingency(path: AnyPath, labels: ArrayLike, clusters: ArrayLike,
                n_clusters: int = 0) -> Figure:
    """Counts of every label in every cluster; matched ones are framed.

    Args:
        path (path): The PNG file.
        labels, clusters (array): Shape (N,), as
            :func:`imsat.labels.number_labels` takes them.
        n_clusters (int): Clusters are whole numbers below it, and those that
            are empty are shown; 0 for those in ``clusters``.
    """
    table, rows, columns = match_clusters(labels, clusters)
    (class_names, _), (cluster_names, _) = map(classes_of, (labels, clusters))
    if n_clusters:
        _check_clusters(cluster_names, n_clusters)
        full = numpy.array(cluster_names)
        cluster_names = list(range(n_clusters))
        columns = full[columns]
        wide = numpy.zeros((len(table), n_clusters), table.dtype)
        wide[:, full] = table
        table = wide
    # Each below the label that it is matched with, then the others.
    order = [*columns, *(j for j in range(table.shape[1])
                         if j not in columns)]
    table = table[:, order]
    share = table / table.sum(axis=1, keepdims=True)
    height, width = table.shape
    figure = Figure((2.6 + .5 * min(width, 40), 1.6 + .42 * min(height, 40)),
                    layout='constrained')
    axes = figure.subplots()
    image = axes.imshow(share, cmap='Blues', vmin=0, vmax=1, aspect='auto')
    if table.size <= 900:
        for (i, j), count in numpy.ndenumerate(table):
            if count:
                axes.text(j, i, count, ha='center', va='center', fontsize=8,
                          color='white' if share[i, j] > .5 else 'black')
    matched = numpy.arange(len(rows))
    axes.add_collection(PatchCollection(
        [Rectangle((j - .5, i - .5), 1, 1) for i, j in zip(rows, matched)],
        facecolor='none', edgecolor=ORANGE))
    # A label may have dollars.
    axes.set_xticks(*_thinned([cluster_names[j] for j in order]), fontsize=8,
                    rotation=90 if width > 40 else 0, parse_math=False)
    axes.set_yticks(*_thinned(class_names), fontsize=8, parse_math=False)
    axes.set_xlabel('cluster')
    axes.set_ylabel('label')
    right = table[rows, matched].sum() / table.sum()
    axes.set_title(f'in the frames: {right:.1%}', fontsize=10)
    figure.colorbar(image, label='share of the label')
    return save(figure, path)


def _thinned(names, most=100, longest=25):
    """Places and names of ticks, so many and so long that they can be read.
    """
    places = range(0, len(names), -(-len(names) // most))
    texts = [as_utf8(str(names[i])) for i in places]
    return places, [text if len(text) <= longest
                    else f'{text[:longest - 3]}...' for text in texts]


def _check_clusters(clusters, n_clusters):
    if not all(is_whole(k) and 0 <= k < n_clusters for k in clusters):
        raise InputError(f'clusters are no whole numbers from 0 to '
                         f'{n_clusters - 1}; give others, or all n_clusters')


def _check_rows(clusters, **arrays):
    for name, array in arrays.items():
        if array is not None and array.shape[0] != len(clusters):
            raise InputError(f'{name} has {array.shape[0]} rows for '
                             f'{len(clusters)} clusters; give one for each '
                             f'point')


@checked(path=PATH, x=Numbers(2), image_shape=ImageShape(),
         clusters=Numbers(1, least=0), n_clusters=Whole(1, MOST_CLUSTERS),
         seed=SEED, columns=Whole(1, 100), most_rows=Whole(1, 100))
def cluster_samples(path: AnyPath, x: numpy.ndarray,
                    image_shape: tuple[int, ...], clusters: numpy.ndarray,
                    n_clusters: int, seed: int = 0, columns: int = 15,
                    most_rows: int = 30) -> Figure:
    """Random images of every cluster, one row each, as in Figure 2.

    Args:
        path (path): The PNG file.
        x (array): Images, shape (N, d).
        image_shape (tuple): (height, width), in colour (height, width, 3).
        clusters (array): Shape (N,), from 0 to ``n_clusters`` - 1.
        n_clusters (int): Of them the first ``most_rows`` are shown.
        seed (int): Of the choice.
        columns (int): Images of a cluster, where it has as many.
    """
    _check_clusters(numpy.unique(clusters), n_clusters)
    _check_rows(clusters, x=x)
    check_images(image_shape, x=x)
    rng = numpy.random.default_rng(seed)
    height, width = image_shape[:2]
    shown = min(n_clusters, most_rows)
    span = x.min(), x.max()
    canvas = numpy.full(
        (shown * (height + 1), columns * (width + 1), *image_shape[2:]),
        1. if image_shape[2:] else numpy.nan)
    for k in range(shown):
        members = numpy.flatnonzero(clusters == k)
        members = rng.permutation(members)[:columns]
        for j, index in enumerate(members):
            canvas[k * (height + 1):, j * (width + 1):][:height, :width] = \
                drawable(x[index], image_shape, span)
    figure = Figure((columns * .45 + .6, shown * .45 + .6),
                    layout='constrained')
    axes = figure.subplots()
    axes.imshow(canvas, cmap='gray_r' if are_strokes(x, span) else 'gray')
    axes.set_xticks([])
    axes.set_yticks([k * (height + 1) + height / 2 for k in range(shown)],
                    [f'{k}' if (clusters == k).any() else f'{k} (empty)'
                     for k in range(shown)])
    axes.set_ylabel('cluster')
    axes.set_title('random members of each cluster' + (
        f', the first {shown} of {n_clusters}' if shown < n_clusters else ''),
        fontsize=10)
    axes.set_frame_on(False)
    axes.tick_params(length=0)
    return save(figure, path)


@checked(path=PATH, clusters=Numbers(1, least=0),
         n_clusters=Whole(1, MOST_CLUSTERS), prior=Prior(optional=True))
def cluster_sizes(path: AnyPath, clusters: numpy.ndarray, n_clusters: int,
                  prior: ArrayLike | None = None) -> Figure:
    """How many points each cluster has, against the prior q(y).

    Args:
        path (path): The PNG file.
        clusters (array): Shape (N,), from 0 to ``n_clusters`` - 1.
        prior (array): q(y), shape (n_clusters,); None for the uniform one.
    """
    _check_clusters(numpy.unique(clusters), n_clusters)
    if prior is not None and numpy.size(prior) != n_clusters:
        raise InputError(f'prior has {numpy.size(prior)} entries for '
                         f'{n_clusters} clusters; give one each')
    counts = numpy.bincount(clusters, minlength=n_clusters)
    expected = len(clusters) * (numpy.full(n_clusters, 1 / n_clusters)
                                if prior is None else numpy.asarray(prior))
    figure = Figure((max(4, min(.45 * n_clusters + 1.5, 14)), 3),
                    layout='constrained')
    axes = figure.subplots()
    axes.bar(range(n_clusters), counts, color=BLUE)
    edges = numpy.arange(n_clusters + 1) - .5
    axes.stairs(expected, edges, color=ORANGE, linewidth=2, baseline=None,
                label='prior' if prior is not None else 'uniform prior')
    empty = numpy.flatnonzero(counts == 0)
    if len(empty):
        axes.plot(empty, 0 * empty, 'x', color=ORANGE, clip_on=False,
                  zorder=3, label=f'{len(empty)} empty')
    if n_clusters <= 30:
        axes.set_xticks(range(n_clusters))
    axes.set_xlim(-.7, n_clusters - .3)
    axes.set_xlabel('cluster')
    axes.set_ylabel('points')
    axes.legend(fontsize=8)
    return save(figure, path)


@checked(path=PATH, x=Numbers(2, sparse=True), clusters=Numbers(1, least=0),
         p=Numbers(2, optional=True), seed=SEED, most=Whole(2))
def embedding(path: AnyPath, x: Any, clusters: numpy.ndarray,
              p: numpy.ndarray | None = None, seed: int = 0,
              most: int = 5000) -> Figure:
    """Points by their first two principal components, with their clusters,
    and how sure these are.

    Args:
        path (path): The PNG file.
        x (array or sparse matrix): Shape (N, d).
        clusters (array): Shape (N,), whole numbers from 0.
        p (array): p(y|x), shape (N, K); None where there is none.
        seed (int): Of the choice of ``most`` points.
    """
    _check_rows(clusters, x=x, p=p)
    chosen = numpy.random.default_rng(seed).permutation(x.shape[0])[:most]
    clusters, x = clusters[chosen], x[chosen]
    n = min(2, *x.shape)
    if scipy.sparse.issparse(x) and n == min(x.shape):  # ARPACK wants more
        x = x.toarray()
    pca = PCA(n, svd_solver='arpack' if scipy.sparse.issparse(x) else 'auto',
              random_state=seed)
    z = numpy.zeros((len(chosen), 2))
    z[:, :n] = pca.fit_transform(x)
    figure = Figure((4.4 if p is None else 8.6, 4), layout='constrained')
    grid = figure.subplots(1, 1 if p is None else 2, squeeze=False)[0]
    grid[0].scatter(*z.T, c=clusters % 20, s=4, cmap='tab20', vmin=0, vmax=19)
    named = numpy.unique(clusters)
    for k in named if len(named) <= 30 else []:
        grid[0].text(*numpy.median(z[clusters == k], axis=0), k, fontsize=9,
                     ha='center', va='center', bbox=dict(
                         boxstyle='round,pad=.1', color='white', alpha=.7))
    grid[0].set_title('clusters' if len(named) <= 20 else
                      f'{len(named)} clusters in 20 colours', fontsize=10)
    if p is not None:
        # The least certain last, on top.
        certainty = p[chosen].max(axis=1)
        order = numpy.argsort(-certainty)
        drawn = grid[1].scatter(*z[order].T, c=certainty[order], s=4,
                                vmin=0, vmax=1)
        grid[1].set_title('probability of the cluster', fontsize=10)
        figure.colorbar(drawn)
    share = pca.explained_variance_ratio_.sum()
    for axes in grid:
        axes.set_xlabel(f'two principal components, {share:.0%} of the '
                        f'variance', fontsize=8)
    return save(figure, path)


@checked(path=PATH, best=Whole(1))
def cluster_numbers(path: AnyPath, numbers: Sequence[int],
                    values: Sequence[Mapping[str, Any]],
                    best: int) -> Figure:
    """What speaks for each of several numbers of clusters: the mean over
    restarts as a line, and each of them as a dot.

    Args:
        path (path): The PNG file.
        numbers (sequence of int): Of clusters.
        values (sequence of dict): Of each, by criterion, the restarts'
            values.
        best (int): The number that is taken.
    """
    if not (is_sequence(numbers) and is_sequence(values)
            and 0 < len(numbers) == len(values)
            and all(map(is_whole, numbers)) and all(
                isinstance(value, Mapping) and value.keys() == values[0].keys()
                for value in values)):
        raise InputError('numbers and values do not go together; give what '
                         'imsat.choose_n_clusters returned')
    figure = Figure((8, 5.4), layout='constrained')
    for axes, name in zip(figure.subplots(2, 2).flat, values[0]):
        axes.axvline(best, color=ORANGE, linewidth=2)
        axes.plot(numbers, [numpy.mean(value[name]) for value in values],
                  color=BLUE)
        for number, value in zip(numbers, values):
            axes.plot([number] * len(value[name]), value[name], '.',
                      color=BLUE)
        axes.set_ylim(bottom=min(0, axes.get_ylim()[0]))
        axes.set_title(name, fontsize=10)
        axes.set_xlabel('clusters')
        axes.xaxis.set_major_locator(MaxNLocator('auto', integer=True))
        axes.grid(alpha=.3)
    return save(figure, path)
