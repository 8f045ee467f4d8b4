"""Prints the paper's Table 2 for the data sets that are there.

    python experiments/datasets.py --data-dir DIR

Nothing is fetched.  What is prepared here is kept and need not be prepared
again.
"""
import sys

import numpy

import imsat
from common.scripts import a_path, main, parser_for, sentence
from imsat.datasets import SOURCES, load_dataset
from paper.figures import TABLE_2, Statistics


def get_options(argv=None):
    parser = parser_for(__doc__)
    parser.add_argument(
        '--data-dir', type=a_path, metavar='DIR',
        help="the folder above the publishers' files; default: the "
             'environment variable IMSAT_DATA')
    parser.add_argument('--notes', action='store_true',
                        help='say how each data set was prepared')
    return parser.parse_args(argv)


def statistics(data):
    sizes = numpy.unique(data.y, return_counts=True)[1]
    return Statistics(len(data.x), len(sizes), data.x.shape[1],
                      100 * sizes.max() / len(data.x))


def run(args):
    columns = '{:13}' + 4 * '{:>10}{:>8}'
    print(columns.format('', 'points', 'paper', 'classes', 'paper',
                         'dimension', 'paper', '% largest', 'paper'))
    missing, notes = [], []
    for name in SOURCES:
        try:
            data = load_dataset(name, args.data_dir, fetch=False)
        except imsat.InputError as e:
            missing.append(f'{name}: {sentence(e)}')
            continue
        ours = statistics(data)
        paper = TABLE_2.get(name, [''] * 4)
        print(columns.format(name, ours.points, paper[0], ours.classes,
                             paper[1], ours.dimension, paper[2],
                             f'{ours.largest:.1f}', paper[3]), flush=True)
        notes += [f'{name}: {note}' for note in data.notes]
    print('\n'.join(['', *missing]))
    if args.notes:
        print('\n'.join(['', *notes]))


if __name__ == '__main__':
    sys.exit(main(run, get_options, resume=None))
