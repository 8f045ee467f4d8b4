"""The options of a run, from the command line or a config.json."""
import argparse
import warnings
from pathlib import Path

import imsat
from common.folders import load_config
from common.scripts import positive
from imsat import devices
from imsat.datasets import SOURCES
from paper.systems import SYSTEMS, get_system

# What the authors' code fixes and every script here has an option for; the
# table of departures in imsat/original says what differs otherwise.
FAITHFUL = dict(method='imsat-vat', epochs=50, batch_size=250, restarts=1,
                neighbor=11, xi=10, power_iterations=1,
                initialization='original', sampling='permutation')

DEFAULT_METHOD = 'imsat-vat'
# Options of a method, of no use to some.
METHOD_OPTIONS = {
    'device', 'epochs', 'batch_size', 'hidden', 'restarts', 'lam', 'alpha',
    'weight_decay', 'neighbor', 'xi', 'power_iterations', 'initialization',
    'sampling', 'mu', 'prior', 'delta', 'distortion'}
# Options of the methods that their estimators call otherwise.
ARGUMENTS = {'restarts': 'n_init', 'neighbor': 'n_neighbors',
             'seed': 'random_state'}


def get_parser(task, description):
    """The options that all tasks have.

    Those without a default here take that of the method, see ``parse``.
    """
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(task=task)
    add = parser.add_argument
    add('--method', default=DEFAULT_METHOD, metavar='NAME',
        help=f'one of {", ".join(SYSTEMS[task])}; default '
             f'{DEFAULT_METHOD}; options without a default below have that '
             f'of the method (section 4.2.3)')
    add('--dataset', default='digits', metavar='NAME|FILE',
        help=f'one of {", ".join(SOURCES)}; or FILE.npz with x and optionally '
             f'y, or FILE.csv, a point a line (a column named y holds '
             f'labels); default digits')
    add('--data-dir', metavar='DIR',
        help="folder above the publishers' files; default: the environment "
             'variable IMSAT_DATA; MNIST, 20news and RCV1 are fetched where '
             'they are not there')
    add('--out', metavar='DIR',
        help=f'results; default results/{task}-DATASET-seedN, before seedN '
             f'the method if it is another than {DEFAULT_METHOD}')
    add('--seed', type=int, default=0, metavar='N',
        help='of every random number; default 0')
    add('--device', type=int, metavar='-1|N',
        help='-1 the CPU, N GPU number N; default -1')
    add('--threads', type=positive, metavar='N',
        help='of BLAS; the last digits depend on it; default: all cores')
    add('--epochs', type=int,
        help='of floor(N / batch size) iterations each; IMSAT: 50')
    add('--batch-size', type=int, help='|B| of Eq. 15; IMSAT: 250')
    add('--hidden', type=hidden_sizes,
        help='units of the hidden layers (section 4.1), e.g. 1200-1200, or '
             '"linear"; of deep-hash 60-30, but for 32 bits the paper has '
             '80-50')
    add('--restarts', type=int, metavar='N',
        help='runs from different seeds, of which the one with the lowest '
             'objective is kept, without labels; of K-means: initialisations; '
             'IMSAT: 1, as in the paper')
    add('--lam', type=float,
        help='lambda of Eqs. 1, 7, 10, 14: weight of the information; '
             'IMSAT (VAT): .1')
    add('--alpha', type=float,
        help='Eq. 17: perturbations have length alpha sigma_t(x); IMSAT '
             '(VAT): .25')
    add('--weight-decay', type=float, metavar='RATE',
        help='R of Eq. 1 is RATE / 2 times the squares of all parameters; '
             'RIM: .005')
    add('--neighbor', type=int, metavar='T',
        help='t of Eq. 17, the paper\'s 10 by default (the authors\' code '
             'takes the 11th)')
    add('--xi', type=float,
        help='step of the finite difference in Eq. 6\'s power iteration, in '
             'the units of the data; default 10')
    add('--power-iterations', type=int, metavar='N',
        help='of Eq. 6, each a forward and a backward pass; default 1')
    add('--initialization', choices=sorted(imsat.links.INITIALIZATIONS),
        help='of the weights: "original", the default, as the authors\' code '
             'draws them; "he" smaller, see the README')
    add('--sampling', choices=imsat.training.iterators.SAMPLINGS,
        help='the first |B| of a fresh permutation every iteration, as in the '
             'authors\' code (IMSAT), or a sweep over all points')
    add('--faithful', action='store_true',
        help="do as the authors' code in all that it fixes and an option "
             'chooses here, e.g. --neighbor 11; an option that says otherwise '
             'is refused')
    add('--config', metavar='FILE',
        help='take the options from the config.json of an earlier run')
    add('--resume', action='store_true',
        help='go on from the last snapshot below --out')
    add('--snapshot-seconds', type=float, default=10, metavar='S',
        help='least time between two snapshots, at ends of epochs; default '
             '10')
    add('--quiet', action='store_true', help='no progress, no summary')
    return parser


def hidden_sizes(text):
    if text == 'linear':
        return []
    sizes = [int(size) for size in text.split('-')]
    if min(sizes) < 1:
        raise ValueError
    return sizes


def parse(parser, argv, digits_restarts=1, faithful=()):
    """Options from the command line and, below them, a config.json.

    ``faithful`` are options besides :data:`FAITHFUL` with the values that the
    authors' code has.
    """
    args = parser.parse_args(argv)
    chosen = {**FAITHFUL, **dict(faithful)} if args.faithful else {}
    parser.set_defaults(**chosen)
    if args.config:
        options = load_config(args.config)['options']
        unknown = set(options) - set(vars(args))
        if unknown:
            raise imsat.InputError(f'{args.config} has options that are not '
                                   f'known: {", ".join(sorted(unknown))}')
        parser.set_defaults(**options)
    args = parser.parse_args(argv)
    for name, value in chosen.items():
        if getattr(args, name) != value:
            raise imsat.InputError(
                f"--faithful takes {name} {value}, as the authors' code does, "
                f'but {getattr(args, name)} was asked for; leave one of them '
                f'out')
    del args.faithful  # it stands in the other options
    choose_defaults(args, digits_restarts)
    if args.threads is None:
        args.threads = devices.available_cores()
    if args.out is None:
        method = '' if args.method == DEFAULT_METHOD else f'-{args.method}'
        args.out = (f'results/{args.task}-{Path(args.dataset).stem}{method}'
                    f'-seed{args.seed}')
    return args


def choose_defaults(args, digits_restarts):
    """Gives the options that were not given their method's defaults.

    Those that the method makes no use of are None, and warned of.
    """
    defaults = get_system(args.task, args.method).get_defaults()
    if args.method == DEFAULT_METHOD and args.dataset == 'digits':
        defaults['n_init'] = digits_restarts
    for option in sorted(METHOD_OPTIONS & vars(args).keys()):
        argument = ARGUMENTS.get(option, option)
        value = getattr(args, option)
        if argument not in defaults:
            if value is not None:
                warnings.warn(f'{args.method} makes no use of --'
                              + option.replace('_', '-'))
            setattr(args, option, None)
        elif value is None:
            value = defaults[argument]
            # As JSON gives it back.
            setattr(args, option,
                    list(value) if isinstance(value, tuple) else value)


def make_model(args, **arguments):
    """The estimator of the method, from the options and ``arguments``.

    Whatever the estimator doesn't take is left out.
    """
    method = get_system(args.task, args.method)
    given = dict(vars(args), cache=True, verbose=not args.quiet, **arguments)
    for option, argument in ARGUMENTS.items():
        given[argument] = given.pop(option)
    return method.make(**{name: given[name] for name in method.get_defaults()
                          if name in given})
