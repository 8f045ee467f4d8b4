"""Our training and the original's, side by side, from the same start."""
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
# So far rounding has to stay within ``TOLERANCES``; after them it may grow.
STEPS = {'float64': 20, 'float32': 10}
# Of each array's largest element.
TOLERANCES = {'float64': 1e-6, 'float32': 1e-3}
# Absolute, of arrays that rounding decides, and of their gradients.
NOISE = {'float64': (1e-8, 1e-12), 'float32': (5e-3, 1e-6)}


@dataclasses.dataclass
class Trajectory:
    """What :func:`compare_trajectory` has seen of one task and precision."""
    section: str
    dtype: numpy.dtype
    versions: dict
    comparisons: list
    ours: list  # seconds of each iteration
    original: list


def draw_start(x, task, n_outputs, hidden, steps, dtype, seed=0):
    """What both start from and draw, as in the traces of training steps.

    Weights are drawn as the original draws them, batches from ``x``, shape
    (N, d), N >= 250; every precision gets the same numbers.
    """
    rng = numpy.random.RandomState(seed)
    encoder = Encoder(x.shape[1], n_outputs, hidden, rng=rng)
    sigma = neighbor_distance(x, 11)
    index = numpy.stack([sample_permutation(rng, len(x), BATCH_SIZE)
                         for _ in range(steps)])
    trace = {'x': x[index], 'eps': sigma[index].astype(numpy.float32),
             'd0': rng.normal(size=(*index.shape, x.shape[1])).astype('f'),
             **{f'init.{name}': array_of(encoder, name)
                for name in names_of(encoder)}}
    trace = {key: value.astype(dtype) for key, value in trace.items()}
    return {**trace, 'n_class': n_outputs if task == 'cluster' else 10}


def compare_trajectory(python, script, task, trace, device, threads,
                       progress=lambda: None):
    """Runs both in turns, an iteration each, and compares all they hold."""
    dtype = trace['x'].dtype
    hidden = [len(trace[f'init.l{i}.b']) for i in (1, 2)]
    options = ['--hidden_list', '-'.join(map(str, hidden))]
    if task == 'hash':
        options += ['--n_bit', str(len(trace['init.l3.b']))]
    init = {key[5:]: value for key, value in trace.items()
            if key.startswith('init.')}
    replay = Replay(task, init, trace['x'], trace['eps'], trace['d0'], device)
    sizes = '-'.join(map(str, replay.encoder.sizes))
    with OriginalRun(python, script, trace, options, threads) as original:
        result = Trajectory(f'{task} {sizes}', dtype, original.versions, [],
                            [], [])
        for step in range(1, len(trace['x']) + 1):
            seconds, state = original.step()
            result.original.append(seconds)
            start = time.perf_counter()
            losses = {name: float(loss.array)
                      for name, loss in replay.step().items()}
            result.ours.append(time.perf_counter() - start)
            result.comparisons += compare_states(
                result.section, replay, losses, state, step)
            progress()
    return result


def compare_states(section, replay, losses, state, step):
    """Comparisons of all that ``state`` of the original holds."""
    dtype = replay.updater.x.dtype
    precision = str(dtype)
    bound = TOLERANCES[precision] if step <= STEPS[precision] else numpy.inf

    def check(quantity, actual, expected, noise):
        atol = bound * float(abs(expected).max())
        return compare(section, quantity, dtype, actual, expected,
                       atol=max(atol, noise), step=step)

    for name in sorted(set(losses) & set(state)):
        yield check(name, losses[name], state[name], 0)
    arrays, gradients = NOISE[precision]
    for name, parameter in sorted(replay.encoder.namedparams()):
        name = name[1:].replace('/', '.')
        yield check(f'grad.{name}', parameter.grad, state[f'grad.{name}'],
                    gradients if is_noise(name) else 0)
    for name in names_of(replay.encoder):
        expected = state[f'after.{name}']
        if name.endswith('avg_var'):
            expected = expected - dtype.type(eps_in_variance(
                BATCH_SIZE, step))
        yield check(f'after.{name}', array_of(replay.encoder, name),
                    expected, arrays if is_noise(name) else 0)
