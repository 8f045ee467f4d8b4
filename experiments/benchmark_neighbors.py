"""Nearest neighbours: imsat.neighbors beside FAISS, in one run.

    python experiments/benchmark_neighbors.py mnist 200000x64

A table is a data set's name or NxD, normal random numbers. Both find the ten
nearest of every point in turn: exact ones beside faiss.IndexFlatL2, which has
to find the same distances; with --method approximate beside nothing, since
how many lists are searched is the choice of imsat.neighbors.
"""
import re
import statistics
import sys
import warnings

import numpy

import imsat
from common import markdown
from common.scripts import main, parser_for, positive
from common.timing import time_in_turns
from imsat import devices
from imsat.retrieval.index import import_faiss

HEAD = ('points', 'imsat, s', 'FAISS, s', 'imsat / FAISS')


def get_options(argv=None):
    parser = parser_for(__doc__, defaults=True)
    add = parser.add_argument
    add('tables', nargs='*', default=['mnist', '200000x64'],
        help='data sets, or NxD')
    add('--data-dir', help='above the publishers\' files')
    add('--neighbor', type=positive, default=10, help='how many')
    add('--method', choices=['exact', 'approximate'], default='exact',
        help='of imsat.neighbors')
    add('--repeats', type=positive, default=3, help='timed, of each')
    add('--threads', type=positive, default=devices.available_cores(),
        help='of both')
    return parser.parse_args(argv)


def load(table, data_dir):
    size = re.fullmatch(r'(\d+)x(\d+)', table)
    if size:
        return numpy.random.default_rng(0).standard_normal(
            tuple(map(int, size.groups())), numpy.float32)
    return imsat.datasets.load_dataset(table, data_dir).x


def check(answers):
    # FAISS subtracts squares and products in float32.
    ours, theirs = (answer[0][:, -1] for answer in answers.values())
    error = numpy.abs(theirs / ours - 1).max()
    if not error < 1e-3:
        sys.exit(f'FAISS finds other distances, by up to {error:.1e}')


def by_faiss(faiss, x, k):
    index = faiss.IndexFlatL2(x.shape[1])
    index.add(x)
    squares, indices = index.search(x, k + 1)
    return numpy.sqrt(squares), indices


def run(args):
    faiss = import_faiss()
    print(f'{args.neighbor} neighbours of each point, {args.method}, medians '
          f'of {args.repeats}, FAISS {faiss.__version__}, threads: '
          f'{args.threads}, {devices.describe(devices.get_device(-1))}\n')
    print(markdown.head(HEAD, numbers=3), flush=True)
    warnings.simplefilter('always')  # each time the measured error
    for table in args.tables:
        x, k = load(table, args.data_dir), args.neighbor
        contestants = {
            'ours': lambda: imsat.neighbors(x, k, method=args.method)}
        if args.method == 'exact':
            contestants['theirs'] = lambda: by_faiss(faiss, x, k)
        # What is compiled at the first call is no part of it.
        imsat.neighbors(x[:k + 2], k, method='exact')
        times = [statistics.median(each) for each in time_in_turns(
            contestants, args.repeats, warm_up=0,
            check=check if len(contestants) > 1 else None).values()]
        print(markdown.row((
            f'{table}, {x.shape[0]:,} x {x.shape[1]}',
            *(f'{seconds:.1f}' for seconds in times),
            *([markdown.times(times[0] / times[1])] if times[1:]
              else ['', '']))),
            flush=True)


if __name__ == '__main__':
    sys.exit(main(run, get_options, resume=None))
