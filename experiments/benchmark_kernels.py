"""Measures the kernels on an NVIDIA GPU, each beside other ways to compute it.

    python experiments/benchmark_kernels.py --json kernels.json
    python experiments/benchmark_kernels.py --kernel softmax_kl

Every result is checked first, against the plain expression in float64.  Then
it takes turns with the same in plain CuPy, as the authors' code formulates it
in Chainer, and, where PyTorch is installed, in PyTorch: eager and, at the
first of the paper's and of the large sizes, compiled, which takes seconds.
Printed are medians of milliseconds by CUDA events, on float32 inputs that go
round past the L2 cache (for small ones it is emptied before each call); bytes
and GB/s beside a copy within the device; the share of the time that a kernel's
arithmetic takes by itself; and the others' times in terms of ours, above 1x
where ours is faster.  What takes less time than its launch is measured to be
as slow as that, as users see it.  The last lines say which targets are missed.
"""
import argparse
import sys
import textwrap
import time
from pathlib import Path

import numpy

import imsat
from benchmarks.kernels import CASES, report
from benchmarks.kernels.case import is_array
from benchmarks.kernels.timing import (
    Gpu, copy_speed, count_sets, limit, medians)
from common.results import get_versions
from common.scripts import Parser, a_file, main, option_of
from imsat import devices
from imsat.parameters import Number
from imsat.storage import save_json

# Seconds on an H200, about: to make inputs of a size and to check results,
# to time a contestant, and to compile PyTorch's expression.
INPUTS, TIMING, COMPILING = 1., .4, 8.
# Where rounding is another's, it only has to be the same function.
OTHERS_TOLERANCE = 100


def get_options(argv=None):
    parser = Parser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=textwrap.fill(
            'kernels: ' + ', '.join(case.name for case in CASES), 79))
    add = parser.add_argument
    add('--device', type=int, default=0, metavar='N',
        help='number of the GPU; default 0')
    add('--kernel', metavar='NAME',
        help='only those whose names contain NAME; default all')
    add('--json', type=a_file, metavar='FILE',
        help='write the results, size by size')
    add('--picture', type=a_file, metavar='FILE',
        help='draw them; default: beside --json, ending in .png')
    add('--seconds', type=option_of(Number()), default=420, metavar='S',
        help='after these PyTorch compiles no more; default 420')
    args = parser.parse_args(argv)
    if args.json and not args.picture:
        args.picture = str(Path(args.json).with_suffix('.png'))
    return args


def choose(name):
    """The cases whose names contain ``name``; all for None."""
    cases = [case for case in CASES if name is None or name in case.name]
    if not cases:
        raise imsat.InputError(
            f'no kernel is called {name}; choose from '
            + ', '.join(case.name for case in CASES))
    return cases


def find_gpu(number):
    """Makes GPU ``number`` the current one.

    Raises:
        InputError: If it is missing.
    """
    count = devices.count_gpus()
    if not 0 <= number < count:
        raise imsat.InputError(
            f'kernels are measured on an NVIDIA GPU, and GPU {number} is '
            f'missing: {devices.how_many(count)}')
    device = devices.get_device(number)
    device.use()
    return device


def find_torch(number):
    """PyTorch, if it is installed and reaches the GPU, or None."""
    try:
        import torch
        import torch._functorch.config as config
    except ImportError:
        return None
    if not torch.cuda.is_available():
        print('The PyTorch that is installed has no CUDA; left out.')
        return None
    torch.cuda.set_device(number)
    allow_repeats(config)
    return torch


def allow_repeats(config):
    """Lets compiled gradients be computed again from what was kept."""
    if hasattr(config, 'donated_buffer'):  # since PyTorch 2.6
        config.donated_buffer = False


def measure(case, size, gpu, torch=None, compiled=True):
    """Checks and times all contestants on one size.

    Args:
        case (Case)
        size (dict): As its inputs take it.
        gpu (Gpu): Or what stands in for it.
        torch (module): PyTorch or None.
        compiled (bool): Whether torch.compile takes part.

    Returns:
        Number of sets of inputs, milliseconds by contestant, and why others
        were not measured.
    """
    gpu.free()
    if torch:
        torch.compiler.reset()  # for these sizes and no others
        torch.cuda.empty_cache()
    inputs = case.inputs(numpy.random.default_rng(0), **size)
    n_sets = count_sets(sum(x.nbytes for x in inputs if is_array(x)),
                        gpu.l2_bytes)
    sets = [[gpu.asarray(x) if is_array(x) else x for x in inputs]
            for _ in range(n_sets)]
    expected = case.reference(gpu.xp, sets[0])
    functions, failed = {}, {}
    for name, prepare in case.contestants(gpu.xp, torch, compiled).items():
        tolerance = case.tolerance
        errors = MemoryError,
        if name != 'ours':
            tolerance *= OTHERS_TOLERANCE
        if name in ('torch', 'compiled'):
            errors = MemoryError, RuntimeError  # so PyTorch has its own
        try:
            prepared = [prepare(*each) for each in sets]
            if None in prepared:
                continue
            outputs = [function() for function in prepared]
        except errors as e:
            failed[name] = f'failed: {str(e).strip().splitlines()[0]}'
            continue
        error = max(case.error(gpu.xp, each, expected) for each in outputs)
        if error <= tolerance:
            functions[name] = prepared
        else:
            failed[name] = f'is wrong by {error:.1e}, relative'
    return n_sets, medians(functions, gpu), failed


def describe(case, size, at, measured, copy_gb_s, rates):
    """A row of the results."""
    n_sets, ms, failed = measured
    ours, n_bytes = ms.get('ours'), case.n_bytes(**size)
    least = limit(case.operations(**size), rates)
    gb_s = n_bytes / ours / 1e6 if ours else None
    return dict(
        kernel=case.name, size=size, at=at, sets=n_sets, bytes=n_bytes,
        ms=ms, gb_s=gb_s, of_copy=gb_s / copy_gb_s if ours else None,
        of_limit=least / ours if ours else None,
        at_most=case.at_most(**size),
        ratio={name: each / ours for name, each in ms.items()
               if name != 'ours'} if ours else {},
        failed=failed)


def estimate(cases, torch, seconds):
    """Seconds that :func:`benchmark` takes, about."""
    sizes = [case for case in cases for _ in (*case.paper, *case.large)]
    rest = INPUTS * len(sizes) + TIMING * sum(
        2 + bool(case.original) + bool(torch and case.torch)
        for case in sizes)
    # At two sizes of each case.
    compiling = 2 * (COMPILING + TIMING) * sum(
        bool(torch and case.torch) for case in cases)
    if rest + compiling <= seconds:
        return rest + compiling
    done = seconds / (rest + compiling)
    return seconds + (1 - done) * rest


def benchmark(cases, gpu, results, torch, seconds, save):
    """Measures all sizes of all cases, printing and saving each.

    Args:
        results (dict): What is known of the run; gets ``rows``.
        seconds (float): For how long torch.compile may take part.
        save: Function of the results.
    """
    start = time.monotonic()
    results['rows'] = []
    print(report.table_head())
    for case in cases:
        for at in 'paper', 'large':
            for i, size in enumerate(getattr(case, at)):
                late = time.monotonic() - start > seconds
                measured = measure(
                    case, size, gpu, torch, compiled=i == 0 and not late)
                row = describe(case, size, at, measured,
                               results['copy_gb_s'], gpu.rates)
                results['rows'].append(row)
                print(report.table_line(row), flush=True)
                save(results)
    if torch and late:
        print(f'\nAfter {seconds:g} s PyTorch compiled no more (--seconds).')
    print()
    print(*report.summary(results['rows']), sep='\n')


def run(args):
    """Returns 0, or 1 if one of our results is wrong."""
    cases = choose(args.kernel)
    if args.json and Path(args.json).resolve() == Path(args.picture).resolve():
        raise imsat.InputError(f'{args.json} would be the results and their '
                               f'picture; choose another --json or --picture')
    device = find_gpu(args.device)
    gpu, torch = Gpu(), find_torch(args.device)
    results = dict(
        device=devices.describe(device), l2_bytes=gpu.l2_bytes,
        versions=dict(get_versions(), cupy=gpu.xp.__version__,
                      torch=torch and torch.__version__),
        copy_gb_s=copy_speed(gpu))
    minutes = estimate(cases, torch, args.seconds) / 60
    print(f'{results["device"]}, a copy: {results["copy_gb_s"]:,.0f} GB/s; '
          f'about {minutes:.1f} minutes\n')

    def save(results):
        if args.json:
            save_json(args.json, results)

    benchmark(cases, gpu, results, torch, args.seconds, save)
    if args.picture:
        report.picture(args.picture, results)
    return int(any('ours' in row['failed'] for row in results['rows']))


if __name__ == '__main__':
    sys.exit(main(run, get_options, resume=None))
