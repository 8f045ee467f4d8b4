"""Milliseconds on a GPU: medians of events, none helped by the cache."""
import collections
import gc
import itertools
import statistics

from benchmarks.kernels.arithmetic import rates

MAX_SETS = 16
ROUNDS = 5
CALLS = 5, 250  # at least, at most, of each contestant
SLOW = 1000.  # milliseconds, of which one call is enough


class Gpu:
    """CuPy's current device and stream, and their clock."""

    def __init__(self):
        import cupy
        self.xp, self.asarray = cupy, cupy.asarray
        runtime = cupy.cuda.runtime
        self.l2_bytes = runtime.deviceGetAttribute(
            runtime.cudaDevAttrL2CacheSize, runtime.getDevice())
        self.rates = rates(
            cupy.cuda.Device().compute_capability,
            *(runtime.deviceGetAttribute(attribute, runtime.getDevice())
              * unit for attribute, unit in (
                  (runtime.cudaDevAttrMultiProcessorCount, 1),
                  (runtime.cudaDevAttrClockRate, 1e3))))  # (kHz)
        self._filler = cupy.empty(2 * self.l2_bytes, 'B')

    def start(self):
        """Events of which the first is recorded."""
        span = self.xp.cuda.Event(), self.xp.cuda.Event()
        span[0].record()
        return span

    def stop(self, span):
        span[1].record()

    def milliseconds(self, span):
        """Between start and stop, after :meth:`synchronize`."""
        return self.xp.cuda.get_elapsed_time(*span)

    def synchronize(self):
        self.xp.cuda.get_current_stream().synchronize()

    def evict(self):
        """Leaves nothing of use in the L2 cache."""
        self._filler.fill(0)
        self.synchronize()

    def free(self):
        """Gives memory that Python or CuPy hold for later to others."""
        gc.collect()
        self.xp.get_default_memory_pool().free_all_blocks()


def count_sets(n_bytes, l2_bytes):
    """How many copies of inputs of n_bytes have to go round.

    Between two uses of a copy the others, twice the L2 cache, are used.  Of
    small inputs that would be many: these get one, 1 is returned, and
    :meth:`Gpu.evict` before each call.
    """
    sets = -(-2 * l2_bytes // max(n_bytes, 1)) + 1
    return sets if sets <= MAX_SETS else 1


def medians(contestants, gpu, milliseconds=200):
    """Median milliseconds of each contestant, interleaved.

    Calls that follow one another are not waited for: where they keep the GPU
    busy this is what the GPU takes, otherwise what it takes to launch them.

    Args:
        contestants (dict): Of names to sequences of functions, one for each
            copy of the inputs; all have run before.
        gpu (Gpu)
        milliseconds (float): What each may take, about.
    """
    rotations = {name: _Rotation(functions, gpu)
                 for name, functions in contestants.items()}
    calls, times = {}, {}
    for name, rotation in rotations.items():
        once, = rotation.burst(1)
        if once >= SLOW:
            times[name] = [once]
            continue
        least, most = CALLS
        calls[name] = int(min(max(milliseconds / max(once, 1e-3), least),
                              most))
        times[name] = []
    for _ in range(ROUNDS):
        for name, n in calls.items():
            times[name] += rotations[name].burst(-(-n // ROUNDS))
    return {name: statistics.median(each) for name, each in times.items()}


class _Rotation:

    def __init__(self, functions, gpu):
        self.gpu, self.evicts = gpu, len(functions) == 1
        self.functions = itertools.cycle(functions)
        # Results are kept for a round, so that they too change places.
        self.results = collections.deque(maxlen=len(functions))

    def burst(self, n):
        """Milliseconds of n calls, one after the other."""
        spans = []
        self.gpu.synchronize()
        if n > 1 and not self.evicts:
            self.results.append(next(self.functions)())  # for a queue
        for _ in range(n):
            if self.evicts:
                self.gpu.evict()
            span = self.gpu.start()
            self.results.append(next(self.functions)())
            self.gpu.stop(span)
            spans.append(span)
        self.gpu.synchronize()
        return [self.gpu.milliseconds(span) for span in spans]


def copy_speed(gpu, n_bytes=2 ** 30):
    """GB/s, read and written, of a copy of n_bytes within the device."""
    target, source = (gpu.xp.zeros(n_bytes, 'B') for _ in range(2))
    name = 'copy'
    ms = medians({name: 2 * [lambda: gpu.xp.copyto(target, source)]}, gpu)
    return 2 * n_bytes / ms[name] / 1e6
