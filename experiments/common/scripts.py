"""What every script does alike: threads, errors, exit codes."""
import argparse
import errno
import io
import os
import sys
import time
import traceback
import warnings
from pathlib import Path

import threadpoolctl

import imsat
from imsat.errors import ArgumentError
from imsat.parameters import Whole


def option_of(kind):
    """A type of options: what a Kind of ``imsat.parameters`` allows."""
    def parse(text):
        try:
            value = kind.parse(text)
        except ValueError:
            value = text
        problem = kind.problem(value)
        if problem:
            raise argparse.ArgumentTypeError(problem)
        return value
    return parse


positive = option_of(Whole(1))


class Parser(argparse.ArgumentParser):
    """argparse's, but for an option given again: there the last would win.
    """

    def parse_known_args(self, args=None, namespace=None):
        self._given = set()
        return super().parse_known_args(args, namespace)

    def _get_values(self, action, arg_strings):  # of each, as it comes
        if action.option_strings:
            if action in self._given:
                name = next(name for name in action.option_strings
                            if name.startswith('--'))
                raise imsat.InputError(f'{name} is given more than once; '
                                       f'leave all but one out')
            self._given.add(action)
        return super()._get_values(action, arg_strings)


def parser_for(doc, defaults=False):
    """A parser whose help has a script's docstring; with ``defaults`` its
    first paragraph, and the default of each option."""
    if defaults:
        return Parser(
            description=doc.split('\n\n')[0],
            formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    return Parser(
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter)


def sentence(error):
    """What an error says, with options in place of the library's arguments.
    """
    if isinstance(error, ArgumentError):
        return f'{error.option or error.argument} {error.problem}'
    return str(error)


def a_path(text):
    if not text:
        raise argparse.ArgumentTypeError('nothing is named; give a path')
    return text


def a_file(text):
    """The path of a file to be written, in a folder that is there."""
    folder = os.path.dirname(a_file_to_be(text))
    if folder and not os.path.isdir(folder):
        raise argparse.ArgumentTypeError(
            f'{text} would be in a folder that does not exist; make it first')
    return text


def a_file_to_be(text):
    """The path of a file to be written, which a folder can't become."""
    if os.path.isdir(a_path(text)):
        raise argparse.ArgumentTypeError(f'{text} is a folder; name a file')
    return text


def refuse_inputs(out, *inputs):
    """Raises InputError if a file that would be written is there as one of
    those that are read; what is None or no file is none."""
    for path in inputs:
        if path is not None and os.path.exists(out) \
                and os.path.exists(path) and os.path.samefile(out, path):
            raise imsat.InputError(f'{out} is what is read, and would be '
                                   f'lost; choose another --out')


def fail(message):
    message = ' '.join(str(message).split())
    print(f'{Path(sys.argv[0]).name}: {message}', file=sys.stderr)
    return 2


def open_streams():
    """Makes it possible to print anything, whatever the terminal."""
    for name in 'stdout', 'stderr':
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller
            setattr(sys, name, open(os.devnull, 'w'))  # noqa: SIM115
        elif stream.errors == 'strict':
            # A path may have letters that the terminal has not.
            stream.reconfigure(errors='backslashreplace')


def launched():
    """The rank of this process, and how many mpiexec has started."""
    for name in 'OMPI_COMM_WORLD', 'PMI':  # of Open MPI, and of MPICH
        if f'{name}_SIZE' in os.environ:
            return (int(os.environ[f'{name}_RANK']),
                    int(os.environ[f'{name}_SIZE']))
    return 0, 1


# Seconds after which another rank than the first says what is wrong.
GRACE = 5.


def run_on_ranks(function, rank):
    """Calls a function that returns an exit code, on each of several ranks.

    The first alone speaks, but for what ends another alone.  Whoever fails
    ends all.
    """
    said = io.StringIO()
    if rank:
        sys.stdout, sys.stderr = open(os.devnull, 'w'), said  # noqa: SIM115
    try:
        code = function()
    except SystemExit as e:  # of argparse
        code = e.code
    except Exception:
        traceback.print_exc()
        code = 1
    if code:
        if rank:
            time.sleep(GRACE)
            print(f'rank {rank}: {said.getvalue()}', end='',
                  file=sys.__stderr__, flush=True)
        sys.stderr.flush()
        mpi = sys.modules.get('mpi4py.MPI')
        if mpi is not None:
            mpi.COMM_WORLD.Abort(code)
    return code


def run_script(function, resume='the same command goes on where it was'):
    """Calls a script's function; an error that the user can mend becomes a
    sentence.

    Args:
        function: Called without arguments.
        resume (str): What to do after an interruption; None for nothing.

    Returns:
        int: The exit code: what the function returns, 0 for None; 1 if
        nobody reads what it prints, 2 after an error, 130 after Ctrl-C.
    """
    warnings.formatwarning = lambda message, *args: f'warning: {message}\n'
    then = f'; {resume}' if resume else ''
    open_streams()
    try:
        code = function() or 0
        sys.stdout.flush()
        return code
    except imsat.InputError as e:
        return fail(sentence(e))
    except BrokenPipeError:
        # "| head" has seen enough; what is left to print has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return fail(f'{e}; free some space: what was saved before is '
                        f'whole{then}')
        return fail(f'{e}; name another file or folder, or change its '
                    f'permissions')
    except KeyboardInterrupt:
        print(f'\nstopped{then}', file=sys.stderr)
        return 130


def main(run, parse, resume='--resume goes on from the last snapshot'):
    """:func:`run_script` of ``run(parse())``, with ``--threads``, if any, and
    on all ranks that mpiexec has started."""
    rank, size = launched()

    def function():
        args = parse()
        if size > 1 and getattr(args, 'communicator', None) is None:
            raise imsat.InputError(
                f'mpiexec has started {size} processes, which would all do '
                f'the same; add --communicator naive, if the script has it, '
                f'or leave mpiexec out')
        if rank:
            args.quiet = True
        with threadpoolctl.threadpool_limits(getattr(args, 'threads', None)):
            return run(args)
    if size == 1:
        return run_script(function, resume)
    return run_on_ranks(lambda: run_script(function, resume), rank)
