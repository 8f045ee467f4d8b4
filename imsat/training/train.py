from chainer import training
from chainer.training import extensions

from imsat.training.adam import Adam
from imsat.training.evaluation import Evaluator, information_of
from imsat.training.iterators import IndexIterator
from imsat.training.snapshot import Snapshot, resume as resume_from, snapshots
from imsat.training.updater import IMSATUpdater


def train(model, x, radius, objective, regularizer, *, epochs=50,
          batch_size=250, sampling='permutation', learning_rate=.002, seed=0,
          summarize=lambda logits: {}, folder=None, resume=False,
          snapshot_seconds=10., progress=None):
    """Trains ``model`` in place with Chainer's Trainer.

    Args:
        model (chainer.Link): The network, on its device; x and radius there
            too (a scipy sparse x in the host's memory).
        x (array or sparse matrix): Shape (N, d).
        radius (array): Shape (N,), alpha sigma_t(x) of Eq. 17.
        objective, regularizer: See :class:`Objective` and
            :mod:`imsat.losses.regularizers`.
        epochs (int): Of ``N // batch_size`` iterations each.
        learning_rate (float): Adam's alpha.
        summarize: What else to log, a function from the logits of all data
            to a dict; nothing learns from it.
        folder, resume, snapshot_seconds, progress: See :func:`run_trainer`.

    Returns:
        tuple: As of :func:`run_trainer`.
    """
    def summarize_all(logits):
        information = information_of(objective, logits)
        return {**information._asdict(),
                **objective.after_epoch(information), **summarize(logits)}

    optimizer = Adam(alpha=learning_rate, beta1=.9).setup(model)
    iterator = IndexIterator(x.shape[0], batch_size, sampling, seed)
    updater = IMSATUpdater(iterator, optimizer, x, radius, objective,
                           regularizer, seed, device=model.device)
    return run_trainer(
        updater, epochs, [Evaluator(model, x, summarize_all)], folder=folder,
        resume=resume, snapshot_seconds=snapshot_seconds, progress=progress)


def run_trainer(updater, epochs, evaluators=(), *, is_done=None, folder=None,
                resume=False, snapshot_seconds=10., progress=None):
    """Runs Chainer's Trainer, with a log and with snapshots.

    Args:
        updater (Updater): What is done in a step.
        epochs (int): At most so many.
        evaluators (sequence of Extension): Run before the log is written.
        is_done: Function ``()`` that may end the run before; None for none.
        folder (path): For the log and the snapshots; None for neither.
        resume (bool): Whether to go on from the newest snapshot there;
            otherwise those that are there are removed.
        progress (Extension): Called after each iteration.

    Returns:
        tuple: Chainer's log, a list of dicts; seconds in all; training
        steps per second, evaluation and snapshots not counted.
    """
    trainer = training.Trainer(
        updater, _stop_trigger(epochs, is_done),
        out='.' if folder is None else str(folder))
    for evaluator in evaluators:
        trainer.extend(evaluator)
    # Chainer takes ``filename=None`` for 'log', and only this for no file.
    log = extensions.LogReport(log_name=None if folder is None else 'log')
    trainer.extend(log)
    if folder is not None:
        trainer.extend(Snapshot(folder, epochs, snapshot_seconds))
    if resume:
        resume_from(folder, trainer)
    elif folder is not None:
        for path in snapshots(folder):
            path.unlink()
    if progress is not None:
        trainer.extend(progress)
    trainer.run(show_loop_exception_msg=False)
    steps_per_second = updater.iteration / max(updater.update_seconds, 1e-9)
    return log.log, trainer.elapsed_time, steps_per_second


def _stop_trigger(epochs, is_done):
    if is_done is None:
        return epochs, 'epoch'
    return lambda trainer: trainer.updater.epoch >= epochs or is_done()
