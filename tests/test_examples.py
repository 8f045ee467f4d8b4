"""The examples in docstrings are run, and no public name is without one."""
import doctest
import importlib
import pkgutil

import numpy
import pytest

import imsat

PUBLIC = (imsat, imsat.datasets, imsat.estimators, imsat.functions,
          imsat.links, imsat.losses, imsat.retrieval, imsat.training)
# Those that a developer's page explains.
WITHOUT = {'Files', 'register', 'weight_decay'}


def examples():
    """The doctests of all modules of imsat, by the names of the objects."""
    found = {}
    for module in pkgutil.walk_packages(imsat.__path__, 'imsat.'):
        for test in doctest.DocTestFinder().find(
                importlib.import_module(module.name),
                globs={'imsat': imsat, 'numpy': numpy}):
            if test.examples:
                found[test.name] = test
    return found


EXAMPLES = examples()


@pytest.mark.parametrize('name', EXAMPLES)
def test_example(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # for what it saves
    lines = []
    result = doctest.DocTestRunner().run(EXAMPLES[name], out=lines.append)
    assert not result.failed, ''.join(lines)


def test_public_names_have_examples():
    objects = {name: getattr(module, name)
               for module in PUBLIC for name in module.__all__}
    # Neither modules nor constants.
    missing = {name for name, value in objects.items() if callable(value)
               and f'{value.__module__}.{value.__qualname__}' not in EXAMPLES}
    assert missing == WITHOUT
