"""Those of a step, neighbours, retrieval and search, at tiny sizes."""
import importlib.util
import operator
import sys
from pathlib import Path

import benchmark_gallery
import benchmark_memory
import benchmark_neighbors
import benchmark_restarts
import benchmark_retrieval
import benchmark_search
import benchmark_step
import numpy
import pytest
from common.scripts import main

from cuda_tests.test_training_step import EmulatedDevice
from imsat.cuda import graph
from imsat.retrieval import retrieval_scores, unpack_bits


def cells(line):
    return [cell.strip() for cell in line.strip('|').split('|')]


def rows(out):
    """Those of the table, each by its titles."""
    head, rule, *lines = (line for line in out.splitlines()
                          if line.startswith('|'))
    assert set(rule) == set('| -:')
    return [dict(zip(cells(head), cells(line), strict=True))
            for line in lines]


def start(script, *options):
    return main(script.run, lambda: script.get_options(list(options)),
                resume=None)


@pytest.mark.parametrize('task', ['clustering', 'hashing'])
def test_step(task, capsys):
    assert start(benchmark_step, '--task', task, '--steps', '2', '--dim', '7',
                 '--hidden', '6', '--outputs', '5', '--batch-size', '8') == 0
    first, *lines = [line for line in capsys.readouterr().out.splitlines()
                     if 'not installed' not in line]
    assert first.startswith(f'{task}, 7-6-6-5, batch 8, 2 threads, ')
    sides = [line[:22].strip() for line in lines]
    if importlib.util.find_spec('torch'):
        assert sides.pop(3) == 'PyTorch, eager'
    assert sides == ['plain Chainer', 'imsat, graph', 'imsat, plan',
                     'matrix products alone', "the plan's products"]
    assert all(' ms (median of 2; ' in line for line in lines)
    assert lines[2].endswith(' plan 1.00x')


@pytest.mark.gpu
def test_step_on_a_gpu(capsys):
    assert start(benchmark_step, '--device', '0', '--steps', '2', '--dim',
                 '7', '--hidden', '6', '--outputs', '5', '--batch-size',
                 '8') == 0
    out = capsys.readouterr().out
    assert all(f'\nimsat, {side} ' in out
               for side in ('graph', 'plan', 'uncaptured'))


def test_uncaptured_step(emulator, monkeypatch):
    monkeypatch.setattr(graph, 'captured', None)
    args = benchmark_step.get_options([
        '--dim', '7', '--hidden', '6', '--outputs', '5', '--batch-size', '8'])
    x = numpy.random.RandomState(0).uniform(-1, 1, (32, 7)).astype('f')
    step = benchmark_step.make_uncaptured(
        args, x, numpy.ones(32, 'f'), EmulatedDevice())
    for _ in range(2):
        assert numpy.isfinite(step()['loss'])
    assert emulator.launches['adam_update'] == 2


def test_step_without_torch(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'torch', None)
    monkeypatch.delitem(sys.modules, 'benchmarks.pytorch', raising=False)
    assert start(benchmark_step, '--steps', '1', '--dim', '7', '--hidden', '6',
                 '--outputs', '5', '--batch-size', '8') == 0
    out = capsys.readouterr().out
    assert out.startswith('PyTorch is not installed, and takes no part\n')
    assert 'eager' not in out


def test_another_step_of_torch(monkeypatch):
    pytest.importorskip('torch', reason='PyTorch is not installed')
    from benchmarks import pytorch
    monkeypatch.setattr(pytorch, 'entropy', lambda p: 1.001 * (
        -(p * (p + 1e-8).log()).sum() / (len(p) if p.ndim == 2 else 1)))
    with pytest.raises(SystemExit, match='here and .* in PyTorch'):
        start(benchmark_step, '--steps', '1', '--dim', '7', '--hidden', '6',
              '--outputs', '5', '--batch-size', '8')


def test_defaults_of_a_step():
    for task, hidden, outputs in (('clustering', 1200, 10),
                                  ('hashing', 400, 16)):
        args = benchmark_step.get_options(['--task', task])
        assert (args.hidden, args.outputs) == (hidden, outputs)


def test_retrieval(capsys):
    assert start(benchmark_retrieval, '--queries', '5', '--items', '200',
                 '--bits', '9', '16', '--flip', '.1', '--repeats', '1') == 0
    table = rows(capsys.readouterr().out)
    assert [(row['bits'], row['flipped']) for row in table] == [
        ('9', '0.1'), ('16', '0.1')]
    assert all(float(row['ratio'].rstrip('x')) > 0 for row in table)


@pytest.mark.parametrize('script,function,options', [
    (benchmark_retrieval, 'retrieval_scores',
     ['--queries', '20', '--items', '200', '--bits', '9', '--flip', '.1']),
    (benchmark_neighbors, 'imsat.neighbors', ['50x6', '--method', 'exact'])])
def test_compiling_is_not_timed(script, function, options, monkeypatch):
    """The first call of ours is a small one, before any is timed."""
    if script is benchmark_neighbors:
        pytest.importorskip('faiss', reason='FAISS is not installed')
    calls = []
    ours, timed = operator.attrgetter(function)(script), script.time_in_turns

    def called(x, *args, **kwargs):
        calls.append(len(x))
        return ours(x, *args, **kwargs)

    def turns(*args, **kwargs):
        calls.append('timed')
        return timed(*args, **kwargs)
    monkeypatch.setattr(f'{script.__name__}.{function}', called)
    monkeypatch.setattr(script, 'time_in_turns', turns)
    assert start(script, *options, '--repeats', '1', '--threads', '1') == 0
    small, then, *_ = calls
    assert small < 20 and then == 'timed'


@pytest.mark.parametrize('flip', ['2', '-1', 'nan', 'all'])
def test_probabilities(flip, capsys):
    with pytest.raises(SystemExit, match='2'):
        benchmark_retrieval.get_options(['--flip', '.5', flip])
    error = capsys.readouterr().err
    assert 'argument --flip: ' in error and 'from 0 to 1' in error


def test_codes_of_retrieval():
    rng = numpy.random.default_rng(0)
    prototypes = rng.integers(2, size=(10, 33)) == 1
    codes, labels = benchmark_retrieval.make_codes(rng, 2000, prototypes, .1)
    flipped = unpack_bits(codes, 33) != prototypes[labels]
    # 66,000 of them, of which each is flipped with probability .1: five
    # standard deviations.
    assert flipped.mean() == pytest.approx(.1, abs=5 * (.09 / 66000) ** .5)


def test_both_have_the_same_map():
    rng = numpy.random.default_rng(0)
    prototypes = rng.integers(2, size=(3, 8)) == 1
    case = (*benchmark_retrieval.make_codes(rng, 5, prototypes, .3),
            *benchmark_retrieval.make_codes(rng, 90, prototypes, .3), 8)
    scores = {'ours': retrieval_scores(*case),
              'theirs': benchmark_retrieval.loop_over_queries(*case)}
    benchmark_retrieval.check(scores)
    scores['theirs']['map_step'] += 1e-6
    with pytest.raises(SystemExit, match='mAP is .* here and .* there'):
        benchmark_retrieval.check(scores)


def test_search(capsys):
    pytest.importorskip('faiss', reason='FAISS is not installed')
    assert start(benchmark_search, '--sizes', '1200', '--bits', '9', '64',
                 '--k', '1', '10', '--queries', '3', '--repeats', '2',
                 '--threads', '1') == 0
    assert [(row['codes'], row['bits'], row['k'])
            for row in rows(capsys.readouterr().out)] == [
        ('1,200', '9', '1'), ('1,200', '9', '10'), ('1,200', '64', '1'),
        ('1,200', '64', '10')]


def test_neighbors(capsys):
    pytest.importorskip('faiss', reason='FAISS is not installed')
    assert start(benchmark_neighbors, 'digits', '120x6', '--repeats', '2',
                 '--threads', '1') == 0
    exact = rows(capsys.readouterr().out)
    assert [row['points'] for row in exact] == [
        'digits, 1,797 x 64', '120x6, 120 x 6']
    assert all(float(row['imsat / FAISS'].rstrip('x')) > 0 for row in exact)
    with pytest.warns(UserWarning, match='are approximate'):
        assert start(benchmark_neighbors, 'digits', '--repeats', '1',
                     '--method', 'approximate', '--threads', '1') == 0


def test_other_distances_of_faiss():
    answer = numpy.ones((3, 2)), None
    benchmark_neighbors.check({'ours': answer, 'theirs': answer})
    with pytest.raises(SystemExit, match='other distances'):
        benchmark_neighbors.check({
            'ours': answer, 'theirs': (numpy.ones((3, 2)) * 1.01, None)})


def test_gallery(capsys):
    pytest.importorskip('faiss', reason='FAISS is not installed')
    assert start(benchmark_gallery, '--codes', '3000', '--near', '100',
                 '--bits', '32', '--queries', '5', '--kinds', 'ivf', 'hash',
                 '--threads', '1') == 0
    steps = [row['step'] for row in rows(capsys.readouterr().out)]
    assert [step.split(':')[0] for step in steps] == [
        'draw and add', 'first search', 'search', "to_faiss('ivf')",
        'search there (ivf)', 'recall of ivf', "to_faiss('hash')",
        'search there (hash)', 'recall of hash', 'save', 'load',
        'search what is on disk']


def test_another_answer_of_faiss():
    answer = numpy.array([[1, 2]]), numpy.array([[5, 3]])
    benchmark_search.check({'ours': answer, 'theirs': answer})
    for i in range(2):
        other = [part.copy() for part in answer]
        other[i][0, 1] += 1
        with pytest.raises(SystemExit, match='FAISS gives another answer'):
            benchmark_search.check({'ours': answer, 'theirs': other})


@pytest.mark.parametrize('n_bits', [1, 9, 16])
def test_random_codes_may_be_searched(n_bits):
    codes = benchmark_search.random_codes(
        numpy.random.default_rng(0), 300, n_bits)
    bits = unpack_bits(codes, n_bits)  # refuses bits beyond
    assert (bits.any(axis=0) & ~bits.all(axis=0)).all()


def test_without_faiss(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'faiss', None)
    monkeypatch.setattr(sys, 'argv', ['benchmark_search.py'])
    assert start(benchmark_search) == 2
    assert capsys.readouterr() == ('', (
        "benchmark_search.py: FAISS is not installed; pip install "
        "'imsat[faiss]'\n"))


@pytest.mark.parametrize('script,options,message', [
    (benchmark_retrieval, ['--bits', '257'], '1 to 256'),
    (benchmark_search, ['--sizes', '9', '--k', '10'], 'k is 10 for 9 codes')])
def test_errors(script, options, message, capsys):
    if script is benchmark_search:
        pytest.importorskip('faiss', reason='FAISS is not installed')
    assert start(script, *options) == 2
    line, = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.parametrize('script', [
    benchmark_retrieval, benchmark_search, benchmark_step])
@pytest.mark.parametrize('number', ['0', '-1', '1.5'])
def test_numbers(script, number, capsys):
    with pytest.raises(SystemExit):
        script.get_options(['--threads', number])
    assert 'argument --threads: ' in capsys.readouterr().err


def test_points_to_watch_memory_with(tmp_path):
    benchmark_memory.write_points(tmp_path, 2000, 5, 3)
    x, y = (numpy.load(tmp_path / f'{name}.npy') for name in 'xy')
    assert x.shape == (2000, 5) and x.dtype == numpy.float32
    centers = numpy.array([x[y == k].mean(axis=0) for k in range(3)])
    assert abs((x - centers[y]).std() - 1) < .05


@pytest.mark.skipif(not Path('/proc/self/status').exists(),
                    reason='only Linux says how much memory a process has')
def test_memory_is_watched():
    _, anon, most = benchmark_memory.watch([
        sys.executable, '-c', 'x = bytearray(b"1") * 10 ** 8; '
        'sum(range(10 ** 7))'])
    assert 95 < int(anon) < int(most) < 150
    with pytest.raises(SystemExit, match='exit code 3'):
        benchmark_memory.watch([sys.executable, '-c', 'raise SystemExit(3)'])


def test_restarts(tmp_path, monkeypatch, capsys):
    x = numpy.random.default_rng(0).normal(size=(60, 3))
    numpy.savez(tmp_path / 'points.npz', x=x, y=numpy.arange(60) % 2)
    monkeypatch.setattr('imsat.devices.available_cores', lambda: 1)
    options = ['--restarts', '2', '--epochs', '4', '--repeats', '2',
               '--hidden', '4', '--dataset']
    assert start(benchmark_restarts, *options,
                 str(tmp_path / 'points.npz')) == 0
    found = rows(capsys.readouterr().out)
    single, *others = (
        [float(second) for second in row['seconds'].split(', ')]
        for row in found)
    assert len(single) == 2 and len(others) == 2
    assert [row[''] for row in found] == [
        'a single run', '2 by halves', '2 by halves, 1 at once']
    assert found[0]['single runs'] == '1.00'
    numpy.savez(tmp_path / 'points.npz', x=x)
    assert start(benchmark_restarts, *options,
                 str(tmp_path / 'points.npz')) == 2
    assert 'has no labels' in capsys.readouterr().err
