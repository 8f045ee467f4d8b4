import pytest

from original.comparison import first_parting
from original.functions import Sizes, compare_definitions
from original.source import read_original

SIZES = Sizes(batch_size=20, dim=6, hidden=8, clusters=4, bits=3)
# Written for this test, in another way than the original.
DISTANCE = '''
def distance(y0, y1):
    log_ratio = F.log(F.softmax(y0) + {eps}) - F.log(F.softmax(y1) + {eps})
    return F.mean(F.sum(F.softmax(y0) * log_ratio, axis=1))
print 'Python 2'
'''


def test_the_original(original, chainer_device):
    comparisons, timings, failures = compare_definitions(
        read_original(original), SIZES, chainer_device, repetitions=1)
    assert first_parting(comparisons) is None
    functions = {(section.split()[0], name.split(',')[0])
                 for section, name, *_ in timings}
    assert functions == {('cluster', name) for name in (
        'kl', 'distance', 'entropy', 'loss_equal', 'call_bn', 'vat')} | {
        ('hash', name) for name in (
            'distance', 'loss_information', 'call_bn', 'vat')}
    assert all(min(seconds) > 0 for _, _, _, *seconds in timings)
    # Python 2, and links that are no functions any more.
    assert set(failures) == {
        f'{what} of {name}' if what == 'Encoder' else f'{name} {what}'
        for what in ('Encoder', 'as a whole')
        for name in ('imsat_cluster.py', 'imsat_hash.py')}


@pytest.mark.parametrize('eps,agrees', [('1e-8', True), ('1e-5', False)])
def test_another_original(tmp_path, chainer_device, eps, agrees):
    paths = {'cluster': tmp_path / 'a.py', 'hash': tmp_path / 'b.py'}
    paths['cluster'].write_text(DISTANCE.format(eps=eps))
    paths['hash'].write_text('')
    comparisons, _, failures = compare_definitions(
        paths, SIZES, chainer_device, repetitions=1)
    assert {c.quantity for c in comparisons} == {
        'distance: value', 'distance: d_y0', 'distance: d_y1'}
    assert (first_parting(comparisons) is None) == agrees
    assert failures['kl of a.py'] == 'LookupError: a.py does not define it'
    assert failures['a.py as a whole'].startswith('SyntaxError')
    assert 'b.py as a whole' not in failures
