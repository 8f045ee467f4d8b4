import csv

from common import answers


def test_a_point_is_a_row_whatever_its_name(tmp_path):
    names = ['a\rb', 'a,b', 'a"b', 'a\r\nb', '=1+1', '']
    answers.save_csv(tmp_path / 'a.csv', len(names), lambda part: {
        'index': names[part], 'cluster': [3] * len(names)})
    with open(tmp_path / 'a.csv', newline='') as f:
        rows = list(csv.reader(f))
    assert rows == [['index', 'cluster'], *(
        [name.replace('\r\n', '\n').replace('\r', '\n'), '3']
        for name in names)]
