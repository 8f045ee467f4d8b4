import pytest
from benchmarks.kernels.arithmetic import limit, rates

H200 = rates('90', 132, 1.98e9)


def test_rates():
    # NVIDIA's data sheet: 67 and 34 teraflops, two for a multiply-add.
    assert 2 * H200['instructions'] == pytest.approx(67e12, rel=.01)
    assert 2 * H200['fp64'] == pytest.approx(34e12, rel=.02)
    # A GPU that is not for data centres has hardly any float64.
    assert rates('89', 128, 2.52e9)['fp64'] == 2 * 128 * 2.52e9


@pytest.mark.parametrize('operations,expected', [
    ({}, 0), (dict(fma=1e12), 1e12 / 128), (dict(exp=2, log=3), 101 / 128),
    (dict(popc=1e9, fma=1e9), 1e9 / 16), (dict(fp64=64, convert=17), 17 / 16)])
def test_limit(operations, expected):
    assert limit(operations, H200) == pytest.approx(
        1e3 * expected / (132 * 1.98e9))
