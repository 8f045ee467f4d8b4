"""Compares finished runs: their scores, the options in which they differ, how
far their clusters agree, and their learning curves in one picture.

    python experiments/compare_runs.py results/A results/B ... --out runs.png
"""
import itertools
import math
import sys
from pathlib import Path

import imsat
from common.folders import files_of
from common.markdown import table
from common.options import load_config
from common.scripts import (
    a_file, a_path, main, parser_for, refuse_inputs)
from imsat import pictures
from imsat.metrics import adjusted_rand
from imsat.storage import load_json, load_npz

# Of result.json, and how they are shown.
COLUMNS = {
    'method': '{}', 'dataset': '{}', 'n': '{}', 'clusters': '{}', 'bits': '{}',
    'accuracy': '{:.1%}', 'nmi': '{:.3f}', 'ari': '{:.3f}',
    'map_trapezoid': '{:.1%}', 'map_step': '{:.1%}', 'map_expected': '{:.1%}',
    'precision_at_500_expected': '{:.1%}', 'precision_at_r2': '{:.1%}',
    'conditional_entropy': '{:.3f}', 'marginal_entropy': '{:.3f}',
    'objective': '{:.4f}', 'seconds': '{:.0f}'}


def get_options(argv=None):
    parser = parser_for(__doc__)
    parser.add_argument('runs', nargs='+', type=a_path, metavar='RUN',
                        help='folders of runs')
    parser.add_argument('--out', type=a_file, default='runs.png',
                        metavar='FILE.png', help='the picture; default '
                        'runs.png')
    return parser.parse_args(argv)


def read_run(folder):
    """What a finished run has left: its config, result and log."""
    folder = Path(folder)
    if not (folder / 'result.json').is_file():
        raise imsat.InputError(f'{folder} holds no finished run: result.json '
                               f'is not there; name the folder of one')
    result = load_json(folder / 'result.json')
    if not isinstance(result, dict):
        raise imsat.InputError(f'{folder / "result.json"} is not that of a '
                               f'run; name another folder')
    log = folder / 'log'
    return (load_config(folder / 'config.json'), result,
            load_json(log) if log.is_file() else [])


def shorten(paths):
    """Names of folders: their last parts, so many that they differ."""
    parts = [Path(path).resolve().parts for path in paths]
    depth = next((n for n in range(1, max(map(len, parts))) if len(
        {name[-n:] for name in parts}) == len(set(parts))), 1)
    return ['/'.join(name[-depth:]) for name in parts]


def scores(names, results):
    keys = [key for key in COLUMNS
            if any(result.get(key) is not None for result in results)]
    return table(['run', *(key.replace('_', ' ') for key in keys)], [
        [name, *('' if result.get(key) is None
                 else COLUMNS[key].format(result[key]) for key in keys)]
        for name, result in zip(names, results)], padded=True)


def differences(names, options):
    """The options in which runs differ, a line each."""
    keys = [key for key in dict.fromkeys(itertools.chain(*options)) if any(
        option.get(key) != options[0].get(key) for option in options)]
    return table(['option', *names], [
        [key, *('' if option.get(key) is None else option[key]
                for option in options)] for key in keys], padded=True)


def agreement(names, runs, folders):
    """ARI of the clusters of all pairs of runs of the same points."""
    rows = []
    for (a, b) in itertools.combinations(range(len(runs)), 2):
        paths = [Path(folders[i]) / 'assignments.npz' for i in (a, b)]
        digests = {runs[i][0].get('data', {}).get('sha256') for i in (a, b)}
        if len(digests) == 1 and None not in digests \
                and all(path.is_file() for path in paths):
            clusters = [load_npz(path, ['cluster'])['cluster']
                        for path in paths]
            rows.append([names[a], names[b],
                         f'{adjusted_rand(*clusters):.3f}'])
    return rows and table(['run', 'run', 'ARI of their clusters'], rows,
                          padded=True)


def most_entropy(result):
    """What H(Y) of a run can be at most, in nats; None if it has none."""
    if result.get('clusters'):
        return math.log(result['clusters'])
    return result.get('bits') and \
        result['bits'] * math.log(result.get('values') or 2)


def run(args):
    refuse_inputs(args.out, *(
        path for run in args.runs for path in files_of(run)))
    runs = [read_run(folder) for folder in args.runs]
    names = shorten(args.runs)
    print(scores(names, [result for _, result, _ in runs]))
    options = [config['options'] for config, _, _ in runs]
    if any(option != options[0] for option in options):
        print('\n' + differences(names, options))
    agree = agreement(names, runs, args.runs)
    if agree:
        print('\n' + agree)
    logs = [(name, log) for name, (_, _, log) in zip(names, runs) if log]
    if logs:
        most = {most_entropy(result) for _, result, log in runs if log}
        pictures.learning_curves(
            args.out, [log for _, log in logs],
            most_entropy=most.pop() if len(most) == 1 else None,
            names=[name for name, _ in logs])
        print(f'\nlearning curves in {args.out}')


if __name__ == '__main__':
    sys.exit(main(run, get_options, resume=None))
