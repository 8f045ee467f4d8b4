"""Labels of points of which each may have several."""
import itertools
from typing import Any

import numpy
import scipy.sparse

from imsat.errors import InputError
from imsat.labels import check_not_masked, number_labels
from imsat.parameters import shown

NAMES = 'queries', 'gallery items'
# How 0 and 1 are written in rows that are a matrix, but seem to be labels.
BITS = {'0', '1', '0.0', '1.0', 'False', 'True'}


class LabelSets:
    """Labels of queries and gallery items of which each may have several.

    Args:
        query_labels, gallery_labels: Arrays of 0 and 1, shapes (Q, L) and
            (N, L), L from 2, NumPy's, scipy's sparse or pandas'; or lists of
            lists or sets of labels.
        n_queries, n_gallery (int): Q and N.

    Raises:
        InputError: If they are none of these, or a query shares no label with
            the gallery.
    """

    def __init__(self, query_labels: Any, gallery_labels: Any,
                 n_queries: int, n_gallery: int) -> None:
        labels, sizes = (query_labels, gallery_labels), (n_queries, n_gallery)
        widths = {numpy.shape(these)[1] if _is_matrix(these) else None
                  for these in labels}
        if len(widths) > 1:
            raise InputError('queries and gallery items have labels in two '
                             'forms, or other columns of 0 and 1; give both '
                             'alike')
        names = [list(these.columns) for these in labels
                 if _is_matrix(these) and hasattr(these, 'columns')]
        if len(names) == 2 and names[0] != names[1]:
            raise InputError(f'the columns of the queries\' labels are '
                             f'{shown(names[0])}, and those of the gallery '
                             f'items\' {shown(names[1])}; give the same, in '
                             f'the same order')
        rows, flat = zip(*map(_flattened, labels, NAMES, sizes))
        # The gallery's first: its labels have the first numbers.
        gallery, queries = number_labels(*flat[::-1], names=NAMES[::-1])
        self.n_gallery = n_gallery
        self._queries = numpy.split(queries, numpy.searchsorted(
            rows[0], numpy.arange(1, n_queries)))
        order = numpy.argsort(gallery, kind='stable')
        self._members = numpy.split(rows[1][order], numpy.searchsorted(
            gallery[order], numpy.arange(1, gallery.max(initial=-1) + 1)))
        for i, own in enumerate(self._queries):
            if (own > gallery.max(initial=-1)).all():
                raise InputError(f'query {i} (counted from 0) shares no label '
                                 f'with an item of the gallery; leave such '
                                 f'queries out')

    def relevant(self, i: int, block: slice | None = None) -> numpy.ndarray:
        """Which items of the gallery share a label with query i, bool.

        Args:
            i (int): Number of the query.
            block (slice): Of the gallery, with both its ends; None for all.
        """
        block = block or slice(0, self.n_gallery)
        shared = numpy.zeros(block.stop - block.start, bool)
        for label in self._queries[i]:
            if label < len(self._members):
                members = self._members[label]
                first, last = numpy.searchsorted(
                    members, (block.start, block.stop))
                shared[members[first:last] - block.start] = True
        return shared


def are_several(labels: Any) -> bool:
    """Whether these are labels as LabelSets takes them."""
    return _is_matrix(labels) or _is_list(labels) and any(
        map(_is_set, labels))


def _is_list(labels):
    # Of objects are NumPy's and pandas' that have lists.
    return isinstance(labels, list | tuple) or getattr(
        labels, 'ndim', 0) == 1 and getattr(
            getattr(labels, 'dtype', None), 'kind', None) == 'O'


def _is_set(own):
    return isinstance(own, list | tuple | set | frozenset) or isinstance(
        own, numpy.ndarray) and own.ndim == 1


def _is_matrix(labels):
    return not isinstance(labels, list | tuple) and len(
        getattr(labels, 'shape', ())) == 2 and labels.shape[1] > 1


def _flattened(labels, name, n):
    """The rows and the labels of all labels that there are."""
    check_not_masked(labels, name)
    if _is_matrix(labels):
        matrix = labels if scipy.sparse.issparse(labels) \
            else numpy.asarray(labels)
        if matrix.dtype.kind in 'biuf' and matrix.shape[0] == n:
            values: Any = matrix.data if scipy.sparse.issparse(matrix) \
                else matrix
            if ((values == 0) | (values == 1)).all():
                # SciPy knows neither float16 nor another order of bytes.
                return scipy.sparse.csr_matrix(matrix != 0).nonzero()
        raise InputError(f'labels of {n} {name} are {matrix.dtype} of shape '
                         f'{matrix.shape}; give a row of 0 and 1 for each')
    labels = labels.tolist() if hasattr(labels, 'tolist') else labels
    if not isinstance(labels, list | tuple) or len(labels) != n:
        raise InputError(f'labels of {n} {name} are no list with one or '
                         f'several labels for each; give such a list')
    lists = [list(own) if _is_set(own) else [own] for own in labels]
    lengths = [len(own) for own in lists]
    flat = list(itertools.chain(*lists))
    if set(lengths) != {1} and len(set(lengths)) == 1 and not isinstance(
            labels[0], set | frozenset) and all(
            str(label) in BITS for label in flat):
        raise InputError(f'labels of the {name} may be lists of labels, or '
                         f'rows of 0 and 1; give sets, or an array')
    return numpy.repeat(numpy.arange(n), lengths), numpy.fromiter(
        flat, object, len(flat))
