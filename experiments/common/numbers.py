"""How many clusters: a run for each number, below the folder of them all."""
import argparse
from pathlib import Path

import numpy

import imsat
from common.folders import LENGTHS, describe, is_larger, run_folder
from common.options import load_config, range_of
from common.report import how_it_was_made, picture, table, tag, write_page
from common.results import get_versions
from imsat import pictures
from imsat.estimators import ClusterNumbers, IMSATClustering
from imsat.parameters import AUTO, Whole
from imsat.ranks import ranks_of
from imsat.storage import load_json, save_json
from paper.systems import get_system


PICTURE = 'cluster_numbers.png'


class Numbers(Whole):
    """A whole number, or a range of them."""
    metavar = 'K|A..B'

    def __init__(self):
        super().__init__(1)
        self.wanted = 'give a whole number from 1, or a range such as 5..15'

    def allows(self, value):
        return len(range_of(value)) > 1 if isinstance(value, str) \
            else super().allows(value)

    def parse(self, text):
        if '..' not in text:
            return int(text)
        if not self.allows(text):
            raise ValueError
        return text


def check_numbers(args):
    """Raises InputError unless a range suits the other options."""
    if not issubclass(get_system('clustering', args.method).estimator,
                      IMSATClustering):
        raise imsat.InputError(f'{args.method} trains no restarts to compare; '
                               f'give one number of --clusters')
    if args.prior is not None:
        raise imsat.InputError('--prior has a size for each of K clusters; '
                               'leave it out, or give one number of '
                               '--clusters')
    if ranks_of(args.communicator).size > 1:
        raise imsat.InputError('a range of --clusters runs on one rank; leave '
                               '--communicator and mpiexec out')


def run_numbers(args, data, check, run):
    """Runs each number, and says which it would take.

    Args:
        args: The options, ``clusters`` a range.
        data (Dataset): The points.
        check: Function ``(args)`` of the options of one number, that raises
            InputError if these can not be.
        run: Function ``(args)`` of the options of one number, that leaves
            ``criteria`` in its result.json.
    """
    numbers = list(range_of(args.clusters))
    for k in numbers:
        check(options_of_number(args, k))
        folder = folder_of(args.out, k)
        if (folder / 'result.json').is_file():
            refuse_less(folder, args)
    with run_folder(args, describe(data)) as out:
        results = [run_number(args, k, out, run) for k in numbers]
        chosen = ClusterNumbers(numbers, [
            {name: numpy.array(value) for name, value
             in result['criteria'].items()} for result in results])
        pictures.cluster_numbers(out / PICTURE, numbers,
                                 chosen.values, chosen.best)
        result = dict(
            method=args.method, dataset=data.name, n=data.x.shape[0],
            clusters=chosen.best, criterion=chosen.criterion,
            margin=chosen.margin, is_sure=chosen.is_sure,
            seconds=sum(result['seconds'] for result in results),
            device=results[0]['device'], threads=results[0]['threads'],
            numbers=[dict(clusters=k, accuracy=result['accuracy'],
                          purity=result['purity'], **result['criteria'])
                     for k, result in zip(numbers, results)],
            versions=get_versions())
        save_json(out / 'result.json', result)
        save_report(out, args, result, chosen)
    if not args.quiet:
        print_numbers(out, result, chosen)


def folder_of(out, k):
    return Path(out) / f'clusters-{k}'


def run_number(args, k, out, run):
    """The result of one number, from its folder if all of it is there."""
    folder = folder_of(out, k)
    if not is_whole(folder) or lengths_that_differ(folder, args):
        run(options_of_number(args, k))
    return load_json(folder / 'result.json')


def is_whole(folder):
    """Whether a run has its report, and what speaks for its number, which one
    by itself has not."""
    result = folder / 'result.json'
    return result.is_file() and (folder / 'report.html').is_file() \
        and isinstance(load_json(result).get('criteria'), dict)


def lengths_that_differ(folder, args):
    """Of a finished run's epochs those that are asked for otherwise: by
    option, how many are now and were before."""
    options = load_config(folder / 'config.json')['options']
    lengths = {key: (getattr(args, key, AUTO), options.get(key))
               for key in LENGTHS}
    return {key: (now, before) for key, (now, before) in lengths.items()
            if now not in (AUTO, before)}


def refuse_less(folder, args):
    """Raises InputError if a finished run has more epochs than are asked."""
    for key, (now, before) in lengths_that_differ(folder, args).items():
        if is_larger(before, now):
            raise imsat.InputError(
                f'{folder} holds a run with more {key} ({before} and not '
                f'{now}); ask for as many, choose another --out or remove '
                f'that folder')


def options_of_number(args, k):
    return argparse.Namespace(**{
        **vars(args), 'clusters': k, 'resume': True,
        'out': str(folder_of(args.out, k)),
        'restarts': max(2, args.restarts)})


def print_numbers(out, result, chosen):
    titles, rows = rows_of(result, chosen)
    print(f'\n{"clusters":>8}' + ''.join(f'{name:>24}' for name in titles))
    for k, *cells in rows:
        print(f'{k:8}' + ''.join(f'{cell:>24}' for cell in cells))
    print(f'{chosen}\nthe runs are in {out}/clusters-K/, the curve in '
          f'{out}/report.html')


def rows_of(result, chosen):
    """Titles, and of each number itself and what is said of it."""
    titles = list(chosen.values[0])
    rows = [[part['clusters'], *(f'{values[name].mean():.3f}'
                                 for name in titles)]
            for part, values in zip(result['numbers'], chosen.values)]
    if result['numbers'][0]['accuracy'] is not None:
        titles += ['ACC', 'purity']
        for row, part in zip(rows, result['numbers']):
            row += [f'{part["accuracy"]:.1%}', f'{part["purity"]:.1%}']
    return titles, rows


def save_report(out, args, result, chosen):
    title = (f'{result["dataset"]}: {result["n"]} points in '
             f'{result["numbers"][0]["clusters"]} to '
             f'{result["numbers"][-1]["clusters"]} clusters')
    titles, rows = rows_of(result, chosen)
    write_page(out / 'report.html', title, [
        tag('h1', title), tag('pre', args.command), tag('p', chosen),
        tag('figure', picture((out / PICTURE).read_bytes(), PICTURE)),
        tag('h2', 'Each number'), table(['clusters', *titles], [
            [tag('a', k, href=f'clusters-{k}/report.html'), *cells]
            for k, *cells in rows]),
        *how_it_was_made(result, 'Each number leads to its own report.')])
