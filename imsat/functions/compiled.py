"""Loops over NumPy's arrays, compiled where numba is installed."""
import functools


def compiled(**options):
    """Makes of a loop a function that compiles it at the first call.

    That returns the compiled loop, or None without numba, which is not
    imported before.  Machine code is kept beside the source for the next run.

    Args:
        options: Of ``numba.njit``.
    """
    def decorate(loop):
        @functools.cache
        def get():
            try:
                import numba
            except ImportError:
                return None
            return numba.njit(cache=True, nogil=True, error_model='numpy',
                              **options)(loop)
        return get
    return decorate
