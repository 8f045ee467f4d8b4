"""Several ranks compute what one does, and say what they can not do."""
import dataclasses
import importlib.util
import json
import sys
from pathlib import Path
from unittest import mock

import chainer.functions as F
import numpy
import pytest

import imsat
import scripts
from imsat.ranks import ranks_of
from imsat.storage import load_npz

CHECKS = Path(__file__).parent / 'over_ranks.py'
needs_mpi = pytest.mark.skipif(
    not scripts.MPIEXEC or not importlib.util.find_spec('mpi4py'),
    reason="mpi4py or mpiexec is missing: pip install 'imsat[mpi]'")


FIRST = 'functions', 'training', 'evaluation'
SECOND = 'estimators', 'neighbors', 'retrieval', 'disk'


def check(n, *names, folder):
    """What the checks of those names find on n ranks."""
    ended = scripts.run_on_ranks(n, CHECKS, folder, *names)
    assert not ended.returncode, ended.stderr
    return json.loads(ended.stdout)


@pytest.fixture(scope='module')
def of_two(tmp_path_factory):
    """What all checks find on two ranks, which are started once."""
    return check(2, *FIRST, *SECOND, folder=tmp_path_factory.mktemp('two'))


def joined(found, names):
    return {key: value for name in names
            for key, value in found[name].items()}


def numbers(found, *parts):
    chosen = {name: value for name, value in found.items()
              if any(part in name for part in parts)}
    assert chosen
    return chosen


@needs_mpi
@pytest.mark.parametrize('n', [2, pytest.param(4, marks=pytest.mark.slow)])
def test_functions_and_training(n, of_two, tmp_path):
    found = joined(of_two if n == 2 else check(n, *FIRST, folder=tmp_path),
                   FIRST)
    steps = numbers(found, ', losses', ', parameters')
    # Of 21 methods, six without a plan, four ranks try three.
    assert len(steps) == {2: 2 * (21 + 15), 4: 2 * (3 + 3)}[n]
    assert max(steps.values()) < 1e-9
    others = found.keys() - steps.keys()
    assert len(others) > 40 and max(found[name] for name in others) < 1e-12
    assert found['logits of all data'] == 0


@needs_mpi
@pytest.mark.slow
def test_traces(tmp_path):
    traces = check(2, 'traces', folder=tmp_path)['traces']
    assert len(traces) == 3 * 4
    assert all(agree == n > 20 for agree, n in traces.values())


@needs_mpi
def test_estimators(of_two):
    found = joined(of_two, SECOND)
    # In float32, of a step that amplifies what rounding says.
    assert max(numbers(found, ', objective').values()) < 1e-3
    assert max(numbers(found, ', between ranks').values()) == 0
    one, ours = found['second start, starts']
    assert one == ours and one[0] == 'random' != one[-1]
    assert found['second start, others'] == 0
    assert found['resumed'] == 0 and found['resumed by one'] < 1e-6
    # To the last tie.
    assert len(numbers(found, 'neighbors', 'retrieval')) == 19
    assert max(numbers(found, 'neighbors', 'retrieval').values()) == 0
    assert found['on disk, alone'] == 0
    assert found['on disk, objective'] < 1e-3
    for name in 'epochs', 'points', 'random_state':
        first, second = found[f'another {name}']
        assert first == second
        assert first.startswith(f'rank 1 has another {name} (')


OPTIONS = ['--communicator', 'naive', '--hidden', '20', '--epochs', '6',
           '--restarts', '1', '--snapshot-seconds', '0', '--no-kmeans',
           '--out', 'out']


@pytest.fixture(scope='module')
def died(tmp_path_factory):
    """A folder where one of two ranks has died, and what was said."""
    folder = tmp_path_factory.mktemp('died')
    return folder, scripts.run_on_ranks(
        2, CHECKS, 'dies', 31, 'clustering', *OPTIONS, cwd=folder, timeout=300)


@needs_mpi
@pytest.mark.slow
def test_a_rank_dies(died):
    folder, ended = died
    assert ended.returncode and 'killed' in ended.stderr.lower()
    out = folder / 'out'
    # 7 steps an epoch.
    assert load_npz(out / 'snapshot-000004.npz')['updater/iteration'] == 28
    assert not (out / 'result.json').exists()


@needs_mpi
@pytest.mark.slow
def test_what_a_dead_rank_leaves_is_gone_on_with(died):
    folder, _ = died
    out = folder / 'out'
    ended = scripts.run_on_ranks(
        2, scripts.EXPERIMENTS / 'clustering.py', *OPTIONS, '--resume',
        cwd=folder)
    assert not ended.returncode, ended.stderr
    assert ended.stdout.count('IMSAT (VAT)') == 1
    result = json.loads((out / 'result.json').read_text())
    assert result['ranks'] == 2
    assert len(json.loads((out / 'log').read_text())) == 6


@needs_mpi
@pytest.mark.parametrize('options,messages,n_bytes', [
    # Batch normalization 3 times 2 layers forward, in float64, and back; p(y);
    # the terms; and the gradients, of which each parameter's takes whole
    # lines of 16.
    (['--outputs', '3'], 6 + 6 + 1 + 1 + 1,
     6 * 2 * 16 * 8 + 6 * 2 * 16 * 4 + 3 * 4 + 5 * 4
     + 4 * (7 * 16 + 16 * 16 + 3 * 16 + 7 * 16)),
    # The means of both values of a bit, and a table of pairs.
    (['--outputs', '3', '--task', 'hashing'], 6 + 6 + 2 + 1 + 1,
     6 * 2 * 16 * 8 + 6 * 2 * 16 * 4 + (6 + 9) * 4 + 5 * 4
     + 4 * (7 * 16 + 16 * 16 + 3 * 16 + 7 * 16))])
@pytest.mark.slow
def test_what_a_step_sends(options, messages, n_bytes, tmp_path):
    ended = scripts.run_on_ranks(
        2, scripts.EXPERIMENTS / 'benchmark_ranks.py', '--dim', 7, '--hidden',
        16, '--batch-size', 8, '--steps', 2, *options, cwd=tmp_path)
    assert not ended.returncode, ended.stderr
    assert f'a step sends {messages} messages, {n_bytes} bytes' \
        in ended.stdout


def ranks(rank, size):
    chainermn = pytest.importorskip('chainermn')
    return mock.Mock(spec=chainermn.CommunicatorBase, rank=rank, size=size)


def test_rows_of_a_batch():
    shares = [ranks_of(ranks(i, 3)).rows(numpy.arange(12)) for i in range(3)]
    assert [share.tolist() for share in shares] == [
        [0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    with pytest.raises(imsat.InputError, match='multiple of 3'):
        ranks_of(ranks(0, 3)).rows(numpy.arange(13))


@pytest.mark.parametrize('estimator', [
    imsat.IMSATClustering, imsat.IMSATHasher, imsat.DAEKMeans, imsat.DEC,
    imsat.DeepHasher])
def test_batches_that_ranks_can_not_share(estimator):
    x = numpy.random.default_rng(0).normal(size=(100, 4))
    model = estimator(2, batch_size=50, communicator=ranks(0, 4))
    with pytest.raises(imsat.InputError, match='batch_size is 50, which 4 '
                                               'ranks can not share evenly'):
        model.fit(x)


@dataclasses.dataclass(frozen=True)
class Own(imsat.Objective):
    """Its means are those of a rank's rows."""
    distance = staticmethod(imsat.functions.softmax_kl)

    def information(self, y):
        return imsat.functions.softmax_entropy(y - F.mean(y).array)

    def combine(self, information, penalty=None):
        return information.conditional_entropy


class Known(Own):
    information = staticmethod(imsat.functions.softmax_entropy)


def test_objectives_that_are_not_shared():
    x = numpy.random.default_rng(0).normal(size=(100, 4))
    arguments = dict(batch_size=50, communicator=ranks(0, 2))
    imsat.IMSATClustering(2, objective=Known(), **arguments).check(x)
    with pytest.raises(imsat.InputError, match='Own takes information'):
        imsat.IMSATClustering(2, objective=Own(), **arguments).check(x)


def test_without_mpi(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mpi4py', None)
    with pytest.raises(imsat.InputError, match=r"install 'imsat\[mpi\]'"):
        imsat.IMSATClustering(2, communicator='naive').fit(numpy.eye(300))


@pytest.mark.parametrize('value', ['naiv', 3, ['naive']])
def test_no_communicator(value):
    pytest.importorskip('chainermn')
    with pytest.raises(imsat.InputError, match='choose one of naive, flat'):
        imsat.IMSATClustering(2, communicator=value).check(numpy.eye(300))


@pytest.mark.parametrize('options,said', [
    (['--communicator', 'naiv'], "'naiv' can not be read; choose one of"),
    (['--communicator', 'naive', '--method', 'kmeans'],
     'kmeans runs on one rank'),
    ([], 'mpiexec has started 2 processes')])
def test_scripts_refuse(options, said, tmp_path, monkeypatch):
    monkeypatch.setenv('OMPI_COMM_WORLD_RANK', '0')
    monkeypatch.setenv('OMPI_COMM_WORLD_SIZE', '2')
    ended = scripts.run('clustering', *options, cwd=tmp_path)
    assert ended.returncode == 2 and not ended.stdout
    assert said in ended.stderr.splitlines()[-1]
    assert not (tmp_path / 'results').exists()
