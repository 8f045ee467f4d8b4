"""The paper's tables: their rows and columns, beside its figures."""
import dataclasses

from paper.figures import TABLE_2, TABLE_3, TABLE_4, TABLE_5, read
from paper.systems import SYSTEMS, get_system
from tabulation.runs import Run

# Result of a run: how a column calls it.
ACCURACY = {'accuracy': 'ACC'}
RETRIEVAL = {'map_trapezoid': 'mAP', 'precision_at_500_expected': 'P@500',
             'precision_at_r2': 'P@r=2'}

NAMES = '3', '4', '5', 'sweep'
HASHED = 'mnist', 'cifar10-gist'
# The smallest network depends on the bits (section 4.3.3).
SMALLEST = {16: '60-30', 32: '80-50'}

# Section 4.2.3: what was varied, from its least value, doubled seven times.
SWEEP = {'linear-rim': ('weight_decay', .0025),
         'deep-rim': ('weight_decay', .0025),
         'linear-imsat-vat': ('lam', .025), 'imsat-rpt': ('lam', .025),
         'imsat-vat': ('lam', .025)}


@dataclasses.dataclass
class Row:
    """A line of a table.

    Args:
        method (str): Its name.
        options (dict): Of the script, beyond the defaults of the method.
        figures (dict): The paper's, by data set and result.
        shown (str): In place of the options, what to call it by.
    """
    method: str
    options: dict = dataclasses.field(default_factory=dict)
    figures: dict = dataclasses.field(default_factory=dict)
    shown: str = ''

    @property
    def label(self):
        if self.shown:
            return self.shown
        values = [f'{"" if name == "hidden" else name + " "}{value}'
                  for name, value in self.options.items() if name != 'bits']
        return ', '.join(values)


@dataclasses.dataclass
class Table:
    """A table of the paper.

    Args:
        trials (str): How many a figure of the paper is the mean of.
        excerpted (str): From whom those marked † are.
        note (str): How the metrics are meant.
    """
    name: str
    title: str
    task: str
    metrics: dict
    datasets: tuple
    rows: list
    trials: str = 'twelve'
    excerpted: str = 'Xie et al. (2016)'
    note: str = ''

    def add(self, method):
        """Adds a row for a method that the paper doesn't have.

        Raises:
            InputError: If there is none of that name.
        """
        get_system(self.task, method)
        if method not in methods_of(self):
            options = self.rows[0].options
            self.rows.append(Row(method, {key: options[key] for key in
                                          {'bits'} & options.keys()}))

    def run(self, row, dataset, seed):
        return Run(self.task, dataset, row.method, row.options, seed)

    def runs(self, methods, datasets, seeds):
        """A dict of runs by their row's index, data set and seed."""
        return {(i, dataset, seed): self.run(row, dataset, seed)
                for seed in range(seeds) for i, row in enumerate(self.rows)
                if row.method in methods for dataset in datasets}

    def title_of(self, row):
        title = get_system(self.task, row.method).title
        return f'{title} ({row.label})' if row.label else title


def get_table(name, bits=16):
    """Table '3', '4', '5' or the 'sweep' of section 4.2.3."""
    if name == 'sweep':
        return _sweep()
    if name == '5':
        return _table_5(bits)
    figures, datasets, title = {
        '3': (TABLE_3, tuple(TABLE_2), 'Table 3: clustering accuracy, %'),
        '4': (TABLE_4, ('omniglot',),
              'Table 4: clustering accuracy with affine distortion, %'),
    }[name]
    rows = [Row(method, figures=_read(line, datasets, ACCURACY))
            for method, line in figures.items()]
    return Table(f'table-{name}', title, 'clustering', ACCURACY, datasets,
                 rows)


def _table_5(bits):
    rows = []
    for name, line in TABLE_5.items():
        method, *hidden = name.split()
        options = {'bits': bits}
        if hidden:
            options['hidden'] = SMALLEST.get(bits, SMALLEST[16]) \
                if hidden[0] == SMALLEST[16] else hidden[0]
        # The figures of 32 bits are in an appendix.
        rows.append(Row(method, options, _read(line, HASHED, RETRIEVAL)
                        if bits == 16 else {}))
    return Table(
        f'table-5-{bits}bits', f'Table 5: retrieval by {bits}-bit codes, %',
        'hashing', RETRIEVAL, HASHED, rows, 'ten', 'Erin Liong et al. (2015)',
        'mAP is the trapezoid rule of the paper\'s day; items at the same '
        'distance share what is left of the first 500. The 1,000 queries are '
        'learnt from as well, as in the authors\' code.')


def _sweep():
    rows = []
    for method, (option, least) in SWEEP.items():
        chosen = get_system('clustering', method).get_defaults()[option]
        for value in (least * 2 ** i for i in range(8)):
            # The one that was chosen is the run of Table 3.
            options = {} if value == chosen else {option: value}
            rows.append(Row(method, options, shown=f'{option} {value}'
                            + ('' if options else ', chosen')))
    return Table('sweep', 'Section 4.2.3: clustering accuracy over the rate '
                 'of weight decay and lambda, %', 'clustering', ACCURACY,
                 tuple(TABLE_2), rows)


def swept(row):
    """The option that the sweep varies in a row, and its value."""
    option = SWEEP[row.method][0]
    defaults = get_system('clustering', row.method).get_defaults()
    return option, row.options.get(option, defaults[option])


def _read(line, datasets, metrics):
    return read(line, [(dataset, metric) for metric in metrics
                       for dataset in datasets])


def methods_of(table):
    """The names of a table's methods, in its order."""
    names = dict.fromkeys(row.method for row in table.rows)
    assert set(names) <= set(SYSTEMS[table.task])
    return list(names)
