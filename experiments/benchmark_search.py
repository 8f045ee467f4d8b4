"""Exact search: imsat.HammingIndex beside faiss.IndexBinaryFlat, in one run.

    python experiments/benchmark_search.py [--sizes 69000 --bits 64 --k 10]

Both search the same random codes for the same queries in turn, and have to
give the same answer, ties included.
"""
import itertools
import statistics
import sys

import numpy
from threadpoolctl import threadpool_limits

from common import markdown
from common.scripts import main, parser_for, positive
from common.timing import time_in_turns
from imsat import devices
from imsat.retrieval import HammingIndex, code_width
from imsat.retrieval.index import import_faiss

HEAD = ('codes', 'bits', 'k', 'threads', 'HammingIndex, ms a query',
        'FAISS', 'FAISS / HammingIndex')


def get_options(argv=None):
    parser = parser_for(__doc__, defaults=True)
    add = parser.add_argument
    add('--sizes', type=positive, nargs='+',
        default=[69000, 10 ** 6, 10 ** 7], help='how many codes')
    add('--bits', type=positive, nargs='+', default=[16, 32, 64, 256],
        help='of a code')
    add('--k', type=positive, nargs='+', default=[10, 500],
        help='neighbours of a query')
    add('--queries', type=positive, default=32, help='how many')
    add('--repeats', type=positive, default=5, help='timed, of each')
    add('--threads', type=positive, nargs='+', default=[1, 2], dest='counts',
        help='of each, one number after the other')
    return parser.parse_args(argv)


def random_codes(rng, n, n_bits):
    width = code_width(n_bits)
    codes = rng.integers(256, size=(n, width), dtype=numpy.uint8)
    codes[:, -1] &= 256 - (1 << 8 * width - n_bits)
    return codes


def check(answers):
    ours, theirs = answers.values()
    if not all(map(numpy.array_equal, ours, theirs)):
        sys.exit('FAISS gives another answer')


def run(args):
    faiss = import_faiss()
    print(f'{args.queries} queries, medians of {args.repeats}, FAISS '
          f'{faiss.__version__}, {devices.describe(devices.get_device(-1))}\n')
    print(markdown.head(HEAD, numbers=len(HEAD)))
    rng = numpy.random.default_rng(0)
    for size in args.sizes:
        for n_bits in args.bits:
            index = HammingIndex(n_bits)
            index.add(random_codes(rng, size, n_bits))
            flat = index.to_faiss()
            queries = random_codes(rng, args.queries, n_bits)
            for k, threads in itertools.product(args.k, args.counts):
                with threadpool_limits(threads):
                    times = time_in_turns(
                        {'ours': lambda: index.search(queries, k),
                         'theirs': lambda: flat.search(queries, k)},
                        args.repeats, check=check, settle=True)
                ours, theirs = (statistics.median(each) / len(queries) * 1e3
                                for each in times.values())
                print(markdown.row((
                    f'{size:,}', n_bits, k, threads, f'{ours:.3f}',
                    f'{theirs:.3f}', f'{theirs / ours:.2f}')), flush=True)


if __name__ == '__main__':
    sys.exit(main(run, get_options, resume=None))
