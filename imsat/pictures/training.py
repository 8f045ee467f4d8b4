"""What every picture shares, and the curves that every training leaves."""
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from imsat.storage import AnyPath, atomic_write

BLUE, GREEN, ORANGE, GREY = '#2b6cb0', '#2f855a', '#dd6b20', '#a0aec0'


def save(figure: Figure, path: AnyPath) -> Figure:
    """Writes a PNG of 110 dots per inch, atomically; returns the figure."""
    with atomic_write(path) as f:
        figure.savefig(f, format='png', dpi=110)
    return figure


def learning_curves(path: AnyPath, logs: Sequence[Sequence[Mapping]],
                    best: int = 0) -> Figure:
    """What every restart's log says after each epoch; the best in colour.

    Args:
        path (path): The PNG file.
        logs (sequence): For each restart the entries of Chainer's LogReport,
            dicts with ``epoch``.
        best (int): Number of the restart that was kept.
    """
    panels = [('all/conditional_entropy', 'H(Y|X), nats: how unsure'),
              ('all/marginal_entropy', 'H(Y), nats: how even'),
              ('all/pairwise_information', 'pairs share, nats: how redundant'),
              ('main/sat', 'R: the regulariser'),
              ('all/divergence', 'KL[P || Q], nats: how soft'),
              ('all/changed', 'share of points that moved'),
              ('main/reconstruction', 'mean square not reconstructed'),
              ('all/quantization', 'error of quantisation'),
              ('main/quantization', 'error of quantisation'),
              ('all/distinct_codes', 'distinct codes'),
              ('all/accuracy', 'ACC: how right')]
    panels = [(key, title) for key, title in panels
              if any(key in entry for entry in logs[0])]
    figure = Figure((3.2 * len(panels), 3), layout='constrained')
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (key, title) in zip(grid, panels):
        for i, log in enumerate(logs):
            is_best = i == best
            entries = [entry for entry in log if key in entry]
            axes.plot([entry['epoch'] for entry in entries],
                      [entry[key] for entry in entries],
                      color=BLUE if is_best else GREY,
                      marker='.' if len(entries) < 5 else None,
                      linewidth=1.8 if is_best else 1,
                      zorder=2 if is_best else 1,
                      label='kept' if is_best else 'other restarts')
        axes.set_title(title, fontsize=10)
        axes.set_xlabel('epoch')
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=.3)
    if len(logs) > 1:
        handles, labels = axes.get_legend_handles_labels()
        unique = dict(zip(labels, handles))
        axes.legend(unique.values(), unique.keys(), fontsize=8)
    return save(figure, path)
