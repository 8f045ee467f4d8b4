"""Tables as Parquet."""
import contextlib
import re
from pathlib import Path

from imsat.datasets.tables.table import Table, refuse_names, stacked
from imsat.errors import InputError
from imsat.on_disk import LARGE
from imsat.storage import reason_of

INDEX = re.compile(r'__index_level_\d+__')  # that of pandas


def read_parquet(path: Path) -> Table:
    """The table in a Parquet file.

    Raises:
        InputError: If it can't be read, or a name is wrong.
    """
    import pandas

    def read(**columns):
        return pandas.read_parquet(path, engine='pyarrow', **columns,
                                   page_checksum_verification=True)

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
                frame = read()
            names = [str(name) for name in frame.columns]
    refuse_names(path, names)
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
        wanted = [names[i] for i in columns]

        def rows():
            with _as_parquet(path):
                for batch in file.iter_batches(columns=wanted):
                    yield batch.to_pandas()[wanted].to_numpy(float)
        return stacked(path, rows(), wanted, n, 'f4' if narrow else 'f8')

    def column(i):
        if not stays:
            return [frame[i]]
        with _as_parquet(path):
            return [read(columns=[names[i]]).iloc[:, 0]]
    return Table(len(names), names, index, lambda row: f'row {row + 1}',
                 column, numbers, complete=False)


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
