import numpy
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs

from imsat import InputError, clustering_accuracy
from imsat.files import load_npz
from imsat.links.autoencoder import Autoencoder, StudentClusters
from imsat.methods.autoencoder import DEC, DAEKMeans, SelfTraining
from imsat.training.snapshot import snapshots

X, Y = make_blobs(200, 10, centers=3, cluster_std=1.5, random_state=0)
SMALL = dict(hidden=(20, 15), n_code=4, batch_size=20, learning_rate=.02,
             random_state=0)
PHASES = ['layer-1', 'layer-2', 'layer-3', 'fine-tuning']


@pytest.fixture(scope='module')
def dec(tmp_path_factory):
    out = tmp_path_factory.mktemp('dec')
    return DEC(3, epochs=30, out=out, snapshot_seconds=0, **SMALL).fit(X, Y)


def test_phases(dec):
    log = dec.restarts_[0]['log']
    phases = [entry['phase'] for entry in log]
    assert list(dict.fromkeys(phases)) == [*PHASES, 'self-training']
    assert [phases.count(phase) for phase in PHASES] == [15, 15, 15, 30]
    assert [entry['epoch'] for entry in log] == list(range(1, len(log) + 1))
    # Every phase learns.
    for phase in PHASES:
        missed = [entry['main/reconstruction'] for entry in log
                  if entry['phase'] == phase]
        assert missed[-1] < .9 * missed[0], phase


def test_stops_when_few_points_change(dec):
    log = [entry for entry in dec.restarts_[0]['log']
           if entry['phase'] == 'self-training']
    changed = [entry['all/changed'] for entry in log]
    assert changed[-1] < .001
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


def test_changes_are_counted_from_the_last_epoch():
    # Centres all alike, for which every point starts in the first.
    network = StudentClusters(Autoencoder(10, (4,)).encoder.copy(),
                              numpy.zeros((3, 4), 'f'))
    training = SelfTraining(network, X.astype('f'), None)
    logits = numpy.zeros((200, 3))
    logits[:50, 1] = 1
    assert training._summarize(logits)['changed'] == .25
    assert training._summarize(logits)['changed'] == 0
    logits[:10, 2] = 2
    assert training._summarize(logits)['changed'] == .05


def test_tolerance_of_one_stops_at_once():
    model = DEC(3, epochs=2, tol=1.1, **SMALL).fit(X)
    assert [entry['phase'] for entry in model.restarts_[0]['log']
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
        def _run(self, x, labels, device, epochs, *args):
            raise StopIteration(epochs)
    with pytest.raises(StopIteration) as info:
        Counting(3, **{**SMALL, 'batch_size': 30}).fit(X)
    # 200 points are 6 batches of 30; 3334 epochs are 20,004 iterations.
    assert info.value.args == (3334,)


def test_resumed_at_any_phase(dec, tmp_path):
    whole = snapshots(dec.out / 'self-training')[-1]
    dec.save(tmp_path / 'whole.npz')
    for phase in (*PHASES, 'self-training'):
        # As if it had been killed after the first of its epochs left here.
        out = tmp_path / phase
        partial = DEC(3, epochs=30, out=out, snapshot_seconds=0, **SMALL)
        partial.set_params(out=out)
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
    assert [entry['phase'] for entry in model.restarts_[0]['log']
            ].count('self-training') == 4
