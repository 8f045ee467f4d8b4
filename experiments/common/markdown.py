"""Tables in Markdown."""


def row(cells):
    """A line of a table."""
    return f'| {" | ".join(map(str, cells))} |'


def table(header, rows, numbers=0):
    """A table, without a last line end.

    Args:
        header (sequence): Its titles.
        rows (iterable of sequence): Of cells, as many as titles each.
        numbers (int): So many of the last columns are set flush right.
    """
    words = len(header) - numbers
    rule = '|' + '---|' * words + '---:|' * numbers
    return '\n'.join([row(header), rule, *map(row, rows)])
