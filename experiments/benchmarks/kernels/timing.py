"""Milliseconds on a GPU: those that are measured, medians of events, none
helped by the cache, and the least that the arithmetic of a kernel takes."""
import collections
import gc
import itertools
import statistics

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


# Instructions of a float function, where no rare case needs more: counted in
# what ptxas 13.0 makes of it for sm_90.  philox: of four random words.
INSTRUCTIONS = {'fma': 1, 'exp': 10, 'log': 27, 'divide': 9, 'sqrt': 8,
                'sincospi': 31, 'philox': 70}
# Those that a multiprocessor has fewer units for: popc of 32 bits, arithmetic
# in float64, conversions from and to 64 bits.
RARE = 'popc', 'fp64', 'convert'
# Results per clock of a multiprocessor, by compute capability (CUDA C++
# Programming Guide, arithmetic instructions): of most, and of float64.
DATA_CENTRE = {'70': (64, 32), '80': (64, 32), '90': (128, 64),
                '100': (128, 64), '103': (128, 2)}


def rates(capability, multiprocessors, hertz):
    """Operations per second of a GPU.

    Args:
        capability (str): ``'90'`` for compute capability 9.0.
        multiprocessors (int): How many there are.
        hertz (float): Of their clock.
    """
    most, fp64 = DATA_CENTRE.get(capability, (128, 2))
    per_clock = {'instructions': most, 'fp64': fp64, 'popc': 16,
                 'convert': min(fp64, 16)}
    return {name: n * multiprocessors * hertz
            for name, n in per_clock.items()}


def limit(operations, rates):
    """Milliseconds that these operations take at least.

    Args:
        operations (dict): Numbers of them, by the names of INSTRUCTIONS and
            RARE.
        rates (dict): Of :func:`rates`.
    """
    instructions = sum(n * INSTRUCTIONS.get(name, 1)
                       for name, n in operations.items())
    seconds = [instructions / rates['instructions']] + [
        n / rates[name] for name, n in operations.items() if name in RARE]
    return 1e3 * max(seconds)
