"""Our training and the original's, side by side, from the same start.

Three things in a step make much of a rounding: VAT's direction is a gradient
over its length, which for some points is small; gradients jump where the
input of a ReLU is 0; and Adam's first steps are .002 g / (|g| + 3e-7).  So
our steps are also taken one by one, each from a state of the original: each of
the three is taken from the original there, and compared by itself.
"""
import contextlib
import math
import re
import time
from dataclasses import dataclass, field

import chainer
import numpy
from chainer import backend
from chainer.functions.activation.relu import ReLU
from chainer.functions.connection.linear import LinearFunction

from imsat.errors import InputError
from imsat.functions.normalization import BatchNormalizationReLU
from imsat.links import Encoder
from imsat.links.original import array_of, names_of, set_arrays
from imsat.neighbors import neighbor_distance
from imsat.training.iterators import sample_permutation
from original.comparison import below, compare
from original.replay import Replay, is_noise, parameters_of
from original.source import BATCH_SIZE, COMMIT, OriginalRun

# So many iterations have to agree: in float64 all, in float32, where rounding
# parts two runs soon, their losses.
JUDGED = {'d': 20, 'f': 2}
# Of each array's largest element.
TOLERANCES = {'d': 1e-6, 'f': 1e-3}
# What rounding may do to arrays that it decides, and to their gradients.
NOISE = {'d': (1e-8, 1e-12), 'f': (numpy.inf, numpy.inf)}
# Losses are differences of terms of order 1, one for each output or pair.
CANCELLED = {'d': 1e-14, 'f': 5e-7}
# What the original scales by the radius, and its ReLUs, two for each pass of
# a batch: the clean one (twice; we do it once), that with xi, the adversarial.
DIRECTION = 'transpose.0'
RELUS = [f'relu.{i}' for i in (0, 1, 4, 5, 6, 7)]
EPS = float(numpy.finfo(numpy.float32).eps)


class FollowOriginal(chainer.FunctionHook):
    """Lets a step of ours decide as the original did where rounding decides.

    Args:
        direction (array): Of VAT, shape (B, d).
        signs (iterable of array): Which inputs of each ReLU were positive, as
            bits.

    Attributes:
        direction (float): How far VAT's perturbation was from the original's,
            over its length: medians over the points.
        relu (float): The largest input of a ReLU, of order 1, that was on
            another side of 0 than the original's.
    """

    def __init__(self, direction, signs):
        self._direction, self._signs = direction, iter(signs)
        self._inputs = []  # of the linear layers, three in each pass
        self.direction, self.relu = None, 0.

    def forward_preprocess(self, function, in_data):
        if isinstance(function, LinearFunction):
            self._inputs.append(in_data[0])
            if len(self._inputs) == 7:
                self._take_direction(self._inputs[0], in_data[0])
        elif isinstance(function, BatchNormalizationReLU):
            self._take_signs(function.eps, *in_data)

    def _take_direction(self, x, adversarial):
        xp = backend.get_array_module(x)
        d = xp.asarray(self._direction)
        r = adversarial - x
        radius = _lengths(r)
        self.direction = float(
            xp.median(_lengths(r - radius * d)) / xp.median(radius))
        adversarial[...] = x + radius * d

    def _take_signs(self, eps, x, gamma, beta):
        xp = backend.get_array_module(x)
        is_open = xp.unpackbits(xp.asarray(next(self._signs)))[
            :x.size].reshape(x.shape).astype(bool)
        exact = x.astype(numpy.float64)
        scale = gamma / xp.sqrt(exact.var(axis=0) + eps)
        z = scale * (exact - exact.mean(axis=0)) + beta
        wrong = (z > 0) != is_open
        self.relu = max(self.relu, float(abs(z * wrong).max()))
        # Those and all that our rounding may take to the wrong side go just
        # past 0, and an eighth further, as the mean and the variance follow.
        margin = 16 * numpy.finfo(x.dtype).eps * (
            abs(scale) * abs(x).max(axis=0) + abs(beta))
        near = wrong | (abs(z) < margin)
        aim = xp.where(is_open, 1, -1) * (margin + abs(z) / 8)
        x[near] += ((aim - z) / scale)[near].astype(x.dtype)


class RecordOriginal(chainer.FunctionHook):
    """Notes what :class:`FollowOriginal` takes of the original's functions.

    Attributes:
        direction (array): Of VAT, shape (B, d), or None.
        signs (list of array): Which inputs of each ReLU were positive, as
            bits.
    """

    def __init__(self):
        self._inputs = []  # of the linear layers, three in each pass
        self.direction, self.signs = None, []

    def forward_preprocess(self, function, in_data):
        x = in_data[0]
        if isinstance(function, LinearFunction):
            self._inputs.append(x)
            if len(self._inputs) == 7:
                r = x - self._inputs[0]
                self.direction = r / _lengths(r)
        elif isinstance(function, ReLU):
            self.signs.append(backend.get_array_module(x).packbits(x > 0))


def _lengths(rows):
    return (rows * rows).sum(axis=1, keepdims=True) ** .5


class SingleSteps:
    """Updates that start from a state of the original each.

    Args:
        replay (replay.Replay): Does the updates, in float32.
    """

    def __init__(self, replay):
        self.replay = replay
        replay.optimizer.add_hook(self._exchange_gradients,
                                  'exchange gradients')

    def check(self, state, script):
        """InputError where a changed original lacks what is compared."""
        encoder = self.replay.encoder
        missing = sorted({*RELUS, DIRECTION, *self.replay.terms.values(), *(
            f'after.{name}' for name in names_of(encoder))} - set(state))
        if missing or state[DIRECTION].shape != (BATCH_SIZE,
                                                 encoder.sizes[0]):
            raise InputError(
                f'{script} computes too differently to be compared step by '
                f'step (look for {(missing or [DIRECTION])[0]}); leave '
                f'--python2 out or take the file of commit {COMMIT}')

    def compare(self, section, step, before, state):
        """Comparisons of our update and the original's.

        Args:
            before (dict): The original's network, by names.
            state (dict): What :meth:`process.OriginalRun.step` has returned.
        """
        send = self.replay.device.send
        set_arrays(self.replay.encoder,
                   {name: send(array) for name, array in before.items()})
        self._state = state
        with FollowOriginal(state[DIRECTION],
                            [state[name] for name in RELUS]) as hook:
            losses = self.replay.step()
        # Both are 0 where all is as in the original.
        yield compare(section, 'direction', 'f', hook.direction, 0.,
                      atol=precision(state), step=step)
        yield compare(section, 'relu', 'f', hook.relu, 0., atol=1e-4,
                      step=step)
        for name, actual, expected in self.replay.pairs(
                losses, self._gradients, state, steps=1):
            yield compare(section, name, 'f', actual, expected,
                          atol=tolerance(name, state), step=step)

    def _exchange_gradients(self, optimizer):
        self._gradients = self.replay.gradients()
        for name, parameter in parameters_of(optimizer.target).items():
            parameter.grad = self.replay.device.send(
                self._state[f'grad.{name}'])


def precision(state):
    """Of a gradient in float32, relative to its largest element.

    VAT's is made of differences q - p of probabilities, each known to a
    relative eps.  The root mean square of (q - p) / p is the root of twice
    the divergence: so much of eps is what remains.  30 times that, and 1e-4
    for all that is added up, are four times the most that was seen.
    """
    bits = len(state['after.l3.b']) if 'pairwise_mi' in state else 1
    divergence = max(float(state['loss_vat']) / bits, EPS ** 2)
    return 1e-4 + 30 * EPS / math.sqrt(2 * divergence)


def tolerance(name, state):
    """How far a float32 step may be from the original's, from one state.

    Args:
        name (str): Of a loss, ``grad.l1.W`` or ``after.l1.W``.
        state (dict): What the original has computed.
    """
    largest = float(abs(state[name]).max())
    if '.' not in name:
        # Of M outputs.  The original multiplies the tables of all pairs of
        # bits by a rounded 1 / 250.
        m = len(state['after.l3.b'])
        return 1e-5 * largest + EPS * m * (4 * m if 'pair' in name else 1)
    if name.startswith('grad.'):
        # A bias is the weight of one more input, which is always 1.
        weight = re.sub(r'(l\d)\.b$', r'\1.W', name)
        return precision(state) * float(abs(state[weight]).max())
    # Sums of many products; with weights nothing but Adam's step is done.
    return (1e-5 if 'avg' in name else 1e-6) * largest


@dataclass
class Trajectory:
    """What :func:`compare_trajectory` has seen of one task.

    Attributes:
        section (str): Task and sizes.
        versions (dict): What the original ran on.
        double, single (list of Comparison): Ours and the original, all the
            way, in float64 and in float32.
        steps (list of Comparison): Ours and the original in float32, each
            step from the original's state.
        itself (list of Comparison): The original's float32 run and its own
            float64 run: how far rounding alone carries.
        ours, original (dict): Seconds of each iteration, by dtype.
    """
    section: str
    versions: dict
    double: list = field(default_factory=list)
    single: list = field(default_factory=list)
    steps: list = field(default_factory=list)
    itself: list = field(default_factory=list)
    ours: dict = field(default_factory=lambda: {'d': [], 'f': []})
    original: dict = field(default_factory=lambda: {'d': [], 'f': []})

    @property
    def judged(self):
        """The comparisons that have to agree."""
        return [*(c for c in self.double if c.step <= JUDGED['d']),
                *self.steps,
                *(c for c in self.single if c.step <= JUDGED['f']
                  and '.' not in c.quantity)]


def draw_start(x, task, n_outputs, hidden, steps, seed=0):
    """What both start from and draw, as in the traces of training steps.

    Weights are drawn as the original draws them, batches from ``x``, shape
    (N, d), N >= 250.  All is float32.
    """
    rng = numpy.random.RandomState(seed)
    encoder = Encoder(x.shape[1], n_outputs, hidden, rng=rng)
    sigma = neighbor_distance(x, 11)
    index = numpy.stack([sample_permutation(rng, len(x), BATCH_SIZE)
                         for _ in range(steps)])
    d0 = rng.normal(size=(*index.shape, x.shape[1])).astype(numpy.float32)
    return {'x': x[index], 'eps': sigma[index].astype(numpy.float32),
            'd0': d0, 'n_class': n_outputs if task == 'cluster' else 10,
            **{f'init.{name}': array_of(encoder, name)
               for name in names_of(encoder)}}


def compare_trajectory(python, script, task, trace, device, threads):
    """Runs ours and the original, both in both precisions, in turns.

    An iteration of one is followed by the same of the next, and then all
    that they hold is compared.

    Args:
        trace (dict): Of :func:`draw_start`.
    """
    *hidden, n_outputs = (len(trace[f'init.l{i}.b']) for i in (1, 2, 3))
    options = ['--hidden_list', '-'.join(map(str, hidden))]
    if task == 'hash':
        options += ['--n_bit', str(n_outputs)]
    sizes = '-'.join(map(str, (trace['x'].shape[2], *hidden, n_outputs)))

    def start(dtype):
        arrays = {key: numpy.asarray(value, dtype) if key != 'n_class'
                  else value for key, value in trace.items()}
        return arrays, Replay(task, below('init', arrays), arrays['x'],
                              arrays['eps'], arrays['d0'], device)

    with contextlib.ExitStack() as stack:
        replays, originals = {}, {}
        for dtype in 'df':
            arrays, replays[dtype] = start(dtype)
            originals[dtype] = stack.enter_context(OriginalRun(
                python, script, arrays, options, threads))
        steps, before = SingleSteps(start('f')[1]), below('init', arrays)
        result = Trajectory(f'{task} {sizes}', originals['d'].versions)
        for step in range(1, len(trace['x']) + 1):
            losses, states = {}, {}
            for dtype in 'df':
                seconds, states[dtype] = originals[dtype].step()
                result.original[dtype].append(seconds)
                steps.check(states[dtype], script)
                begin = time.perf_counter()
                losses[dtype] = replays[dtype].step()
                result.ours[dtype].append(time.perf_counter() - begin)
            double, single = (list(replays[dtype].pairs(
                losses[dtype], replays[dtype].gradients(), states[dtype],
                step)) for dtype in 'df')
            for found, section, dtype, pairs in (
                    (result.double, result.section, 'd', double),
                    (result.single, f'{result.section}, free', 'f', single),
                    (result.itself, result.section, 'f', (
                        (name, states['f'][name], states['d'][name])
                        for name, _, _ in double))):
                found += _compare_runs(section, dtype, step, n_outputs, pairs)
            result.steps += steps.compare(result.section, step, before,
                                          states['f'])
            before = below('after', states['f'])
    return result


def _compare_runs(section, dtype, step, n_outputs, pairs):
    for name, actual, expected in pairs:
        atol = TOLERANCES[dtype] * float(abs(expected).max())
        if '.' not in name:
            terms = n_outputs ** (1 + ('pair' in name))
            atol = max(atol, CANCELLED[dtype] * terms)
        elif is_noise(name):
            atol = max(atol, NOISE[dtype][name.startswith('grad.')])
        yield compare(section, name, dtype, actual, expected, atol=atol,
                      step=step)
