"""Trainings one after the other."""
import dataclasses

from imsat.randomness import restart_seeds
from imsat.training.iterators import IndexIterator
from imsat.training.updater import Updater


class Phases:
    """Trainings one after the other, each with a folder of its own, so that
    a resumed run goes through what is done in no time.  What follows one that
    trained on starts over.

    Args:
        session (Session): Theirs lie below its folder.
        x (array or sparse matrix): All data, shape (N, d).
        batch_size (int): Of all of them.
        sampling (str): See :class:`IndexIterator`.
        seed (int): Of the batches.

    Attributes:
        log (list of dict): Of all phases, the epochs counted through.
        seconds (float): Of all phases.
        stopped (str): The phase that Ctrl-C has ended, after which none is
            run; None if it did not.
    """

    def __init__(self, session, x, batch_size, sampling, seed):
        self.session, self.x, self.seed = session, x, seed
        self.batch_size, self.sampling = batch_size, sampling
        self.log, self.stopped = [], None
        self.count = self.epochs = self.steps = 0
        self.seconds = self.update_seconds = 0.

    def run(self, name, network, optimizer, loss, epochs, evaluators=(),
            is_done=None, made_with=None):
        """Trains ``network`` in place; see :meth:`Session.run`, for ``loss``
        :class:`Updater`, and for ``made_with``, what this phase adds,
        :class:`Session`."""
        if self.stopped is not None:
            return
        self.count += 1
        session = dataclasses.replace(self.session.below(name), made_with={
            **(self.session.made_with or {}), **(made_with or {})})

        def step(*args):
            self.session = dataclasses.replace(self.session, resume=False)
            return loss(*args)
        iterator = IndexIterator(
            self.x.shape[0], self.batch_size, self.sampling,
            restart_seeds(self.seed, self.count)[-1])
        updater = Updater(iterator, optimizer.setup(network), self.x, step,
                          device=network.device)
        if self.session.progress is not None:
            self.session.progress.start(name, self.steps)
        training = session.run(updater, epochs, evaluators, is_done,
                               keeps=True)
        if session.is_stopped:
            self.stopped = name
        self.log += [{**entry, 'phase': name,
                      'epoch': self.epochs + entry['epoch']}
                     for entry in training.log]
        self.epochs += updater.epoch
        self.steps += updater.iteration
        self.seconds += training.seconds
        self.update_seconds += updater.update_seconds

    @property
    def steps_per_second(self):
        return self.steps / max(self.update_seconds, 1e-9)
