"""How many kernels a step launches beside its matrix products.

Through Chainer's graph and by the plan.  An emulated array counts what NumPy
is asked for: each would be a kernel of CuPy's.
"""
import collections

import numpy
import pytest
import simt

from cuda_tests.test_training_step import EmulatedDevice, linear_stays_there
from imsat.losses import VAT
from imsat.training.adam import BlockwiseAdamRule
from imsat.training.plan import Plan
from original import replay
from original.comparison import Trace

__all__ = ['linear_stays_there']  # a fixture
FILES = ['cluster_step_warm', 'hash_step_warm']
# Launches beside products that docs/kernels.md tells of.
BY_GRAPH = {'cluster_step_warm': 84, 'hash_step_warm': 85}


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


@pytest.mark.parametrize('captures', [False, True])
@pytest.mark.parametrize('file', FILES)
def test_by_the_plan(emulator, others, file, captures):
    start = replay.start(Trace(file, 'f'), EmulatedDevice())
    start.loss.regularizer = VAT()
    planned = Plan(start.optimizer, start.loss, captures)
    size = len(start.x) // 5
    for step in range(3):
        emulator.launches.clear()
        others.clear()
        planned(start.x, numpy.arange(size) + step * size, step)
    # Of its 17 products three are of the last layer's bias.
    assert emulator.launches.pop('product') == 22 - 8 + 3
    assert sum(emulator.launches.values()) == 14
    # The loss, of its two terms.
    assert +others == {'add': 1}
