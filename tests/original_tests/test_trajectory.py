import numpy
import pytest

from imsat.devices import get_device
from imsat.original import report, trajectory
from imsat.original.comparison import first_parting
from imsat.original.source import read_original

X = numpy.random.RandomState(0).uniform(-1, 1, (400, 12)).astype('f')


def run(python2, original, task, steps=trajectory.JUDGED):
    trace = trajectory.draw_start(X, task, 5, (9, 8), steps)
    return trajectory.compare_trajectory(
        python2, read_original(original)[task], task, trace, get_device(-1),
        1)


@pytest.mark.parametrize('task', ['cluster', 'hash'])
def test_coincides(python2, original, task):
    result = run(python2, original, task)
    assert first_parting(result.comparisons) is None
    assert result.versions['chainer'].startswith('1.')
    per_step = {'cluster': 27, 'hash': 28}[task]
    assert len(result.comparisons) == 2 * trajectory.JUDGED * per_step
    double = [c for c in result.comparisons if c.dtype == 'd']
    assert all(map(trajectory.within_tolerance, double))
    for seconds in (*result.ours.values(), *result.original.values()):
        assert len(seconds) == trajectory.JUDGED
    assert f'{task} 12-9-8-5' in report.trajectory_table([result])


def test_another_step_parts(python2, original, monkeypatch):
    class Changed(trajectory.Replay):
        def __init__(self, *args):
            super().__init__(*args)
            self.updater.get_optimizer('main').beta2 = .9989
    monkeypatch.setattr(trajectory, 'Replay', Changed)
    parting = first_parting(run(python2, original, 'cluster', 2).comparisons)
    assert parting.step == 1 and parting.quantity.startswith('after.')


def test_start_is_the_original_initialization():
    trace = trajectory.draw_start(X, 'hash', 5, (300, 200), 3)
    assert trace['x'].shape == trace['d0'].shape == (3, 250, 12)
    assert trace['eps'].shape == (3, 250) and trace['n_class'] == 10
    for i, variance in ((1, .1 / 12), (2, .1 / 300), (3, 1e-4 / 200)):
        w = trace[f'init.l{i}.W']
        assert abs(w.var() / variance - 1) < 5 * (2 / w.size) ** .5
    # No point twice within a batch.
    assert all(len(numpy.unique(batch, axis=0)) == 250
               for batch in trace['x'])
