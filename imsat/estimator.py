"""What the estimators of all tasks share."""
import json
import math
import numbers
from pathlib import Path

import numpy
import scipy.sparse
from chainer import serializers
from sklearn.base import (
    BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin)
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from imsat.devices import get_device
from imsat.errors import InputError
from imsat.files import load_npz, save_npz
from imsat.links import INITIALIZATIONS, Encoder
from imsat.neighbors import default_cache, neighbor_distance
from imsat.regularizers import REGULARIZERS
from imsat.training.evaluation import (
    information_of, predict_logits, regularization_of)
from imsat.training.iterators import SAMPLINGS
from imsat.training.progress import Progress
from imsat.training.random import restart_seeds
from imsat.training.train import train

# Arguments that say how to run, not what to compute.
RUN_ARGUMENTS = ('device', 'cache', 'out', 'resume', 'snapshot_seconds',
                 'verbose')


class IMSATEstimator(TransformerMixin, ClassNamePrefixFeaturesOutMixin,
                     BaseEstimator):
    """An encoder trained by IMSAT, in scikit-learn's form.

    The estimator of a task says how many outputs the encoder has
    (``_n_outputs``), what is minimised (``_objective``), what else to log
    (``_summarizer``), and what is made of the logits.

    Args:
        hidden (sequence of int): Units of the hidden layers.
        initialization (str): ``'original'`` or ``'he'``, see
            :class:`Encoder`.
        n_init (int): Runs from different seeds; the one with the lowest
            objective is kept, without labels.  The paper has 1.
        epochs (int): Of ``N // batch_size`` iterations each.
        batch_size (int): At most the number of points.
        lam (float): lambda, weight of the information (Eqs. 1, 7, 14).
        alpha (float): Perturbations have length alpha sigma_t(x) (Eq. 17).
        n_neighbors (int): t of Eq. 17.
        xi (float): Finite difference of VAT's power iteration, in the units
            of the data.
        power_iterations (int): Of VAT (Eq. 6).
        regularizer (str or callable): ``'vat'``, ``'rpt'`` or a function as
            in :mod:`imsat.regularizers`, e.g. ``augmentation(transform)``.
        sampling (str): ``'permutation'``, as the authors' code samples, or
            ``'sweep'``, see :class:`training.iterators.IndexIterator`.
        learning_rate (float): Adam's alpha.
        device (int): -1 for the CPU, N for GPU N.
        cache (bool or path): Whether, or below which folder, to keep
            sigma_t(x), which takes a minute for MNIST; True takes
            ``IMSAT_CACHE`` or ~/.cache/imsat.
        out (path): Folder for Chainer's log and for snapshots; each restart
            has a folder of its own there if there are several.
        resume (bool): Go on from the snapshots below ``out``.
        snapshot_seconds (float): At most one snapshot in so many seconds.
        verbose (bool): Show a progress bar.
        random_state (int, RandomState or None): An int is the seed of the
            first restart and recorded.

    Attributes:
        encoder_ (Encoder): The network.
        objective_ (float): R_SAT plus the information term, of all data.
        restarts_ (list of dict): For each restart ``seed, objective, sat,
            seconds, steps_per_second, logits, log`` and the terms of the
            objective.
        best_restart_ (int): Index of the one that was kept.
        n_features_in_ (int): d.

    Raises:
        InputError: (a ValueError) in ``fit``, for data or arguments that
            can't be used, in one sentence that says what to do.
    """

    def __init__(self, hidden, initialization, n_init, epochs, batch_size,
                 lam, alpha, n_neighbors, xi, power_iterations, regularizer,
                 sampling, learning_rate, device, cache, out, resume,
                 snapshot_seconds, verbose, random_state):
        self.hidden = hidden
        self.initialization = initialization
        self.n_init = n_init
        self.epochs = epochs
        self.batch_size = batch_size
        self.lam = lam
        self.alpha = alpha
        self.n_neighbors = n_neighbors
        self.xi = xi
        self.power_iterations = power_iterations
        self.regularizer = regularizer
        self.sampling = sampling
        self.learning_rate = learning_rate
        self.device = device
        self.cache = cache
        self.out = out
        self.resume = resume
        self.snapshot_seconds = snapshot_seconds
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X, y=None):
        """Learns from X, shape (N, d), dense or scipy sparse.

        ``y``, labels of shape (N,), never changes what is learnt.
        """
        X = validate_data(self, X, accept_sparse='csr', dtype=numpy.float32,
                          ensure_min_samples=2)
        y = None if y is None else numpy.asarray(y)
        self.check(X, y)
        device = get_device(self.device)
        sigma = self._sigma(X, device)
        regularizer = self._regularizer()
        if device.xp is not numpy and scipy.sparse.issparse(X):
            raise InputError('sparse data can only be learnt from on the CPU; '
                             'use device -1 or pass X.toarray()')
        x = X if scipy.sparse.issparse(X) else device.send(X)
        radius = device.send((self.alpha * sigma).astype(numpy.float32))

        steps = self.epochs * (X.shape[0] // self.batch_size)
        progress = Progress(self.n_init * steps) if self.verbose else None
        self.restarts_, best = [], None
        for i, seed in enumerate(restart_seeds(self._seed(), self.n_init)):
            if progress is not None:
                progress.start('' if self.n_init == 1 else
                               f'restart {i + 1} of {self.n_init}', i * steps)
            encoder = Encoder(
                X.shape[1], self._n_outputs, self.hidden,
                self.initialization, numpy.random.RandomState(seed))
            encoder.to_device(device)
            rank, restart = self._run(
                encoder, x, radius, regularizer, seed, y, i, progress)
            self.restarts_.append(restart)
            if best is None or rank < best:
                best = rank
                self.best_restart_, self.encoder_ = i, encoder
        if progress is not None:
            progress.close()
        self.objective_ = self.restarts_[self.best_restart_]['objective']
        return self

    def _run(self, encoder, x, radius, regularizer, seed, labels, i,
             progress):
        objective = self._objective()
        folder = self.out
        if folder is not None:
            folder = Path(folder)
            folder = folder / f'restart-{i}' if self.n_init > 1 else folder
            folder.mkdir(parents=True, exist_ok=True)
        log, seconds, steps_per_second = train(
            encoder, x, radius, objective, regularizer, epochs=self.epochs,
            batch_size=self.batch_size, sampling=self.sampling,
            learning_rate=self.learning_rate, seed=seed,
            summarize=self._summarizer(labels), folder=folder,
            resume=self.resume, snapshot_seconds=self.snapshot_seconds,
            progress=progress)
        logits = predict_logits(encoder, x)
        information = information_of(objective, logits)
        sat = regularization_of(encoder, x, radius, regularizer,
                                objective.distance, self.batch_size)
        restart = dict(
            seed=seed, objective=sat + objective.combine(information),
            sat=sat, **information._asdict(), seconds=seconds,
            steps_per_second=steps_per_second, logits=logits, log=log)
        return objective.rank(sat, information), restart

    def _logits(self, X):
        """Logits of X, shape (N, M), float32."""
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse='csr', dtype=numpy.float32,
                          reset=False)
        return predict_logits(self.encoder_, X)

    def save(self, path):
        """Writes the fitted estimator to one npz file, without pickle.

        Arguments that only say how to run (device, out, ...) are left out.
        The encoder's arrays have Chainer's names, so that Chainer, 1.x
        included, loads it from there by ``serializers.load_npz``.
        """
        check_is_fitted(self)
        if not isinstance(self.regularizer, str):
            raise InputError('an estimator with a regulariser of your own '
                             "can't be saved; save encoder_ with "
                             'chainer.serializers.save_npz')
        arguments = {name: value for name, value in self.get_params().items()
                     if name not in RUN_ARGUMENTS}
        if hasattr(self, 'restarts_'):
            arguments['random_state'] = self.restarts_[0]['seed']
        arrays = serializers.npz.serialize(self.encoder_)
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
        self.encoder_ = Encoder(self.n_features_in_, self._n_outputs,
                                self.hidden, self.initialization)
        try:
            serializers.NpzDeserializer(arrays).load(self.encoder_)
        except KeyError as e:
            raise InputError(f'{path} lacks {e}: it is damaged or from an '
                             f'earlier version; save it again') from e
        return self

    @classmethod
    def from_encoder(cls, encoder, **arguments):
        """An estimator around a trained network, for predictions.

        Args:
            encoder (Encoder): E.g. from :func:`imsat.load_original`.
            arguments: Of the estimator, but for what the encoder tells.
        """
        sizes = encoder.sizes
        self = cls(sizes[-1], hidden=sizes[1:-1], **arguments)
        self.n_features_in_, self.objective_ = sizes[0], math.nan
        self.encoder_ = encoder
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __sklearn_is_fitted__(self):
        return hasattr(self, 'encoder_')

    def _seed(self):
        if isinstance(self.random_state, numbers.Integral):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2 ** 31))

    def _regularizer(self):
        if callable(self.regularizer):
            return self.regularizer
        function = REGULARIZERS[self.regularizer]
        if self.regularizer != 'vat':
            return function

        def vat(*args, **kwargs):
            return function(*args, xi=self.xi,
                            power_iterations=self.power_iterations, **kwargs)
        return vat

    def _sigma(self, X, device):
        cache = default_cache() if self.cache is True else self.cache or None
        progress = None
        if self.verbose:
            progress = Progress(X.shape[0], 'sigma', unit='point')
        on_device = X if scipy.sparse.issparse(X) else device.send(X)
        sigma = neighbor_distance(
            on_device, self.n_neighbors, cache,
            None if progress is None else progress.advance)
        if progress is not None:
            progress.close()
        zero = int((sigma == 0).sum())
        if zero:
            raise InputError(
                f'{zero} points have {self.n_neighbors} or more duplicates, '
                f'so that sigma is 0 and nothing would perturb them; remove '
                f'duplicates (numpy.unique(x, axis=0)) or take a higher '
                f'neighbour than {self.n_neighbors}')
        return sigma

    def check(self, X, y=None):
        """Raises InputError for arguments that don't go with X, y or here.
        """
        n = X.shape[0]
        for name, least in (('n_init', 1), ('epochs', 1), ('batch_size', 2),
                            ('power_iterations', 0)):
            self._check_whole(name, least)
        if isinstance(self.random_state, numbers.Integral) \
                and not 0 <= self.random_state < 2 ** 32:
            raise InputError(f'the seed is {self.random_state}; give one from '
                             f'0 to 2**32 - 1')
        for name, known in (('initialization', INITIALIZATIONS),
                            ('sampling', SAMPLINGS)):
            if getattr(self, name) not in known:
                raise InputError(f'{name} is {getattr(self, name)!r}; choose '
                                 f'one of {", ".join(known)}')
        if not callable(self.regularizer) \
                and self.regularizer not in REGULARIZERS:
            raise InputError(f'regularizer is {self.regularizer!r}; choose '
                             f'one of {", ".join(REGULARIZERS)} or pass a '
                             f'function')
        self._check_at_most(n, 'batch_size', 'the size of a batch')
        if y is not None and len(y) != n:
            raise InputError(f'there are {len(y)} labels for {n} points; '
                             f'give one for each point, or none')
        if not 1 <= self.n_neighbors < n:
            raise InputError(f'{n} points have no neighbour number '
                             f'{self.n_neighbors}; choose one from 1 to '
                             f'{n - 1}')
        get_device(self.device)

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
                             f'{meaning} is {getattr(self, name)}; choose at '
                             f'most {n}')


def _plain(value):
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        return value.tolist()
    return list(value)
