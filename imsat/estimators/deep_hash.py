"""Deep Hash, to compare with."""
import dataclasses
import functools

import chainer.functions as F
import numpy
from chainer import backend
from typing_extensions import Self

from imsat.estimators.base import (
    Hasher, Restart, TrainedEstimator, over_ranks)
from imsat.estimators.projection import principal_components
from imsat.hints import Labels, Points
from imsat.links.tanh_network import TanhNetwork
from imsat.parameters import (
    Number, again, documented, layers, parameter)
from imsat.ranks import current
from imsat.retrieval.codes import codes_of
from imsat.storage import Like
from imsat.training.adam import Adam
from imsat.training.evaluation import predict_logits
from imsat.training.extensions import Evaluator
from imsat.training.iterators import IndexIterator
from imsat.training.updater import Updater


@documented
@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class DeepHasher(Hasher, TrainedEstimator):
    """Deep Hash (Erin Liong et al. 2015), trained without labels.

    A network of hyperbolic tangents whose outputs are near -1 and 1, vary
    much, and whose weights are near orthogonal, see
    ``deep_hash_losses``.  It starts from the principal components.

    (?) The weights that the paper prints, 100, .001 and .001, are for terms of
    a scale that could not be had.  Taken by the letter, batch by batch or
    over all data, they let the weights leave orthogonality and the codes
    collapse.  Here quantisation, variance and orthogonality count alike, the
    first two as means over points, and the variance is taken about the mean,
    without which one code for all is best.  Adam is not theirs either.

    Attributes:
        encoder_ (TanhNetwork): The network.
        mean_ (array): Of the data, shape (d,).
        scale_ (array): The network takes (x - mean) scale, so that the first
            D principal components have variance 1 on average.
        codes_ (array): Codes of the training points, shape
            (N, ceil(D / 8)), uint8.

    Example:
        >>> x = numpy.random.default_rng(0).normal(size=(60, 8))
        >>> hasher = imsat.DeepHasher(4, hidden=(6,), epochs=2, batch_size=20,
        ...                           random_state=0).fit(x)
        >>> hasher.codes_.shape
        (60, 1)
    """
    hidden: tuple = again(TrainedEstimator, 'hidden', default=(60, 30))
    epochs: int = again(TrainedEstimator, 'epochs', default=20)
    balance: float = parameter(
        1., Number(), 'lambda_1 of Deep Hash, weight of the variance of the '
        'outputs')
    independence: float = parameter(
        1., Number(), 'lambda_2 of Deep Hash, weight of the orthogonality of '
        'the weights')
    weight_decay: float = parameter(
        .001, Number(), 'lambda_3 of Deep Hash, weight of the squares of all '
        'parameters')
    learning_rate: float = again(TrainedEstimator, 'learning_rate',
                                 default=.001)
    sampling: str = again(TrainedEstimator, 'sampling', default='sweep')

    @over_ranks
    def fit(self, X: Points, y: Labels = None) -> Self:
        """Learns from X, shape (N, d); ignores ``y``.

        Ctrl-C after the first epoch keeps what is learnt, with a warning,
        unless ``out`` has snapshots to go on from.
        """
        X, _ = self._check_data(X)
        device = self._get_device()
        first = self._network().l1
        mean, components = principal_components(X, len(first.W))
        self.mean_ = mean.astype(numpy.float32)
        # Where the hyperbolic tangents of the first codes bend.
        spread = (X @ components[:, :self.n_bits]).std(axis=0)
        spread = numpy.sqrt(numpy.mean(spread ** 2))
        self.scale_ = numpy.float32(1 / spread if spread else 1)
        x = device.send(self._scale(X))
        self.batch_size_ = self.settle(X)['batch_size']
        restarts = self.restarts(
            self.n_init, self.epochs * (X.shape[0] // self.batch_size_))
        train = functools.partial(self._train, x=x, components=components)
        for restart, network, is_stopped in restarts.run(train):
            if restart is None:  # nothing has been learnt
                if not self.restarts_:
                    raise KeyboardInterrupt
                restarts.is_stopped = True
                self._warn_of_stop(
                    f'in the first epoch of restart {restarts.index + 1} of '
                    f'{self.n_init}; what was learnt before is kept')
                continue
            restarts.add(restart, encoder_=network)
            if is_stopped:
                restarts.stop(restart, self.epochs)
        best = self.restarts_[self.best_restart_]
        self.codes_ = self._codes(best.logits)
        self._warn_of_constant(self.codes_, self.n_bits)
        return self

    def _train(self, seed, session, *, x, components):
        """A restart, None if there is no epoch of it, its network, and
        whether Ctrl-C ended it."""
        network = self._network()
        network.l1.W.array[:components.shape[1]] = components.T
        network.to_device(self._get_device())
        training = session.run(
            Updater(IndexIterator(len(x), self.batch_size_, self.sampling,
                                  seed),
                    Adam(self.learning_rate).setup(network), x, self.loss,
                    self._get_device()),
            self.epochs, [Evaluator(network, x, self._count_codes)],
            keeps=True)
        restart = Restart(
            seed, float(training.log[-1]['main/loss']),
            logits=predict_logits(network, x), **vars(training)) \
            if training.log else None
        return restart, network, session.is_stopped

    def loss(self, network, x, index, step):
        """What a step minimises, with the terms of deep_hash_losses."""
        losses = deep_hash_losses(network, x)
        loss = losses['quantization'] - self.balance * losses['variance'] \
            + self.independence * losses['orthogonality'] \
            + self.weight_decay * losses['decay']
        return {'loss': loss, **losses}

    def transform(self, X: Points) -> numpy.ndarray:
        """Packed codes, shape (N, ceil(D / 8)), uint8."""
        X = self._check_new(X)
        return self._codes(predict_logits(self.encoder_, self._scale(X)))

    def _codes(self, outputs):
        return codes_of(outputs)

    def _scale(self, X):
        return (X - self.mean_) * self.scale_

    def _like(self):
        return {**super()._like(), 'mean_': Like((self.n_features_in_,)),
                'scale_': Like((), least=0)}

    @property
    def _n_fitted(self):
        network = self.encoder_
        return network[f'l{network.n_layers}'].W.shape[0]

    def _widths(self, d):
        return d, *layers(self.hidden), self.n_bits

    def _network(self, rng=None):
        n_in, *sizes = self._widths(self.n_features_in_)
        return TanhNetwork(n_in, sizes)


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
    ranks = current()
    x = ranks.rows(x)
    h = network(x)
    mean = F.mean(h, axis=0)
    if ranks.size > 1:
        # Of all rows; the deviations sum to 0, so that it counts as constant.
        mean, = ranks.average(mean.array)
    xp = backend.get_array_module(h)
    sign = xp.where(h.array > 0, 1, -1).astype(h.dtype)
    weights = [layer.W for layer in network.children()]
    return {
        'quantization': F.sum((sign - h) ** 2) / (2 * len(x)),
        'variance': F.sum((h - F.broadcast_to(mean, h.shape))
                          ** 2) / (2 * len(x)),
        'orthogonality': sum(
            F.sum((F.matmul(w, w, transb=True)
                   - xp.eye(len(w), dtype=w.dtype)) ** 2)
            for w in weights) / 2,
        'decay': sum(F.sum(param ** 2) for param in network.params()) / 2}
