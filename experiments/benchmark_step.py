"""Milliseconds a training step: ours beside plain Chainer, in one run.

    python experiments/benchmark_step.py
    python experiments/benchmark_step.py --task hashing

The plain step is that of benchmarks/plain.py, written as the authors' code
writes it.  Both take batches of the same data in turn; printed are medians
and their ratio.
"""
import argparse
import statistics
import sys

import numpy

import imsat
import chainer
from benchmarks.plain import (
    PlainClustering, PlainEncoder, PlainHashing, plain_step)
from common.scripts import main, positive
from common.timing import time_in_turns
from imsat import devices
from imsat.training.adam import Adam
from imsat.training.iterators import IndexIterator
from imsat.training.updater import Updater

# The task's plain functions, and our estimator.
TASKS = {'clustering': (PlainClustering, imsat.IMSATClustering()),
         'hashing': (PlainHashing, imsat.IMSATHasher())}
RATE = imsat.IMSATClustering.learning_rate


def get_options(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add('--task', choices=TASKS, default='clustering', help='what is learnt')
    add('--threads', type=positive, default=2, help='of BLAS')
    add('--steps', type=positive, default=60, help='timed, of each')
    add('--dim', type=positive, default=784, help='features')
    add('--hidden', type=positive,
        help='units of both hidden layers; 1200, 400 for hashing')
    add('--outputs', type=positive, help='clusters, 10, or bits, 16')
    add('--batch-size', type=positive,
        default=imsat.IMSATClustering.batch_size, help='points a step')
    args = parser.parse_args(argv)
    _, model = TASKS[args.task]
    args.hidden = args.hidden or model.hidden[0]
    args.outputs = args.outputs or (
        model.n_clusters if args.task == 'clustering' else model.n_bits)
    return args


def make_step(args, x, radius):
    """The step of the library, as estimators train by it."""
    _, model = TASKS[args.task]
    encoder = imsat.Encoder(args.dim, args.outputs, 2 * (args.hidden,))
    return Updater(
        IndexIterator(len(x), args.batch_size),
        Adam(alpha=RATE).setup(encoder), x, imsat.IMSATLoss(
            model.make_objective(), model.make_regularizer(), radius)).update


def make_plain_step(args, x, radius):
    """The step as the authors' code writes it."""
    task, _ = TASKS[args.task]
    model = PlainEncoder(args.dim, 2 * (args.hidden,), args.outputs)
    optimizer = chainer.optimizers.Adam(alpha=RATE).setup(model)
    batches = IndexIterator(len(x), args.batch_size)

    def step():
        index = next(batches)
        plain_step(task, model, optimizer, x[index], radius[index])
    return step


def make_products(args, x):
    """What the matrix products of a step take by themselves.

    7 passes of the network but for the first layer's gradients to x.
    """
    n, hidden = args.batch_size, args.hidden
    a, b = x[:n], numpy.ones((args.dim, hidden), 'f')
    c, e = numpy.ones((n, hidden), 'f'), numpy.ones((hidden, hidden), 'f')

    def step():
        for _ in range(6):  # forward 3, backward 1 to x, 2 to W
            a.dot(b)
        for _ in range(8):  # forward 3, backward 3 to h, 2 to W
            c.dot(e)
    return step


def run(args):
    n = 4 * args.batch_size
    rng = numpy.random.RandomState(0)
    x = rng.uniform(-1, 1, (n, args.dim)).astype('f')
    radius = numpy.full(n, 1.5, 'f')
    times = time_in_turns({
        'plain Chainer': make_plain_step(args, x, radius),
        'imsat': make_step(args, x, radius),
        'matrix products alone': make_products(args, x)},
        args.steps, warm_up=5)
    print(f'{args.task}, {args.dim}-{args.hidden}-{args.hidden}-'
          f'{args.outputs}, batch {args.batch_size}, {args.threads} threads, '
          f'{devices.describe(devices.get_device(-1))}')
    base = statistics.median(times['plain Chainer'])
    for name, seconds in times.items():
        median = statistics.median(seconds)
        print(f'{name:22} {median * 1e3:7.1f} ms (median of {args.steps}; '
              f'{min(seconds) * 1e3:.1f} to {max(seconds) * 1e3:.1f})  '
              f'{base / median:.2f}x')


if __name__ == '__main__':
    sys.exit(main(run, get_options, resume=None))
