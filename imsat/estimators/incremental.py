"""Learning from a stream, a chunk at a time."""
import functools

import chainer
import numpy
from chainer import serializers
from typing_extensions import Self

from imsat.errors import InputError
from imsat.estimators.base import (
    Restart, TrainedEstimator, all_or_nothing, send)
from imsat.hints import Labels, Points
from imsat.losses.loss import IMSATLoss
from imsat.parameters import check_parameters
from imsat.ranks import ranks_of
from imsat.training.adam import Adam, forget_training
from imsat.training.configuration import own_configuration
from imsat.training.evaluation import predict_logits
from imsat.training.extensions import check_finite
from imsat.training.iterators import IndexIterator, draw_neighbors
from imsat.training.updater import Updater

MOST_ENTRIES = 999  # of the log of a stream, beside the last


class Incremental(TrainedEstimator):
    """A method that can go on with what was learnt, chunk by chunk."""

    @all_or_nothing
    @own_configuration()
    def partial_fit(self, X: Points, y: Labels = None) -> Self:
        """Learns from a chunk of a stream, shape (N, d), going on from what
        was learnt so far, by this or by ``fit``; ignores ``y``.

        A chunk is an epoch: each of its points comes once, but for a
        remainder, in batches of ``batch_size_`` or slightly more; all at once
        if they are fewer.  Centre, scale, unit and ``batch_size_`` are those
        of the first chunk and stay, so that it should look like the others.
        sigma_t(x) is among the points of the chunk, and larger than among
        all data: take chunks of thousands, or a smaller ``alpha``.

        ``labels_`` or ``codes_``, ``n_neighbors_``, ``xi_`` and ``warnings_``
        are those of the chunk, ``objective_`` is the mean of its steps,
        ``n_iter_`` the number of chunks, and what Adam gathers goes on, in
        copies and pickles too.  If it fails, the estimator is as before.

        Raises:
            InputError: Also for an uneven prior or delta, which need all
                data, and for several ranks.
        """
        stream = dict(getattr(self, '_stream', {}))
        X = self._check_chunk(X)
        device = self._get_device()
        objective, regularizer = self.make_objective(), self.make_regularizer()
        sigma, radius, indices = self._surroundings(
            X, regularizer.needs_neighbors)
        if not stream:
            stream.update(seed=self._seed(), chunks=0, steps=0, log=[],
                          scale=self._unit(X, sigma))
        seed, scale = stream['seed'], stream['scale']
        encoder = getattr(self, 'encoder_', None)
        if encoder is not None:
            network = encoder.copy('copy')
            network.l1.W.array /= scale
        else:
            network = self._network(numpy.random.RandomState(seed))
        network.to_device(device)
        optimizer = Adam(alpha=self.learning_rate).setup(network)
        if stream['chunks']:
            serializers.NpzDeserializer(stream['optimizer']).load(optimizer)
        n = X.shape[0]
        steps = max(1, n // self.batch_size_)
        iterator = IndexIterator(n, n // steps, 'sweep', seed)
        iterator.iteration = steps * stream['chunks']
        x = send(X * scale, device)
        updater = Updater(
            iterator, optimizer, x, IMSATLoss(
                objective, regularizer,
                device.send(radius * numpy.float32(scale)), seed,
                functools.partial(draw_neighbors, x, indices, device)),
            device, self.step)
        updater.iteration = stream['steps']
        observed = means_of(updater, network, steps)
        check_finite(observed, updater, f'chunk {stream["chunks"] + 1}')
        stream.update(chunks=stream['chunks'] + 1, steps=updater.iteration,
                      optimizer=serializers.npz.serialize(optimizer))
        network.l1.W.array *= scale
        forget_training(network)
        stream['log'] = [*stream['log'][-MOST_ENTRIES:], {
            **observed, 'epoch': stream['chunks'],
            'iteration': stream['steps']}]
        restart = Restart(seed, observed['main/loss'], log=stream['log'],
                          step=updater.step)
        logits = predict_logits(network, X)
        self.encoder_, self.objective_ = network, restart.objective
        self.restarts_, self.best_restart_, self.seed_ = [restart], 0, seed
        self._stream = stream
        self._keep(logits)
        return self

    def _check_chunk(self, X):
        """X as fit has it, once all is checked."""
        objective = self.make_objective()
        if objective.waits or objective.tolerance is not None:
            raise InputError(
                'partial_fit sees one chunk at a time, and an uneven prior or '
                'delta is about all data; leave them out, or take fit')
        if ranks_of(self.communicator).size > 1:
            raise InputError('partial_fit runs on one rank; leave the '
                             'communicator out')
        is_first = not hasattr(self, 'encoder_')
        if is_first:
            X, _ = self._check_data(X)
        else:
            check_parameters(self)
            X = self._check_new(X)
            self._check_task(objective)
            self._check_widths(self.encoder_)
            if X.shape[0] < 2:
                raise InputError('a chunk has a single point, n_samples = 1, '
                                 'and no neighbours; give two or more')
            self._check_neighbors(X)
            self._check_alpha()
            self.warnings_ = []
        stays = not is_first and hasattr(self, 'batch_size_')
        for name, value in self.settle(X).items():
            if name == 'n_neighbors' or not stays:
                setattr(self, f'{name}_', value)
        return X


def means_of(updater, network, steps):
    """Makes some steps; the means of what they report, a dict."""
    reporter, summary = chainer.Reporter(), chainer.DictSummary()
    reporter.add_observer('main', network)
    for _ in range(steps):
        observed = {}
        with reporter.scope(observed):
            updater.update()
        summary.add(observed)
    return {name: float(mean) for name, mean
            in summary.compute_mean().items()}
