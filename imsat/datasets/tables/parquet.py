"""Tables as Parquet."""
import contextlib
from pathlib import Path

from imsat.datasets.tables.table import (
    EXACT, LEVEL, Table, refuse_merged, refuse_names, stacked)
from imsat.errors import InputError
from imsat.on_disk import LARGE
from imsat.storage import reason_of


def read_parquet(path: Path) -> Table:
    """The table in a Parquet file.

    Raises:
        InputError: If it can't be read, or a name is wrong.
    """
    import pandas

    def as_frame(table):
        # As it is stored: pandas' notes would take the index out.
        return table.to_pandas(ignore_metadata=True, integer_object_nulls=True)

    with _as_parquet(path):
        from pyarrow import parquet
        file = parquet.ParquetFile(path, page_checksum_verification=True)
        stored, n = file.schema_arrow.names, file.metadata.num_rows
        index, counted = _index_of(file.schema_arrow, n)
    names = [*stored, *counted]
    refuse_names(path, names)
    stays = n * len(names) >= LARGE

    def count(frame, start=0):
        """With the columns that are not stored, of rows from start on."""
        for name, rows in counted.items():
            frame[name] = rows[start:start + len(frame)]
        return frame

    with _as_parquet(path):
        frame = count(as_frame(
            file.schema_arrow.empty_table() if stays else file.read()))
    frame.columns = range(len(names))
    if not names or not n:
        raise InputError(f'{path} holds no points; give a row for each')

    def numbers(columns):
        for i in columns:
            dtype = frame[i].dtype
            if not pandas.api.types.is_numeric_dtype(dtype) \
                    or pandas.api.types.is_complex_dtype(dtype):
                raise InputError(
                    f'column {names[i]!r} of {path} holds {dtype} and no '
                    f'numbers; name it as label or index, or name the '
                    f'columns of numbers')
            _refuse_large(path, names[i], frame[i])
        if not stays:
            return frame[columns].to_numpy(float)
        narrow = all(dtype in ('f4', 'f2', 'u1', 'i1', 'u2', 'i2')
                     for dtype in frame.dtypes[columns])
        wanted = [names[i] for i in columns]

        def rows():
            done = 0
            with _as_parquet(path):
                for batch in file.iter_batches(
                        columns=[name for name in wanted if name in stored]):
                    part = count(as_frame(batch), done)
                    for name in wanted:
                        _refuse_large(path, name, part[name])
                    done += len(part)
                    yield part[wanted].to_numpy(float)
        return stacked(path, rows(), wanted, n, 'f4' if narrow else 'f8')

    def column(i):
        if not stays:
            return [frame[i]]
        with _as_parquet(path):
            if names[i] in counted:
                return [pandas.Series(counted[names[i]])]
            return [as_frame(file.read(columns=[names[i]]))[names[i]]]
    return Table(len(names), names, [names.index(name) for name in index],
                 lambda row: f'row {row + 1}', column, numbers,
                 complete=False)


def _refuse_large(path, name, column):
    """InputError for whole numbers of which float64 makes others."""
    import pandas

    if pandas.api.types.is_integer_dtype(column.dtype):
        large = column.ge(EXACT) | column.le(-EXACT)
        refuse_merged(path, repr(name), column[large.fillna(False)].tolist())


def _index_of(schema, n):
    """The names of the columns that pandas keeps as the index, and those of
    them that are not stored, for they count the n rows, with their numbers.

    Of one that counts from 0 and has no name nobody has made an index.
    """
    kept = (schema.pandas_metadata or {}).get('index_columns', [])
    index = [name for name in schema.names
             if name in kept or LEVEL.fullmatch(name)]
    counted = {}
    for each in kept:
        if isinstance(each, dict) and (
                each['name'], each['start'], each['step']) != (None, 0, 1):
            name = str(each['name'])
            if each['name'] is None or name in schema.names:
                name = f'__index_level_{len(index)}__'
            start, step = each['start'], each['step']
            counted[name] = range(start, start + n * step, step)
    return [*index, *counted], counted


@contextlib.contextmanager
def _as_parquet(path):
    """InputError for what is no Parquet file, or can't be read as one."""
    try:
        yield
    except ImportError as e:
        raise InputError(f'{path} needs pyarrow to be read; install it with '
                         f"pip install 'imsat[parquet]'") from e
    except (ValueError, TypeError, LookupError, AttributeError,
            NotImplementedError, OverflowError, OSError) as e:
        raise InputError(f'{path} is damaged or no Parquet file '
                         f'({reason_of(e)}); write it again') from e
