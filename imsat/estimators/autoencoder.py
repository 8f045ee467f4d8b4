"""Clustering of codes: dAE+K-means and DEC (Xie et al. 2016)."""
import dataclasses
import functools
import math
from typing import Any, ClassVar

import chainer
import chainer.functions as F
import numpy
import scipy.sparse
from chainer import backend
from sklearn.cluster import KMeans
from typing_extensions import Self

from imsat.estimators.base import (
    Clusterer, Restart, TrainedEstimator, over_ranks, send)
from imsat.functions.probabilities import log_softmax
from imsat.hints import Labels, Points
from imsat.links.autoencoder import (
    Autoencoder, StudentClusters, encode, encode_layer, target_distribution)
from imsat.metrics import clustering_accuracy
from imsat.parameters import (
    Auto, Number, Whole, again, documented, layers, parameter)
from imsat.randomness import NOISE, generator
from imsat.ranks import current
from imsat.storage import Like
from imsat.training.adam import Adam
from imsat.training.evaluation import predict, predict_logits, softmax
from imsat.training.extensions import Evaluator
from imsat.training.phases import Phases

ITERATIONS = 20_000  # of the fine-tuning, by default


@documented
@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class DAEKMeans(Clusterer, TrainedEstimator):
    """K-means on the code of a stacked denoising autoencoder.

    Each layer learns to undo the corruption of its own input; then all of
    them, without noise, to reconstruct the data.  Points are moved so that
    their smallest value is 0 (the background of images) and scaled so that
    :math:`||x||^2 / d` is 1 on average.

    Xie et al. train by SGD, whatever the data 50,000 iterations a layer and
    100,000 of all layers together; here Adam takes a fifth of that.

    Attributes:
        encoder_ (StudentClusters): The encoder and its centres.
        shift_, scale_ (float): The encoder takes (x - shift) scale.
        labels_ (array): Cluster of every training point, shape (N,).
        objective_ (float): K-means' sum of squares, in the code.

    Example:
        >>> x = numpy.random.default_rng(0).normal(size=(60, 4))
        >>> model = imsat.DAEKMeans(3, hidden=(8,), n_code=2, epochs=1,
        ...                         batch_size=20, random_state=0).fit(x)
        >>> model.transform(x).shape
        (60, 2)
    """
    _accept_sparse: ClassVar[bool | str] = 'csr'
    _batch: ClassVar[int] = 256

    hidden: tuple = again(TrainedEstimator, 'hidden',
                          default=(500, 500, 2000))
    n_code: int = parameter(10, Whole(1), 'dimension of the code')
    n_init: int = again(TrainedEstimator, 'n_init', default=12)
    noise: float = parameter(
        .2, Number(0, 1, open=')'), 'share of the inputs that is set to 0')
    epochs: int | None = again(
        TrainedEstimator, 'epochs', default=None,
        kind=Whole(1, optional=True), help='of all layers together, each '
        'layer having half as many before; None for as many as make 20,000 '
        'iterations')
    batch_size: Any = again(
        TrainedEstimator, 'batch_size', kind=Auto(Whole(1)),
        help='points of a step; "auto": 256 as in Xie et al., or a quarter of '
        'fewer than 1,024 points')
    learning_rate: float = again(TrainedEstimator, 'learning_rate',
                                 default=.001)
    sampling: str = again(TrainedEstimator, 'sampling', default='sweep')

    @over_ranks
    def fit(self, X: Points, y: Labels = None) -> Self:
        """Learns from X, shape (N, d), dense or scipy sparse.

        ``y``, labels of shape (N,), never changes what is learnt.  After
        Ctrl-C no further phase is trained, and K-means clusters what there
        is, with a warning, unless ``out`` has snapshots to go on from.
        """
        X, y = self._check_data(X, y)
        device = self._get_device()
        self._fit_scale(X)
        x = send(self._scale(X), device)
        self.batch_size_ = self.settle(X)['batch_size']
        steps = X.shape[0] // self.batch_size_
        epochs = self.epochs or -(-ITERATIONS // steps)
        total = epochs + len(self._sizes) * half(epochs) + self._last_epochs
        # Not n_init, which is that of K-means.
        restarts = self.restarts(1, total * steps)
        for seed, session in restarts:
            phases = Phases(session, x, self.batch_size_, self.sampling, seed)
            network, terms = self.train_code(phases, device, epochs, seed)
            terms.update(self.train_clusters(network, x, y, phases))
            logits = predict_logits(network, x)
            restarts.add(Restart(
                seed, terms.pop('objective'), seconds=phases.seconds,
                log=phases.log, steps_per_second=phases.steps_per_second,
                logits=logits, terms=terms),
                encoder_=network, labels_=logits.argmax(axis=1))
            if phases.stopped is not None:
                self._warn(f'fit was stopped in {phases.stopped}, after '
                           f'{phases.epochs} epochs in all; what was learnt '
                           f'is kept')
        self._warn_of_empty()
        return self

    def transform(self, X: Points) -> numpy.ndarray:
        """The code, shape (N, n_code), float32."""
        X = self._check_new(X)
        return self._of_scaled(
            functools.partial(encode, self.encoder_.encoder), X)

    def predict(self, X: Points) -> numpy.ndarray:
        """The cluster of each point, shape (N,)."""
        return self._logits(X).argmax(axis=1)

    def made_with(self, but=('epochs', 'n_init', 'n_clusters'), cls=None):
        # The phases before K-means, in which DEC does the same.
        return super().made_with(but, cls or DAEKMeans)

    def train_code(self, phases, device, epochs, seed):
        """The encoder and its centres by K-means, and what is said of it."""
        x = phases.x
        autoencoder = Autoencoder(x.shape[1], self._sizes,
                                  numpy.random.RandomState(seed))
        autoencoder.to_device(device)
        for i in range(len(self._sizes)):
            phases.run(f'layer-{i + 1}', autoencoder, Adam(self.learning_rate),
                       functools.partial(denoising_loss, i, self.noise, seed),
                       half(epochs))
        phases.run('fine-tuning', autoencoder, Adam(self.learning_rate),
                   reconstruction_loss, epochs)
        if not phases.log:  # Ctrl-C came before anything was learnt
            raise KeyboardInterrupt
        last = phases.log[-1]
        terms = {'reconstruction': float(last['main/reconstruction'])} \
            if last['phase'] == 'fine-tuning' else {}
        encoder = autoencoder.encoder
        code = predict(functools.partial(encode, encoder), x, device)
        kmeans = current().tell(lambda: KMeans(
            self.n_clusters, n_init=self.n_init, random_state=seed).fit(code))
        network = StudentClusters(encoder.copy(), kmeans.cluster_centers_)
        network.to_device(device)
        return network, {**terms, 'objective': float(kmeans.inertia_)}

    @property
    def _last_epochs(self):
        """Of whatever follows the fine-tuning, at most."""
        return 0

    def train_clusters(self, network, x, labels, phases):
        """Trains the clusters further; returns what to add to the terms."""
        return {}

    def _network(self, rng=None):
        encoder = Autoencoder(self.n_features_in_, self._sizes, rng).encoder
        return StudentClusters(encoder.copy(), numpy.zeros(
            (self.n_clusters, self.n_code), numpy.float32))

    def _like(self):
        return {**super()._like(),
                'shift_': Like(()), 'scale_': Like((), least=0)}

    def _widths(self, d):
        return d, *self._sizes, self.n_clusters

    def _fit_scale(self, X):
        # Zeros of sparse data stay where they are.
        sparse = scipy.sparse.issparse(X)
        self.shift_ = 0. if sparse else float(X.min())
        values = X.data if sparse else X - numpy.float32(self.shift_)
        squares = numpy.square(values).sum(dtype=numpy.float64)
        self.scale_ = float(numpy.sqrt(
            X.shape[0] * X.shape[1] / squares)) if squares else 1.

    def _scale(self, X):
        if self.shift_:
            X = X - numpy.float32(self.shift_)
        return X * numpy.float32(self.scale_)

    def _of_scaled(self, function, X):
        """``function`` of all of X as a NumPy array, scaled a batch at a time:
        sparse points have no zeros left once they are moved."""
        return predict(lambda x: function(self._scale(x)), X,
                       self.encoder_.device)

    def _logits(self, X):
        X = self._check_new(X)
        return self._of_scaled(self.encoder_, X)

    @property
    def _sizes(self):
        return *layers(self.hidden), self.n_code

    @property
    def _n_features_out(self):
        return self.encoder_.encoder[-1].W.shape[0]


@documented
@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class DEC(DAEKMeans):
    """Deep embedded clustering (Xie et al. 2016).

    The encoder of :class:`DAEKMeans` and its centres go on to learn from
    their own confident assignments: KL[P || Q] is minimised by SGD with
    momentum, where P, a sharpened Q, is taken anew from all data after every
    epoch, until less than ``tol`` of the points change their cluster.

    Attributes:
        objective_ (float): KL[P || Q] in nats a point, of all data.

    Example:
        >>> x = numpy.random.default_rng(0).normal(size=(60, 4))
        >>> model = imsat.DEC(3, hidden=(8,), n_code=2, epochs=1,
        ...                   max_epochs=2, batch_size=20, random_state=0)
        >>> model.fit(x).predict_proba(x).shape
        (60, 3)
    """
    n_init: int = again(DAEKMeans, 'n_init', default=20)
    tol: float = parameter(
        .001, Number(), 'DEC trains until less than this share of the points '
        'change their cluster, .001 in Xie et al.')
    max_epochs: int = parameter(
        100, Whole(1), 'of DEC\'s last phase, at most')
    self_training_rate: float = parameter(
        .01, Number(), 'learning rate of DEC\'s last phase')

    def predict_proba(self, X: Points) -> numpy.ndarray:
        """q of Eq. 1 of Xie et al., shape (N, K), float64."""
        return softmax(self._logits(X))

    def predict_log_proba(self, X: Points) -> numpy.ndarray:
        """log q, shape (N, K), float64, finite however small q."""
        return log_softmax(self._logits(X).astype(numpy.float64))

    def train_clusters(self, network, x, labels, phases):
        training = SelfTraining(network, x, labels)
        optimizer = chainer.optimizers.MomentumSGD(
            self.self_training_rate, momentum=.9)
        phases.run('self-training', network, optimizer, training.losses,
                   self.max_epochs, [training],
                   lambda: training.changed < self.tol,
                   self.made_with(('epochs', 'max_epochs'), DEC))
        if phases.stopped is not None:
            training.update(predict_logits(network, x))
        return {'objective': training.divergence,
                'changed': training.changed}

    @property
    def _last_epochs(self):
        return self.max_epochs


def half(epochs):
    return -(-epochs // 2)


def denoising_loss(layer, noise, seed, model, x, index, step):
    """Mean square of what a layer and its inverse miss of their input."""
    h = chainer.as_variable(current().rows(x))
    with chainer.no_backprop_mode():
        for i in range(layer):
            h = encode_layer(model.encoder, i, h)
    rng = generator(seed, NOISE, step, layer)
    y = model.denoise_layer(layer, h.array, rng, noise)
    loss = F.mean_squared_error(y, h.array)
    return {'loss': loss, 'reconstruction': loss}


def reconstruction_loss(model, x, index, step):
    x = current().rows(x)
    loss = F.mean_squared_error(model(x), x)
    return {'loss': loss, 'reconstruction': loss}


class SelfTraining(Evaluator):
    """DEC's last phase: its target, its loss and when it is done.

    Attributes:
        p (array): Eq. 3 of Xie et al. of all data, shape (N, K).
        changed (float): Share of the points whose cluster the last epoch
            changed.
        divergence (float): KL[P || Q] of all data after it, in nats a point.
    """

    def __init__(self, model, x, labels):
        super().__init__(model, x, self.update)
        self.labels = labels
        self.changed, self.divergence = math.inf, 0.
        logits = predict_logits(model, x)
        self.clusters = logits.argmax(axis=1)
        self.p = model.device.send(self._target(logits))

    def losses(self, model, x, index, step):
        rows = current().rows
        return {'loss': divergence(self.p[rows(index)], model(rows(x)))}

    def update(self, logits):
        """Takes what the network now says of all data; what to log of it."""
        clusters = logits.argmax(axis=1)
        self.changed = float((clusters != self.clusters).mean())
        self.clusters[...] = clusters
        p = self._target(logits)
        self.divergence = float(divergence(p, logits).array)
        self.p[...] = self.model.device.send(p)
        report = {'changed': self.changed, 'divergence': self.divergence}
        if self.labels is not None:
            report['accuracy'] = clustering_accuracy(self.labels, clusters)
        return report

    def _target(self, logits):
        return target_distribution(softmax(logits)).astype(numpy.float32)

    def serialize(self, serializer):
        for name in 'p', 'clusters', 'changed', 'divergence':
            setattr(self, name, serializer(name, getattr(self, name)))


def divergence(p, logits):
    """KL[P || Q] in nats a point (Eq. 2 of Xie et al.), differentiable to
    the logits of Q; p is an array of shape (B, K)."""
    xp = backend.get_array_module(p)
    entropy = -(p * xp.log(xp.maximum(p, 1e-30))).sum()
    return (-F.sum(p * F.log_softmax(logits)) - entropy) / len(p)
