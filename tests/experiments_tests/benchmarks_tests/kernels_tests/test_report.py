from benchmarks.kernels import report
import pytest
from PIL import Image


def row(kernel='a_forward', at='large', of_copy=.9, of_limit=.5, at_most=None,
        failed=None, **ratio):
    return dict(kernel=kernel, at=at, size=dict(B=70_000, K=10), sets=2,
                bytes=12_345_678, ms=dict(ours=.01234), gb_s=1000.4,
                of_copy=of_copy, of_limit=of_limit, at_most=at_most,
                ratio=ratio, failed=failed or {})


NOTHING = dict(row(failed=dict(ours='is wrong by 1.0e-01, relative')),
               ms={}, gb_s=None, of_copy=None, of_limit=None)


def cells(line):
    return [cell.strip() for cell in line.strip('|').split('|')]


def test_table():
    head, rule = report.table_head().splitlines()
    line = report.table_line(
        row(plain=2.504, torch=.5, compiled=1))
    assert dict(zip(cells(head), cells(line), strict=True)) == {
        'kernel': 'a_forward', 'size': 'B 70,000 x K 10', 'ms': '0.0123',
        'MB': '12.35', 'GB/s': '1,000', 'of a copy': '90%',
        'of the limit': '50%',
        'plain CuPy': '2.50x', 'original': '-', 'PyTorch': '0.50x',
        'compiled': '1.00x'}
    assert len(cells(rule)) == len(cells(head))


def test_the_papers_sizes_are_marked():
    assert cells(report.table_line(row(at='paper')))[1] == \
        'B 70,000 x K 10 (paper)'


def test_table_without_a_time():
    assert cells(report.table_line(NOTHING))[2:] == 9 * ['-']


def test_table_of_what_memory_alone_limits():
    assert cells(report.table_line(row(of_limit=0.)))[6] == '-'


def test_summary():
    lines = report.summary([
        row('fast', of_copy=.81, plain=.5),
        row('slow', of_copy=.79, plain=3., of_limit=.66),
        row('busy', of_copy=.3, of_limit=.67, at_most=.0123),
        row('quick', at='paper', at_most=1.),
        row('small', 'paper', of_copy=.01, plain=1.2),
        row('late', 'paper', plain=.9, failed=dict(torch='failed: no')),
        NOTHING])
    where = 'B 70,000 x K 10'
    assert lines == [
        f'late, {where} (paper): torch failed: no',
        f'a_forward, {where}: ours is wrong by 1.0e-01, relative',
        f'below 80% of a copy and 67% of what their arithmetic allows, at '
        f'large sizes: slow, {where}',
        f"slower than the plain expression, at the paper's sizes: late, "
        f'{where} (paper)',
        f'busy, {where}: 0.01234 ms where at most 0.0123 are aimed at: '
        'missed',
        f'quick, {where} (paper): 0.01234 ms where at most 1 are aimed at: '
        'met']


def test_summary_of_success():
    assert [line.split(': ')[1] for line in report.summary(
        [row(plain=2.), row(at='paper', plain=2.)])] == ['none', 'none']


@pytest.mark.parametrize('rows', [
    [], [NOTHING], [row(), row(at='paper', plain=2., compiled=.4)]])
def test_picture(tmp_path, rows):
    path = tmp_path / 'a.png'
    report.picture(path, dict(
        device='NVIDIA of tests', copy_gb_s=4000., rows=rows))
    with Image.open(path) as image:
        assert image.format == 'PNG' and image.size[0] == 1210
    assert [path] == list(tmp_path.iterdir())
