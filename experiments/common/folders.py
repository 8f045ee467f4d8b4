"""The folder of a run, for one run alone and nothing lost in it."""
import contextlib
import re
from pathlib import Path

import filelock

import imsat
from common.options import (
    RUN_OPTIONS, default_options, load_config, range_of)
from common.results import get_versions
from common.scripts import refuse_inputs
from imsat.datasets import SOURCES
from imsat.datasets.arrays import images_in
from imsat.parameters import AUTO, is_number
from imsat.ranks import ranks_of
from imsat.storage import digest, remove_half_written, save_json
from imsat.training.snapshot import snapshots


# What a run writes, beside pictures.
WRITTEN = ('assignments.csv', 'assignments.npz', 'codes.csv', 'codes.npz',
           'config.json', 'log', 'model.npz', 'model.onnx',
           'preprocessing.npz', 'reference.npz', 'report.html', 'result.json')


def files_of(run):
    """Paths of what a run has written, or would write, but its pictures."""
    run = Path(run)
    return [*(run / name for name in WRITTEN), *run.glob('**/log'),
            *(path for folder in run.glob('**/') for path
              in snapshots(folder))]


def describe(data, **more):
    """What config.json says of the points that are learnt from."""
    return dict(n=data.x.shape[0], dimension=data.x.shape[1],
                sha256=digest(data.x), notes=data.notes, **more)


@contextlib.contextmanager
def run_folder(args, data):
    """The folder of a run, for a block that works in it alone.

    Writes config.json; refuses a folder that holds another run or one that
    could go on, or where one is at work.  ``data`` describes what is learnt
    from, besides the options.  Of several ranks all but the first get None.
    """
    if ranks_of(args.communicator).rank:
        yield None
        return
    out = Path(args.out)
    refuse_own_data(args, out)
    out.mkdir(parents=True, exist_ok=True)
    try:
        # Freed by the system if the process dies.
        lock = filelock.FileLock(out / '.lock').acquire(blocking=False)
    except filelock.Timeout as e:
        raise imsat.InputError(f'another run is at work in {out}; wait for '
                               f'its end or choose another --out') from e
    with lock:
        remove_leftovers(out)
        config = dict(options=options_of(args), data=data,
                      versions=get_versions())
        path = out / 'config.json'
        goes_on_to_more = False
        is_finished = (out / 'result.json').exists()
        # What was refused before it learnt anything left its options alone.
        if path.exists() and (is_finished or has_learnt(out)):
            earlier = load_config(path)
            # An option that the earlier run did not know had its default.
            before = {**default_options(args.task, args.method),
                      **earlier['options']}
            goes_on_to_more = args.resume and is_more(
                before, config['options'])
            refuse_another(out, before, {
                key: value for key, value in config['options'].items()
                if not (goes_on_to_more and key in EXTENDABLE)})
            # How notes tell of the same points may have changed.
            refuse_another(out, earlier.get('data', {}), {
                key: value for key, value in config['data'].items()
                if key != 'notes'})
            if not (args.resume or is_finished):
                raise imsat.InputError(
                    f'{out} holds a run that was interrupted; go on with it '
                    f'by --resume, choose another --out or remove that folder')
        if not (args.resume and path.exists()):
            save_json(path, config)
        yield out
        if goes_on_to_more:
            # Until then the files are those of the shorter run.
            save_json(path, config)
        remove_all_but_last(out)


def refuse_own_data(args, out):
    """Raises InputError where a run in ``out`` would change its data set."""
    data = [getattr(args, option, None)
            for option in ('dataset', 'query', 'gallery')]
    for name in WRITTEN:
        refuse_inputs(out / name, *data, getattr(args, 'labels', None))
    for name in data:
        if name is None or name in SOURCES:
            continue
        folder = Path(name)
        if folder.is_dir() and not images_in(folder) \
                and out.resolve().is_relative_to(folder.resolve()):
            raise imsat.InputError(
                f'{out} is within {folder}, where its files would become '
                f'part of the data set; choose another --out')


def is_larger(value, other):
    """Of a range "auto" is settled for each number, which looks again."""
    return is_number(value) and (other == AUTO
                                 or is_number(other) and value > other)


def is_wider(value, other):
    """Whether a range holds all of another, and more."""
    return 0 < len(range_of(other)) and \
        set(range_of(value)) > set(range_of(other))


# Options of which a resumed run may have more.
LENGTHS = 'epochs', 'max_epochs'
EXTENDABLE = {**dict.fromkeys(LENGTHS, is_larger), 'clusters': is_wider}


def is_more(before, now):
    """Whether options go on to more, and nowhere to less."""
    changed = [key for key in EXTENDABLE if before.get(key) != now.get(key)]
    return bool(changed) and all(
        EXTENDABLE[key](now.get(key), before.get(key)) for key in changed)


def remove_leftovers(out):
    """Removes what was half written when an earlier attempt died; nothing
    else that may lie there."""
    for folder in [out, *(path for path in out.rglob('*') if path.is_dir())]:
        remove_half_written(folder, '*.npz', '*.json', '*.png', '*.csv',
                            '*.html', '*.onnx', 'log')
        # Chainer writes its log in a folder that takes its name then.
        if re.fullmatch('log[a-z0-9_]{8}', folder.name):
            (folder / 'log.json').unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # another's: not empty
                folder.rmdir()


def remove_all_but_last(out):
    """Removes the snapshots that nothing goes on from once a run is finished:
    the last of each restart or phase is left, for more epochs by --resume."""
    for folder in {path.parent for path in out.rglob('snapshot-*.npz')}:
        for path in snapshots(folder)[:-1]:
            path.unlink()


def has_learnt(out):
    """Whether a run left a log or a snapshot, its own or a restart's."""
    return (out / 'log').exists() or any(out.glob('**/snapshot-*.npz'))


def options_of(args):
    """The options that say what is computed, for config.json."""
    return {key: value for key, value in vars(args).items()
            if key not in RUN_OPTIONS}


def refuse_another(out, earlier, now):
    """Raises InputError if the run in a folder differs from this one."""
    for key, value in now.items():
        before = earlier.get(key)
        if before != value:
            raise imsat.InputError(
                f'{out} holds a run with another {key} ({before} and not '
                f'{value}); ask for the same to go on with it, choose another '
                f'--out or remove that folder')
