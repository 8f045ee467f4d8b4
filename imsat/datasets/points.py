"""What points and labels have to be, wherever they are from."""
import contextlib
import typing
import unicodedata
import warnings
from decimal import Decimal

import numpy
import scipy.sparse

from imsat.datasets.texts import NUMBER
from imsat.errors import InputError
from imsat.labels import NAMELESS
from imsat.on_disk import OnDisk, blocks_of

# In lower case; what stands where there is no value.
MISSING = {'', 'nan', '-nan', 'na', 'n/a', '#n/a', '<na>', 'null', 'none',
           'nat', '?'}
SAMPLE = 1 << 20  # numbers, to see whether float32 holds them apart
FEW = 100  # values of a column
ZERO_WIDTH = dict.fromkeys(map(ord, '\u200b\u2060\ufeff'))


def check_points(
        x: typing.Any, source: typing.Any,
        place: typing.Callable[[int], str] = 'row {}'.format,
        names: list | None = None) -> typing.Any:
    """x as float32, if that can be clustered.

    Args:
        x (array, scipy.sparse.csr_matrix or OnDisk): As a file holds them.
        source: Where they are from.
        place: Says where a row is.
        names (list): What the columns are called; numbers from 0 by default.

    Raises:
        InputError: For anything but numbers, all finite, in a table of
            points.
    """
    if not scipy.sparse.issparse(x) and not isinstance(x, OnDisk):
        x = numpy.asarray(x)
    check_numbers(x, source)
    if x.ndim != 2 or 0 in x.shape:
        raise InputError(f'x of {source} has shape {x.shape}; give a table '
                         f'with a row for each point and a column for each '
                         f'feature')
    counted = '' if names else ' (counted from 0)'
    names = names or list(range(x.shape[1]))
    n_bad, first = 0, (0, 0)
    for start, block in blocks_of(x):
        bad = ~numpy.isfinite(_values(block))
        if bad.any() and not n_bad:
            row, column = _first(block, bad)
            first = start + row, column
        n_bad += bad.sum()
    if n_bad:
        row, column = first
        raise InputError(f'x of {source} has {n_bad} values that are NaN '
                         f'or infinite, the first in {place(row)}, column '
                         f'{names[column]}{counted}; remove or replace them')
    return _as_float32(x, source, place, names, counted)


def check_numbers(x: typing.Any, source: typing.Any) -> None:
    """Raises InputError for an array of anything but real numbers."""
    if x.dtype.kind not in 'fiub':
        raise InputError(f'x of {source} has dtype {x.dtype}; give numbers')


def check_labels(
        y: typing.Any, n: int, source: typing.Any,
        place: typing.Callable[[int], str] = 'row {}'.format,
        missing: typing.Collection[str] = NAMELESS) -> numpy.ndarray:
    """y as an array, if it has a label for each of n points, or where points
    have several, a row of 0 and 1; ``missing`` is no label.

    Texts that look alike become one label.

    Raises:
        InputError: For labels that are not, that are missing, or that are
            the same number written twice.
    """
    y = y.toarray() if scipy.sparse.issparse(y) else numpy.asarray(y)
    if y.ndim == 2 and len(y) == n and y.shape[1] > 1 \
            and y.dtype.kind in 'biuf' and ((y == 0) | (y == 1)).all():
        return y.astype(numpy.uint8)
    if y.shape != (n,):
        raise InputError(f'y of {source} has shape {y.shape} for {n} '
                         f'points; give one label for each, or a row of 0 '
                         f'and 1 where points have several, or leave y out')
    if y.dtype.kind not in 'biufSU' or (y != y).any():
        raise InputError(f'y of {source} has labels that are NaN or '
                         f'neither numbers nor text; replace them, or '
                         f'leave y out')
    if y.dtype.kind == 'U':
        plain = {text: unicodedata.normalize(
            'NFC', text.translate(ZERO_WIDTH).strip())
            for text in dict.fromkeys(y.tolist())}
        y = numpy.array([plain[text] for text in y.tolist()], str)
    if y.dtype.kind in 'SU':
        refuse_missing(y.tolist(), source, place, 'label', missing)
        _refuse_numbers_twice(y, source)
    return y


def _refuse_numbers_twice(y, source):
    """InputError for texts such as 1, 1.0, 1,0 and 01, which would be several
    classes."""
    seen: dict[typing.Any, str] = {}
    for label in dict.fromkeys(y.tolist()):
        text = _as_text(label)
        value: Decimal | str = text
        if NUMBER.fullmatch(text):
            # With more digits in its exponent it is hardly meant as one.
            with contextlib.suppress(ArithmeticError):
                value = Decimal(text.replace(',', '.'))
        if seen.setdefault(value, text) != text:
            raise InputError(f'{source} has labels {seen[value]} and {text}, '
                             f'the same number written twice; write them '
                             f'alike')


def usable_labels(check: typing.Callable[[], numpy.ndarray | None],
                  are_missing: typing.Callable[[], bool],
                  source: typing.Any, needed: bool) -> numpy.ndarray | None:
    """What ``check()`` returns.  Where labels are not needed, None if all of
    them are missing, and, with a warning, for those that it refuses."""
    if needed:
        return check()
    if are_missing():
        return None
    try:
        return check()
    except InputError as e:
        warnings.warn(f'the labels of {source} are left out: {e}')
        return None


def all_missing(y: numpy.ndarray,
                missing: typing.Collection[str] = NAMELESS) -> bool:
    """Whether no label in an array says anything."""
    y = y.ravel()
    return bool((y != y).all()) or y.dtype.kind in 'SU' and all(
        is_missing(label.item(), missing) for label in y)


def refuse_missing(values: typing.Iterable, source: typing.Any,
                   place: typing.Callable[[int], str], what: str,
                   missing: typing.Collection[str] = MISSING) -> None:
    """Raises InputError for a text that says that there is none."""
    for row, value in enumerate(values):
        if is_missing(value, missing):
            raise InputError(f'{place(row)} of {source} has no {what} '
                             f'({value!r}); give it one or remove it')


def is_missing(value: str | bytes, missing: typing.Collection[str]) -> bool:
    """Whether a text says that there is nothing."""
    return _as_text(value).strip().lower() in missing


def _as_text(value):
    return value if isinstance(value, str) else value.decode('latin-1')


def _values(x):
    return x.data if scipy.sparse.issparse(x) else x


def _first(x, bad):
    """Row and column of the first of the values that are bad."""
    if scipy.sparse.issparse(x):
        i = bad.argmax()
        return int(numpy.searchsorted(x.indptr, i, 'right')) - 1, x.indices[i]
    return numpy.argwhere(bad)[0]


def _bound(x, of):
    bound = getattr(x, of)(axis=0)
    return bound.toarray().ravel() if scipy.sparse.issparse(x) else bound


def _as_float32(x, source, place, names, counted):
    """InputError where float32 can't hold the values, or not apart."""
    bounds = []
    for start, block in blocks_of(x):
        with numpy.errstate(over='ignore'):
            narrow = block.astype(numpy.float32)
        bad = ~numpy.isfinite(_values(narrow))
        if bad.any():
            row, column = _first(block, bad)
            raise InputError(
                f'x of {source} has {block[row, column]:g} in '
                f'{place(start + row)}, column {names[column]}{counted}, and '
                f'float32 holds no more than 3.4e38; divide that column')
        if x.dtype.kind != 'b':
            bounds.append((_bound(block, 'min'), _bound(block, 'max')))
    if isinstance(x, OnDisk):
        narrow = x.then(lambda block: block.astype(numpy.float32))
    if bounds:
        lows, highs = zip(*bounds)
        least, most = numpy.min(lows, axis=0), numpy.max(highs, axis=0)
        low, high = least.astype(float), most.astype(float)
        error = numpy.maximum(abs(low), abs(high)) * 2. ** -24 + 2. ** -149
        if x.dtype == numpy.float32:
            return narrow
        merged = (least != most) & (error > 1e-3 * (high - low))
        # One value far from the others hides them from this.
        if not merged.any() and x.dtype.itemsize > 3:
            merged = _levels_lost(x)
        if merged.any():
            column = merged.argmax()
            raise InputError(
                f'column {names[column]}{counted} of {source} goes from '
                f'{least[column]} to {most[column]}, with values that float32 '
                f'does not hold apart; subtract its mean and bring it to the '
                f'scale of the others')
    return narrow


def _levels_lost(x):
    """Of which columns float32 leaves few values, of many more that differ by
    more than float64's rounding; shape (d,), bool, by some thousand rows."""
    rows = max(10, SAMPLE // x.shape[1])
    some = x[::-(-x.shape[0] // rows)]
    some = some.toarray() if scipy.sparse.issparse(some) else some
    some = numpy.sort(some, axis=0)
    differ = numpy.diff(some, axis=0) > (
        1e-12 * numpy.abs(some[1:]) if some.dtype.kind == 'f' else 0)
    left = differ & (numpy.diff(some.astype(numpy.float32), axis=0) > 0)
    left, there = left.sum(axis=0) + 1, differ.sum(axis=0) + 1
    return (left < FEW) & (1.5 * left <= there)
