import subprocess
import types

import numpy
import pytest
import scripts
import simt


class FakeGpu:
    """Stands in for benchmarks.kernels.timing.Gpu, with a clock of its own.

    Every timed call takes ``launch`` ms more than the call itself adds to
    ``now``; ``log`` has what was asked for.
    """
    xp, asarray = numpy, staticmethod(simt.asarray)
    l2_bytes = 1000
    rates = dict(instructions=1e6, fp64=1e5, popc=1e5, convert=1e5)

    def __init__(self, launch=1.):
        self.now, self.launch, self.log = 0., launch, []

    def start(self):
        self.log.append('start')
        return [self.now]

    def stop(self, span):
        self.now += self.launch
        span.append(self.now)

    def milliseconds(self, span):
        return span[1] - span[0]

    def synchronize(self):
        self.log.append('synchronize')

    def evict(self):
        self.log.append('evict')
        self.now += 1e3

    def free(self):
        self.log.append('free')


@pytest.fixture
def fake_gpu():
    return FakeGpu


@pytest.fixture
def forked(monkeypatch):
    """Runs of tables are forked, one after another."""
    monkeypatch.setattr('tabulation.runs.subprocess', types.SimpleNamespace(
        Popen=scripts.Forked, PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT))
