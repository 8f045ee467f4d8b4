"""Whatever the terminal, scripts say what they have to say."""
import io
import os
import sys

import pytest

import benchmark_defaults
import benchmark_kernels
import benchmark_selection
import clustering
import compare_runs
import features
import hashing
import predict
import score_codes
import tables
import toy
from common.scripts import run_script
from imsat import InputError


def stream(encoding):
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding)


def test_letters_that_the_terminal_has_not(monkeypatch):
    monkeypatch.setattr(sys, 'stdout', stream('ascii'))
    assert run_script(lambda: print('in donn\xe9es/')) == 0
    assert sys.stdout.buffer.getvalue() == rb'in donn\xe9es/' + b'\n'
    # A name that is no UTF-8.
    monkeypatch.setattr(sys, 'stdout', stream('utf-8'))
    assert run_script(lambda: print(os.fsdecode(b'\xff'))) == 0


def test_closed_streams(monkeypatch):
    for name in 'stdout', 'stderr':
        monkeypatch.setattr(sys, name, None)

    def function():
        sys.stderr.write('progress')
        print('result')
        return 3
    assert run_script(function) == 3


@pytest.mark.parametrize('lines', [1, 10 ** 5])
def test_nobody_reads(monkeypatch, lines):
    read, write = os.pipe()
    os.close(read)
    with open(write, 'w') as nowhere:
        monkeypatch.setattr(sys, 'stdout', nowhere)
        assert run_script(lambda: print('result\n' * lines)) == 1


@pytest.mark.parametrize('script,option', [
    (clustering, '--out'), (clustering, '--config'), (clustering, '--dataset'),
    (clustering, '--data-dir'), (toy, '--out')])
def test_empty_paths(capsys, script, option):
    with pytest.raises(SystemExit, match='2'):
        script.get_options([option, ''])
    assert f'argument {option}: nothing is named; give a path' \
        in capsys.readouterr().err


@pytest.mark.parametrize('script,argv', [
    (predict, ['run', '--dataset', 'a.csv', '--out']),
    (score_codes, ['codes.npz', '--out']), (benchmark_defaults, ['--table']),
    (features, ['--dataset', 'a', '--model', 'a.onnx', '--out']),
    (tables, ['5', '--record']), (compare_runs, ['run', '--out']),
    (benchmark_kernels, ['--json']), (benchmark_kernels, ['--picture']),
    (toy, ['--out'])])
def test_a_folder_where_a_file_is_written(tmp_path, capsys, monkeypatch,
                                          script, argv):
    for name, problem in (
            ('.', f'{tmp_path}/. is a folder; name a file'),
            ('no/file.npz', f'{tmp_path}/no/file.npz would be in a folder '
                            f'that does not exist; make it first')):
        if name != '.' and script in (benchmark_defaults, tables):
            continue  # it may be below what they make
        monkeypatch.setattr(sys, 'argv', [
            'script', *argv, f'{tmp_path}/{name}'])
        with pytest.raises(SystemExit, match='2'):
            script.get_options()
        assert f'argument {argv[-1]}: {problem}' in capsys.readouterr().err


@pytest.mark.parametrize('script,argv,option', [
    (clustering, ['--clusters', '3', '--clusters', '5'], '--clusters'),
    (clustering, ['--clusters=3', '--cluster', '3'], '--clusters'),
    (clustering, ['--dataset', 'a', '--seed', '1', '--dataset', 'b'],
     '--dataset'),
    (hashing, ['--columns', 'a,b', '--columns', 'c'], '--columns'),
    (clustering, ['--halving', '--no-halving'], '--halving'),
    (clustering, ['--quiet', '--quiet'], '--quiet'),
    (toy, ['--out', 'a', '--out', 'a'], '--out'),
    (features, ['onnx', *2 * ['--model', 'a.onnx']], '--model'),
    (benchmark_selection, ['--runs', '2', '--runs', '2'], '--runs')])
def test_an_option_twice(script, argv, option):
    with pytest.raises(InputError, match=f'^{option} is given more than once; '
                                         f'leave all but one out$'):
        script.get_options(argv)


def test_an_option_in_each_of_two_commands():
    for seed in 3, 4:
        assert clustering.get_options(['--seed', str(seed)]).seed == seed
