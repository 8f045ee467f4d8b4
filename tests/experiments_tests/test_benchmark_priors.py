"""The benchmark of priors: what it prints of its runs."""
import re

import numpy
import pytest

import benchmark_priors as benchmark


@pytest.mark.parametrize('told', [[], ['--no-prior']])
def test_the_table_is_that_of_the_runs(monkeypatch, capsys, told):
    x = numpy.random.default_rng(0).normal(size=(90, 3))
    y = numpy.repeat([0, 1], [60, 30])
    x[y == 1] += 9
    monkeypatch.setitem(benchmark.DATA, 'two', lambda _: (x, y))
    benchmark.run(benchmark.get_options(
        ['--datasets', 'two', '--seeds', '2', '--epochs', '20', *told]))
    out = capsys.readouterr().out
    runs = re.findall(r'two, seed (\d): ACC ([\d.]+), sizes \[ *(\d+) +(\d+)',
                      out)
    assert [run[0] for run in runs] == ['0', '1']
    for _, accuracy, *sizes in runs:
        assert sum(map(int, sizes)) == 90
        # Whatever is larger than its group is wrong, at least.
        wrong = abs(max(map(int, sizes)) - 60)
        assert float(accuracy) <= 100 - 100 * wrong / 90 + .05
    by_seed = ', '.join(run[1] for run in runs)
    accuracies = [float(run[1]) for run in runs]
    mean = numpy.mean(accuracies)
    row = re.search(
        r'\| two \| 60, 30 \| 100.0 \| ([\d.]+) \| ([\d.]+) \| (.*) \|',
        out).groups()
    assert row[1:] == (f'{min(accuracies):.1f}', by_seed)
    assert float(row[0]) == pytest.approx(mean, abs=.11)


def test_zeros_and_ones(tmp_path):
    h5py = pytest.importorskip('h5py')
    (tmp_path / 'usps').mkdir()
    rng = numpy.random.default_rng(0)
    with h5py.File(tmp_path / 'usps' / 'usps.h5', 'w') as file:
        for half in 'train', 'test':
            y = rng.permutation(numpy.repeat([0, 1, 2], [900, 150, 40]))
            file[f'{half}/target'] = y
            file[f'{half}/data'] = numpy.stack([y, y + 5], axis=1) / 2
    x, y = benchmark.zeros_and_ones(tmp_path)
    assert numpy.bincount(y).tolist() == [1553, 172]
    numpy.testing.assert_array_equal(2 * x, numpy.stack([y, y + 5], axis=1))
