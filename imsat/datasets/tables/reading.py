"""The points, labels and index of a table."""
import csv
import dataclasses
import re
import typing
import warnings
from pathlib import Path

import numpy

from imsat.datasets import documents
from imsat.datasets.dataset import Dataset
from imsat.datasets.points import (
    MISSING, check_labels, check_points, refuse_missing, usable_labels)
from imsat.datasets.preparation import NUMBERS, Preparation
from imsat.datasets.tables.parquet import read_parquet
from imsat.datasets.tables.table import LEVEL, UNNAMED
from imsat.datasets.tables.text import read_text_table
from imsat.datasets.texts import NUMBER, most_bytes, too_large
from imsat.errors import ArgumentError, InputError
from imsat.labels import are_measurements
from imsat.storage import AnyPath

SUFFIXES = '.csv', '.tsv', '.csv.gz', '.tsv.gz', '.parquet'
LOOKED_AT = 1 << 22  # numbers, to see whether a column counts the points
# Hardly ever those of features.
SUSPICIOUS = re.compile(r'y(\.\d+)?|labels?|class|target|index|nr|no|row|'
                        r'(.*[_ -])?(id|uid|uuid|key)', re.I)


def read_table(path: AnyPath, label: str | int | None = None,
               index: str | int | None = None,
               columns: typing.Any = None, text: str | int | None = None,
               like: Preparation | None = None) -> Dataset:
    """The data set in a table.

    Args:
        path (path): ``FILE.csv``, ``.tsv``, both also with ``.gz``, or
            ``.parquet``, which hold a point a line.
        label (str or int): The column of a table that holds the labels, by
            name or by number from 1; by default that named ``y``, if any.
        index (str or int): One that names the points and is no feature; by
            default the first, if it has no name.
        columns (sequence): Those that are features, in this order, by name or
            number; or such names in a text, ``'a,b'``.  All others by
            default.
        text (str or int): The column that holds documents, whose words are
            the features.
        like (Preparation): Of an earlier file, whose columns are looked for
            here by their names; its labels and index need not be there.

    Raises:
        InputError: In one sentence, for what can't be read or clustered.

    Example:
        >>> import os, tempfile
        >>> from imsat.datasets.tables import read_table
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, 'points.csv')
        ...     with open(path, 'w') as f:
        ...         _ = f.write('a;b;kind\\n1,5;2;"x; y"\\n3;0,5;z\\n')
        ...     data = read_table(path, label='kind')
        >>> data.x.tolist(), data.y.tolist()
        ([[1.5, 2.0], [3.0, 0.5]], ['x; y', 'z'])
    """
    path = Path(path)
    try:
        table = read_parquet(path) if path.suffix == '.parquet' else \
            read_text_table(path, [
                label, index, text, *_as_list(columns), *(
                    [like.label, like.index, like.text, *(
                        like.names or [])] if like else [])])
        return _as_dataset(path, table, label, index, columns, text, like)
    except MemoryError as e:
        raise InputError(f'{path} does not fit into memory; give a part of '
                         f'it') from e


def _as_list(columns):
    if columns is None:
        return []
    if isinstance(columns, str):
        line = ' '.join(columns.splitlines())
        return next(csv.reader([line], skipinitialspace=True), [''])
    return numpy.atleast_1d(columns).tolist()


def _as_dataset(path, table, label, index, columns, text, like):
    names, width = table.names, table.width
    numbers = [str(i + 1) for i in range(width)]
    asked = columns
    if like and columns is None and not like.words:
        columns = like.names if names and like.names else like.columns
        missing = set(columns or []) - set(names) \
            if columns is like.names and names else None
        if missing:
            raise _no_such_column(path, min(missing))

    def find(argument, column):
        name = str(column).strip()
        if name and names and name in names:
            return names.index(name)
        if name in numbers:
            return numbers.index(name)
        known = f'one of {", ".join(names)}, or ' if names else ''
        raise ArgumentError(
            argument, f'names {name!r}, which {path} has no column of; give '
            f'{known}a number from 1 to {width}', f'--{argument}')

    def chosen(argument, column):
        if column is None and like is not None:
            return _found_again(getattr(like, argument), table,
                                is_old=like.values is None)
        return None if column is None else find(argument, column)

    labels, rows, texts = (chosen(argument, column) for argument, column in (
        ('label', label), ('index', index), ('text', text)))
    if texts is None and like is not None and like.text is not None:
        raise _no_such_column(path, like.text)
    features = [find('columns', column) for column in _as_list(columns)]
    by_default = labels is None and names and 'y' in names \
        and names.index('y') not in [*table.naming, *features]
    if by_default:
        labels = names.index('y')
    aside = {labels, rows, *table.naming}
    if texts is not None and columns is not None:
        raise ArgumentError(
            'columns', 'are features, and so is the text; give only one of '
            'them', '--columns')
    if texts is not None:
        features = [texts]
    elif columns is None:
        features = [i for i in range(width) if i not in aside]
        if like is not None and len(features) != like.dimension:
            _refuse_lost(path, table, like, label=labels, index=rows)
        _warn_of_names(path, table, features)
    twice = len(set(features)) < len(features)
    if twice or not features or labels in features:
        argument = 'columns' if texts is None else 'text'
        raise ArgumentError(argument, f'of {path} ' + (
            'name one twice; name each once' if twice else
            'take in that of the labels; leave it out' if features else
            'are none; give at least one beside labels and index'),
            f'--{argument}')
    titles = [repr(name) for name in names] if names else numbers
    for i in features:
        _refuse_empty(path, table, i, titles)
    y = None
    if labels is not None:
        def check():
            _refuse_empty(path, table, labels, titles)
            values = _collected(path, table.column(labels))
            return check_labels(numpy.array(values), len(values), path,
                                table.place, MISSING)
        y = usable_labels(check, lambda: all(
            (part.isna() | part.astype(str).str.strip().str.lower().isin(
                MISSING)).all() for part in table.column(labels)), path,
            like is None)
    if by_default and like is None and y is not None and (
            'x' in names or are_measurements(y)) and all(
            NUMBER.fullmatch(str(label)) for label in set(y.tolist())):
        among = sorted([labels, *features])
        raise InputError(
            f"column 'y' of {path} may be labels or a feature; say which: "
            f'--label y, or --columns ' + (
                ','.join(names[i] for i in among) if len(among) < 9 else
                'and all that are features'))
    beside = [i for i in table.naming if i not in [labels, rows, *features]]
    if rows is None and len(beside) == 1:
        rows, = beside
        notes = [f'{_which(table, rows)} is the index.']
    else:
        notes = [f'{_which(table, i)} is no feature.' for i in beside]
    if by_default:
        notes.append("Column 'y' is the labels.")
    keys: dict[str, typing.Any] = {
        argument: None if i is None else names[i] if names else i + 1
        for argument, i in (
            ('label', labels), ('text', texts),
            ('index', None if _is_unnamed(table, rows) else rows))}
    index = None
    if rows is not None:
        index = _collected(path, (
            # Of what is missing astype() makes no text in every dtype.
            part.astype(str).where(part.notna(), 'nan')
            for part in table.column(rows)))
    if texts is not None:
        written = _collected(path, table.column(texts))
        if not all(isinstance(value, str) for value in written):
            raise ArgumentError('text', f'names a column of {path} that '
                                f'holds no text; name another', '--text')
        refuse_missing(written, path, table.place, 'text')
        data = documents.as_dataset(path, written, like, table.place, y=y,
                                    index=index)
        assert data.preparation is not None
        data.preparation = dataclasses.replace(data.preparation, **keys)
        data.notes += notes
        return data
    x = check_points(table.numbers(features), path, table.place,
                     [titles[i] for i in features])
    if columns is None:
        _warn_of_counts(path, x, [titles[i] for i in features])
    called = names and [names[i] for i in features]
    return Dataset(
        Path(path.name.removesuffix('.gz')).stem, x, y, notes=notes,
        names=called, index=index, preparation=Preparation(
            x.shape[1], names=called, values=NUMBERS, **keys,
            columns=asked if asked is None or isinstance(asked, str)
            else [str(column) for column in numpy.atleast_1d(asked)]))


def _refuse_empty(path, table, i, titles):
    """InputError for a value of a column that is not there."""
    if table.complete:
        return
    empty = numpy.concatenate([part.isna().to_numpy()
                               for part in table.column(i)])
    if empty.any():
        raise InputError(f'{table.place(empty.argmax())} of {path} has no '
                         f'value in column {titles[i]}; fill it in or remove '
                         f'it')


def _is_unnamed(table, i):
    """Whether a column has no name in a file that has some."""
    return bool(i is not None and table.names and re.fullmatch(
        f'|{UNNAMED.pattern}|{LEVEL.pattern}', table.names[i]))


def _which(table, i):
    """A column that is there to name the rows, in words."""
    if _is_unnamed(table, i):
        which = f'Column {i + 1}' if i else 'The first column'
        return f'{which}, which has no name,'
    return f'Column {table.names[i]!r}, by which pandas names the rows,'


def _found_again(kept, table, is_old):
    """The column that a Preparation names, or None if it is not here.

    Args:
        kept (str or int): Its name, or its number where there were no names.
            Before ``values`` was kept either was a text.
    """
    numbers: list = list(range(1, table.width + 1))
    if is_old:
        kept, numbers = str(kept).strip(), [str(i) for i in numbers]
    places = table.names if isinstance(kept, str) and table.names \
        and kept in table.names else numbers
    return places.index(kept) if kept in places else None


def _refuse_lost(path, table, like, **found):
    """InputError for columns beside the features that had names where it was
    learnt from, and that are not found among columns without."""
    for argument, i in found.items():
        kept = getattr(like, argument)
        if i is None and table.names is None and isinstance(kept, str):
            raise InputError(
                f'columns of {path} have no names, and the {argument} of what '
                f'was learnt from is {kept!r}; give the number of that column '
                f'(--{argument}), or names as there')


def _no_such_column(path, column):
    return InputError(f'{path} has no column {column!r}, which there was '
                      f'where it was learnt from; name the columns alike')


def _warn_of_names(path, table, features):
    """Of what is among the features and hardly meant to be."""
    for i in features:
        if table.names and SUSPICIOUS.fullmatch(table.names[i]):
            warnings.warn(f'{path}: column {table.names[i]!r} is among the '
                          f'features; if it is none name it as label or '
                          f'index')


def _warn_of_counts(path, x, titles):
    """Of columns that count the points, in their order or, if all are there to
    be looked at, in another."""
    looked_at = x[:max(1000, LOOKED_AT // x.shape[1])]
    n = len(looked_at)
    for i, title in enumerate(titles):
        column = looked_at[:, i].astype(float)
        if n > 2 and (numpy.diff(column[:100]) == 1).all() \
                and (numpy.diff(column) == 1).all() \
                or n > 9 and n == x.shape[0] \
                and column.max() - column.min() == n - 1 \
                and (numpy.diff(numpy.sort(column)) == 1).all():
            warnings.warn(f'{path}: column {title} counts the points and is '
                          f'among the features; if it is none name it as '
                          f'index')


def _collected(path, column):
    """Those of all parts; InputError if memory has no room for them."""
    values, limit = [], most_bytes()
    left = limit
    for part in column:
        values += part.tolist()
        left -= part.memory_usage(index=False, deep=True)
        if left < 0:
            raise too_large(path, limit)
    return values
