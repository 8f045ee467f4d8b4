"""The authors' files, from a checkout of github.com/weihua916/imsat: some
definitions on today's Chainer, or a script in an interpreter of its day."""
import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import types
import warnings
from pathlib import Path

import chainer
import chainer.functions as F
import numpy

from imsat.errors import InputError
from imsat.storage import load_npz

COMMIT = '948f25f'
BATCH_SIZE = 250
DRIVER = Path(__file__).with_name('driver.py')
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
        if is_changed(path):
            warnings.warn(f'{path} is not the file of commit {COMMIT}; going '
                          f'on with it as it is')
    return paths


def is_changed(path):
    """Whether a script is not that of :data:`COMMIT`."""
    content = path.read_bytes().replace(b'\r\n', b'\n')
    return hashlib.sha256(content).hexdigest() != SHA256[path.name]


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


class OriginalRun:
    """A script of the original that waits before each of its iterations.

    A context manager; the process ends with it.

    Args:
        python (path): Interpreter, Python 2.7 with Chainer 1.x.
        script (path): imsat_cluster.py or imsat_hash.py.
        trace (dict): Arrays ``x, eps, d0, n_class, init.*`` as in the golden
            traces, whose dtype the original computes in.
        options (list of str): Of the script.
        threads (int): Of BLAS.

    Attributes:
        versions (dict): Of ``python``, ``chainer`` and ``numpy``.
        process (subprocess.Popen): The interpreter.
        folder (Path): Where it works.

    Raises:
        InputError: Here and in :meth:`step`, if the interpreter can't be
            run, lacks Chainer 1.x, or the script stops.
    """

    def __init__(self, python, script, trace, options, threads):
        self.python, self.iteration = python, 0
        found = shutil.which(python)
        if found is None:
            raise InputError(f'there is no program {python}; name a Python '
                             f'2.7 with Chainer 1.x')
        count = str(threads)
        with contextlib.ExitStack() as stack:
            self.folder = folder = Path(stack.enter_context(
                tempfile.TemporaryDirectory(prefix='imsat-')))
            numpy.savez(folder / 'trace.npz', **{
                key.replace('.', '/'): value for key, value in trace.items()})
            self._state = folder / 'state.npz'
            self._errors = stack.enter_context(open(
                folder / 'errors', 'w+', encoding='utf-8', errors='replace'))
            try:
                self.process = subprocess.Popen(
                    [os.path.abspath(found), '-E', DRIVER,
                     Path(script).resolve(), folder / 'trace.npz',
                     self._state, *options],
                    cwd=folder, text=True, stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, stderr=self._errors, env={
                        **os.environ, 'OPENBLAS_NUM_THREADS': count,
                        'OMP_NUM_THREADS': count, 'MKL_NUM_THREADS': count})
            except OSError as e:
                raise InputError(
                    f'{python} can not be run ({e.strerror}); name a Python '
                    f'2.7 with Chainer 1.x') from e
            stack.callback(self._end)
            answer = self._answer()
            if 'error' in answer:
                raise InputError(
                    f'{python} {answer["error"]}; name a Python 2.7 into '
                    f'which Chainer 1.21 was installed, see '
                    f'docs/comparison.md')
            self.versions = answer['versions']
            self._stack = stack.pop_all()

    def step(self):
        """One iteration: its seconds, and a dict of arrays.

        Those are the script's losses, ``loss_vat``; ``after.l1.W``,
        ``grad.l1.W`` and the like; and ``transpose.0``, VAT's direction, and
        ``relu.0``, ..., bits, see driver.py.
        """
        self.iteration += 1
        try:
            self.process.stdin.write('\n')
            self.process.stdin.flush()
        except BrokenPipeError as e:
            raise self._stopped() from e
        seconds = self._answer()['seconds']
        return seconds, {key.replace('/', '.'): value
                         for key, value in load_npz(self._state).items()}

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise self._stopped()
        try:
            return json.loads(line)
        except ValueError as e:
            raise InputError(f'{self.python} answers {line.strip()[:60]!r}; '
                             f'name a Python 2.7 with Chainer 1.x') from e

    def _stopped(self):
        code = self.process.wait()
        self._errors.seek(0)
        lines = self._errors.read().split('\n')
        said = next((line for line in reversed(lines) if line.strip()),
                    'nothing')
        where = f'in iteration {self.iteration}' if self.iteration else \
            'before its first iteration'
        return InputError(
            f'the original stopped {where}, exit code {code}, and its last '
            f'words were: {said.strip()}; check that --original is unchanged '
            f'and that --python2 has what docs/comparison.md names')

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._stack.close()

    def _end(self):
        self.process.kill()
        self.process.wait()
        for pipe in self.process.stdin, self.process.stdout:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()  # with a line that nobody has read
