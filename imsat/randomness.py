"""Random numbers that need no state, so that a run can be resumed anywhere.

Whatever is drawn in a step comes from a generator of its own, keyed by the
seed, the purpose and the step.
"""
import numpy

ORDER, DIRECTION, EVALUATION, NOISE = range(4)


def generator(seed, purpose, step=0, *parts):
    """``numpy.random.Generator`` of one purpose in one step, and of one of
    its parts where there are several."""
    return numpy.random.default_rng((seed, purpose, step, *parts))


def restart_seeds(seed, n):
    """Seeds of n restarts: ``seed`` itself, then ones derived from it."""
    return [seed] + [
        int(numpy.random.SeedSequence((seed, i)).generate_state(1)[0])
        for i in range(1, n)]
