"""Seconds to score retrieval: ours beside scikit-learn's, in one run.

    python experiments/benchmark_retrieval.py

Ours is imsat.retrieval.retrieval_scores, all seven scores.  The other side
calls sklearn.metrics.average_precision_score for one query after another and
gets mAP alone (by the step rule).  Both take the same codes in turn: the
prototype of the item's class with each bit flipped with probability --flip;
.5 makes them random, with the fewest duplicates.
"""
import functools
import statistics
import sys
import tracemalloc

import numpy
from sklearn.metrics import average_precision_score

from common import markdown
from common.scripts import main, option_of, parser_for, positive
from common.timing import time_in_turns
from imsat import devices
from imsat.parameters import Number
from imsat.retrieval import hamming_distance, pack_bits, retrieval_scores

HEAD = ('bits', 'flipped', 'ours, s', 'scikit-learn, s', 'ratio',
        'ours, peak MB')


def get_options(argv=None):
    parser = parser_for(__doc__, defaults=True)
    add = parser.add_argument
    add('--queries', type=positive, default=1000, help='how many')
    add('--items', type=positive, default=69000, help='of the gallery')
    add('--bits', type=positive, nargs='+', default=[16, 32, 64, 256],
        help='of a code')
    add('--flip', type=option_of(Number(0, 1)), nargs='+', default=[.1, .5],
        help='probabilities')
    add('--repeats', type=positive, default=3, help='timed, of each')
    add('--threads', type=positive, default=1, help='of BLAS and OpenMP')
    return parser.parse_args(argv)


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


def check(scores):
    ours, theirs = (each['map_step'] for each in scores.values())
    if abs(ours - theirs) > 1e-9:
        sys.exit(f'mAP is {ours} here and {theirs} there')


def peak_memory(function):
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def measure(case, flip, repeats):
    """The cells of a row."""
    contestants = {'ours': functools.partial(retrieval_scores, *case),
                   'theirs': functools.partial(loop_over_queries, *case)}
    # What is compiled at the first call is no part of it.
    codes, labels, *_, n_bits = case
    retrieval_scores(codes[:9], labels[:9], codes[:9], labels[:9], n_bits)
    ours, theirs = map(statistics.median, time_in_turns(
        contestants, repeats, warm_up=0, check=check).values())
    return (case[-1], f'{flip:g}', f'{ours:.2f}', f'{theirs:.2f}',
            markdown.times(theirs / ours),
            f'{peak_memory(contestants["ours"]) / 1e6:.0f}')


def run(args):
    print(f'{args.queries} queries, {args.items} items of 10 classes, '
          f'medians of {args.repeats}, threads: {args.threads}, '
          f'{devices.describe(devices.get_device(-1))}\n')
    print(markdown.head(HEAD, numbers=len(HEAD)))
    rng = numpy.random.default_rng(0)
    for n_bits in args.bits:
        for flip in args.flip:
            prototypes = rng.integers(2, size=(10, n_bits)) == 1
            case = (*make_codes(rng, args.queries, prototypes, flip),
                    *make_codes(rng, args.items, prototypes, flip), n_bits)
            print(markdown.row(measure(case, flip, args.repeats)), flush=True)


if __name__ == '__main__':
    sys.exit(main(run, get_options, resume=None))
