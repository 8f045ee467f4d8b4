"""Loops over NumPy's arrays, compiled where numba is installed."""
import contextlib
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
            return njit(**options)(loop)

        def get():
            numba = get_numba()
            return None if numba is None else compile_by(numba)
        return get
    return decorate


def njit(**options):
    """``numba.njit``, whose machine code is kept for the next run if there
    is a folder that can be written, beside the source or below the home."""
    import numba

    def decorate(loop):
        function = numba.njit(nogil=True, error_model='numpy',
                              **options)(loop)
        with contextlib.suppress(RuntimeError):  # there is none
            function.enable_caching()
        return function
    return decorate
