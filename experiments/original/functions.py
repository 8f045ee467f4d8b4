"""The authors' functions beside ours: as they were recorded, and, out of a
checkout, on today's Chainer."""
import contextlib
import dataclasses
import functools
import statistics

import chainer
import chainer.functions as F
import chainer.links as L
import numpy

from common.timing import time_in_turns
from imsat.functions import (
    batch_normalization_relu, sigmoid_mutual_information, sigmoid_kl,
    softmax_entropy, softmax_kl)
from imsat.links import Encoder
from original.comparison import (
    Trace, compare, nothing_to_compare, single_tolerance)
from original.replay import (
    RecordedVAT, eps_in_variance, is_noise, parameters_of)
from original.source import Definitions
from original.trajectory import FollowOriginal, RecordOriginal

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
# What an old definition may raise on a new Chainer.
FAILURES = (AttributeError, TypeError, ValueError, LookupError, NameError,
            SyntaxError, chainer.utils.type_check.InvalidType)


def replay_functions(dtype, device=chainer.get_device('@numpy')):
    """Comparisons of every recorded function's values and gradients."""
    trace = Trace('functions_cluster', dtype)
    for kind in KINDS:
        for functions in CLUSTER, OF_PROBABILITIES:
            yield from _replay(trace, f'{kind}.', functions, device)
    yield from _replay_batch_normalization(trace, device)
    trace = Trace('functions_hash', dtype)
    for bits in 'b16', 'b32':
        for kind in KINDS:
            yield from _replay(trace, f'{bits}.{kind}.', HASH, device)


def _replay(trace, prefix, functions, device):
    of_p = functions is OF_PROBABILITIES
    for name, function in functions.items():
        names = ('pq' if name == 'kl' else 'p') if of_p else (
            ('y0', 'y1') if name == 'distance' else ('y0',))
        rows = slice(1 if name == 'entropy1d' else None)
        inputs = {arg: trace[prefix + arg][rows] for arg in names}
        # No logit is smaller than float32 can tell from a probability of 0.
        ys = [chainer.Variable(device.send(
            numpy.log(numpy.maximum(x, 1e-37)) if of_p else x))
            for x in inputs.values()]
        value = function(*ys)
        value.backward()

        def check(key, actual, expected=None):
            tolerance = trace.tolerance(key)
            if of_p:
                # The rows were recorded in float32: they sum to 1 within
                # 6e-8, and logits stand for rows that sum to 1.
                tolerance['atol'] += 2e-7
            elif 'sat' in prefix and function is sigmoid_kl \
                    and actual is not value:
                # Of a sigmoid near 1 the original takes 1 - p, which is off
                # by 1e-16 and here as small as 1e-10.
                tolerance['atol'] = max(tolerance['atol'], 1e-9)
            return trace.compare(key, actual, expected, **tolerance)

        yield check(prefix + name, value)
        for y, (arg, p) in zip(ys, inputs.items()):
            key = f'{prefix}{name}.d_{arg}'
            expected = trace[key]
            if of_p:
                g = expected.reshape(p.shape)
                expected = p * (g - (p * g).sum(axis=1, keepdims=True))
            yield check(key, y.grad, expected)


def _replay_batch_normalization(trace, device):
    """``call_bn`` in its two ways to train; the third, testing, is part of
    every replay of a training step."""
    t = trace('bn')
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
            var += var.dtype.type(eps_in_variance(len(t['x']), 1))
        for name, actual in {
                'y': y.array - trace.dtype.type(OPEN), 'd_x': x.grad,
                'd_gamma': gamma.grad, 'd_beta': beta.grad,
                'avg_mean': mean, 'avg_var': var}.items():
            key = f'bn.{mode}.{name}'
            tolerance = trace.tolerance(key)
            if name == 'y':  # the digits that the shift costs
                tolerance['atol'] += OPEN * numpy.finfo(trace.dtype).eps
            yield trace.compare(key, actual, **tolerance)


@dataclasses.dataclass
class Sizes:
    """Of the random inputs: batch, input, hidden units, outputs."""
    batch_size: int = 250
    dim: int = 784
    hidden: int = 1200
    clusters: int = 10
    bits: int = 16


@dataclasses.dataclass
class Case:
    """One function in the original and here, on the same inputs.

    Args:
        name (str): What the original calls it.
        variables (dict): What to differentiate by, by name.
        theirs, ours: Functions without arguments to a dict of outputs;
            Variables among them are differentiated.
        weights (dict): Gradient of the loss by an output; 1 by default.
    """
    name: str
    variables: dict
    theirs: object
    ours: object
    weights: dict = dataclasses.field(default_factory=dict)

    def run(self, function):
        """Outputs, and gradients of their weighted sum, by name."""
        outputs = function()
        # The original's vat leaves gradients behind.
        for variable in self.variables.values():
            variable.cleargrad()
        sum(F.sum(self.weights.get(name, 1) * value)
            for name, value in outputs.items()
            if isinstance(value, chainer.Variable)).backward()
        result = {name: getattr(value, 'array', value)
                  for name, value in outputs.items()}
        for name, variable in self.variables.items():
            if variable.grad is not None:
                result[f'd_{name}'] = variable.grad
        return result


def cases(paths, sizes, dtype, device, seed):
    """All cases by section; every precision gets the same numbers."""
    rng = numpy.random.RandomState(seed)

    def draw(scale, *shape):
        values = rng.normal(0, scale, shape).astype(numpy.float32)
        return device.send(values.astype(dtype))

    n, h = sizes.batch_size, sizes.hidden
    for task, units in ('cluster', sizes.clusters), ('hash', sizes.bits):
        theirs = Definitions(paths[task], dtype, device.xp, sizes.bits)
        y0, y1 = (chainer.Variable(draw(2, n, units)) for _ in range(2))
        bn = dict(x=chainer.Variable(draw(1, n, h)),
                  gamma=chainer.Variable(1 + draw(.3, h)),
                  beta=chainer.Variable(draw(.3, h)))
        gy = draw(1, n, h)
        x = chainer.Variable(draw(1, n, sizes.dim))
        with chainer.using_config('dtype', dtype):
            encoder = Encoder(sizes.dim, units, (h, h),
                              rng=numpy.random.RandomState(1))
        # The first predictions are near uniform, their divergence near
        # rounding.
        encoder.l3.W.array *= 100
        for i in (1, 2):  # as statistics to test with
            encoder[f'bn{i}'].avg_var[...] = 1
        encoder.to_device(device)
        direction, sigma = draw(1, n, sizes.dim), abs(draw(1, n)) + 2
        logits, distance = (_cluster_cases, softmax_kl) \
            if task == 'cluster' else (_hash_cases, sigmoid_kl)
        yield f'{task} definitions', theirs, [
            *logits(theirs, y0, y1),
            *_batch_normalization_cases(theirs, bn, gy),
            *_network_cases(theirs, encoder, distance, x, direction, sigma)]


def _outputs(names, function):
    """A function without arguments to a dict of outputs by these names."""
    return lambda: dict(zip(names, function()))


def _cluster_cases(theirs, y0, y1):
    def entropies():
        p = F.softmax(y0)
        return theirs['entropy'](p), theirs['entropy'](F.mean(p, axis=0))

    two = dict(y0=y0, y1=y1)
    sizes, terms = ('2-D', '1-D'), ('H(Y|X)', 'H(Y)')
    return [
        Case('kl', two, lambda: {'value': theirs['kl'](
            F.softmax(y0), F.softmax(y1))},
            lambda: {'value': softmax_kl(y0, y1)}),
        Case('distance', two, lambda: {'value': theirs['distance'](y0, y1)},
             lambda: {'value': softmax_kl(y0, y1)}),
        Case('entropy', {'y0': y0}, _outputs(sizes, entropies),
             _outputs(sizes, lambda: softmax_entropy(y0))),
        Case('loss_equal', {'y0': y0}, _outputs(
            terms, lambda: theirs['loss_equal'](lambda x: x, y0)),
            _outputs(terms, lambda: softmax_entropy(y0)))]


def _hash_cases(theirs, y0, y1):
    terms = 'H(Y|X)', 'H(Y)', 'pairs'
    return [
        Case('distance', dict(y0=y0, y1=y1),
             lambda: {'value': theirs['distance'](y0, y1)},
             lambda: {'value': sigmoid_kl(y0, y1)}),
        Case('loss_information', {'y0': y0}, _outputs(
            terms, lambda: theirs['loss_information'](lambda x: x, y0)),
            _outputs(terms, lambda: sigmoid_mutual_information(y0)))]


def _batch_normalization_cases(theirs, bn, gy):
    """``call_bn`` and a ReLU, which ours fuses, in the ways to train."""
    x, gamma, beta = bn.values()

    def train(**kwargs):
        link = L.BatchNormalization(gamma.size, dtype=gamma.dtype,
                                    initial_avg_var=0)
        link.to_device(gamma.device)
        link.gamma, link.beta = gamma, beta
        y = F.relu(theirs['call_bn'](link, x, **kwargs))
        return {'y': y} if kwargs else {
            'y': y, 'avg_mean': link.avg_mean, 'avg_var': link.avg_var}

    def ours_train():
        mean, var = (gamma.xp.zeros_like(gamma.array) for _ in range(2))
        return {'y': batch_normalization_relu(x, gamma, beta, 2e-5, mean,
                                              var),
                'avg_mean': mean, 'avg_var': var}

    return [Case('call_bn', bn, train, ours_train, {'y': gy}),
            Case('call_bn, no update', bn,
                 lambda: train(update_batch_stats=False),
                 lambda: {'y': batch_normalization_relu(x, gamma, beta)},
                 {'y': gy})]


def _network_cases(theirs, encoder, distance, x, direction, sigma):
    """The network out of ``call_bn``, with the running statistics, and
    ``vat`` of it."""
    def network(**kwargs):
        def forward(x):
            h = x
            for i in (1, 2):
                h = F.relu(theirs['call_bn'](
                    encoder[f'bn{i}'], encoder[f'l{i}'](h), **kwargs))
            return encoder.l3(h)
        return forward

    def ours():
        with chainer.using_config('train', False):
            return {'logits': encoder(x)}

    def vat():
        theirs.directions.append(direction)
        return {'value': theirs['vat'](
            network(update_batch_stats=False), theirs['distance'], x.array,
            sigma)}

    return [Case('call_bn, test, as a network', {'x': x},
                 lambda: {'logits': network(test=True)(x)}, ours),
            Case('vat', parameters_of(encoder), vat, lambda: {
                'value': RecordedVAT([direction])(
                    encoder, distance, x.array, .25 * sigma)})]


def compare_definitions(paths, sizes, device, seed=0, repetitions=7):
    """Values, gradients and times of every definition.

    A definition that is missing or can't run does not agree: otherwise nothing
    would part from a checkout that has none.

    Returns:
        ``(comparisons, timings, failures)``: of timings each has section,
        function, dtype, and medians of seconds of theirs and of ours, for
        value and gradient; the last is a dict from what nobody expects to run
        on Chainer 7, and doesn't, to the reason.
    """
    comparisons, timings, failures = [], [], {}
    doubles = {}
    wait = None if device.xp is numpy else \
        device.xp.cuda.get_current_stream().synchronize
    for dtype in (numpy.dtype('d'), numpy.dtype('f')):
        for section, theirs, all_cases in cases(
                paths, sizes, dtype, device, seed):
            for case in all_cases:
                key = f'{case.name} of {theirs.path.name}'
                try:
                    with RecordOriginal() as record:
                        expected = case.run(case.theirs)
                except FAILURES as e:
                    comparisons.append(nothing_to_compare(
                        section, case.name, dtype, _reason(e)))
                    continue
                with contextlib.nullcontext() if dtype == 'd' else \
                        FollowOriginal(record.direction, record.signs):
                    actual = case.run(case.ours)
                for name, value in expected.items():
                    if name not in actual:
                        continue
                    # The sides of 0 may be others in float64.
                    double = value if dtype == 'f' and record.signs else \
                        doubles.get((key, name))
                    comparisons.append(compare(
                        section, f'{case.name}: {name}', dtype, actual[name],
                        value, atol=_tolerance(name, value, double)))
                    if dtype == 'd':
                        doubles[key, name] = value
                comparisons += [
                    nothing_to_compare(
                        section, f'{case.name}: {name}', dtype,
                        f'{"ours" if name in actual else "theirs"} alone has '
                        f'it')
                    for name in sorted(expected.keys() ^ actual.keys())]
                seconds = time_in_turns(
                    {name: functools.partial(case.run, function)
                     for name, function in (('theirs', case.theirs),
                                            ('ours', case.ours))}, repetitions,
                    wait=wait)
                timings.append((section, case.name, dtype,
                                *map(statistics.median, seconds.values())))
            if dtype == 'd':
                failures.update(_others(theirs))
    return comparisons, timings, failures


def _others(theirs):
    """What else the script defines and can't be run, and why."""
    name = theirs.path.name
    failures = {}
    for what, function, errors in (
            (f'{name} as a whole', lambda: compile(theirs.text, name, 'exec'),
             SyntaxError),
            (f'Encoder of {name}', lambda: theirs['Encoder'](), FAILURES)):
        try:
            function()
        except errors as e:
            failures[what] = _reason(e)
    return failures


def _reason(error):
    message = ' '.join(str(error.args[0] if error.args else error).split())
    return f'{type(error).__name__}: {message}'


def _tolerance(name, value, double):
    if double is None:
        # The order of sums is all that differs.
        return 1e-12 + 1e-9 * float(abs(value).max())
    # A gradient that is exactly 0 has no largest element to go by.
    return single_tolerance(value, double) + 1e-6 * is_noise(name)
