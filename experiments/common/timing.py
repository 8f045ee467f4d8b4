"""How long contestants take, when they take turns."""
import time


def time_in_turns(contestants, repeats, *, warm_up=1, check=None, wait=None,
                  settle=None):
    """Seconds of each contestant, one call of each after the other.

    What slows the machine down for a while then slows all of them.

    Args:
        contestants (dict): Names, each with a function without arguments.
        repeats (int): How often each is timed.
        warm_up (int): How often each is called before that.
        check: Function of a round's results, a dict by name; it is called
            after each round and not timed.
        wait: Called before the clock is read, for a GPU to finish.
        settle (float): Sleep so many seconds before each is timed, until
            threads of the one before no longer wait for work in a loop, and
            call it once untimed.

    Returns:
        dict: By name a list of seconds, in the order of the rounds.
    """
    times = {name: [] for name in contestants}
    for i in range(warm_up + repeats):
        results = {}
        for name, function in contestants.items():
            if settle:
                time.sleep(settle)
                function()
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
