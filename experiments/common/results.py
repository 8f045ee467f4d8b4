"""What is saved and said of a training, whatever the task."""
import functools
import importlib.metadata
import platform
import subprocess
import warnings
from pathlib import Path

import numpy
import scipy
import sklearn

import imsat
import chainer
from common.options import at_once
from common.unlike import save_reference
from imsat import devices, pictures
from imsat.ranks import ranks_of
from imsat.storage import save_json


def training_results(args, model, scores=None):
    """What result.json says of the training, for every task.

    ``scores`` gives those of a restart, from its logits.
    """
    restarts, best = model.restarts_, model.best_restart_
    return {
        **restarts[best].summary(), 'seed': args.seed,
        'seconds': sum(restart.seconds for restart in restarts),
        'device': devices.describe(devices.get_device(
            -1 if args.device is None else args.device)),
        'threads': args.threads,
        'at_once': at_once(args),
        'ranks': ranks_of(args.communicator).size,
        'restarts': [
            {**restart.summary(), **(scores(restart.logits) if scores else {}),
             'kept': i == best}
            for i, restart in enumerate(restarts)],
        'chosen': {name: numpy.asarray(getattr(model, f'{name}_')).tolist()
                   for name in ('batch_size', 'epochs', 'n_neighbors', 'xi',
                                'select', 'mu', 'prior')
                   if hasattr(model, f'{name}_')},
        'warnings': model.warnings_,
        'versions': get_versions()}


def save_model(out, args, data, x, model):
    """Writes the model, and what new points need beside it.

    Args:
        data (Dataset): That of the run.
        x (array): Those of its points that were learnt from.
    """
    # That of fewer epochs would stay beside another network.
    had_onnx = (out / 'model.onnx').is_file()
    (out / 'model.onnx').unlink(missing_ok=True)
    model.save(out / 'model.npz')
    save_reference(out / 'reference.npz', model, x, args.seed)
    data.preparation.save(out / 'preprocessing.npz')
    if had_onnx and not args.onnx:
        warnings.warn(f'{out}/model.onnx was of fewer epochs, and is removed; '
                      f'ask for --onnx, too, to have one of these')
    if args.onnx:
        model.to_onnx(out / 'model.onnx', f'{data.name}, by {args.command}.',
                      ' '.join(data.notes), data.names)


def save_log(out, model, most_entropy, prior=None):
    """Writes the log and draws it, if the method has one.

    Args:
        most_entropy (float): What H(Y) can be at most.
        prior (array): Of the clusters; None if uniform.

    Returns:
        list of str: The names of the pictures.
    """
    logs = [restart.log for restart in model.restarts_]
    if not logs[0]:
        return []
    save_json(out / 'log', logs[model.best_restart_])
    pictures.learning_curves(out / 'learning_curves.png', logs,
                             model.best_restart_, most_entropy, prior=prior)
    return ['learning_curves.png']


def in_seconds(result):
    """How long a training took, in words."""
    text = f'{result["seconds"]:.0f} s'
    if result.get('steps_per_second') is not None:
        text += f', {result["steps_per_second"]:.1f} steps/s'
    return text


@functools.cache  # of the code that runs, whatever is checked out meanwhile
def git_commit():
    def git(*args):
        return subprocess.run(
            ['git', '--no-optional-locks', *args], cwd=Path(__file__).parent,
            capture_output=True, text=True, check=True).stdout.strip()
    try:
        # What describe --dirty writes is left behind where a disk is full.
        dirty = git('status', '--porcelain', '--untracked-files=no')
        return git('describe', '--always', '--abbrev=10') + (
            '-dirty' if dirty else '')
    except (OSError, subprocess.CalledProcessError):
        return None


def numba_version():
    """None without: the loops of NumPy may differ in the last digit."""
    try:
        return importlib.metadata.version('numba')
    except importlib.metadata.PackageNotFoundError:
        return None


def get_versions():
    """What a result was made with."""
    return dict(imsat=imsat.__version__, commit=git_commit(),
                python=platform.python_version(),
                chainer=chainer.__version__, numpy=numpy.__version__,
                scipy=scipy.__version__, sklearn=sklearn.__version__,
                numba=numba_version())
