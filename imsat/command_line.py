"""What the scripts in experiments/ have in common."""
import errno
import sys
import warnings
from pathlib import Path

from imsat.errors import InputError


def run_script(function, resume='the same command goes on where it was'):
    """Calls a script's function; errors become a sentence.

    Args:
        function: Called without arguments.
        resume (str): What to do after an interruption.

    Returns:
        int: The exit code: 0, or 2 after an error, 130 after Ctrl-C.
    """
    warnings.formatwarning = lambda message, *args: f'warning: {message}\n'
    try:
        function()
    except InputError as e:
        return _fail(e)
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return _fail(f'{e}; free some space: what was saved before is '
                         f'whole, and {resume}')
        return _fail(f'{e}; name another file or folder, or change its '
                     f'permissions')
    except KeyboardInterrupt:
        print(f'\nstopped; {resume}', file=sys.stderr)
        return 130
    return 0


def _fail(message):
    message = ' '.join(str(message).split())
    print(f'{Path(sys.argv[0]).name}: {message}', file=sys.stderr)
    return 2
