"""The kernels of this package: their sources, and a list of all of them.

A long kernel lives in a ``.cu`` file, next to the Python that checks its
arguments, and is launched through a :class:`Source`; a short one is a named
string there, an :class:`Elementwise`.  Both are built on first use.  Whatever
is declared in a module of this package is compiled by the tests, in every
variant.

In the sources ``T`` is the floating-point type.  Kernels take integers as
``long long``, floating-point scalars as ``T``, and a null pointer for an
array that is None.
"""
import functools
import importlib
import pkgutil
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy

from imsat.cuda import launch, runtime

Variant = Mapping[str, str | int]
FOLDER = Path(__file__).parent
FLOATS = ({'T': 'float32'}, {'T': 'float64'})

_C_TYPES = {'float32': 'float', 'float64': 'double', 'bool': 'bool'}
_INCLUDE = re.compile(r'^#include "(\w+\.cuh)"$', re.MULTILINE)
_KERNEL = re.compile(r'__global__ void\s+(?:__launch_bounds__\([^)]*\)\s+)?'
                     r'(\w+)')
_all = []


class Source:
    """The kernels of one ``.cu`` file.

    Args:
        file (str): Its name in this folder.  Files that it includes by
            ``#include "name.cuh"``, each at most once, are pasted in.
        variants (sequence of dict): What it is compiled for: a dtype's name
            defines a type, an integer a constant.
    """

    def __init__(self, file: str, variants: Sequence[Variant] = FLOATS):
        self.name, self.variants = file, variants
        _all.append(self)

    @property
    def kernels(self) -> list[str]:
        """The names of its kernels."""
        return _KERNEL.findall(_read(self.name))

    def text(self, variant: Variant) -> str:
        """The source that the compiler gets."""
        return _text(self.name, tuple(sorted(variant.items())))

    def launch(self, name: str, shape: launch.Shape, args: Sequence,
               **variant) -> None:
        """Launches one kernel.

        Args:
            name (str): That of the kernel.
            shape (launch.Shape): Blocks and threads.
            args (sequence): Arrays, None, ints and floats.
            variant: One of ``variants``; a dtype is as good as its name.
        """
        text, real = _text_and_real(self.name, tuple(variant.items()))
        runtime.current.launch(text, name, shape, tuple(
            real(a) if isinstance(a, float) else
            numpy.int64(a) if isinstance(a, int) else a for a in args))


class Elementwise:
    """A kernel that CuPy's ``ElementwiseKernel`` completes.

    Called with arrays and scalars; returns a new array, or a tuple.

    Args:
        in_params, out_params (str): As CuPy has them, ``'T x, raw T g'``.
        operation (str): What is done for one element.
        name (str): That of the kernel.
        scalars (tuple of str): Parameters that are numbers, not arrays.
        header (str): A ``.cuh`` file with functions that it uses.
        variants (sequence of dict): What the letters among its types can be.
    """

    def __init__(self, in_params: str, out_params: str, operation: str,
                 name: str, scalars: Sequence[str] = (),
                 header: str | None = None,
                 variants: Sequence[Variant] = FLOATS):
        self.in_params = [p.strip() for p in in_params.split(',')]
        self.out_params = [p.strip() for p in out_params.split(',')]
        self.operation, self.name = operation, name
        self.scalars = scalars
        self.header, self.variants = header, variants
        _all.append(self)

    @property
    def preamble(self) -> str:
        return _paste(self.header) if self.header else ''

    def __call__(self, *args):
        return runtime.current.elementwise(self, args)


def all_kernels() -> tuple[Source | Elementwise, ...]:
    """Every :class:`Source` and :class:`Elementwise` of this package."""
    for module in pkgutil.iter_modules([str(FOLDER)]):
        importlib.import_module(f'imsat.cuda.{module.name}')
    return tuple(_all)


@functools.cache
def _read(file):
    return (FOLDER / file).read_text(encoding='utf-8')


def _paste(file):
    """The text of a file with what it includes, and where lines are from."""
    text = _INCLUDE.sub(
        lambda match: _paste(match[1]) + f'\n#line {_line(match)} "{file}"',
        _read(file))
    return f'#line 1 "{file}"\n{text}'


def _line(match):
    """The number of the line after a match."""
    return match.string.count('\n', 0, match.end()) + 2


def _defined(value):
    """A constant, or the name of a dtype."""
    return value if isinstance(value, int) else numpy.dtype(value).name


@functools.cache
def _text_and_real(file, variant):
    """A source, and the type of its floats, of a variant with any dtypes."""
    names = {key: _defined(value) for key, value in variant}
    return (_text(file, tuple(sorted(names.items()))),
            numpy.dtype(names.get('T', 'float32')).type)


@functools.cache
def _text(file, variant):
    head = [f'typedef {_C_TYPES[value]} {key};' if isinstance(value, str)
            else f'#define {key} {value}' for key, value in variant]
    return '\n'.join([*head, _paste(file)])
