"""Imports point one way: experiments, imsat, cuda; and down within imsat."""
import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the top; a wing imports from those below it alone.
WINGS = ('__main__', 'estimators', 'training', 'datasets', 'pictures',
         'losses', 'links', 'neighbors', 'retrieval', 'metrics', 'functions',
         'ranks', 'devices', 'parameters', 'progress', 'labels', 'storage',
         'on_disk', 'randomness', 'hints', 'errors', 'utf8', 'compat')


def imports(path):
    """Modules that a file names in its imports, with what it takes of them.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f'{node.module}.{name.name}' for name in node.names)


def wing_of(path):
    return path.relative_to(ROOT / 'imsat').parts[0].removesuffix('.py')


FILES = [path for path in sorted((ROOT / 'imsat').rglob('*.py'))
         if path != ROOT / 'imsat' / '__init__.py']


def test_all_wings_are_known():
    assert {wing_of(path) for path in FILES} == set(WINGS)


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(
    path.relative_to(ROOT)))
def test_down_only(path):
    wing = wing_of(path)
    below = {*WINGS[WINGS.index(wing):], 'cuda'}
    for name in imports(path):
        package, *parts = name.split('.')
        assert package not in ('common', 'paper', 'original', 'benchmarks')
        if package == 'imsat' and parts:
            assert parts[0] in below, name


@pytest.mark.parametrize('path', sorted((ROOT / 'cuda').glob('*.py')),
                         ids=lambda path: path.name)
def test_kernels_know_nothing_of_networks(path):
    for name in imports(path):
        assert not name.startswith('imsat') or name.startswith((
            'imsat.cuda', 'imsat.errors', 'imsat.hints')), name
