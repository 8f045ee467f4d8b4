"""Loops that numba compiles."""
import importlib.util

import numpy
import pytest

pytest.importorskip('numba')


def test_where_no_folder_can_be_written(tmp_path, monkeypatch):
    """Neither beside the source nor below the home: numba would raise."""
    (tmp_path / '__pycache__').write_text('no folder')
    monkeypatch.setenv('XDG_CACHE_HOME', '/dev/null/cache')
    monkeypatch.setattr('sys.dont_write_bytecode', True)
    path = tmp_path / 'loops.py'
    path.write_text('from imsat.functions.compiled import compiled\n'
                    '@compiled()\n'
                    'def add(x, y):\n'
                    '    for i in range(len(x)):\n'
                    '        x[i] += y\n')
    spec = importlib.util.spec_from_file_location('loops', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    x = numpy.arange(3.)
    module.add()(x, 2.)
    assert x.tolist() == [2, 3, 4]
