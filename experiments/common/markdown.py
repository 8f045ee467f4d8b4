"""Tables in Markdown."""
import math
from pathlib import Path

from imsat.errors import InputError
from imsat.storage import atomic_write

BEGIN, END = '<!-- table -->', '<!-- end of table -->'


def row(cells):
    """A line of a table."""
    return f'| {" | ".join(map(str, cells))} |'


def head(header, numbers=0):
    """The first two lines, to be followed by a :func:`row` at a time.

    Args:
        header (sequence): The titles.
        numbers (int): So many of the last columns are set flush right.
    """
    return f'{row(header)}\n{row(rule(header, numbers))}'


def rule(header, numbers=0):
    """What stands below the titles, see :func:`head`."""
    return ['---'] * (len(header) - numbers) + ['---:'] * numbers


def table(header, rows, numbers=0, padded=False):
    """A table, without a last line end.

    Args:
        header, numbers: As in :func:`head`.
        rows (iterable of sequence): Of cells, as many as titles each.
        padded (bool): Whether the columns are as wide as in a text.
    """
    lines = [[str(cell) for cell in line]
             for line in (header, rule(header, numbers), *rows)]
    if padded:
        widths = [max(map(len, column)) for column in zip(*lines)]
        lines = [[cell.ljust(width) for cell, width in zip(line, widths)]
                 for line in lines]
    return '\n'.join(map(row, lines))


def times(ratio):
    """A ratio with two digits that count, '1.3x', '0.021x', '140x'."""
    places = 1 - math.floor(math.log10(ratio))
    return f'{round(ratio, places):.{max(places, 0)}f}x'


def write_between(path, text):
    """Puts a text between the lines BEGIN and END of a file."""
    before, _, after = _parts(path)
    with atomic_write(path, 'w', encoding='utf-8') as f:
        f.write(f'{before}{BEGIN}\n{text}\n{END}{after}')


def write_sections(path, sections):
    """Puts sections there, a dict from titles to texts, in the order of their
    titles; of those that are there the others stay."""
    before = dict(section.split('\n', 1) for section in
                  f'\n{_parts(path)[1]}'.split('\n### ')[1:])
    write_between(path, '\n\n'.join(
        f'### {title}\n\n{text.strip()}'
        for title, text in sorted({**before, **sections}.items())))


def _parts(path):
    page = Path(path).read_text(encoding='utf-8')
    if not 0 <= page.find(BEGIN) < page.find(END):
        raise InputError(f'{path} has no lines {BEGIN} and {END}; write them '
                         f'where the table shall stand')
    before, rest = page.split(BEGIN)
    return before, *rest.split(END)
