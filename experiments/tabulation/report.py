"""What is made of the runs of a table: Markdown, CSV, for the sweep a picture,
and the tables that stand in the README."""
import csv
import dataclasses
import io
import re

import numpy
from matplotlib.figure import Figure as Canvas

from common import markdown
from imsat.errors import InputError
from imsat.pictures.training import save
from imsat.storage import atomic_write
from paper.figures import Figure
from paper.systems import get_system
from tabulation.tables import NAMES, get_table, methods_of, swept

FAR = '* More than two of the paper\'s standard deviations off.'
OURS = ('Ours: mean (standard deviation, of n - 1) over n seeds, /n. Next to '
        'it the paper\'s, over {} trials. {}')
BEGIN, END = '<!-- table: {} -->', '<!-- end of table -->'
MARKED = re.compile(f"({BEGIN.format('([^ ]+)')}\\n).*?({END}\\n)", re.DOTALL)
# How the name of a CPU ends, see devices.describe.
CORES = ' cores'
# So many seeds are looked for.
SEEDS = 100


@dataclasses.dataclass
class Cell:
    """A method on a data set: what every seed gave, and the paper's.

    Args:
        values (dict): In %, by seed.
        paper (Figure): None where the paper has none.
        times (tuple of float): Seconds of those runs that were timed on one
            thread of a CPU: a GPU's would say nothing beside them.
    """
    values: dict
    paper: Figure
    times: tuple = ()

    @property
    def mean(self):
        return float(numpy.mean(list(self.values.values())))

    @property
    def deviation(self):
        """None for less than two seeds."""
        if len(self.values) < 2:
            return None
        return float(numpy.std(list(self.values.values()), ddof=1))

    @property
    def is_far(self):
        return bool(self.values) and self.paper is not None \
            and self.paper.deviation is not None \
            and abs(self.mean - self.paper.mean) > 2 * self.paper.deviation

    def ours(self):
        if not self.values:
            return ''
        return f'{number(self.mean, self.deviation)} /{len(self.values)}' \
            + ('*' if self.is_far else '')

    def papers(self):
        return '' if self.paper is None else number(
            self.paper.mean, self.paper.deviation) + self.paper.mark

    def seconds(self, form=',.0f'):
        """The median."""
        return format(numpy.median(self.times), form) if self.times else ''


def number(mean, deviation):
    return f'{mean:.1f}' + ('' if deviation is None else f' ({deviation:.1f})')


class Report:
    """A table with the results that there are so far.

    Args:
        table (Table): Which.
        datasets (list of str): Its columns.
        methods (list of str): Its rows are theirs.
        results (dict): Of result.json, by row's index, data set and seed.
        command (str): That makes it again.
    """

    def __init__(self, table, datasets, methods, results, command):
        self.table, self.datasets = table, datasets
        self.results, self.command = results, command
        self.rows = [(i, row) for i, row in enumerate(table.rows)
                     if row.method in methods]
        self.columns = [(dataset, metric) for dataset in datasets
                        for metric in table.metrics]
        self.notes = []

    def cell(self, i, dataset, metric):
        runs = self.results.get((i, dataset), {})
        return Cell({seed: 100 * runs[seed][metric] for seed in sorted(runs)
                     if runs[seed].get(metric) is not None},
                    self.table.rows[i].figures.get((dataset, metric)),
                    tuple(known((run for run in runs.values()
                                 if run['device'].endswith(CORES)
                                 and run['threads'] == 1),
                                'seconds')))

    def write(self, out):
        """Writes below the folder ``out``; returns the paths."""
        paths = [out / f'{self.table.name}.{end}' for end in ('md', 'csv')]
        for path, text in zip(paths, (self.markdown(), self.csv())):
            with atomic_write(path, 'w', encoding='utf-8', newline='') as f:
                f.write(text)
        if self.table.name == 'sweep':
            paths.append(out / 'sweep.png')
            draw_sweep(paths[-1], self)
        return paths

    def markdown(self):
        self.notes = []
        metrics = self.table.metrics
        is_one = len(metrics) == 1
        if is_one:
            parts = [self._beside_papers(
                [(*column, self._dataset(column[0]))
                 for column in self.columns], self._method)]
        else:
            parts = []
            for dataset in self.datasets:
                parts += [
                    f'## {self._dataset(dataset)}', '', self._beside_papers(
                        [(dataset, *item) for item in metrics.items()],
                        self._method), '']
        seeds = [(dataset, metric, dataset if is_one else
                  f'{dataset}, {metrics[metric]}')
                 for dataset, metric in self.columns]
        return '\n'.join([
            f'# {self.table.title}', '',
            OURS.format(self.table.trials, self.table.note).rstrip(), '',
            *parts, '',
            self._footnotes(), '', '## Every seed', '',
            self._table(seeds, self.table.title_of, lambda cell: [', '.join(
                f'{value:.1f}' for value in cell.values.values())]),
            '', *self._circumstances(), ''])

    def compact(self):
        """The table alone in Markdown: its first metric, no footnotes, but
        what a run of the first data set takes."""
        metric = next(iter(self.table.metrics))
        return self._beside_papers(
            [(dataset, metric, dataset) for dataset in self.datasets],
            self.table.title_of, timed=self.datasets[:1])

    def csv(self):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator='\n')
        writer.writerow(['dataset', 'method', 'options', 'metric', 'mean',
                         'deviation', 'n', 'seeds', 'values', 'paper_mean',
                         'paper_deviation', 'seconds'])
        writer.writerows(
            self._record(i, row, dataset, metric)
            for dataset in self.datasets for i, row in self.rows
            for metric in self.table.metrics)
        return text.getvalue()

    def _record(self, i, row, dataset, metric):
        cell = self.cell(i, dataset, metric)
        paper = cell.paper or Figure(None)
        return [dataset, row.method,
                ' '.join(f'{k}={v}' for k, v in row.options.items()), metric,
                f'{cell.mean:.4f}' if cell.values else '',
                '' if cell.deviation is None else f'{cell.deviation:.4f}',
                len(cell.values), ' '.join(map(str, cell.values)),
                ' '.join(f'{v:.4f}' for v in cell.values.values()),
                paper.mean, paper.deviation,
                cell.seconds('.1f')]

    def _table(self, columns, title_of, show):
        """A column is a data set, a metric and titles of what is shown."""
        return markdown.table(
            ['', *(title for _, _, *titles in columns for title in titles)],
            [[title_of(row), *(
                text for dataset, metric, *titles in columns for text, _ in
                zip(show(self.cell(i, dataset, metric)), titles))]
             for i, row in self.rows])

    def _beside_papers(self, columns, title_of, timed=()):
        """Also the seconds of the data sets that are named."""
        return self._table(
            [(*column, 'paper', *['seconds'] * (column[0] in timed))
             for column in columns], title_of,
            lambda cell: (cell.ours(), cell.papers(), cell.seconds()))

    def _dataset(self, dataset):
        notes = next((result['notes'] for (_, name), runs in
                      self.results.items() if name == dataset
                      for result in runs.values()), [])
        return dataset + self._mark(notes)

    def _method(self, row):
        method = get_system(self.table.task, row.method)
        return self.table.title_of(row) + self._mark(method.notes)

    def _mark(self, notes):
        """The numbers of the footnotes that say these notes."""
        for note in notes:
            if note not in self.notes:
                self.notes.append(note)
        numbers = [str(self.notes.index(note) + 1) for note in notes]
        return f' ({", ".join(numbers)})' if numbers else ''

    def _footnotes(self):
        cells = [self.cell(i, *column) for i, _ in self.rows
                 for column in self.columns]
        notes = [f'({i + 1}) {note}' for i, note in enumerate(self.notes)]
        if any(cell.is_far for cell in cells):
            notes.append(FAR)
        if any(cell.paper and cell.paper.mark for cell in cells):
            notes.append(f'† Excerpted by the paper from '
                         f'{self.table.excerpted}.')
        return '\n\n'.join(notes)

    def _circumstances(self):
        runs = [result for key, seeds in self.results.items()
                if key[0] in dict(self.rows) and key[1] in self.datasets
                for result in seeds.values()]

        def all_of(values):
            return ' and '.join(sorted({str(value) for value in values}))
        seeds = sorted({result['seed'] for result in runs})
        seconds = known(runs, 'seconds')
        commits = [run['versions']['commit'] for run in runs
                   if run['versions']['commit'] is not None]
        return [
            f'    {self.command}', '',
            f'{len(runs)} runs, seeds {", ".join(map(str, seeds))}, '
            f'{sum(seconds) / 3600:.1f} hours of training'
            + ('' if len(seconds) == len(runs) else
               f' in the {len(seconds)} that were timed')
            + f'. Commits: {", ".join(sorted(set(commits)))}'
            + ('' if len(commits) == len(runs) else
               f' ({len(runs) - len(commits)} runs have none recorded)')
            + f'. Devices: {all_of(r["device"] for r in runs)}; threads '
            f'each: {all_of(r["threads"] for r in runs)}.'] if runs else []


def find_results(runs, find):
    """What has been run: results by seed, by row's index and data set.

    Args:
        runs (dict): Of :meth:`tabulation.tables.Table.runs`.
        find: Gives the result of a Run, or None.
    """
    results = {}
    for (i, dataset, seed), run in runs.items():
        result = find(run)
        if result is not None:
            results.setdefault((i, dataset), {})[seed] = result
    return results


def of_which(results, datasets):
    """Those of the data sets of which there is a result."""
    there = {dataset for _, dataset in results}
    return [dataset for dataset in datasets if dataset in there]


def known(results, key):
    """The values of a key where it has one."""
    return [result[key] for result in results if result.get(key) is not None]


def draw_sweep(path, report):
    """Accuracy over what the sweep varies, a panel for every data set."""
    figure = Canvas((4.2 * len(report.datasets), 3.8), layout='constrained')
    lines = {}
    grid = figure.subplots(1, len(report.datasets), squeeze=False)[0]
    methods = [name for name in methods_of(report.table)
               if name in {row.method for _, row in report.rows}]
    for axes, dataset in zip(grid, report.datasets):
        for number, method in enumerate(methods):
            points = [(swept(row)[1], report.cell(i, dataset, 'accuracy'))
                      for i, row in report.rows if row.method == method]
            points = [(value, cell) for value, cell in points if cell.values]
            if points:
                lines[get_system('clustering', method).title] = axes.errorbar(
                    [value for value, _ in points],
                    [cell.mean for _, cell in points],
                    [cell.deviation or 0 for _, cell in points], marker='o',
                    markersize=3, capsize=2, linewidth=1, color=f'C{number}')
        axes.set_xscale('log')
        axes.set_title(dataset)
        axes.set_xlabel('lambda, or rate of weight decay')
        axes.grid(alpha=.3)
    grid[0].set_ylabel('ACC, %')
    if lines:
        figure.legend(lines.values(), lines.keys(), fontsize=8, ncols=3,
                      loc='outside lower center')
    save(figure, path)


def fill_tables(text, record):
    """A Markdown text with the tables between its markers made anew.

    A table is that of docs/tables, by its first metric and without footnotes,
    of the data sets of which something has been run.

    Args:
        text (str): With a line ``<!-- table: 3 -->``, say, before a table and
            ``<!-- end of table -->`` after it.
        record (Record): Of the runs.

    Raises:
        InputError: For no markers, and for wrong ones.
    """
    def make(match):
        return f'{match[1]}{_make_table(match[2], record)}\n{match[3]}'
    if not text.count('<!-- table: ') == text.count(END) \
            == len(MARKED.findall(text)) > 0:
        raise InputError(f'each table has to stand between the lines '
                         f'{BEGIN.format(3)} and {END}; write or mend them')
    return MARKED.sub(make, text)


def _make_table(name, record):
    if name not in NAMES:
        raise InputError(f'{BEGIN.format(name)} names no table; give one of '
                         f'{", ".join(NAMES)}')
    table = get_table(name)
    methods = methods_of(table)
    results = find_results(table.runs(methods, table.datasets, SEEDS),
                           record.find)
    return Report(table, of_which(results, table.datasets), methods, results,
                  None).compact()
