import numpy

from imsat.original import report
from imsat.original.comparison import compare, first_parting


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
    assert report.curve(comparisons, 'd', 'weights and statistics') == [.5]
