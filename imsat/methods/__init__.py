"""Every system of the paper by the name that the scripts call it.

A file of this folder holds a family of methods: its estimators, and the
dictionaries ``CLUSTERING`` and ``HASHING`` of what can be chosen by name.
A new file is found by itself; a regulariser that it needs it adds to
:data:`imsat.regularizers.REGULARIZERS`, under a name of its own.

An estimator of a method is an :class:`imsat.base.Estimator` whose first
argument is ``n_clusters`` or ``n_bits``.  After ``fit(X, y)`` one of
clustering has ``labels_``, and in every restart ``logits``, shape (N, K), of
which the largest is the cluster; one of hashing transforms to packed codes.
"""
import importlib
import pkgutil

from imsat.errors import InputError
from imsat.methods.method import Method

TASKS = {'clustering': {}, 'hashing': {}}

for _module in pkgutil.iter_modules(__path__):
    _module = importlib.import_module(f'{__name__}.{_module.name}')
    for _task, _methods in TASKS.items():
        _methods.update(getattr(_module, _task.upper(), {}))


def get_method(task, name):
    """The method of a name, for ``'clustering'`` or ``'hashing'``.

    Raises:
        InputError: If there is none.
    """
    if name not in TASKS[task]:
        raise InputError(f'there is no {task} method {name!r}; choose one of '
                         f'{", ".join(sorted(TASKS[task]))}')
    return TASKS[task][name]


__all__ = ['Method', 'TASKS', 'get_method']
