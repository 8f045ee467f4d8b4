"""One and five updates against the authors' code, from the same start."""
import numpy
import pytest

from imsat.original import replay
from imsat.original.comparison import first_parting
from imsat.original.traces import Trace


@pytest.mark.parametrize('dtype', ['d', 'f'])
@pytest.mark.parametrize('file', replay.STEP_FILES)
@pytest.mark.parametrize('way,count', [
    (replay.replay_steps, None), (replay.replay_terms, 22),
    (replay.replay_forward, 11)])
def test_agrees(chainer_device, file, dtype, way, count):
    comparisons = list(way(Trace(file, dtype), chainer_device))
    if way is replay.replay_steps:
        # losses, r_adv, gradients, arrays twice, predictions
        losses = 5 if file.startswith('cluster') else 6
        count = 5 * losses + 1 + 10 + 2 * 14 + 2
    assert len(comparisons) == count
    assert first_parting(comparisons) is None


@pytest.mark.parametrize('change,quantity,step', [
    (lambda r: setattr(r.updater.objective, 'mu', 4.0001), 'loss_total', 1),
    (lambda r: setattr(r.updater.get_optimizer('main'), 'alpha', .0021),
     'after1', 1),
    (lambda r: r.updater.x.__setitem__((slice(24, 36), 0), 9.), 'loss_', 3)])
def test_first_parting(monkeypatch, change, quantity, step):
    start = replay.start

    def changed(trace, device):
        result = start(trace, device)
        change(result)
        return result
    monkeypatch.setattr(replay, 'start', changed)
    parting = first_parting(
        replay.replay_steps(Trace('cluster_step_warm')))
    assert parting.quantity.startswith(quantity) and parting.step == step


def test_learns_nothing_from_another_step(monkeypatch):
    # A network at which nothing was updated is not taken for one that was.
    monkeypatch.setattr(replay.Adam, 'update', lambda self: None)
    comparisons = list(replay.replay_steps(Trace('hash_step_warm')))
    after = [c for c in comparisons if c.quantity.startswith('after1.')
             and not replay.is_noise(c.quantity[7:])
             and 'avg' not in c.quantity]
    assert after and not any(c.agrees for c in after)


def test_other_shapes_never_agree():
    comparison = replay.compare('a', 'b', 'f', numpy.ones(2), numpy.ones(3),
                                0, numpy.inf)
    assert not comparison.agrees and comparison.absolute == numpy.inf


def test_nan_never_agrees():
    comparison = replay.compare('a', 'b', 'f', numpy.array([1, numpy.nan]),
                                numpy.ones(2), 1e9, 1e9)
    assert not comparison.agrees
