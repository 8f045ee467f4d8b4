"""Scores hash codes, whoever made them, as Table 5 does.

    python experiments/score_codes.py CODES.npz
    python experiments/score_codes.py CODES.npz --map-at 1000 --out scores.json

CODES.npz holds query_codes, query_labels, gallery_codes and gallery_labels;
or codes, labels and query, the numbers of the rows that are queries: the
gallery is all others, or what gallery numbers of them.  Codes are rows of
bits, 0 and 1 or -1 and 1, or bytes that numpy.packbits packed.  Labels are
one for each code; or a matrix of 0 and 1, a column a label, where points have
several: an item is relevant to a query if they share one.
"""
import sys

import numpy

import imsat
from common.results import get_versions
from common.scripts import (
    a_file, a_path, main, parser_for, positive, refuse_inputs)
from imsat.retrieval import pack_bits, retrieval_scores
from imsat.retrieval.codes import check_codes, code_width
from imsat.storage import load_npz, save_json

APART = 'query_codes', 'query_labels', 'gallery_codes', 'gallery_labels'
TOGETHER = 'codes', 'labels', 'query', 'gallery'


def get_options(argv=None):
    parser = parser_for(__doc__)
    add = parser.add_argument
    add('codes', type=a_path, metavar='CODES.npz')
    add('--bits', type=positive, metavar='D',
        help='length of the codes, where bytes have more; default: all bits')
    add('--map-at', type=positive, metavar='K',
        help='mAP of the first K items as well: the mean precision at the '
             'relevant ones among them')
    add('--out', type=a_file, metavar='FILE.json', help='keep the scores')
    return parser.parse_args(argv)


def read_codes(path):
    """Codes and labels of queries and gallery, as the file has them."""
    arrays = load_npz(path, {*APART, *TOGETHER})
    if arrays.keys() >= set(APART):
        found = [arrays[name] for name in APART]
        if all(map(numpy.array_equal, found[:2], found[2:])):
            raise imsat.InputError(
                f'queries and gallery of {path} are the same codes with the '
                f'same labels, and would find themselves; leave the queries '
                f'out of the gallery')
        return found
    missing = [name for name in TOGETHER[:3] if name not in arrays]
    if missing:
        raise imsat.InputError(
            f'{path} has no {" and no ".join(missing)}, and not all of '
            f'{", ".join(APART)}; save one of both with numpy.savez')
    codes, labels = arrays['codes'], arrays['labels']
    n = len(codes) if codes.ndim else 0
    if labels.shape[:1] != (n,):
        raise imsat.InputError(f'labels of {path} have shape {labels.shape} '
                               f'for {n} codes; give a row for each')
    query = rows_of(arrays['query'], 'query', n, path)
    gallery = rows_of(arrays['gallery'], 'gallery', n, path) \
        if 'gallery' in arrays else numpy.setdiff1d(numpy.arange(n), query)
    shared = numpy.intersect1d(query, gallery)
    if len(shared):
        raise imsat.InputError(
            f'{path} has {len(shared)} of its rows in query and in gallery, '
            f'number {shared[0]} first, which would find themselves; leave '
            f'them out of one of both')
    return codes[query], labels[query], codes[gallery], labels[gallery]


def rows_of(rows, name, n, path):
    """Numbers of rows from themselves or from a mask."""
    if rows.dtype == bool and rows.shape == (n,):
        return numpy.flatnonzero(rows)
    if rows.ndim != 1 or rows.dtype.kind not in 'iu' or len(rows) and not (
            0 <= rows.min() and rows.max() < n) \
            or len(numpy.unique(rows)) < len(rows):
        raise imsat.InputError(
            f'{name} of {path} are no numbers of rows from 0 to {n - 1}, each '
            f'once, nor True or False for each; give one of both')
    return rows.astype(numpy.int64)


def packed(queries, gallery, n_bits, path):
    """Codes of queries and gallery, packed, and how long they are."""
    both = queries, gallery
    if any(codes.ndim != 2 or codes.dtype.kind not in 'biuf'
           for codes in both) or queries.shape[1] != gallery.shape[1]:
        raise imsat.InputError(
            f'codes of {path} have shapes {queries.shape} and {gallery.shape}'
            f', dtype {queries.dtype} and {gallery.dtype}; give a row of as '
            f'many numbers for each')
    width = queries.shape[1]
    are_bits = all(((codes == 0) | (codes == 1)).all() for codes in both)
    are_signs = all((abs(codes) == 1).all() for codes in both)
    if (are_bits or are_signs) and n_bits in (None, width):
        return [pack_bits(codes == 1) for codes in both], width
    if any(codes.dtype != numpy.uint8 for codes in both):
        raise imsat.InputError(
            f'codes of {path} are {queries.dtype} of shape {queries.shape}, '
            f'neither bytes nor rows of {n_bits or width} values 0 and 1, or '
            f'-1 and 1; threshold them first')
    n_bits = n_bits or 8 * width
    if width != code_width(n_bits):
        raise imsat.InputError(f'codes of {path} have {width} bytes, and '
                               f'--bits {n_bits} takes {code_width(n_bits)}; '
                               f'give the length of the codes')
    return [check_codes(codes, n_bits) for codes in both], n_bits


def run(args):
    if args.out is not None:
        refuse_inputs(args.out, args.codes)
    query_codes, query_labels, gallery_codes, gallery_labels = read_codes(
        args.codes)
    (query_codes, gallery_codes), n_bits = packed(
        query_codes, gallery_codes, args.bits, args.codes)
    scores = retrieval_scores(query_codes, query_labels, gallery_codes,
                              gallery_labels, n_bits, args.map_at)
    result = dict(codes=args.codes, queries=len(query_codes),
                  items=len(gallery_codes), bits=n_bits, **scores)
    if args.out is not None:
        save_json(args.out, dict(result, versions=get_versions()))
    print(f'{result["queries"]} queries among {result["items"]} items, codes '
          f'of {n_bits} bits')
    print(f'mAP {scores["map_trapezoid"]:.1%} (trapezoid, as in the paper), '
          f'{scores["map_step"]:.1%} (step), {scores["map_expected"]:.1%} '
          f'(ties in random order)')
    if args.map_at is not None:
        print(f'mAP of the first {args.map_at} '
              f'{scores[f"map_at_{args.map_at}"]:.1%}')
    print(f'precision at 500 {scores["precision_at_500_expected"]:.1%} (of '
          f'{scores["precision_at_500_possible"]:.1%} possible), at r = 2 '
          f'{scores["precision_at_r2"]:.1%} '
          f'({scores["empty_balls"]} empty balls)')


if __name__ == '__main__':
    sys.exit(main(run, get_options, resume=None))
