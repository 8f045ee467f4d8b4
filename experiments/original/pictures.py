"""How far our training is from the authors' code."""
import numpy
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from imsat.pictures.training import BLUE, GREEN, GREY, ORANGE, save


def differences(path, panels):
    """Largest relative differences over iterations.

    Args:
        panels (dict): By title, up to four dicts of curves by their names,
            in a dict by what they compare.
    """
    figure = Figure((5 * len(panels), 3.8), layout='constrained')
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    all_axes[0].set_ylabel('largest difference / largest element')
    for axes, (title, lines) in zip(all_axes, panels.items()):
        for (name, curves), color in zip(lines.items(),
                                         (BLUE, GREEN, ORANGE, GREY)):
            for style, (group, values) in zip(('-', '--', ':'),
                                              curves.items()):
                # A logarithmic axis has no 0.
                values = numpy.maximum(values, 1e-17)
                axes.semilogy(range(1, len(values) + 1), values, style,
                              color=color, label=f'{name}: {group}')
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel('iteration')
        axes.set_title(title, fontsize=10)
        axes.grid(alpha=.3)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=7, ncols=4,
                  loc='outside lower center')
    save(figure, path)
