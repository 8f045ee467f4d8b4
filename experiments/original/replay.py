"""Our training step on what the authors' code started from and drew."""
import dataclasses

import chainer
import numpy

from imsat.links import Encoder
from imsat.links.original import array_of, names_of, set_arrays
from imsat.losses import VAT, IMSATLoss, Regularizer, vat
from imsat.losses.objectives import ClusteringObjective, HashingObjective
from imsat.training.adam import Adam
from imsat.training.iterators import IndexIterator
from imsat.training.updater import Updater
from original.source import BATCH_SIZE

STEP_FILES = ('cluster_step', 'cluster_step_warm', 'hash_step',
              'hash_step_warm')
# Terms as they are called here and in the authors' code.
TERMS = {
    'cluster': {'conditional_entropy': 'loss_eq1',
                'marginal_entropy': 'loss_eq2'},
    'hash': {'conditional_entropy': 'cond_ent',
             'marginal_entropy': 'marg_ent',
             'pairwise_information': 'pairwise_mi'}}
OBJECTIVES = {'cluster': ClusteringObjective, 'hash': HashingObjective}


def is_noise(name):
    """Whether rounding decides an array after an update.

    The exact gradient of biases below batch normalization is 0, and Adam
    amplifies what rounding leaves of it; the running means follow them.
    """
    return name.endswith(('l1.b', 'l2.b', 'bn1.avg_mean', 'bn2.avg_mean'))


def eps_in_variance(n, steps):
    """What Chainer 1 had in its running variance, on a CPU, and 7 has not.

    It added batch normalization's eps before the unbiased average over a
    batch of n, in each of so many steps.
    """
    return 2e-5 * n / (n - 1) * (1 - .9 ** steps)


def parameters_of(encoder):
    """The parameters by their names as in the traces: ``l1.W``, ..."""
    return {path[1:].replace('/', '.'): parameter
            for path, parameter in encoder.namedparams()}


class RecordedVAT(Regularizer):
    """VAT with recorded directions; keeps what it has computed."""

    def __init__(self, directions):
        self.directions = iter(directions)

    def __call__(self, network, distance, x, radius=None, y=None, rng=None):
        self.distances, self.inputs = [], []

        def recorded_forward(x):
            self.inputs.append(getattr(x, 'array', x))
            return network(x, update_statistics=False)

        def recorded_distance(y0, y1):
            self.distances.append(distance(y0, y1))
            return self.distances[-1]

        return vat(recorded_forward, recorded_distance, x, radius, y=y,
                   direction=next(self.directions),
                   **dataclasses.asdict(VAT(xi=10.)))


class Replay:
    """Our training from given weights on given batches and directions.

    Args:
        task (str): ``'cluster'`` or ``'hash'``.
        weights (dict): All arrays of the network at the start, by names such
            as ``l1.W`` and ``bn1.avg_mean``; their dtype is everything's.
        x (array): Batches, shape (T, B, d).
        distances (array): sigma_t(x) of their points, shape (T, B).
        directions (array): Normal draws of VAT, shape (T, B, d).
        device (chainer.backend.Device): Where to compute.

    Attributes:
        encoder, loss, vat, optimizer: What an update is made of.
        x (array): All points, shape (T B, d), on the device.
        radius (array): Of their perturbations, shape (T B,), on the device.
    """

    def __init__(self, task, weights, x, distances, directions,
                 device=chainer.get_device('@numpy')):
        steps, n, dim = x.shape
        hidden = [len(weights[name]) for name in ('l1.b', 'l2.b')]
        with chainer.using_config('dtype', x.dtype):
            self.encoder = Encoder(dim, len(weights['l3.b']), hidden)
        set_arrays(self.encoder, weights)
        self.encoder.to_device(device)
        self.device, self.terms = device, TERMS[task]
        self.vat = RecordedVAT(device.send(directions))
        self.optimizer = Adam(alpha=.002, beta1=.9).setup(self.encoder)
        self.x = device.send(x.reshape(steps * n, dim))
        self.radius = device.send(.25 * distances.reshape(-1))
        self.loss = IMSATLoss(OBJECTIVES[task](), self.vat, self.radius)
        iterator = IndexIterator(steps * n, n)
        iterator.next = iter(numpy.arange(steps * n).reshape(steps, n)
                             ).__next__
        self._updater = Updater(iterator, self.optimizer, self.x, self.loss,
                                device)

    def step(self):
        """One update; returns losses and terms by the original's names."""
        observation = {}
        reporter = chainer.Reporter()
        reporter.add_observer('main', self.encoder)
        with reporter, reporter.scope(observation):
            self._updater.update()
        losses = {'loss_total': observation['main/loss'],
                  'loss_vat': observation['main/sat'],
                  'kl_xi': self.vat.distances[0],
                  **{theirs: observation[f'main/{ours}']
                     for ours, theirs in self.terms.items()}}
        return {name: float(loss.array) for name, loss in losses.items()}

    def gradients(self):
        return {name: parameter.grad
                for name, parameter in parameters_of(self.encoder).items()}

    def pairs(self, losses, gradients, state, steps):
        """``(name, ours, the original's)`` of all that ``state`` holds.

        Args:
            losses, gradients (dict): Ours, of :meth:`step` and
                :meth:`gradients`; arrays are those of the network.
            state (dict): Of :meth:`source.OriginalRun.step`.
            steps (int): So many have put eps into its running variance.
        """
        for name in sorted(set(losses) & set(state)):
            yield name, losses[name], state[name]
        for name in sorted(gradients):
            yield f'grad.{name}', gradients[name], state[f'grad.{name}']
        for name in names_of(self.encoder):
            expected = state[f'after.{name}']
            if name.endswith('avg_var'):
                expected = expected - expected.dtype.type(
                    eps_in_variance(BATCH_SIZE, steps))
            yield f'after.{name}', array_of(self.encoder, name), expected


def start(trace, device=chainer.get_device('@numpy')):
    """A :class:`Replay` from the start of a trace of training steps."""
    return Replay(trace.name.split('_')[0], trace('init'), trace['x'],
                  trace['eps'], trace['d0'], device)


def tolerance_of(trace, key):
    """``rtol`` and ``atol`` for what should equal ``trace[key]``.

    Those that come with the traces: in float32 for a warm start.  0 passes
    where the recorded numbers are nothing but rounding, of which others have
    their own: gradients of biases below batch normalization; these biases,
    after a cold start; and then, in float32, the pairwise information, which
    is 1e-9 and not 1e-5, and its gradient of the last bias.
    """
    warm = trace.name.endswith('warm')
    after = key.startswith(('after', 'fwd_after'))
    is_bias = key.endswith(('l1.b', 'l2.b'))
    tolerance = trace.tolerance(key)
    if trace.dtype == 'd':
        if is_bias and after and warm:
            tolerance['atol'] = 1e-8
        return tolerance
    largest = float(abs(trace[key]).max())
    if is_bias and not (after and warm):
        atol = 10 * largest  # three times the most that was seen
    elif key == 'fwd_after5.y_test':
        # Follows the biases; after a cold start ten times what was seen.
        atol = 2e-2 if warm else 1e-2 * largest
    elif not warm:
        return tolerance
    elif key.startswith('after'):
        atol = 5e-3 if is_noise(key) else 1e-5
    else:
        atol = (3e-4 if key == 'pairwise_mi' else 1e-4) * largest
    return dict(rtol=0., atol=atol)


def check(trace, key, actual, expected=None, step=None):
    """A Comparison of ours with ``trace[key]``, or what follows from it."""
    return trace.compare(key, actual, expected, step,
                         **tolerance_of(trace, key))


def replay_steps(trace, device=chainer.get_device('@numpy')):
    """Comparisons of five updates with a trace, in the order of computing."""
    replay = start(trace, device)
    steps, n = trace['x'].shape[:2]
    for t in range(steps):
        for name, loss in replay.step().items():
            yield check(trace, name, loss, trace[name][t], t + 1)
        if t == 0:
            yield check(trace, 'vat1.r_adv',
                        replay.vat.inputs[1] - device.send(trace['x'][0]))
            for name, gradient in replay.gradients().items():
                yield check(trace, f'grad1.{name}', gradient)
        if t in (0, steps - 1):
            for name in names_of(replay.encoder):
                key = f'after{t + 1}.{name}'
                expected = trace[key]
                if name.endswith('avg_var'):
                    expected = expected - eps_in_variance(n, t + 1)
                yield check(trace, key, array_of(replay.encoder, name),
                            expected, t + 1)

    x = device.send(trace['x'][0])
    yield check(trace, 'fwd_after5.y_noubs',
                replay.encoder(x, update_statistics=False))
    for i in (1, 2):
        var = array_of(replay.encoder, f'bn{i}.avg_var')
        var += var.dtype.type(eps_in_variance(n, steps))
    with chainer.using_config('train', False):
        yield check(trace, 'fwd_after5.y_test', replay.encoder(x))


def replay_terms(trace, device=chainer.get_device('@numpy')):
    """Gradients of the regulariser and of the information by themselves."""
    for term in 'vat1', 'info1':
        replay = start(trace, device)
        encoder, objective = replay.encoder, replay.loss.objective
        n = len(trace['x'][0])
        y = encoder(replay.x[:n])
        loss, _ = objective(y)
        loss /= objective.lam
        if term == 'vat1':
            loss = replay.vat(encoder, objective.distance, replay.x[:n],
                              replay.radius[:n], y=y)
        encoder.cleargrads()
        loss.backward()
        yield check(trace, f'{term}.loss', loss)
        for name, gradient in replay.gradients().items():
            yield check(trace, f'{term}.grad.{name}', gradient)


def replay_forward(trace, device=chainer.get_device('@numpy')):
    """The three ways to normalise, before any update."""
    encoder = start(trace, device).encoder
    x = device.send(trace['x'][0])
    yield check(trace, 'fwd_init.y_noubs',
                encoder(x, update_statistics=False))
    for name in names_of(encoder):
        if 'avg' in name:  # nothing has changed so far
            yield trace.compare(f'init.{name}', array_of(encoder, name))
    yield check(trace, 'fwd_init.y_ubs', encoder(x))
    for name in trace('fwd_init.stats'):
        array = array_of(encoder, name)
        if name.endswith('avg_var'):
            array += array.dtype.type(eps_in_variance(len(x), 1))
        yield check(trace, f'fwd_init.stats.{name}', array)
    with chainer.using_config('train', False):
        yield check(trace, 'fwd_init.y_test', encoder(x))
