"""The benchmark of kernels without a GPU: all but its times."""
import dataclasses
import json
import sys
import types
from pathlib import Path

import benchmark_kernels
import numpy
import pytest
import scripts
from benchmark_kernels import choose, describe, measure
from benchmarks.kernels import CASES, timing
from common.scripts import main
from PIL import Image

import imsat
from imsat.devices import count_gpus

TINY = [dataclasses.replace(case, paper=(case.tiny,), large=2 * (case.tiny,))
        for case in CASES]


@pytest.mark.skipif(count_gpus() > 0, reason='there is a GPU')
@pytest.mark.slow
def test_without_a_gpu():
    process = scripts.run('benchmark_kernels')
    assert process.returncode == 2 and process.stdout == ''
    line, = process.stderr.splitlines()
    assert line.startswith(
        'benchmark_kernels.py: kernels are measured on an NVIDIA GPU, and '
        'GPU 0 is missing: none can be used here')


@pytest.mark.parametrize('number', [-1, 99])
def test_no_such_gpu(number):
    with pytest.raises(imsat.InputError, match=f'GPU {number} is missing'):
        benchmark_kernels.find_gpu(number)


@pytest.mark.parametrize('options,message', [
    (['--kernel', 'softmin'], 'no kernel is called softmin; choose from '
     'softmax_entropy_forward, '),
    (['--json', 'a.png'], 'a.png would be the results and their picture'),
    (['--json', 'a', '--picture', './a'], 'a would be the results and')])
def test_errors(options, message, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['benchmark_kernels.py', *options])
    assert main(benchmark_kernels.run, benchmark_kernels.get_options) == 2
    line, = capsys.readouterr().err.splitlines()
    assert line.startswith(f'benchmark_kernels.py: {message}')


@pytest.mark.parametrize('seconds', ['nan', 'inf', '-420', 'long'])
def test_seconds(seconds, capsys):
    with pytest.raises(SystemExit, match='2'):
        benchmark_kernels.get_options(['--seconds', seconds])
    assert 'argument --seconds: is ' in capsys.readouterr().err


def test_choose():
    assert choose(None) == list(CASES)
    assert [case.name for case in choose('softmax_kl')] == [
        'softmax_kl_forward', 'softmax_kl_backward', 'softmax_kl_at_once']


@pytest.mark.parametrize('options,picture', [
    ([], None), (['--json', 'a/b.json'], 'a/b.png'),
    (['--json', 'b.json', '--picture', 'c.png'], 'c.png')])
def test_picture_is_beside_json(options, picture, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('a').mkdir()
    args = benchmark_kernels.get_options(options)
    assert args.picture == (picture and str(Path(picture)))


# --- Measuring, with an emulated GPU and a clock of its own ------------------
@pytest.fixture
def gpu(emulator, fake_gpu):
    """Every call takes 50 ms, so that few are made."""
    return fake_gpu(launch=50.)


@pytest.fixture
def pretended(gpu, monkeypatch):
    """The script with that GPU, at tiny sizes, without PyTorch."""
    def replace(name, value):
        monkeypatch.setattr(benchmark_kernels, name, value)
    replace('CASES', TINY)
    replace('Gpu', lambda: gpu)
    replace('find_gpu', lambda number: f'GPU {number}')
    replace('find_torch', lambda number: None)
    replace('copy_speed', lambda gpu: 1e-3)
    monkeypatch.setattr(benchmark_kernels.devices, 'describe', str)
    return lambda *options: benchmark_kernels.run(
        benchmark_kernels.get_options(options))


@pytest.mark.slow
def test_everything(pretended, tmp_path, capsys):
    path = tmp_path / 'kernels.json'
    assert pretended('--json', str(path)) == 0
    results = json.loads(path.read_text())
    assert results['device'] == 'GPU 0' and results['copy_gb_s'] == 1e-3
    assert results['versions']['cupy'] == numpy.__version__
    rows = results['rows']
    assert [row['kernel'] for row in rows] == [
        case.name for case in CASES for _ in range(3)]
    assert [row['at'] for row in rows[:3]] == ['paper', 'large', 'large']
    for row, case in zip(rows, (case for case in CASES for _ in range(3))):
        assert row['size'] == case.tiny and row['failed'] == {}
        others = ['plain', 'original'] if case.original else ['plain']
        assert row['ms'] == dict.fromkeys(['ours', *others], 50)
        assert row['ratio'] == dict.fromkeys(others, 1)
        # Bytes in 50 ms, beside 1e6 bytes a second.
        assert row['bytes'] == case.n_bytes(**case.tiny)
        assert row['gb_s'] == pytest.approx(row['bytes'] / .05 / 1e9)
        assert row['of_copy'] == pytest.approx(row['bytes'] / .05 / 1e6)
    with Image.open(tmp_path / 'kernels.png') as image:
        assert image.format == 'PNG' and min(image.size) > 500
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith('GPU 0, a copy: 0 GB/s; about ')
    table = [line for line in out if line.startswith('|')]
    assert len(table) == 2 + len(rows)
    assert len({line.count('|') for line in table}) == 1


@pytest.mark.gpu
def test_on_a_gpu(tmp_path, monkeypatch):
    if not count_gpus():
        pytest.skip('no GPU')
    monkeypatch.setattr(benchmark_kernels, 'CASES', TINY)
    monkeypatch.setattr(timing, 'ROUNDS', 1)
    monkeypatch.setattr(timing, 'CALLS', (2, 5))
    path = tmp_path / 'kernels.json'
    assert benchmark_kernels.run(benchmark_kernels.get_options(
        ['--json', str(path), '--seconds', '0'])) == 0
    results = json.loads(path.read_text())
    assert results['l2_bytes'] > 2 ** 20 and results['copy_gb_s'] > 10
    for row in results['rows']:
        assert row['failed'] == {}
        assert min(row['ms'].values()) > 0


def test_one_kernel_without_files(pretended, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert pretended('--kernel', 'scale_rows') == 0
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out.count('| scale_rows |') == 3


def test_what_was_measured_is_saved_at_once(gpu, capsys):
    lengths = []
    benchmark_kernels.benchmark(
        TINY[:1], gpu, dict(copy_gb_s=1.), None, 10,
        lambda results: lengths.append(len(results['rows'])))
    assert lengths == [1, 2, 3]


def wrong(*inputs):
    return lambda: tuple(
        numpy.full((), 1e9, 'f') for _ in range(2))


def test_a_wrong_result_is_not_timed(pretended, tmp_path, monkeypatch,
                                     capsys):
    bad = dataclasses.replace(TINY[0], ours=wrong)
    monkeypatch.setattr(benchmark_kernels, 'CASES', [bad])
    path = tmp_path / 'a.json'
    assert pretended('--json', str(path)) == 1
    row = json.loads(path.read_text())['rows'][0]
    assert 'ours' not in row['ms'] and row['gb_s'] is None
    assert row['failed']['ours'].startswith('is wrong by ')
    out = capsys.readouterr().out
    assert f'{bad.name}, B 7 x K 5 (paper): ours is wrong by ' in out
    assert '| - | - | - | - | - | - | - | - | - |' in out


def test_every_copy_of_the_inputs_is_checked(gpu):
    calls = []

    def wrong_once(*inputs):
        calls.append(inputs)
        return (wrong if len(calls) == 2 else TINY[0].ours)(*inputs)

    gpu.l2_bytes = TINY[0].n_bytes(**TINY[0].tiny)
    case = dataclasses.replace(TINY[0], ours=wrong_once)
    n_sets, _, failed = measure(case, case.tiny, gpu)
    assert n_sets > 2 and 'ours' in failed
    # They are copies.
    first, second = calls[0][0], calls[1][0]
    assert (first == second).all()
    assert not numpy.shares_memory(first, second)


def test_others_may_round_but_not_err(gpu):
    def off_by(factor):
        return lambda xp, y: lambda: tuple(
            a * (1 + factor) for a in exact(y)())

    case = TINY[0]
    exact = case.ours
    for factor, fails in ((50 * case.tolerance, False),
                          (200 * case.tolerance, True)):
        measured = dataclasses.replace(case, original=off_by(factor))
        _, ms, failed = measure(measured, case.tiny, gpu)
        assert ('original' in failed) == fails == ('original' not in ms)


def test_a_size_can_be_left_out(gpu):
    case = dataclasses.replace(TINY[0], original=lambda xp, y: None)
    _, ms, failed = measure(case, case.tiny, gpu)
    assert list(ms) == ['ours', 'plain'] and failed == {}


def test_running_out_of_memory(gpu):
    def too_much(*inputs):
        raise MemoryError('1 TB is not to be had\nat all')

    case = dataclasses.replace(TINY[0], original=too_much)
    _, ms, failed = measure(case, case.tiny, gpu)
    assert failed == {'original': 'failed: 1 TB is not to be had'}
    assert list(ms) == ['ours', 'plain']


def test_other_errors_are_not_hidden(gpu):
    def broken(*inputs):
        raise RuntimeError('launch failed')

    for name in ('ours', 'plain', 'original'):
        case = dataclasses.replace(TINY[0], **{name: broken})
        with pytest.raises(RuntimeError, match='launch failed'):
            measure(case, case.tiny, gpu)


def test_pytorch(gpu, capsys):
    # No more of it than the benchmark itself touches.
    resets = []

    def compile_(function):
        def refuse(*tensors):
            raise RuntimeError('no compiler')
        return refuse

    torch = types.SimpleNamespace(
        compiler=types.SimpleNamespace(reset=lambda: resets.append(1)),
        cuda=types.SimpleNamespace(empty_cache=lambda: None),
        from_dlpack=lambda x: x, compile=compile_)
    case = dataclasses.replace(
        TINY[0], torch=lambda torch, wrap, y: lambda: wrap(
            lambda y: TINY[0].ours(y)())(y))
    saved = []

    def benchmark(seconds):
        benchmark_kernels.benchmark(
            [case], gpu, dict(copy_gb_s=1.), torch, seconds, saved.append)
        return saved[-1]['rows']

    rows = benchmark(1e9)
    assert len(resets) == 3
    assert all('torch' in row['ms'] for row in rows)
    # At the first size of either kind.
    assert [row['failed'] for row in rows] == [
        {'compiled': 'failed: no compiler'},
        {'compiled': 'failed: no compiler'}, {}]
    assert '(--seconds)' not in capsys.readouterr().out
    rows = benchmark(0)
    assert [row['failed'] for row in rows] == [{}, {}, {}]
    assert 'After 0 s PyTorch compiled no more' in capsys.readouterr().out


def test_a_row():
    case = dataclasses.replace(
        TINY[0], n_bytes=lambda B: 10 ** 6 * B,
        operations=lambda B: dict(exp=10 * B), at_most=lambda B: 4. * B)
    row = describe(case, dict(B=3), 'large', (
        2, dict(ours=.5, plain=1., torch=.25), dict(compiled='failed')), 12.,
        dict(instructions=1e6))
    assert row == dict(
        kernel=case.name, size=dict(B=3), at='large', sets=2, bytes=3000000,
        ms=dict(ours=.5, plain=1., torch=.25), gb_s=6., of_copy=.5,
        of_limit=.6, at_most=12.,
        ratio=dict(plain=2., torch=.5), failed=dict(compiled='failed'))


def test_everything_takes_less_than_ten_minutes():
    defaults = benchmark_kernels.get_options([])
    for torch in (False, True):
        seconds = benchmark_kernels.estimate(CASES, torch, defaults.seconds)
        assert 60 < seconds < 600
    # Of one case of two sizes, three contestants and PyTorch at both.
    case = dataclasses.replace(
        CASES[0], paper=(CASES[0].tiny,), large=(CASES[0].tiny,))
    assert benchmark_kernels.estimate([case], True, 420) == pytest.approx(
        2 * (1 + 4 * .4 + 8 + .4))
    # Nothing is compiled from the start.
    assert benchmark_kernels.estimate([case], True, 0) == pytest.approx(
        2 * (1 + 4 * .4))
