"""Runs the scripts of experiments/, each in a process of its own.

:func:`run` forks it from a server that has imported what scripts import, so
that it begins at once; :func:`run_anew` starts Python, which takes seconds.
"""
import importlib
import itertools
import multiprocessing.forkserver
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from unittest import mock

from matplotlib.figure import Figure
from tqdm import tqdm

EXPERIMENTS = Path(__file__).parents[1] / 'experiments'
CONTEXT = multiprocessing.get_context('forkserver')
CONTEXT.set_forkserver_preload(['preloaded'])


def says_nothing(stderr):
    """Whether nothing is said, but that after a few steps clusters are empty.
    """
    return all(line.startswith('warning: ') and 'clusters are empty' in line
               for line in stderr.splitlines())


def undrawn(figure, file, **options):
    """In place of Figure.savefig, which takes longer than a short training.
    """
    file.write(b'undrawn')


def once(*options):
    """Options of which each comes once, as it was given last."""
    texts, last = list(map(str, options)), {}
    starts = [i for i, text in enumerate(texts) if text.startswith('--')]
    for start, stop in zip(starts, [*starts[1:], None]):
        last[texts[start]] = texts[start:stop]
    return [*texts[:min(starts, default=None)],
            *itertools.chain(*last.values())]


def run(script, *options, cwd='.', killed=None, draw=False):
    """``python script.py options``.

    Args:
        script (str): Its name.
        options: Of the command line.
        cwd (path): Where it works.
        killed (tuple): Module, name and N: it dies by SIGKILL when it calls
            that function for the N-th time.
        draw (bool): Whether its pictures are more than files.

    Returns:
        subprocess.CompletedProcess: With ``stdout`` and ``stderr``, texts.
    """
    # The server looks for what it imports there.
    with mock.patch.dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)):
        multiprocessing.forkserver.ensure_running()
    argv = [str(EXPERIMENTS / f'{script}.py'), *map(str, options)]
    with tempfile.TemporaryDirectory() as folder:
        files = [os.path.join(folder, name) for name in ('stdout', 'stderr')]
        process = CONTEXT.Process(target=_run, args=(
            argv, files, os.path.abspath(cwd), dict(os.environ), killed, draw))
        process.start()
        process.join()
        return subprocess.CompletedProcess(
            argv, process.exitcode, *(Path(file).read_text()
                                      for file in files))


class Forked:
    """A script by :func:`run` in place of the subprocess.Popen of
    tabulation/runs.py, which has ended at once."""

    def __init__(self, command, stdin, stdout, stderr):
        _, _, script, *options = command
        done = run(Path(script).stem, *options)
        stdout.write(done.stdout + done.stderr)
        self.returncode = done.returncode

    def wait(self):
        return self.returncode

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


def run_anew(script, *options, **kwargs):
    """As :func:`run`; ``kwargs`` are those of subprocess.run."""
    return subprocess.run(
        [sys.executable, str(EXPERIMENTS / f'{script}.py'),
         *map(str, options)], capture_output=True, text=True, **kwargs)


MPIEXEC = shutil.which('mpiexec', path=os.pathsep.join(
    [os.path.dirname(sys.executable), os.environ.get('PATH', '')]))
# For Open MPI, which else counts processors, and refuses root.
FOR_MPI = dict(
    OMPI_ALLOW_RUN_AS_ROOT='1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM='1',
    PRTE_MCA_rmaps_default_mapping_policy=':oversubscribe',
    PRTE_MCA_hwloc_default_binding_policy='none', OPENBLAS_NUM_THREADS='1')


def run_on_ranks(n, *command, **kwargs):
    """``mpiexec -n N python command``; ``kwargs`` are subprocess.run's."""
    return subprocess.run(
        [MPIEXEC, '-n', str(n), sys.executable, *map(str, command)],
        capture_output=True, text=True, env={**os.environ, **FOR_MPI},
        **kwargs)


def _run(argv, files, cwd, environment, killed, draw):
    """What the new process does."""
    for number, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    # The default is a semaphore, which a process that is killed leaves behind.
    tqdm.set_lock(threading.RLock())
    if not draw:
        Figure.savefig = undrawn
    if killed is not None:
        kill_at(*killed)
    sys.argv = argv
    sys.path.insert(0, str(EXPERIMENTS))
    runpy.run_path(argv[0], run_name='__main__')


def kill_at(module, name, n):
    """This process dies when it calls that function for the n-th time."""
    owner = importlib.import_module(module)
    *classes, name = name.split('.')
    for part in classes:
        owner = getattr(owner, part)
    original, calls = getattr(owner, name), itertools.count(1)

    def counted(*args, **kwargs):
        if next(calls) == n:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)
    setattr(owner, name, counted)
