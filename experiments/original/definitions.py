"""The original's own functions beside ours, on today's Chainer."""
import contextlib
import dataclasses
import statistics
import time

import chainer
import chainer.functions as F
import chainer.links as L
import numpy

from imsat.functions import (
    batch_normalization_relu, sigmoid_mutual_information, sigmoid_kl,
    softmax_entropy, softmax_kl)
from imsat.links import Encoder
from original.comparison import compare, single_tolerance
from original.replay import RecordedVAT, is_noise, parameters_of
from original.source import Definitions
from original.steps import FollowOriginal, RecordOriginal

# What an old definition may raise on a new Chainer.
FAILURES = (AttributeError, TypeError, ValueError, LookupError, NameError,
            SyntaxError, chainer.utils.type_check.InvalidType)


@dataclasses.dataclass
class Sizes:
    """Of the random inputs: batch, input, hidden units, outputs."""
    batch_size: int = 250
    dim: int = 784
    hidden: int = 1200
    clusters: int = 10
    bits: int = 16


@dataclasses.dataclass
class Timing:
    """Medians of seconds for value and gradient, taken in turns."""
    section: str
    function: str
    dtype: numpy.dtype
    original: float
    ours: float


class Case:
    """One function in the original and here, on the same inputs.

    Args:
        name (str): What the original calls it.
        variables (dict): What to differentiate by, by name.
        theirs, ours: Functions without arguments to a dict of outputs;
            Variables among them are differentiated.
        weights (dict): Gradient of the loss by an output; 1 by default.
    """

    def __init__(self, name, variables, theirs, ours, weights=None):
        self.name, self.variables = name, variables
        self.theirs, self.ours = theirs, ours
        self.weights = weights or {}

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
    dtype = numpy.dtype(dtype)

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
        network = chainer.Variable(draw(1, n, sizes.dim))
        encoder = _encoder(sizes.dim, h, units, dtype, device)
        vat = dict(x=network.array, direction=draw(1, n, sizes.dim),
                   sigma=abs(draw(1, n)) + 2)
        logits = _cluster_cases if task == 'cluster' else _hash_cases
        yield f'{task} definitions', theirs, [
            *logits(theirs, y0, y1),
            *_batch_normalization_cases(theirs, bn, gy),
            *_network_cases(theirs, encoder, network),
            _vat_case(theirs, encoder, vat,
                      softmax_kl if task == 'cluster' else sigmoid_kl)]


def _encoder(dim, hidden, units, dtype, device):
    with chainer.using_config('dtype', dtype):
        encoder = Encoder(dim, units, (hidden, hidden),
                          rng=numpy.random.RandomState(1))
    # The first predictions are near uniform, their divergence near rounding.
    encoder.l3.W.array *= 100
    encoder.to_device(device)
    return encoder


def _cluster_cases(theirs, y0, y1):
    def probabilities(function):
        return lambda: {'value': theirs[function](F.softmax(y0),
                                                  F.softmax(y1))}

    def entropies():
        p = F.softmax(y0)
        entropy = theirs['entropy']
        return {'2-D': entropy(p), '1-D': entropy(F.mean(p, axis=0))}

    def equal():
        return dict(zip(('H(Y|X)', 'H(Y)'),
                        theirs['loss_equal'](lambda x: x, y0)))

    def ours(*names):
        return dict(zip(names, softmax_entropy(y0)))

    two = dict(y0=y0, y1=y1)
    return [
        Case('kl', two, probabilities('kl'),
             lambda: {'value': softmax_kl(y0, y1)}),
        Case('distance', two,
             lambda: {'value': theirs['distance'](y0, y1)},
             lambda: {'value': softmax_kl(y0, y1)}),
        Case('entropy', {'y0': y0}, entropies, lambda: ours('2-D', '1-D')),
        Case('loss_equal', {'y0': y0}, equal,
             lambda: ours('H(Y|X)', 'H(Y)'))]


def _hash_cases(theirs, y0, y1):
    names = 'H(Y|X)', 'H(Y)', 'pairs'
    return [
        Case('distance', dict(y0=y0, y1=y1),
             lambda: {'value': theirs['distance'](y0, y1)},
             lambda: {'value': sigmoid_kl(y0, y1)}),
        Case('loss_information', {'y0': y0},
             lambda: dict(zip(names, theirs['loss_information'](
                 lambda x: x, y0))),
             lambda: dict(zip(names, sigmoid_mutual_information(y0))))]


def _batch_normalization_cases(theirs, bn, gy):
    """``call_bn`` and a ReLU, which ours fuses, in the ways to train."""
    x, gamma, beta = bn.values()

    def link():
        link = L.BatchNormalization(gamma.size, dtype=gamma.dtype,
                                    initial_avg_var=0)
        link.to_device(gamma.device)
        link.gamma, link.beta = gamma, beta
        return link

    def train():
        normalization = link()
        y = F.relu(theirs['call_bn'](normalization, x))
        return {'y': y, 'avg_mean': normalization.avg_mean,
                'avg_var': normalization.avg_var}

    def ours_train():
        mean, var = (gamma.xp.zeros_like(gamma.array) for _ in range(2))
        return {'y': batch_normalization_relu(x, gamma, beta, 2e-5, mean,
                                              var),
                'avg_mean': mean, 'avg_var': var}

    def no_update():
        return {'y': F.relu(theirs['call_bn'](
            link(), x, update_batch_stats=False))}

    def ours_no_update():
        return {'y': batch_normalization_relu(x, gamma, beta)}

    return [Case('call_bn', bn, train, ours_train, {'y': gy}),
            Case('call_bn, no update', bn, no_update, ours_no_update,
                 {'y': gy})]


def _their_forward(theirs, encoder, **kwargs):
    call_bn = theirs['call_bn']

    def forward(x):
        h = F.relu(call_bn(encoder.bn1, encoder.l1(x), **kwargs))
        h = F.relu(call_bn(encoder.bn2, encoder.l2(h), **kwargs))
        return encoder.l3(h)
    return forward


def _network_cases(theirs, encoder, x):
    """The network out of ``call_bn``, with the running statistics."""
    for i in (1, 2):
        encoder[f'bn{i}'].avg_var[...] = 1

    def ours():
        with chainer.using_config('train', False):
            return {'logits': encoder(x)}

    return [Case('call_bn, test, as a network', {'x': x},
                 lambda: {'logits': _their_forward(
                     theirs, encoder, test=True)(x)}, ours)]


def _vat_case(theirs, encoder, inputs, distance):
    x, direction, sigma = inputs.values()

    def original():
        theirs.directions.append(direction)
        return {'value': theirs['vat'](
            _their_forward(theirs, encoder, update_batch_stats=False),
            theirs['distance'], x, sigma)}

    def ours():
        return {'value': RecordedVAT([direction])(
            encoder, distance, x, .25 * sigma)}

    return Case('vat', parameters_of(encoder), original, ours)


def compare_definitions(paths, sizes, device, seed=0, repetitions=7):
    """Values, gradients and times of every definition.

    Returns:
        ``(comparisons, timings, failures)``, the last a dict from what can't
        run on Chainer 7 to the reason.
    """
    comparisons, timings, failures = [], [], {}
    doubles = {}
    for dtype in (numpy.dtype('d'), numpy.dtype('f')):
        for section, theirs, all_cases in cases(
                paths, sizes, dtype, device, seed):
            for case in all_cases:
                key = f'{case.name} of {theirs.path.name}'
                try:
                    with RecordOriginal() as record:
                        expected = case.run(case.theirs)
                except FAILURES as e:
                    failures[key] = _reason(e)
                    continue
                follow = contextlib.nullcontext()
                if dtype == 'f':
                    follow = FollowOriginal(record.direction, record.signs)
                with follow:
                    actual = case.run(case.ours)
                for name, value in expected.items():
                    double = doubles.get((key, name))
                    if dtype == 'f' and record.signs:
                        # The sides of 0 may be others in float64.
                        double = value
                    comparisons.append(compare(
                        section, f'{case.name}: {name}', dtype, actual[name],
                        value, atol=_tolerance(name, value, double)))
                if dtype == 'd':
                    doubles.update(((key, name), value)
                                   for name, value in expected.items())
                seconds = time_in_turns(
                    [lambda: case.run(case.theirs),
                     lambda: case.run(case.ours)], repetitions, device)
                timings.append(Timing(section, case.name, dtype, *seconds))
            if dtype == 'd':
                failures.update(_others(theirs))
    return comparisons, timings, failures


def _others(theirs):
    """What else the script defines and can't be run, and why."""
    name = theirs.path.name
    failures = {}
    try:
        compile(theirs.text, name, 'exec')
    except SyntaxError as e:
        failures[f'{name} as a whole'] = _reason(e)
    try:
        theirs['Encoder']()
    except FAILURES as e:
        failures[f'Encoder of {name}'] = _reason(e)
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


def time_in_turns(functions, repetitions, device):
    """Medians of seconds, one for each function, called in turns."""
    times = [[] for _ in functions]
    for i in range(repetitions + 1):
        for function, seconds in zip(functions, times):
            _synchronize(device)
            start = time.perf_counter()
            function()
            _synchronize(device)
            if i:  # the first is to warm up
                seconds.append(time.perf_counter() - start)
    return [statistics.median(seconds) for seconds in times]


def _synchronize(device):
    if device.xp is not numpy:
        device.xp.cuda.get_current_stream().synchronize()
