"""Says of new points what a finished run says: clusters or codes, as CSV.

    python experiments/predict.py RUN --dataset new.csv
    python experiments/predict.py RUN --dataset new.npz --out new-clusters.csv

RUN is the folder that clustering.py or hashing.py has written.  Of a table
the columns are taken that the run has learnt from, by their names; others may
be there.
"""
import contextlib
import sys
from pathlib import Path

import imsat
from common import answers
from common.folders import files_of
from common.options import add_table_options, load_config, table_options
from common.scripts import (
    a_file, a_path, main, parser_for, positive, refuse_inputs)
from common.unlike import is_unlike, load_reference
from imsat.datasets import Preparation, load_dataset
from imsat.estimators.base import Hasher
from imsat.storage import atomic_write
from imsat.training.evaluation import BATCH
from paper.systems import get_system


def get_options(argv=None):
    parser = parser_for(__doc__)
    add = parser.add_argument
    add('run', type=a_path, metavar='RUN', help='the folder of the run')
    add('--dataset', type=a_path, required=True, metavar='FILE',
        help='the points, a file or name as the run took one')
    add('--out', type=a_file, metavar='FILE.csv',
        help='default: the CSV is printed')
    add('--all', action='store_true',
        help='the probabilities of all clusters or bits as well')
    add('--top', type=positive, metavar='N',
        help='the N most probable clusters, and their probabilities, as well')
    add_table_options(parser)
    add('--data-dir', type=a_path, metavar='DIR',
        help='folder above the publishers\' files, see clustering.py')
    return parser.parse_args(argv)


def load_run(folder):
    """The options, the model, the reference of a finished run, and how its
    points were made."""
    missing = [name for name in ('config.json', 'model.npz', 'reference.npz',
                                 'preprocessing.npz')
               if not (folder / name).is_file()]
    if missing:
        numbers = sorted(folder.glob('clusters-*/model.npz'))
        if numbers:
            raise imsat.InputError(
                f'{folder} holds a run for each of several numbers of '
                f'clusters; name the folder of one, such as '
                f'{numbers[0].parent}')
        raise imsat.InputError(
            f'{folder} holds no finished run: {missing[0]} is not there; name '
            f'the folder that clustering.py or hashing.py has written, or run '
            f'that command again')
    options = load_config(folder / 'config.json')['options']
    try:
        system = get_system(options['task'], options['method'])
    except (KeyError, TypeError) as e:
        raise imsat.InputError(
            f'{folder / "config.json"} names no task and method that are '
            f'known; restore it from a copy') from e
    model = system.estimator.load(folder / 'model.npz')
    return options, model, load_reference(
        folder / 'reference.npz', model.n_features_in_), Preparation.load(
        folder / 'preprocessing.npz')


def answer(model, x, options, all_of_them, top):
    """Columns of what a model says of points."""
    p = model.predict_proba(x) if hasattr(model, 'predict_proba') else None
    if isinstance(model, Hasher):
        columns = answers.of_codes(model.transform(x), model.n_bits,
                                   options.get('values'))
    else:
        columns = answers.of_clusters(
            model.predict(x) if p is None else p.argmax(axis=1), p)
        if top is not None and p is not None:
            best, of_best = answers.best_of(p, top)
            columns.update(answers.numbered('top', best))
            columns.update(answers.numbered('top_p', of_best))
    if all_of_them and p is not None:
        columns.update(answers.numbered('p', p))
    return columns


def run(args):
    options, model, reference, like = load_run(Path(args.run))
    if args.out is not None:
        refuse_inputs(args.out, args.dataset, args.labels,
                      *files_of(args.run))
    for option, is_asked, has_any in (
            ('--all', args.all, hasattr(model, 'predict_proba')),
            ('--top', args.top is not None,
             hasattr(model, 'predict_proba')
             and not isinstance(model, Hasher))):
        if is_asked and not has_any:
            raise imsat.InputError(f'{options["method"]} has no probabilities '
                                   f'of clusters; leave {option} out')
    data = load_dataset(args.dataset, args.data_dir, like=like, verbose=False,
                        **table_options(args))
    n, n_unlike = data.x.shape[0], 0
    with contextlib.nullcontext(sys.stdout) if args.out is None else \
            atomic_write(args.out, 'w', encoding='utf-8', newline='') as f:
        for start in range(0, n, BATCH):
            part = slice(start, start + BATCH)
            x = data.x[part]
            unlike = is_unlike(model, x, reference).astype(int)
            n_unlike += unlike.sum()
            answers.write_lines(f, {
                **answers.places(range(start, start + x.shape[0]),
                                 data.index and data.index[part]),
                **answer(model, x, options, args.all, args.top),
                'unlike': unlike}, titles=not start)
    print(f'{n} points, {n_unlike} of them unlike the training data; of '
          f'points like those {reference["rate"]:.1%} are flagged by chance',
          file=sys.stderr)


if __name__ == '__main__':
    sys.exit(main(run, get_options, resume=None))
