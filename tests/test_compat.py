"""Each patch is needed, and all together are enough.

A patch that is no longer needed fails here as loudly as one that no longer
works: what it repairs is run in a process of its own, with all patches and
with all but that one.
"""
import subprocess
import sys
from pathlib import Path

import pytest

from imsat import compat

SOURCE = Path(compat.__file__)


# Run before Chainer is imported: what it misses in other versions than those
# of this machine.
LACKS = {
    # Python 3.12 and setuptools 82.
    'environment_check':
        "sys.modules['pkg_resources'] = sys.modules['numpy.distutils'] = None",
}

USES = {
    'environment_check': 'import chainer',
    'sctypes': 'import chainer',
    'as_strided': '''
import chainer, chainer.functions as F
x = chainer.Variable(np.arange(6.))
y = F.as_strided(x, (3, 2), (1, 1))
y.grad = np.ones((3, 2))
y.backward()
assert x.grad.tolist() == [1, 2, 2, 1, 0, 0]
''',
    'resize_images': '''
import chainer.functions as F
x = np.arange(4, dtype='f').reshape(1, 1, 2, 2)
y = F.resize_images(x, (3, 3))
assert y.array[0, 0].tolist() == [[0, .5, 1], [1, 1.5, 2], [2, 2.5, 3]]
''',
    'pad_sequence': '''
import chainer.functions as F
y = F.pad_sequence([np.ones(2, 'u1'), np.ones(1, 'u1')], padding=-1)
assert y.array.tolist() == [[1, 1], [1, 255]]
''',
    'categorical': '''
import chainer
p = np.array([[.25, .75], [.5, .5]])
d = chainer.distributions.Categorical(p=p)
assert np.allclose(d.log_prob(np.array([1, 0])).array, np.log([.75, .5]))
''',
    'convert': '''
from chainer.dataset import concat_examples
# As NumPy will be, which deprecates a positional out since 2.4.
maximum = np.maximum
np.maximum = lambda a, b, *, out=None: maximum(a, b, out=out)
y = concat_examples([np.ones(2), np.ones(1)], padding=0)
assert y.tolist() == [[1, 1], [1, 0]]
''',
    'multiprocess_iterator': '''
import pickle, subprocess
from chainer.iterators import multiprocess_iterator as module
# What a spawned worker does first, without anything of ours imported.
worker = f"import pickle; pickle.loads({pickle.dumps(module._fetch_setup)!r})"
subprocess.run([sys.executable, '-c', worker], check=True,
               env={'PYTHONPATH': sys.path[0]})
''',
    'thread_daemon': '''
import chainer
iterator = chainer.iterators.MultiprocessIterator(
    list(range(4)), 2, n_processes=1, n_prefetch=1)
assert sorted(iterator.next()) != []
iterator.finalize()
''',
}


def run(use, without=(), before='pass'):
    program = f'''
import sys, warnings
sys.path.insert(0, {str(SOURCE.parent)!r})
import numpy as np
{before}
if __name__ == '__main__':
    import compat
    compat.apply(without={list(without)!r})
    warnings.simplefilter('error', DeprecationWarning)
''' + '\n'.join('    ' + line for line in use.splitlines())
    return subprocess.run([sys.executable, '-c', program],
                          capture_output=True, text=True)


def test_enough():
    process = run('\n'.join(USES.values()), before='\n'.join(LACKS.values()))
    assert process.returncode == 0, process.stderr


@pytest.mark.slow
@pytest.mark.parametrize('name', USES)
def test_needed(name):
    process = run(USES[name], without=[name],
                  before=LACKS.get(name, 'pass'))
    assert process.returncode, f'{name} is no longer needed: remove it'


def test_every_patch_is_tested():
    patches = {patch.__name__
               for patch in (*compat.WHILE_IMPORTING, *compat.AFTERWARDS)}
    # Kernels of half precision are compiled on a GPU, by tests marked so.
    assert patches - {'half_kernels'} == set(USES)


@pytest.mark.gpu
def test_half_kernels():
    from chainer.backends import cuda
    kernel = cuda.elementwise('T x', 'float32 y', 'y = float(float16(x))',
                              'through_half')
    assert kernel(cuda.cupy.ones(3, 'f')).tolist() == [1, 1, 1]


def test_nothing_is_left_behind():
    process = run('''
import sys
assert not hasattr(np, 'sctypes')
assert 'chainer._environment_check' not in sys.modules
''')
    assert process.returncode == 0, process.stderr


# Somebody has made `import chainer` work, in whatever way.
CHAINER_FIRST = '''
import compat
with compat.environment_check(), compat.sctypes():
    import chainer
'''


def test_chainer_first():
    # All that Chainer needs is there, and all patches are applied as well.
    process = run('\n'.join(USES.values()), before=CHAINER_FIRST)
    assert process.returncode == 0, process.stderr


def test_part_of_chainer_first():
    program = '''
import sys, types
sys.modules['chainer'] = types.ModuleType('chainer')
import imsat
'''
    process = subprocess.run([sys.executable, '-c', program],
                             capture_output=True, text=True)
    assert 'put `import imsat` above `import chainer`' in process.stderr


def test_an_import_that_failed_first():
    process = subprocess.run([sys.executable, '-c', '''
try:
    import chainer
except Exception as e:
    print(type(e).__name__)
import imsat
import chainer
'''], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr


def test_spawned_workers():
    """MultiprocessIterator under "spawn", where workers import anew."""
    program = SOURCE.parents[1] / 'tests' / 'spawned_workers.py'
    process = subprocess.run([sys.executable, str(program)],
                             capture_output=True, text=True, timeout=120)
    assert process.stdout.strip() == '[0, 1, 2, 3]', process.stderr


def test_imsat_cuda():
    process = subprocess.run(
        [sys.executable, '-c', 'import imsat.cuda, imsat; '
         'print(imsat.cuda.__name__, sorted(imsat.cuda.__path__)[-1])'],
        capture_output=True, text=True)
    assert process.stdout.startswith('imsat.cuda '), process.stderr


def test_what_import_imsat_does_without():
    # scikit-learn takes longer than all else.
    process = subprocess.run([sys.executable, '-c', '''
import sys
import imsat
assert not {'sklearn', 'scipy.stats', 'scipy.optimize', 'pandas', 'matplotlib'
            } & set(sys.modules)
assert set(imsat.__all__) <= set(dir(imsat))
assert imsat.DEC is imsat.estimators.DEC
from imsat import *
assert IMSATHasher is imsat.estimators.IMSATHasher
for name in 'estimator', 'InputErrors':
    assert not hasattr(imsat, name)
'''], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr


def test_nvidias_namespace_is_not_hidden(tmp_path):
    # CuPy 14 imports cuda.pathfinder, also with this checkout in front.
    (tmp_path / 'cuda' / 'pathfinder').mkdir(parents=True)
    (tmp_path / 'cuda' / 'pathfinder' / '__init__.py').write_text('here = 1')
    process = subprocess.run(
        [sys.executable, '-c', f'''
import sys
sys.path[:0] = [{str(SOURCE.parents[1])!r}, {str(tmp_path)!r}]
import cuda.pathfinder
assert cuda.pathfinder.here
'''], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
