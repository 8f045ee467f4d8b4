"""Milliseconds a training step: ours, plain Chainer's and PyTorch's.

    python experiments/benchmark_step.py
    python experiments/benchmark_step.py --task hashing --threads 1

Ours is the plan, and the same through Chainer's graph.  The plain step is
that of benchmarks/plain.py, written as the authors' code writes it.
PyTorch's, where it is installed, is that of benchmarks/pytorch.py, eager, of
which the loss and the gradients are compared with ours first.  They take
turns of ten batches of the same data, on a CPU once the threads of the one
before sleep, and after a step that is not timed; printed are medians and
their ratios.

With --device N the plan as a CUDA graph, the same one launch after the other,
Chainer's graph, and PyTorch eager and as a CUDA graph take turns on GPU N.
"""
import itertools
import statistics
import sys

import numpy

import imsat
import chainer
from benchmarks.plain import (
    PlainClustering, PlainEncoder, PlainHashing, plain_step)
from common.scripts import main, parser_for, positive
from common.timing import time_in_turns
from imsat import devices
from imsat.estimators.base import BATCH
from imsat.losses.regularizers import draw_rows
from imsat.randomness import DIRECTION, generator
from imsat.training.adam import Adam
from imsat.training.iterators import IndexIterator
from imsat.training.plan import Plan
from imsat.training.updater import Updater

# The task's plain functions, our estimator, and PyTorch's functions.
TASKS = {'clustering': (PlainClustering, imsat.IMSATClustering(xi=10),
                        'Clustering'),
         'hashing': (PlainHashing, imsat.IMSATHasher(xi=10), 'Hashing')}
RATE = imsat.IMSATClustering.learning_rate
# As in training, a step comes after another of the same.
AT_ONCE = 10


def get_parser(doc):
    """What step to time."""
    parser = parser_for(doc, defaults=True)
    add = parser.add_argument
    add('--task', choices=TASKS, default='clustering', help='what is learnt')
    add('--steps', type=positive, default=60, help='timed, of each')
    add('--dim', type=positive, default=784, help='features')
    add('--hidden', type=positive,
        help='units of both hidden layers; 1200, 400 for hashing')
    add('--outputs', type=positive, help='clusters, 10, or bits, 16')
    add('--batch-size', type=positive,
        default=BATCH, help='points a step')
    return parser


def get_options(argv=None):
    parser = get_parser(__doc__)
    add = parser.add_argument
    add('--device', type=int, default=-1, help='number of a GPU; -1: the CPU')
    add('--threads', type=positive, default=2, help='of BLAS and PyTorch')
    return decided(parser.parse_args(argv))


def decided(args):
    """The options, with those of the task."""
    _, model, _ = TASKS[args.task]
    args.hidden = args.hidden or model.hidden[0]
    args.outputs = args.outputs or (
        model.n_clusters if args.task == 'clustering' else model.n_bits)
    return args


def make_updater(args, x, radius, step='plan',
                 device=chainer.get_device('@numpy')):
    """The step of the library, as estimators train by it."""
    _, model, _ = TASKS[args.task]
    with chainer.using_config('dtype', x.dtype):
        encoder = imsat.Encoder(args.dim, args.outputs, 2 * (args.hidden,),
                                rng=numpy.random.RandomState(0))
    encoder.to_device(device)
    return Updater(
        IndexIterator(len(x), args.batch_size),
        Adam(alpha=RATE).setup(encoder), device.send(x), imsat.IMSATLoss(
            model.make_objective(), model.make_regularizer(),
            device.send(radius)), device, step)


def make_uncaptured(args, x, radius, device):
    """The plan on a GPU, one launch after the other."""
    updater = make_updater(args, x, radius, device=device)
    plan = Plan(updater.get_optimizer('main'), updater.loss, captures=False)
    batches, steps = updater.get_iterator('main'), itertools.count()
    return lambda: plan(updater.x, next(batches), next(steps))


def make_plain_step(args, x, radius):
    """The step as the authors' code writes it."""
    task, _, _ = TASKS[args.task]
    model = PlainEncoder(args.dim, 2 * (args.hidden,), args.outputs)
    optimizer = chainer.optimizers.Adam(alpha=RATE).setup(model)
    batches = IndexIterator(len(x), args.batch_size)

    def step():
        index = next(batches)
        plain_step(task, model, optimizer, x[index], radius[index])
    return step


class TorchStep:
    """PyTorch's step, from the same weights as ours."""

    def __init__(self, args, x, radius, where='cpu'):
        import torch

        from benchmarks import pytorch
        self.torch, self.pytorch = torch, pytorch
        torch.set_num_threads(args.threads)
        self.task = getattr(pytorch, TASKS[args.task][2])
        self.x, self.radius = (
            torch.from_numpy(a).to(where) for a in (x, radius))
        self.batches = IndexIterator(len(x), args.batch_size)
        self.network = pytorch.make_network(
            [args.dim, args.hidden, args.hidden, args.outputs])
        encoder = make_updater(args, x, radius).get_optimizer('main').target
        pytorch.copy_parameters(encoder, self.network)
        self.network.to(where)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=RATE, fused=True,
            capturable=where != 'cpu')

    def __call__(self, d=None):
        return self.step(
            self.torch.from_numpy(next(self.batches)).to(self.x.device), d)

    def step(self, index, d=None):
        x = self.x[index]
        return self.pytorch.step(
            self.task, self.network, self.optimizer, x, self.radius[index],
            self.torch.randn_like(x) if d is None else d)


class TorchGraph(TorchStep):
    """The same as one CUDA graph, with its random numbers."""

    def __init__(self, args, x, radius, where):
        super().__init__(args, x, radius, where)
        cuda = self.torch.cuda
        self.index = self.torch.zeros(
            args.batch_size, dtype=self.torch.long, device=where)
        # As its documentation asks for: some steps on another stream first.
        stream = cuda.Stream()
        stream.wait_stream(cuda.current_stream())
        with cuda.stream(stream):
            for _ in range(3):
                self.step(self.index)
        cuda.current_stream().wait_stream(stream)
        self.graph = cuda.CUDAGraph()
        with cuda.graph(self.graph):
            self.step(self.index)

    def __call__(self):
        self.index.copy_(self.torch.from_numpy(next(self.batches)))
        self.graph.replay()


def check_torch(args, x, radius):
    """Ends the script unless PyTorch's first step is ours, in float64."""
    x, radius = x.astype('d'), radius.astype('d')
    ours, theirs = make_updater(args, x, radius), TorchStep(args, x, radius)
    d = draw_rows((args.batch_size, args.dim), x.dtype,
                  generator(0, DIRECTION, 0))
    reporter, observation = chainer.Reporter(), {}
    encoder = ours.get_optimizer('main').target
    reporter.add_observer('main', encoder)
    with reporter, reporter.scope(observation):
        ours.update()
    pairs = {'loss': (float(observation['main/loss']),
                      theirs(theirs.torch.from_numpy(d)).item())}
    for ours, other in theirs.pytorch.parameter_pairs(
            encoder, theirs.network):
        pairs[f'gradient of {tuple(other.shape)}'] = \
            ours.grad, other.grad.numpy()
    scale = max(abs(a).max() for name, (a, _) in pairs.items()
                if name != 'loss')
    for name, (a, b) in pairs.items():
        if not abs(a - b).max() <= 1e-6 * scale if name != 'loss' \
                else not abs(a - b) <= 1e-9 * abs(a):
            sys.exit(f'the {name} is {a} here and {b} in PyTorch')


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


def make_plan_products(args, x):
    """Those of the plan: 14, of one or two batches, into arrays."""
    n = args.batch_size
    sizes = [args.dim, args.hidden, args.hidden, args.outputs]
    rng = numpy.random.default_rng(0)

    def make(*shape):
        return rng.standard_normal(shape, 'f')
    weights = [make(units, fan_in)
               for fan_in, units in zip(sizes, sizes[1:])]
    h, g = ([make(3 * n, size) for size in sizes] for _ in range(2))
    gradients = list(map(numpy.empty_like, weights))
    probe, first, last, both = (slice(0, n), slice(0, 2 * n),
                                slice(2 * n, 3 * n), slice(n, 3 * n))

    def forward(rows):
        for i, W in enumerate(weights):
            numpy.matmul(h[i][rows], W.T, out=h[i + 1][rows])

    def backward(rows, wanted):
        for i in reversed(range(3)):
            if wanted:
                numpy.matmul(g[i + 1][rows].T, h[i][rows], out=gradients[i])
            if i or not wanted:
                numpy.matmul(g[i + 1][rows], weights[i], out=g[i][rows])

    def step():
        h[0][:], g[3][:] = 1, 1  # they would grow
        forward(first)
        backward(probe, wanted=False)
        forward(last)
        backward(both, wanted=True)
    return step


def run(args):
    n = 4 * args.batch_size
    rng = numpy.random.RandomState(0)
    x = rng.uniform(-1, 1, (n, args.dim)).astype('f')
    radius = numpy.full(n, 1.5, 'f')
    device, where, wait = devices.get_device(args.device), 'cpu', None
    device.use()
    contestants = {
        'imsat, graph': make_updater(args, x, radius, 'graph', device).update,
        'imsat, plan': make_updater(args, x, radius, device=device).update}
    if args.device < 0:
        contestants = {'plain Chainer': make_plain_step(args, x, radius),
                       **contestants}
    else:
        where = f'cuda:{args.device}'
        wait = device.xp.cuda.get_current_stream().synchronize
        contestants['imsat, uncaptured'] = make_uncaptured(
            args, x, radius, device)
    try:
        check_torch(args, x, radius)
        contestants['PyTorch, eager'] = TorchStep(args, x, radius, where)
        if args.device >= 0:
            contestants['PyTorch, CUDA graph'] = TorchGraph(
                args, x, radius, where)
    except ImportError:
        print('PyTorch is not installed, and takes no part')
    if args.device < 0:
        contestants['matrix products alone'] = make_products(args, x)
        contestants["the plan's products"] = make_plan_products(args, x)
    at_once = min(AT_ONCE, args.steps)
    times = time_in_turns(
        contestants, -(-args.steps // at_once), wait=wait,
        settle=args.device < 0, at_once=at_once)
    print(f'{args.task}, {args.dim}-{args.hidden}-{args.hidden}-'
          f'{args.outputs}, batch {args.batch_size}, {args.threads} threads, '
          f'{devices.describe(device)}')
    medians = {name: statistics.median(seconds)
               for name, seconds in times.items()}
    ours = medians['imsat, plan']
    for name, seconds in times.items():
        print(f'{name:22} {medians[name] * 1e3:7.1f} ms (median of '
              f'{len(seconds)}; {min(seconds) * 1e3:.1f} to '
              f'{max(seconds) * 1e3:.1f})  plan {ours / medians[name]:.2f}x')


if __name__ == '__main__':
    sys.exit(main(run, get_options, resume=None))
