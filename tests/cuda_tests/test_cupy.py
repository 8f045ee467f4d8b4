"""What works on NumPy's arrays and CuPy's alike asks for what both have."""
import ast
from pathlib import Path

import numpy
import pytest

import imsat

cupy = pytest.importorskip(
    'cupy', reason='CuPy is missing: pip install -r requirements-test.txt')
LIBRARY = Path(imsat.__file__).parent


def names_of(tree):
    """Attributes of ``xp``, the longest: xp.fft.fft2 is 'fft.fft2'."""
    inner = {id(node.value) for node in ast.walk(tree)
             if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in inner:
            first, *rest = ast.unparse(node).split('.')
            if first == 'xp' and all(map(str.isidentifier, rest)):
                yield '.'.join(rest)


def has(module, name):
    for part in name.split('.'):
        module = getattr(module, part, None)
    return module is not None


def test_cupy_has_what_is_asked_of_it():
    names = {name for path in LIBRARY.rglob('*.py')
             for name in names_of(ast.parse(path.read_text()))}
    assert len(names) > 20
    # (xp.cuda is asked for where xp is CuPy)
    assert [name for name in names if not has(cupy, name)] == []
    assert [name for name in names if not has(numpy, name)
            and not name.startswith('cuda')] == []


def test_names_are_found():
    tree = ast.parse('y = xp.fft.fft2(xp.block([x]).sum(), numpy.eye(2))')
    assert sorted(names_of(tree)) == ['block', 'fft.fft2']
