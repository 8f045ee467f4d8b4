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
