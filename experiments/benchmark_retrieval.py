"""Seconds to score retrieval: ours beside scikit-learn's, in one run.

    python experiments/benchmark_retrieval.py

Ours is imsat.retrieval.retrieval_scores, all seven scores.  The other side
calls sklearn.metrics.average_precision_score for one query after another and
gets mAP alone (by the step rule).  Both take the same codes in turn: the
prototype of the item's class with each bit flipped with probability --flip;
.5 makes them random, with the fewest duplicates.
"""
import argparse
import statistics
import sys
import time
import tracemalloc

import numpy
import threadpoolctl
from sklearn.metrics import average_precision_score

from imsat import devices
from imsat.retrieval.codes import hamming_distance, pack_bits
from imsat.retrieval.scores import retrieval_scores


def make_codes(rng, n, prototypes, flip):
    labels = rng.integers(len(prototypes), size=n)
    bits = prototypes[labels] ^ (rng.random((n, prototypes.shape[1])) < flip)
    return pack_bits(bits), labels


def loop_over_queries(q, q_labels, g, g_labels, n_bits):
    precision = [
        average_precision_score(g_labels == label,
                                1 / (1 + hamming_distance(code[None], g)[0]))
        for code, label in zip(q, q_labels)]
    return {'map_step': numpy.mean(precision)}


def seconds_and_score(function, case):
    start = time.perf_counter()
    scores = function(*case)
    return time.perf_counter() - start, scores['map_step']


def peak_memory(function, case):
    tracemalloc.start()
    function(*case)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split('\n\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('--queries', type=int, default=1000)
    parser.add_argument('--items', type=int, default=69000)
    parser.add_argument('--bits', type=int, nargs='+',
                        default=[16, 32, 64, 256])
    parser.add_argument('--flip', type=float, nargs='+', default=[.1, .5])
    parser.add_argument('--repeats', type=int, default=3)
    args = parser.parse_args()

    print(f'{args.queries} queries, {args.items} items of 10 classes, '
          f'medians of {args.repeats}, one thread, '
          f'{devices.describe(devices.get_device(-1))}\n')
    print('| bits | flipped | ours, s | scikit-learn, s | ratio | '
          'ours, peak MB |\n|---|---|---|---|---|---|')
    rng = numpy.random.default_rng(0)
    with threadpoolctl.threadpool_limits(1):
        for n_bits in args.bits:
            for flip in args.flip:
                prototypes = rng.integers(2, size=(10, n_bits)) == 1
                case = (*make_codes(rng, args.queries, prototypes, flip),
                        *make_codes(rng, args.items, prototypes, flip),
                        n_bits)
                measure(case, flip, args.repeats)


def measure(case, flip, repeats):
    times = [], []
    for _ in range(repeats):
        ours, score = seconds_and_score(retrieval_scores, case)
        theirs, expected = seconds_and_score(loop_over_queries, case)
        if abs(score - expected) > 1e-9:
            sys.exit(f'mAP is {score} here and {expected} there')
        times[0].append(ours)
        times[1].append(theirs)
    ours, theirs = map(statistics.median, times)
    print(f'| {case[-1]} | {flip:g} | {ours:.2f} | {theirs:.2f} | '
          f'{theirs / ours:.0f}x | '
          f'{peak_memory(retrieval_scores, case) / 1e6:.0f} |', flush=True)


if __name__ == '__main__':
    main()
