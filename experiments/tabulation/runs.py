"""The runs that a table is made of, each by its script in a process of its
own."""
import concurrent.futures
import dataclasses
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import clustering
import hashing
from common.folders import load_config, options_of, refuse_another
from imsat.storage import load_json

CHILD = Path(__file__).with_name('child.py')
SCRIPTS = {'clustering': clustering, 'hashing': hashing}
# What begins with the training of another method, step for step; its
# finished phases are taken over.
BEGINS_WITH = {'dec': 'dae-kmeans'}


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
        data = Path(self.dataset).name.replace('.', '-')
        if 'bits' in options:
            data += f'-{options.pop("bits")}bits'
        name = '-'.join([self.method, *(
            str(value) if key == 'hidden' else f'{key.replace("_", "-")}'
            f'{value:g}' for key, value in options.items())])
        return Path(data) / name / f'seed{self.seed}'

    def __str__(self):
        return ' '.join(self.folder.parts)


class Runs:
    """Those of a table below a folder: done, to be done, and doing them.

    Args:
        out (Path): The folder.
        common (list of str): Options that every run gets, if its row has
            no other.
        record (Record): Of runs elsewhere, which count as done.
        digests (dict): SHA-256 of the points, by data set; what was run on
            others is refused.
    """

    def __init__(self, out, common, record=None, digests=None):
        self.out, self.common, self.record = out, common, record
        self.digests = digests or {}
        self.under_way, self.is_stopped = set(), False
        self._lock = threading.Lock()

    def result(self, run):
        """What a finished run wrote or what is recorded of it, or None.

        Raises:
            InputError: If it was run with other options.
        """
        path = self.out / run.folder / 'result.json'
        if not path.exists():
            return self.record and self.record.find(run)
        earlier = load_config(path.parent / 'config.json')
        args = SCRIPTS[run.task].get_options(self._options(run))
        options = options_of(args)
        if options.get('clusters', 0) is None:
            del options['clusters']  # as many as classes, which the data tell
        refuse_another(path.parent, earlier['options'], options)
        if run.dataset in self.digests:
            refuse_another(path.parent, earlier.get('data', {}),
                           {'sha256': self.digests[run.dataset]})
        result = load_json(path)
        if self.record:
            self.record.add(run, result)
        return result

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
