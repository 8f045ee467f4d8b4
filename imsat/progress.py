"""A bar of what is done, for people who wait."""
import sys

from tqdm.auto import tqdm


class ProgressBar(tqdm):
    """A bar with what is done and the time left, on stderr or, in a
    notebook, below the cell.

    ``update(n)`` says that n more are done.  ``close()``, or the end of a
    ``with`` block, leaves the bar as it is.

    Args:
        total (int): How many there are to do.
        description (str): What is under way.
        unit (str): Of what is counted.
        disable (bool): Whether to show nothing.
    """

    def __init__(self, total: int, description: str = '', unit: str = 'step',
                 disable: bool = False) -> None:
        # In a log file one line a minute will do.  A notebook has no
        # terminal either.
        is_watched = sys.stderr.isatty() or 'ipykernel.zmqshell' in sys.modules
        super().__init__(
            total=total, desc=description, unit=unit, disable=disable,
            file=sys.stderr, dynamic_ncols=True,
            mininterval=.1 if is_watched else 60)
