from common import markdown

ROWS = [['a', 1], ['bcd', 1.25]]


def test_table():
    assert markdown.table(['', 'number'], ROWS, numbers=1) == (
        '|  | number |\n| --- | ---: |\n| a | 1 |\n| bcd | 1.25 |')


def test_table_that_is_padded():
    assert markdown.table(['', 'number'], iter(ROWS), padded=True) == (
        '|     | number |\n| --- | ---    |\n| a   | 1      |\n'
        '| bcd | 1.25   |')
