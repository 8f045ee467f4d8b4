"""What is made of the runs of a table: Markdown, CSV, and for the sweep a
picture."""
import csv
import dataclasses
import io

import numpy
from matplotlib.figure import Figure as Canvas

from common import markdown
from imsat.pictures.training import save
from imsat.storage import atomic_write
from paper.figures import Figure
from paper.systems import get_system
from tabulation.tables import methods_of, swept

FAR = '* More than two of the paper\'s standard deviations off.'
OURS = ('Ours: mean (standard deviation, of n - 1) over n seeds, /n. Next to '
        'it the paper\'s, over {} trials. {}')


@dataclasses.dataclass
class Cell:
    """A method on a data set: what every seed gave, and the paper's.

    Args:
        values (dict): In %, by seed.
        paper (Figure): None where the paper has none.
    """
    values: dict
    paper: Figure

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
        if self.paper is None:
            return ''
        return number(self.paper.mean, self.paper.deviation) + self.paper.mark


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
        self.notes = []

    def cell(self, i, dataset, metric):
        runs = self.results.get((i, dataset), {})
        return Cell({seed: 100 * runs[seed][metric] for seed in sorted(runs)
                     if runs[seed].get(metric) is not None},
                    self.table.rows[i].figures.get((dataset, metric)))

    def write(self, out):
        """Writes below the folder ``out``; returns the paths."""
        texts = {f'{self.table.name}.md': self.markdown(),
                 f'{self.table.name}.csv': self.csv()}
        for name, text in texts.items():
            with atomic_write(out / name, 'w', encoding='utf-8',
                              newline='') as f:
                f.write(text)
        names = list(texts)
        if self.table.name == 'sweep':
            names.append('sweep.png')
            draw_sweep(out / names[-1], self)
        return [out / name for name in names]

    def markdown(self):
        self.notes = []
        metrics = self.table.metrics
        if len(metrics) == 1:
            (metric, _), = metrics.items()
            parts = [self._table([(dataset, metric, self._dataset(dataset))
                                  for dataset in self.datasets])]
        else:
            parts = []
            for dataset in self.datasets:
                parts += [f'## {self._dataset(dataset)}', '', self._table(
                    [(dataset, *item) for item in metrics.items()]), '']
        return '\n'.join([
            f'# {self.table.title}', '',
            OURS.format(self.table.trials, self.table.note).rstrip(), '',
            *parts, '',
            *self._footnotes(), '', '## Every seed', '', self._every_seed(),
            '', *self._circumstances(), ''])

    def compact(self):
        """The table alone in Markdown: its first metric, no footnotes."""
        metric = next(iter(self.table.metrics))
        return self._table([(dataset, metric, dataset)
                            for dataset in self.datasets],
                           self.table.title_of)

    def csv(self):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator='\n')
        writer.writerow(['dataset', 'method', 'options', 'metric', 'mean',
                         'deviation', 'n', 'seeds', 'values', 'paper_mean',
                         'paper_deviation', 'seconds'])
        for dataset in self.datasets:
            for i, row in self.rows:
                for metric in self.table.metrics:
                    writer.writerow(self._record(i, row, dataset, metric))
        return text.getvalue()

    def _record(self, i, row, dataset, metric):
        cell = self.cell(i, dataset, metric)
        seconds = known(self.results.get((i, dataset), {}).values(),
                        'seconds')
        paper = cell.paper or Figure(None)
        options = ' '.join(f'{k}={v}' for k, v in row.options.items())
        return [dataset, row.method, options, metric,
                *(('', '') if not cell.values else
                  (f'{cell.mean:.4f}', '' if cell.deviation is None
                   else f'{cell.deviation:.4f}')),
                len(cell.values), ' '.join(map(str, cell.values)),
                ' '.join(f'{v:.4f}' for v in cell.values.values()),
                paper.mean, paper.deviation,
                f'{numpy.mean(seconds):.1f}' if seconds else '']

    def _table(self, columns, title_of=None):
        """A Markdown table; a column is a data set, a metric, a title."""
        title_of = title_of or self._method
        titles = [text for _, _, title in columns for text in (title, 'paper')]
        rows = []
        for i, row in self.rows:
            cells = [self.cell(i, *column[:2]) for column in columns]
            rows.append([title_of(row), *(text for cell in cells for text in
                                          (cell.ours(), cell.papers()))])
        return markdown.table(['', *titles], rows)

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
        cells = [self.cell(i, dataset, metric) for i, _ in self.rows
                 for dataset in self.datasets for metric in self.table.metrics]
        notes = [f'({i + 1}) {note}' for i, note in enumerate(self.notes)]
        if any(cell.is_far for cell in cells):
            notes.append(FAR)
        if any(cell.paper and cell.paper.mark for cell in cells):
            notes.append(f'† Excerpted by the paper from '
                         f'{self.table.excerpted}.')
        return [line for note in notes for line in (note, '')][:-1]

    def _every_seed(self):
        columns = [(dataset, metric) for dataset in self.datasets
                   for metric in self.table.metrics]
        titles = [dataset if len(self.table.metrics) == 1 else
                  f'{dataset}, {self.table.metrics[metric]}'
                  for dataset, metric in columns]
        return markdown.table(['', *titles], [
            [self.table.title_of(row), *(
                ', '.join(f'{value:.1f}' for value in
                          self.cell(i, *column).values.values())
                for column in columns)]
            for i, row in self.rows])

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


def known(results, key):
    """The values of a key where it has one."""
    return [result[key] for result in results if result.get(key) is not None]


def number(mean, deviation):
    return f'{mean:.1f}' + ('' if deviation is None else f' ({deviation:.1f})')


def draw_sweep(path, report):
    """Accuracy over what the sweep varies, a panel for every data set."""
    figure = Canvas((4.2 * len(report.datasets), 3.4), layout='constrained')
    grid = figure.subplots(1, len(report.datasets), squeeze=False)[0]
    methods = [name for name in methods_of(report.table)
               if name in {row.method for _, row in report.rows}]
    for axes, dataset in zip(grid, report.datasets):
        for method in methods:
            points = [(swept(row)[1], report.cell(i, dataset, 'accuracy'))
                      for i, row in report.rows if row.method == method]
            points = [(value, cell) for value, cell in points if cell.values]
            if points:
                axes.errorbar(
                    [value for value, _ in points],
                    [cell.mean for _, cell in points],
                    [cell.deviation or 0 for _, cell in points], marker='o',
                    markersize=3, capsize=2, linewidth=1,
                    label=get_system('clustering', method).title)
        axes.set_xscale('log')
        axes.set_title(dataset)
        axes.set_xlabel('lambda, or rate of weight decay')
        axes.grid(alpha=.3)
    grid[0].set_ylabel('ACC, %')
    if grid[0].get_legend_handles_labels()[0]:
        grid[0].legend(fontsize=8)
    save(figure, path)
