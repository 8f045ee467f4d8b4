"""The least time that a GPU takes for the arithmetic of a kernel."""

# Instructions of a float function, where no rare case needs more: counted in
# what ptxas 13.0 makes of it for sm_90.  philox: of four random words.
INSTRUCTIONS = {'fma': 1, 'exp': 10, 'log': 27, 'divide': 9, 'sqrt': 8,
                'sincospi': 31, 'philox': 70}
# Those that a multiprocessor has fewer units for: popc of 32 bits, arithmetic
# in float64, conversions from and to 64 bits.
RARE = 'popc', 'fp64', 'convert'
# Results per clock of a multiprocessor, by compute capability (CUDA C++
# Programming Guide, arithmetic instructions): of most, and of float64.
_DATA_CENTRE = {'70': (64, 32), '80': (64, 32), '90': (128, 64),
                '100': (128, 64), '103': (128, 2)}
_OTHERS = 128, 2


def rates(capability, multiprocessors, hertz):
    """Operations per second of a GPU.

    Args:
        capability (str): ``'90'`` for compute capability 9.0.
        multiprocessors (int): How many there are.
        hertz (float): Of their clock.
    """
    most, fp64 = _DATA_CENTRE.get(capability, _OTHERS)
    per_clock = {'instructions': most, 'fp64': fp64, 'popc': 16,
                 'convert': min(fp64, 16)}
    return {name: n * multiprocessors * hertz
            for name, n in per_clock.items()}


def limit(operations, rates):
    """Milliseconds that these operations take at least.

    Args:
        operations (dict): Numbers of them, by the names of INSTRUCTIONS and
            RARE.
        rates (dict): Of :func:`rates`.
    """
    instructions = sum(n * INSTRUCTIONS.get(name, 1)
                       for name, n in operations.items())
    seconds = [instructions / rates['instructions']] + [
        n / rates[name] for name, n in operations.items() if name in RARE]
    return 1e3 * max(seconds)
