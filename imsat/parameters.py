"""Parameters that are declared once.

A parameter is a field of a dataclass, an estimator or a value such as
:class:`imsat.VAT`.  What it may be, what it means and how a script calls it
stand beside its default; ``__init__``, the checks and the command line are
made from that.
"""
import dataclasses
import functools
import inspect
import math
import re
import textwrap
from collections.abc import Callable
from typing import Any, TypeVar

import chainer
import numpy
import scipy.sparse

from imsat.errors import ArgumentError
from imsat.labels import is_masked
from imsat.on_disk import OnDisk
from imsat.storage import is_path

MOST = 2 ** 31 - 1  # of a count
AUTO = 'auto'
Function = TypeVar('Function', bound=Callable[..., Any])


class Kind:
    """What a parameter may be.

    Args:
        optional (bool): Whether it may be None as well.
    """
    metavar: str | None = None
    wanted = ''  # ends the sentence of an error

    def __init__(self, optional=False):
        self.optional = optional

    def allows(self, value):
        return True

    def problem(self, value):
        """What is wrong with a value, in words; None if nothing is."""
        if is_masked(value):
            return 'is masked in part; leave that out, or fill it in'
        if value is None and self.optional or self.allows(value):
            return None
        return f'is {shown(value)}; {self.wanted}'

    def parse(self, text):
        """The value of a text on the command line, or ValueError."""
        return text


class Number(Kind):
    """A finite number.

    Args:
        least, most (float): Its bounds.
        open (str): ``'('`` without the least, ``')'`` without the most.
    """
    metavar = 'X'
    parse = staticmethod(float)

    def __init__(self, least=0, most=math.inf, open='', optional=False):
        super().__init__(optional)
        self.least, self.most, self.open = least, most, open
        bounds = f'above {least}' if '(' in open else f'from {least}'
        if most < math.inf:
            bounds += f' to {"less than " if ")" in open else ""}{most}'
        self.wanted = f'give a finite number {bounds}'

    def allows(self, value):
        return is_number(value) and is_finite(value) \
            and self.least <= value <= self.most \
            and not ('(' in self.open and value == self.least) \
            and not (')' in self.open and value == self.most)


class Whole(Kind):
    """A whole number from ``least`` to ``most``."""
    metavar = 'N'
    parse = staticmethod(int)

    def __init__(self, least, most=MOST, optional=False):
        super().__init__(optional)
        self.least, self.most = least, most
        self.wanted = f'give a whole number from {least}' + (
            f' to {most}' if most != MOST else '')

    def allows(self, value):
        return is_whole(value) and self.least <= value <= self.most

    def problem(self, value):
        problem = super().problem(value)
        if problem and is_whole(value) and value > MOST:
            return f'{problem} to {MOST}' if self.most == MOST else problem
        return problem


class Choice(Kind):
    """One of some names."""

    def __init__(self, names):
        super().__init__()
        self.names = tuple(names)
        self.wanted = f'choose one of {", ".join(self.names)}'

    def allows(self, value):
        return isinstance(value, str) and value in self.names


class Auto(Kind):
    """``'auto'``, to follow the data, or what another kind allows."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.metavar = kind, kind.metavar
        self.wanted = f'{kind.wanted}, or "auto"'

    def problem(self, value):
        if isinstance(value, str) and value == AUTO:
            return None
        problem = self.kind.problem(value)
        return problem and f'{problem}, or "auto"'

    def parse(self, text):
        return text if text == AUTO else self.kind.parse(text)


class Flag(Kind):
    """True or False; with ``level`` also how much, a whole number."""

    def __init__(self, level=False):
        super().__init__()
        self.level = level
        self.wanted = 'give True or False' + level * ', or a whole number'

    def allows(self, value):
        return isinstance(value, bool | numpy.bool_) \
            or self.level and is_whole(value) and value >= 0


class Place(Kind):
    """A path, None for none; with ``flag`` a bool as well."""

    def __init__(self, flag=False, optional=True):
        super().__init__(optional)
        self.flag = flag
        self.wanted = 'give a path' + (', or None' if optional else '')

    def allows(self, value):
        if isinstance(value, bool):
            return self.flag
        return is_path(value)


class Units(Kind):
    """Units of the hidden layers; none for a linear network."""
    metavar = 'H-H'
    wanted = ('give the units of each hidden layer, e.g. (1200, 1200), or '
              'those of a single one')

    def allows(self, value):
        return (is_sequence(value) or is_whole(value)) and all(
            is_whole(units) and 0 < units <= MOST
            for units in layers(value))

    def parse(self, text):
        return [] if text == 'linear' else list(map(int, text.split('-')))


class Seed(Kind):
    """A whole number, a ``numpy.random.RandomState``, or None."""
    wanted = ('give a whole number from 0 to 2**32 - 1, a '
              'numpy.random.RandomState or None')
    parse = staticmethod(int)

    def __init__(self):
        super().__init__(optional=True)

    def allows(self, value):
        return isinstance(value, numpy.random.RandomState) \
            or is_whole(value) and 0 <= value < 2 ** 32


class Tensor(Kind):
    """An array, on any device, or a Variable.

    Args:
        ndim (int): Of how many dimensions; None leaves that to Chainer.
    """

    def __init__(self, ndim=None, optional=False):
        super().__init__(optional)
        self.ndim = ndim
        self.wanted = 'give an array of numbers' + (
            f' with {ndim} dimensions' if ndim else '') \
            + ' or a chainer.Variable'

    def allows(self, value):
        kinds: Any = (chainer.Variable, *chainer.get_array_types())
        return isinstance(value, kinds) and value.dtype.kind in 'fiub' \
            and self.ndim in (None, value.ndim)


class OneOf(Kind):
    """An instance of a class, or what another kind allows.

    Args:
        kind (Kind): Of what is no such instance; None for nothing else.
    """

    def __init__(self, cls, wanted, kind=None, optional=False):
        super().__init__(optional)
        self.cls, self.kind, self.wanted = cls, kind, wanted

    def allows(self, value):
        return isinstance(value, self.cls) \
            or self.kind is not None and self.kind.allows(value)


class Numbers(Kind):
    """A NumPy array of finite numbers, one at least.

    Args:
        ndim (int): Of how many dimensions.
        least, most (int): Bounds, which make them whole numbers.
        sparse (bool): Whether a scipy sparse matrix will do.
    """

    def __init__(self, ndim, least=None, most=MOST, sparse=False,
                 optional=False):
        super().__init__(optional)
        self.ndim, self.least, self.most = ndim, least, most
        self.sparse = sparse
        self.wanted = f'give an array of {ndim} dimensions with ' + (
            'finite numbers' if least is None else
            f'whole numbers from {least}'
            + (f' to {most}' if most != MOST else ''))

    def allows(self, value):
        values = value.data if self.sparse and scipy.sparse.issparse(value) \
            else value
        if not isinstance(values, numpy.ndarray) or value.ndim != self.ndim \
                or 0 in value.shape:
            return False
        if self.least is None:
            return values.dtype.kind in 'fiub' \
                and bool(numpy.isfinite(values).all())
        return values.dtype.kind in 'iu' \
            and self.least <= values.min() and values.max() <= self.most


FUNCTION = OneOf(Callable, 'give a function')
TABLE = OneOf((scipy.sparse.spmatrix, scipy.sparse.sparray, OnDisk),
              'give an array of numbers with 2 dimensions', Tensor(2))
TEXT = OneOf(str, 'give a text')
PATH = Place(optional=False)
SEED = Whole(0, 2 ** 32 - 1)
GENERATOR = OneOf(numpy.random.Generator, 'give a numpy.random.Generator')
RANDOM_STATE = OneOf(
    numpy.random.RandomState, 'give a numpy.random.RandomState or None',
    optional=True)


def layers(units):
    """What :class:`Units` allows as a tuple, a number for each layer."""
    return (units,) if is_whole(units) else tuple(units)


def is_whole(value):
    """Whether a value is a whole number, and no bool."""
    return isinstance(value, int | numpy.integer) \
        and not isinstance(value, bool)


def is_number(value):
    """Whether a value is a whole or a floating-point number, and no bool.

    Those of more than 64 bits would turn what they multiply into their like.
    """
    return is_whole(value) or isinstance(
        value, float | numpy.float32 | numpy.float16)


def plain(value):
    """A NumPy scalar as Python's, which neither overflows nor widens what it
    multiplies; all else as it is."""
    return value.item() if isinstance(value, numpy.number | numpy.bool_) \
        else value


def is_finite(number):
    """Whether a number is finite as a float."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


class Texts(Kind):
    """A list of texts, or what else has them in its order."""
    wanted = 'give a list of texts'

    def allows(self, value):
        return (is_sequence(value) or hasattr(value, 'to_numpy')) \
            and all(isinstance(each, str) for each in value)


def is_sequence(value):
    """Whether a value is a list, a tuple or an array of one dimension."""
    return isinstance(value, tuple | list) \
        or isinstance(value, numpy.ndarray) and value.ndim == 1


def shown(value):
    """A value in a sentence, on one line and not too long."""
    try:
        text = ' '.join(repr(value).split())
    except ValueError:  # more digits than Python writes
        return 'a number of more than 4,300 digits'
    return text if len(text) <= 60 else text[:57] + '...'


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What is known of a parameter beside its name and default.

    Args:
        kind (Kind): What it may be.
        help (str): What it means, with its equation or section.
        option (str): As scripts call it, by default as here; '' where they
            have no option for it.
        argument (str): As an estimator calls it, by default as here.
        how (bool): Whether it says how to run and not what to compute.
    """
    kind: Kind
    help: str = ''
    option: str | None = None
    argument: str | None = None
    how: bool = False


def parameter(default, kind, help='', *, option=None, argument=None,
              how=False, kw_only=True):
    """A field of a dataclass with its :class:`Declaration`."""
    return dataclasses.field(default=default, kw_only=kw_only, metadata={
        'declaration': Declaration(kind, help, option, argument, how)})


def again(cls, name, **changes):
    """The parameter ``name`` of ``cls``, declared there, for another class.

    Args:
        changes: Another ``default``, ``kind`` or ``help``, or
            ``kw_only=False``.
    """
    field = cls.__dataclass_fields__[name]
    declaration = field.metadata['declaration']
    default = changes.pop('default', field.default)
    kw_only = changes.pop('kw_only', True)
    return dataclasses.field(default=default, kw_only=kw_only, metadata={
        'declaration': dataclasses.replace(declaration, **changes)})


def declarations(cls):
    """Every parameter of a class or an instance: its Declaration by name."""
    return {field.name: field.metadata['declaration']
            for field in dataclasses.fields(cls)
            if 'declaration' in field.metadata}


def documented(cls):
    """Adds to a class's docstring the ``Args`` that are declared.

    They come before whatever section it ends with.
    """
    entries = []
    for field in sorted(dataclasses.fields(cls),
                        key=lambda field: bool(field.kw_only)):
        if 'declaration' not in field.metadata:
            continue
        declaration = field.metadata['declaration']
        kind = declaration.kind
        none = ', or None' if kind.optional and 'None' not in kind.wanted \
            else ''
        entries.append(textwrap.fill(
            f'{field.name}: {declaration.help}. By default '
            f'``{field.default!r}``; {kind.wanted}{none}.', 79,
            initial_indent=' ' * 4, subsequent_indent=' ' * 8,
            break_on_hyphens=False, break_long_words=False))
    summary, *sections = re.split(
        r'^(?=(?:Attributes|Raises|Example):$)', inspect.cleandoc(cls.__doc__),
        maxsplit=1, flags=re.M)
    cls.__doc__ = '\n'.join([summary.rstrip(), '', 'Args:', *entries, '',
                             *sections])
    return cls


def option_of(name, declaration):
    """How scripts call a parameter: ``'n_init'`` is ``'restarts'``."""
    return name if declaration.option is None else declaration.option


def argument_error(owner, name, problem):
    """The ArgumentError of a parameter of a class or an instance."""
    declaration = declarations(owner)[name]
    option = option_of(name, declaration)
    return ArgumentError(
        declaration.argument or name, problem,
        f'--{option.replace("_", "-")}' if option else None)


def check_argument(name, value, kind, option=None):
    """Raises ArgumentError for the argument of a function that is not of its
    kind; ``option`` is as scripts call it."""
    problem = kind.problem(value)
    if problem:
        raise ArgumentError(name, problem, option)


def checked(**kinds: Kind) -> Callable[[Function], Function]:
    """Decorator of a function: :func:`check_argument` of those named."""
    def decorate(function):
        parameters = inspect.signature(function).parameters
        positions = {name: i for i, name in enumerate(parameters)}
        checks = [(name, positions[name], kind, parameters[name].default)
                  for name, kind in kinds.items()]

        @functools.wraps(function)
        def check_and_call(*args, **kwargs):
            for name, position, kind, default in checks:
                value = args[position] if position < len(args) \
                    else kwargs.get(name, default)
                if value is not default:
                    check_argument(name, value, kind)
            return function(*args, **kwargs)
        return check_and_call
    return decorate


def check_parameters(owner):
    """Raises ArgumentError for a parameter that is not of its kind."""
    for name, declaration in declarations(owner).items():
        problem = declaration.kind.problem(getattr(owner, name))
        if problem:
            raise argument_error(owner, name, problem)


def check_value(value):
    """:func:`check_parameters` of a frozen dataclass, whose numbers become
    :func:`plain`."""
    for name in declarations(value):
        object.__setattr__(value, name, plain(getattr(value, name)))
    check_parameters(value)


def arguments_of(cls):
    """By parameter of a class, the estimator's argument it is made from."""
    return {name: declaration.argument or name
            for name, declaration in declarations(cls).items()}


def from_arguments(cls, arguments):
    """The value of a class from a dict of an estimator's arguments."""
    return cls(**{name: arguments[argument] for name, argument
                  in arguments_of(cls).items() if argument in arguments})
