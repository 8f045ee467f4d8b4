import pytest

from common import markdown


def test_table():
    assert markdown.table(('a', 'b', 'c'), [(1, 'x', .5), ('', 2, 3)], 2) == (
        '| a | b | c |\n| --- | ---: | ---: |\n| 1 | x | 0.5 |\n|  | 2 | 3 |')


def test_a_row_at_a_time():
    header, rows = ('a', 'b'), [(1, 2), (3, 4)]
    lines = [markdown.head(header), *map(markdown.row, rows)]
    assert '\n'.join(lines) == markdown.table(header, rows)


def test_no_rows():
    assert markdown.table(['a'], []) == '| a |\n| --- |'


def test_padded():
    rows = iter([['a', 1], ['bcd', 1.25]])
    assert markdown.table(['', 'number'], rows, padded=True) == (
        '|     | number |\n| --- | ---    |\n| a   | 1      |\n'
        '| bcd | 1.25   |')


@pytest.mark.parametrize('ratio,text', [
    (1.25, '1.2x'), (2, '2.0x'), (.0213, '0.021x'), (.5, '0.50x'),
    (12.6, '13x'), (143.2, '140x'), (20600., '21000x')])
def test_times(ratio, text):
    assert markdown.times(ratio) == text
