"""Snapshots of a whole trainer from which a run goes on bit for bit."""
import json
import re
import time
import warnings
from pathlib import Path

import chainer
import numpy
from chainer import serializers
from chainer.training import extension

from imsat.errors import InputError
from imsat.storage import check_arrays, load_npz, save_npz

KEEP = 2
# As they are written: from a million on, epochs have more digits.
NAME = re.compile(r'snapshot-([0-9]{6}|[1-9][0-9]{6,})\.npz')
REMEDY = 'choose another folder or start over without resuming'


class Snapshot(extension.Extension):
    """Saves the trainer at the end of epochs, atomically, without pickle.

    The last two stay, so that there is one to go back to.

    Args:
        folder (path): Where to.
        epochs (int): Of the whole run, after the last of which one is saved
            in any case.
        seconds (float): Otherwise at most one in so many seconds.
        made_with (dict): What decides what is learnt, as JSON has it.
    """
    trigger = 1, 'epoch'
    default_name = 'snapshot'
    priority = -100  # after all that writes or reads observations

    def __init__(self, folder, epochs, seconds, made_with):
        self.folder, self.epochs, self.seconds = Path(folder), epochs, seconds
        self.made_with = made_with
        self._last = time.monotonic()

    def __call__(self, trainer):
        epoch = trainer.updater.epoch
        idle = time.monotonic() - self._last
        if epoch < self.epochs and idle < self.seconds:
            return
        state = serializers.npz.serialize(trainer)
        state['made_with'] = json.dumps(self.made_with)
        save_npz(self.folder / f'snapshot-{epoch:06d}.npz', state)
        for path in snapshots(self.folder)[:-KEEP]:
            path.unlink()
        self._last = time.monotonic()


def snapshots(folder):
    """Paths of the snapshots below ``folder``, the oldest first."""
    # Longer numbers than six digits begin with no zero.
    return sorted((path for path in Path(folder).glob('snapshot-*.npz')
                   if NAME.fullmatch(path.name)),
                  key=lambda path: (len(path.name), path.name))


def resume_from(folder, trainer, epochs, made_with):
    """Loads the newest snapshot that is whole, if there is one.

    A damaged one is reported by a warning, removed, and the one before it
    used.

    Args:
        epochs (int): Of the whole run.
        made_with (dict): As :class:`Snapshot` takes it.

    Returns:
        dict: The arrays of that snapshot, None if there is none.

    Raises:
        InputError: For a snapshot of another run, or of a later epoch.
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
            path.unlink()
            continue
        _refuse_another(path, state, made_with)
        try:
            check_arrays(state, _asked_by(trainer), path, REMEDY)
            _check_logs(state)
            serializers.NpzDeserializer(state).load(trainer)
        except InputError:
            raise
        except (KeyError, ValueError, TypeError, RecursionError) as e:
            raise InputError(f'{path} is of another run or version ({e}); '
                             f'{REMEDY}') from e
        if trainer.updater.epoch > epochs:
            raise InputError(
                f'{path} is of epoch {trainer.updater.epoch}, but no more '
                f'than {epochs} are asked for; ask for as many epochs, and '
                f'as many restarts if by halves, {REMEDY}')
        return state
    return None


def _refuse_another(path, state, made_with):
    """InputError unless a snapshot was made with the same."""
    try:
        earlier = json.loads(str(state.pop('made_with')))
        names = [name for name in {**earlier, **made_with}
                 if earlier.get(name) != made_with.get(name)]
    except (KeyError, ValueError, TypeError, AttributeError,
            RecursionError) as e:
        raise InputError(
            f'{path} does not say what it was made with, as those of earlier '
            f'versions; go on with that version, or start over without '
            f'resuming') from e
    for name in names:
        raise InputError(
            f'{path} was made with another {name} ({earlier.get(name)} and '
            f'not {made_with.get(name)}); ask for the same, {REMEDY}')


def _check_logs(state):
    """ValueError unless the log is a list of dicts, an entry an epoch."""
    for name, text in state.items():
        if name.endswith('/_log'):
            log = json.loads(str(text))
            if not isinstance(log, list) \
                    or not all(isinstance(entry, dict) for entry in log):
                raise ValueError('its log is none')


def _asked_by(trainer):
    """By name, what a trainer takes from its snapshot."""
    optimizer, asked = trainer.updater.get_optimizer('main'), {}
    optimizer.serialize(_Zeros(dict(optimizer.target.namedparams())))
    trainer.serialize(_Asked(asked))
    return asked


class _Asked(chainer.Deserializer):
    """Notes what an object asks for, by name, and gives none of it."""

    def __init__(self, asked, path=''):
        self.asked, self.path = asked, path

    def __getitem__(self, name):
        return _Asked(self.asked, f'{self.path}{name.strip("/")}/')

    def __call__(self, key, value):
        self.asked[self.path + key] = value
        # A log is empty; all else stays as it is.
        return value or '[]' if isinstance(value, str) else value


class _Zeros(chainer.Deserializer):
    """Gives an optimizer what it only gathers from the first step on, in the
    shapes of what it moves."""

    def __init__(self, params, param=None):
        self.params, self.param = params, param

    def __getitem__(self, name):
        return _Zeros(self.params, self.params[name])

    def __call__(self, key, value):
        if value is not None:
            return value
        return numpy.zeros(self.param.shape, self.param.dtype)
