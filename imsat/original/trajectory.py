"""Our training and the original's, side by side, from the same start."""
import contextlib
import dataclasses
import time

import numpy

from imsat.links import Encoder
from imsat.neighbors import neighbor_distance
from imsat.original.comparison import compare
from imsat.original.process import OriginalRun
from imsat.original.replay import (
    Replay, array_of, eps_in_variance, is_noise, names_of)
from imsat.training.iterators import sample_permutation

BATCH_SIZE = 250  # fixed in the original
# So many iterations have to agree; after them rounding may have grown.
JUDGED = 20
# Of each array's largest element, in double and single precision.
TOLERANCES = {'d': 1e-6, 'f': 1e-3}
# What rounding may do to arrays that it decides, and to their gradients.
NOISE = {'d': (1e-8, 1e-12), 'f': (5e-3, 1e-6)}
# Losses are differences of terms of order 1.
CANCELLED = {'d': 1e-12, 'f': 2e-5}


@dataclasses.dataclass
class Trajectory:
    """What :func:`compare_trajectory` has seen of one task.

    Attributes:
        section (str): Task and sizes.
        versions (dict): What the original ran on.
        comparisons (list of Comparison): Ours with the original.
        itself (list of Comparison): The original's float32 run with its own
            float64 run: how far rounding alone carries.
        ours, original (dict): Seconds of each iteration, by dtype.
    """
    section: str
    versions: dict
    comparisons: list
    itself: list
    ours: dict
    original: dict


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


def compare_trajectory(python, script, task, trace, device, threads,
                       progress=lambda: None):
    """Runs ours and the original, both in both precisions, in turns.

    An iteration of one is followed by the same of the next, and then all
    that they hold is compared.

    Args:
        trace (dict): Of :func:`draw_start`.
        progress: Called after each iteration.
    """
    with contextlib.ExitStack() as stack:
        replays, originals = {}, {}
        for dtype in 'df':
            arrays = {key: numpy.asarray(value, dtype)
                      if key != 'n_class' else value
                      for key, value in trace.items()}
            init = {key[5:]: value for key, value in arrays.items()
                    if key.startswith('init.')}
            replays[dtype] = Replay(task, init, arrays['x'], arrays['eps'],
                                    arrays['d0'], device)
            originals[dtype] = stack.enter_context(OriginalRun(
                python, script, arrays, _options(task, trace), threads))
        sizes = '-'.join(map(str, replays['d'].encoder.sizes))
        result = Trajectory(f'{task} {sizes}', originals['d'].versions, [],
                            [], {'d': [], 'f': []}, {'d': [], 'f': []})
        rounding = {}
        for step in range(1, len(trace['x']) + 1):
            ours, theirs = {}, {}
            for dtype in 'df':
                seconds, theirs[dtype] = originals[dtype].step()
                result.original[dtype].append(seconds)
                start = time.perf_counter()
                losses = replays[dtype].step()
                ours[dtype] = {name: float(loss.array)
                               for name, loss in losses.items()}
                result.ours[dtype].append(time.perf_counter() - start)
            itself = list(_compare_with_itself(result.section, theirs, step))
            result.itself += itself
            for c in itself:
                group, distance = _group_of(c.quantity), _distance(c)
                if not is_noise(c.quantity):
                    rounding[group] = max(rounding.get(group, 0), distance)
            for dtype in 'df':
                result.comparisons += _compare_states(
                    result.section, replays[dtype], ours[dtype],
                    theirs[dtype], rounding if dtype == 'f' else {}, step)
            progress()
    return result


def _options(task, trace):
    options = ['--hidden_list', '-'.join(
        str(len(trace[f'init.l{i}.b'])) for i in (1, 2))]
    if task == 'hash':
        options += ['--n_bit', str(len(trace['init.l3.b']))]
    return options


def _compare_with_itself(section, states, step):
    for name in sorted(states['d']):
        yield compare(section, name, 'f', states['f'][name],
                      states['d'][name], atol=numpy.inf, step=step)


def _group_of(quantity):
    """``grad``, ``after`` or ``losses``."""
    return quantity.split('.')[0] if '.' in quantity else 'losses'


def _distance(comparison):
    """Absolute for losses, some of which are 0 but for rounding."""
    return comparison.relative if '.' in comparison.quantity \
        else comparison.absolute


def within_tolerance(comparison):
    """Whether it is within :data:`TOLERANCES`, whatever rounding does."""
    dtype, name = comparison.dtype.char, comparison.quantity
    return comparison.relative <= TOLERANCES[dtype] or is_noise(name) \
        or '.' not in name and comparison.absolute <= CANCELLED[dtype]


def _compare_states(section, replay, losses, state, rounding, step):
    """Comparisons of all that ``state`` of the original holds.

    ``rounding`` is what has parted the original's float32 run from its
    float64 run so far, by group of quantities: four times that is allowed.
    """
    dtype = replay.updater.x.dtype
    arrays_noise, gradients_noise = NOISE[dtype.char]

    def check(quantity, actual, expected, least):
        largest = float(abs(expected).max())
        own = 4 * rounding.get(_group_of(quantity), 0)
        bound = max(TOLERANCES[dtype.char] * largest, least,
                    own * largest if '.' in quantity else own)
        return compare(section, quantity, dtype, actual, expected,
                       atol=bound if step <= JUDGED else numpy.inf, step=step)

    for name in sorted(set(losses) & set(state)):
        yield check(name, losses[name], state[name], CANCELLED[dtype.char])
    for name, parameter in sorted(replay.encoder.namedparams()):
        name = name[1:].replace('/', '.')
        yield check(f'grad.{name}', parameter.grad, state[f'grad.{name}'],
                    gradients_noise if is_noise(name) else 0)
    for name in names_of(replay.encoder):
        expected = state[f'after.{name}']
        if name.endswith('avg_var'):
            expected = expected - dtype.type(eps_in_variance(
                BATCH_SIZE, step))
        yield check(f'after.{name}', array_of(replay.encoder, name),
                    expected, arrays_noise if is_noise(name) else 0)
