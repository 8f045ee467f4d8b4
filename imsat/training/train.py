from chainer import training
from chainer.training import extensions

from imsat.training.adam import Adam
from imsat.training.evaluation import Evaluator
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
            too (a scipy sparse x on the CPU).
        x (array or sparse matrix): Shape (N, d).
        radius (array): Shape (N,), alpha sigma_t(x) of Eq. 17.
        objective, regularizer: See :class:`Objective` and
            :mod:`imsat.regularizers`.
        epochs (int): Of ``N // batch_size`` iterations each.
        learning_rate (float): Adam's alpha.
        summarize: What else to log, see :class:`Evaluator`.
        folder (path): For the log and the snapshots; None for neither.
        resume (bool): Whether to go on from the newest snapshot there;
            otherwise those that are there are removed.
        progress (Extension): Called after each iteration.

    Returns:
        tuple: Chainer's log, a list of dicts; seconds in all; training
        steps per second, evaluation and snapshots not counted.
    """
    optimizer = Adam(alpha=learning_rate, beta1=.9).setup(model)
    iterator = IndexIterator(x.shape[0], batch_size, sampling, seed)
    updater = IMSATUpdater(iterator, optimizer, x, radius, objective,
                           regularizer, seed, device=model.device)
    trainer = training.Trainer(updater, (epochs, 'epoch'),
                               out='.' if folder is None else str(folder))
    trainer.extend(Evaluator(model, x, objective, summarize))
    # Its `filename=None` would mean a file `log` in the current folder.
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
