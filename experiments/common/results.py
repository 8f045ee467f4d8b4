"""What is saved and said of a training, whatever the task."""
from common.versions import get_versions
from imsat import devices, pictures
from imsat.storage import save_json


def training_results(args, model, scores=None):
    """What result.json says of the training, for every task.

    ``scores`` gives those of a restart, from its logits.
    """
    best = model.restarts_[model.best_restart_]
    hidden = 'logits', 'log'
    kept = {key: value for key, value in best.items() if key not in hidden}
    return {
        **kept, 'seed': args.seed,
        'seconds': sum(r['seconds'] for r in model.restarts_),
        'device': devices.describe(devices.get_device(
            -1 if args.device is None else args.device)),
        'threads': args.threads,
        'restarts': [
            {**{key: value for key, value in restart.items()
                if key not in hidden},
             **(scores(restart['logits']) if scores else {}),
             'kept': i == model.best_restart_}
            for i, restart in enumerate(model.restarts_)],
        'versions': get_versions()}


def save_log(out, model):
    """Writes the log and draws it, if the method has one.

    Returns the names of the pictures.
    """
    logs = [restart['log'] for restart in model.restarts_]
    if not logs[0]:
        return []
    save_json(out / 'log', logs[model.best_restart_])
    pictures.learning_curves(out / 'learning_curves.png', logs,
                             model.best_restart_)
    return ['learning_curves.png']


def in_seconds(result):
    """How long a training took, in words."""
    text = f'{result["seconds"]:.0f} s'
    if result.get('steps_per_second') is not None:
        text += f', {result["steps_per_second"]:.1f} steps/s'
    return text
