"""Markdown, and a picture, of what was compared with the original."""
import statistics

import numpy
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from common import markdown
from imsat.pictures.training import BLUE, GREEN, GREY, ORANGE, save
from original.replay import is_noise
from paper.departures import DEPARTURES

PRECISIONS = {'d': 'float64', 'f': 'float32'}


def table(header, rows):
    """A Markdown table that is readable as text too."""
    return markdown.table(header, rows, padded=True) + '\n'


def grouped(comparisons, key):
    """Lists of comparisons by a key and then by precision."""
    groups = {}
    for c in comparisons:
        groups.setdefault(key(c), {dtype: [] for dtype in PRECISIONS})[
            c.dtype.char].append(c)
    return groups.items()


def comparison_table(comparisons):
    """A row for each quantity, over all steps, in both precisions.

    Differences are the largest; what is allowed stands beside it, of the step
    at which most of it was used.
    """
    rows, last = [], None
    for (section, quantity), group in grouped(
            comparisons, lambda c: (c.section, c.quantity)):
        row = ['' if section == last else section, quantity]
        last = section
        for found in group.values():
            if found:
                worst = max(found, key=lambda c: (not c.agrees, c.absolute))
                row += [f'{max(c.absolute for c in found):.1e}',
                        f'{max(c.relative for c in found):.1e}',
                        worst.reason or worst.allowed + (
                            '' if worst.agrees else ' EXCEEDED')]
            else:
                row += [''] * 3
        rows.append(row)
    return table(['', 'quantity', *(
        title for precision in PRECISIONS.values() for title in (
            f'{precision}: absolute', 'relative', 'allowed'))], rows)


def summary_table(comparisons):
    """How many comparisons of each section agree."""
    rows = []
    for section, group in grouped(comparisons, lambda c: c.section):
        rows.append([section])
        for found in group.values():
            relative = max((c.relative for c in found
                            if not is_noise(c.quantity)), default=0)
            rows[-1] += [f'{sum(c.agrees for c in found)} of {len(found)}',
                         f'{relative:.0e}']
    return table(['', 'float64: agree', 'largest relative',
                  'float32: agree', 'largest relative'], rows)


def speed_table(timings):
    """Milliseconds, from section, what was timed, precision, and seconds of
    theirs and of ours."""
    return table(
        ['', '', 'precision', 'original, ms', 'ours, ms', 'ratio'],
        [[*what, dtype, f'{theirs * 1e3:.2f}', f'{ours * 1e3:.2f}',
          f'{theirs / ours:.2f}x'] for *what, dtype, theirs, ours in timings])


def speeds(trajectories):
    """Medians of an iteration, for :func:`speed_table`."""
    for t in trajectories:
        for dtype, precision in PRECISIONS.items():
            yield t.section, 'an iteration', precision, *(
                statistics.median(seconds[dtype])
                for seconds in (t.original, t.ours))


# What the curves are of: names of quantities begin so.
GROUPS = {'losses': ('loss', 'cond', 'marg', 'pairwise'),
          'gradients': 'grad.', 'weights and statistics': 'after.'}
# And of which comparisons of a Trajectory.
CURVES = {'float64': 'double', 'float32, single steps': 'steps',
          'float32, free': 'single', 'original, float32 and float64': 'itself'}


def curve(comparisons, group):
    """The largest relative difference of a group at each step.

    Arrays that rounding decides are left out.
    """
    steps = {}
    for c in comparisons:
        if c.quantity.startswith(GROUPS[group]) and not is_noise(c.quantity):
            steps[c.step] = max(c.relative, steps.get(c.step, 0.))
    return [steps[step] for step in sorted(steps)]


def trajectory_table(trajectories, shown=(1, 2, 5, 10, 20)):
    """How the differences grow, ours with it and the original's with itself.

    The last column counts the iterations that agree, until the first that
    does not.
    """
    steps = max(len(t.ours['d']) for t in trajectories)
    shown = sorted({step for step in (*shown, steps) if step <= steps})
    rows = []
    for t in trajectories:
        for name, which in CURVES.items():
            comparisons = getattr(t, which)
            for group in GROUPS:
                values = curve(comparisons, group)
                parted = min((
                    c.step for c in comparisons if not c.agrees
                    and c.quantity.startswith(GROUPS[group])
                    and not is_noise(c.quantity)), default=steps + 1)
                rows.append([t.section, name, group,
                             *(f'{values[step - 1]:.0e}' for step in shown),
                             parted - 1])
    return table(['', '', 'of', *(f'step {step}' for step in shown),
                  'agree'], rows)


def draw_differences(path, trajectories):
    """Largest relative differences over iterations, a panel for each task."""
    figure = Figure((5 * len(trajectories), 3.8), layout='constrained')
    all_axes = figure.subplots(1, len(trajectories), squeeze=False)[0]
    all_axes[0].set_ylabel('largest difference / largest element')
    for axes, trajectory in zip(all_axes, trajectories):
        for (name, which), color in zip(CURVES.items(),
                                        (BLUE, GREEN, ORANGE, GREY)):
            for style, group in zip(('-', '--', ':'), GROUPS):
                # A logarithmic axis has no 0.
                values = numpy.maximum(
                    curve(getattr(trajectory, which), group), 1e-17)
                axes.semilogy(range(1, len(values) + 1), values, style,
                              color=color, label=f'{name}: {group}')
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel('iteration')
        axes.set_title(trajectory.section, fontsize=10)
        axes.grid(alpha=.3)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=7, ncols=4,
                  loc='outside lower center')
    save(figure, path)


def departures_table():
    return table(['what', 'paper', 'original', 'here by default, and why',
                  'switch'],
                 [[d.what, d.paper, d.original, d.ours, d.switch]
                  for d in DEPARTURES.values()])
