"""Tables in Markdown."""


def row(cells):
    """A line of a table."""
    return f'| {" | ".join(map(str, cells))} |'


def head(header, numbers=0):
    """The first two lines, to be followed by a :func:`row` at a time.

    Args:
        header (sequence): The titles.
        numbers (int): So many of the last columns are set flush right.
    """
    words = len(header) - numbers
    return row(header) + '\n|' + '---|' * words + '---:|' * numbers


def table(header, rows, numbers=0):
    """A table, without a last line end.

    Args:
        header, numbers: As in :func:`head`.
        rows (iterable of sequence): Of cells, as many as titles each.
    """
    return '\n'.join([head(header, numbers), *map(row, rows)])
