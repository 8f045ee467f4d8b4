"""The runs that a table is made of, each by its script in a process of its
own, and a record that outlives their folders."""
import concurrent.futures
import dataclasses
import json
import math
import shutil
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import filelock

import clustering
import hashing
from common.folders import options_of, refuse_another
from common.options import default_options, load_config
from imsat.errors import InputError
from imsat.parameters import AUTO
from imsat.storage import atomic_write, load_json, strict

CHILD = Path(__file__).with_name('child.py')
SCRIPTS = {'clustering': clustering, 'hashing': hashing}
# What begins with the training of another method, step for step; its
# finished phases are taken over.
BEGINS_WITH = {'dec': 'dae-kmeans'}
# What is kept of a result.json, where it has it.
KEPT = ('accuracy', 'nmi', 'ari', 'objective', 'conditional_entropy',
        'marginal_entropy', 'map_trapezoid', 'map_expected', 'map_step',
        'precision_at_500_expected', 'precision_at_r2', 'seconds', 'device',
        'threads', 'labels_sha256')


@dataclasses.dataclass
class Run:
    """One run of a script.

    Args:
        task (str): ``clustering`` or ``hashing``.
        options (dict): Of the script, beyond the defaults of the method.
    """
    task: str
    dataset: str
    method: str
    options: dict
    seed: int

    @property
    def folder(self):
        """Where it lies below ``--out``, the same for every table."""
        options = dict(self.options)
        data = name_of(self.dataset)
        if 'bits' in options:
            data += f'-{options.pop("bits")}bits'
        name = '-'.join([self.method, *(
            str(value) if key == 'hidden' else f'{key.replace("_", "-")}'
            f'{value:g}' for key, value in options.items())])
        return Path(data) / name / f'seed{self.seed}'

    def __str__(self):
        return ' '.join(self.folder.parts)


def name_of(dataset):
    """What folders and a record call a data set, wherever its file lies."""
    return Path(dataset).name.replace('.', '-')


class Record:
    """Runs by the folders that they had below ``--out``: a JSON file, a run a
    line, with the SHA-256 of its points and of its labels, but for those of
    before they were kept.

    Args:
        path (Path): The file; it need not be there yet.

    Raises:
        InputError: If it is something else or damaged.
    """

    def __init__(self, path):
        self.path = path
        self.notes, self.runs = {}, {}
        self._read()

    def _read(self):
        if self.path.exists():
            kept = load_json(self.path)
            if not isinstance(kept, dict) or kept.keys() != {'notes', 'runs'}:
                raise InputError(f'{self.path} is no record of runs; name '
                                 f'another file')
            self.notes, self.runs = kept['notes'], kept['runs']

    def find(self, run, digests=None):
        """Of a run's result what is kept, or None.

        Args:
            digests (dict): ``sha256`` of the points that the run is to be of,
                and ``labels_sha256``; what is None or left out is not known.

        Raises:
            InputError: If it was of others.
        """
        kept = self.runs.get(run.folder.as_posix())
        if kept is None:
            return None
        for key, value in (digests or {}).items():
            before = kept.get(key)
            if _is_another(before, value):
                raise InputError(
                    f'{self.path} holds a run with another {key} as '
                    f'{run.folder.as_posix()} ({before} and not {value}); '
                    f'give the data set another name, or name another '
                    f'--record')
        name = name_of(run.dataset)
        for dataset, notes in self.notes.items():
            # Once it was the file as it was named on the command line.
            if name_of(dataset) == name:
                return {**kept, 'seed': run.seed, 'notes': notes,
                        'versions': {'commit': kept.get('commit')}}
        raise InputError(f'{self.path} has no notes of {name}, which it has '
                         f'runs of; add them, or name another file')

    def add(self, run, result, sha256=None):
        """Keeps a run's result, beside what others have added meanwhile;
        raises as :meth:`find`."""
        kept = {key: result[key] for key in KEPT
                if result.get(key) is not None}
        kept['commit'] = result['versions']['commit']
        if sha256 is not None:
            kept['sha256'] = sha256
        place, name = run.folder.as_posix(), name_of(run.dataset)
        if self.runs.get(place) == kept:
            return
        with filelock.FileLock(
                self.path.with_name(f'.{self.path.name}.lock')):
            self._read()
            self.find(run, {key: kept.get(key)
                            for key in ('sha256', 'labels_sha256')})
            self.notes = {
                **{dataset: notes for dataset, notes in self.notes.items()
                   if name_of(dataset) != name}, name: result['notes']}
            self.runs[place] = kept
            self._save()

    def _save(self):
        def lines(items):
            return ',\n'.join(
                f'  {json.dumps(key)}: {json.dumps(strict(value))}'
                for key, value in sorted(items.items()))
        with atomic_write(self.path, 'w', encoding='utf-8') as f:
            f.write(f'{{"notes": {{\n{lines(self.notes)}\n }},\n'
                    f' "runs": {{\n{lines(self.runs)}\n }}}}\n')


def _is_another(before, now):
    """Whether two hashes differ, as far as they are known."""
    return None not in (before, now) and before != now


class Runs:
    """Those of a table below a folder: done, to be done, and doing them.

    Args:
        out (Path): The folder.
        common (list of str): Options that every run gets, if its row has
            no other.
        record (Record): Of runs elsewhere, which count as done.
        digests (dict): Of each data set those of :meth:`Record.find`.  What
            was run on other points is refused, and what was scored by other
            labels counts as not done.
    """

    def __init__(self, out, common, record=None, digests=None):
        self.out, self.common, self.record = out, common, record
        self.digests = digests or {}
        self.under_way, self.is_stopped = set(), False
        self._lock = threading.Lock()

    def result(self, run):
        """What a finished run wrote or what is recorded of it, or None.

        One that diverged, under a version that did not stop it, is warned of
        and left out.

        Raises:
            InputError: If it was run with other options or on other points.
        """
        path = self.out / run.folder / 'result.json'
        if not path.exists():
            return self.record and self._unless_diverged(
                run, self.record.find(run, self.digests.get(run.dataset)))
        earlier = load_config(path.parent / 'config.json')
        args = SCRIPTS[run.task].get_options(self._options(run))
        # What the data tell is no other than it was.
        options = {name: value for name, value in options_of(args).items()
                   if value != AUTO}
        if options.get('clusters', 0) is None:
            del options['clusters']  # as many as classes
        refuse_another(path.parent, {
            **default_options(run.task, run.method), **earlier['options']},
            options)
        result = load_json(path)
        if run.dataset in self.digests:
            digests = self.digests[run.dataset]
            refuse_another(path.parent, earlier.get('data', {}),
                           {'sha256': digests['sha256']})
            if _is_another(result.get('labels_sha256'),
                           digests['labels_sha256']):
                if self.record:  # which may refuse before it is scored anew
                    self.record.find(run, digests)
                return None
        result = self._unless_diverged(run, result)
        if self.record and result is not None:
            self.record.add(run, result,
                            earlier.get('data', {}).get('sha256'))
        return result

    def _unless_diverged(self, run, result):
        if result is None or result.get('objective', 0) is not None and all(
                math.isfinite(value) for value in result.values()
                if isinstance(value, float)):
            return result
        warnings.warn(f'{run} diverged and is left out')

    def do(self, run):
        """Runs the script, from where an earlier attempt got to.

        Returns:
            str: What went wrong, in a sentence; None if nothing did.
        """
        folder = self.out / run.folder
        folder.mkdir(parents=True, exist_ok=True)
        self._take_over(run, folder)
        command = [sys.executable, str(CHILD), SCRIPTS[run.task].__file__,
                   '--quiet', '--resume', '--out', str(folder),
                   *self._options(run)]
        if run.task == 'clustering':
            command.append('--no-kmeans')
        with open(folder / 'output.txt', 'w', encoding='utf-8') as output, \
                self._lock:
            if self.is_stopped:
                return 'stopped'
            process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                       stdout=output,
                                       stderr=subprocess.STDOUT)
            self.under_way.add(process)
        with process:
            code = process.wait()
        self.under_way.discard(process)
        if code:
            lines = (folder / 'output.txt').read_text(
                encoding='utf-8', errors='replace').splitlines()
            return lines[-1] if lines else f'exit code {code}'

    def stop(self):
        """Ends what is under way, which goes on from its last snapshot."""
        with self._lock:
            self.is_stopped = True
            for process in list(self.under_way):
                process.terminate()

    def _options(self, run):
        options = [*self.common, '--dataset', run.dataset, '--method',
                   run.method, '--seed', str(run.seed)]
        for name, value in run.options.items():
            options += [f'--{name.replace("_", "-")}', str(value)]
        return options

    def _take_over(self, run, folder):
        if run.method not in BEGINS_WITH or (folder / 'config.json').exists():
            return
        first = dataclasses.replace(run, method=BEGINS_WITH[run.method])
        taken = self.out / first.folder
        # Of a run that is only recorded there are no phases to take over.
        if not taken.is_dir() or self.result(first) is None:
            return
        for phase in taken.iterdir():
            if phase.is_dir():
                shutil.copytree(phase, folder / phase.name,
                                dirs_exist_ok=True)


def do_all(runs, wanted, jobs, tell):
    """Does ``wanted``, a list of Run, ``jobs`` at a time.

    A method that begins with another's training waits for it.

    Args:
        runs (Runs): Where.
        tell: Called as ``tell(run, problem)`` after each, here.
    """
    chains = {}
    for run in wanted:
        first = BEGINS_WITH.get(run.method, run.method)
        key = str(dataclasses.replace(run, method=first))
        chains.setdefault(key, []).append(run)

    executor = concurrent.futures.ThreadPoolExecutor(jobs)
    # The first of every chain before the second of any.
    waiting = {executor.submit(runs.do, chain[0]): chain
               for chain in chains.values()}
    try:
        while waiting:
            done, _ = concurrent.futures.wait(
                waiting, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                run, *rest = waiting.pop(future)
                tell(run, future.result())
                if rest:
                    waiting[executor.submit(runs.do, rest[0])] = rest
    except BaseException:
        runs.stop()
        raise
    finally:
        executor.shutdown(cancel_futures=True)
