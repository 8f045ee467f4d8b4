"""What a training needs around its steps."""
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
from chainer import serializers, training

from imsat.errors import InputError
from imsat.parameters import (
    PATH, Flag, Kind, Number, OneOf, Place, Whole, check_parameters, checked,
    is_sequence, parameter)
from imsat.ranks import current
from imsat.storage import AnyPath
from imsat.training.extensions import (
    DivergenceCheck, LogReport, check_finite)
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


class AsJSON(Kind):
    """A dict that JSON can have."""
    wanted = 'give a dict that JSON can have, or None'

    def allows(self, value):
        try:
            return isinstance(value, dict) and bool(json.dumps(value))
        except (TypeError, ValueError):
            return False


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
        until (int): The epoch after which it ends for now; None for the last.
        state (dict): Of an earlier part of the training, to go on from;
            afterwards, if there is an ``until``, that of this one.

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
    folder: AnyPath | None = parameter(None, Place(), kw_only=False)
    resume: bool = parameter(False, Flag(), kw_only=False)
    snapshot_seconds: float = parameter(10., Number(), kw_only=False)
    progress: training.Extension | None = parameter(
        None, OneOf(Callable, 'give an extension of Chainer, or None',
                    optional=True), kw_only=False)
    made_with: dict[str, Any] | None = parameter(
        None, AsJSON(optional=True), kw_only=False)
    until: int | None = parameter(
        None, Whole(1, optional=True), kw_only=False)
    state: dict[str, Any] | None = parameter(
        None, OneOf(dict, 'give what a Session has as its state, or None',
                    optional=True), kw_only=False)
    is_stopped: bool = dataclasses.field(default=False, init=False)

    def __post_init__(self):
        check_parameters(self)

    @checked(name=PATH)
    def below(self, name: str) -> 'Session':
        """The session of a part, in a folder of its own."""
        if self.folder is None:
            return self
        folder = Path(self.folder) / name
        folder.mkdir(parents=True, exist_ok=True)
        return dataclasses.replace(self, folder=folder)

    @checked(updater=OneOf(Updater, 'give an imsat.training.Updater'),
             epochs=Whole(1), is_done=OneOf(
                 Callable, 'give a function, or None', optional=True),
             keeps=Flag())
    def run(self, updater: Updater, epochs: int,
            evaluators: Sequence[training.Extension] = (),
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
        if self.resume and self.folder is None and not current().rank:
            raise InputError('resume goes on from the snapshots in folder; '
                             'give the one that has them')
        if not is_sequence(evaluators) or not all(map(callable, evaluators)):
            raise InputError('the evaluators are no extensions of Chainer; '
                             'give a list of them')
        epochs = epochs if self.until is None else self.until
        trainer = training.Trainer(
            updater, lambda trainer: trainer.updater.epoch >= epochs
            or is_done is not None and is_done(),
            out='.' if self.folder is None else str(self.folder))
        for evaluator in evaluators:
            trainer.extend(evaluator)
        trainer.extend(DivergenceCheck(), trigger=_always)
        # Chainer takes ``filename=None`` for 'log', and only this for no
        # file.
        log = LogReport(log_name=None if self.folder is None else 'log')
        trainer.extend(log)
        if self.folder is not None:
            trainer.extend(
                Snapshot(self.folder, epochs, self.snapshot_seconds,
                         self.made_with or {}))
        state = None
        if self.resume:
            state = current().tell(lambda: resume_from(
                self.folder, trainer, epochs, self.made_with or {}))
            if state is not None and current().rank:
                serializers.NpzDeserializer(state).load(trainer)
        elif self.folder is not None:
            for path in snapshots(self.folder):
                path.unlink()
        if state is None and self.state is not None:
            serializers.NpzDeserializer(self.state).load(trainer)
        if self.progress is not None:
            trainer.extend(self.progress, trigger=_always)
        try:
            trainer.run(show_loop_exception_msg=False)
        except KeyboardInterrupt:
            if not keeps or self.folder is not None:
                raise
            self.is_stopped = True
            check_finite({}, updater)  # in the midst of an epoch
        if self.until is not None:
            # Copies: of arrays that others may change.
            self.state = {name: numpy.array(value) for name, value in
                          serializers.npz.serialize(trainer).items()}
        return Training(
            log.log, trainer.elapsed_time,
            updater.iteration / max(updater.update_seconds, 1e-9),
            updater.step)


def _always(trainer):
    """A trigger that leaves nothing in snapshots."""
    return True
