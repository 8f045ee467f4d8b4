"""The original itself, step by step, in an interpreter of its day."""
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy

from imsat.errors import InputError
from imsat.storage import load_npz

DRIVER = Path(__file__).with_name('driver.py')


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
        self._temporary = tempfile.TemporaryDirectory(prefix='imsat-')
        self.folder = folder = Path(self._temporary.name)
        numpy.savez(folder / 'trace.npz', **{
            key.replace('.', '/'): value for key, value in trace.items()})
        self._state = folder / 'state.npz'
        self._errors = open(  # noqa: SIM115 closed by _remove
            folder / 'errors', 'w+', encoding='utf-8', errors='replace')
        count = str(threads)
        try:
            self.process = subprocess.Popen(
                [os.path.abspath(found), '-E', DRIVER, Path(script).resolve(),
                 folder / 'trace.npz', self._state, *options],
                cwd=folder, text=True, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=self._errors, env={
                    **os.environ, 'OPENBLAS_NUM_THREADS': count,
                    'OMP_NUM_THREADS': count, 'MKL_NUM_THREADS': count})
        except OSError as e:
            self._remove()
            raise InputError(f'{python} can not be run ({e.strerror}); name '
                             f'a Python 2.7 with Chainer 1.x') from e
        with contextlib.ExitStack() as stack:
            stack.callback(self.__exit__)
            answer = self._answer()
            if 'error' in answer:
                raise InputError(
                    f'{python} {answer["error"]}; name a Python 2.7 into '
                    f'which Chainer 1.21 was installed, see '
                    f'docs/comparison.md')
            self.versions = answer['versions']
            stack.pop_all()

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
        self.process.kill()
        self.process.wait()
        for pipe in self.process.stdin, self.process.stdout:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()  # with a line that nobody has read
        self._remove()

    def _remove(self):
        self._errors.close()
        self._temporary.cleanup()
