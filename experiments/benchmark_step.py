"""Milliseconds a training step: ours beside plain Chainer, in one run.

    python experiments/benchmark_step.py
    python experiments/benchmark_step.py --task hashing

The plain step is written as the authors' code writes it: the clean batch goes
through the network twice, the power iteration differentiates every parameter,
the tables of all pairs of bits are stacked for every point, and batch
normalization, ReLU and Adam are Chainer's own.  Both take the same batches in
turn; printed are medians and their ratio.
"""
import argparse
import statistics
import time

import numpy
import threadpoolctl

import imsat
import chainer
import chainer.functions as F
import chainer.links as L
from imsat import devices
from imsat.training.adam import Adam
from imsat.training.iterators import IndexIterator
from imsat.training.updater import IMSATUpdater


class PlainEncoder(chainer.Chain):

    def __init__(self, n_in, hidden, n_out):
        super().__init__()
        with self.init_scope():
            self.l1 = L.Linear(n_in, hidden[0])
            self.l2 = L.Linear(hidden[0], hidden[1])
            self.l3 = L.Linear(hidden[1], n_out)
            self.bn1 = L.BatchNormalization(hidden[0])
            self.bn2 = L.BatchNormalization(hidden[1])

    def forward(self, x, update=True):
        h = F.relu(self.normalize(self.bn1, self.l1(x), update))
        h = F.relu(self.normalize(self.bn2, self.l2(h), update))
        return self.l3(h)

    @staticmethod
    def normalize(bn, h, update):
        return bn(h) if update else F.batch_normalization(
            h, bn.gamma, bn.beta)


def plain_entropy(p):
    return -F.sum(p * F.log(p + 1e-8)) / (len(p) if p.ndim == 2 else 1)


def plain_kl(p, q):
    return F.sum(p * F.log((p + 1e-8) / (q + 1e-8))) / len(p)


def plain_normalize(d):
    return d / numpy.sqrt((d ** 2).sum(axis=1))[:, None]


class PlainClustering:

    @staticmethod
    def information(y, mu=4):
        p = F.softmax(y)
        return plain_entropy(p) - mu * plain_entropy(
            F.sum(p, axis=0) / len(p))

    @staticmethod
    def distance(y0, y1):
        return plain_kl(F.softmax(y0), F.softmax(y1))


def plain_tables(p):
    """The four cells of all pairs of bits: (B, D(D-1)/2, 4) from (B, D)."""
    bits = F.separate(p, axis=1)
    first, second = (F.stack([bits[d] for d in index], axis=1)
                     for index in numpy.triu_indices(len(bits), 1))
    return F.stack([first, 1 - first, first, 1 - first], axis=2) \
        * F.stack([second, second, 1 - second, 1 - second], axis=2)


class PlainHashing:

    @staticmethod
    def entropies(y):
        """Conditional and marginal entropy, and information of pairs."""
        p = F.sigmoid(y)
        mean = F.sum(p, axis=0) / len(p)
        joint = F.sum(plain_tables(p), axis=0) / len(p)
        product = plain_tables(mean[None])[0]
        shared = 2 * F.sum(
            joint * F.log((joint + 1e-8) / (product + 1e-8)))
        return (plain_entropy(p) + plain_entropy(1 - p),
                plain_entropy(mean) + plain_entropy(1 - mean), shared)

    @classmethod
    def information(cls, y):
        conditional, marginal, shared = cls.entropies(y)
        return conditional - marginal + shared

    @staticmethod
    def distance(y0, y1):
        p, q = F.sigmoid(y0), F.sigmoid(y1)
        return plain_kl(p, q) + plain_kl(1 - p, 1 - q)


def plain_step(task, model, optimizer, x, radius, lam=.1, xi=10):
    information = task.information(model(x))

    y = model(x, update=False)
    y.unchain_backward()
    d = plain_normalize(numpy.random.normal(size=x.shape).astype('f'))
    d = chainer.Variable(d)
    moved = task.distance(y, model(x + xi * d, update=False))
    moved.backward()
    d = chainer.Variable(plain_normalize(d.grad))
    sat = task.distance(y, model(x + radius[:, None] * d, update=False))

    loss = sat + lam * information
    model.cleargrads()
    loss.backward()
    optimizer.update()


# The task's plain functions and objective, hidden units and outputs.
TASKS = {'clustering': (PlainClustering, imsat.ClusteringObjective, 1200, 10),
         'hashing': (PlainHashing, imsat.HashingObjective, 400, 16)}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('--task', choices=TASKS, default='clustering')
    parser.add_argument('--threads', type=int, default=2, help='of BLAS')
    parser.add_argument('--steps', type=int, default=60)
    parser.add_argument('--dim', type=int, default=784)
    parser.add_argument('--hidden', type=int, help='default: 1200; 400 for '
                        'hashing')
    parser.add_argument('--outputs', type=int, help='clusters, 10, or bits, '
                        '16')
    parser.add_argument('--batch-size', type=int, default=250)
    args = parser.parse_args()

    task, objective, hidden, outputs = TASKS[args.task]
    args.hidden, args.outputs = args.hidden or hidden, args.outputs or outputs
    n, hidden = 4 * args.batch_size, (args.hidden, args.hidden)
    rng = numpy.random.RandomState(0)
    x = rng.uniform(-1, 1, (n, args.dim)).astype('f')
    radius = numpy.full(n, 1.5, 'f')

    updater = IMSATUpdater(
        IndexIterator(n, args.batch_size),
        Adam(alpha=.002).setup(imsat.Encoder(args.dim, args.outputs, hidden)),
        x, radius, objective(), imsat.vat)
    plain = PlainEncoder(args.dim, hidden, args.outputs)
    plain_optimizer = chainer.optimizers.Adam(alpha=.002).setup(plain)
    batches = IndexIterator(n, args.batch_size)

    def step_plain():
        index = next(batches)
        plain_step(task, plain, plain_optimizer, x[index], radius[index])

    # What the matrix products of a step take by themselves: 7 passes of the
    # network but for the first layer's gradients to x, see the README.
    a, b = x[:args.batch_size, :], numpy.ones(
        (args.dim, args.hidden), 'f')
    c, e = numpy.ones((args.batch_size, args.hidden), 'f'), numpy.ones(
        (args.hidden, args.hidden), 'f')

    def products():
        for _ in range(6):  # forward 3, backward 1 to x, 2 to W
            a.dot(b)
        for _ in range(8):  # forward 3, backward 3 to h, 2 to W
            c.dot(e)

    contestants = {'plain Chainer': step_plain, 'imsat': updater.update,
                   'matrix products alone': products}
    times = {name: [] for name in contestants}
    with threadpoolctl.threadpool_limits(args.threads):
        for i in range(args.steps + 5):
            for name, step in contestants.items():
                start = time.perf_counter()
                step()
                if i >= 5:
                    times[name].append(time.perf_counter() - start)

    print(f'{args.task}, {args.dim}-{args.hidden}-{args.hidden}-'
          f'{args.outputs}, batch {args.batch_size}, {args.threads} threads, '
          f'{devices.describe(chainer.get_device("@numpy"))}')
    base = statistics.median(times['plain Chainer'])
    for name, seconds in times.items():
        median = statistics.median(seconds)
        print(f'{name:22} {median * 1e3:7.1f} ms (median of {args.steps}; '
              f'{min(seconds) * 1e3:.1f} to {max(seconds) * 1e3:.1f})  '
              f'{base / median:.2f}x')


if __name__ == '__main__':
    main()
