from imsat.training.iterators import IndexIterator
from imsat.training.random import restart_seeds
from imsat.training.train import run_trainer
from imsat.training.updater import Updater


class Phases:
    """Trainings one after the other, each with a folder of its own, so that
    a resumed run goes through what is done in no time.

    Args:
        model (Estimator): Says ``batch_size, sampling, resume`` and
            ``snapshot_seconds``.
        x (array or sparse matrix): All data, shape (N, d).
        seed (int): Of the batches.
        folder (path): Theirs lie there; None for none.
        progress (Progress): None for none.

    Attributes:
        log (list of dict): Of all phases, the epochs counted through.
    """

    def __init__(self, model, x, seed, folder=None, progress=None):
        self.model, self.x, self.seed = model, x, seed
        self.folder, self.progress = folder, progress
        self.log = []
        self.count = self.epochs = self.steps = 0
        self.seconds = self.update_seconds = 0.

    def run(self, name, network, optimizer, losses, epochs, evaluators=(),
            is_done=None):
        """Trains ``network`` in place; see :func:`run_trainer` and, for
        ``losses``, :class:`Updater`."""
        model, folder = self.model, None
        if self.folder is not None:
            folder = self.folder / name
            folder.mkdir(exist_ok=True)
        self.count += 1
        iterator = IndexIterator(
            self.x.shape[0], model.batch_size, model.sampling,
            restart_seeds(self.seed, self.count)[-1])
        updater = Updater(iterator, optimizer.setup(network), self.x, losses,
                          device=network.device)
        if self.progress is not None:
            self.progress.start(name, self.steps)
        log, seconds, _ = run_trainer(
            updater, epochs, evaluators, is_done=is_done, folder=folder,
            resume=model.resume, snapshot_seconds=model.snapshot_seconds,
            progress=self.progress)
        self.log += [{**entry, 'phase': name,
                      'epoch': self.epochs + entry['epoch']} for entry in log]
        self.epochs += updater.epoch
        self.steps += updater.iteration
        self.seconds += seconds
        self.update_seconds += updater.update_seconds

    def summary(self):
        """What a restart says of them all."""
        return dict(seconds=self.seconds, log=self.log, steps_per_second=(
            self.steps / max(self.update_seconds, 1e-9)))
