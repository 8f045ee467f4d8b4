import numpy

from original import report
from original.comparison import compare, first_parting
from original.trajectory import Trajectory


def test_comparison_table():
    comparisons = [
        compare('steps', 'loss', 'd', 1., 1.1, .2, step=1),
        compare('steps', 'loss', 'd', 2., 4., .2, step=2),
        compare('steps', 'loss', 'f', 2., 2., step=2),
        compare('steps', 'W', 'd', numpy.ones(3), numpy.full(3, 1.5), 0, 1)]
    lines = report.comparison_table(comparisons).splitlines()
    loss, w = ([cell.strip() for cell in line.split('|')[1:-1]]
               for line in lines[2:])
    assert loss == ['steps', 'loss', '2.0e+00', '5.0e-01',
                    '2e-01 relative EXCEEDED', '0.0e+00', '0.0e+00', '0']
    assert w[:5] == ['', 'W', '5.0e-01', '3.3e-01', '1e+00']
    assert str(first_parting(comparisons)).startswith('steps, step 2, loss')
    summary = report.summary_table(comparisons).splitlines()[-1]
    assert '2 of 3' in summary and '1 of 1' in summary


def test_arrays_of_noise_are_in_no_curve():
    comparisons = [compare('s', name, 'd', 1., value, 9., step=1)
                   for name, value in (('after.l1.b', 9.), ('after.l1.W', 2.),
                                       ('after.bn1.avg_mean', 9.))]
    assert report.curve(comparisons, 'weights and statistics') == [.5]


def test_trajectory_table():
    t = Trajectory('a run', {}, ours={'d': [1.] * 3})
    for step, apart in enumerate((1e-9, .5, 1e-9), 1):
        t.double += [compare('a run', name, 'd', 1 + apart, 1., atol=1e-6,
                             step=step) for name in ('loss_vat', 'grad.l1.b')]
        for found in t.steps, t.single, t.itself:
            found.append(compare('a run', 'after.l1.W', 'f', 1 + apart, 1.,
                                 atol=.6, step=step))
        for found in vars(t).values():
            if isinstance(found, list):
                found += [compare('a run', name, 'f', 1., 1., step=step)
                          for name in ('loss', 'grad.l1.W', 'after.l1.W')]
    lines = report.trajectory_table([t], shown=(1, 2)).splitlines()
    cells = [[cell.strip() for cell in line.split('|')[2:-1]]
             for line in lines[2:]]
    assert len(cells) == 4 * 3
    assert cells[0] == ['float64', 'losses', '1e-09', '5e-01', '1e-09', '1']
    # Rounding decides the bias.
    assert cells[1] == ['float64', 'gradients', *['0e+00'] * 3, '3']
    assert cells[5] == ['float32, single steps',
                        'weights and statistics', '1e-09', '5e-01', '1e-09',
                        '3']


def test_what_is_judged():
    t = Trajectory('a run', {})
    for step in (1, 2, 3, 20, 21):
        for found in t.double, t.single, t.steps:
            found += [compare('a run', name, 'f', 1., 1., step=step)
                      for name in ('loss', 'grad.l1.W')]
    for found, steps in ((t.double, {1, 2, 3, 20}), (t.single, {1, 2}),
                         (t.steps, {1, 2, 3, 20, 21})):
        mine = [c for c in t.judged if any(c is other for other in found)]
        assert {c.step for c in mine} == steps
        assert ({c.quantity for c in mine} == {'loss'}) == (
            found is t.single)
