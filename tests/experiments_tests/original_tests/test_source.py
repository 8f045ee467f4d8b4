"""What is taken of a checkout, the other process that runs it, what that is
given, and what is said when it fails."""
import os
import sys
import types
import warnings

import chainer
import numpy
import pytest

import imsat
from original.source import Definitions, OriginalRun, cut, read_original
from original.trajectory import draw_start

# Not the original's: what it has in common with it is the form.
TEXT = '''
print 'Python 2'
scale = 3


def helper(y):
    return F.relu(y, use_cudnn=False)

def used(y):
    # the batch
    total = helper(y)

    return F.sum(total)
# the end


class Net(chainer.Chain):
    def __init__(self):
        pass


def drawn(x):
    return xp.random.normal(size=x.shape, dtype=np.float32).astype(np.float32)
'''


@pytest.fixture
def script(tmp_path):
    path = tmp_path / 'script.py'
    path.write_text(TEXT)
    return path


def test_cut():
    assert cut(TEXT, 'used').splitlines() == [
        'def used(y):', '    # the batch', '    total = helper(y)', '',
        '    return F.sum(total)']
    assert cut(TEXT, 'Net').startswith('class Net(chainer.Chain):')
    assert cut(TEXT, 'scale') is None


def test_definitions_with_what_they_call(script):
    definitions = Definitions(script, numpy.dtype('d'), numpy, 16)
    y = chainer.Variable(numpy.array([[-1., 2.]]))
    assert definitions['used'](y).array == 2
    direction = numpy.ones((2, 3))
    definitions.directions.append(direction)
    drawn = definitions['drawn'](types.SimpleNamespace(shape=(2, 3)))
    assert drawn.dtype == numpy.float64
    numpy.testing.assert_array_equal(drawn, direction)
    with pytest.raises(LookupError, match='script.py does not define'):
        definitions['vat']


def test_wrong_directory(tmp_path):
    with pytest.raises(imsat.InputError, match='has no imsat_cluster.py'):
        read_original(tmp_path)


def test_another_hash(tmp_path):
    for name in 'imsat_cluster.py', 'imsat_hash.py':
        (tmp_path / name).write_text(TEXT)
    with pytest.warns(UserWarning, match='is not the file of commit 948f25f'):
        paths = read_original(tmp_path)
    assert paths['hash'] == tmp_path / 'imsat_hash.py'


def test_the_known_commit(original, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        paths = read_original(original)
        # As git checks it out on Windows.
        for path in paths.values():
            (tmp_path / path.name).write_bytes(
                path.read_bytes().replace(b'\n', b'\r\n'))
        read_original(tmp_path)


# --- The other process -------------------------------------------------------
RNG = numpy.random.RandomState(0)
X = RNG.uniform(-1, 1, (300, 5)).astype('f')
TRACE = draw_start(X, 'cluster', 3, (4, 4), 2)

# Stands for Python 2.7 with another Chainer.
PRETENDER = '''#!{python}
import builtins, runpy, sys, types
sys.version_info = (2, 7, 18)
sys.modules['__builtin__'] = builtins
sys.modules['chainer'] = {chainer}
sys.argv = sys.argv[2:]  # without -E
sys.path.insert(0, '')
runpy.run_path(sys.argv[0], run_name='__main__')
'''
CHAINER = '''types.SimpleNamespace(
    __version__='1.99', Chain=object, cuda=types.SimpleNamespace(),
    functions=types.SimpleNamespace(relu=lambda x: x, transpose=None))'''
# Asks for all that the original asks for, by what it imports.
LOOP = '''
import sys
import numpy as np
import chainer.functions as F
from chainer import cuda
from munkres import Munkres
from load_mnist import *
whole = load_mnist_whole(PATH='mnist/', scale=1, shift=0)
xp = cuda.cupy
chainer_cuda = cuda.get_device(1).use()


class Array:
    def __init__(self, data):
        self.data = self.grad = data
    def namedparams(self):
        return []
    def __getitem__(self, name):
        return self
    avg_mean = avg_var = np.zeros(1)


enc = Array(0)
nearest_dist = np.loadtxt('mnist/10th_neighbor.txt').astype(np.float32)
print(sys.argv[1])
while True:
    x, label, index = whole.get(250, need_index=True)
    d = xp.random.normal(size=x.shape, dtype=np.float32)
    loss_eq1 = Array(cuda.to_gpu(x).sum())
    loss_eq2 = Array(d.sum())
    loss_ul = Array(nearest_dist[index].sum())
    F.relu(Array(x - .25))
    F.relu(Array(np.maximum(x, 0)))
'''


def stub(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def start(python, tmp_path, script=LOOP):
    path = tmp_path / 'script.py'
    path.write_text(script)
    return OriginalRun(python, path, TRACE, ['--x'], 1)


def message(python, tmp_path, script=LOOP):
    with pytest.raises(imsat.InputError) as e:
        with start(python, tmp_path, script) as run:
            for _ in range(3):
                run.step()
    text = str(e.value)
    assert '\n' not in text
    return text


@pytest.fixture
def pretender(tmp_path):
    return stub(tmp_path / 'python2', PRETENDER.format(
        python=sys.executable, chainer=CHAINER))


def test_the_script_gets_what_was_drawn(pretender, tmp_path):
    with start(pretender, tmp_path) as run:
        assert run.versions['chainer'] == '1.99'
        for t in range(2):
            seconds, state = run.step()
            assert seconds > 0
            for key, name in (('loss_eq1', 'x'), ('loss_eq2', 'd0'),
                              ('loss_vat', 'eps')):
                assert state[key].dtype == numpy.float32
                assert state[key] == TRACE[name][t].sum()
            for i, x in enumerate((TRACE['x'][t] - .25, TRACE['x'][t])):
                # An input of 0 is not positive.
                bits = numpy.unpackbits(state[f'relu.{i}'], count=x.size)
                assert (bits == (x > 0).reshape(-1)).all()
            assert 'relu.2' not in state


def test_no_interpreter(tmp_path):
    missing = message(str(tmp_path / 'nothing'), tmp_path)
    assert f'there is no program {tmp_path}/nothing;' in missing
    garbage = stub(tmp_path / 'garbage', 'no program')
    assert 'can not be run (Exec format error)' in message(garbage, tmp_path)


def test_relative_path(pretender, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with start('./python2', tmp_path) as run:
        assert run.versions['python'] == '2.7.18'


def test_python_3(tmp_path):
    assert 'and not 2.7' in message(sys.executable, tmp_path)


def test_no_chainer(tmp_path):
    python = stub(tmp_path / 'python2', PRETENDER.format(
        python=sys.executable, chainer='None'))
    text = message(python, tmp_path)
    assert 'can not import Chainer 1.x' in text
    assert 'docs/comparison.md' in text


def test_another_chainer(tmp_path):
    python = stub(tmp_path / 'python2', PRETENDER.format(
        python=sys.executable, chainer=CHAINER.replace('1.99', '7.8.1')))
    assert 'has Chainer 7.8.1 and not 1.x' in message(python, tmp_path)


def test_no_python_at_all(tmp_path):
    assert 'answers' in message('echo', tmp_path)
    assert 'before its first iteration, exit code 1' in message(
        'false', tmp_path)


def test_a_crash(pretender, tmp_path):
    crash = LOOP + '''    raise MemoryError('no room for a layer')
'''
    text = message(pretender, tmp_path, crash)
    assert 'in iteration 1, exit code 1' in text
    assert 'MemoryError: no room for a layer' in text


def test_killed(pretender, tmp_path):
    with pytest.raises(imsat.InputError, match='in iteration 2, exit code'):
        with start(pretender, tmp_path) as run:
            run.step()
            os.kill(run.process.pid, 9)
            run.process.wait()
            run.step()


def test_leaves_nothing_behind(pretender, tmp_path):
    with start(pretender, tmp_path) as run:
        folder, process = run.folder, run.process
        assert folder.is_dir()
    assert not folder.exists() and process.returncode is not None
