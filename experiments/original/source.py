"""The authors' files, from a checkout of github.com/weihua916/imsat."""
import functools
import hashlib
import re
import types
import warnings
from pathlib import Path

import chainer
import chainer.functions as F

from imsat.errors import InputError

COMMIT = '948f25f'
BATCH_SIZE = 250
SCRIPTS = {'cluster': 'imsat_cluster.py', 'hash': 'imsat_hash.py'}
# Of the files at that commit, with Unix line ends.
SHA256 = {
    'imsat_cluster.py':
        '8b9ae69c6a188de8e26116d303dcf5b8ba1f8a3ad0b6c04d9484ab79e2016d42',
    'imsat_hash.py':
        '70dec23cb6297a85e5b934bade113e088b98e870c2e3144ae30f560e9071310a'}


def read_original(folder):
    """Paths of both scripts by task, ``'cluster'`` and ``'hash'``.

    Warns of a file that is not that of :data:`COMMIT`.

    Raises:
        InputError: If ``folder`` is no checkout of the original.
    """
    paths = {task: Path(folder) / name for task, name in SCRIPTS.items()}
    for path in paths.values():
        if not path.is_file():
            raise InputError(
                f'{folder} has no {path.name}; name a checkout of '
                f'github.com/weihua916/imsat, commit {COMMIT}')
        content = path.read_bytes().replace(b'\r\n', b'\n')
        if hashlib.sha256(content).hexdigest() != SHA256[path.name]:
            warnings.warn(f'{path} is not the file of commit {COMMIT}; going '
                          f'on with it as it is')
    return paths


def cut(text, name):
    """The text of a function or class at the top level, or None."""
    match = re.search(rf'^(def|class) {name}\(.*?(?=^\S|\Z)', text,
                      re.MULTILINE | re.DOTALL)
    return match and match.group()


class Definitions:
    """The functions of one script, run on today's Chainer.

    Their text is not touched.  What Chainer 7 or this comparison needs
    otherwise is a stand-in for a name that the text uses: ``F`` drops
    Chainer 1's ``use_cudnn``; ``np.float32`` is ``dtype``;
    ``xp.random.normal`` gives ``directions``, a list to be filled.

    Args:
        path (path): The script.
        dtype (numpy.dtype): Of the computation.
        xp (module): NumPy or CuPy.
        n_bit (int): Global of imsat_hash.py.
    """

    def __init__(self, path, dtype, xp, n_bit):
        self.path = path
        self.text = path.read_text(encoding='utf-8')
        self.directions = []
        random = types.SimpleNamespace(
            normal=lambda size, dtype: self.directions.pop())
        self._names = dict(
            F=_WithoutCudnn(), chainer=chainer, Variable=chainer.Variable,
            np=types.SimpleNamespace(float32=dtype.type),
            xp=types.SimpleNamespace(random=random, sqrt=xp.sqrt, sum=xp.sum),
            args=types.SimpleNamespace(prop_eps=.25), n_bit=n_bit)

    def __getitem__(self, name):
        """The function or class ``name``, and what it calls.

        Raises:
            LookupError: If the script has none.
        """
        text = cut(self.text, name)
        if text is None:
            raise LookupError(f'{self.path.name} does not define it')
        if name not in self._names:
            exec(compile(text, f'{self.path}:{name}', 'exec'), self._names)
            code = getattr(self._names[name], '__code__', None)
            for other in code.co_names if code else ():
                if other not in self._names and cut(self.text, other):
                    self[other]
        return self._names[name]


class _WithoutCudnn:

    def __getattr__(self, name):
        function = getattr(F, name)

        @functools.wraps(function)
        def call(*args, use_cudnn=None, **kwargs):
            return function(*args, **kwargs)
        return call
