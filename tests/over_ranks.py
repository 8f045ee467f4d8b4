"""What several ranks compute against what one does, run by mpiexec.

    mpiexec -n 2 python tests/over_ranks.py FOLDER functions training

Prints a line of JSON: of each name, by check, the largest deviation, relative
to the largest number that one rank has; or what was said.  With ``dies N
SCRIPT OPTIONS`` in place of a folder rank 1 is killed in the N-th step of a
script.
"""
import functools
import json
import runpy
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'experiments'), str(ROOT / 'tests')]

import numpy  # noqa: E402
import scipy.sparse  # noqa: E402
from sklearn.datasets import load_digits  # noqa: E402

import imsat  # noqa: E402
import chainer  # noqa: E402
from imsat import functions as f  # noqa: E402
from imsat.estimators.deep_hash import deep_hash_losses  # noqa: E402
from imsat.functions import compiled  # noqa: E402
from imsat.links import TanhNetwork, corrupt  # noqa: E402
from imsat.ranks import ranks_of, sharing  # noqa: E402
from imsat.retrieval import index, pack_bits, scores  # noqa: E402
from imsat.training import plan  # noqa: E402
from imsat.training.evaluation import (  # noqa: E402
    predict_logits, regularization_of)
from original import replay  # noqa: E402
from original.comparison import Trace  # noqa: E402
from scripts import kill_at  # noqa: E402
from training_tests.test_plan import (  # noqa: E402
    METHODS, make, run, state_of)

# To compile takes its time.
compiled.get_numba = index.get_numba = lambda: None
NAME = 'naive'
RANKS = ranks_of(NAME)
N = 48


def joined(rows):
    return numpy.concatenate(RANKS.gather(rows))


def deviation(ours, expected):
    scale = abs(numpy.asarray(expected)).max()
    return float(abs(numpy.asarray(ours) - expected).max() / (scale or 1))


def terms_of(function):
    """The mean of 1, 2, 3 times a function's terms."""
    def weigh(y):
        return sum(i * term for i, term in enumerate(function(y), 1))
    return weigh


def batch_norm(mean, var):
    weights = numpy.random.default_rng(1).normal(size=(N, 5))

    def loss(x, gamma, beta):
        ranks = RANKS if len(x) < N else ranks_of(None)
        y = f.batch_normalization_relu(x, gamma, beta, 1e-5, mean, var)
        return chainer.functions.sum(y * ranks.rows(weights)) / len(x)
    return loss


def check_function(name, function, batch, constants=(), running=()):
    """A value and gradients; the function is a mean over points."""
    start = [a.copy() for a in running]
    whole = [chainer.Variable(a) for a in (*batch, *constants)]
    expected = function(*whole)
    expected.backward()
    kept = [a.copy() for a in running]
    for a, b in zip(running, start):
        a[...] = b
    parts = [chainer.Variable(RANKS.rows(a)) for a in batch] \
        + [chainer.Variable(a) for a in constants]
    with sharing(NAME):
        value = function(*parts)
        value.backward()
    yield name, deviation(RANKS.average(value.array)[0], expected.array)
    for i, (part, one) in enumerate(zip(parts, whole)):
        grad = joined(part.grad) / RANKS.size if i < len(batch) \
            else RANKS.average(part.grad)[0]
        yield f'{name}, gradient {i}', deviation(grad, one.grad)
    for i, (ours, one) in enumerate(zip(running, kept)):
        yield f'{name}, running {i}', deviation(ours, one)


def check_functions():
    rng = numpy.random.default_rng(0)
    # Ranks whose own statistics are far from those of all.
    y = 2 * rng.normal(size=(N, 6)) + numpy.arange(N)[:, None] / 10
    y1 = y + .3 * rng.normal(size=y.shape)
    prior = numpy.array([.1, .1, .1, .2, .2, .3])
    for eps in 1e-8, 0:
        for name, function in {
                'softmax_entropy': lambda y: f.softmax_entropy(y, eps=eps),
                'with a prior': lambda y: f.softmax_entropy(y, prior, eps),
                'sigmoid_mutual_information':
                lambda y: f.sigmoid_mutual_information(y, eps),
                'code_mutual_information':
                lambda y: f.code_mutual_information(y, (2, 4), eps)}.items():
            yield from check_function(f'{name}, {eps}', terms_of(function),
                                      [y])
        for name, distance in {
                'softmax_kl': f.softmax_kl, 'sigmoid_kl': f.sigmoid_kl,
                'code_kl': lambda *ys: f.code_kl(*ys, (2, 4), eps)}.items():
            yield from check_function(f'{name}, {eps}', distance, [y, y1])
    running = rng.normal(size=5), rng.uniform(1, 2, 5)
    yield from check_function(
        'batch_normalization_relu', batch_norm(*running), [y[:, :5]],
        [rng.normal(size=5), rng.normal(size=5)], running)
    network = TanhNetwork(6, (4, 3))
    for param in network.params():
        param.array = param.array.astype('d')
    y = numpy.tanh(y)
    one = deep_hash_losses(network, y)
    with sharing(NAME):
        ours = deep_hash_losses(network, y)
    for name, value in one.items():
        yield f'Deep Hash, {name}', deviation(
            RANKS.average(ours[name].array)[0], value.array)
    one = corrupt(y, numpy.random.default_rng(3), .5)
    with sharing(NAME):
        ours = corrupt(RANKS.rows(y), numpy.random.default_rng(3), .5)
    yield 'corrupt', deviation(joined(ours), one)


def check_training():
    """Losses and all parameters after some steps of every method."""
    for name, method in METHODS.items():
        steps = 20 if name in ('IMSAT (VAT)', 'hashing', 'codes') else 2
        if steps == 2 and RANKS.size > 2:
            continue
        one = make(*method, 'graph')
        expected = run(one, steps)
        for step in 'plan', 'graph':
            with sharing(NAME):
                updater = make(*method, step)
                if any(part in name for part in (
                        'affine', 'mirror', 'neighbours', 'nested')):
                    assert updater.step == 'graph'
                else:
                    assert updater.step == step
                ours = run(updater, steps)
            yield f'{name} by {updater.step}, losses', max(
                abs(a[key] - b[key]) / max(abs(b[key]), 1e-3)
                for a, b in zip(ours, expected) for key in b)
            states = state_of(updater), state_of(one)
            # The exact gradient of biases below a normalization is 0, and
            # the running means follow them.
            yield f'{name} by {updater.step}, parameters', max(
                deviation(states[0][key], value)
                for key, value in states[1].items()
                if value.dtype.kind == 'f' and key != 'update_seconds'
                and not key.endswith(('l1/b', 'l2/b', 'avg_mean', 'b/m',
                                      'b/v')))


def check_traces():
    """Five steps of the authors' code: how many numbers agree of how many."""
    for file in replay.STEP_FILES:
        for dtype in 'd', 'f':
            yield f'{file} in {dtype} by plan', replay_plan(
                Trace(file, dtype))
        with sharing(NAME):
            # But for what a rank has of its own rows alone.
            agree = [c.agrees for c in replay.replay_steps(Trace(file))
                     if c.quantity not in (
                         'kl_xi', 'vat1.r_adv', 'fwd_after5.y_noubs')]
        yield f'{file} by graph', [sum(agree), len(agree)]


def replay_plan(trace):
    directions, draw_rows = iter(trace['d0']), plan.draw_rows
    plan.draw_rows = lambda *args: next(directions)
    start, agree = replay.start(trace), []
    start.loss.regularizer = imsat.VAT(xi=10.)
    steps, n = trace['x'].shape[:2]
    with sharing(NAME):
        planned = plan.Plan(start.optimizer, start.loss)
        for t in range(steps):
            terms = planned(start.x, numpy.arange(t * n, (t + 1) * n), t)
            for theirs, ours in (('loss_total', 'loss'), ('loss_vat', 'sat')):
                agree.append(replay.check(trace, theirs, terms[ours],
                                          trace[theirs][t]).agrees)
    plan.draw_rows = draw_rows
    for name in replay.names_of(start.encoder):
        key = f'after{steps}.{name}'
        agree.append(replay.check(
            trace, key, replay.array_of(start.encoder, name), trace[key]
            - name.endswith('avg_var')
            * replay.eps_in_variance(n, steps)).agrees)
    return [sum(agree), len(agree)]


class Dropout(imsat.Regularizer):
    """One of a user's own, which knows nothing of ranks."""

    def __call__(self, network, distance, x, radius=None, y=None, rng=None):
        moved = x * (rng.random(x.shape) < .9)
        return distance(y, network(moved.astype(x.dtype),
                                   update_statistics=False))


def check_evaluation():
    updater = make(*METHODS['IMSAT (VAT)'])
    network = updater.get_optimizer('main').target
    x = numpy.random.default_rng(0).normal(size=(2500, 16))
    one = predict_logits(network, x)
    sat = regularization_of(updater.loss, network, updater.x, 20)
    own = make(imsat.ClusteringObjective(), Dropout(), (12,), 4)
    expected = run(own, 5)[-1]['main/loss']
    with sharing(NAME):
        yield 'logits of all data', deviation(predict_logits(network, x), one)
        yield 'R of all data', deviation(
            regularization_of(updater.loss, network, updater.x, 20), sat)
        own = make(imsat.ClusteringObjective(), Dropout(), (12,), 4)
        yield 'a regulariser of one\'s own', deviation(
            run(own, 5)[-1]['main/loss'], expected)


def check_estimators(folder):
    """In float32, after so few steps that what rounding says is small."""
    x = load_digits().data[:400] / 8 - 1
    common = dict(epochs=2, batch_size=100, random_state=0)
    imsats = dict(**common, hidden=(20,))
    codes = dict(**common, hidden=(20,), n_code=4, n_init=2)
    for name, estimator, arguments in (
            ('clustering', imsat.IMSATClustering, dict(imsats, n_init=2)),
            ('hashing', imsat.IMSATHasher, imsats),
            ('RPT', imsat.IMSATClustering, dict(imsats, regularizer='rpt')),
            ('RIM', imsat.IMSATClustering,
             dict(imsats, regularizer='weight-decay')),
            ('affine', imsat.IMSATClustering, dict(
                imsats, regularizer='affine', image_shape=(8, 8))),
            ('dAE', imsat.DAEKMeans, codes),
            ('halves', imsat.IMSATClustering, dict(
                imsats, n_init=2, halving=True, select='agreement',
                regularizer='vat-neighbor')),
            ('consensus', imsat.IMSATClustering, dict(
                imsats, n_init=2, select='consensus')),
            ('DEC', imsat.DEC, dict(codes, max_epochs=2)),
            ('Deep Hash', imsat.DeepHasher, common)):
        one = estimator(**arguments).fit(x)
        ours = estimator(**arguments, communicator=NAME).fit(x)
        yield f'{name}, objective', deviation(ours.objective_, one.objective_)
        same = RANKS.gather(
            chainer.serializers.npz.serialize(ours.encoder_))
        yield f'{name}, between ranks', max(
            deviation(other[key], same[0][key])
            for other in same for key in other)

    # Of groups of unlike sizes that lie apart.
    groups = numpy.repeat(numpy.eye(3), (300, 60, 40), axis=0) * 9 \
        + numpy.random.default_rng(0).normal(size=(400, 3))
    one, ours = (imsat.IMSATClustering(3, **{
        **imsats, 'epochs': 250}, communicator=name).fit(groups)
        for name in (None, NAME))
    yield 'second start, starts', [
        [restart.terms['start'] for restart in model.restarts_]
        for model in (one, ours)]
    yield 'second start, others', int((ours.labels_ != one.labels_).sum())

    def fit(epochs, resume, communicator, **arguments):
        return imsat.IMSATClustering(**{
            **imsats, 'epochs': epochs, 'resume': resume,
            'communicator': communicator, 'snapshot_seconds': 0,
            **arguments}).fit(x)
    whole = fit(4, False, NAME)
    fit(2, True, NAME, out=folder)  # from no snapshot
    again = fit(4, True, NAME, out=folder)
    yield 'resumed', deviation(again.encoder_.l1.W.array,
                               whole.encoder_.l1.W.array)
    if not RANKS.rank:
        (Path(folder) / 'snapshot-000004.npz').unlink()
        alone = fit(4, True, None, out=folder)
        yield 'resumed by one', deviation(alone.objective_, whole.objective_)
        (Path(folder) / 'snapshot-000004.npz').unlink()
    RANKS.gather(0)

    last = RANKS.rank == RANKS.size - 1
    for name, arguments, points in (
            ('epochs', dict(epochs=2 + last), x),
            ('points', {}, x + last),
            ('random_state', dict(random_state=int(last)), x)):
        try:
            imsat.IMSATClustering(
                **{**imsats, **arguments}, communicator=NAME).fit(points)
            said = ''
        except imsat.InputError as e:
            said = str(e)
        yield f'another {name}', RANKS.gather(said)


def check_neighbors(folder):
    x = numpy.random.default_rng(0).normal(size=(2300, 5))
    x[700:720] = x[3]
    for name, points, k in (
            ('dense', x, 4), ('few', x[:3], 2),
            ('sparse', scipy.sparse.csr_array(numpy.maximum(x, 0)), 4)):
        one = imsat.neighbors(points, k)
        with sharing(NAME):
            ours = imsat.neighbors(points, k)
            kept = imsat.neighbors(points, k, folder)
        for which, a, b, c in zip(('distances', 'places'), one, ours, kept):
            yield f'neighbors, {name}, {which}', deviation(b, a)
            yield f'neighbors, {name}, {which}, kept', deviation(c, a)
    one = imsat.neighbor_distance(x, 4, method='sampled')
    with sharing(NAME):
        ours = imsat.neighbor_distance(x, 4, method='sampled')
    yield 'neighbors, sampled', max(
        deviation(each, one) for each in RANKS.gather(ours))


def check_retrieval():
    """A gallery of many ties, of which each rank has a shard."""
    rng = numpy.random.default_rng(0)
    labels = rng.integers(0, 4, 130)
    for name, n_bits, codes in (
            ('bits', 6, pack_bits(rng.integers(0, 2, (130, 6)))),
            ('heads', None, rng.integers(0, 3, (130, 4)).astype('u1'))):
        sets = codes[:30], labels[:30], codes[30:], labels[30:], n_bits
        one = [scores.calc_relevance_of_first(*sets, k) for k in (7, 100)]
        expected = scores.retrieval_scores(*sets, 20)
        with sharing(NAME):
            for k, right in zip((7, 100), one):
                yield f'retrieval, {name}, first {k}', int((
                    scores.calc_relevance_of_first(*sets, k) != right).sum())
            ours = scores.retrieval_scores(*sets, 20)
        yield f'retrieval, {name}, scores', max(
            deviation(ours[key], expected[key]) for key in expected)


def check_on_disk(folder):
    """Points on disk, in order, by all ranks and by one."""
    x = load_digits().data[:400] / 8 - 1
    path = Path(folder) / 'x.npy'
    if not RANKS.rank:
        numpy.save(path, x)
    RANKS.gather(0)
    there = numpy.load(path, mmap_mode='r')
    make = functools.partial(
        imsat.IMSATClustering, epochs=2, batch_size=100, random_state=0,
        hidden=(20,), sampling='shuffle-buffer')
    one = make().fit(x)
    alone = make().fit(there)
    ours = make(communicator=NAME).fit(there)
    yield 'on disk, alone', deviation(alone.objective_, one.objective_)
    yield 'on disk, objective', deviation(ours.objective_, one.objective_)


def main(folder, names):
    warnings.simplefilter('ignore', UserWarning)
    found = {}
    for name, check in dict(
            functions=check_functions(), training=check_training(),
            traces=check_traces(), evaluation=check_evaluation(),
            estimators=check_estimators(folder),
            neighbors=check_neighbors(folder), retrieval=check_retrieval(),
            disk=check_on_disk(folder)).items():
        if name in names:
            found[name] = dict(check)
    if not RANKS.rank:
        print(json.dumps(found))


def die(n, script, *options):
    if RANKS.rank == 1:
        kill_at('imsat.training.updater', 'Updater.update_core', int(n))
    sys.argv = [str(ROOT / 'experiments' / f'{script}.py'), *options]
    runpy.run_path(sys.argv[0], run_name='__main__')


if __name__ == '__main__':
    if sys.argv[1] == 'dies':
        die(*sys.argv[2:])
    else:
        main(sys.argv[1], sys.argv[2:])
