"""What holds for all kernels."""
import subprocess
import sys

import pytest

from imsat.cuda import kernels

SOURCES = [k for k in kernels.all_kernels() if isinstance(k, kernels.Source)]


def test_every_file_is_a_source():
    files = {path.name for path in kernels.FOLDER.glob('*.cu')}
    assert files == {source.name for source in SOURCES} and files


@pytest.mark.parametrize('source', SOURCES, ids=lambda s: s.name)
def test_kernels_are_listed(source):
    text = source.text(source.variants[0])
    assert source.kernels and len(source.kernels) == text.count('__global__')


def test_names_are_unique():
    names = [name for source in SOURCES for name in source.kernels]
    names += [k.name for k in kernels.all_kernels()
              if isinstance(k, kernels.Elementwise)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize('line', [
    'struct Softmax {', '__device__ T row_sum(T value) { '
    'return reduce_row(value, Sum()); }',
    'extern "C" __global__ void softmax_entropy_columns('])
def test_lines_keep_their_numbers(line):
    # Of the source and of what it includes, for the compilers' messages.
    source, = (s for s in SOURCES if s.name == 'softmax_entropy.cu')
    lines = source.text({'T': 'float32'}).splitlines()
    i = lines.index(line)
    directive = max(j for j in range(i) if lines[j].startswith('#line'))
    _, number, file = lines[directive].split()
    there = (kernels.FOLDER / file.strip('"')).read_text().splitlines()
    assert there[int(number) + i - directive - 2] == line


def test_variants_are_defined():
    text = SOURCES[0].text({'T': 'float64', 'WORDS': 4})
    assert text.startswith('typedef double T;\n#define WORDS 4\n')


def test_every_module_runs_without_cupy():
    program = '''
import sys
sys.modules['cupy'] = None  # an import of it fails
import imsat
from imsat.cuda import kernels
assert len(kernels.all_kernels()) > 4
import numpy
from imsat.cuda import softmax_kl
try:
    softmax_kl.forward(numpy.zeros((2, 3)), numpy.zeros((2, 3)))
except TypeError as e:
    print(e)
'''
    process = subprocess.run([sys.executable, '-c', program],
                             capture_output=True, text=True)
    assert process.stdout == 'y0 is a numpy.ndarray; give a cupy.ndarray\n', \
        process.stderr
