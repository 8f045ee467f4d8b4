"""What clusters look like."""
import numpy
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from imsat.metrics import match_clusters
from imsat.pictures.images import drawable
from imsat.pictures.training import BLUE, ORANGE, save
from imsat.storage import AnyPath


def contingency(path: AnyPath, labels: ArrayLike,
                clusters: ArrayLike) -> Figure:
    """Counts of every label in every cluster, matched ones on the diagonal.

    Args:
        path (path): The PNG file.
        labels, clusters (array): Shape (N,), of any type that sorts.
    """
    table, rows, columns = match_clusters(labels, clusters)
    class_names, cluster_names = numpy.unique(labels), numpy.unique(clusters)
    # Matched pairs first, in the order of the labels, then the others.
    row_order = [*rows, *(i for i in range(len(table)) if i not in rows)]
    column_order = [*columns, *(j for j in range(table.shape[1])
                                if j not in columns)]
    table = table[numpy.ix_(row_order, column_order)]
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
    axes.set_xticks(range(width), cluster_names[column_order], fontsize=8)
    axes.set_yticks(range(height), class_names[row_order], fontsize=8)
    axes.set_xlabel('cluster')
    axes.set_ylabel('label')
    right = table.diagonal().sum() / table.sum()
    axes.set_title(f'on the diagonal: {right:.1%}', fontsize=10)
    figure.colorbar(image, label='share of the label')
    return save(figure, path)


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
    axes.imshow(canvas, cmap='gray_r')
    axes.set_xticks([])
    axes.set_yticks([k * (height + 1) + height / 2 for k in range(shown)],
                    [str(k) for k in range(shown)])
    axes.set_ylabel('cluster')
    axes.set_title('random members of each cluster', fontsize=10)
    axes.set_frame_on(False)
    axes.tick_params(length=0)
    return save(figure, path)


def cluster_sizes(path: AnyPath, clusters: numpy.ndarray, n_clusters: int,
                  prior: ArrayLike | None = None) -> Figure:
    """How many points each cluster has, against the prior q(y).

    Args:
        path (path): The PNG file.
        clusters (array): Shape (N,), from 0 to ``n_clusters`` - 1.
        prior (array): q(y), shape (n_clusters,); None for the uniform one.
    """
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
    if n_clusters <= 30:
        axes.set_xticks(range(n_clusters))
    axes.set_xlabel('cluster')
    axes.set_ylabel('points')
    axes.legend(fontsize=8)
    return save(figure, path)
