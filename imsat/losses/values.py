"""Regularisers and objectives in a file, without pickle."""
import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy

from imsat.errors import InputError
from imsat.losses import objectives, regularizers

# Every value of the library, by name.
VALUES = {
    name: value for module in (objectives, regularizers)
    for name, value in vars(module).items()
    if isinstance(value, type) and dataclasses.is_dataclass(value)
    and issubclass(value, objectives.Objective | regularizers.Regularizer)}


def to_json(value):
    """What JSON has no form for, as something that it has.

    A value becomes ``{'value': its class, field: ...}``.

    Raises:
        InputError: For a value of one's own, whose code is in no file.
    """
    if hasattr(value, '__array__'):  # of pandas and others, too
        array = numpy.asarray(value)
        # One of more than 64 bits would not become a number of Python's.
        return (array.astype(numpy.float64) if array.dtype.kind == 'f'
                else array).tolist()
    if type(value) in VALUES.values():
        return {'value': type(value).__name__, **{
            field.name: getattr(value, field.name)
            for field in dataclasses.fields(value)}}
    if isinstance(value, Sequence):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise InputError(f'an estimator with {type(value).__name__} of your own '
                     f"can't be saved, as its code is in no file; pickle it "
                     f'(encoder_ alone does not know center_ and deviation_)')


def described(value):
    """As :func:`to_json`; one's own by name, whose code is in no file."""
    try:
        return to_json(value)
    except InputError:
        kind = type(value)
        if kind is functools.partial:
            return {'value': 'partial', 'function': value.func,
                    'args': value.args, 'keywords': value.keywords}
        name = getattr(value, '__qualname__', kind.__qualname__)
        fields = dataclasses.fields(value) \
            if dataclasses.is_dataclass(kind) else ()
        return {'value': name, **{field.name: getattr(value, field.name)
                                  for field in fields}}


def from_json(given):
    """The inverse of :func:`to_json` for what JSON gives back.

    Raises:
        InputError, TypeError: For what to_json never gives.
    """
    if isinstance(given, dict):
        fields = {key: from_json(item) for key, item in given.items()}
        name = fields.pop('value', None)
        if name is None:
            return fields
        if name not in VALUES:
            raise InputError(f'there is no {name!r} among the values of the '
                             f'library')
        return VALUES[name](**fields)
    return given
