"""Every function against what was recorded of the authors' functions."""
import types

import pytest

from original.comparison import first_parting
from original.functions import replay_functions


@pytest.mark.parametrize('dtype', ['d', 'f'])
def test_agree(xp, dtype):
    comparisons = list(replay_functions(
        dtype, types.SimpleNamespace(send=xp.asarray)))
    assert len(comparisons) == 108
    assert first_parting(comparisons) is None
    # Both tasks, values and gradients, all kinds of inputs.
    quantities = {(c.section, c.quantity) for c in comparisons}
    assert len(quantities) == len(comparisons)
    for name in ('kl', 'distance', 'entropy2d', 'entropy1d', 'loss_equal_0',
                 'loss_equal_1'):
        assert ('functions_cluster', f'sat.{name}') in quantities
    for name in ('distance', 'cond_ent', 'marg_ent', 'pairwise_mi'):
        assert ('functions_hash', f'b32.tiny.{name}.d_y0') in quantities


def test_wrong_functions_part(monkeypatch):
    # A 1e-8 forgotten in the logarithms of one function of many is seen.
    from original import functions
    monkeypatch.setitem(
        functions.CLUSTER, 'distance',
        lambda y0, y1: functions.softmax_kl(y0, y1, eps=0))
    parting = first_parting(replay_functions('d'))
    assert parting.quantity.startswith('mild.distance')
    assert 'mild.distance' in str(parting)
