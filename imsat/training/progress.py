import sys

from chainer.training import extension
from tqdm import tqdm


class Progress(extension.Extension):
    """A bar with the time left, the epoch, and how the clusters look.

    Args:
        total (int): Iterations of all restarts together.
        description (str): What is under way.
        unit (str): Of what is counted.
    """
    trigger = 1, 'iteration'
    default_name = 'progress'
    priority = extension.PRIORITY_READER

    def __init__(self, total, description='', unit='step'):
        self._offset = 0
        # In a log file one line a minute will do.
        self._bar = tqdm(
            total=total, desc=description, unit=unit, file=sys.stderr,
            dynamic_ncols=True, mininterval=.1 if sys.stderr.isatty() else 60)

    def start(self, description, iteration):
        """A restart begins after ``iteration`` steps of all."""
        self._bar.set_description(description)
        self._bar.n = self._bar.initial = iteration
        self._offset = iteration
        self._bar.refresh()

    def __call__(self, trainer):
        self._bar.update(
            self._offset + trainer.updater.iteration - self._bar.n)
        if trainer.updater.is_new_epoch:
            log = trainer.observation
            shown = {'epoch': trainer.updater.epoch}
            for key, name in (('all/conditional_entropy', 'H(Y|X)'),
                              ('all/marginal_entropy', 'H(Y)'),
                              ('all/accuracy', 'ACC')):
                if key in log:
                    shown[name] = f'{float(log[key]):.3f}'
            self._bar.set_postfix(shown, refresh=False)

    def advance(self, n):
        self._bar.update(n)

    def close(self):
        self._bar.close()
