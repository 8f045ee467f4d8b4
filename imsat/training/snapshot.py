"""Snapshots of a whole trainer from which a run goes on bit for bit."""
import re
import time
import warnings
from pathlib import Path

from chainer import serializers
from chainer.training import extension

from imsat.errors import InputError
from imsat.storage import load_npz, save_npz

KEEP = 2


class Snapshot(extension.Extension):
    """Saves the trainer at the end of epochs, atomically, without pickle.

    The last two stay, so that there is one to go back to.

    Args:
        folder (path): Where to.
        epochs (int): Of the whole run, after the last of which one is saved
            in any case.
        seconds (float): Otherwise at most one in so many seconds.
    """
    trigger = 1, 'epoch'
    default_name = 'snapshot'
    priority = -100  # after all that writes or reads observations

    def __init__(self, folder, epochs, seconds):
        self.folder, self.epochs, self.seconds = Path(folder), epochs, seconds
        self._last = time.monotonic()

    def __call__(self, trainer):
        epoch = trainer.updater.epoch
        idle = time.monotonic() - self._last
        if epoch < self.epochs and idle < self.seconds:
            return
        state = serializers.npz.serialize(trainer)
        save_npz(self.folder / f'snapshot-{epoch:06d}.npz', state)
        for path in snapshots(self.folder)[:-KEEP]:
            path.unlink()
        self._last = time.monotonic()


def snapshots(folder):
    """Paths of the snapshots below ``folder``, the oldest first."""
    return sorted(path for path in Path(folder).glob('snapshot-*.npz')
                  if re.fullmatch(r'snapshot-\d{6}\.npz', path.name))


def resume_from(folder, trainer):
    """Loads the newest snapshot that is whole, if there is one.

    A damaged one is reported by a warning and the one before it used.
    """
    paths = snapshots(folder)
    while paths:
        path = paths.pop()
        try:
            state = load_npz(path)
        except InputError as e:
            then = 'going back to the one before it' if paths \
                else 'starting over'
            warnings.warn(f'{e.args[0].split(" (")[0]}; {then}')
            continue
        try:
            serializers.NpzDeserializer(state).load(trainer)
        except (KeyError, ValueError, TypeError) as e:
            raise InputError(
                f'{path} is of another run or version ({e}); choose another '
                f'folder or start over without resuming') from e
        return
