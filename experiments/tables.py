"""Makes a table of the paper, our numbers beside the printed ones.

    python experiments/tables.py 3 --datasets mnist,omniglot --seeds 12
    python experiments/tables.py 4
    python experiments/tables.py 5 --bits 16
    python experiments/tables.py sweep --methods imsat-vat
    python experiments/tables.py 3 --report --record docs/runs.json
    python experiments/tables.py --readme README.md --record docs/runs.json

What was run before below --out is not run again, for no table, and what was
interrupted goes on.  The last two make what docs/tables and the README show,
and need neither data nor time.  Options after " -- " go to every run:
-- --epochs 5
"""
import shlex
import signal
import sys
from pathlib import Path

from tqdm import tqdm

import imsat
from common.labels import digest_of_labels
from common.scripts import (
    a_file, a_file_to_be, a_path, main, parser_for, positive, sentence)
from imsat import devices
from imsat.datasets import load_dataset
from imsat.storage import atomic_write, digest
from tabulation.report import (
    SEEDS, Report, fill_tables, find_results, of_which)
from tabulation.runs import Record, Runs, do_all
from tabulation.tables import NAMES, get_table, methods_of

BITS = 16
# What to do after an interruption.
AGAIN = 'the same command goes on where it was'


def get_options(argv=None):
    parser = parser_for(__doc__)
    add = parser.add_argument
    add('table', nargs='?', choices=NAMES,
        help='sweep: of lambda and the rate of weight decay, section 4.2.3')
    add('--datasets', metavar='NAME,...',
        help='as --dataset of the scripts; default: those of the table')
    add('--methods', default='all', metavar='NAME,...',
        help='default all those of the table; others get a row below')
    add('--bits', type=int, default=BITS,
        help='of table 5; default %(default)s')
    add('--seeds', type=positive, metavar='N',
        help='0 to N - 1; the paper has 12, and 10 in table 5; default 1, '
             'with --report the first hundred')
    add('--jobs', type=positive, metavar='N',
        help='runs at a time; default: one for every core')
    add('--threads', type=positive, default=1,
        help='of BLAS, each; default 1')
    add('--device', type=int, default=-1, metavar='-1|N',
        help='-1 the CPU, N GPU number N; default -1')
    add('--data-dir', type=a_path, metavar='DIR',
        help='default: the environment variable IMSAT_DATA')
    add('--out', type=a_path, default='results/tables', metavar='DIR',
        help='default results/tables')
    add('--record', type=a_file_to_be, metavar='FILE',
        help='a file that keeps the results of all runs: those that it holds '
             'count as done, but not for other points; those that end are '
             'added')
    add('--report', action='store_true',
        help='run nothing: write the table of what has been run')
    add('--readme', type=a_file, metavar='FILE',
        help='in place of a table: rewrite, from --record, those between the '
             'markers of a Markdown file')
    argv = sys.argv[1:] if argv is None else argv
    split = argv.index('--') if '--' in argv else len(argv)
    args = parser.parse_args(argv[:split])
    args.command = shlex.join(
        ['python', 'experiments/tables.py', *argv])
    args.extra = argv[split + 1:]
    if args.bits != BITS and args.table not in (None, '5'):
        raise imsat.InputError(f'--bits is {args.bits}, but table '
                               f'{args.table} is of clusters; leave it out')
    unused = [name for name, value in vars(args).items()
              if name not in ('readme', 'record', 'command', 'extra', 'table',
                              'jobs')
              and value != parser.get_default(name)]
    if args.readme and unused:
        raise imsat.InputError(
            f'--readme makes the tables of --record as they are; leave '
            f'--{unused[0].replace("_", "-")} out')
    if args.seeds is None:
        args.seeds = SEEDS if args.report else 1
    if args.jobs is None:
        args.jobs = devices.available_cores()
    if (args.table is None) == (args.readme is None) \
            or args.readme and not args.record:
        raise imsat.InputError(f'give a table, one of {", ".join(NAMES)}, or '
                               f'--readme FILE and --record FILE')
    if args.record and args.extra:
        raise imsat.InputError(
            f'--record keeps runs without further options, and '
            f'{shlex.join(args.extra)} would be one; leave one of them out')
    return args


def choose(text, known):
    return list(known) if text in (None, 'all') else \
        list(dict.fromkeys(text.split(',')))


def prepare(names, data_dir):
    """Those data sets that are there, prepared once for all runs.

    Returns:
        tuple: By name the hashes of their points and labels, as in
        config.json and result.json; and what is missing.
    """
    there, missing = {}, []
    for name in names:
        try:
            data = load_dataset(name, data_dir)
            there[name] = dict(sha256=digest(data.x),
                               labels_sha256=digest_of_labels(data.y))
        except imsat.InputError as e:
            missing.append(f'{name}: {sentence(e)}')
    return there, missing


def run(args):
    record = Record(Path(args.record)) if args.record else None
    if args.readme:
        write_readme(Path(args.readme), record)
        return 0
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
    runs = Runs(Path(args.out), common_options(args), record, digests)
    runs.out.mkdir(parents=True, exist_ok=True)
    if record and not record.path.parent.is_dir():  # it may be below --out
        raise imsat.InputError(f'{args.record} would be in a folder that does '
                               f'not exist; make it first')

    wanted = table.runs(methods, datasets, args.seeds)
    places = places_of(wanted)
    results = find_results(wanted, runs.result)
    if args.report and not args.datasets:
        datasets = of_which(results, datasets)
        if not datasets:
            raise imsat.InputError(
                f'nothing of this table has been run below {args.out}'
                + (f' or is in {args.record}' if args.record else '')
                + '; leave --report out to run it')
    missing = [] if args.report else [
        one for (i, dataset, seed), one in wanted.items()
        if seed not in results.get((i, dataset), {})]
    report = Report(table, datasets, methods, results, args.command)
    paths = report.write(runs.out)

    with tqdm(total=len(wanted), initial=len(wanted) - len(missing),
              disable=args.report, unit='run', dynamic_ncols=True) as bar:
        def tell(one, problem):
            if problem is None:
                result = runs.result(one)
                if result is not None:  # None of one that diverged
                    i, dataset, seed = places[str(one)]
                    results.setdefault((i, dataset), {})[seed] = result
                    report.write(runs.out)
            else:
                problems.append(f'{one}: {problem}')
                bar.write(problems[-1], file=sys.stderr)
            bar.set_description(str(one), refresh=False)
            bar.update()
        do_all(runs, missing, args.jobs, tell)

    print(report.markdown())
    print('written to ' + ', '.join(map(str, paths)))
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def write_readme(path, record):
    text = fill_tables(path.read_text(encoding='utf-8'), record)
    with atomic_write(path, 'w', encoding='utf-8') as f:
        f.write(text)


def common_options(args):
    """Options of every run."""
    options = ['--threads', str(args.threads)]
    if args.data_dir:
        options += ['--data-dir', args.data_dir]
    options += args.extra
    if args.device >= 0:
        options += ['--device', str(args.device)]
    return options


def places_of(runs):
    """The row's index, data set and seed of each run, by its name."""
    places = {}
    for place, one in runs.items():
        if places.setdefault(str(one), place) != place:
            raise imsat.InputError(
                f'two data sets are called {Path(one.dataset).name}; give the '
                f'file of one another name')
    return places


if __name__ == '__main__':
    # As Ctrl-C, so that what is under way ends as well.
    for name in 'SIGTERM', 'SIGHUP':  # of a terminal that is closed
        number = getattr(signal, name, None)
        if number and signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, signal.default_int_handler)
    sys.exit(main(run, get_options, AGAIN))
