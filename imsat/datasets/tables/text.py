"""Tables as text, with values between commas, semicolons or other marks.

pandas reads them.  What it would fill up or guess at in silence -- lines of
another length, the line of names, decimal commas -- is settled before, and
each fault is named by its line as an editor counts it.
"""
import contextlib
import csv
import io
import itertools
import re
from array import array
from collections import Counter
from pathlib import Path

import numpy

from imsat.datasets.points import MISSING
from imsat.datasets.tables.table import (
    EXACT, UNNAMED, Table, counts, refuse_merged, refuse_names, stacked)
from imsat.datasets.texts import NUMBER, SEPARATORS, read_parts
from imsat.errors import InputError

SAMPLE = 100  # lines by which the separator is found
PART = 1 << 25  # bytes that are looked at together: 14 times as many are used
WHOLE = re.compile(r'[+-]?\d{1,999}')
# Whole numbers with separated thousands, or numbers with three decimals.
GROUPED = re.compile(r'[+-]?[1-9]\d{0,2}([.,]\d{3})+')
# Of digits and marks alone, as dates and times are: no name of a column.
NUMERIC = re.compile(r"[+-]?[\d.,:/_' -]*\d[\d.,:/_' -]*(e[+-]?\d+)?|"
                     r'[+-]?(nan|inf|infinity)', re.I)


def read_text_table(path: Path, given: list) -> Table:
    """The table in a text, of which memory holds no more than a part.

    Args:
        path (path): The file.
        given (list): Names of columns that are asked for.

    Raises:
        InputError: If it is no table, or damaged.
    """
    text = _Text(path, given)
    names, lines = text.names, text.lines
    unnamed = False
    if names:
        names = [''] * text.from_r + names
        unnamed = not names[0] or bool(UNNAMED.fullmatch(names[0]))
        refuse_names(path, names[unnamed:])
    if unnamed:
        first = [value for part in text.column(0) for value in part]
        if text.from_r and not counts(first) and (
                len(set(first)) < len(first)
                or any(map(NUMERIC.fullmatch, first))):
            raise _ragged(path, lines[0], text.width, text.start,
                          text.width - 1)
        if any(NUMBER.fullmatch(value) and not value.isdecimal()
               for value in first):
            raise InputError(
                f'the first column of {path} has no name and holds '
                f'fractions, as none does that names the rows; name it in '
                f'line {text.start}')

    def numbers(columns):
        titles = [repr(names[i]) if names else i + 1 for i in columns]
        return stacked(path, text.numbers(columns, titles), titles,
                       len(lines))
    return Table(text.width, names, [0] if unnamed else [], text.place,
                 text.column, numbers, complete=True)


class _Text:
    """The lines of a text, which are read in parts.

    Attributes:
        names (list of str): What the first line says, None if it is a point.
        from_r (bool): Whether lines begin with the name of the row, to which
            R gives no name itself.
        width (int): Values a line.
        start (int): The number of the first line that is not blank.
        lines (array): That of the line of each point.
    """

    def __init__(self, path, given):
        self.path, self.lines = path, array('q')
        self._parts = []  # of each: lines above it, points in it
        head: list[str] = []
        above = 0
        for text in read_parts(path, PART):
            if not self._parts:
                sample = '\n'.join(text.split('\n', SAMPLE)[:SAMPLE])
                self.separator = max(
                    SEPARATORS, key=lambda one: _fitness(sample, one))
            lines, widths = [], []
            for line, fields in _records(self._plain(text), self.separator,
                                         path, above + 1):
                if not head:
                    head, self.start = fields, line
                    self.names = _names(path, head, given, lambda: _sample(
                        self._plain(sample), self.separator)[1:])
                    if self.names is not None:
                        continue
                lines.append(line)
                widths.append(len(fields))
            if lines and not self.lines:
                self.from_r = self.names is not None and len(head) > 1 \
                    and not head[0].startswith('#') \
                    and set(widths) == {len(head) + 1}
                self.width = len(head) + self.from_r
            for line, found in zip(lines, widths):
                if found != self.width:
                    raise _ragged(path, line, found, self.start, self.width)
            self._parts.append((above, len(lines)))
            self.lines.extend(lines)
            above += text.count('\n')
        n = len(self.lines)
        if not n:
            raise InputError(f'{path} holds no points; give a line for each')
        if self.width == 1 and self.lines[-1] - self.lines[0] >= n:
            blank = next(b for a, b in itertools.pairwise(self.lines)
                         if b > a + 1) - 1
            raise InputError(f'line {blank} of {path} has no value; fill it '
                             f'in or remove it')
        self._kept = None
        if len(self._parts) == 1:
            self._kept = list(self.frames())

    def _plain(self, text):
        return _spaced(text) if self.separator == ' ' else text

    def frames(self):
        """The points of each part as texts, a pandas.DataFrame."""
        import pandas

        if self._kept is not None:
            yield from self._kept
            return
        done = 0
        for text, (above, n) in zip(read_parts(self.path, PART), self._parts):
            if n:
                skipped = self.lines[done] - above - 1
                frame = pandas.read_csv(
                    io.StringIO(self._plain(text).split('\n', skipped)[-1]),
                    sep=self.separator, header=None, names=range(self.width),
                    index_col=False, dtype=object, na_filter=False,
                    skipinitialspace=True, engine='c')
                if frame.shape != (n, self.width):
                    raise InputError(f'{self.path} can not be read with '
                                     f'certainty; write it again, without '
                                     f'quotes within values')
                yield frame
            done += n

    def column(self, i):
        return (frame[i] for frame in self.frames())

    def place(self, row):
        return f'line {self.lines[row]}'

    def numbers(self, columns, titles):
        """Those in some columns, of each part, of shape (n, d)."""
        decimal = '.' if self.separator == ',' else _decimal(
            self.path, self.separator, self.frames, columns)
        done = 0
        for frame in self.frames():
            x = numpy.empty((len(frame), len(columns)))
            for j, i in enumerate(columns):
                texts = frame[i].tolist()
                try:
                    x[:, j] = _values(texts, decimal)
                except ValueError as e:
                    row = next(row for row, text in enumerate(texts)
                               if not _is_number(text, decimal))
                    raise _no_number(self.path, self.place(done + row),
                                     texts[row], titles[j]) from e
                refuse_merged(self.path, titles[j], (
                    int(texts[row])
                    for row in numpy.flatnonzero(abs(x[:, j]) >= EXACT)
                    if WHOLE.fullmatch(texts[row])))
            yield x
            done += len(frame)


def _spaced(text):
    """A text whose values are separated by any white space, by blanks."""
    def replace(match):
        return match[0] if match[0][0] == '"' else match[1] and ' ' or ''
    return re.sub(r'"[^"]*"|[ \t]+$|(\t)', replace, text, flags=re.M)


def _records(text, separator, path, line=1):
    """Of each line that is not blank: its number and its fields."""
    reader = csv.reader(io.StringIO(text), delimiter=separator,
                        skipinitialspace=True, strict=True)
    above = line
    try:
        for fields in reader:
            if fields:
                yield line, fields
            line = above + reader.line_num
    except csv.Error as e:
        raise InputError(f'line {line} of {path} can not be read ({e}); close '
                         f'its quotes, and double those within a value'
                         ) from e


def _sample(text, separator):
    """The fields of each of the first lines."""
    sample = []
    # It may be read with another separator, or is cut within quotes.
    with contextlib.suppress(InputError):
        for _, fields in _records(text, separator, ''):
            sample.append(fields)
    return sample


def _fitness(text, separator):
    """How many lines have as many values, and the share of numbers."""
    sample = _sample(_spaced(text) if separator == ' ' else text, separator)
    widths = Counter(len(fields) for fields in sample if len(fields) > 1)
    values = [value.strip() for fields in sample for value in fields]
    return max(widths.values(), default=0), \
        sum(bool(NUMBER.fullmatch(value)) for value in values) \
        / max(len(values), 1)


def _names(path, head, given, others):
    """The names in the first line, or None if it is a point; ``others()`` are
    the fields of some lines below it."""
    names = [name.strip() for name in head]
    names[0] = names[0].lstrip('# ')  # by numpy.savetxt
    counted = [str(i) for i in range(len(names) + 1)]
    wanted = {str(name).strip() for name in given} | {'y'}
    if wanted.intersection(name for name in names
                           if not NUMERIC.fullmatch(name)) \
            or not any(map(NUMERIC.fullmatch, names)) \
            or len(names) > 1 and names[0] == '' and names[1:] == counted[:-2]:
        return names
    if len(names) > 1 and names == counted[:-1] or len(names) > 2 and (
            names == counted[1:] or _may_be_names(names, others())):
        raise InputError(f'the first line of {path}, {",".join(names)}, may '
                         f'be names or a point; write names of letters above '
                         f'it or in its place')
    return None


def _may_be_names(values, others):
    """Whether a line of numbers, 2019,2020,2021 for example, is unlike those
    below it: it alone rises in equal steps, or hardly any of theirs is whole.
    """
    def steps(values):
        if not all(map(str.isdecimal, values)):
            return {0}
        return {int(b) - int(a) for a, b in itertools.pairwise(values)}
    others = [[value.strip() for value in fields] for fields in others]
    below = [value for fields in others for value in fields]
    whole = sum(map(str.isdecimal, below))
    return min(steps(values)) > 0 and bool(others) and (
        10 * whole < len(below)
        or len(steps(values)) == 1 and not any(
            len(steps(fields)) == 1 and min(steps(fields)) > 0
            for fields in others if len(fields) > 1))


def _ragged(path, line, width, other_line, other_width):
    return InputError(f'line {line} of {path} has {width} values where line '
                      f'{other_line} has {other_width}; give every line as '
                      f'many')


def _decimal(path, separator, frames, columns):
    """The mark of decimals, where commas don't separate values.

    Values such as 1,234 alone leave it open: InputError.
    """
    marks = ',.' if separator == ';' else ','
    for mark in marks:
        marked = (text for frame in frames() for i in columns
                  for text in frame[i] if mark in text)
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
