"""How many kernels a step launches beside its matrix products.

Through Chainer's graph, where an emulated array counts what NumPy is asked
for: each would be a kernel of CuPy's.  And of this project's kernels alone,
one step after the other and as a captured graph.
"""
import collections

import numpy
import pytest
import simt
from chainer.backends.cuda import to_cpu

from cuda_tests.test_training_step import EmulatedDevice, linear_stays_there
from imsat.cuda import (
    adam, batch_normalization_relu, directions, graph, sigmoid_kl,
    sigmoid_mutual_information, softmax_entropy, softmax_kl)
from imsat.cuda.products import product
from imsat.links.original import names_of
from imsat.training.adam import BlockwiseAdamRule
from original import replay
from original.comparison import Trace

__all__ = ['linear_stays_there']  # a fixture
FILES = ['cluster_step_warm', 'hash_step_warm']
# Launches beside products that docs/kernels.md tells of.
BY_GRAPH = {'cluster_step_warm': 84, 'hash_step_warm': 85}
BY_KERNELS = 14


@pytest.fixture
def others(monkeypatch):
    """Counts what CuPy would launch a kernel for, but for products."""
    counts, cls = collections.Counter(), simt.DeviceArray

    def plain(x):
        return x.view(numpy.ndarray) if isinstance(x, cls) else x

    def ufunc(self, function, method, *inputs, out=(), **kwargs):
        counts[function.__name__] += function is not numpy.matmul
        if out:
            kwargs['out'] = tuple(map(plain, out))
        result = getattr(function, method)(*map(plain, inputs), **kwargs)
        return out[0] if out else simt.asarray(result)

    def gather(self, key):
        counts['gather'] += isinstance(key, numpy.ndarray)
        return numpy.ndarray.__getitem__(self, key)

    def function(self, function, types, args, kwargs):
        counts[function.__name__] += function is numpy.copyto
        return original(self, function, types, args, kwargs)

    original = cls.__array_function__
    monkeypatch.setattr(cls, '__array_ufunc__', ufunc, raising=False)
    monkeypatch.setattr(cls, '__array_function__', function)
    monkeypatch.setattr(cls, '__getitem__', gather, raising=False)
    monkeypatch.setattr(
        BlockwiseAdamRule, 'update_core_cpu',
        lambda self, param: counts.update(['Adam']))
    return counts


@pytest.mark.parametrize('file', FILES)
def test_by_chainers_graph(emulator, others, file):
    replayed = replay.start(Trace(file, 'f'), EmulatedDevice())
    replayed.step()  # makes Adam's state
    emulator.launches.clear()
    others.clear()
    replayed.step()
    assert others['Adam'] == 10 and others['gather'] == 2
    assert sum(emulator.launches.values()) + sum(others.values()) \
        == BY_GRAPH[file]


class Step:
    """VAT's step of a network with two hidden layers, in kernels alone.

    Of batches one below the other: the probe for the direction, the clean
    one, and that which is moved.
    """

    def __init__(self, device, trace, dtype):
        def put(value):
            return device.asarray(numpy.array(value, dtype))

        def zeros(*shape):
            return put(numpy.zeros(shape))
        weights, x = trace('init'), trace['x']
        steps, self.n, d = x.shape
        self.data = put(x.reshape(-1, d))
        self.radius = put(.25 * trace['eps'].reshape(-1))
        self.index = device.asarray(numpy.arange(self.n))
        self.key = device.asarray(numpy.array([3, 0]))
        self.rate, self.one = put(0), put(1)
        self.ones = put(numpy.ones((3 * self.n, 1)))
        self.task = trace.name.split('_')[0]
        self.weights = put([.1, -.4, 0] if self.task == 'cluster'
                           else [.1, -.1, .1])
        self.values, self.kl, self.sat = zeros(4), zeros(), zeros()
        names = [name for name in weights if 'avg' not in name]
        self.p = put(numpy.concatenate([
            weights[name].ravel() for name in names]))
        self.g, self.m, self.v = zeros(3, len(self.p))
        self.arrays, self.gradients, start = {}, {}, 0
        for name in names:
            shape, end = weights[name].shape, start + weights[name].size
            self.arrays[name] = self.p[start:end].reshape(shape)
            self.gradients[name] = self.g[start:end].reshape(shape)
            start = end
        self.arrays.update({name: put(weights[name]) for name in weights
                            if 'avg' in name})
        widths = [d, *(len(weights[f'l{i}.b']) for i in (1, 2, 3))]
        self.h, self.z, self.gz = (
            [zeros(3 * self.n, width) for width in widths] for _ in range(3))
        self.saved = [None, *(zeros(2, 3, width) for width in widths[1:3])]

    def rows(self, array, start, end):
        return array[start * self.n:end * self.n]

    def forward(self, start, end):
        h = self.rows(self.h[0], start, end)
        for i in 1, 2:
            (W, b), (gamma, beta, mean, var) = self.layer(i)
            z = self.rows(self.z[i], start, end)
            running = (mean, var, .9, 1) if start == 0 else ()
            h, _ = batch_normalization_relu.forward_groups(
                product(h, W.T, z), gamma, beta, end - start, b, 2e-5,
                *running, y=self.rows(self.h[i], start, end),
                saved=self.saved[i][:, start:end])
        (W, b), _ = self.layer(3)
        y = self.rows(self.h[3], start, end)
        product(self.rows(self.ones, start, end), b[None], y)
        product(h, W.T, y, add=True)

    def backward(self, start, end, gradients):
        for i in 3, 2, 1:
            (W, _), (gamma, beta, *_) = self.layer(i)
            g = self.rows(self.gz[i], start, end)
            if i < 3:
                batch_normalization_relu.backward_groups(
                    self.rows(self.z[i], start, end), gamma, beta,
                    self.saved[i][:, start:end], g, end - start, g, *(
                        gradients[f'bn{i}.{name}'] for name in (
                            'gamma', 'beta') if gradients))
            if gradients:
                product(g.T, self.rows(self.h[i - 1], start, end),
                        gradients[f'l{i}.W'])
            if gradients and i == 3:
                product(self.rows(self.ones, start, end).T, g,
                        gradients['l3.b'][None])
            if i > 1 or not gradients:
                product(g, W, self.rows(self.gz[i - 1], start, end))

    def layer(self, i):
        return [self.arrays[f'l{i}.{name}'] for name in 'Wb'], [
            self.arrays.get(f'bn{i}.{name}')
            for name in ('gamma', 'beta', 'avg_mean', 'avg_var')]

    def __call__(self):
        distance, information = (softmax_kl, softmax_entropy) \
            if self.task == 'cluster' else (
                sigmoid_kl, sigmoid_mutual_information)
        probe, clean, end = (
            [self.rows(a[i], j, j + 1) for a, i in (
                (self.h, 0), (self.h, 3), (self.gz, 3))] for j in range(3))
        directions.perturb_randomly(
            self.data, self.index, self.key, 10., batch=clean[0],
            moved=probe[0])
        self.forward(0, 2)
        information.value_and_gradient(
            clean[1], self.weights, values=self.values, gy=clean[2])
        distance.value_and_gradient(
            clean[1], probe[1], self.one, value=self.kl, gy1=probe[2])
        self.backward(0, 1, None)
        directions.perturb(
            clean[0], self.rows(self.gz[0], 0, 1), self.radius, self.index,
            end[0])
        self.forward(2, 3)
        distance.value_and_gradient(
            clean[1], end[1], self.one, value=self.sat, gy1=end[2])
        self.backward(1, 3, self.gradients)
        adam.update(self.p, self.g, self.m, self.v, self.rate)

    def set(self, t):
        """What changes from step to step."""
        self.index[...] += self.n * (t > 0)
        self.key[1] = t
        self.rate[...] = .002 * (1 - .999 ** (t + 1)) ** .5 / (
            1 - .9 ** (t + 1))


@pytest.mark.parametrize('file', FILES)
def test_by_kernels(emulator, others, file):
    step = Step(simt, Trace(file, 'f'), 'f')
    step.set(0)
    emulator.launches.clear()
    others.clear()
    step()
    # A step of the network has bias vectors, too: three of the products.
    assert emulator.launches.pop('product') == 22 - 8 + 3
    assert sum(emulator.launches.values()) == BY_KERNELS < 45
    assert not +others


@pytest.mark.parametrize('file', FILES)
def test_kernels_do_what_the_graph_does(emulator, file):
    trace = Trace(file, 'd')
    step = Step(simt, trace, 'd')
    drawn = numpy.stack([directions.random(x.shape, 'd', 3, t)
                         for t, x in enumerate(trace['x'])])
    replayed = replay.Replay(
        trace.name.split('_')[0], trace('init'), trace['x'], trace['eps'],
        drawn, EmulatedDevice())
    for t in range(3):
        losses = replayed.step()
        step.set(t)
        step()
        numpy.testing.assert_allclose(
            [step.sat, step.sat + step.values[3]],
            [losses['loss_vat'], losses['loss_total']], 1e-9)
    for name in names_of(replayed.encoder):
        if name not in ('l1.b', 'l2.b'):  # of which nothing depends
            numpy.testing.assert_allclose(
                step.arrays[name],
                replay.array_of(replayed.encoder, name), 0, 1e-8,
                err_msg=name)


@pytest.mark.parametrize('file', FILES)
@pytest.mark.parametrize('dtype', 'fd')
def test_captured_steps_are_the_same_bits(device, file, dtype):
    results = []
    for wrap in (lambda step: step), graph.captured:
        step = Step(device, Trace(file, dtype), dtype)
        call = wrap(step)
        for t in range(4):
            step.set(t)
            call()
        results.append([to_cpu(a) for a in (
            step.p, step.m, step.v, step.values, step.sat,
            step.arrays['bn1.avg_mean'], step.arrays['bn2.avg_var'])])
    for a, b in zip(*results):
        assert numpy.isfinite(a).all() and (a == b).all()
