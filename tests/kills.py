"""Kills every script at random moments, runs it again, and compares the end.

    python tests/kills.py --kills 300 --seed 0
    python tests/kills.py --kills 20 --ranks 2

By hand, since it takes a while; on Linux.  A script is run whole first.  Then
the same command is killed by SIGKILL at a random moment, again and again,
and at last runs to its end.  Printed is a row of docs/robustness.md for each.
With --ranks one of so many is killed, whichever, and what is left goes on to
its end on as many, and a copy of it on another number.
"""
import argparse
import json
import os
import random
import re
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / 'experiments'

if __name__ == '__main__':
    for library in 'OPENBLAS', 'OMP', 'MKL':
        os.environ[f'{library}_NUM_THREADS'] = '1'
    os.environ['PYTHONPATH'] = str(ROOT)  # of the runs of a table
    sys.path[:0] = [str(EXPERIMENTS), str(ROOT), str(ROOT / 'tests')]

import numpy  # noqa: E402

import scripts  # noqa: E402
from imsat.storage import load_npz  # noqa: E402

# What a task writes besides the model.
WRITES = {'clustering': 'assignments.npz', 'hashing': 'codes.npz'}
# Of times, which differ.
TIMES = 'seconds', 'steps_per_second', 'seconds_evaluation'


def outcome(out, task='clustering'):
    """What must be the same: the bytes of the model, and all numbers."""
    log = []
    if (out / 'log').exists():
        log = json.loads((out / 'log').read_text())
    for entry in log:
        entry.pop('elapsed_time', None)  # not of every method
    result = json.loads((out / 'result.json').read_text())
    result['versions'].pop('commit')  # which may be made meanwhile
    for entry in (result, *result['restarts']):
        for key in TIMES:
            entry.pop(key, None)
    return ((out / 'model.npz').read_bytes(),
            (out / WRITES[task]).read_bytes(), log, result)


def outcome_of_table(out):
    runs = [(str(path.parent.relative_to(out)), outcome(path.parent))
            for path in sorted(out.rglob('result.json'))]
    # Their times aside.
    text = re.sub('[0-9.]+ hours', '', (out / 'table-3.md').read_text())
    return runs, text, re.sub(r'[0-9.]+$', '', (
        out / 'table-3.csv').read_text(), flags=re.M)


def write_data(folder):
    rng = numpy.random.default_rng(0)
    x = numpy.concatenate([rng.normal(c, 1, (100, 6)) for c in (0, 4)])
    numpy.savez(folder / 'points.npz', x=x, y=numpy.repeat([0, 1], 100))
    numpy.savez(folder / 'images.npz', images=rng.integers(
        0, 256, (1500, 16, 16, 3)).astype('u1'))
    numpy.savez(folder / 'new.npz', x=numpy.repeat(x, 100, axis=0))
    indices = numpy.sort(rng.random((10000, 2000)).argpartition(3)[:, :3])
    (folder / 'rcv1').mkdir()
    numpy.savez(folder / 'rcv1' / 'rcv1_singleroot.npz',
                data=rng.random(30000, dtype='f'), indices=indices.ravel(),
                indptr=numpy.arange(0, 30001, 3), shape=[10000, 2000],
                y=rng.integers(0, 4, 10000))


def cases():
    """Of each: the script, its options, and what must be the same, of a
    folder in which it was run."""
    from paper.systems import SYSTEMS
    quick = ['--hidden', '20-10', '--batch-size', '50', '--restarts', '2',
             '--epochs', '5', '--snapshot-seconds', '0', '--threads', '1',
             '--out', 'out', '--resume']
    for task, systems in SYSTEMS.items():
        for method in systems:
            data = 'digits' if 'affine' in method else '../points.npz'
            yield (task, ['--method', method, '--dataset', data, *quick,
                          *(['--bits', '4'] if task == 'hashing' else [])],
                   lambda at, task=task: outcome(at / 'out', task))
    yield ('clustering', scripts.once(
        '--dataset', '../points.npz', *quick, '--restarts', '4', '--halving'),
        lambda at: outcome(at / 'out'))
    yield ('tables', ['3', '--datasets', '../points.npz', '--methods',
                      'kmeans,imsat-rpt,linear-rim', '--jobs', '2', '--out',
                      'out', '--', '--epochs', '3', '--batch-size', '50',
                      '--snapshot-seconds', '0'],
           lambda at: outcome_of_table(at / 'out'))
    yield ('features', ['gist', '--dataset', '../images.npz', '--out',
                        'x.npz'], lambda at: (at / 'x.npz').read_bytes())
    yield ('datasets', ['--data-dir', '..'], lambda at: (
        (at / 'stdout').read_text(),
        [path.read_bytes() for path in sorted(at.glob('cache/*.npz'))]))
    yield ('toy', ['--out', 'toy.png', '--points', '60', '--epochs', '2',
                   '--restarts', '1'],
           lambda at: (at / 'toy.png').read_bytes())
    yield ('benchmark_selection', ['blobs', '--runs', '2', '--epochs', '2',
                                   '--out', 'out'], lambda at: re.sub(
        '"seconds.*', '', (at / 'out/blobs/criteria.json').read_text()))
    yield ('compare_original', ['--out', 'out', '--threads', '1'],
           lambda at: (at / 'out/report.md').read_text())
    yield ('predict', ['../seed0', '--dataset', '../new.npz', '--all',
                       '--out', 'new.csv'],
           lambda at: (at / 'new.csv').read_bytes())
    yield ('compare_runs', ['../seed0', '../seed1', '--out', 'runs.png'],
           lambda at: ((at / 'stdout').read_text(),
                       (at / 'runs.png').read_bytes()))
    # Of these the times alone are new; they compare answers themselves.
    yield ('benchmark_step', ['--steps', '3', '--dim', '20', '--hidden', '20',
                              '--threads', '1'], lambda at: None)
    yield ('benchmark_search', ['--sizes', '5000', '--bits', '16',
                                '--repeats', '2'], lambda at: None)
    yield ('benchmark_retrieval', ['--queries', '50', '--items', '500',
                                   '--bits', '16', '--repeats', '1'],
           lambda at: None)


def start(script, options, at):
    """The number of a process that runs a script in a folder.

    A fork, which need not import everything again.
    """
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.chdir(at)
        for number, name in (1, 'stdout'), (2, 'stderr'):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
                    number)
        os.environ['IMSAT_CACHE'] = str(at / 'cache')
        path = EXPERIMENTS / f'{script}.py'
        sys.argv = [str(path), *options]
        runpy.run_path(str(path), run_name='__main__')
    except SystemExit as e:
        code = e.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


def run(script, options, at, seconds=None):
    """Runs a script, killed after some seconds; whether it was killed."""
    at.mkdir(exist_ok=True)
    pid = start(script, options, at)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)  # a zombie, if it has ended
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code not in (0, -signal.SIGKILL):
        sys.exit(f'{script} {" ".join(options)}: exit code {code} in {at}: '
                 + (at / 'stderr').read_text())
    return code != 0


def left_over(at):
    return [path for path in at.rglob('*') if path.name[-1] == '~'
            or re.fullmatch('log.{8}', path.name)]


def kill(script, options, compared, folder, n, rng):
    """The row of a script that was killed at least n times."""
    begun = time.monotonic()
    run(script, options, folder / 'whole')
    seconds = time.monotonic() - begun
    expected = compared(folder / 'whole')
    kills = ends = same = left = 0
    while kills < n:
        at = folder / f'{ends}'
        # Up to five times: a run that goes on dies later as well.
        for _ in range(5):
            if not run(script, options, at, rng.uniform(0, seconds)):
                seconds *= .8  # it was quicker than the first
                break
            kills += 1
            for path in at.rglob('*.npz'):
                load_npz(path)  # whole, whatever was under way
        run(script, options, at)
        ends += 1
        same += compared(at) == expected
        left += len(left_over(at))
    return kills, ends, same, left


def run_ranks(n, options, at, rng=None, seconds=None):
    """Runs clustering.py on n ranks, of which one is killed after some
    seconds; how long the others then lived, None if it was never killed."""
    at.mkdir(exist_ok=True)
    with open(at / 'stderr', 'w') as errors:
        mpi = subprocess.Popen(
            [scripts.MPIEXEC, '-n', str(n), sys.executable,
             str(EXPERIMENTS / 'clustering.py'), *options], cwd=at,
            stdout=errors, stderr=errors, env={
                **os.environ, **scripts.FOR_MPI,
                'IMSAT_CACHE': str(at / 'cache')})
        killed = None
        if seconds is not None:
            time.sleep(seconds)
            children = Path(f'/proc/{mpi.pid}/task/{mpi.pid}/children')
            found = children.read_text().split() if children.exists() else []
            if len(found) == n and mpi.poll() is None:
                killed = time.monotonic()
                os.kill(int(rng.choice(found)), signal.SIGKILL)
        code = mpi.wait(600)
    if (code != 0) != (killed is not None):
        sys.exit(f'exit code {code} in {at}: {(at / "stderr").read_text()}')
    return None if killed is None else time.monotonic() - killed


def kill_ranks(n, ranks, folder, rng):
    """Prints how many kills of a rank ended how."""
    options = ['--dataset', '../points.npz', '--hidden', '20-10', '--epochs',
               '25', '--batch-size', '40', '--snapshot-seconds', '0',
               '--no-kmeans', '--communicator', 'naive', '--out', 'out',
               '--resume']
    others = [number for number in (1, 2, 4) if number != ranks]
    begun = time.monotonic()
    run_ranks(ranks, options, folder / 'whole')
    seconds = time.monotonic() - begun
    expected = outcome(folder / 'whole' / 'out')
    kills = ends = same = kept = attempts = 0
    longest = 0.
    while kills < n and attempts < 5 * n:
        at = folder / f'{ends}'
        for _ in range(3):
            attempts += 1
            lived = run_ranks(ranks, options, at, rng,
                              rng.uniform(.2, 1.) * seconds)
            if lived is None:
                seconds *= .8  # it was quicker than the first
                break
            kills, longest = kills + 1, max(longest, lived)
            for path in at.rglob('*.npz'):
                load_npz(path)
        copy = folder / f'{ends}-on-others'
        shutil.copytree(at, copy)
        done = max((int(path.stem[-6:]) for path in copy.glob(
            'out/snapshot-*.npz')), default=0)
        run_ranks(others[ends % len(others)], options, copy)
        log = outcome(copy / 'out')[2]
        kept += len(log) == 25 and log[:done] == expected[2][:done]
        run_ranks(ranks, options, at)
        same += outcome(at / 'out') == expected
        ends += 1
        print(f'{kills} kills of one of {ranks} ranks, the others dead after '
              f'{longest:.1f} s at most; {ends} runs to their end, {same} the '
              f'same; {kept} of {ends} on other numbers of ranks with every '
              f'epoch before the kill', flush=True)
    return 0 if same == kept == ends else 1


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=300, metavar='N')
    parser.add_argument('--seed', type=int, default=0, metavar='N')
    parser.add_argument('--only', default='', metavar='REGEX',
                        help='in the command')
    parser.add_argument('--ranks', type=int, metavar='P')
    args = parser.parse_args()
    if args.ranks:
        with tempfile.TemporaryDirectory(prefix='imsat-kills-') as folder:
            write_data(Path(folder))
            return kill_ranks(args.kills, args.ranks, Path(folder),
                              random.Random(args.seed))
    rng, total = random.Random(args.seed), numpy.zeros(4, int)
    chosen = [case for case in cases()
              if re.search(args.only, ' '.join([case[0], *case[1]]))]
    head = ('script', 'kills', 'runs to their end', 'the same',
            'half-written files left')
    print(f'| {" | ".join(head)} |\n|{5 * " --- |"}', flush=True)
    with tempfile.TemporaryDirectory(prefix='imsat-kills-') as folder:
        for i, (script, options, compared) in enumerate(chosen):
            below = Path(folder) / f'{i}'
            below.mkdir()
            write_data(below)
            if script in ('predict', 'compare_runs'):  # they need runs
                for seed in '01':
                    run('clustering', [
                        '--dataset', 'points.npz', '--seed', seed, '--epochs',
                        '9', '--hidden', '20', '--no-kmeans', '--out',
                        f'seed{seed}'], below)
            row = kill(script, options, compared, below,
                       -(-args.kills // len(chosen)), rng)
            total += row
            name = f'{script}.py' + (
                f' {options[1]}' if '--method' in options else '')
            print('|', ' | '.join(map(str, [name, *row])), '|', flush=True)
            shutil.rmtree(below)
    print('|', ' | '.join(map(str, ['in all', *total])), '|')
    return 0 if total[1] == total[2] and not total[3] else 1


if __name__ == '__main__':
    sys.exit(main())
