"""A second thread of our own, where BLAS has more than one."""
import functools
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from threadpoolctl import threadpool_info


def count():
    """How many threads BLAS has: by ``threadpoolctl``, as ``--threads`` says,
    by ``OPENBLAS_NUM_THREADS`` and its like, or one a core."""
    return max([1, *(library['num_threads'] for library in threadpool_info()
                     if library['user_api'] == 'blas')])


@functools.cache
def _helper(process):
    # One thread, which sleeps while there is nothing to do.
    return ThreadPoolExecutor(1, 'imsat')


class Ahead:
    """A function, of which a result may be computed before it is wanted.

    Args:
        function: Depends on its arguments alone, and leaves Python's lock to
            others while it computes.

    Example:
        >>> from imsat.threads import Ahead
        >>> square = Ahead(lambda x: x * x)
        >>> square.begin(3)
        >>> square(3), square(4)
        (9, 16)
    """

    def __init__(self, function):
        self._function = function
        self._key: Any = None
        self._future: Any = None

    def begin(self, *args):
        """Leaves it to the helping thread; what it does not finish in time is
        waited for."""
        # A fork inherits neither the thread nor what it was about to do.
        self._key = os.getpid(), args
        self._future = _helper(os.getpid()).submit(self._function, *args)

    def __call__(self, *args):
        if self._key == (os.getpid(), args):
            return self._future.result()
        return self._function(*args)
