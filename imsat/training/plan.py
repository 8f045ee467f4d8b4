"""The step of Eq. 1 as a plan: products and fused functions, no graph.

The batch of VAT's power iteration, the clean one and the perturbed ones lie
one below the other in arrays that are made once.  What may go through the
network together goes in one product; each batch is normalised by its own
statistics.  The gradient of a weight is one product over all batches.
"""
import functools
import operator
from typing import Any

import chainer
import numpy

from imsat.cuda import batch_normalization_relu as normalization
from imsat.cuda import (
    directions, graph, launch, products, runtime, weight_decay)
from imsat.functions.composition import scalars
from imsat.functions.normalization import BatchNormalizationReLU
from imsat.links import Encoder
from imsat.losses import (
    RPT, VAT, Affine, Augmentation, ClusteringObjective, CodeObjective,
    HashingObjective, IMSATLoss, Mean, Neighbor, WeightDecay)
from imsat.losses.augmentation import check_augmented
from imsat.losses.regularizers import draw_rows, move_rows
from imsat.parameters import is_number
from imsat.randomness import DIRECTION, generator
from imsat.ranks import current
from imsat.training.adam import Adam, FlatParameters
from imsat.training.iterators import batch_of, stays

REGULARIZERS = VAT, RPT, WeightDecay, Affine, Augmentation, Neighbor
OBJECTIVES = ClusteringObjective, CodeObjective, HashingObjective


def is_planned(optimizer, x, loss):
    """Whether :class:`Plan` does what Chainer's graph would do."""
    if not (type(loss) is IMSATLoss and type(optimizer) is Adam
            and type(optimizer.target) is Encoder
            and type(loss.objective) in OBJECTIVES
            and not optimizer.amsgrad and not optimizer.adabound
            and not (optimizer.weight_decay_rate and runtime.current.holds(
                optimizer.target.l1.W.array))
            and all(parameter.update_rule.enabled
                    for parameter in optimizer.target.params())
            and x.dtype == optimizer.target.l1.W.dtype
            and x.dtype.char in 'fd'):
        return False
    parts = [part for _, part in parts_of(loss.regularizer)]
    # Kernels take the statistics of a rank's own rows, and an augmentation
    # wants all of a batch.
    if current().size > 1 and (
            runtime.current.holds(optimizer.target.l1.W.array)
            or not all(isinstance(part, VAT | RPT | WeightDecay)
                       for part in parts)):
        return False
    calls = [kind.__call__ for kind in REGULARIZERS]
    return all(type(part).__call__ in calls for part in parts) \
        and sum(map(is_iterated, parts)) <= 1


def parts_of(regularizer, weight=1.):
    """What a regulariser is the mean of, as (weight, part)."""
    if type(regularizer) is not Mean:
        return [(weight, regularizer)]
    return [*parts_of(regularizer.first, weight / 2),
            *parts_of(regularizer.second, weight / 2)]


def is_iterated(part):
    """Whether its direction has to be found, by power iteration."""
    return isinstance(part, VAT) and part.power_iterations > 0


def is_random(part):
    """Whether it begins with random directions."""
    return isinstance(part, VAT | RPT)


class Plan:
    """A step: Eq. 1, its gradient and Adam's update.

    On a GPU each of the fused functions is one launch, if the batch is small
    enough; and if no augmentation has to be called, all of them together are
    one CUDA graph.  What changes from step to step is sent there first.

    Args:
        optimizer (Adam): Set up with an :class:`imsat.Encoder`.
        loss (IMSATLoss): For which :func:`is_planned`.
        captures (bool): Whether it may become a CUDA graph.
    """

    def __init__(self, optimizer, loss, captures=True):
        self.optimizer, self.loss = optimizer, loss
        self.objective = loss.objective
        self.captures, self.ranks = captures, current()
        parts = self.parts = parts_of(loss.regularizer)
        moves = [(weight, part) for weight, part in parts
                 if not isinstance(part, WeightDecay)]
        # The batches: a probe for the power iteration, the clean one, those
        # that are perturbed at once, and what the iteration ends with.
        self.probes = sum(is_iterated(part) for _, part in moves)
        self.clean = self.probes
        self.end = self.clean + 1 + len(moves)
        at_once = iter(range(self.clean + 1, self.end))
        self.moves = [
            (weight, part,
             self.end - 1 if is_iterated(part) else next(at_once))
            for weight, part in moves]
        self.flat: Any = None
        self.rows: Any = None
        self.fixed: list = []

    def suits(self):
        """Whether the loss is still what was planned: an extension may put
        another objective in its place for a while."""
        return self.loss.objective is self.objective

    def __call__(self, x, index, step):
        """Makes the step.

        Args:
            x (array, sparse matrix or OnDisk): All data, shape (N, d).
            index (numpy.ndarray): Which of them, shape (B,), of all ranks
                together.
            step (int): Number of the iteration.

        Returns:
            dict: The loss and its terms, 0-dimensional arrays.
        """
        index = self.rows = self.ranks.rows(numpy.asarray(index))
        fixed = self._fixed(x)
        if self.flat is None or not self.flat.hold() \
                or self.x.shape[1] != len(index) \
                or any(a is not b for a, b in zip(fixed, self.fixed)):
            self._prepare(x, len(index))
            self.fixed = fixed
        device = self.optimizer.target.device
        if self.gathers:
            if index.min() < 0 or index.max() >= len(x):  # no kernel checks
                raise IndexError(f'indices from {index.min()} to '
                                 f'{index.max()}, of {len(x)} points')
        else:
            self.x[self.clean] = batch_of(x, index, device)
        if stays(x):
            self.data[...] = self.x[self.clean]
            for here, of_all in zip((self.radius, self.xi), self.lengths):
                here[...] = of_all[device.send(index)]
            index = numpy.arange(len(index))
        if not self.on_gpu:
            self.index[...] = index
        (rng, d), keys = self._draw_first(step), []
        for _, part, batch in self.moves:
            if self.on_gpu and is_random(part):
                keys += rng.integers(2 ** 63), 0
            else:
                self._move(part, batch, rng, d)
                d = None
        objective, penalty = self.loss.objective, self.loss.penalty
        # All terms come in linearly.
        weights = [objective.combine(self.terms(*unit), penalty)
                   for unit in numpy.eye(3).tolist()]
        rate = self.flat.count()
        if self.on_gpu:
            self.integers.set(numpy.array(
                [*index.tolist(), *keys], numpy.int64))
            self.reals.set(numpy.array([*weights, rate], self.x.dtype))
        else:
            self.weights[...] = weights
        self.run()
        return self._terms()

    def _fixed(self, x):
        """What a CUDA graph takes for granted, beside the parameters."""
        network, adam = self.optimizer.target, self.optimizer.hyperparam
        bns = [getattr(network, f'bn{i}')
               for i in range(1, network.n_hidden + 1)]
        return [x, self.loss.radius, adam.beta1, adam.beta2, adam.eps, *(
            value for bn in bns
            for value in (bn.avg_mean, bn.avg_var, bn.eps, bn.decay))]

    def _step(self):
        self._perturb()
        self._forward(0, self.end - self.probes)
        for _, part, batch in self.moves:
            if is_iterated(part):
                self._iterate(part, batch)
        self._differentiate()
        self._backward(self.clean, self.end, wanted=True)
        self._decay()
        if self.ranks.size > 1:
            _, g = self.flat.pair()
            g[...], = self.ranks.average(g)
            self.values[...], = self.ranks.average(self.values)
        self.flat.update(self.rate)

    def _prepare(self, x, size):
        self.flat = FlatParameters(self.optimizer)
        network, dtype = self.optimizer.target, x.dtype
        send = network.device.send

        def make(width, batches=self.end):
            return send(numpy.zeros((batches, size, width), dtype))
        self.x, self.layers = make(x.shape[1]), []
        self.gx = make(x.shape[1], self.probes)
        h, gh = self.x, self.gx
        for i in range(1, network.n_hidden + 2):
            layer = Layer(network[f'l{i}'], getattr(network, f'bn{i}', None),
                          h, gh, make)
            self.layers.append(layer)
            h, gh = layer.h, layer.g
        self.y, self.gy = h, gh
        # The fused functions behind both, to be called without a graph.
        y = chainer.Variable(h[0])
        terms = self.loss.objective.information(y)
        self.terms, self.information = type(terms), terms[0].creator_node
        self.distance = self.loss.objective.distance(h[0], y).creator_node
        self.number = functools.cache(
            lambda number: send(numpy.asarray(number, dtype)))
        self.decays = [
            (weight * part.rate, *arrays) for weight, part in self.parts
            if isinstance(part, WeightDecay)
            for arrays in (self.flat.weights() if part.weights_only
                           else [self.flat.pair()])]
        # Three terms of the information, their sum, and R's parts.
        self.values = send(numpy.zeros(
            4 + len(self.moves) + len(self.decays), dtype))
        self.shares = scalars(self.values)[4:]
        self.on_gpu = runtime.current.holds(self.x)
        self._prepare_inputs(x, size, send)

    def _prepare_inputs(self, x, size, send):
        """What the host writes before the step."""
        elsewhere, dtype = stays(x), x.dtype
        randoms = [is_random(part) for _, part, _ in self.moves]
        # Whether the perturbation takes the batch from all data.
        self.gathers = self.on_gpu and not elsewhere and any(randoms) \
            and all(randoms)
        self.integers = send(
            numpy.zeros(size + 2 * sum(randoms), numpy.int64))
        self.index = self.integers[:size]
        self.keys = self.integers[size:].reshape(-1, 2)
        self.reals = send(numpy.zeros(4, dtype))
        self.weights, self.rate = self.reals[:3], scalars(self.reals)[3]
        radius = self.loss.radius.astype(dtype, copy=False)
        xi = next((part.step(radius, x.shape[1]) for _, part, _ in self.moves
                   if is_iterated(part)), 0.)
        if is_number(xi):
            xi = send(numpy.full(len(radius), xi, dtype))
        # How far a point is moved, in the end and as a probe.
        self.lengths = self.radius, self.xi = radius, xi
        self.data = x
        if elsewhere:
            self.radius, self.xi = (
                send(numpy.zeros(size, dtype)) for _ in self.lengths)
            self.data = send(numpy.zeros(self.x.shape[1:], dtype))
        elif self.gathers:
            self.data = runtime.current.contiguous(x)
        captures = self.captures and self.on_gpu and all(randoms) \
            and type(self.loss.objective) is not CodeObjective \
            and launch.fits_one_block(*self.y.shape[1:])
        self.run = graph.captured(self._step) if captures else self._step

    def _draw_first(self, step):
        """The step's generator, and the direction if that comes first."""
        rng = generator(self.loss.seed, DIRECTION, step)
        comes_first = not self.on_gpu and self.moves \
            and is_random(self.moves[0][1])
        return rng, self._draw(rng) if comes_first else None

    def _draw(self, rng):
        """Random directions of this rank's rows."""
        x = self.x[self.clean]
        return self.ranks.rows(draw_rows(
            (len(x) * self.ranks.size, x.shape[1]), x.dtype, rng))

    def _move(self, part, batch, rng, d=None):
        """Perturbs, or begins the power iteration, Eq. 6."""
        x = self.x[self.clean]
        if is_random(part):
            if d is None:
                d = self._draw(rng)
            length, out = (self.xi, self.x[0]) if is_iterated(part) \
                else (self.radius, self.x[batch])
            move_rows(x, d, length, out, self.index)
            return
        if isinstance(part, Neighbor):
            self.x[batch] = self.loss.near(self.rows, rng, part.nearest)
            return
        transform = part.transform() if isinstance(part, Affine) \
            else part.transform
        moved = check_augmented(transform(x.copy(), rng), x)
        self.x[batch] = getattr(moved, 'array', moved)

    def _perturb(self):
        """:meth:`_move` of random directions, drawn on the GPU."""
        if not self.on_gpu:
            return
        randoms = [(part, batch) for _, part, batch in self.moves
                   if is_random(part)]
        for (part, batch), key in zip(randoms, self.keys):
            moved, radius = (self.x[0], self.xi) if is_iterated(part) \
                else (self.x[batch], self.radius)
            directions.perturb_randomly(
                self.data, self.index, key, radius=radius,
                batch=self.x[self.clean], moved=moved)

    def _iterate(self, part, batch):
        """Eq. 6: the direction in which the distance grows fastest."""
        x = self.x[self.clean]
        for k in range(part.power_iterations):
            if k:
                move_rows(x, self.gx[0], self.xi, self.x[0], self.index)
                self._forward(0, 1)
            # xi, since the input moves by xi d; only its direction counts.
            self._distance(0, part.xi if is_number(part.xi) else 1.)
            self._backward(0, 1, wanted=False)
        move_rows(x, self.gx[0], self.radius, self.x[batch], self.index)
        self._forward(batch, batch + 1)

    def _forward(self, start, end):
        """The logits of some of the batches."""
        for layer in self.layers:
            layer.forward(start, end, self.clean)

    def _differentiate(self):
        """Eq. 1 and its gradients to all logits."""
        self.information.value_and_gradient(
            self.y[self.clean], self.weights, self.values[:4],
            self.gy[self.clean])
        for (weight, _, batch), share in zip(self.moves, self.shares):
            self._distance(batch, weight, share)

    def _distance(self, batch, weight, value=None):
        """How far a batch's predictions are from the clean ones, and the
        gradient of ``weight`` times that to its logits."""
        self.distance.value_and_gradient(
            self.y[self.clean], self.y[batch], self.number(weight), value,
            self.gy[batch])

    def _backward(self, start, end, wanted):
        """From the gradients to logits those to parameters, or if these are
        not wanted, that to the input."""
        for layer in reversed(self.layers):
            layer.backward(start, end, wanted,
                           not wanted or layer is not self.layers[0])

    def _decay(self):
        shares = self.shares[len(self.moves):]
        for (rate, p, g), share in zip(self.decays, shares):
            if self.on_gpu:
                weight_decay.add_gradient(p, g, rate, share)
            else:
                g += rate * p
                share[...] = rate / 2 * p.dot(p)

    def _terms(self):
        # The next step writes over them.
        a, b, c, total, *shares = scalars(self.values.copy())
        information = self.terms(a, b, c)
        if not self.on_gpu:
            total = self.loss.objective.combine(
                information, self.loss.penalty)
        at_first = max(len(self.moves), 1)
        sat = functools.reduce(operator.add, shares[:at_first])
        loss = total + sat
        for share in shares[at_first:]:
            sat, loss = sat + share, loss + share
        return {'loss': loss, 'sat': sat, **information._asdict()}


class Layer:
    """A linear layer with the batch normalization and ReLU above it, if any.

    Args:
        linear (chainer.links.Linear): The first.
        normalization (chainer.links.BatchNormalization): The second, or None.
        inputs, ginputs (array): What it is given, shape (batches, B, d), and
            where to leave the gradient to that.
        make: Function of a width to an array for all batches.

    Attributes:
        h, g (array): Its output, shape (batches, B, D), and the gradient to
            it, which becomes that to the product.
    """

    def __init__(self, linear, normalization, inputs, ginputs, make):
        units = len(linear.b)
        self.linear, self.bn = linear, normalization
        self.inputs, self.ginputs = inputs, ginputs
        self.z, self.g = make(units), make(units)
        self.h = self.z if self.bn is None else make(units)
        self.nodes = {}
        self.on_gpu = runtime.current.holds(inputs)
        if self.on_gpu:
            self.ones = make(1)
            self.ones[...] = 1
            self.saved = runtime.current.zeros(
                (2, len(inputs), units), inputs.dtype)

    def forward(self, start, end, clean):
        W, b = self.linear.W.array, self.linear.b.array
        z = _rows(self.z, start, end)
        _product(_rows(self.inputs, start, end), W.T, z)
        if self.bn is None:
            if self.on_gpu:
                products.product(
                    _rows(self.ones, start, end), b[None], z, add=True)
            else:
                z += b
            return
        # The normalization takes away again what b would add.
        bn, gamma, beta = self.bn, self.bn.gamma.array, self.bn.beta.array
        if self.on_gpu:
            running = dict(
                running_mean=bn.avg_mean, running_var=bn.avg_var,
                decay=bn.decay, learns_from=clean - start
            ) if start <= clean < end else {}
            normalization.forward_groups(
                z, gamma, beta, end - start, b, bn.eps, **running,
                y=_rows(self.h, start, end), saved=self.saved[:, start:end])
            return
        for i in range(start, end):
            mean, var = None, None
            if i == clean:
                mean, var = bn.avg_mean, bn.avg_var
            self.nodes[i] = BatchNormalizationReLU(
                bn.eps, mean, var, bn.decay)
            self.nodes[i].forward_into((self.z[i], gamma, beta), self.h[i])
            if mean is not None:
                mean += (1 - bn.decay) * b

    def backward(self, start, end, wanted, to_inputs):
        W, b, bn = self.linear.W, self.linear.b, self.bn
        g = _rows(self.g, start, end)
        if bn is not None and self.on_gpu:
            normalization.backward_groups(
                _rows(self.z, start, end), bn.gamma.array, bn.beta.array,
                self.saved[:, start:end], g, end - start, g,
                *((bn.gamma.grad, bn.beta.grad, b.grad) if wanted else ()))
        elif bn is not None:
            gammas = bn.gamma.grad, bn.beta.grad
            if wanted:
                for gradient in gammas:
                    gradient[...] = 0
            for i in range(start, end):
                self.nodes[i].backward_into(
                    (self.z[i], bn.gamma.array, bn.beta.array), self.g[i],
                    *gammas)
        if wanted:
            _product(g.T, _rows(self.inputs, start, end), W.grad)
            if not self.on_gpu:
                # Behind a normalization it is 0.
                b.grad[...] = 0 if bn is not None else g.sum(axis=0)
            elif bn is None:
                products.product(
                    _rows(self.ones, start, end).T, g, b.grad[None])
        if to_inputs:
            _product(g, W.array, _rows(self.ginputs, start, end))


def _product(a, b, out):
    product = products.product if runtime.current.holds(out) \
        else numpy.matmul
    product(a, b, out)


def _rows(array, start, end):
    """Some of the batches, one below the other."""
    return array[start:end].reshape(-1, array.shape[-1])
