"""What is computed ahead by another thread."""
import os
import signal
import threading

import pytest
from threadpoolctl import threadpool_limits

from imsat import threads


def test_counts_the_threads_of_blas():
    for n in 1, 2, 1:
        with threadpool_limits(n):
            assert threads.count() == n


def test_computes_once_and_elsewhere():
    calls = []

    def function(*args):
        calls.append((args, threading.current_thread()))
        return sum(args)
    ahead = threads.Ahead(function)
    ahead.begin(1, 2)
    assert ahead(1, 2) == 3
    assert ahead(2, 2) == 4  # not what was begun
    (first, helper), (second, own) = calls
    assert (first, second) == ((1, 2), (2, 2))
    assert own is threading.main_thread() is not helper


def test_passes_on_what_is_raised():
    def function(number):
        raise ValueError(number)
    ahead = threads.Ahead(function)
    ahead.begin(1)
    with pytest.raises(ValueError, match='1'):
        ahead(1)


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_a_fork_waits_for_nobody():
    reading, writing = os.pipe()
    gate = threading.Event()

    def function(number):
        if threading.current_thread() is not threading.main_thread():
            gate.wait()
        return number
    ahead = threads.Ahead(function)
    ahead.begin(7)
    child = os.fork()
    if not child:  # no thread is here to finish what was begun
        signal.alarm(10)  # ends it, should it wait
        gate.set()
        answer = ahead(7)
        ahead.begin(8)
        os.write(writing, bytes([answer, ahead(8)]))
        os._exit(0)
    gate.set()
    os.close(writing)
    assert os.read(reading, 2) == bytes([7, 8])
    os.close(reading)
    os.waitpid(child, 0)
    assert ahead(7) == 7
