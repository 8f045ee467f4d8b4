"""What is said of measured kernels: a table, and a picture."""
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from common import markdown
from imsat.pictures.training import BLUE, GREY, ORANGE, save

CONTESTANTS = {'plain': 'plain CuPy', 'original': 'original',
               'torch': 'PyTorch', 'compiled': 'compiled'}
COLOURS = dict(zip(CONTESTANTS, (BLUE, GREY, ORANGE, '#38a169')))
# Of the speed of a copy, or of what its arithmetic allows.
TARGET, OF_LIMIT = .8, 1 / 1.5

HEAD = ('kernel', 'size', 'ms', 'MB', 'GB/s', 'of a copy', 'of the limit',
        *CONTESTANTS.values())


def table_head():
    return markdown.head(HEAD, numbers=len(HEAD) - 2)


def table_line(row):
    """A line of Markdown; of the others their time in terms of ours."""
    ms = row['ms'].get('ours')
    cells = [row['kernel'], size_text(row), *(
        [f'{ms:.4f}', f'{row["bytes"] / 1e6:,.2f}', f'{row["gb_s"]:,.0f}',
         f'{row["of_copy"]:.0%}',
         f'{row["of_limit"]:.0%}' if row['of_limit'] else '-']
        if ms else 5 * ['-'])]
    cells += [f'{row["ratio"][name]:.2f}x' if name in row['ratio'] else '-'
              for name in CONTESTANTS]
    return markdown.row(cells)


def size_text(row):
    text = ' x '.join(f'{key} {n:,}' for key, n in row['size'].items())
    return f'{text} (paper)' if row['at'] == 'paper' else text


def summary(rows):
    """Sentences: what was not measured, and what falls short."""
    lines = [f'{where(row)}: {name} {reason}'
             for row in rows for name, reason in row['failed'].items()]
    rows = [row for row in rows if 'ours' in row['ms']]
    slow = [where(row) for row in rows
            if row['at'] == 'large' and row['of_copy'] < TARGET
            and row['of_limit'] < OF_LIMIT]
    lines.append(f'below {TARGET:.0%} of a copy and {OF_LIMIT:.0%} of what '
                 f'their arithmetic allows, at large sizes: '
                 + ('; '.join(slow) or 'none'))
    slower = [where(row) for row in rows if row['at'] == 'paper'
              and row['ratio'].get('plain', 1) < 1]
    lines.append('slower than the plain expression, at the paper\'s sizes: '
                 + ('; '.join(slower) or 'none'))
    return lines + [
        f'{where(row)}: {row["ms"]["ours"]:.4g} ms where at most '
        f'{row["at_most"]:g} are aimed at: '
        + ('met' if row['ms']['ours'] <= row['at_most'] else 'missed')
        for row in rows if row['at_most']]


def where(row):
    return f'{row["kernel"]}, {size_text(row)}'


def picture(path, results):
    """Speeds beside a copy's, and the others' times beside ours."""
    rows = [row for row in results['rows'] if 'ours' in row['ms']]
    figure = Figure((11, 1.5 + .26 * len(rows)), layout='constrained')
    left, right = figure.subplots(1, 2, sharey=True)
    places = range(len(rows))
    left.barh(places, [100 * row['of_copy'] for row in rows], color=[
        BLUE if row['at'] == 'large' else GREY for row in rows])
    left.axvline(100 * TARGET, color=ORANGE, linestyle='--', linewidth=1)
    left.set_yticks(places, [where(row) for row in rows], fontsize=8)
    left.set_ylim(len(rows) - .4, -.6)
    left.plot([100 * row['of_limit'] for row in rows], places, 'D',
              color='black', markersize=3)
    left.set_xlabel('% of the speed of a copy; dots: of what its arithmetic '
                    'allows')
    for name, label in CONTESTANTS.items():
        points = [(row['ratio'][name], i) for i, row in enumerate(rows)
                  if name in row['ratio']]
        if points:
            right.plot(*zip(*points), 'o', color=COLOURS[name], markersize=5,
                       label=label)
    right.axvline(1, color='black', linewidth=1)
    right.set_xscale('log')
    right.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    right.xaxis.set_major_formatter('{x:g}x')
    right.xaxis.set_minor_formatter('')
    right.set_xlabel('their time / ours')
    right.grid(alpha=.3)
    if right.get_legend_handles_labels()[0]:
        figure.legend(loc='outside lower right', ncols=len(CONTESTANTS),
                      fontsize=8)
    figure.suptitle(f'{results["device"]}, float32, a copy: '
                    f'{results["copy_gb_s"]:,.0f} GB/s', fontsize=11)
    save(figure, path)
