"""What every picture shares, and the curves that every training leaves."""
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike
from scipy.stats import entropy

from imsat.errors import InputError
from imsat.functions.entropy import Prior
from imsat.pictures.letters import other_letters
from imsat.parameters import (
    PATH, Kind, Number, Whole, checked, is_finite, is_number, is_sequence,
    is_whole)
from imsat.storage import AnyPath, atomic_write
from imsat.utf8 import as_utf8

BLUE, GREEN, ORANGE, GREY = '#2b6cb0', '#2f855a', '#dd6b20', '#a0aec0'


def save(figure: Figure, path: AnyPath) -> Figure:
    """Writes a PNG of 110 dots per inch, atomically; returns the figure."""
    with atomic_write(path) as f, other_letters(figure):
        figure.savefig(f, format='png', dpi=110)
    return figure


# What is drawn of a log: its title, and the least height of the axis, so that
# noise stays small.
PANELS = {
    'all/conditional_entropy': ('H(Y|X), nats: how unsure', .01),
    'all/marginal_entropy': ('H(Y), nats: how even', .01),
    'all/pairwise_information': ('pairs share, nats: how redundant', .01),
    'main/sat': ('R: the regulariser', .001),
    'all/divergence': ('KL[P || Q], nats: how soft', .001),
    'all/changed': ('share of points that moved', .01),
    'main/reconstruction': ('mean square not reconstructed', 0),
    'all/quantization': ('error of quantisation', 0),
    'main/quantization': ('error of quantisation', 0),
    'all/distinct_codes': ('distinct codes', 2),
    'all/accuracy': ('ACC: how right', 1)}


class Logs(Kind):
    """Logs, of each restart what LogReport has, with something to draw."""
    wanted = ('give for each restart a list of dicts, each with its epoch and '
              'a finite number for each of some of ' + ', '.join(PANELS))

    def allows(self, value):
        entries = [entry for log in value for entry in log] \
            if is_sequence(value) and all(map(is_sequence, value)) else []
        return all(isinstance(entry, Mapping)
                   and is_whole(entry.get('epoch'))
                   and all(is_number(entry[key]) and is_finite(entry[key])
                           for key in PANELS if key in entry)
                   for entry in entries) \
            and any(key in entry for entry in entries for key in PANELS)


@checked(path=PATH, logs=Logs(), best=Whole(0),
         most_entropy=Number(optional=True), prior=Prior(optional=True))
def learning_curves(path: AnyPath, logs: Sequence[Sequence[Mapping]],
                    best: int = 0, most_entropy: float | None = None,
                    names: Sequence[str] | None = None,
                    prior: ArrayLike | None = None) -> Figure:
    """What every restart's log says after each epoch; the best in colour.

    Args:
        path (path): The PNG file.
        logs (sequence): For each restart the entries of Chainer's LogReport,
            dicts with ``epoch``.
        best (int): Number of the restart that was kept.
        most_entropy (float): What H(Y) can be at most, in nats, e.g. log K;
            None if that is not known.
        names (sequence of str): Of the logs, if they are of several runs:
            each has its colour then.
        prior (array): What p(y) is held to, shape (K,), whose
            entropy is shown as well; None if that is uniform.
    """
    if names is not None and not (
            is_sequence(names) and len(names) == len(logs)
            and all(isinstance(name, str) for name in names)):
        raise InputError(f'names are no texts, one for each of the '
                         f'{len(logs)} logs; give a list of them')
    panels = [key for key in PANELS
              if any(key in entry for log in logs for entry in log)]
    columns, lines = min(2, len(panels)), {}
    marked = {} if most_entropy is None else {'at most': most_entropy}
    if prior is not None:
        marked["the prior's"] = float(entropy(prior))
    rows = -(-len(panels) // columns)
    figure = Figure((4 * columns, 2.7 * rows), layout='constrained')
    for number, key in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, number)
        title, height = PANELS[key]
        marks = marked if key == 'all/marginal_entropy' else {}
        for what, value in marks.items():
            axes.axhline(value, color=ORANGE, linestyle=':')
            axes.annotate(f'{what} {value:.3g}', (0, value), (3, 4),
                          xycoords=('axes fraction', 'data'),
                          textcoords='offset points', fontsize=8)
        # Room for what stands above a line.
        drawn = [0, height, *(1.1 * value for value in marks.values())]
        for i, log in enumerate(logs):
            is_best = i == best
            style = dict(color=f'C{i}', label=names[i]) if names else dict(
                color=BLUE if is_best else GREY,
                linewidth=1.8 if is_best else 1, zorder=2 if is_best else 1,
                label='kept' if is_best else 'other restarts')
            entries = [entry for entry in log if key in entry]
            values = [entry[key] for entry in entries]
            line, = axes.plot([entry['epoch'] for entry in entries], values,
                              marker='.' if len(entries) < 5 else None,
                              **style)
            lines.setdefault(style['label'], line)
            drawn += values
        axes.set_ylim(1.05 * min(drawn), 1.05 * max(drawn))
        axes.set_title(title, fontsize=10)
        axes.set_xlabel('epoch')
        axes.xaxis.set_major_locator(MaxNLocator(
            'auto', integer=True, min_n_ticks=1))
        axes.grid(alpha=.3)
    if len(logs) > 1:
        legend = axes.legend(lines.values(), map(as_utf8, lines), fontsize=8)
        for text in legend.get_texts():  # a name may have dollars
            text.set_parse_math(False)
    return save(figure, path)
