"""The paper's figures, and the script that puts ours beside them."""
import csv
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import filelock
import numpy
import pytest
from PIL import Image

import tables
from common.scripts import main
from imsat import InputError
from paper.departures import DEPARTURES
from paper.figures import TABLE_2, Figure
from paper.systems import SYSTEMS
from tabulation.report import Cell, Report, fill_tables
from tabulation.runs import BEGINS_WITH, Record, Run, Runs, do_all
from tabulation.tables import SWEEP, get_table, swept

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / 'experiments' / 'tables.py'
RNG = numpy.random.RandomState(0)
X = numpy.concatenate([RNG.normal(c, 1, (60, 4)) for c in (0, 6)])
Y = numpy.repeat([0, 1], 60)
QUICK = ['--epochs', '1', '--batch-size', '50', '--hidden', '5-4']


@pytest.fixture
def points(tmp_path, monkeypatch):
    numpy.savez(tmp_path / 'points.npz', x=X, y=Y)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def make(capsys, forked):
    """Calls the script: its exit code, what it prints, and its errors."""
    def make(*options, extra=QUICK):
        extra = ['--', *extra] if extra else []
        argv = [*map(str, options), '--jobs', '2', *extra]
        code = main(tables.run, lambda: tables.get_options(argv))
        return code, *capsys.readouterr()
    return make


def result(folder, *parts):
    path = folder / 'results' / 'tables' / Path(*parts) / 'result.json'
    return json.loads(path.read_text()), path


# Sums over the columns and rows of the paper's tables, and over the columns
# of the standard deviations, from its text.
TABLE_3 = (
    [584.5, 101.4, 680.5, 337.9, 169.8, 205.6, 499.5, 243.8],
    [294.2, 337.8, 339.3, 342.1, 324.7, 334.7, 401.2, 449.0],
    [13.5, 6.9, 12.2, 10.8, 3.9, 15.1, 24.1, 17.6])
TABLE_5 = {
    'map_trapezoid': (
        [502.9, 177.1],
        [39.2, 56.9, 59.3, 59.9, 57.9, 59.3, 59.3, 81.0, 101.9, 105.3],
        [16.8, 7.3]),
    'precision_at_500_expected': (
        [736.5, 221.5],
        [75.1, 88.9, 91.7, 84.8, 89.7, 90.3, 90.5, 99.6, 123.1, 124.3],
        [15.8, 7.2]),
    'precision_at_r2': (
        [727.5, 213.6],
        [76.0, 88.3, 89.4, 85.5, 87.1, 88.1, 87.6, 95.8, 120.7, 122.6],
        [16.5, 6.5])}
COLUMNS = ('mnist', 'omniglot', 'stl', 'cifar10', 'cifar100', 'svhn',
           'reuters', '20news')


@pytest.mark.parametrize('name,metric,columns,sums', [
    ('3', 'accuracy', COLUMNS, TABLE_3),
    ('4', 'accuracy', ('omniglot',),
     ([139.1], [24.0, 45.1, 70.0], [4.9])),
    *(('5', metric, ('mnist', 'cifar10-gist'), sums)
      for metric, sums in TABLE_5.items())])
def test_figures_of_the_paper(name, metric, columns, sums):
    figures = [[row.figures[column, metric] for column in columns]
               for row in get_table(name).rows]
    means = numpy.array([[cell.mean for cell in row] for row in figures])
    deviations = [[cell.deviation or 0 for cell in row] for row in figures]
    for ours, papers in zip(
            (means.sum(axis=0), means.sum(axis=1), numpy.sum(deviations, 0)),
            sums):
        numpy.testing.assert_allclose(ours, papers, atol=1e-9)


def test_statistics_of_the_paper():
    # Sums of its columns, but for the last, which is rounded.
    assert list(TABLE_2) == list(COLUMNS) == list(get_table('3').datasets)
    assert [sum(column) for column in zip(*TABLE_2.values())][:3] == [
        370329, 264, 12329]
    assert [row.largest for row in TABLE_2.values()] == [
        11, 1, 10, 10, 1, 19, 43, 5]


def test_excerpts_of_the_paper():
    marked = {(name, row.method, column) for name in '35'
              for row in get_table(name).rows
              for (column, _), cell in row.figures.items() if cell.mark}
    assert marked == {
        ('3', 'dae-kmeans', 'mnist'), ('3', 'dec', 'mnist'),
        *(('5', method, column)
          for method in ('spectral', 'pca-itq', 'deep-hash')
          for column in ('mnist', 'cifar10-gist'))}


@pytest.mark.parametrize('name', ['3', '4', '5', 'sweep'])
def test_every_row_has_a_method_and_a_folder_of_its_own(name):
    table = get_table(name)
    assert all(row.method in SYSTEMS[table.task] for row in table.rows)
    folders = {table.run(row, 'mnist', 0).folder for row in table.rows}
    assert len(folders) == len(table.rows)


def test_a_run_is_shared_by_tables():
    runs = {name: {table.run(row, 'omniglot', 3).folder
                   for table in [get_table(name)] for row in table.rows}
            for name in ('3', '4', 'sweep')}
    both = runs['3'] & runs['4']
    assert both == {Path('omniglot', 'imsat-vat', 'seed3')}
    assert len(runs['3'] & runs['sweep']) == len(SWEEP)


def test_sweep_is_that_of_the_section():
    values = {}
    for row in get_table('sweep').rows:
        option, value = swept(row)
        values.setdefault((row.method, option), []).append(value)
    assert values['imsat-vat', 'lam'] == pytest.approx(
        [.025, .05, .1, .2, .4, .8, 1.6, 3.2])
    assert values['deep-rim', 'weight_decay'] == pytest.approx(
        [.0025, .005, .01, .02, .04, .08, .16, .32])


def test_smallest_network_depends_on_the_bits():
    sizes = [{row.options.get('hidden') for row in get_table('5', bits).rows}
             for bits in (16, 32)]
    assert sizes == [{None, '60-30', '200-200', '400-400'},
                     {None, '80-50', '200-200', '400-400'}]


@pytest.mark.parametrize('values,paper,ours,far', [
    ([90., 98., 100.], Figure(98.4, .4), '96.0 (5.3) /3*', True),
    ([98., 99.], Figure(98.4, .4), '98.5 (0.7) /2', False),
    ([50.], Figure(53.2), '50.0 /1', False),
    ([50.], None, '50.0 /1', False),
    ([], Figure(53.2), '', False)])
def test_cell(values, paper, ours, far):
    cell = Cell(dict(enumerate(values)), paper)
    assert (cell.ours(), cell.is_far) == (ours, far)


def test_report_of_what_there_is():
    table = get_table('5')
    done = {(0, 'mnist'): {0: dict(
        map_trapezoid=.25, precision_at_500_expected=.5, precision_at_r2=.75,
        notes=['all of it'], seconds=7200., seed=0, device='cpu', threads=1,
        versions={'commit': 'abc'})}}
    report = Report(table, ['mnist'], ['spectral', 'pca-itq'], done, 'do it')
    text = report.markdown()
    assert '## mnist (1)' in text and '(1) all of it' in text
    assert '| Spectral hash | 25.0 /1 | 26.6† | 50.0 /1 | 56.3† | 75.0 /1 |' \
        ' 57.5† |' in text
    assert '| PCA-ITQ |  | 41.2† |' in text  # not run yet
    assert '† Excerpted by the paper from Erin Liong et al. (2015).' in text
    assert 'over ten trials. mAP is the trapezoid rule' in text
    assert '1 runs, seeds 0, 2.0 hours' in text and 'abc' in text
    record, = [line for line in csv.DictReader(report.csv().splitlines())
               if line['metric'] == 'map_trapezoid'
               and line['method'] == 'spectral']
    assert (record['mean'], record['n'], record['seeds'],
            record['paper_mean']) == ('25.0000', '1', '0', '26.6')


def test_runs_what_is_missing(points, make):
    options = ['3', '--datasets', 'points.npz',
               '--methods', 'linear-rim,deep-rim', '--seeds', 2]
    code, _, errors = make(*options, extra=QUICK[:4])
    assert code == 0, errors
    _, path = result(points, 'points-npz', 'deep-rim', 'seed1')
    table = path.parents[3] / 'table-3.md'
    before = path.stat().st_mtime_ns, table.read_text()
    _, other = result(points, 'points-npz', 'linear-rim', 'seed0')
    other.unlink()

    code, text, _ = make(*options, '--report', extra=QUICK[:4])
    assert code == 0 and not other.exists()
    assert '/1 |' in text and '/2 |' in text

    code, _, errors = make(*options, extra=QUICK[:4])
    assert code == 0, errors
    assert other.exists()
    assert (path.stat().st_mtime_ns, table.read_text()) == before

    # Means are those of the runs, seed by seed.
    values = [100 * result(points, 'points-npz', 'deep-rim', f'seed{i}')[0][
        'accuracy'] for i in (0, 1)]
    line = next(line for line in before[1].splitlines()
                if line.startswith('| Deep RIM'))
    assert f'{numpy.mean(values):.1f} ({numpy.std(values, ddof=1):.1f}) /2' \
        in line

    code, _, errors = make(*options, extra=['--epochs', '2'])
    assert code == 2
    assert 'seed0 holds a run with another epochs (1 and not 2)' in errors


def test_a_failing_run_and_a_missing_data_set_are_told(points, make):
    numpy.savez(points / 'few.npz', x=X[::4], y=Y[::4])
    code, text, errors = make(
        '4', '--methods', 'imsat-vat', '--datasets',
        'points.npz,few.npz,none.npz')
    assert code == 1
    assert 'few-npz imsat-vat seed0: clustering.py: --batch-size is 50' \
        in errors
    assert 'there is no file none.npz' in errors
    assert result(points, 'points-npz', 'imsat-vat', 'seed0')
    assert 'IMSAT (VAT)' in text


@pytest.mark.parametrize('options,sentence', [
    (['3', '--methods', 'nope'], "no clustering method 'nope'"),
    (['3', '--datasets', 'nope'], "'nope' is not known"),
    ([], 'give a table, one of 3, 4, 5, sweep, or --readme FILE and'),
    (['--readme', 'README.md'], 'and --record FILE'),
    (['3', '--readme', 'README.md', '--record', 'runs.json'],
     'give a table'),
    (['3', '--bits', 32], '--bits is 32, but table 3 is of clusters')])
def test_bad_input(make, options, sentence):
    code, _, errors = make(*options)
    assert code == 2 and sentence in errors


@pytest.mark.parametrize('option', [
    '--datasets nosuch', '--methods zzz', '--seeds 2', '--bits 32', '--report',
    '--out elsewhere'])
def test_what_the_readme_is_not_made_of(make, tmp_path, option):
    path = tmp_path / 'README.md'
    path.write_text(MARKED.format(''))
    (tmp_path / 'runs.json').write_text('{"notes": {}, "runs": {}}')
    options = ['--readme', path, '--record', tmp_path / 'runs.json']
    code, _, errors = make(*options, *option.split(), extra=None)
    assert code == 2 and f'leave {option.split()[0]} out' in errors
    assert path.read_text() == MARKED.format('')
    assert make(*options, extra=None)[0] == 0


def test_dec_begins_with_what_dae_kmeans_has_learnt(tmp_path, forked):
    numpy.savez(tmp_path / 'points.npz', x=X, y=Y)
    runs = Runs(tmp_path, ['--threads', '1', *QUICK])
    first = Run('clustering', str(tmp_path / 'points.npz'), 'dae-kmeans', {},
                0)
    second = Run('clustering', first.dataset, 'dec', {}, 0)
    assert BEGINS_WITH == {'dec': 'dae-kmeans'}
    problems = []
    do_all(runs, [first, second], 2, lambda *of: problems.append(of))
    assert [problem for _, problem in problems] == [None, None]
    alone = Runs(tmp_path / 'alone', runs.common)
    assert alone.do(second) is None
    models = [(where.out / second.folder / 'model.npz').read_bytes()
              for where in (runs, alone)]
    assert models[0] == models[1]
    # And it did not learn them again.
    layers = [list((runs.out / run.folder / 'layer-1').iterdir())
              for run in (first, second)]
    assert {p.name for p in layers[0]} == {p.name for p in layers[1]}


def test_data_sets_are_told_apart(points, make):
    (points / 'other').mkdir()
    numpy.savez('other/points.npz', x=X, y=Y)
    options = ['3', '--methods', 'kmeans', '--datasets']
    code, _, errors = make(*options, 'points.npz,other/points.npz', extra=())
    assert code == 2 and 'two data sets are called points.npz' in errors

    assert make(*options, 'points.npz', extra=())[0] == 0
    numpy.savez('points.npz', x=X + 1, y=Y)
    code, _, errors = make(*options, 'points.npz', extra=())
    assert code == 2 and 'holds a run with another sha256' in errors


def test_other_labels_are_scored_anew(points, make):
    options = ['3', '--methods', 'imsat-vat', '--datasets', 'points.npz']
    assert make(*options)[0] == 0
    before, path = result(points, 'points-npz', 'imsat-vat', 'seed0')
    log = path.with_name('log').read_text()
    numpy.savez('points.npz', x=X, y=numpy.roll(Y, 9))
    assert make(*options)[0] == 0
    after, _ = result(points, 'points-npz', 'imsat-vat', 'seed0')
    clusters = numpy.load(path.with_name('assignments.npz'))['cluster']
    hits = numpy.count_nonzero(clusters == numpy.roll(Y, 9))
    assert after['accuracy'] == max(hits, 120 - hits) / 120 \
        != before['accuracy']
    assert path.with_name('log').read_text() == log  # not learnt again

    # What is recorded alone can't be scored again.
    options = ['3', '--methods', 'kmeans', '--datasets', 'points.npz',
               '--record', 'runs.json']
    assert make(*options, extra=())[0] == 0
    (points / 'results').rename('elsewhere')
    assert make(*options, extra=())[0] == 0
    numpy.savez('points.npz', x=X, y=Y)
    code, _, errors = make(*options, extra=())
    assert code == 2 and 'holds a run with another labels_sha256' in errors


def test_a_method_of_ones_own_gets_a_row(points, make):
    # The paper has K-means in no table of affine distortions.
    code, text, _ = make('4', '--methods', 'kmeans', '--datasets',
                         'points.npz', extra=())
    assert code == 0
    assert re.search(r'^\| K-means \(1\) \| \d+\.\d /1 \|  \|$', text,
                     re.MULTILINE)


@pytest.mark.skipif(os.name != 'posix', reason='signals of POSIX')
@pytest.mark.parametrize('name,code', [
    ('SIGTERM', 130), pytest.param('SIGHUP', 130, marks=pytest.mark.slow),
    pytest.param('SIGKILL', -9, marks=pytest.mark.slow)])
def test_what_is_under_way_ends_with_the_script(points, name, code):
    script = subprocess.Popen(
        [sys.executable, str(SCRIPT), '4', '--methods', 'imsat-vat',
         '--datasets', 'points.npz', '--', '--epochs', '100000',
         '--batch-size', '50', '--hidden', '5-4'], stderr=subprocess.DEVNULL,
        # As under nohup the script would respect it.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
    folder = points / 'results/tables/points-npz/imsat-vat/seed0'
    while not (folder / 'config.json').exists():
        with pytest.raises(subprocess.TimeoutExpired):  # it is at work
            script.wait(.1)
    script.send_signal(getattr(signal, name))
    assert script.wait() == code
    # Soon nobody is at work there any more.
    with filelock.FileLock(folder / '.lock').acquire(timeout=60):
        pass


def test_a_record_stands_for_its_runs(points, make):
    record = Record(points / 'runs.json')
    elsewhere = dict(accuracy=.25, seconds=None, device='cpu', threads=1,
                     notes=['a quarter'], versions={'commit': None})
    record.add(Run('clustering', 'points.npz', 'kmeans', {}, 0), elsewhere)
    options = ['3', '--datasets', 'points.npz', '--methods', 'kmeans',
               '--seeds', 2, '--record', 'runs.json']

    code, text, errors = make(*options, '--report', extra=None)
    assert code == 0, errors
    assert '| K-means (2) | 25.0 /1 |' in text
    assert '(1) a quarter' in text
    assert '0.0 hours of training in the 0 that were timed' in text
    assert '(1 runs have none recorded)' in text

    code, _, errors = make(*options, extra=None)
    assert code == 0, errors
    folder = points / 'results' / 'tables' / 'points-npz' / 'kmeans'
    assert [path.name for path in folder.iterdir()] == ['seed1']
    kept = json.loads((points / 'runs.json').read_text())['runs']
    assert kept['points-npz/kmeans/seed0']['accuracy'] == .25
    one, path = result(points, 'points-npz', 'kmeans', 'seed1')
    for key in 'accuracy', 'nmi', 'seconds', 'device', 'threads':
        assert kept['points-npz/kmeans/seed1'][key] == one[key]
    assert kept['points-npz/kmeans/seed1']['commit'] \
        == one['versions']['commit']

    # What stands for the runs needs neither their folders nor their data.
    (points / 'points.npz').unlink()
    path.unlink()
    code, text, errors = make(*options, '--report', extra=None)
    assert code == 0, errors
    assert f', {100 * one["accuracy"]:.1f} |' in text


def test_a_record_stands_for_runs_on_the_same_points_alone(points, make):
    (points / 'other').mkdir()
    numpy.savez('other/points.npz', x=X + 1, y=Y)
    options = ['3', '--methods', 'kmeans', '--record', 'runs.json']
    code, text, _ = make(*options, '--datasets', 'points.npz', extra=None)
    assert code == 0
    line = next(line for line in text.splitlines() if 'K-means' in line)
    (points / 'results').rename('elsewhere')
    before = (points / 'runs.json').read_text()

    # Of the same file by another name, with what is said of its data.
    for report in [], ['--report']:
        code, text, errors = make(*options, *report, '--datasets',
                                  points / 'points.npz', extra=None)
        assert code == 0, errors
        assert line in text
    assert not list((points / 'results').rglob('result.json'))

    for name in 'other/points.npz', 'points.npz':
        numpy.savez('points.npz', x=X + 1, y=Y)
        code, _, errors = make(*options, '--datasets', name, extra=None)
        assert code == 2
        assert 'runs.json holds a run with another sha256' in errors
    # Nor do a folder's results take the place of those on other points.
    code, _, errors = make('3', '--methods', 'kmeans', '--datasets',
                           'points.npz', extra=None)
    assert code == 0, errors
    code, _, errors = make(*options, '--datasets', 'points.npz', '--report',
                           extra=None)
    assert code == 2 and 'holds a run with another sha256' in errors
    assert (points / 'runs.json').read_text() == before


def test_two_tables_share_a_record(tmp_path):
    path = tmp_path / 'runs.json'
    records = Record(path), Record(path)  # each sees none of the other's
    for seed, record in enumerate(records):
        record.add(Run('clustering', f'{seed}.npz', 'kmeans', {}, seed), dict(
            accuracy=seed / 4, notes=[str(seed)], versions={'commit': None}))
    again = Record(path)
    assert {place: run['accuracy'] for place, run in again.runs.items()} == {
        '0-npz/kmeans/seed0': 0, '1-npz/kmeans/seed1': .25}
    assert again.notes == {'0-npz': ['0'], '1-npz': ['1']}
    # Of the same run the first stays, if the other is of other points.
    run = Run('clustering', '0.npz', 'kmeans', {}, 1)
    one, other = Record(path), Record(path)
    told = dict(accuracy=.5, notes=['0'], versions={'commit': None})
    one.add(run, told, 'abc')
    with pytest.raises(InputError, match='another sha256'):
        other.add(run, told, 'def')
    assert Record(path).runs[run.folder.as_posix()]['sha256'] == 'abc'


def test_a_record_refuses_before_anything_is_run(points, make, monkeypatch):
    options = ['3', '--methods', 'kmeans', '--datasets', 'points.npz',
               '--record']
    assert make(*options, 'runs.json', extra=())[0] == 0
    monkeypatch.setattr(Runs, 'do', None)
    numpy.savez('points.npz', x=X, y=numpy.roll(Y, 9))  # scored anew, if so
    code, _, errors = make(*options, 'runs.json', extra=())
    assert code == 2 and 'holds a run with another labels_sha256' in errors
    code, _, errors = make(*options, 'no/runs.json', extra=())
    assert code == 2 and 'no/runs.json would be in a folder that' in errors


def test_a_record_below_what_is_made(points, make):
    code, _, errors = make(
        '3', '--methods', 'kmeans', '--datasets', 'points.npz', '--out', 'new',
        '--record', 'new/runs.json', extra=())
    assert code == 0, errors
    assert len(Record(points / 'new' / 'runs.json').runs) == 1


@pytest.mark.parametrize('name,is_there', [
    ('points-npz', True), ('a/points.npz', True), ('b.npz', False)])
def test_notes_of_a_record(points, name, is_there):
    run = Run('clustering', 'points.npz', 'kmeans', {}, 0)
    Path('runs.json').write_text(json.dumps({
        'notes': {name: ['a note']},
        'runs': {'points-npz/kmeans/seed0': {'accuracy': .5}}}))
    record = Record(Path('runs.json'))
    if is_there:
        assert record.find(run)['notes'] == ['a note']
    else:
        with pytest.raises(InputError, match='has no notes of points-npz'):
            record.find(run)


@pytest.mark.parametrize('text,extra,sentence', [
    ('[1]', None, 'is no record of runs'),
    ('{', None, 'is not valid JSON'),
    ('{"notes": {}, "runs": {}}', None, 'or is in runs.json'),
    ('', QUICK, 'leave one of them out')])
def test_a_record_that_is_none(points, make, text, extra, sentence):
    Path('runs.json').write_text(text)
    code, _, errors = make('3', '--record', 'runs.json', '--report',
                           extra=extra)
    assert code == 2 and sentence in errors
    assert Path('runs.json').read_text() == text


def test_sweep_is_drawn(tmp_path):
    table = get_table('sweep')
    done = {(i, 'mnist'): {0: dict(
        accuracy=i / 50, notes=[], seconds=1., seed=0, device='cpu',
        threads=1, versions={'commit': None})}
        for i in range(len(table.rows))}
    paths = Report(table, ['mnist'], ['linear-rim', 'imsat-vat'], done,
                   'do it').write(tmp_path)
    assert [path.name for path in paths] == ['sweep.md', 'sweep.csv',
                                             'sweep.png']
    with Image.open(paths[2]) as image:
        blue, orange = (31, 119, 180), (255, 127, 14)
        colours = {colour for _, colour in
                   image.convert('RGB').getcolors(1 << 20)}
    assert {blue, orange} <= colours
    with open(paths[1], encoding='utf-8') as f:
        lines = [(line['method'], line['options'])
                 for line in csv.DictReader(f)]
    assert len(lines) == 16 and ('imsat-vat', '') in lines


@pytest.fixture
def docs(tmp_path, monkeypatch):
    """A folder with the record of all runs and the README."""
    (tmp_path / 'docs').mkdir()
    for name in 'docs/runs.json', 'README.md':
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize('name', [
    'table-3', 'table-4', 'table-5-16bits', 'table-5-32bits'])
def test_tables_of_docs_are_those_of_the_record(docs, capsys, name):
    theirs = ROOT / 'docs' / 'tables' / f'{name}.md'
    command = re.search('^    python experiments/tables.py (.+)$',
                        theirs.read_text(encoding='utf-8'), re.MULTILINE)[1]
    assert not main(tables.run, lambda: tables.get_options(command.split()))
    for path in theirs, theirs.with_suffix('.csv'):
        assert Path('docs', 'tables', path.name).read_bytes() \
            == path.read_bytes(), f'{path} is stale; run {command} again'


def test_tables_of_the_readme_are_those_of_the_record(docs):
    options = ['--readme', 'README.md', '--record', 'docs/runs.json']
    assert not main(tables.run, lambda: tables.get_options(options))
    assert Path('README.md').read_bytes() \
        == (ROOT / 'README.md').read_bytes(), \
        f'README.md is stale; run experiments/tables.py {" ".join(options)}'


MARKED = 'before\n<!-- table: 4 -->\n{}<!-- end of table -->\nafter\n'


@pytest.mark.parametrize('stale', ['', '| old | 1 |\n\nand more\n'])
def test_what_is_marked_is_made_again(tmp_path, stale):
    record = Record(tmp_path / 'runs.json')
    for seed, (accuracy, seconds, device) in enumerate([
            (.25, 1030., 'One, 2 cores'), (.35, 1042., 'Other, 8 cores'),
            (.3, 9., 'A GPU'), (.3, None, 'One, 2 cores')]):
        record.add(Run('clustering', 'omniglot', 'imsat-affine', {}, seed),
                   dict(accuracy=accuracy, seconds=seconds, device=device,
                        threads=1, notes=['a note'],
                        versions={'commit': None}))
    # The paper has 45.1 (2.0); neither other row has been run.  The seconds
    # are the median of those on a CPU.
    assert fill_tables(MARKED.format(stale), record) == MARKED.format(
        '|  | omniglot | paper | seconds |\n| --- | --- | --- | --- |\n'
        '| IMSAT (VAT) |  | 24.0 (0.9) |  |\n'
        '| IMSAT (affine) | 30.0 (4.1) /4* | 45.1 (2.0) | 1,036 |\n'
        '| IMSAT (VAT & affine) |  | 70.0 (2.0) |  |\n')


@pytest.mark.parametrize('text,sentence', [
    ('no markers\n', 'has to stand between'),
    (MARKED.replace('<!-- end of table -->', ''), 'has to stand between'),
    (MARKED.replace('\n{}', ' '), 'has to stand between'),
    (MARKED.replace('4', '6'), 'names no table; give one of 3, 4, 5')])
def test_wrong_markers(tmp_path, text, sentence):
    with pytest.raises(InputError, match=sentence):
        fill_tables(text, Record(tmp_path / 'runs.json'))


def test_every_footnote_is_a_departure():
    used = {key for systems in SYSTEMS.values() for system in systems.values()
            for key in system.departures}
    assert used == {key for key, departure in DEPARTURES.items()
                    if departure.note}
    assert SYSTEMS['clustering']['deep-rim'].notes == [
        DEPARTURES['penalty'].note, DEPARTURES['weight-decay'].note,
        DEPARTURES['rim-lambda'].note]
    # Of the estimators, what their docstrings say is not as it was meant.
    for task, name, *words in (
            ('clustering', 'kmeans', 'principal components', 'an eighth'),
            ('hashing', 'deep-hash', 'about the mean', 'Adam'),
            ('hashing', 'imsat-vat', '280', '276')):
        text = ' '.join(SYSTEMS[task][name].notes)
        assert all(word in text for word in words)
    # Wherever it is not the 1.6, .05 and .1 that section 4.2.3 gives.
    assert {(task, name) for task, systems in SYSTEMS.items()
            for name, system in systems.items()
            if 'rim-lambda' in system.departures} == {
        (task, name) for task, systems in SYSTEMS.items()
        for name, system in systems.items()
        if system.get_defaults().get('lam') == 1}
