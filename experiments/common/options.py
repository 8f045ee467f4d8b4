"""The options of a run, from the command line or a config.json.

Every parameter of a system's estimator is an option, made from its
declaration; see :mod:`imsat.parameters`.
"""
import argparse
import re
import shlex
import sys
import textwrap
import warnings
from pathlib import Path

import imsat
from common.scripts import Parser, a_path, positive
from imsat import devices
from imsat.datasets import SOURCES
from imsat.parameters import (
    AUTO, SEED, Choice, Flag, Place, Whole, declarations, option_of)
from imsat.storage import load_json
from paper.departures import faithful
from paper.systems import PAPER, SYSTEMS, get_system

DEFAULT_METHOD = 'imsat-vat'
# What most runs need of a method, in words without equations.
NEEDED = {'clusters': 'how many clusters', 'bits': 'length of a code',
          'epochs': 'how long to train'}
# Options that say how to run, not what to compute.
RUN_OPTIONS = ('out', 'resume', 'quiet', 'config', 'data_dir',
               'snapshot_seconds', 'kmeans', 'map_at', 'communicator', 'jobs',
               'onnx', 'command')


def get_parser(task, description, undecided=None, kinds=None, also=None):
    """The options that all tasks have, and those of the task's systems.

    Those without a default here take that of the system, see :func:`parse`.

    Args:
        undecided (dict): Options that the script itself chooses later, and
            what it chooses, in words.
        kinds (dict): Of options that the script takes otherwise.
        also (dict): What else help says of options.
    """
    number, metavar = ('clusters', 'K|A..B') if task == 'clustering' \
        else ('bits', 'N')
    parser = Parser(
        description=description, add_help=False,
        usage=f'%(prog)s [--dataset NAME|FILE] [--{number} {metavar}] '
              f'[--epochs N] [--seed N] [--out DIR] ...',
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(task=task)
    options = parameters_of(task)
    needed = parser.add_argument_group('what most runs need')
    of_data = parser.add_argument_group('options of the data')
    of_run = parser.add_argument_group('options of the run')
    information = 'Eq. 7' if number == 'clusters' else 'Eq. 14'
    of_method = parser.add_argument_group(
        'options of the method', textwrap.fill(
            f'by default those of the paper, section 4.2.3, for the method; '
            f'what it learns by is Eq. 1 with the information of '
            f'{information}; "{AUTO}" follows the data of a file, and is for '
            f'data sets by name ' + ', '.join(
                f'{option.replace("_", "-")} {value:g}'
                for option, value in PAPER.items() if option in options)))

    add = needed.add_argument
    add('--dataset', type=a_path, metavar='NAME|FILE|DIR',
        help=f'one of {", ".join(SOURCES)}; or FILE.npz with x and optionally '
             f'y; or a table, a point a line (a column named y holds labels): '
             f'FILE.csv, .tsv, both also with .gz, .parquet; or .npy, .h5, '
             f'.txt (a document a line), an IDX file, or a folder of PNG or '
             f'JPEG images; default digits')
    for option, users in options.items():
        using = {name: user for name, user in users.items()
                 if option not in SYSTEMS[task][name].ignored}
        if not using:  # a config.json has it
            parser.set_defaults(**{option: None})
            continue
        add_parameter(
            needed if option in NEEDED else
            of_data if option == 'scale' else of_method, option, using,
            (undecided or {}).get(option), NEEDED.get(option),
            (kinds or {}).get(option), (also or {}).get(option))
    add('--seed', type=int, default=0, metavar='N',
        help='of every random number; default 0')
    add('--out', type=a_path, metavar='DIR',
        help=f'results; default results/{task}-DATASET-seedN, before seedN '
             f'the method if it is another than {DEFAULT_METHOD}')

    add_table_options(of_data)
    of_data.add_argument(
        '--data-dir', type=a_path, metavar='DIR',
        help="folder above the publishers' files; default: the environment "
             'variable IMSAT_DATA; MNIST, 20news and RCV1 are fetched where '
             'they are not there')

    add = of_run.add_argument
    add('-h', '--help', action='help', help='show this and exit')
    add('--method', default=DEFAULT_METHOD, metavar='NAME',
        help=f'one of {", ".join(SYSTEMS[task])}; default {DEFAULT_METHOD}')
    add('--threads', type=positive, metavar='N',
        help='of BLAS; the last digits depend on it; default: all cores, '
             'shared out to --jobs, or 1 with --communicator')
    add('--faithful', action='store_true',
        help="do as the authors' code in all that it fixes and an option "
             'chooses here, e.g. --neighbor 11; an option that says otherwise '
             'is refused')
    add('--config', type=a_path, metavar='FILE',
        help='take the options from the config.json of an earlier run')
    add('--resume', action='store_true',
        help='go on from the last snapshot below --out, also to more epochs '
             'than before; without --dataset with the options that the run '
             'there has')
    add('--onnx', action='store_true',
        help="write the network as model.onnx, too; needs pip install "
             "'imsat[onnx]'")
    add('--quiet', action='store_true', help='no progress, no summary')
    return parser


def add_table_options(parser):
    """The options that :func:`table_options` reads."""
    for option, value, text in (
        ('label', 'COLUMN', 'holds labels; default: that named y'),
        ('index', 'COLUMN', 'names the points and is no feature; default: '
         'the first, if it has no name'),
        ('columns', 'A,B,...', 'are features; default: all others'),
        ('text', 'COLUMN', 'holds documents, in place of features')):
        parser.add_argument(
            f'--{option}', metavar=value,
            help=f'which of a table, by name or by number from 1, {text}')
    parser.add_argument(
        '--labels', type=a_path, metavar='FILE',
        help='labels of a file that has none itself: .npy, .txt with a label '
             'a line, or IDX')
    parser.add_argument(
        '--image-size', metavar='HxW',
        help='to what the images in a folder are resized, e.g. 28x28; '
             'default: as they are, or 32x32 if one is larger than 64x64 or '
             'they are not all alike. Or what the rows of a file are images '
             'of')


def parameters_of(task):
    """What the systems of a task have in common and by themselves.

    Returns:
        dict: By option, the systems that take it: their name, the parameter's
        Declaration and its default there.
    """
    options = {}
    for name, system in SYSTEMS[task].items():
        defaults = system.get_defaults()
        for argument, declaration in declarations(system.estimator).items():
            option = option_of(argument, declaration)
            if option not in ('', 'seed') and argument in defaults:
                options.setdefault(option, {})[name] = (
                    declaration, defaults[argument])
    return options


def add_parameter(parser, option, users, default=None, text=None,
                  kind=None, also=None):
    """An option for a parameter of some systems, see parameters_of.

    ``default`` says what is taken where no system's default is, ``text`` what
    it means, and ``kind`` what it may be, if not as it was declared; ``also``
    is said at the end.
    """
    declaration, _ = users.get(DEFAULT_METHOD) or next(iter(users.values()))
    kind, others = kind or declaration.kind, {}
    if isinstance(kind, Choice):
        others['choices'] = kind.names
    elif isinstance(kind, Flag):
        others['action'] = argparse.BooleanOptionalAction
    else:
        others['metavar'] = kind.metavar
        others['type'] = _parser_of(kind)
    parser.add_argument(
        f'--{option.replace("_", "-")}', **others,
        help='; '.join([text or declaration.help, *(
            [f'default {default}'] if default else _defaults(users)),
            *([also] if also else [])]))


def _parser_of(kind):
    def parse(text):
        try:
            return kind.parse(text)
        except ValueError:
            raise argparse.ArgumentTypeError(
                f'{text!r} can not be read' + (
                    f'; {kind.wanted}' if kind.wanted else '')) from None
    return parse


def _defaults(users):
    """What help says of the defaults: the one of the default method, or the
    first, and then who has another."""
    groups = {}
    for name in sorted(users, key=lambda name: name != DEFAULT_METHOD):
        groups.setdefault(_shown(users[name][1]), []).append(name)
    if list(groups) == ['none']:
        return []
    (first, _), *rest = groups.items()
    return [f'default {first}', *(f'{", ".join(names)}: {default}'
                                  for default, names in rest)]


def _shown(value):
    if value is None:
        return 'none'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    if isinstance(value, tuple):
        return '-'.join(map(str, value)) or 'linear'
    return f'{value:g}' if isinstance(value, float) else str(value)


def parse(parser, argv, kinds, digits_restarts=1, undecided=()):
    """Options from the command line and, below them, a config.json.

    Args:
        kinds (dict): The Kind of each option that the script itself adds,
            where that is no text.
        digits_restarts (int): Default of --restarts for what a newcomer runs.
        undecided (collection of str): As for :func:`get_parser`.
    """
    args = parser.parse_args(argv)
    given = {name for name, value in vars(args).items() if value is not None}
    chosen = faithful(args.task) if args.faithful else {}
    parser.set_defaults(**chosen)
    if args.faithful and args.task == 'clustering':
        parser.set_defaults(mu=PAPER['mu'])
    config = args.config or config_below(args)
    if config:
        options = load_config(config)['options']
        check_config(args, config, options, kinds, undecided)
        parser.set_defaults(**{name: value for name, value in options.items()
                               if value is not None})
    args = parser.parse_args(argv)
    if 'dataset' in given and getattr(args, 'query', None) is not None \
            and args.gallery is not None:
        raise imsat.InputError(
            f'--dataset is {args.dataset}, but the points are those of '
            f'--query and --gallery; leave --dataset out')
    args.dataset = args.dataset or 'digits'
    if args.faithful:
        check_faithful(args, chosen)
    del args.faithful  # it stands in the other options
    choose_defaults(args, digits_restarts, undecided, given)
    args.command = shlex.join([
        'python', f'experiments/{args.task}.py',
        *(sys.argv[1:] if argv is None else argv)])
    if args.onnx:
        check_network(args)
    if args.threads is None:
        args.threads = 1 if args.communicator else max(
            1, devices.available_cores() // at_once(args))
    if args.out is None:
        method = '' if args.method == DEFAULT_METHOD else f'-{args.method}'
        files = [vars(args).get(name) for name in ('query', 'gallery')]
        source = '-'.join(Path(name).stem for name in (
            files if all(files) else [args.dataset]))
        args.out = f'results/{args.task}-{source}{method}-seed{args.seed}'
    return args


def at_once(args):
    """How many restarts are trained at a time."""
    jobs, restarts = args.jobs or 1, args.restarts or 1
    if range_of(getattr(args, 'clusters', None)):
        restarts = max(2, restarts)  # see numbers.py
    return min(devices.available_cores() if jobs < 0 else jobs, restarts)


def check_faithful(args, chosen):
    """Raises InputError for an option with another value than the authors'
    code has.

    Args:
        chosen (dict): Of :func:`paper.departures.faithful`.
    """
    for name, value in chosen.items():
        if getattr(args, name) != value:
            raise imsat.InputError(
                f'--faithful takes {name.replace("_", "-")} {value}, as the '
                f"authors' code does, but {getattr(args, name)} was asked "
                f'for; leave one of them out')
    if args.hidden is not None and len(args.hidden) != 2:
        raise imsat.InputError("--faithful is with two hidden layers, as the "
                               "authors' code has; give --hidden H-H")
    if range_of(getattr(args, 'clusters', None)):
        raise imsat.InputError("--faithful trains one network, as the "
                               "authors' code does; give one number of "
                               "--clusters")


def config_below(args):
    """The config.json of the run that is to go on, where the command line
    does not say with what data; None without."""
    if args.resume and args.out and args.dataset is None \
            and getattr(args, 'query', None) is None:
        path = Path(args.out) / 'config.json'
        return path if path.exists() else None
    return None


def check_config(args, path, options, kinds, undecided):
    """Raises InputError for an option that a config.json should not have, or
    with another value than the command line takes."""
    parameters = parameters_of(args.task)
    # Of another task most options are unknown.
    problem = Choice([args.task]).problem(options.get('task', args.task))
    if problem:
        raise imsat.InputError(f'{path}: task {problem}')
    unknown = options.keys() - vars(args).keys() | options.keys() & {
        *RUN_OPTIONS, 'faithful'}
    if unknown:
        raise imsat.InputError(
            f'{path} has options that are not known: '
            f'{", ".join(sorted(unknown))}; remove them')
    kinds = {'seed': SEED, 'method': Choice(SYSTEMS[args.task]),
             'dataset': Place(optional=False),
             'threads': Whole(1, optional=True), **kinds}
    method = str(options.get('method', DEFAULT_METHOD))
    for option, users in parameters.items():
        # Of what the method makes no use of, any other's.
        declaration, _ = users.get(method) or next(iter(users.values()))
        kinds.setdefault(option, declaration.kind)
    for name, value in options.items():
        if value is None and (name in undecided or name in parameters
                              and method not in parameters[name]):
            continue
        problem = kinds.get(name, Place()).problem(value)
        if problem:
            raise imsat.InputError(f'{path}: {name} {problem}')


def choose_defaults(args, digits_restarts, undecided, given):
    """Gives the options that were not given their method's defaults.

    Those that the method makes no use of are warned of, and None if its
    estimator does not take them.
    """
    system = get_system(args.task, args.method)
    paper = {**PAPER, **system.paper}
    defaults = default_options(args.task, args.method)
    if args.dataset in SOURCES and not getattr(args, 'query', None):
        defaults.update({option: value for option, value in paper.items()
                         if defaults.get(option) == AUTO})
    if args.method == DEFAULT_METHOD and args.dataset == 'digits':
        defaults['restarts'] = digits_restarts
    unused = system.ignored & given
    for option in sorted(parameters_of(args.task)):
        value, is_taken = getattr(args, option), option in defaults
        is_extra = value is not None and not is_taken
        if is_extra and option == 'communicator':
            raise imsat.InputError(
                f'{args.method} runs on one rank; leave --communicator and '
                f'mpiexec out')
        if is_extra or option in unused:
            warnings.warn(f'{args.method} makes no use of --'
                          + option.replace('_', '-'))
        if not is_taken or value is None and option not in undecided:
            setattr(args, option, defaults.get(option))


def check_network(args):
    """Raises InputError if there will be nothing to write as ONNX."""
    if not hasattr(get_system(args.task, args.method).estimator, 'to_onnx'):
        raise imsat.InputError(f'{args.method} has no network to write as '
                               f'ONNX; leave --onnx out')
    from imsat.estimators.onnx import check_onnx
    check_onnx()


def default_options(task, method):
    """The defaults of a system, by option, as JSON gives them back."""
    defaults = {option: users[method][1]
                for option, users in parameters_of(task).items()
                if method in users}
    return {option: list(value) if isinstance(value, tuple) else value
            for option, value in defaults.items()}


def table_options(args):
    """How a file or a folder is read, for :func:`load_dataset`."""
    return {name: getattr(args, name) for name in (
        'label', 'index', 'columns', 'text', 'labels', 'image_size')}


def make_model(args, **arguments):
    """The estimator of the method, from the options and ``arguments``.

    Whatever the estimator doesn't take is left out.
    """
    system = get_system(args.task, args.method)
    known = declarations(system.estimator)
    given = {argument: getattr(args, option_of(argument, declaration))
             for argument, declaration in known.items()
             if hasattr(args, option_of(argument, declaration))}
    given.update(out=args.out, resume=args.resume, cache=True,
                 verbose=not args.quiet, **arguments)
    chosen = known.keys() - system.fixed.keys()
    return system.make(**{argument: value for argument, value in given.items()
                          if argument in chosen})


def settle(args, model, x):
    """Puts what "auto" comes to for some points into options and model."""
    chosen = []
    for name, value in getattr(model, 'settle', lambda x: {})(x).items():
        option = option_of(name, declarations(model)[name])
        if getattr(args, option) == AUTO:
            chosen.append(f'--{option.replace("_", "-")} {value}')
            setattr(args, option, value)
            setattr(model, name, value)
    if chosen and not args.quiet:
        print(f'for {x.shape[0]} points: {" ".join(chosen)}', flush=True)


def range_of(value):
    """The numbers of ``'5..15'``; () for anything else."""
    match = re.fullmatch(r'(\d{1,6})\.\.(\d{1,6})', value) \
        if isinstance(value, str) else None
    first, last = map(int, match.groups()) if match else (0, 0)
    return range(first, last + 1) if 2 <= first < last else ()


def load_config(path):
    """What a config.json says, a dict with ``options`` in any case."""
    config = load_json(path)
    if not isinstance(config, dict) \
            or not isinstance(config.get('options'), dict):
        raise imsat.InputError(f'{path} is not the config.json of a run; name '
                               f'another file or remove it')
    return config
