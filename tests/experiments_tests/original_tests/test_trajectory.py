import numpy
import pytest

import imsat
from imsat.devices import get_device
from imsat import ClusteringObjective
from original import report, trajectory
from original.comparison import first_parting
from original.source import read_original

X = numpy.random.RandomState(0).uniform(-1, 1, (400, 12)).astype('f')
STEPS = trajectory.JUDGED['d']


def run(python2, script, task, steps=STEPS):
    trace = trajectory.draw_start(X, task, 5, (9, 8), steps)
    return trajectory.compare_trajectory(
        python2, script, task, trace, get_device(-1), 1)


@pytest.mark.parametrize('task', ['cluster', 'hash'])
def test_coincides(python2, original, task):
    result = run(python2, read_original(original)[task], task, STEPS + 1)
    assert first_parting(result.judged) is None
    assert result.versions['chainer'].startswith('1.')
    losses = {'cluster': 3, 'hash': 4}[task]
    for found, count in ((result.double, losses + 24),
                         (result.single, losses + 24),
                         (result.itself, losses + 24),
                         (result.steps, losses + 24 + 2)):
        assert len(found) == count * (STEPS + 1)
    # The last iteration of the float64 run is for show.
    assert len(result.judged) == STEPS * (losses + 24) + len(result.steps) \
        + trajectory.JUDGED['f'] * losses
    for seconds in (*result.ours.values(), *result.original.values()):
        assert len(seconds) == STEPS + 1
    assert f'{task} 12-9-8-5' in report.trajectory_table([result])


def set_decay(replay):
    replay.encoder.bn2.decay = .9001


def turn_directions(replay):
    replay.vat.directions = (d + .01 * numpy.roll(d, 1)
                             for d in replay.vat.directions)


@pytest.mark.parametrize('change,quantity', [
    (lambda r: setattr(r.optimizer, 'beta2', .9989),
     'after.l1.W'),
    (lambda r: setattr(
        r.loss, 'objective', ClusteringObjective(mu=4.01)), 'grad.'),
    (lambda r: r.radius.__imul__(1.001), ('loss_vat', 'relu')),
    (turn_directions, ('loss_vat', 'direction')),
    (set_decay, 'after.bn2.avg_mean')])
@pytest.mark.parametrize('dtype', ['d', 'f'])
def test_another_step_parts(python2, original, monkeypatch, change, quantity,
                            dtype):
    class Changed(trajectory.Replay):
        def __init__(self, *args):
            super().__init__(*args)
            if self.x.dtype == dtype:
                change(self)
    monkeypatch.setattr(trajectory, 'Replay', Changed)
    result = run(python2, read_original(original)['cluster'], 'cluster', 2)
    parting = first_parting(result.judged)
    assert parting.dtype == dtype and parting.quantity.startswith(quantity)


@pytest.mark.parametrize('old,new,lacks', [
    ('F.transpose(eps * F.transpose(d_var))', 'd_var * 2', 'transpose.0'),
    ('eps * F.transpose(d_var)', 'eps * F.transpose(F.transpose('
     'F.transpose(d_var) * 1))', None),
    ('h = F.relu(call_bn(self.bn1,', 'h = F.tanh(call_bn(self.bn1,',
     'relu.4')])
def test_a_changed_original(python2, original, tmp_path, old, new, lacks):
    text = read_original(original)['cluster'].read_text(encoding='utf-8')
    assert old in text
    script = tmp_path / 'imsat_cluster.py'
    script.write_text(text.replace(old, new), encoding='utf-8')
    if lacks is None:
        assert first_parting(run(
            python2, script, 'cluster', 2).judged) is None
        return
    with pytest.raises(imsat.InputError) as e:
        run(python2, script, 'cluster', 2)
    assert f'look for {lacks}' in str(e.value) and '\n' not in str(e.value)


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
