import itertools
import time

import pytest
from common.timing import rest, time_in_turns


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves only where it is told to."""
    class Clock:
        now = 0

        def take(self, *durations):
            """A function that takes each of these in turn."""
            durations = itertools.cycle(durations)

            def function():
                self.now += next(durations)
                return self.now
            return function

    clock = Clock()
    monkeypatch.setattr(time, 'perf_counter', lambda: clock.now)
    return clock


@pytest.mark.parametrize('warm_up', [0, 1, 2])
def test_seconds(clock, warm_up):
    first = warm_up * [100]
    times = time_in_turns({'a': clock.take(*first, 1, 2, 3),
                           'b': clock.take(*first, 50, 60, 70)},
                          3, warm_up=warm_up)
    assert times == {'a': [1, 2, 3], 'b': [50, 60, 70]}


def test_the_first_is_to_warm_up(clock):
    assert time_in_turns({'a': clock.take(9, 1)}, 1) == {'a': [1]}


def test_they_take_turns(clock):
    calls = []
    time_in_turns({name: lambda name=name: calls.append(name)
                   for name in 'abc'}, 2)
    assert ''.join(calls) == 'abcabcabc'


def test_turns_of_several_calls(clock, monkeypatch):
    calls = []
    monkeypatch.setattr('common.timing.rest', lambda: calls.append(' '))

    def contestant(name, *durations):
        take = clock.take(*durations)
        return lambda: calls.append(name) or take()
    times = time_in_turns(
        {'a': contestant('a', 100, 1, 2), 'b': contestant('b', 100, 5, 6)},
        2, warm_up=1, settle=True, at_once=2)
    assert times == {'a': [1, 2, 1, 2], 'b': [5, 6, 5, 6]}
    assert ''.join(calls) == 3 * ' aaa bbb'


@pytest.mark.parametrize('busy,most,waited', [
    ([], 1, .01), ([.01, .009, .003, .001], 1, .04), (99 * [.01], .5, .5)])
def test_rest_until_no_thread_is_busy(clock, monkeypatch, busy, most, waited):
    # Seconds of the processor that each .01 s of sleep takes.
    taken = iter(busy)
    processor = 0

    def sleep(seconds):
        nonlocal processor
        clock.now += seconds
        processor += next(taken, 0)
    monkeypatch.setattr(time, 'sleep', sleep)
    monkeypatch.setattr(time, 'process_time', lambda: processor)
    rest(most)
    assert clock.now == pytest.approx(waited)


def test_results_are_checked_outside_of_the_time(clock):
    seen = []

    def check(results):
        seen.append(results)
        clock.now += 1000

    times = time_in_turns({'a': clock.take(1), 'b': clock.take(2)}, 1,
                          check=check)
    assert times == {'a': [1], 'b': [2]}
    assert seen == [{'a': 1, 'b': 3}, {'a': 1004, 'b': 1006}]


def test_a_gpu_is_waited_for(clock):
    # What was launched takes 5, but not until it is waited for.
    launched = []

    def wait():
        while launched:
            clock.now += launched.pop()

    launched.append(77)  # by somebody else before
    times = time_in_turns({'a': lambda: launched.append(5)}, 2, warm_up=0,
                          wait=wait)
    assert times == {'a': [5, 5]}
