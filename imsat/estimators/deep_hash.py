import chainer.functions as F
import numpy
from chainer import backend

from imsat.estimators.base import Estimator
from imsat.devices import get_device
from imsat.errors import InputError
from imsat.retrieval.codes import check_n_bits, pack_bits
from imsat.estimators.hashing import count_distinct
from imsat.links.tanh_network import TanhNetwork
from imsat.estimators.projection import principal_components
from imsat.training.adam import Adam
from imsat.training.evaluation import Evaluator, predict_logits
from imsat.training.iterators import SAMPLINGS, IndexIterator
from imsat.training.train import run_trainer
from imsat.training.updater import Updater


class DeepHasher(Estimator):
    """Deep Hash (Erin Liong et al. 2015), trained without labels.

    A network of hyperbolic tangents whose outputs are near -1 and 1, vary
    much, and whose weights are near orthogonal, see
    :func:`deep_hash_losses`.  It starts from the principal components.

    (?) The weights that the paper prints, 100, .001 and .001, are for terms of
    a scale that could not be had.  Taken by the letter, batch by batch or
    over all data, they let the weights leave orthogonality and the codes
    collapse.  Here quantisation, variance and orthogonality count alike, the
    first two as means over points, and the variance is taken about the mean,
    without which one code for all is best.  Adam is not theirs either.

    Args:
        n_bits (int): D, from 1 to 256.
        hidden (sequence of int): Units of the hidden layers, the paper's
            for 16 bits by default; for 32 it takes 80-50.
        n_init (int): Runs, of which the one with the lowest objective is
            kept.
        epochs (int): Of ``N // batch_size`` iterations each.
        batch_size (int): At most the number of points.
        balance (float): lambda_1, weight of the variance.
        independence (float): lambda_2, weight of orthogonality.
        weight_decay (float): lambda_3, weight of the squares of all
            parameters.
        learning_rate (float): Adam's alpha.
        sampling, device, out, resume, snapshot_seconds, verbose,
            random_state: See :class:`imsat.estimators.imsat.IMSATEstimator`.

    Attributes:
        encoder_ (TanhNetwork): The network.
        mean_ (array): Of the data, shape (d,).
        scale_ (array): The network takes (x - mean) scale, so that the first
            D principal components have variance 1 on average.
        codes_ (array): Codes of the training points, shape
            (N, ceil(D / 8)), uint8.
    """
    _arrays = 'mean_', 'scale_'

    def __init__(self, n_bits=16, *, hidden=(60, 30), n_init=1, epochs=20,
                 batch_size=250, balance=1., independence=1.,
                 weight_decay=.001, learning_rate=.001, sampling='sweep',
                 device=-1, out=None, resume=False, snapshot_seconds=10.,
                 verbose=False, random_state=None):
        self.n_bits = n_bits
        self.hidden = hidden
        self.n_init = n_init
        self.epochs = epochs
        self.batch_size = batch_size
        self.balance = balance
        self.independence = independence
        self.weight_decay = weight_decay
        self.learning_rate = learning_rate
        self.sampling = sampling
        self.device = device
        self.out = out
        self.resume = resume
        self.snapshot_seconds = snapshot_seconds
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X, y=None):
        """Learns from X, shape (N, d); ignores ``y``."""
        X = self._check_data(X)
        self.check(X)
        device = get_device(self.device)
        first = self._network().l1
        mean, components = principal_components(X, len(first.W))
        self.mean_ = mean.astype(numpy.float32)
        # Where the hyperbolic tangents of the first codes bend.
        spread = (X @ components[:, :self.n_bits]).std(axis=0)
        spread = numpy.sqrt(numpy.mean(spread ** 2))
        self.scale_ = numpy.float32(1 / spread if spread else 1)
        x = device.send(self._scale(X))

        def run(seed, folder, progress):
            return self._run(x, components, device, seed, folder, progress)
        best = self._learn(
            run, steps=self.epochs * (X.shape[0] // self.batch_size))
        self.codes_ = pack_bits(best['logits'] > 0)
        return self

    def _run(self, x, components, device, seed, folder, progress):
        network = self._network()
        network.l1.W.array[:components.shape[1]] = components.T
        network.to_device(device)
        updater = Updater(
            IndexIterator(len(x), self.batch_size, self.sampling, seed),
            Adam(self.learning_rate).setup(network), x, self._losses,
            device=device)
        codes = Evaluator(network, x, lambda outputs: {
            'distinct_codes': count_distinct(pack_bits(outputs > 0))})
        log, seconds, steps_per_second = run_trainer(
            updater, self.epochs, [codes], folder=folder, resume=self.resume,
            snapshot_seconds=self.snapshot_seconds, progress=progress)
        objective = log[-1]['main/loss']
        restart = dict(
            objective=float(objective), seconds=seconds, log=log,
            steps_per_second=steps_per_second,
            logits=predict_logits(network, x))
        return objective, restart, {'encoder_': network}

    def _losses(self, network, x, index, step):
        losses = deep_hash_losses(network, x)
        loss = losses['quantization'] - self.balance * losses['variance'] \
            + self.independence * losses['orthogonality'] \
            + self.weight_decay * losses['decay']
        return {'loss': loss, **losses}

    def transform(self, X):
        """Packed codes, shape (N, ceil(D / 8)), uint8."""
        X = self._check_new(X)
        return pack_bits(predict_logits(self.encoder_, self._scale(X)) > 0)

    def _scale(self, X):
        return (X - self.mean_) * self.scale_

    def check(self, X, y=None):
        check_n_bits(self.n_bits)
        for name, least in (('epochs', 1), ('batch_size', 2)):
            self._check_whole(name, least)
        super().check(X, y)
        self._check_at_most(X.shape[0], 'batch_size', 'the size of a batch')
        if self.sampling not in SAMPLINGS:
            raise InputError(f'sampling is {self.sampling!r}; choose one of '
                             f'{", ".join(SAMPLINGS)}')
        get_device(self.device)

    def _network(self, rng=None):
        return TanhNetwork(self.n_features_in_, (*self.hidden, self.n_bits))

    @property
    def _n_features_out(self):
        return (self.n_bits + 7) // 8


def deep_hash_losses(network, x):
    r"""The terms J_1 to J_4 of Erin Liong et al., each with its 1/2.

    With H the outputs, shape (B, D), S their signs, constant, and W, c the
    weights and biases of all layers:

    ========================  ==============================================
    ``quantization``, J_1     :math:`||S - H||^2 / 2B`
    ``variance``, J_2         :math:`||H - mean||^2 / 2B`, to be maximised
    ``orthogonality``, J_3    :math:`\sum ||W W^T - I||^2 / 2`
    ``decay``, J_4            :math:`\sum (||W||^2 + ||c||^2) / 2`
    ========================  ==============================================

    Args:
        network (TanhNetwork): Its outputs and parameters are taken.
        x (array): A batch, shape (B, d).

    Returns:
        dict: The four terms, 0-dimensional Variables.
    """
    h = network(x)
    xp = backend.get_array_module(h)
    sign = xp.where(h.array > 0, 1, -1).astype(h.dtype)
    weights = [layer.W for layer in network.children()]
    return {
        'quantization': F.sum((sign - h) ** 2) / (2 * len(x)),
        'variance': F.sum((h - F.broadcast_to(F.mean(h, axis=0), h.shape))
                          ** 2) / (2 * len(x)),
        'orthogonality': sum(
            F.sum((F.matmul(w, w, transb=True)
                   - xp.eye(len(w), dtype=w.dtype)) ** 2)
            for w in weights) / 2,
        'decay': sum(F.sum(param ** 2) for param in network.params()) / 2}
