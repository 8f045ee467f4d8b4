"""The pictures of a run; each function writes one PNG, atomically."""
import numpy
from matplotlib.figure import Figure

from imsat.files import atomic_write
from imsat.metrics import match_clusters

BLUE, ORANGE, GREY = '#2b6cb0', '#dd6b20', '#a0aec0'


def learning_curves(path, logs, best=0):
    """What every restart's log says after each epoch; the best in colour."""
    panels = [('all/conditional_entropy', 'H(Y|X), nats: how unsure'),
              ('all/marginal_entropy', 'H(Y), nats: how even'),
              ('main/sat', 'R_SAT, nats: how fragile'),
              ('all/accuracy', 'ACC: how right')]
    panels = [(key, title) for key, title in panels if key in logs[0][-1]]
    figure = Figure((3.2 * len(panels), 3), layout='constrained')
    for axes, (key, title) in zip(figure.subplots(1, len(panels)), panels):
        for i, log in enumerate(logs):
            is_best = i == best
            axes.plot([entry['epoch'] for entry in log],
                      [entry[key] for entry in log],
                      color=BLUE if is_best else GREY,
                      linewidth=1.8 if is_best else 1,
                      zorder=2 if is_best else 1,
                      label='kept' if is_best else 'other restarts')
        axes.set_title(title, fontsize=10)
        axes.set_xlabel('epoch')
        axes.grid(alpha=.3)
    if len(logs) > 1:
        handles, labels = axes.get_legend_handles_labels()
        unique = dict(zip(labels, handles))
        axes.legend(unique.values(), unique.keys(), fontsize=8)
    _save(figure, path)


def contingency(path, labels, clusters):
    """Counts of every label in every cluster, matched ones on the diagonal.
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
    figure = Figure((1.8 + .5 * min(width, 40), 1.4 + .42 * min(height, 40)),
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
    axes.set_title(f'points of each label in each cluster; '
                   f'on the diagonal: {right:.1%}', fontsize=10)
    figure.colorbar(image, label='share of the label')
    _save(figure, path)


def cluster_samples(path, x, image_shape, clusters, n_clusters, seed=0,
                    columns=15, most_rows=30):
    """Random images of every cluster, one row each, as in Figure 2."""
    rng = numpy.random.default_rng(seed)
    height, width = image_shape
    shown = min(n_clusters, most_rows)
    canvas = numpy.full((shown * (height + 1), columns * (width + 1)),
                        numpy.nan)
    for k in range(shown):
        members = numpy.flatnonzero(clusters == k)
        members = rng.permutation(members)[:columns]
        for j, index in enumerate(members):
            canvas[k * (height + 1):, j * (width + 1):][:height, :width] = \
                x[index].reshape(image_shape)
    figure = Figure((columns * .45 + .6, shown * .45 + .6),
                    layout='constrained')
    axes = figure.subplots()
    axes.imshow(canvas, cmap='gray_r')
    axes.set_xticks([])
    axes.set_yticks([k * (height + 1) + height / 2 for k in range(shown)],
                    range(shown))
    axes.set_ylabel('cluster')
    axes.set_title('random members of each cluster', fontsize=10)
    axes.set_frame_on(False)
    axes.tick_params(length=0)
    _save(figure, path)


def cluster_sizes(path, clusters, n_clusters, prior=None):
    """How many points each cluster has, against the prior q(y)."""
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
    _save(figure, path)


def _save(figure, path):
    with atomic_write(path) as f:
        figure.savefig(f, format='png', dpi=110)
