"""Labels of any kind as numbers, without one class becoming another."""
import math
import re
from typing import Any

import numpy

from imsat.errors import InputError
from imsat.storage import reason_of

PART = 1 << 18  # labels that are worked on at a time
# In lower case, texts that are no labels: NumPy writes NaN so among others. A
# class may be called anything else.
NAMELESS = {'', 'nan'}
MISSING = 'a label of the {} is missing; leave out what has no label'


def number_labels(*labels: Any, names: tuple[str, ...] = ('points',)
                  ) -> list[numpy.ndarray]:
    """Labels as numbers from 0, the same for labels that Python calls equal.

    Numbers are compared exactly: int64 and uint64 arrays that NumPy would
    compare as float64, 1 and True; but ``1`` and ``'1'`` are two labels, and
    ``'a'`` and ``b'a'``.

    Args:
        labels (array): One or several, shapes (N,) or (N, 1), of numbers,
            text, bytes or whatever Python can hash; of pandas as well.
        names (tuple of str): What each of them labels, for errors.

    Returns:
        list of numpy.ndarray: Shapes (N,), int64.  Those of the first are in
        the order of its labels, where these sort.

    Raises:
        InputError: For another shape, and for a label that is missing: None,
            NaN or masked.

    Example:
        >>> from imsat.labels import number_labels
        >>> number_labels(['b', 'a', 'b'])
        [array([1, 0, 1])]
        >>> big = 2 ** 53
        >>> number_labels(numpy.array([big + 1, big]),
        ...               numpy.array([big, big + 1], 'uint64'),
        ...               names=('queries', 'gallery items'))
        [array([1, 0]), array([0, 1])]
    """
    numbers: dict[Any, int] = {}
    result = []
    for these, name in zip(labels, names):
        classes, inverse = classes_of(these, name)
        of_class = [numbers.setdefault(label, len(numbers))
                    for label in classes]
        result.append(numpy.array(of_class, numpy.int64)[inverse])
    return result


def classes_of(labels: Any, name: str = 'points'
               ) -> tuple[list, numpy.ndarray]:
    """The labels that there are, sorted where they sort, and for each its
    place among them; arguments and errors as in :func:`number_labels`.

    Text is sorted as numbers if all of it is whole numbers.

    Places are integers of as few bytes as will do.
    """
    check_not_masked(labels, name)
    try:
        labels = numpy.asarray(
            _exact(labels) if isinstance(labels, list | tuple) else labels)
    except (RuntimeError, TypeError) as e:  # PyTorch's: gradients, bfloat16
        raise InputError(reason_of(e)) from e
    except ValueError:  # lists of several lengths
        labels = numpy.empty((0, 0))
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise InputError(f'labels of the {name} have shape {labels.shape}; '
                         f'give one label for each')
    try:
        # Part by part: to order all at once takes five times their room.
        parts = [labels[start:start + PART]
                 for start in range(0, len(labels), PART)]
        if labels.dtype.hasobject:
            classes = _sorted({label for part in parts
                               for label in part.tolist()})
            places = {label: i for i, label in enumerate(classes)}
        else:
            array = numpy.unique(numpy.concatenate(
                [labels[:0], *map(numpy.unique, parts)]))
            classes = array.tolist()
        inverse = numpy.empty(len(labels), numpy.min_scalar_type(len(classes)))
        for i, part in enumerate(parts):
            inverse[i * PART:][:len(part)] = [
                places[label] for label in part.tolist()
            ] if labels.dtype.hasobject else numpy.searchsorted(array, part)
        is_missing = any(
            label.strip().lower() in NAMELESS if isinstance(label, str)
            else label is None or bool(label != label) for label in classes)
    # pandas.NA, what has no hash, or Decimal's NaN, which has no order.
    except (TypeError, KeyError, ArithmeticError):
        raise InputError(f'a label of the {name} is missing or neither a '
                         f'number nor text; leave it out, or replace it'
                         ) from None
    if is_missing:
        raise InputError(MISSING.format(name))
    if all(isinstance(label, str) and re.fullmatch(r'[+-]?[0-9]{1,18}', label)
           for label in classes):
        order = sorted(range(len(classes)), key=lambda i: (
            int(classes[i]), classes[i]))
        place = numpy.empty(len(order), inverse.dtype)
        place[order] = numpy.arange(len(order))
        return [classes[i] for i in order], place[inverse]
    return classes, inverse


def are_measurements(labels: Any) -> bool:
    """Whether labels, as for :func:`number_labels`, look like measurements:
    some are fractions, or nearly as many differ as there are points."""
    classes, inverse = classes_of(labels)
    n = len(inverse)
    return len(classes) > max(2, min(n / 2, max(100, n / 10))) \
        or any(map(_is_fraction, classes))


def _is_fraction(label):
    """Whether a label is a number, or the text of one, but no whole one."""
    try:
        number = float(str(label).replace(',', '.'))
        return math.isfinite(number) and not number.is_integer()
    except ValueError:
        return False


def is_masked(value, depth=4):
    """Whether numbers are masked, also in rows of a list, whose masks NumPy
    would drop, down to so many lists within each other."""
    return numpy.ma.is_masked(value) or depth > 0 and isinstance(
        value, tuple | list) and any(
        is_masked(each, depth - 1) for each in value
        if isinstance(each, tuple | list | numpy.ma.MaskedArray))


def check_not_masked(labels: Any, name: str) -> None:
    """InputError for labels of ``name`` of which some are masked."""
    if is_masked(labels):
        raise InputError(MISSING.format(name))


def _exact(labels):
    """A list as it is, or an array of objects where NumPy would make others
    of them: text of a missing one, 1 of True, and floats of large integers."""
    array = numpy.array(labels, object)
    kinds = set(map(type, array.ravel().tolist()))
    return array if len(kinds) > 1 or int in kinds else labels


def _sorted(classes):
    try:
        return sorted(classes)
    except TypeError:  # of several kinds
        return sorted(classes, key=lambda label: (str(type(label)), label))
