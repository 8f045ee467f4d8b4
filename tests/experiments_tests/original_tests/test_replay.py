"""One and five updates against the authors' code, from the same start."""
import numpy
import pytest

from imsat import ClusteringObjective
from original import replay
from original.comparison import Trace, compare, first_parting


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


@pytest.mark.parametrize('dtype', ['d', 'f'])
@pytest.mark.parametrize('file', replay.STEP_FILES)
def test_0_agrees_with_nothing_but_rounding(file, dtype):
    trace, warm = Trace(file, dtype), file.endswith('warm')
    passed = set()
    for way in (replay.replay_steps, replay.replay_terms,
                replay.replay_forward):
        for c in way(trace):
            largest = abs(trace[c.quantity]).max()
            if 0 < largest <= c.atol + c.rtol * largest:
                passed.add(c.quantity)
    exact_0 = {f'{part}.{name}' for name in ('l1.b', 'l2.b')
               for part in ('grad1', 'vat1.grad', 'info1.grad')
               + (() if warm else ('after1', 'after5'))}
    # 16 bits of a cold start share nothing.
    if file == 'hash_step' and dtype == 'f':
        exact_0 |= {'pairwise_mi', 'info1.grad.l3.b'}
    assert passed == exact_0


@pytest.mark.parametrize('file', ['cluster_step_warm', 'hash_step_warm'])
def test_tolerances_of_a_warm_start(file):
    # The numbers are those of the traces' README.
    trace = Trace(file, 'f')
    for c in [*replay.replay_steps(trace), *replay.replay_terms(trace)]:
        largest = abs(trace[c.quantity]).max()
        noise = c.quantity.endswith(('l1.b', 'l2.b', 'avg_mean'))
        if c.quantity.startswith('after'):
            expected = 5e-3 if noise else 1e-5
        elif c.quantity == 'fwd_after5.y_test':
            expected = 2e-2
        elif not noise:
            expected = largest * (
                3e-4 if c.quantity == 'pairwise_mi' else 1e-4)
        assert c.rtol == 0
        assert noise and 'grad' in c.quantity or c.atol == pytest.approx(
            expected)
    trace = Trace(file, 'd')
    for c in [*replay.replay_steps(trace), *replay.replay_terms(trace)]:
        noise = c.quantity.endswith(('l1.b', 'l2.b')) \
            and c.quantity.startswith('after')
        assert (c.rtol, c.atol) == (1e-8, 1e-8 if noise else 1e-12)


@pytest.mark.parametrize('change,quantity,step', [
    (lambda r: setattr(
        r.loss, 'objective', ClusteringObjective(mu=4.0001)), 'loss_total', 1),
    (lambda r: setattr(r.optimizer, 'alpha', .0021), 'after1', 1),
    (lambda r: r.x.__setitem__((slice(24, 36), 0), 9.), 'loss_', 3)])
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
    comparison = compare('a', 'b', 'f', numpy.ones(2), numpy.ones(3), 0,
                         numpy.inf)
    assert not comparison.agrees and comparison.absolute == numpy.inf


def test_nan_never_agrees():
    comparison = compare('a', 'b', 'f', numpy.array([1, numpy.nan]),
                         numpy.ones(2), 1e9, 1e9)
    assert not comparison.agrees
