"""Loops over NumPy's arrays, compiled where numba is installed."""
import functools


@functools.cache
def get_numba():
    """The module, or None."""
    try:
        import numba
    except ImportError:
        return None
    return numba


def compiled(**options):
    """Makes of a loop a function that compiles it at the first call.

    That returns the compiled loop, or None without numba, which is not
    imported before.  Machine code is kept beside the source for the next run.

    Args:
        options: Of ``numba.njit``.
    """
    def decorate(loop):
        @functools.cache
        def compile_by(numba):
            return numba.njit(cache=True, nogil=True, error_model='numpy',
                              **options)(loop)

        def get():
            numba = get_numba()
            return None if numba is None else compile_by(numba)
        return get
    return decorate
