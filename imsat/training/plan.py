"""The step of Eq. 1 as a plan: products and fused functions, no graph.

The batch of VAT's power iteration, the clean one and the perturbed ones lie
one below the other in arrays that are made once.  What may go through the
network together goes in one product; each batch is normalised by its own
statistics.  The gradient of a weight is one product over all batches.
"""
import functools
from typing import Any

import chainer
import numpy
from chainer import backend

from imsat.cuda import runtime
from imsat.functions.normalization import BatchNormalizationReLU
from imsat.links import Encoder
from imsat.losses import (
    RPT, VAT, Affine, Augmentation, ClusteringObjective, CodeObjective,
    HashingObjective, IMSATLoss, Mean, WeightDecay)
from imsat.losses.augmentation import check_augmented
from imsat.losses.regularizers import draw_rows, move_rows
from imsat.randomness import DIRECTION, generator
from imsat.training.adam import Adam, FlatParameters

REGULARIZERS = VAT, RPT, WeightDecay, Affine, Augmentation
OBJECTIVES = ClusteringObjective, CodeObjective, HashingObjective


def is_planned(optimizer, x, loss):
    """Whether :class:`Plan` does what Chainer's graph would do."""
    if not (type(loss) is IMSATLoss and type(optimizer) is Adam
            and type(optimizer.target) is Encoder
            and type(loss.objective) in OBJECTIVES
            and not optimizer.amsgrad and not optimizer.adabound
            and all(parameter.update_rule.enabled
                    for parameter in optimizer.target.params())
            and x.dtype == optimizer.target.l1.W.dtype
            and x.dtype.char in 'fd'):
        return False
    parts = [part for _, part in parts_of(loss.regularizer)]
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


class Plan:
    """A step: Eq. 1, its gradient and Adam's update.

    Args:
        optimizer (Adam): Set up with an :class:`imsat.Encoder`.
        loss (IMSATLoss): For which :func:`is_planned`.
    """

    def __init__(self, optimizer, loss):
        self.optimizer, self.loss = optimizer, loss
        parts = parts_of(loss.regularizer)
        self.decays = [(weight, part) for weight, part in parts
                       if isinstance(part, WeightDecay)]
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

    def __call__(self, x, index, step):
        """Makes the step.

        Args:
            x (array): The batch, shape (B, d).
            index (array): Which points of all these are, shape (B,).
            step (int): Number of the iteration.

        Returns:
            dict: The loss and its terms, 0-dimensional arrays.
        """
        if self.flat is None or not self.flat.hold() \
                or self.x.shape[1:] != x.shape:
            self._prepare(x)
        self.x[self.clean] = x
        radius = self.loss.radius[index].astype(x.dtype, copy=False)
        rng = generator(self.loss.seed, DIRECTION, step)
        for _, part, batch in self.moves:
            self._move(part, batch, radius, rng)
        self._forward(0, self.end - self.probes)
        for _, part, batch in self.moves:
            if is_iterated(part):
                self._iterate(part, batch, radius)
        terms = self._differentiate()
        self._backward(self.clean, self.end, wanted=True)
        self._decay(terms)
        self.flat.update()
        return terms

    def _prepare(self, x):
        self.flat = FlatParameters(self.optimizer)
        network = self.optimizer.target
        send = network.device.send

        def make(width, batches=self.end):
            return send(numpy.zeros((batches, len(x), width), x.dtype))
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
            lambda number: send(numpy.asarray(number, x.dtype)))

    def _move(self, part, batch, radius, rng):
        """Perturbs, or begins the power iteration, Eq. 6."""
        x = self.x[self.clean]
        if isinstance(part, VAT | RPT):
            d = draw_rows(x.shape, x.dtype, rng, runtime.current.holds(x))
            if isinstance(part, VAT) and part.power_iterations:
                self.xi = backend.get_array_module(x).full_like(
                    radius, part.xi)
                move_rows(x, d, self.xi, self.x[0])
            else:
                move_rows(x, d, radius, self.x[batch])
            return
        transform = part.transform() if isinstance(part, Affine) \
            else part.transform
        moved = check_augmented(transform(x.copy(), rng), x)
        self.x[batch] = getattr(moved, 'array', moved)

    def _iterate(self, part, batch, radius):
        """Eq. 6: the direction in which the distance grows fastest."""
        x = self.x[self.clean]
        for k in range(part.power_iterations):
            if k:
                move_rows(x, self.gx[0], self.xi, self.x[0])
                self._forward(0, 1)
            # xi, since the input moves by xi d.
            _, self.gy[0] = self._distance(0, part.xi)
            self._backward(0, 1, wanted=False)
        move_rows(x, self.gx[0], radius, self.x[batch])
        self._forward(batch, batch + 1)

    def _forward(self, start, end):
        """The logits of some of the batches."""
        for layer in self.layers:
            layer.forward(start, end, self.clean)

    def _differentiate(self):
        """Eq. 1 and its gradients to all logits."""
        objective, penalty = self.loss.objective, self.loss.penalty
        y, node = self.y[self.clean], self.information
        information = self.terms(*node.forward((y,)))
        # All terms come in linearly.
        weights = [objective.combine(self.terms(*unit), penalty)
                   for unit in numpy.eye(len(information)).tolist()]
        self.gy[self.clean], = node.backward_arrays(
            (0,), (y,), tuple(self.number(weight) if weight else None
                              for weight in weights))
        sat = 0
        for weight, _, batch in self.moves:
            distance, self.gy[batch] = self._distance(batch, weight)
            sat = sat + weight * distance
        return {'loss': objective.combine(information, penalty) + sat,
                'sat': sat, **information._asdict()}

    def _distance(self, batch, weight):
        """How far a batch's predictions are from the clean ones, and the
        gradient of ``weight`` times that to its logits."""
        ys = self.y[self.clean], self.y[batch]
        distance, = self.distance.forward(ys)
        _, gradient = self.distance.backward_arrays(
            (1,), ys, (self.number(weight),))
        return distance, gradient

    def _backward(self, start, end, wanted):
        """From the gradients to logits those to parameters, or if these are
        not wanted, that to the input."""
        for layer in reversed(self.layers):
            layer.backward(start, end, wanted,
                           not wanted or layer is not self.layers[0])

    def _decay(self, terms):
        for weight, part in self.decays:
            rate = weight * part.rate
            for p, g in self.flat.weights() if part.weights_only \
                    else [self.flat.pair()]:
                g += rate * p
                share = rate / 2 * p.dot(p)
                terms['sat'] = terms['sat'] + share
                terms['loss'] = terms['loss'] + share


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
        self.matmul = backend.get_array_module(inputs).matmul

    def forward(self, start, end, clean):
        W, b = self.linear.W.array, self.linear.b.array
        z = _rows(self.z, start, end)
        self.matmul(_rows(self.inputs, start, end), W.T, out=z)
        if self.bn is None:
            z += b
            return
        # The normalization takes away again what b would add.
        bn, gamma, beta = self.bn, self.bn.gamma.array, self.bn.beta.array
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
        if bn is not None:
            gammas = bn.gamma.grad, bn.beta.grad
            if wanted:
                for gradient in gammas:
                    gradient[...] = 0
            for i in range(start, end):
                self.nodes[i].backward_into(
                    (self.z[i], bn.gamma.array, bn.beta.array), self.g[i],
                    *gammas)
        if wanted:
            self.matmul(g.T, _rows(self.inputs, start, end), out=W.grad)
            # Behind a normalization it is 0.
            b.grad[...] = 0 if bn is not None else g.sum(axis=0)
        if to_inputs:
            self.matmul(g, W.array, out=_rows(self.ginputs, start, end))


def _rows(array, start, end):
    """Some of the batches, one below the other."""
    return array[start:end].reshape(-1, array.shape[-1])
