import types

from benchmarks.kernels import timing
import numpy
import pytest
from benchmarks.kernels.timing import (
    copy_speed, count_sets, limit, medians, rates)

H200 = rates('90', 132, 1.98e9)


def steps(gpu, name, durations):
    """A function that takes each of some milliseconds in turn."""
    durations = iter(durations)

    def function():
        gpu.log.append(name)
        gpu.now += next(durations)
    return function


def constant(gpu, name, ms):
    return steps(gpu, name, iter(lambda: ms, None))


def test_median(fake_gpu):
    gpu = fake_gpu(launch=0)
    # The first only says how many are needed; one in four is slow.
    durations = [1.] + 50 * [2., 3., 3., 1000.]
    ms = medians({'a': [steps(gpu, 'a', durations)]}, gpu, milliseconds=20)
    assert ms == {'a': 3}


def test_evicting_takes_no_time_and_is_never_left_out(fake_gpu):
    gpu = fake_gpu(launch=0)
    ms = medians({'a': [constant(gpu, 'a', 2.)]}, gpu)
    assert ms == {'a': 2}
    calls = [i for i, what in enumerate(gpu.log) if what == 'a']
    assert len(calls) == 1 + 100  # 200 ms
    for i in calls:
        assert gpu.log[i - 2:i] == ['evict', 'start']


def test_sets_take_turns(fake_gpu):
    gpu = fake_gpu(launch=0)
    medians({'a': [constant(gpu, i, 1.) for i in range(3)]}, gpu)
    calls = [what for what in gpu.log if isinstance(what, int)]
    assert calls == [i % 3 for i in range(len(calls))] and len(calls) > 200
    assert 'evict' not in gpu.log


def test_contestants_take_turns(fake_gpu):
    gpu = fake_gpu()
    medians({name: 2 * [constant(gpu, name, 1.)] for name in 'ab'}, gpu)
    calls = ''.join(what for what in gpu.log if len(what) == 1)
    bursts = [calls.count('ab'), calls.count('ba')]
    # One to see how long it takes, then five rounds.
    assert bursts == [6, 5]


@pytest.mark.parametrize('ms,expected', [
    (1e6, 0), (1e3, 0), (999., 5), (50., 5), (20., 10), (1., 200),
    (1e-4, 250), (0., 250)])
def test_number_of_calls(fake_gpu, ms, expected):
    gpu = fake_gpu(launch=0)
    medians({'a': [constant(gpu, 'a', ms)]}, gpu, milliseconds=200)
    assert gpu.log.count('a') == 1 + expected


def test_results_change_places_too(fake_gpu):
    # That of a set is kept until the set's next turn.
    held = []

    class Result:
        count = 0

        def __init__(self):
            Result.count += 1
            held.append(Result.count)

        def __del__(self):
            Result.count -= 1

    medians({'a': 3 * [Result]}, fake_gpu())
    assert max(held) == 4 and held[50:60] == 10 * [4]


@pytest.mark.parametrize('n_bytes', [1, 7, 130, 140, 999, 2000, 2001, 10 ** 9])
def test_copies_of_inputs_pass_the_cache(n_bytes):
    n = count_sets(n_bytes, 1000)
    if n > 1:
        assert (n - 1) * n_bytes >= 2000
        assert n == 2 or (n - 2) * n_bytes < 2000
    else:
        assert (timing.MAX_SETS - 1) * n_bytes < 2000


def test_nothing_to_copy():
    assert count_sets(0, 1000) == 1


def test_copy_speed(fake_gpu):
    gpu = fake_gpu(launch=0)

    def copyto(target, source):
        assert target.nbytes == source.nbytes == 3000
        assert target is not source
        gpu.now += .5

    gpu.xp = types.SimpleNamespace(zeros=numpy.zeros, copyto=copyto)
    # 6,000 bytes in half a millisecond.
    assert copy_speed(gpu, 3000) == pytest.approx(.012)
    assert 'evict' not in gpu.log


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
