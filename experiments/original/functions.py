"""Our functions on what was recorded of the authors' functions."""
import chainer
import numpy

from imsat.functions import (
    batch_normalization_relu, sigmoid_mutual_information, sigmoid_kl,
    softmax_entropy, softmax_kl)
from original.replay import eps_in_variance
from original.traces import Trace

# Inputs of order 1, saturated ones, and ones near the uniform distribution.
KINDS = ('mild', 'sat', 'tiny')
# With so large a shift every unit is open, and the ReLU that is fused with
# our batch normalization is the identity.
OPEN = 1e3

# By the original's names, of logits.
CLUSTER = {
    'distance': softmax_kl,
    'loss_equal_0': lambda y0: softmax_entropy(y0)[0],
    'loss_equal_1': lambda y0: softmax_entropy(y0)[1]}
HASH = {
    'distance': sigmoid_kl,
    'cond_ent': lambda y0: sigmoid_mutual_information(y0)[0],
    'marg_ent': lambda y0: sigmoid_mutual_information(y0)[1],
    'pairwise_mi': lambda y0: sigmoid_mutual_information(y0)[2]}
# The original's functions of probabilities: of their logarithms as logits.
OF_PROBABILITIES = {
    'kl': softmax_kl,
    'entropy2d': lambda y: softmax_entropy(y)[0],
    'entropy1d': lambda y: softmax_entropy(y)[1]}


def replay_functions(dtype, device=chainer.get_device('@numpy')):
    """Comparisons of every function's values and gradients."""
    trace = Trace('functions_cluster', dtype)
    for kind in KINDS:
        yield from _of_logits(trace, f'{kind}.', CLUSTER, device)
        yield from _of_probabilities(trace, f'{kind}.', device)
    yield from _batch_normalization(trace, device)
    trace = Trace('functions_hash', dtype)
    for bits in 'b16', 'b32':
        for kind in KINDS:
            yield from _of_logits(trace, f'{bits}.{kind}.', HASH, device)


def _of_logits(trace, prefix, functions, device):
    for name, function in functions.items():
        names = ['y0', 'y1'] if name == 'distance' else ['y0']
        ys = [chainer.Variable(device.send(trace[prefix + y])) for y in names]
        value = function(*ys)
        value.backward()
        key = prefix + name
        yield trace.compare(key, value, **trace.tolerance(key))
        for y, y_name in zip(ys, names):
            gradient = f'{key}.d_{y_name}'
            tolerance = trace.tolerance(gradient)
            if 'sat' in prefix and function is sigmoid_kl:
                # Of a sigmoid near 1 the original takes 1 - p, which is off
                # by 1e-16 and here as small as 1e-10.
                tolerance['atol'] = max(tolerance['atol'], 1e-9)
            yield trace.compare(gradient, y.grad, **tolerance)


def _of_probabilities(trace, prefix, device):
    for name, function in OF_PROBABILITIES.items():
        rows = slice(1 if name == 'entropy1d' else None)
        p = {arg: trace[prefix + arg][rows]
             for arg in ('pq' if name == 'kl' else 'p')}
        # No logit is smaller than float32 can tell from a probability of 0.
        ys = {arg: chainer.Variable(device.send(
            numpy.log(numpy.maximum(a, 1e-37)))) for arg, a in p.items()}
        value = function(*ys.values())
        value.backward()
        key = prefix + name

        def tolerance(key):
            # The rows were recorded in float32: they sum to 1 within 6e-8,
            # and logits stand for rows that sum to 1.
            tolerance = trace.tolerance(key)
            tolerance['atol'] += 2e-7
            return tolerance

        yield trace.compare(key, value, **tolerance(key))
        for arg, y in ys.items():
            gradient = f'{key}.d_{arg}'
            g = trace[gradient].reshape(p[arg].shape)
            inner = (p[arg] * g).sum(axis=1, keepdims=True)
            yield trace.compare(gradient, y.grad, p[arg] * (g - inner),
                                **tolerance(gradient))


def _batch_normalization(trace, device):
    """``call_bn`` in its two ways to train; the third, testing, is part of
    every replay of a training step."""
    t = trace('bn')
    n = len(t['x'])
    for mode in 'train', 'noubs':
        x, gamma, beta = (chainer.Variable(device.send(a)) for a in (
            t['x'], t['gamma'], t['beta'] + trace.dtype.type(OPEN)))
        mean, var = (device.send(t[name].copy())
                     for name in ('avg_mean', 'avg_var'))
        y = batch_normalization_relu(
            x, gamma, beta, 2e-5, *((mean, var) if mode == 'train' else ()))
        y.grad = device.send(t['gy'])
        y.backward()
        if mode == 'train':
            var += var.dtype.type(eps_in_variance(n, 1))
        for name, actual in {
                'y': y.array - trace.dtype.type(OPEN), 'd_x': x.grad,
                'd_gamma': gamma.grad, 'd_beta': beta.grad,
                'avg_mean': mean, 'avg_var': var}.items():
            key = f'bn.{mode}.{name}'
            tolerance = trace.tolerance(key)
            if name == 'y':  # the digits that the shift costs
                tolerance['atol'] += OPEN * numpy.finfo(trace.dtype).eps
            yield trace.compare(key, actual, **tolerance)
