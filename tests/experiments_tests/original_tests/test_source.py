import types
import warnings

import chainer
import numpy
import pytest

import imsat
from original.source import Definitions, cut, read_original

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
