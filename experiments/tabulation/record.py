"""A record of runs that outlives their folders: a JSON file, a run a line."""
import json

from imsat.errors import InputError
from imsat.storage import atomic_write, load_json

# What is kept of a result.json, where it has it.
KEPT = ('accuracy', 'nmi', 'ari', 'objective', 'conditional_entropy',
        'marginal_entropy', 'map_trapezoid', 'map_expected', 'map_step',
        'precision_at_500_expected', 'precision_at_r2', 'seconds', 'device',
        'threads')


class Record:
    """Runs by the folders that they had below ``--out``.

    Args:
        path (Path): The file; it need not be there yet.

    Raises:
        InputError: If it is something else or damaged.
    """

    def __init__(self, path):
        self.path = path
        self.notes, self.runs = {}, {}
        if path.exists():
            kept = load_json(path)
            if not isinstance(kept, dict) or kept.keys() != {'notes', 'runs'}:
                raise InputError(f'{path} is no record of runs; name another '
                                 f'file')
            self.notes, self.runs = kept['notes'], kept['runs']

    def find(self, run):
        """Of a run's result what is kept, or None."""
        kept = self.runs.get(run.folder.as_posix())
        if kept is None:
            return None
        return {**kept, 'seed': run.seed, 'notes': self.notes[run.dataset],
                'versions': {'commit': kept.get('commit')}}

    def add(self, run, result):
        """Keeps a run's result."""
        kept = {key: result[key] for key in KEPT
                if result.get(key) is not None}
        kept['commit'] = result['versions']['commit']
        self.notes[run.dataset] = result['notes']
        if self.runs.get(run.folder.as_posix()) != kept:
            self.runs[run.folder.as_posix()] = kept
            self._save()

    def _save(self):
        def lines(items):
            return ',\n'.join(f'  {json.dumps(key)}: {json.dumps(value)}'
                              for key, value in sorted(items.items()))
        with atomic_write(self.path, 'w', encoding='utf-8') as f:
            f.write(f'{{"notes": {{\n{lines(self.notes)}\n }},\n'
                    f' "runs": {{\n{lines(self.runs)}\n }}}}\n')
