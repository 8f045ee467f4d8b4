"""What a run says of points, as CSV: a point a line."""
import csv

import numpy

from imsat.retrieval.codes import unpack_bits
from imsat.storage import atomic_write


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


def save_csv(path, columns):
    """Writes columns of one length, a dict by their titles."""
    with atomic_write(path, 'w', encoding='utf-8', newline='') as f:
        write_lines(f, columns)


def write_lines(f, columns, titles=True):
    """Writes columns to an open file, below their titles or without."""
    writer = csv.writer(f, lineterminator='\n')
    if titles:
        writer.writerow(columns)
    writer.writerows(zip(*map(_cells, columns.values())))


def _cells(column):
    if not isinstance(column, numpy.ndarray):
        return column
    cells = column.tolist()
    return [f'{cell:.6g}' for cell in cells] if column.dtype.kind == 'f' \
        else cells
