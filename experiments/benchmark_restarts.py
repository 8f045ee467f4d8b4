"""What restarts by halves cost beside a single run: in turn, and at once.

    python experiments/benchmark_restarts.py
    python experiments/benchmark_restarts.py --dataset mnist --epochs 10

IMSAT (VAT) with mu = 4, so that no second start comes after it.  All take
turns: a single run with the threads of all cores, restarts by halves with as
many, and as many of them at once as there are cores, with a thread each, the
last round, of one run, too.  Their processes start in the first turn.
Printed are the seconds of each turn, and medians as so many single runs.
"""
import statistics
import sys

import numpy
import threadpoolctl

import imsat
from common import markdown
from common.scripts import a_path, main, parser_for, positive
from common.timing import time_in_turns
from imsat import devices


def get_options(argv=None):
    parser = parser_for(__doc__)
    add = parser.add_argument
    add('--dataset', type=a_path, default='digits', metavar='NAME|FILE',
        help='as clustering.py takes it; default digits')
    add('--restarts', type=positive, default=8, metavar='N', help='default 8')
    add('--epochs', type=positive, default=20, metavar='N', help='default 20')
    add('--repeats', type=positive, default=3, metavar='N',
        help='turns; default 3')
    add('--hidden', type=positive, default=1200, metavar='H',
        help='units of each of two layers; default 1200')
    add('--data-dir', type=a_path, metavar='DIR',
        help='default: the environment variable IMSAT_DATA')
    return parser.parse_args(argv)


def run(args):
    data = imsat.datasets.load_dataset(args.dataset, args.data_dir)
    if data.y is None:
        raise imsat.InputError(f'{args.dataset} has no labels, which tell '
                               f'here how many clusters there are')
    cores = devices.available_cores()

    def fit(threads, **options):
        model = imsat.IMSATClustering(
            len(numpy.unique(data.y)), mu=4., epochs=args.epochs,
            hidden=(args.hidden,) * 2, random_state=0, **options)
        with threadpoolctl.threadpool_limits(threads):
            return model.fit(data.x)
    halves = dict(n_init=args.restarts, halving=True)
    contestants = {
        'a single run': lambda: fit(cores),
        f'{args.restarts} by halves': lambda: fit(cores, **halves),
        f'{args.restarts} by halves, {cores} at once': lambda: fit(
            1, n_jobs=cores, **halves)}
    times = time_in_turns(contestants, args.repeats, warm_up=0)
    single = statistics.median(times['a single run'])
    rows = [[name, ', '.join(f'{second:.3g}' for second in seconds),
             f'{statistics.median(seconds) / single:.2f}']
            for name, seconds in times.items()]
    print(f'{args.dataset}, {data.x.shape[0]:,} points, {args.epochs} epochs, '
          f'{args.hidden}-{args.hidden} units, '
          f'{devices.describe(devices.get_device(-1))}\n')
    print(markdown.table(['', 'seconds', 'single runs'], rows, numbers=1))


if __name__ == '__main__':
    sys.exit(main(run, get_options, resume=None))
