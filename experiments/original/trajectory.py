"""Our training and the original's, side by side, from the same start."""
import contextlib
import dataclasses
import time

import numpy

from imsat.links import Encoder
from imsat.links.original import array_of, names_of
from imsat.neighbors import neighbor_distance
from imsat.training.iterators import sample_permutation
from original.comparison import compare
from original.process import OriginalRun
from original.replay import Replay, is_noise
from original.source import BATCH_SIZE
from original.steps import SingleSteps

# So many iterations have to agree: in float64 all, in float32, where rounding
# parts two runs soon, their losses.
JUDGED = {'d': 20, 'f': 2}
# Of each array's largest element.
TOLERANCES = {'d': 1e-6, 'f': 1e-3}
# What rounding may do to arrays that it decides, and to their gradients.
NOISE = {'d': (1e-8, 1e-12), 'f': (numpy.inf, numpy.inf)}
# Losses are differences of terms of order 1, one for each output or pair.
CANCELLED = {'d': 1e-14, 'f': 5e-7}


@dataclasses.dataclass
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
    double: list = dataclasses.field(default_factory=list)
    single: list = dataclasses.field(default_factory=list)
    steps: list = dataclasses.field(default_factory=list)
    itself: list = dataclasses.field(default_factory=list)
    ours: dict = dataclasses.field(default_factory=lambda: {'d': [], 'f': []})
    original: dict = dataclasses.field(
        default_factory=lambda: {'d': [], 'f': []})

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
    with contextlib.ExitStack() as stack:
        replays, originals = {}, {}
        for dtype in 'df':
            arrays = {key: numpy.asarray(value, dtype)
                      if key != 'n_class' else value
                      for key, value in trace.items()}
            replays[dtype] = _replay(task, arrays, device)
            originals[dtype] = stack.enter_context(OriginalRun(
                python, script, arrays, _options(task, trace), threads))
        steps, before = (SingleSteps(_replay(task, arrays, device)),
                         _below('init.', arrays))
        sizes = steps.replay.encoder.sizes
        result = Trajectory(f'{task} {"-".join(map(str, sizes))}',
                            originals['d'].versions)
        for step in range(1, len(trace['x']) + 1):
            losses, states = {}, {}
            for dtype in 'df':
                seconds, states[dtype] = originals[dtype].step()
                result.original[dtype].append(seconds)
                steps.check(states[dtype], script)
                start = time.perf_counter()
                losses[dtype] = replays[dtype].step()
                result.ours[dtype].append(time.perf_counter() - start)
            for dtype, section, found in (
                    ('d', result.section, result.double),
                    ('f', f'{result.section}, free', result.single)):
                replay = replays[dtype]
                found += _compare_runs(
                    section, dtype, step, sizes[-1], replay.pairs(
                        losses[dtype], replay.gradients(), states[dtype],
                        step))
            result.itself += _compare_runs(
                result.section, 'f', step, sizes[-1], (
                    (c.quantity, states['f'][c.quantity],
                     states['d'][c.quantity])
                    for c in result.double if c.step == step))
            result.steps += steps.compare(result.section, step, before,
                                          states['f'])
            before = _below('after.', states['f'])
    return result


def _options(task, trace):
    options = ['--hidden_list', '-'.join(
        str(len(trace[f'init.l{i}.b'])) for i in (1, 2))]
    if task == 'hash':
        options += ['--n_bit', str(len(trace['init.l3.b']))]
    return options


def _below(prefix, arrays):
    return {key[len(prefix):]: value for key, value in arrays.items()
            if key.startswith(prefix)}


def _replay(task, arrays, device):
    return Replay(task, _below('init.', arrays), arrays['x'], arrays['eps'],
                  arrays['d0'], device)


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
