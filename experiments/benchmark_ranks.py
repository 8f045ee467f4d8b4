"""Milliseconds a training step: P ranks of one thread, and one rank of P.

    mpiexec -n 2 python experiments/benchmark_ranks.py
    mpiexec -n 2 python experiments/benchmark_ranks.py --task hashing

Both take the same batches in turn, while whoever is not at work sleeps.
Printed are medians, their ratio, what a step sends, and how long messages of
the largest and of the smallest kind take by themselves.
"""
import statistics
import sys
import time

import numpy
import threadpoolctl

from benchmark_step import decided, get_parser, make_updater
from common.scripts import main
from imsat import devices
from imsat.ranks import NAMES, ranks_of, sharing

BLOCK = 3  # steps in a row, of which the first is not timed


def get_options(argv=None):
    parser = get_parser(__doc__)
    parser.add_argument('--communicator', choices=NAMES, default=NAMES[0],
                        help="ChainerMN's")
    return decided(parser.parse_args(argv))


class Counted:
    """A communicator that notes the bytes of its messages."""

    def __init__(self, communicator):
        self._communicator, self.sizes = communicator, []

    def __getattr__(self, name):
        return getattr(self._communicator, name)

    def allreduce(self, array):
        self.sizes.append(array.nbytes)
        return self._communicator.allreduce(array)


def meet(communicator):
    """Waits for all ranks, asleep."""
    request = communicator.mpi_comm.Ibarrier()
    while not request.Test():
        time.sleep(.002)


def timed(function, repeats):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return times[1:]


def run(args):
    ranks = ranks_of(args.communicator)
    communicator, n = ranks.communicator, 4 * args.batch_size
    rng = numpy.random.RandomState(0)
    x = rng.uniform(-1, 1, (n, args.dim)).astype('f')
    radius = numpy.full(n, 1.5, 'f')
    counted = Counted(communicator)
    alone = make_updater(args, x, radius)
    with sharing(counted):
        shared = make_updater(args, x, radius)
        shared.update()
        counted.sizes.clear()
        shared.update()
    sizes = counted.sizes.copy()
    one, all_of_them = [], []
    for _ in range(-(-args.steps // (BLOCK - 1))):
        meet(communicator)
        if not ranks.rank:
            with threadpoolctl.threadpool_limits(ranks.size):
                one += timed(alone.update, BLOCK)
        meet(communicator)
        with sharing(communicator), threadpoolctl.threadpool_limits(1):
            all_of_them += timed(shared.update, BLOCK)
    messages = {size: statistics.median(timed(
        lambda: communicator.allreduce(numpy.zeros(size // 4, 'f')), 30))
        for size in (min(sizes), max(sizes))}
    if ranks.rank:
        return
    first, second = statistics.median(one), statistics.median(all_of_them)
    print(f'{args.task}, {args.dim}-{args.hidden}-{args.hidden}-'
          f'{args.outputs}, batch {args.batch_size}, '
          f'{devices.describe(devices.get_device(-1))}')
    print(f'1 rank of {ranks.size} threads: {first * 1e3:.1f} ms, '
          f'{ranks.size} ranks of one: {second * 1e3:.1f} ms (medians of '
          f'{len(one)} in turn), {first / second:.2f}x')
    print(f'a step sends {len(sizes)} messages, {sum(sizes)} bytes; '
          + ', '.join(f'{size} bytes take {seconds * 1e6:.0f} us'
                      for size, seconds in messages.items()))


if __name__ == '__main__':
    sys.exit(main(run, get_options, resume=None))
