"""What the estimators of all methods share."""
import json
import math
import numbers
import time
from pathlib import Path

import numpy
import scipy.sparse
from chainer import serializers
from sklearn.base import (
    BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin)
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from imsat.errors import InputError
from imsat.storage import load_npz, save_npz
from imsat.training.progress import Progress
from imsat.training.random import restart_seeds

# Arguments that say how to run, not what to compute.
RUN_ARGUMENTS = ('device', 'cache', 'out', 'resume', 'snapshot_seconds',
                 'verbose')


class Estimator(TransformerMixin, ClassNamePrefixFeaturesOutMixin,
                BaseEstimator):
    """A method in scikit-learn's form, with restarts, saved without pickle.

    A method says how it learns once (``_run``), from a seed, and what it
    has learnt: the arrays named by ``_arrays``, and a network ``encoder_``
    that ``_network`` makes anew, where it has one.

    Attributes:
        objective_ (float): Of all data, the lower the better.
        restarts_ (list of dict): For each restart ``seed, objective,
            seconds, log`` (Chainer's log, empty where there is none) and
            what the method adds.
        best_restart_ (int): Index of the one that was kept.
        n_features_in_ (int): d.
    """
    _arrays = ()

    def check(self, X, y=None):
        """Raises InputError for arguments that don't go with X, y or here.
        """
        if 'n_init' in self.get_params():
            self._check_whole('n_init', 1)
        for name in ('lam', 'mu', 'alpha', 'xi', 'weight_decay',
                     'learning_rate'):
            value = getattr(self, name, 0)
            if not isinstance(value, numbers.Real) \
                    or not 0 <= value < math.inf:
                raise InputError(f'{name} is {value!r}; give a finite number '
                                 f'from 0')
        if getattr(self, 'resume', False) and self.out is None:
            raise InputError('resume goes on from the snapshots below out; '
                             'give out, the folder that has them')
        if isinstance(self.random_state, numbers.Integral) \
                and not 0 <= self.random_state < 2 ** 32:
            raise InputError(f'the seed is {self.random_state}; give one from '
                             f'0 to 2**32 - 1')
        if y is not None and len(y) != X.shape[0]:
            raise InputError(f'there are {len(y)} labels for {X.shape[0]} '
                             f'points; give one for each point, or none')

    def save(self, path):
        """Writes the fitted estimator to one npz file, without pickle.

        Arguments that only say how to run (device, out, ...) are left out.
        A network's arrays have Chainer's names, so that Chainer, 1.x
        included, loads it from there by ``serializers.load_npz``.
        """
        check_is_fitted(self)
        arguments = {name: value for name, value in self.get_params().items()
                     if name not in RUN_ARGUMENTS}
        if hasattr(self, 'restarts_'):
            arguments['random_state'] = self.restarts_[0]['seed']
        arrays = {name: getattr(self, name) for name in self._arrays}
        if self._network() is not None:
            arrays.update(serializers.npz.serialize(self.encoder_))
        save_npz(path, {
            'estimator': type(self).__name__,
            'arguments': json.dumps(arguments, default=_plain),
            'n_features_in': self.n_features_in_,
            'objective': self.objective_, **arrays})

    @classmethod
    def load(cls, path):
        """The estimator that :meth:`save` wrote, for predictions."""
        arrays = load_npz(path)
        if str(arrays.get('estimator')) != cls.__name__:
            raise InputError(f'{path} holds no {cls.__name__}; give a file '
                             f'that its save() wrote')
        self = cls(**json.loads(str(arrays['arguments'])))
        self.n_features_in_ = int(arrays['n_features_in'])
        self.objective_ = float(arrays['objective'])
        network = self._network()
        try:
            for name in self._arrays:
                setattr(self, name, arrays[name])
            if network is not None:
                serializers.NpzDeserializer(arrays).load(network)
                self.encoder_ = network
        except KeyError as e:
            raise InputError(f'{path} lacks {e}: it is damaged or from an '
                             f'earlier version; save it again') from e
        return self

    def _network(self, rng=None):
        """A network with new weights from ``rng``; None for none."""
        return None

    def _check_data(self, X):
        """X as fit has it: float32, dense unless the tags say otherwise."""
        return validate_data(
            self, X, accept_sparse=self._accept_sparse, dtype=numpy.float32,
            ensure_min_samples=2)

    def _check_new(self, X):
        """X as :meth:`_check_data` gives it, for a fitted estimator."""
        check_is_fitted(self)
        return validate_data(self, X, accept_sparse=self._accept_sparse,
                             dtype=numpy.float32, reset=False)

    _accept_sparse = False

    def _learn(self, run, n=None, steps=0):
        """Calls ``run`` for n seeds, by default n_init, and keeps the best.

        Args:
            run: Function ``(seed, folder, progress)`` to a tuple: what to
                compare by, the smallest best; a dict for ``restarts_``; and a
                dict of fitted attributes.
            steps (int): Iterations of each; 0 shows no progress.
        """
        n = self.n_init if n is None else n
        progress = Progress(n * steps) if steps and self.verbose else None
        self.restarts_, best = [], None
        for i, seed in enumerate(restart_seeds(self._seed(), n)):
            if progress is not None:
                progress.start('' if n == 1 else f'restart {i + 1} of {n}',
                               i * steps)
            start = time.perf_counter()
            rank, restart, fitted = run(seed, self._folder(i, n), progress)
            self.restarts_.append({
                'seed': seed, 'log': [],
                'seconds': time.perf_counter() - start, **restart})
            # A restart that diverged, whose rank is NaN, is never better.
            if best is None or rank < best or numpy.isnan(best).any():
                best = rank
                self.best_restart_ = i
                vars(self).update(fitted)
        if progress is not None:
            progress.close()
        self.objective_ = self.restarts_[self.best_restart_]['objective']
        return self.restarts_[self.best_restart_]

    def _folder(self, i, n):
        folder = getattr(self, 'out', None)
        if folder is not None:
            folder = Path(folder) / f'restart-{i}' if n > 1 else Path(folder)
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _seed(self):
        if isinstance(self.random_state, numbers.Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2 ** 31))

    def _check_whole(self, name, least, most=None):
        value = getattr(self, name)
        if not isinstance(value, numbers.Integral) or value < least \
                or most is not None and value > most:
            limits = f'from {least}' + (f' to {most}' if most else '')
            raise InputError(f'{name} is {value!r}; give a whole number '
                             f'{limits}')

    def _check_at_most(self, n, name, meaning):
        if getattr(self, name) > n:
            raise InputError(f'there are {n} points, n_samples = {n}, but '
                             f'{name}, {meaning}, is {getattr(self, name)}; '
                             f'choose at most {n}')

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = bool(self._accept_sparse)
        # Everything is learnt in float32; codes are uint8.
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __sklearn_is_fitted__(self):
        return hasattr(self, 'objective_')


def on_device(X, device):
    """X where the network is; a scipy sparse matrix stays where it is, as
    batches of it are sent."""
    return X if scipy.sparse.issparse(X) else device.send(X)


def _plain(value):
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        return value.tolist()
    return list(value)
