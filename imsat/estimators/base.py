"""What the estimators of all methods share."""
import dataclasses
import json
import numbers
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy
import scipy.sparse
from chainer import serializers
from sklearn.base import (
    BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin,
    TransformerMixin)
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from imsat.devices import get_device
from imsat.errors import InputError
from imsat.losses.values import from_json, to_json
from imsat.parameters import (
    Choice, Flag, Number, Place, Seed, Units, Whole, argument_error,
    check_parameters, declarations, parameter)
from imsat.randomness import restart_seeds
from imsat.retrieval.codes import MOST_BITS, code_width
from imsat.storage import AnyPath, load_npz, save_npz
from imsat.training.extensions import Progress
from imsat.training.iterators import SAMPLINGS
from imsat.training.session import Session


@dataclasses.dataclass
class Restart:
    """What a run from one seed has come to.

    Attributes:
        seed (int): Of all that was random.
        objective (float): Of all data, the lower the better.
        seconds (float): It took.
        log (list of dict): Chainer's, empty where there is none.
        steps_per_second (float): None without steps.
        step (str): How they were computed, ``'plan'`` or ``'graph'``.
        logits (array): Of all data, shape (N, M); None without.
        terms (dict): What the method adds: the terms of its objective.
    """
    seed: int
    objective: float
    seconds: float = 0.
    log: list = dataclasses.field(default_factory=list)
    steps_per_second: float | None = None
    step: str | None = None
    logits: numpy.ndarray | None = None
    terms: dict[str, float] = dataclasses.field(default_factory=dict)

    def summary(self) -> dict:
        """A dict of its numbers, for JSON."""
        summary: dict[str, Any] = dict(
            seed=self.seed, objective=self.objective, seconds=self.seconds,
            **self.terms)
        if self.steps_per_second is not None:
            summary['steps_per_second'] = self.steps_per_second
        if self.step is not None:
            summary['step'] = self.step
        return summary


@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class Estimator(TransformerMixin, ClassNamePrefixFeaturesOutMixin,
                BaseEstimator):
    """A method in scikit-learn's form, with restarts, saved without pickle.

    A method learns in ``fit``, from each of its :meth:`restarts`, and says
    what it has learnt: the arrays named by ``_arrays``, and a network
    ``encoder_`` that ``_network`` makes anew, where it has one.

    Args:
        random_state (int, RandomState or None): An int is the seed of the
            first restart and recorded.

    Attributes:
        objective_ (float): Of all data, the lower the better.
        restarts_ (list of Restart): One for each seed.
        best_restart_ (int): Index of the one that was kept.
        n_features_in_ (int): d, the number of features.

    Raises:
        InputError: (a ValueError) in ``fit``, for data or arguments that
            can't be used, in one sentence that says what to do.
    """
    _arrays: ClassVar[tuple[str, ...]] = ()
    _accept_sparse: ClassVar[bool | str] = False

    random_state: Any = parameter(
        None, Seed(), 'of every random number', option='seed')

    def check(self, X, y=None) -> None:
        """Raises InputError for arguments that don't go with X, y or here.
        """
        check_parameters(self)
        if y is not None and len(y) != X.shape[0]:
            raise InputError(f'there are {len(y)} labels for {X.shape[0]} '
                             f'points; give one for each point, or none')

    def save(self, path: AnyPath) -> None:
        """Writes the fitted estimator to one npz file, without pickle.

        Arguments that only say how to run (device, out, ...) are left out.
        A network's arrays have Chainer's names, so that Chainer, 1.x
        included, loads it from there by ``serializers.load_npz``.
        """
        check_is_fitted(self)
        arguments = {
            name: getattr(self, name)
            for name, declaration in declarations(self).items()
            if not declaration.how}
        if hasattr(self, 'restarts_'):
            arguments['random_state'] = self.restarts_[0].seed
        arrays = {name: getattr(self, name) for name in self._arrays}
        if self._network() is not None:
            arrays.update(serializers.npz.serialize(self.encoder_))
        save_npz(path, {
            'estimator': type(self).__name__,
            'arguments': json.dumps(arguments, default=to_json),
            'n_features_in': self.n_features_in_,
            'objective': self.objective_, **arrays})

    @classmethod
    def load(cls, path: AnyPath):
        """The estimator that :meth:`save` wrote, for predictions."""
        arrays = load_npz(path)
        if str(arrays.get('estimator')) != cls.__name__:
            raise InputError(f'{path} holds no {cls.__name__}; give a file '
                             f'that its save() wrote')
        self = cls(**from_json(json.loads(str(arrays['arguments']))))
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

    def _check_data(self, X, y=None):
        """X as fit has it, and y as an array, once all is checked.

        X is float32, dense unless the tags say otherwise.
        """
        X = validate_data(
            self, X, accept_sparse=self._accept_sparse, dtype=numpy.float32,
            ensure_min_samples=2)
        y = None if y is None else numpy.asarray(y)
        self.check(X, y)
        return X, y

    def _check_new(self, X):
        """X as :meth:`_check_data` gives it, for a fitted estimator."""
        check_is_fitted(self)
        return validate_data(self, X, accept_sparse=self._accept_sparse,
                             dtype=numpy.float32, reset=False)

    def restarts(self, n=1, steps=0):
        """Seeds and sessions of ``n`` runs, to be told what they came to.

        Args:
            steps (int): Iterations of each; 0 shows no progress.

        Returns:
            Restarts: To iterate over; see there.
        """
        return Restarts(self, n, steps)

    def _seed(self):
        if isinstance(self.random_state, numbers.Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2 ** 31))

    def _check_at_most(self, n, name, meaning):
        if getattr(self, name) > n:
            raise argument_error(
                self, name, f'is {getattr(self, name)}, {meaning}, but there '
                f'are {n} points, n_samples = {n}; choose at most {n}')

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = bool(self._accept_sparse)
        # Everything is learnt in float32; codes are uint8.
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __sklearn_is_fitted__(self):
        return hasattr(self, 'objective_')


class Restarts:
    """Runs of a method from several seeds, of which the best is kept.

    Iterating gives ``seed, session`` of each; :meth:`add` says what has
    become of it.  After the last, the estimator has its fitted attributes.
    """

    def __init__(self, model, n, steps):
        self.model, self.n, self.steps = model, n, steps
        self.best = None

    def __iter__(self):
        model = self.model
        progress = Progress(self.n * self.steps) \
            if self.steps and model.verbose else None
        model.restarts_ = []
        for i, seed in enumerate(restart_seeds(model._seed(), self.n)):
            if progress is not None:
                progress.start(
                    '' if self.n == 1 else f'restart {i + 1} of {self.n}',
                    i * self.steps)
            self.start = time.perf_counter()
            yield seed, self._session(i, progress)
        if progress is not None:
            progress.close()
        model.objective_ = model.restarts_[model.best_restart_].objective

    def _session(self, i, progress):
        model, folder = self.model, getattr(self.model, 'out', None)
        if folder is None:
            return Session(progress=progress)
        folder = Path(folder) / f'restart-{i}' if self.n > 1 else Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return Session(folder, model.resume, model.snapshot_seconds, progress)

    def add(self, restart, rank=None, **fitted):
        """Takes a run, and what it has fitted if it is the best so far.

        Args:
            restart (Restart): What has become of it.
            rank: What to compare by, the smallest best; by default its
                objective.
            fitted: Attributes of the estimator.
        """
        model = self.model
        restart.seconds = restart.seconds \
            or time.perf_counter() - self.start
        model.restarts_.append(restart)
        rank = restart.objective if rank is None else rank
        # A restart that diverged, whose rank is NaN, is never better.
        if self.best is None or rank < self.best \
                or numpy.isnan(self.best).any():
            self.best = rank
            model.best_restart_ = len(model.restarts_) - 1
            vars(model).update(fitted)


@dataclasses.dataclass(eq=False, repr=False)
class Clusterer(ClusterMixin):
    """A method whose result is a cluster for each point.

    Args:
        n_clusters (int): K, the number of clusters.

    Attributes:
        labels_ (array): Cluster of every training point, shape (N,), int64.
    """
    n_clusters: int = parameter(
        10, Whole(1), 'K', option='clusters', kw_only=False)

    def check(self, X, y=None) -> None:
        super().check(X, y)
        self._check_at_most(X.shape[0], 'n_clusters', 'the number of clusters')


@dataclasses.dataclass(eq=False, repr=False)
class Hasher:
    """A method whose result is a code for each point.

    Args:
        n_bits (int): D, the length of the codes, from 1 to 256.

    Attributes:
        codes_ (array): Codes of the training points, shape
            (N, ceil(D / 8)), uint8, see :func:`imsat.retrieval.pack_bits`.
    """
    n_bits: int = parameter(
        16, Whole(1, MOST_BITS), 'D of Eq. 14, the length of the codes',
        option='bits', kw_only=False)

    @property
    def _n_features_out(self):
        return code_width(self.n_bits)


@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class TrainedEstimator(Estimator):
    """A method that trains a network by Chainer's Trainer.

    Args:
        hidden (sequence of int): Units of the hidden layers; none for a
            linear classifier.
        n_init (int): Runs from different seeds; the one with the lowest
            objective is kept, without labels.  The paper has 1.
        epochs (int): Of ``N // batch_size`` iterations each.
        batch_size (int): At most the number of points.
        learning_rate (float): Adam's alpha.
        sampling (str): ``'permutation'``, as the authors' code samples, or
            ``'sweep'``, see :class:`imsat.training.iterators.IndexIterator`.
        device (int): -1 for the CPU, N for GPU N.
        out (path): Folder for Chainer's log and for snapshots; each restart
            has a folder of its own there if there are several.
        resume (bool): Go on from the snapshots below ``out``; those of
            another seed or of other data are refused.
        snapshot_seconds (float): At most one snapshot in so many seconds.
        verbose (bool): Show a progress bar.

    Others: see :class:`Estimator`.
    """
    hidden: tuple = parameter(
        (1200, 1200), Units(), 'units of the hidden layers (section 4.1), '
        'e.g. 1200-1200, or "linear"')
    n_init: int = parameter(
        1, Whole(1), 'runs from different seeds, of which the one with the '
        'lowest objective is kept, without labels; of K-means: '
        'initialisations', option='restarts')
    epochs: int | None = parameter(
        50, Whole(1), 'of floor(N / batch size) iterations each')
    batch_size: int = parameter(250, Whole(2), '|B| of Eq. 15')
    learning_rate: float = parameter(.002, Number(), 'Adam\'s alpha')
    sampling: str = parameter(
        'permutation', Choice(SAMPLINGS), 'the first |B| of a fresh '
        'permutation every iteration, as in the authors\' code, or a sweep '
        'over all points')
    device: int = parameter(
        -1, Whole(-1), '-1 the CPU, N GPU number N', how=True)
    out: Any = parameter(None, Place(), option='', how=True)
    resume: bool = parameter(False, Flag(), option='', how=True)
    snapshot_seconds: float = parameter(
        Session.snapshot_seconds, Number(), 'least time between two '
        'snapshots, at ends of epochs', how=True)
    verbose: bool = parameter(False, Flag(), option='', how=True)

    def check(self, X, y=None) -> None:
        super().check(X, y)
        self._check_at_most(X.shape[0], 'batch_size', 'the size of a batch')
        if self.resume and self.out is None:
            raise InputError('resume goes on from the snapshots below out; '
                             'give out, the folder that has them')
        get_device(self.device)


def send(X, device):
    """X where the network is; a scipy sparse matrix stays where it is, as
    batches of it are sent."""
    return X if scipy.sparse.issparse(X) else device.send(X)
