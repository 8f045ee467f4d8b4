"""Text files as text."""
import contextlib
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from imsat.devices import available_memory
from imsat.errors import InputError

# Of memory, the share that a text may take before anything is made of it.
SHARE = 1 / 8
QUOTED = 1 << 20  # bytes: that of a table's values, csv takes far less
SEPARATORS = ',;\t| '  # of values; a blank is any white space
NUMBER = re.compile(r'[+-]?(\d+\.?|\d*[.,]\d+)(e[+-]?\d+)?', re.I)


def most_bytes() -> int:
    """How many bytes of text memory has room to work on."""
    return int(min(SHARE * available_memory(), 2 ** 60))


def too_large(path: Path, limit: int) -> InputError:
    """That a file holds more text than that."""
    return InputError(f'{path} holds more than {limit >> 20} MB of text, '
                      f'which memory has no room to work on; give a part of '
                      f'it')


def read_text(path: Path) -> str:
    r"""A text in UTF-8, gzipped if its name ends in .gz, with \n alone at
    the ends of lines and nothing in blank ones.

    Raises:
        InputError: If it is none, is damaged, or does not fit into memory.
    """
    limit = most_bytes()
    with _opened(path) as f:
        content = f.read(limit + 1)
    if len(content) > limit:
        raise too_large(path, limit)
    return _decoded(content, path)


def read_parts(path: Path, size: int) -> Iterator[str]:
    """A text as :func:`read_text` has it, in parts of whole lines of about
    ``size`` bytes.

    Quotes are closed within a part, unless they are not within a megabyte.
    """
    limit, start = most_bytes(), 0
    with _opened(path) as f:
        while content := f.read(size) + f.readline(limit):
            if len(content) >= size + limit:
                raise too_large(path, limit)
            lines, quotes, most = [], content.count(b'"'), QUOTED
            while quotes % 2 and most > 0 and (line := f.readline(limit)):
                lines.append(line)
                quotes += line.count(b'"')
                most -= len(line)
            content += b''.join(lines)
            yield _decoded(content, path, start)
            start += len(content)


@contextlib.contextmanager
def _opened(path):
    try:
        with (gzip.open if path.suffix == '.gz' else open)(path, 'rb') as f:
            yield f
    except (EOFError, gzip.BadGzipFile, zlib.error) as e:
        raise InputError(f'{path} is damaged or cut short ({e}); write it '
                         f'again') from e


def _decoded(content, path, start=0):
    try:
        text = content.decode('utf-8' if start else 'utf-8-sig')
    except UnicodeDecodeError as e:
        raise InputError(
            f'{path} is no text file in UTF-8 (byte {start + e.start + 1}: '
            f'{e.reason}); save it as UTF-8') from e
    if '\0' in text:
        raise InputError(f'{path} is no text file in UTF-8 (it has zero '
                         f'bytes); save it as UTF-8')
    text = text.replace('\r\n', '\n').replace('\r', '\n')
    return re.sub(r'^ +$', '', text, flags=re.M)
