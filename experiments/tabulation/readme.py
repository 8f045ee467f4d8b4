"""The tables that stand in the README, made of a record of runs."""
import re

from imsat.errors import InputError
from tabulation.report import Report, find_results
from tabulation.tables import NAMES, get_table, methods_of

BEGIN, END = '<!-- table: {} -->', '<!-- end of table -->'
MARKED = re.compile(f"({BEGIN.format('([^ ]+)')}\\n).*?({END}\\n)", re.DOTALL)
# So many seeds are looked for.
SEEDS = 100


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
    datasets = [name for name in table.datasets
                if any(dataset == name for _, dataset in results)]
    return Report(table, datasets, methods, results, None).compact()
