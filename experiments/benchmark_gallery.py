"""A large gallery: seconds and memory of imsat.HammingIndex, step by step.

    python experiments/benchmark_gallery.py --codes 100000000

Memory is RssAnon: what is mapped from a file is not in it. With --kinds it
also builds FAISS' inexact indexes and says what they miss.
"""
import sys
import tempfile
import time
from pathlib import Path

import numpy

from benchmark_search import random_codes
from common import markdown
from common.scripts import main, parser_for, positive
from imsat import HammingIndex, devices

HEAD = 'step', 'seconds', 'memory afterwards, MB'


def get_options(argv=None):
    parser = parser_for(__doc__, defaults=True)
    add = parser.add_argument
    add('--codes', type=positive, default=10 ** 7, help='how many')
    add('--bits', type=positive, default=64, help='of a code')
    add('--near', type=positive, default=10 ** 5, metavar='N',
        help='codes that the others are near to: each bit differs with '
        'probability 1/16')
    add('--k', type=positive, default=10, help='neighbours of a query')
    add('--queries', type=positive, default=100, help='how many')
    add('--kinds', nargs='*', choices=['ivf', 'hash'], default=[],
        help='of FAISS')
    add('--threads', type=positive, default=devices.available_cores(),
        help='of all')
    return parser.parse_args(argv)


def memory():
    """MB that belong to this process alone; what is not known is a dash."""
    try:
        status = Path('/proc/self/status').read_text(encoding='utf-8')
    except OSError:
        return '-'
    return f'{int(status.split("RssAnon:")[1].split()[0]) / 1024:,.0f}'


def step(name, function):
    start = time.perf_counter()
    result = function()
    print(markdown.row((name, f'{time.perf_counter() - start:.2f}',
                        memory())), flush=True)
    return result


def near_codes(rng, prototypes, n, n_bits):
    flips = random_codes(rng, n, n_bits)
    for _ in range(3):
        flips &= random_codes(rng, n, n_bits)
    return prototypes[rng.integers(len(prototypes), size=n)] ^ flips


def build(rng, prototypes, n, n_bits):
    index = HammingIndex(n_bits)
    for start in range(0, n, 10 ** 6):
        index.add(near_codes(rng, prototypes, min(10 ** 6, n - start),
                             n_bits))
    return index


def run(args):
    rng = numpy.random.default_rng(0)
    prototypes = random_codes(rng, args.near, args.bits)
    queries = near_codes(rng, prototypes, args.queries, args.bits)
    print(f'{args.codes:,} codes of {args.bits} bits, {args.queries} queries, '
          f'k = {args.k}, threads: {args.threads}, '
          f'{devices.describe(devices.get_device(-1))}\n')
    print(markdown.head(HEAD, numbers=2))
    index = step('draw and add', lambda: build(rng, prototypes, args.codes,
                                               args.bits))
    step('first search: compile, join the parts',
         lambda: index.search(queries[:1], 1))
    step('search', lambda: index.search(queries, args.k))
    for kind in args.kinds:
        there = step(f'to_faiss({kind!r})', lambda: index.to_faiss(kind))
        step(f'search there ({kind})', lambda: there.search(queries, args.k))
        recall = index.recall(there, queries, args.k)
        print(f'| recall of {kind}: {recall:.3f} | | |')
        there = None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'index.npz'
        step('save', lambda: index.save(path))
        index = None
        index = step('load', lambda: HammingIndex.load(path))
        step('search what is on disk', lambda: index.search(queries, args.k))


if __name__ == '__main__':
    sys.exit(main(run, get_options, resume=None))
