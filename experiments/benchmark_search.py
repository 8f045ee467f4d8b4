"""Exact search: imsat.HammingIndex beside faiss.IndexBinaryFlat, in one run.

    python experiments/benchmark_search.py [--sizes 69000 --bits 64 --k 10]

Both search the same random codes for the same queries in turn, and have to
give the same answer, ties included.  HammingIndex takes one thread, FAISS
--threads.
"""
import argparse
import statistics
import sys
import time

import numpy

import imsat
from imsat import devices


def random_codes(rng, n, n_bits):
    width = -(-n_bits // 8)
    codes = rng.integers(256, size=(n, width), dtype=numpy.uint8)
    codes[:, -1] &= 256 - (1 << 8 * width - n_bits)
    return codes


def seconds(search, queries, k):
    start = time.perf_counter()
    answer = search(queries, k)
    return time.perf_counter() - start, answer


def measure(index, flat, queries, k, repeats):
    """Medians of both, in ms a query."""
    times = [], []
    for _ in range(repeats):
        ours, answer = seconds(index.search, queries, k)
        theirs, expected = seconds(flat.search, queries, k)
        if not all(map(numpy.array_equal, answer, expected)):
            sys.exit('FAISS gives another answer')
        times[0].append(ours)
        times[1].append(theirs)
    return [statistics.median(each) / len(queries) * 1e3 for each in times]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('--sizes', type=int, nargs='+',
                        default=[69000, 10 ** 6, 10 ** 7])
    parser.add_argument('--bits', type=int, nargs='+',
                        default=[16, 32, 64, 256])
    parser.add_argument('--k', type=int, nargs='+', default=[10, 500])
    parser.add_argument('--queries', type=int, default=32)
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--threads', type=int, default=1, help='of FAISS')
    args = parser.parse_args()
    try:
        import faiss
    except ImportError:
        print("FAISS is not installed; pip install 'imsat[faiss]'",
              file=sys.stderr)
        sys.exit(2)
    faiss.omp_set_num_threads(args.threads)

    print(f'{args.queries} queries, medians of {args.repeats}, FAISS '
          f'{faiss.__version__} with {args.threads} threads, '
          f'{devices.describe(devices.get_device(-1))}\n')
    print('| codes | bits | k | HammingIndex, ms a query | FAISS | '
          'FAISS / HammingIndex |\n|---|---|---|---|---|---|')
    rng = numpy.random.default_rng(0)
    for size in args.sizes:
        for n_bits in args.bits:
            index = imsat.HammingIndex(n_bits)
            index.add(random_codes(rng, size, n_bits))
            flat = index.to_faiss()
            queries = random_codes(rng, args.queries, n_bits)
            for k in args.k:
                ours, theirs = measure(index, flat, queries, k, args.repeats)
                print(f'| {size:,} | {n_bits} | {k} | {ours:.3f} | '
                      f'{theirs:.3f} | {theirs / ours:.2f} |', flush=True)


if __name__ == '__main__':
    main()
