import chainer
import numpy
import pytest
import scipy.sparse
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from imsat import InputError, clustering_accuracy
from imsat.storage import load_npz
from imsat.links.autoencoder import Autoencoder, StudentClusters
from imsat.estimators.autoencoder import (
    DEC, DAEKMeans, SelfTraining, denoising_loss)
from imsat.training.iterators import IndexIterator
from imsat.training.phases import Phases
from imsat.training.session import Session
from imsat.randomness import NOISE, generator
from imsat.training.snapshot import snapshots

X, Y = make_blobs(200, 10, centers=3, cluster_std=1.5, random_state=0)
SMALL = dict(hidden=(20, 15), n_code=4, batch_size=20, learning_rate=.02,
             random_state=0)
PHASES = ['layer-1', 'layer-2', 'layer-3', 'fine-tuning']


@pytest.fixture(scope='module')
def dec(tmp_path_factory):
    out = tmp_path_factory.mktemp('dec')
    # At a tenth of this rate no point changes in the first epoch.
    return DEC(3, epochs=30, self_training_rate=.1, out=out,
               snapshot_seconds=0, **SMALL).fit(X, Y)


def test_phases(dec):
    log = dec.restarts_[0].log
    phases = [entry['phase'] for entry in log]
    assert list(dict.fromkeys(phases)) == [*PHASES, 'self-training']
    assert [phases.count(phase) for phase in PHASES] == [15, 15, 15, 30]
    assert [entry['epoch'] for entry in log] == list(range(1, len(log) + 1))
    # Every phase learns.
    for phase in PHASES:
        missed = [entry['main/reconstruction'] for entry in log
                  if entry['phase'] == phase]
        assert missed[-1] < .9 * missed[0], phase


def test_a_layer_learns_alone(dec):
    weights = [{key.split(':main/')[1]: value
                for key, value in load_npz(snapshots(dec.out / phase)[-1]
                                           ).items() if '/model:' in key}
               for phase in PHASES]
    for i in (1, 2):
        changed = {key for key, value in weights[i].items()
                   if (value != weights[i - 1][key]).any()}
        assert changed == {f'{coder}/{i}/{name}' for coder in
                           ('encoder', 'decoder') for name in 'Wb'}
    assert all((value != weights[2][key]).any()
               for key, value in weights[3].items())


def masks(rng, rate, *shapes):
    return [(rng.random(shape, dtype='f') >= rate) / (1 - rate)
            for shape in shapes]


def test_denoising_loss_by_hand():
    rng = numpy.random.RandomState(0)
    model, x = Autoencoder(5, (6, 4, 3)), rng.normal(size=(7, 5))
    for param in model.params():
        param.array = rng.normal(0, .5, param.shape)
        param.cleargrad()
    loss = denoising_loss(1, .3, 8, model, x, None, 11)['loss']

    (w0, b0), (w1, b1) = ((layer.W.array, layer.b.array)
                          for layer in model.encoder[:2])
    w, b = model.decoder[1].W.array, model.decoder[1].b.array
    h = numpy.maximum(x @ w0.T + b0, 0)
    first, second = masks(generator(8, NOISE, 11, 1), .3, (7, 6), (7, 4))
    code = numpy.maximum(h * first @ w1.T + b1, 0)
    y = numpy.maximum(code * second @ w.T + b, 0)
    numpy.testing.assert_allclose(loss.array, ((y - h) ** 2).mean(), 1e-6)
    # What the layer has to reconstruct is no part of what learns.
    loss.backward()
    assert {name for name, param in model.namedparams()
            if param.grad is not None} == {
        '/encoder/1/W', '/encoder/1/b', '/decoder/1/W', '/decoder/1/b'}


def test_noise_of_the_first_step():
    # A linear layer; points all alike, whose order doesn't matter.
    x = numpy.tile(numpy.random.RandomState(1).normal(size=500), (4, 1))
    model = DAEKMeans(1, hidden=(), n_code=800, noise=.3, epochs=1,
                      batch_size=4, random_state=7, center='never').fit(x)
    initial = Autoencoder(500, (800,), numpy.random.RandomState(7))
    x = x - x.min()
    x /= (x ** 2).mean() ** .5
    first, second = masks(generator(7, NOISE, 0, 0), .3, (4, 500), (4, 800))
    y = (x * first @ initial.encoder[0].W.array.T * second
         ) @ initial.decoder[0].W.array.T
    numpy.testing.assert_allclose(
        model.restarts_[0].log[0]['main/reconstruction'],
        ((y - x) ** 2).mean(), 1e-5)


def test_stops_when_few_points_change(dec):
    log = [entry for entry in dec.restarts_[0].log
           if entry['phase'] == 'self-training']
    changed = [entry['all/changed'] for entry in log]
    assert len(changed) > 2 and changed[-1] < .001
    assert all(share >= .001 for share in changed[:-1])
    assert log[-1]['all/accuracy'] == clustering_accuracy(Y, dec.labels_) > .9
    # P of its own Q: the objective by hand.
    q = dec.predict_proba(X)
    numpy.testing.assert_array_equal(q.argmax(axis=1), dec.labels_)
    p = q ** 2 / q.sum(axis=0)
    p /= p.sum(axis=1, keepdims=True)
    numpy.testing.assert_allclose(
        dec.objective_, (p * numpy.log(p / q)).sum() / len(q), 1e-4)
    z, mu = dec.transform(X), dec.encoder_.centers.array
    numpy.testing.assert_allclose(
        q, (lambda t: t / t.sum(axis=1, keepdims=True))(
            1 / (1 + ((z[:, None] - mu) ** 2).sum(axis=2))), 1e-4)


def self_training_by_hand(x, mu, rate, epochs):
    """Xie et al. (2016) for the code W x + b, where W = I and b = 0 before:
    the log, and W, b and mu after it."""
    params = [numpy.eye(3), numpy.zeros(3), mu.copy()]
    velocities = [numpy.zeros_like(param) for param in params]
    batches = IndexIterator(40, 20, 'sweep', seed=0)

    def assign(x):
        difference = (x @ params[0].T + params[1])[:, None] - params[2]
        t = 1 / (1 + (difference ** 2).sum(axis=2))
        return t / t.sum(axis=1, keepdims=True), t, difference

    def all_data():
        q = assign(x)[0]
        p = q ** 2 / q.sum(axis=0)
        p /= p.sum(axis=1, keepdims=True)
        return p, q.argmax(axis=1), (p * numpy.log(p / q)).sum() / 40

    log, (p, labels, _) = [], all_data()
    for _ in range(epochs):
        losses = []
        for _ in range(2):
            index = next(batches)
            q, t, difference = assign(x[index])
            losses.append((p[index] * numpy.log(p[index] / q)).sum() / 20)
            # Eqs. 4 and 5, of the mean.
            g = (2 * t * (p[index] - q))[:, :, None] * difference / 20
            gz, gmu = g.sum(axis=1), -g.sum(axis=0)
            for param, v, gradient in zip(params, velocities, (
                    gz.T @ x[index], gz.sum(axis=0), gmu)):
                v *= .9
                v -= rate * gradient
                param += v
        before = labels
        p, labels, divergence = all_data()
        log.append((numpy.mean(losses), (labels != before).mean(),
                    divergence))
    return numpy.array(log), params


def test_self_training_by_hand():
    rng = numpy.random.RandomState(0)
    x, mu = rng.normal(size=(40, 3)), rng.normal(size=(3, 3))
    network = StudentClusters(chainer.ChainList(
        chainer.links.Linear(3, 3, initialW=numpy.eye(3))), mu.copy())
    for param in network.params():
        param.array = param.array.astype('d')
    model = DEC(3, batch_size=20, self_training_rate=.5, tol=0, max_epochs=6)
    phases = Phases(Session(), x, 20, 'sweep', 0)
    model.train_clusters(network, x, None, phases)

    expected, params = self_training_by_hand(x, mu, .5, 6)
    assert (expected[:, 1] > 0).sum() > 3
    actual = [[entry[key] for key in (
        'main/loss', 'all/changed', 'all/divergence')] for entry in phases.log]
    # P is in single precision.
    numpy.testing.assert_allclose(actual, expected, 1e-5)
    layer = network.encoder[0]
    for param, value in zip((layer.W, layer.b, network.centers), params):
        numpy.testing.assert_allclose(param.array, value, 1e-5)


def test_changes_are_counted_from_the_last_epoch():
    # Centres all alike, for which every point starts in the first.
    network = StudentClusters(Autoencoder(10, (4,)).encoder.copy(),
                              numpy.zeros((3, 4), 'f'))
    training = SelfTraining(network, X.astype('f'), None)
    logits = numpy.zeros((200, 3))
    logits[:50, 1] = 1
    assert training.update(logits)['changed'] == .25
    assert training.update(logits)['changed'] == 0
    logits[:10, 2] = 2
    assert training.update(logits)['changed'] == .05


def test_tolerance_of_one_stops_at_once():
    model = DEC(3, epochs=2, tol=1.1, **SMALL).fit(X)
    assert [entry['phase'] for entry in model.restarts_[0].log
            ].count('self-training') == 1


def test_dae_kmeans_is_kmeans_of_its_code():
    model = DAEKMeans(3, epochs=10, **SMALL).fit(X)
    kmeans = KMeans(3, n_init=12, random_state=0).fit(model.transform(X))
    assert clustering_accuracy(kmeans.labels_, model.labels_) == 1
    numpy.testing.assert_allclose(model.objective_, kmeans.inertia_, 1e-5)


def test_scale():
    model = DAEKMeans(3, epochs=1, **SMALL).fit(X)
    x = (X - model.shift_) * model.scale_
    assert abs(x.min()) < 1e-6
    numpy.testing.assert_allclose((x ** 2).mean(), 1, 1e-5)


def test_many_iterations_by_default():
    class Counting(DAEKMeans):
        def train_code(self, phases, device, epochs, seed):
            raise StopIteration(epochs)
    with pytest.raises(StopIteration) as info:
        Counting(3, **{**SMALL, 'batch_size': 30}).fit(X)
    # 200 points are 6 batches of 30; 3334 epochs are 20,004 iterations.
    assert info.value.args == (3334,)


@pytest.mark.parametrize('killed_in', [
    ('layer-2', 'self-training'), pytest.param(
        ('layer-1', 'layer-3', 'fine-tuning'), marks=pytest.mark.slow)])
def test_resumed_at_any_phase(tmp_path, killed_in):
    dec = DEC(3, epochs=4, max_epochs=3, tol=0, out=tmp_path / 'whole',
              snapshot_seconds=0, **SMALL).fit(X, Y)
    whole = snapshots(dec.out / 'self-training')[-1]
    dec.save(tmp_path / 'whole.npz')
    for phase in killed_in:
        # As if it had been killed after the first of its epochs left here.
        out = tmp_path / phase
        partial = DEC(**{**dec.get_params(), 'out': out})
        done = [*PHASES, 'self-training']
        for earlier in done[:done.index(phase) + 1]:
            (out / earlier).mkdir(parents=True)
            kept = snapshots(dec.out / earlier)
            for path in kept[:-1] if earlier == phase else kept:
                (out / earlier / path.name).write_bytes(path.read_bytes())
        partial.set_params(resume=True).fit(X, Y)
        partial.save(tmp_path / 'resumed.npz')
        assert (tmp_path / 'whole.npz').read_bytes() == (
            tmp_path / 'resumed.npz').read_bytes()
    assert load_npz(whole)


@pytest.mark.parametrize('arguments,message', [
    (dict(noise=1), 'less than 1'), (dict(n_code=0), 'n_code'),
    (dict(n_clusters=201), 'at most 200'), (dict(max_epochs=0), 'max_epochs')])
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        DEC(**{'n_clusters': 3, **SMALL, **arguments}).fit(X)


def test_no_tolerance_runs_to_the_end():
    model = DEC(3, epochs=2, tol=0, max_epochs=4, **SMALL).fit(X)
    assert [entry['phase'] for entry in model.restarts_[0].log
            ].count('self-training') == 4


@pytest.mark.parametrize('options', [
    {}, dict(scale='standard'), dict(center='never')])
def test_sparse_points_after_a_fit_of_dense_ones(options):
    # Sparse or not, they are the same points.
    x = X + 3
    model = DEC(3, epochs=2, max_epochs=1, **SMALL, **options).fit(x)
    assert model.shift_
    for kind in scipy.sparse.csr_matrix, scipy.sparse.csr_array:
        numpy.testing.assert_array_equal(model.predict(kind(x)),
                                         model.labels_)
        for method in model.transform, model.predict_proba:
            numpy.testing.assert_allclose(method(kind(x)), method(x), 1e-4,
                                          1e-6)
