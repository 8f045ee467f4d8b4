"""Makes a table of the paper, our numbers beside the printed ones.

    python experiments/tables.py 3 --datasets mnist,omniglot --seeds 12
    python experiments/tables.py 4
    python experiments/tables.py 5 --bits 16
    python experiments/tables.py sweep --methods imsat-vat
    python experiments/tables.py 3 --report --record docs/runs.json

What was run before below --out is not run again, for no table, and what was
interrupted goes on.  The last of these shows what the README shows, and needs
neither data nor time.  Options after " -- " go to every run: -- --epochs 5
"""
import argparse
import shlex
import signal
import sys
from pathlib import Path

from tqdm import tqdm

import imsat
from common.scripts import positive, run_script
from imsat import devices
from imsat.datasets import load_dataset
from imsat.storage import digest
from paper.tables import get_table, methods_of
from tabulation.record import Record
from tabulation.report import Report
from tabulation.runs import Runs, do_all


def get_options(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('table', choices=('3', '4', '5', 'sweep'),
        help='sweep: of lambda and the rate of weight decay, section 4.2.3')
    add('--datasets', metavar='NAME,...',
        help='as --dataset of the scripts; default: those of the table')
    add('--methods', default='all', metavar='NAME,...',
        help='default all those of the table; others get a row below')
    add('--bits', type=int, default=16, help='of table 5; default 16')
    add('--seeds', type=positive, metavar='N',
        help='0 to N - 1; the paper has 12, and 10 in table 5; default 1, '
             'with --report the first hundred')
    add('--jobs', type=positive, metavar='N',
        help='runs at a time; default: one for every core')
    add('--threads', type=positive, default=1,
        help='of BLAS, each; default 1')
    add('--device', type=int, default=-1, metavar='-1|N',
        help='-1 the CPU, N GPU number N; default -1')
    add('--data-dir', metavar='DIR',
        help='default: the environment variable IMSAT_DATA')
    add('--out', default='results/tables', metavar='DIR',
        help='default results/tables')
    add('--record', metavar='FILE',
        help='a file that keeps the results of all runs: those that it holds '
             'count as done, those that end are added')
    add('--report', action='store_true',
        help='run nothing: write the table of what has been run')
    argv = sys.argv[1:] if argv is None else argv
    split = argv.index('--') if '--' in argv else len(argv)
    args = parser.parse_args(argv[:split])
    args.command = shlex.join(
        ['python', 'experiments/tables.py', *argv])
    args.extra = argv[split + 1:]
    if args.seeds is None:
        args.seeds = 100 if args.report else 1
    if args.jobs is None:
        args.jobs = devices.available_cores()
    if args.record and args.extra:
        raise imsat.InputError(
            f'--record keeps runs without further options, and '
            f'{shlex.join(args.extra)} would be one; leave one of them out')
    return args


def choose(text, known):
    return list(known) if text in (None, 'all') else text.split(',')


def prepare(names, data_dir):
    """Those data sets that are there, prepared once for all runs.

    Returns:
        tuple: The SHA-256 of their points by name, and what is missing.
    """
    there, missing = {}, []
    for name in names:
        try:
            there[name] = digest(load_dataset(name, data_dir).x)
        except imsat.InputError as e:
            missing.append(f'{name}: {e}')
    return there, missing


def run(args):
    table = get_table(args.table, args.bits)
    methods = choose(args.methods, methods_of(table))
    for name in methods:
        table.add(name)
    datasets = choose(args.datasets, table.datasets)
    digests, problems = {}, []
    if not args.report:
        digests, problems = prepare(datasets, args.data_dir)
        datasets = list(digests)
        if not datasets:
            raise imsat.InputError('; '.join(problems))
    common = ['--threads', str(args.threads), *(
        ['--data-dir', args.data_dir] if args.data_dir else []), *args.extra]
    if args.device >= 0:
        common += ['--device', str(args.device)]
    runs = Runs(Path(args.out), common,
                Record(Path(args.record)) if args.record else None, digests)
    runs.out.mkdir(parents=True, exist_ok=True)

    places = {}
    for seed in range(args.seeds):
        for i, row in enumerate(table.rows):
            for dataset in datasets if row.method in methods else ():
                one = table.run(row, dataset, seed)
                if str(one) in places:
                    raise imsat.InputError(
                        f'two data sets are called {Path(dataset).name}; '
                        f'give the file of one another name')
                places[str(one)] = (i, dataset, seed), one
    results = {}

    def take(key, result):
        i, dataset, seed = key
        results.setdefault((i, dataset), {})[seed] = result

    wanted = []
    for key, one in places.values():
        result = runs.result(one)
        if result is not None:
            take(key, result)
        elif not args.report:
            wanted.append(one)
    if args.report and not args.datasets:
        datasets = [name for name in datasets
                    if any(dataset == name for _, dataset in results)]
        if not datasets:
            raise imsat.InputError(
                f'nothing of this table has been run below {args.out}'
                + (f' or is in {args.record}' if args.record else '')
                + '; leave --report out to run it')
    report = Report(table, datasets, methods, results, args.command)
    paths = report.write(runs.out)

    with tqdm(total=len(places), initial=len(places) - len(wanted),
              disable=args.report, unit='run', dynamic_ncols=True) as bar:
        def tell(one, problem):
            if problem is None:
                take(places[str(one)][0], runs.result(one))
                report.write(runs.out)
            else:
                problems.append(f'{one}: {problem}')
                bar.write(problems[-1], file=sys.stderr)
            bar.set_description(str(one), refresh=False)
            bar.update()
        do_all(runs, wanted, args.jobs, tell)

    print(report.markdown())
    print('written to ' + ', '.join(map(str, paths)))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def main(argv=None):
    return run_script(lambda: run(get_options(argv)))


if __name__ == '__main__':
    # As Ctrl-C, so that what is under way ends as well.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
