"""Memory of a run on points that stay on disk.

    python experiments/benchmark_memory.py --points 20000000

Writes that many points in groups, float32, then clusters them, says the
clusters of all again, and hashes them, each by a script in a process of its
own.  RssAnon is what a process has for itself; VmHWM also counts what it has
mapped of files, which the system takes back when it needs room.
"""
import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy

from common import markdown
from common.scripts import Parser, main, positive
from imsat import devices

HEAD = ('step', 'minutes', 'most RssAnon, MB', 'VmHWM, MB')
HERE = Path(__file__).parent
BLOCK = 100_000  # points that are drawn at a time


def get_options(argv=None):
    parser = Parser(
        description=__doc__.split('\n\n')[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add('--points', type=positive, default=2 * 10 ** 6, help='how many')
    add('--dim', type=positive, default=64, help='numbers of each')
    add('--groups', type=positive, default=10, help='that they are in')
    add('--hidden', default='100-100', help='of the network')
    add('--batch-size', type=positive, default=1000, help='of a step')
    add('--steps', nargs='*', choices=['clustering', 'predict', 'hashing'],
        default=['clustering', 'predict', 'hashing'], help='which')
    add('--labels', action='store_true', help='score them as well')
    add('--folder', help='where there is room; default: one below TMPDIR')
    add('--threads', type=positive, default=devices.available_cores(),
        help='of each')
    return parser.parse_args(argv)


def write_points(folder, n, d, groups):
    rng = numpy.random.default_rng(0)
    centers = 3 * rng.normal(size=(groups, d)).astype('f')
    x = numpy.lib.format.open_memmap(
        folder / 'x.npy', 'w+', numpy.float32, (n, d))
    y = numpy.empty(n, numpy.uint8 if groups < 256 else numpy.int64)
    for start in range(0, n, BLOCK):
        part = slice(start, start + BLOCK)
        y[part] = rng.integers(groups, size=len(y[part]))
        x[part] = centers[y[part]] + rng.standard_normal(
            (len(y[part]), d), dtype=numpy.float32)
    numpy.save(folder / 'y.npy', y)


def watch(command):
    """Runs a command; its minutes, and the most that it had, in MB."""
    start, most = time.monotonic(), {'RssAnon': 0, 'VmHWM': 0}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            lines = Path(f'/proc/{process.pid}/status').read_text().split('\n')
            for name, _, value in (line.partition(':') for line in lines):
                if name in most:
                    most[name] = max(most[name], int(value.split()[0]))
            time.sleep(.05)
    if process.returncode:
        raise SystemExit(f'exit code {process.returncode}: {command}')
    return (f'{(time.monotonic() - start) / 60:.1f}',
            *(f'{value / 1024:,.0f}' for value in most.values()))


def run(args):
    print(f'{args.points:,} x {args.dim} float32, network '
          f'{args.dim}-{args.hidden}, 1 epoch in batches of '
          f'{args.batch_size}, threads: {args.threads}, '
          f'{devices.describe(devices.get_device(-1))}\n')
    print(markdown.head(HEAD, numbers=3), flush=True)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        folder = Path(folder)
        write_points(folder, args.points, args.dim, args.groups)
        learn = [
            '--dataset', folder / 'x.npy', '--hidden', args.hidden,
            '--epochs', 1, '--batch-size', args.batch_size, '--quiet',
            '--sampling', 'shuffle-buffer', '--threads', args.threads]
        if args.labels:
            learn += ['--labels', folder / 'y.npy']
        options = {
            'clustering': [*learn, '--clusters', args.groups,
                           '--out', folder / 'clusters'],
            'predict': [folder / 'clusters', '--dataset', folder / 'x.npy',
                        '--out', folder / 'new.csv'],
            'hashing': [*learn, '--bits', 16, '--out', folder / 'codes']}
        for step in args.steps:
            print(markdown.row((step, *watch(
                [sys.executable, HERE / f'{step}.py',
                 *map(str, options[step])]))), flush=True)


if __name__ == '__main__':
    sys.exit(main(run, get_options, resume=None))
