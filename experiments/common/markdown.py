"""Tables in Markdown."""


def row(cells):
    """A line of a table."""
    return f'| {" | ".join(map(str, cells))} |'


def table(header, rows, numbers=0, padded=False):
    """A table, without a last line end.

    Args:
        header (sequence): Its titles.
        rows (iterable of sequence): Of cells, as many as titles each.
        numbers (int): So many of the last columns are set flush right.
        padded (bool): Whether the columns are as wide as in a text.
    """
    rule = ['---'] * (len(header) - numbers) + ['---:'] * numbers
    lines = [[str(cell) for cell in line] for line in (header, rule, *rows)]
    if padded:
        widths = [max(map(len, column)) for column in zip(*lines)]
        lines = [[cell.ljust(width) for cell, width in zip(line, widths)]
                 for line in lines]
    return '\n'.join(map(row, lines))
