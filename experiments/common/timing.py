"""How long contestants take, when they take turns."""
import time


def time_in_turns(contestants, repeats, *, warm_up=1, check=None, wait=None,
                  settle=False, at_once=1):
    """Seconds of each contestant, some calls of each after the other's.

    What slows the machine down for a while then slows all of them.

    Args:
        contestants (dict): Names, each with a function without arguments.
        repeats (int): How many turns each has.
        warm_up (int): How many it has before these.
        check: Function of a round's last results, a dict by name; it is
            called after each round and not timed.
        wait: Called before the clock is read, for a GPU to finish.
        settle (bool): Begin each turn when this process rests, with a call
            that is not timed.
        at_once (int): Calls that are timed in a turn, one by one.

    Returns:
        dict: By name a list of seconds, in the order of the rounds.
    """
    times = {name: [] for name in contestants}
    for i in range(warm_up + repeats):
        results = {}
        for name, function in contestants.items():
            if settle:
                rest()
                function()
            for _ in range(at_once):
                if wait:
                    wait()
                start = time.perf_counter()
                results[name] = function()
                if wait:
                    wait()
                seconds = time.perf_counter() - start
                if i >= warm_up:
                    times[name].append(seconds)
        if check:
            check(results)
    return times


def rest(most=1.):
    """Waits until the threads of this process no longer spin.

    OpenBLAS' and OpenMP's wait for work in a loop, for up to .2 s, and take
    the cores from whatever comes next.

    Args:
        most (float): Seconds to wait; threads may be told to spin for ever.
    """
    end = time.perf_counter() + most
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(.01)
        if time.process_time() - before < .002:
            return
