"""Markdown, and a picture, of what was compared with the original."""
import statistics

import numpy
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from common import markdown
from imsat.pictures.training import BLUE, GREEN, GREY, ORANGE, save
from original.comparison import format_tolerance
from original.replay import is_noise
from paper.departures import DEPARTURES

PRECISIONS = {'d': 'float64', 'f': 'float32'}


def table(header, rows):
    """A Markdown table that is readable as text too."""
    return markdown.table(header, rows, padded=True) + '\n'


def comparison_table(comparisons):
    """A row for each quantity, over all steps, in both precisions.

    Differences are the largest; what is allowed stands beside it, of the step
    at which most of it was used.
    """
    groups = {}
    for c in comparisons:
        group = groups.setdefault((c.section, c.quantity), {})
        group.setdefault(c.dtype.char, []).append(c)
    header = ['', 'quantity']
    for precision in PRECISIONS.values():
        header += [f'{precision}: absolute', 'relative', 'allowed']
    rows, last = [], None
    for (section, quantity), group in groups.items():
        row = ['' if section == last else section, quantity]
        last = section
        for dtype in PRECISIONS:
            found = group.get(dtype)
            row += _differences(found) if found else [''] * 3
        rows.append(row)
    return table(header, rows)


def _differences(comparisons):
    worst = max(comparisons, key=lambda c: (not c.agrees, c.absolute))
    allowed = format_tolerance(worst)
    if not worst.agrees:
        allowed += ' EXCEEDED'
    return [f'{max(c.absolute for c in comparisons):.1e}',
            f'{max(c.relative for c in comparisons):.1e}', allowed]


def summary_table(comparisons):
    """How many comparisons of each section agree."""
    sections = {}
    for c in comparisons:
        sections.setdefault(c.section, {}).setdefault(
            c.dtype.char, []).append(c)
    rows = []
    for section, group in sections.items():
        row = [section]
        for dtype in PRECISIONS:
            found = group.get(dtype, [])
            relative = max((c.relative for c in found
                            if not is_noise(c.quantity)), default=0)
            row += [f'{sum(c.agrees for c in found)} of {len(found)}',
                    f'{relative:.0e}']
        rows.append(row)
    return table(['', 'float64: agree', 'largest relative',
                  'float32: agree', 'largest relative'], rows)


def timing_table(timings):
    """Milliseconds of functions, see :class:`definitions.Timing`."""
    return table(
        ['', 'function', 'precision', 'original, ms', 'ours, ms', 'ratio'],
        [[t.section, t.function, t.dtype, f'{t.original * 1e3:.2f}',
          f'{t.ours * 1e3:.2f}', f'{t.original / t.ours:.2f}x']
         for t in timings])


def speed_table(trajectories):
    """Milliseconds an iteration, medians."""
    rows = []
    for trajectory in trajectories:
        for dtype, precision in PRECISIONS.items():
            theirs, ours = (statistics.median(seconds[dtype]) for seconds in (
                trajectory.original, trajectory.ours))
            rows.append([trajectory.section, precision,
                         f'{theirs * 1e3:.0f}', f'{ours * 1e3:.0f}',
                         f'{theirs / ours:.2f}x'])
    return table(['', 'precision', 'original, ms', 'ours, ms', 'ratio'], rows)


# What the curves are of: names of quantities begin so.
GROUPS = {'losses': ('loss', 'cond', 'marg', 'pairwise'),
          'gradients': 'grad.', 'weights and statistics': 'after.'}


def curve(comparisons, group):
    """The largest relative difference of a group at each step.

    Arrays that rounding decides are left out.
    """
    steps = {}
    for c in comparisons:
        if c.quantity.startswith(GROUPS[group]) and not is_noise(c.quantity):
            steps[c.step] = max(c.relative, steps.get(c.step, 0.))
    return [steps[step] for step in sorted(steps)]


def lines(trajectory):
    """What there are curves of: names to comparisons of one precision."""
    return {'float64': trajectory.double,
            'float32, single steps': trajectory.steps,
            'float32, free': trajectory.single,
            'original, float32 and float64': trajectory.itself}


def trajectory_table(trajectories, shown=(1, 2, 5, 10, 20)):
    """How the differences grow, ours with it and the original's with itself.

    The last column counts the iterations that agree, until the first that
    does not.
    """
    steps = max(len(t.ours['d']) for t in trajectories)
    shown = sorted({step for step in (*shown, steps) if step <= steps})
    rows = []
    for t in trajectories:
        for name, comparisons in lines(t).items():
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
        for (name, comparisons), color in zip(lines(trajectory).items(),
                                              (BLUE, GREEN, ORANGE, GREY)):
            for style, group in zip(('-', '--', ':'), GROUPS):
                # A logarithmic axis has no 0.
                values = numpy.maximum(curve(comparisons, group), 1e-17)
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
