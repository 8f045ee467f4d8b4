"""What a training needs around its steps."""
import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from chainer import serializers, training
from chainer.training import extensions

from imsat.ranks import current
from imsat.storage import AnyPath
from imsat.training.extensions import DivergenceCheck
from imsat.training.snapshot import Snapshot, resume_from, snapshots
from imsat.training.updater import Updater


@dataclasses.dataclass
class Training:
    """What has become of a training.

    Attributes:
        log (list of dict): Chainer's, an entry an epoch.
        seconds (float): In all.
        steps_per_second (float): Evaluation and snapshots not counted.
        step (str): How steps were computed, ``'plan'`` or ``'graph'``.
    """
    log: list
    seconds: float
    steps_per_second: float
    step: str


@dataclasses.dataclass
class Session:
    """Where a training leaves its log and snapshots, and how it is shown.

    Args:
        folder (path): For the log and the snapshots; None for neither.
        resume (bool): Whether to go on from the newest snapshot there;
            otherwise those that are there are removed.
        snapshot_seconds (float): At most one snapshot in so many seconds.
        progress (Extension): Called after each iteration; None for none.
        made_with (dict): What decides what is learnt, as JSON has it; a
            snapshot that was made with something else is refused.

    Example:
        RIM by hand: what the estimators do.

        >>> from imsat.training import Adam, IndexIterator, Session, Updater
        >>> x = numpy.random.default_rng(0).normal(size=(40, 3)).astype('f')
        >>> network = imsat.Encoder(3, 2, hidden=())
        >>> loss = imsat.IMSATLoss(imsat.ClusteringObjective(lam=1.),
        ...                        imsat.WeightDecay(.005), numpy.zeros(40))
        >>> updater = Updater(IndexIterator(40, 20),
        ...                   Adam(alpha=.01).setup(network), x, loss)
        >>> training = Session().run(updater, epochs=2)
        >>> [entry['epoch'] for entry in training.log]
        [1, 2]
    """
    folder: AnyPath | None = None
    resume: bool = False
    snapshot_seconds: float = 10.
    progress: training.Extension | None = None
    made_with: dict[str, Any] = dataclasses.field(default_factory=dict)
    is_stopped: bool = dataclasses.field(default=False, init=False)

    def below(self, name: str) -> 'Session':
        """The session of a part, in a folder of its own."""
        if self.folder is None:
            return self
        folder = Path(self.folder) / name
        folder.mkdir(exist_ok=True)
        return dataclasses.replace(self, folder=folder)

    def run(self, updater: Updater, epochs: int,
            evaluators: Iterable[training.Extension] = (),
            is_done: Callable[[], bool] | None = None,
            keeps: bool = False) -> Training:
        """Trains with Chainer's Trainer.

        Args:
            updater (Updater): What is done in a step.
            epochs (int): At most so many.
            evaluators (sequence of Extension): Run before the log is written.
            is_done: Function ``()`` that may end the run before; None for
                none.
            keeps (bool): Whether Ctrl-C ends the run, with ``is_stopped``,
                where no folder has snapshots to go on from.

        Returns:
            Training: Its log and times.

        Raises:
            DivergenceError: At the first NaN or infinity, see
                :class:`imsat.training.extensions.DivergenceCheck`.
        """
        trainer = training.Trainer(
            updater, lambda trainer: trainer.updater.epoch >= epochs
            or is_done is not None and is_done(),
            out='.' if self.folder is None else str(self.folder))
        for evaluator in evaluators:
            trainer.extend(evaluator)
        trainer.extend(DivergenceCheck(), trigger=_always)
        # Chainer takes ``filename=None`` for 'log', and only this for no
        # file.
        log = extensions.LogReport(
            log_name=None if self.folder is None else 'log')
        trainer.extend(log)
        if self.folder is not None:
            trainer.extend(
                Snapshot(self.folder, epochs, self.snapshot_seconds,
                         self.made_with))
        if self.resume:
            state = current().tell(lambda: resume_from(
                self.folder, trainer, epochs, self.made_with))
            if state is not None and current().rank:
                serializers.NpzDeserializer(state).load(trainer)
        elif self.folder is not None:
            for path in snapshots(self.folder):
                path.unlink()
        if self.progress is not None:
            trainer.extend(self.progress, trigger=_always)
        try:
            trainer.run(show_loop_exception_msg=False)
        except KeyboardInterrupt:
            if not keeps or self.folder is not None:
                raise
            self.is_stopped = True
        return Training(
            log.log, trainer.elapsed_time,
            updater.iteration / max(updater.update_seconds, 1e-9),
            updater.step)


def _always(trainer):
    """A trigger that leaves nothing in snapshots."""
    return True
