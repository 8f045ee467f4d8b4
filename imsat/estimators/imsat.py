"""The estimators of all tasks that IMSAT and RIM learn."""
import math
import numbers

import numpy

from imsat.estimators.base import Estimator, on_device
from imsat.losses.augmentation import AffineDistortion
from imsat.devices import get_device
from imsat.errors import InputError
from imsat.links import INITIALIZATIONS, Encoder
from imsat.neighbors import neighbor_distance
from imsat.storage import default_cache
from imsat.losses.regularizers import REGULARIZERS
from imsat.training.evaluation import (
    information_of, predict_logits, regularization_of)
from imsat.training.iterators import SAMPLINGS
from imsat.training.progress import Progress
from imsat.training.train import train


class IMSATEstimator(Estimator):
    """An encoder trained by RIM or IMSAT (Eq. 1), in scikit-learn's form.

    The estimator of a task says how many outputs the encoder has
    (``_n_outputs``), what is minimised (``_objective``), what else to log
    (``_summarizer``), and what is made of the logits.

    Args:
        hidden (sequence of int): Units of the hidden layers; none for a
            linear classifier.
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
        regularizer (str or callable): R of Eq. 1: ``'vat'``, ``'rpt'``,
            ``'weight-decay'``, ``'affine'``, ``'vat-affine'`` or a function
            as in :mod:`imsat.losses.regularizers`, e.g. ``augmentation(transform)``;
            one whose attribute ``radius`` is False gets zeros for it.
        weight_decay (float): Rate of ``'weight-decay'``.
        image_shape (tuple): (height, width) of points that are images, which
            ``'affine'`` and ``'vat-affine'`` distort.
        distortion (dict): How far, see :class:`imsat.AffineDistortion`; None
            for its defaults.
        sampling (str): ``'permutation'``, as the authors' code samples, or
            ``'sweep'``, see :class:`training.iterators.IndexIterator`.
        learning_rate (float): Adam's alpha.
        device (int): -1 for the CPU, N for GPU N.
        cache (bool or path): Whether, or below which folder, to keep
            sigma_t(x), which takes a minute for MNIST; True takes
            ``IMSAT_CACHE`` or ~/.cache/imsat.
        out (path): Folder for Chainer's log and for snapshots; each restart
            has a folder of its own there if there are several.
        resume (bool): Go on from the snapshots below ``out``; those of
            another seed or of other data are refused.
        snapshot_seconds (float): At most one snapshot in so many seconds.
        verbose (bool): Show a progress bar.
        random_state (int, RandomState or None): An int is the seed of the
            first restart and recorded.

    Attributes:
        encoder_ (Encoder): The network.
        objective_ (float): R plus the information term, of all data.
        restarts_ (list of dict): For each restart ``seed, objective, sat``
            (R of Eq. 1), ``seconds, steps_per_second, logits, log`` and the
            terms of the objective.
        best_restart_ (int): Index of the one that was kept.
        n_features_in_ (int): d.

    Raises:
        InputError: (a ValueError) in ``fit``, for data or arguments that
            can't be used, in one sentence that says what to do.
    """

    def __init__(self, hidden, initialization, n_init, epochs, batch_size,
                 lam, alpha, n_neighbors, xi, power_iterations, regularizer,
                 weight_decay, image_shape, distortion, sampling,
                 learning_rate, device, cache, out, resume, snapshot_seconds,
                 verbose, random_state):
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
        self.weight_decay = weight_decay
        self.image_shape = image_shape
        self.distortion = distortion
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
        X = self._check_data(X)
        y = None if y is None else numpy.asarray(y)
        self.check(X, y)
        device = get_device(self.device)
        radius = device.send(self._radius(X, device))
        x = on_device(X, device)

        def run(seed, folder, progress):
            encoder = self._network(numpy.random.RandomState(seed))
            encoder.to_device(device)
            return self._run(encoder, x, radius, seed, y, folder, progress)
        self._learn(run, steps=self.epochs * (X.shape[0] // self.batch_size))
        return self

    def _run(self, encoder, x, radius, seed, labels, folder, progress):
        objective = self._objective()
        regularizer = self._regularizer(encoder)
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
            objective=sat + objective.combine(information), sat=sat,
            **information._asdict(), seconds=seconds,
            steps_per_second=steps_per_second, logits=logits, log=log)
        return (objective.rank(sat, information), restart,
                {'encoder_': encoder})

    def _logits(self, X):
        """Logits of X, shape (N, M), float32."""
        X = self._check_new(X)
        return predict_logits(self.encoder_, X)

    def save(self, path):
        if not isinstance(self.regularizer, str):
            raise InputError('an estimator with a regulariser of your own '
                             "can't be saved; save encoder_ with "
                             'chainer.serializers.save_npz')
        super().save(path)

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

    _accept_sparse = 'csr'

    def _network(self, rng=None):
        return Encoder(self.n_features_in_, self._n_outputs, self.hidden,
                       self.initialization, rng)

    def _regularizer(self, encoder):
        if callable(self.regularizer):
            return self.regularizer
        return REGULARIZERS[self.regularizer].make(self, encoder)

    def distort(self):
        """The random distortion that ``'affine'`` augments images by."""
        return AffineDistortion(self.image_shape, **(self.distortion or {}))

    def _radius(self, X, device):
        """alpha sigma_t(x) of Eq. 17, float32; zeros where R has no use."""
        if not self._needs_radius():
            return numpy.zeros(X.shape[0], numpy.float32)
        return (self.alpha * self._sigma(X, device)).astype(numpy.float32)

    def _needs_radius(self):
        if callable(self.regularizer):
            # A function of one's own that takes none says so.
            return getattr(self.regularizer, 'radius', True)
        return REGULARIZERS[self.regularizer].radius

    def _sigma(self, X, device):
        cache = default_cache() if self.cache is True else self.cache or None
        progress = None
        if self.verbose:
            progress = Progress(X.shape[0], 'sigma', unit='point')
        sigma = neighbor_distance(
            on_device(X, device), self.n_neighbors, cache,
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
        n = X.shape[0]
        for name, least in (('epochs', 1), ('batch_size', 2),
                            ('power_iterations', 0)):
            self._check_whole(name, least)
        super().check(X, y)
        if numpy.ndim(self.hidden) != 1 or not all(
                isinstance(units, numbers.Integral) and units > 0
                for units in self.hidden):
            raise InputError(f'hidden is {self.hidden!r}; give the units of '
                             f'each hidden layer, e.g. (1200, 1200)')
        for name, known in (('initialization', INITIALIZATIONS),
                            ('sampling', SAMPLINGS)):
            if getattr(self, name) not in known:
                raise InputError(f'{name} is {getattr(self, name)!r}; choose '
                                 f'one of {", ".join(known)}')
        self._check_at_most(n, 'batch_size', 'the size of a batch')
        if not callable(self.regularizer) \
                and self.regularizer not in REGULARIZERS:
            raise InputError(
                f'regularizer is {self.regularizer!r}; choose one of '
                f'{", ".join(REGULARIZERS)} or pass a function')
        if self._needs_radius():
            self._check_neighbors(n)
        if not callable(self.regularizer) \
                and REGULARIZERS[self.regularizer].images:
            self.distort().check(X.shape[1])
        self._objective()
        get_device(self.device)

    def _check_neighbors(self, n):
        if not isinstance(self.n_neighbors, numbers.Integral) \
                or not 1 <= self.n_neighbors < n:
            raise InputError(f'{n} points have no neighbour number '
                             f'{self.n_neighbors}; choose one from 1 to '
                             f'{n - 1}')
