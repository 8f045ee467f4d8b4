"""What is saved and said of a training, whatever the task."""
from common.versions import get_versions
from imsat import devices, pictures
from imsat.storage import save_json


def training_results(args, model, scores=None):
    """What result.json says of the training, for every task.

    ``scores`` gives those of a restart, from its logits.
    """
    restarts, best = model.restarts_, model.best_restart_
    return {
        **restarts[best].summary(), 'seed': args.seed,
        'seconds': sum(restart.seconds for restart in restarts),
        'device': devices.describe(devices.get_device(
            -1 if args.device is None else args.device)),
        'threads': args.threads,
        'restarts': [
            {**restart.summary(), **(scores(restart.logits) if scores else {}),
             'kept': i == best}
            for i, restart in enumerate(restarts)],
        'warnings': model.warnings_,
        'versions': get_versions()}


def save_log(out, model):
    """Writes the log and draws it, if the method has one.

    Returns the names of the pictures.
    """
    logs = [restart.log for restart in model.restarts_]
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
