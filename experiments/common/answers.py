"""What a run says of points, as CSV: a point a line."""
import csv

import numpy

from imsat.on_disk import blocks_of, joined
from imsat.retrieval.codes import unpack_bits
from imsat.storage import atomic_write
from imsat.training.evaluation import softmax

ROWS = 1 << 14  # of a file that are written at a time
# Of p(y|x): numbers up to which all are kept, and how many of each point
# beyond that.
MOST, TOP = 10 ** 7, 3


def places(rows, index=None):
    """The columns that say which points they are.

    Args:
        rows (array or range): Counted from 0.
        index (sequence of str): What their table calls them; None for
            nothing.
    """
    return {'row': rows} if index is None else {'row': rows, 'index': index}


def of_clusters(clusters, p=None):
    """The columns of clusters, shape (N,), and of their probabilities, if
    there are p(y|x), shape (N, K)."""
    columns = {'cluster': clusters}
    if p is not None:
        columns['probability'] = p[numpy.arange(len(p)), clusters]
    return columns


def best_of(p, n):
    """The n most probable clusters, and p of these, both shape (N, n)."""
    order = numpy.argsort(-p, axis=1, kind='stable')[:, :n]
    return (order.astype(numpy.min_scalar_type(p.shape[1])),
            numpy.take_along_axis(p, order, axis=1).astype(numpy.float32))


def best_of_logits(logits):
    """:func:`best_of` TOP, by name as assignments.npz has them."""
    return {name: joined((best_of(softmax(block), TOP)[i]
                          for _, block in blocks_of(logits)), len(logits))
            for i, name in enumerate(('top', 'top_probability'))}


def outputs_of(codes, n_bits, values=None):
    """What codes consist of, a row each: bits, or outputs of several values.
    """
    return codes if values is not None else unpack_bits(codes, n_bits)


def of_codes(codes, n_bits, values=None):
    """A column for each bit, or for each output of several values.

    One column for all would be read as a number, without its first zeros.
    """
    return numbered('bit' if values is None else 'value',
                    outputs_of(codes, n_bits, values))


def numbered(name, array):
    """The columns of an array, called ``name0``, ``name1``, ..."""
    return {f'{name}{i}': column for i, column in enumerate(array.T)}


def save_csv(path, n, columns_of):
    """Writes n lines.

    Args:
        columns_of: Function of a slice to columns, a dict by their titles.
    """
    with atomic_write(path, 'w', encoding='utf-8', newline='') as f:
        for start in range(0, n, ROWS):
            write_lines(f, columns_of(slice(start, min(start + ROWS, n))),
                        titles=not start)


def write_lines(f, columns, titles=True):
    """Writes columns to an open file, below their titles or without."""
    writer = csv.writer(f, lineterminator='\n')
    if titles:
        writer.writerow(columns)
    writer.writerows(zip(*map(_cells, columns.values())))


def _cells(column):
    if not isinstance(column, numpy.ndarray):
        # Beside "\n" csv leaves "\r", which ends a line, too, unquoted.
        return [cell.replace('\r\n', '\n').replace('\r', '\n')
                if isinstance(cell, str) else cell for cell in column]
    cells = column.tolist()
    return [f'{cell:.6g}' for cell in cells] if column.dtype.kind == 'f' \
        else cells
