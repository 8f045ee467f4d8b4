"""A table of one's own, as text or Parquet.

Text is read by pandas.  What pandas would fill up or guess at in silence --
lines of another length, the line of names, decimal commas -- is settled
before, and each fault is named by its line as an editor counts it.
"""
import contextlib
import csv
import io
import itertools
import json
import re
import typing
import unicodedata
import warnings
from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy

from imsat.datasets import documents
from imsat.datasets.dataset import Dataset
from imsat.datasets.points import MISSING, check_points, refuse_missing
from imsat.datasets.preparation import Preparation
from imsat.errors import ArgumentError, InputError
from imsat.on_disk import LARGE, OnDisk
from imsat.storage import (
    AnyPath, atomic_write, default_cache, digest, load_npy, reason_of)

SUFFIXES = '.csv', '.tsv', '.csv.gz', '.tsv.gz', '.parquet'
SEPARATORS = ',;\t| '
SAMPLE = 100  # lines by which the separator is found
NUMBER = re.compile(r'[+-]?(\d+\.?|\d*[.,]\d+)(e[+-]?\d+)?', re.I)
# Whole numbers with separated thousands, or numbers with three decimals.
GROUPED = re.compile(r'[+-]?[1-9]\d{0,2}([.,]\d{3})+')
# Of digits and marks alone, as dates and times are: no name of a column.
NUMERIC = re.compile(r"[+-]?[\d.,:/_' -]*\d[\d.,:/_' -]*(e[+-]?\d+)?|"
                     r'[+-]?(nan|inf|infinity)', re.I)
INDEX = re.compile(r'__index_level_\d+__')  # that of pandas, in Parquet
LOOKED_AT = 1 << 20  # rows, to see whether a column counts them
UNNAMED = re.compile(r'Unnamed: \d+(\.\d+)?')  # by pandas
# Hardly ever those of features.
SUSPICIOUS = re.compile(r'y(\.\d+)?|labels?|class|target|id|index', re.I)
ZERO_WIDTH = dict.fromkeys(map(ord, '\u200b\u2060\ufeff'))


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
        read = _read_parquet if path.suffix == '.parquet' else _read_text
        table = read(path, [
            label, index, text, *_as_list(columns), *(
                [like.label, like.index, like.text, *(
                    like.names or [])] if like else [])])
        return _as_dataset(path, table, label, index, columns, text, like)
    except MemoryError as e:
        raise InputError(f'{path} does not fit into memory; give a part of '
                         f'it') from e


class Table(typing.NamedTuple):
    """What a file holds.

    Args:
        frame (pandas.DataFrame): Its columns are numbered from 0.
        names (list of str): Those of all columns; None without.
        unnamed (int): Which column is there to name the rows, or None.
        place: Says where a row is.
        numbers: The numbers in some columns, shape (N, d); an array or
            OnDisk.
    """
    frame: typing.Any
    names: list[str] | None
    unnamed: int | None
    place: typing.Callable[[int], str]
    numbers: typing.Callable[[list[int]], numpy.ndarray]


def _as_list(columns):
    if columns is None:
        return []
    if isinstance(columns, str):
        line = ' '.join(columns.splitlines())
        return next(csv.reader([line], skipinitialspace=True), [''])
    return numpy.atleast_1d(columns).tolist()


def _as_dataset(path, table, label, index, columns, text, like):
    names, width = table.names, table.frame.shape[1]
    numbers = [str(i + 1) for i in range(width)]
    if like:
        label, index, text = (
            before if now is None and str(before).strip() in [
                *(names or []), *numbers] else now
            for now, before in ((label, like.label), (index, like.index),
                                (text, like.text)))
        if columns is None and not like.words:
            columns = like.names if names and like.names else like.columns
            missing = set(columns or []) - set(names) \
                if columns is like.names and names else None
            if missing:
                raise InputError(
                    f'{path} has no column {min(missing)!r}, which there was '
                    f'where it was learnt from; name the columns alike')

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

    labels = names.index('y') if names and 'y' in names else None
    if label is not None:
        labels = find('label', label)
    rows = None if index is None else find('index', index)
    aside = {labels, rows, table.unnamed}
    if text is not None and columns is not None:
        raise ArgumentError(
            'columns', 'are features, and so is the text; give only one of '
            'them', '--columns')
    features = [find('columns', column) for column in _as_list(columns)]
    if text is not None:
        features = [find('text', text)]
    elif columns is None:
        features = [i for i in range(width) if i not in aside]
        _warn(path, table, features)
    twice = len(set(features)) < len(features)
    if twice or not features or labels in features:
        argument = 'columns' if text is None else 'text'
        raise ArgumentError(argument, f'of {path} ' + (
            'name one twice; name each once' if twice else
            'take in that of the labels; leave it out' if features else
            'are none; give at least one beside labels and index'),
            f'--{argument}')
    titles = [repr(name) for name in names] if names else numbers
    used = features if labels is None else [*features, labels]
    for i in used:
        empty = table.frame[i].isna().to_numpy()
        if empty.any():
            raise InputError(f'{table.place(empty.argmax())} of {path} has no '
                             f'value in column {titles[i]}; fill it in or '
                             f'remove it')
    y = None
    if labels is not None:
        y = _labels(table.frame[labels].tolist(), path, table.place)
    notes = []
    if table.unnamed is not None and rows is None \
            and table.unnamed not in [labels, *features]:
        rows = table.unnamed
        which = f'Column {rows + 1}' if rows else 'The first column'
        notes = [f'{which}, which has no name, is the index.']
    rows = None if rows is None else table.frame[rows].astype(str).tolist()
    if text is not None:
        texts = table.frame[features[0]].tolist()
        if not all(isinstance(value, str) for value in texts):
            raise ArgumentError('text', f'names a column of {path} that '
                                f'holds no text; name another', '--text')
        refuse_missing(texts, path, table.place, 'text')
        data = documents.as_dataset(path, texts, like, table.place, y=y,
                                    index=rows)
        data.notes += notes
        return data
    x, y = check_points(table.numbers(features), y, path, table.place,
                        [titles[i] for i in features])
    return Dataset(Path(path.name.removesuffix('.gz')).stem, x, y,
                   notes=notes, names=names and [names[i] for i in features],
                   index=rows)


def _warn(path, table, features):
    """Of what is among the features and hardly meant to be."""
    for i in features:
        if table.names and SUSPICIOUS.fullmatch(table.names[i]):
            warnings.warn(f'{path}: column {table.names[i]!r} is among the '
                          f'features; if it is none name it as label or '
                          f'index')
    if features and len(table.frame) > 2 and _counts(
            table.frame[features[0]].head(LOOKED_AT).astype(str).tolist()):
        warnings.warn(f'{path}: column {features[0] + 1} counts the lines and '
                      f'is among the features; if it is none name it as index')


def _counts(texts):
    """Whether they are the whole numbers from 0 or 1."""
    return texts[0] in ('0', '1') and texts == [
        str(i + int(texts[0])) for i in range(len(texts))]


def _labels(values, source, place):
    if all(isinstance(value, str) for value in values):
        values = [unicodedata.normalize(
            'NFC', value.translate(ZERO_WIDTH).strip()) for value in values]
        refuse_missing(values, source, place, 'label')
        seen = {}
        for text in dict.fromkeys(values):
            value = Decimal(text) if NUMBER.fullmatch(text) \
                and ',' not in text else text
            if seen.setdefault(value, text) != text:
                raise InputError(f'{source} has labels {seen[value]} and '
                                 f'{text}, the same number written twice; '
                                 f'write them alike')
    return numpy.array(values)


def _read_parquet(path, given):
    import pandas

    with _as_parquet(path):
        from pyarrow import parquet
        file = parquet.ParquetFile(path, page_checksum_verification=True)
        names = file.schema_arrow.names
        if len(set(names)) == len(names):
            # Without rows; what pandas keeps as an index is no column.
            frame = file.schema_arrow.empty_table().to_pandas()
            n = file.metadata.num_rows
            stays = n * frame.shape[1] >= LARGE
            if not stays:
                frame = pandas.read_parquet(path, engine='pyarrow',
                                            page_checksum_verification=True)
            names = [str(name) for name in frame.columns]
    _refuse_names(path, names)
    frame.columns = range(len(names))
    if not names or not n:
        raise InputError(f'{path} holds no points; give a row for each')
    index = next((i for i, name in enumerate(names)
                  if INDEX.fullmatch(name)), None)

    def numbers(columns):
        for i in columns:
            dtype = frame[i].dtype
            if not pandas.api.types.is_numeric_dtype(dtype) \
                    or pandas.api.types.is_complex_dtype(dtype):
                raise InputError(
                    f'column {names[i]!r} of {path} holds {dtype} and no '
                    f'numbers; name it as label or index, or name the '
                    f'columns of numbers')
        if not stays:
            return frame[columns].to_numpy(float)
        narrow = all(dtype in ('f4', 'f2', 'u1', 'i1', 'u2', 'i2')
                     for dtype in frame.dtypes[columns])
        return _converted(path, file, [names[i] for i in columns], n,
                          numpy.dtype('f4' if narrow else 'f8'))
    return Table(_Columns(path, names, n) if stays else frame, names, index,
                 lambda row: f'row {row + 1}', numbers)


@contextlib.contextmanager
def _as_parquet(path):
    """InputError for what is no Parquet file, or can't be read as one."""
    try:
        yield
    except ImportError as e:
        raise InputError(f'{path} needs pyarrow to be read; install it with '
                         f"pip install 'imsat[parquet]'") from e
    except (ValueError, TypeError, LookupError, AttributeError,
            NotImplementedError, OSError) as e:
        raise InputError(f'{path} is damaged or no Parquet file '
                         f'({reason_of(e)}); write it again') from e


class _Columns:
    """The columns of a Parquet file, each read when it is asked for."""

    def __init__(self, path, names, n):
        self.path, self.names, self.shape = path, names, (n, len(names))

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, i):
        import pandas

        with _as_parquet(self.path):
            return pandas.read_parquet(
                self.path, engine='pyarrow', columns=[self.names[i]],
                page_checksum_verification=True).iloc[:, 0]


def _converted(path, file, names, n, dtype):
    """Columns of numbers as an npy file in the cache, read row group by row
    group."""
    key = digest(numpy.memmap(path, 'u1', 'r'),
                 json.dumps([names, dtype.str]).encode())
    target = default_cache() / f'parquet-{key}.npy'
    if not target.is_file():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(target) as f:
                numpy.lib.format.write_array_header_1_0(f, {
                    'descr': dtype.str, 'fortran_order': False,
                    'shape': (n, len(names))})
                for batch in file.iter_batches(columns=names):
                    rows = batch.to_pandas()[names].to_numpy(float)
                    f.write(numpy.ascontiguousarray(rows, dtype).data)
        except OSError as e:
            raise InputError(
                f'{path} can not be kept as {target}, to be read by batches '
                f'({e}); free {n * len(names) * dtype.itemsize >> 20} MB '
                f'there, or let IMSAT_CACHE name another folder') from e
    return OnDisk([load_npy(target, 1)])


def _refuse_names(path, names):
    for i, name in enumerate(names):
        if names.index(name) != i:
            raise InputError(f'{path} has two columns {name!r}; rename one of '
                             f'them')
        if name.lower() in MISSING or UNNAMED.fullmatch(name):
            raise InputError(f'column {i + 1} of {path} has no name '
                             f'({name!r}); give it one')


def _read_text(path, given):
    import pandas

    text = documents.read_text(path)
    sample = '\n'.join(text.split('\n', SAMPLE)[:SAMPLE])
    separator = max(SEPARATORS, key=lambda one: _fitness(sample, one))
    if separator == ' ':
        text = _spaced(text)
    head, lines, widths = [], [], []
    for line, fields in _records(text, separator, path):
        head = head or fields
        lines.append(line)
        widths.append(len(fields))
    names = _names(path, head, given) if head else None
    named = names is not None
    # R names the rows in a column that has no name itself.
    from_r = named and len(head) > 1 and not head[0].startswith('#') \
        and set(widths[1:]) == {len(head) + 1}
    width = len(head) + from_r
    for line, found in zip(lines[from_r:], widths[from_r:]):
        if found != width:
            raise _ragged(path, line, found, lines[0], width)
    if len(lines) == named:
        raise InputError(f'{path} holds no points; give a line for each')
    start, lines = lines[0], lines[named:]
    if width == 1 and lines[-1] - lines[0] >= len(lines):
        blank = next(b for a, b in itertools.pairwise(lines) if b > a + 1) - 1
        raise InputError(f'line {blank} of {path} has no value; fill it in or '
                         f'remove it')
    frame = pandas.read_csv(
        io.StringIO(text.split('\n', lines[0] - 1)[-1]), sep=separator,
        header=None, names=range(width), index_col=False, dtype=object,
        na_filter=False, skipinitialspace=True, engine='c')
    if frame.shape != (len(lines), width):
        raise InputError(f'{path} can not be read with certainty; write it '
                         f'again, without quotes within values')
    unnamed = False
    if names:
        names = [''] * from_r + names
        unnamed = not names[0] or bool(UNNAMED.fullmatch(names[0]))
        _refuse_names(path, names[unnamed:])
    first = frame[0].tolist()
    if from_r and not _counts(first) and (
            len(set(first)) < len(first)
            or any(map(NUMERIC.fullmatch, first))):
        raise _ragged(path, lines[0], width, start, width - 1)
    if unnamed and any(NUMBER.fullmatch(value) and not value.isdecimal()
                       for value in first):
        raise InputError(f'the first column of {path} has no name and holds '
                         f'fractions, as none does that names the rows; name '
                         f'it in line {start}')

    def place(row):
        return f'line {lines[row]}'

    def numbers(columns):
        decimal = '.' if separator == ',' else _decimal(
            path, separator, frame, columns)
        x = numpy.empty((len(frame), len(columns)))
        for j, i in enumerate(columns):
            texts = frame[i].tolist()
            try:
                x[:, j] = _values(texts, decimal)
            except ValueError as e:
                row = next(row for row, text in enumerate(texts)
                           if not _is_number(text, decimal))
                raise _no_number(path, place(row), texts[row],
                                 repr(names[i]) if names else i + 1) from e
        return x

    return Table(frame, names, 0 if unnamed else None, place, numbers)


def _spaced(text):
    """A text whose values are separated by any white space, by blanks."""
    def replace(match):
        return match[0] if match[0][0] == '"' else match[1] and ' ' or ''
    return re.sub(r'"[^"]*"|[ \t]+$|(\t)', replace, text, flags=re.M)


def _records(text, separator, path):
    """Of each line that is not blank: its number and its fields."""
    reader = csv.reader(io.StringIO(text), delimiter=separator,
                        skipinitialspace=True, strict=True)
    line = 1
    try:
        for fields in reader:
            if fields:
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as e:
        raise InputError(f'line {line} of {path} can not be read ({e}); close '
                         f'its quotes, and double those within a value'
                         ) from e


def _fitness(text, separator):
    """How many lines have as many values, and the share of numbers."""
    if separator == ' ':
        text = _spaced(text)
    sample = []
    # It may be read with another separator, or is cut within quotes.
    with contextlib.suppress(InputError):
        for _, fields in _records(text, separator, ''):
            sample.append(fields)
    widths = Counter(len(fields) for fields in sample if len(fields) > 1)
    values = [value.strip() for fields in sample for value in fields]
    return max(widths.values(), default=0), \
        sum(bool(NUMBER.fullmatch(value)) for value in values) \
        / max(len(values), 1)


def _names(path, head, given):
    """The names in the first line, or None if it is a point."""
    names = [name.strip() for name in head]
    names[0] = names[0].lstrip('# ')  # by numpy.savetxt
    counted = [str(i) for i in range(len(names))]
    wanted = {str(name).strip() for name in given} | {'y'}
    if wanted.intersection(name for name in names
                           if not NUMERIC.fullmatch(name)) \
            or not any(map(NUMERIC.fullmatch, names)) \
            or len(names) > 1 and names[0] == '' and names[1:] == counted[:-1]:
        return names
    if len(names) > 1 and names == counted:
        raise InputError(f'the first line of {path}, {",".join(names)}, may '
                         f'be names or a point; write names of letters above '
                         f'it or in its place')
    return None


def _ragged(path, line, width, other_line, other_width):
    return InputError(f'line {line} of {path} has {width} values where line '
                      f'{other_line} has {other_width}; give every line as '
                      f'many')


def _decimal(path, separator, frame, columns):
    """The mark of decimals, where commas don't separate values.

    Values such as 1,234 alone leave it open: InputError.
    """
    marks = ',.' if separator == ';' else ','
    for mark in marks:
        marked = (text for i in columns for text in frame[i] if mark in text)
        first = next(marked, None)
        if first is not None:
            if all(map(GROUPED.fullmatch, itertools.chain([first], marked))):
                raise InputError(
                    f'{path} holds {first}, which may have thousands or '
                    f'decimals behind its {mark!r}; write thousands without a '
                    f'mark, and decimals with a point between commas')
            return mark
    return '.'


def _values(texts, decimal):
    """The numbers in some texts, or ValueError."""
    together = ''.join(texts)
    if '_' in together or decimal == ',' and '.' in together:
        raise ValueError('no number, though float() may read it')
    if decimal == ',':
        texts = [text.replace(',', '.') for text in texts]
    values = numpy.array(list(map(float, texts)))
    if not numpy.isfinite(values).all():
        raise ValueError('no finite number')
    return values


def _is_number(text, decimal):
    try:
        _values([text], decimal)
    except ValueError:
        return False
    return True


def _no_number(path, place, text, column):
    shown = text if len(text) < 40 else f'{text[:36]} ...'
    if text.strip().lower() in MISSING:
        return InputError(f'{place} of {path} has no value in column {column} '
                          f'({shown!r}); fill it in, remove the line, or name '
                          f'the columns without it')
    return InputError(
        f'{place} of {path} has {shown!r} in column {column}, which is no '
        f'finite number such as 1234.5; write it so, name its column as label '
        f'or index, or name the columns of numbers')
