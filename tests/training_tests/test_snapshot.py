"""A run goes on from a snapshot of the same run alone, and as far as asked."""
import json

import chainer
import numpy
import pytest

import imsat
from imsat import InputError
from imsat.parameters import Auto, Choice, Flag, declarations
from imsat.storage import load_npz, save_npz
from imsat.training import Adam, IndexIterator, Updater
from imsat.training.snapshot import Snapshot, resume_from, snapshots

X = numpy.random.RandomState(0).normal(size=(40, 6)).astype('f')
QUICK = dict(hidden=(4,), batch_size=20, random_state=0, n_neighbors=3,
             snapshot_seconds=0, n_code=2, max_epochs=2, tol=0.)


def quickly(cls):
    """Arguments with which an estimator is soon fitted."""
    return {name: value for name, value in QUICK.items()
            if name in declarations(cls)}


def fit(cls, path=None, **arguments):
    """The bytes of the model that is saved, but for its arguments."""
    model = cls(2, **{**quickly(cls), **arguments}).fit(X)
    if path is None:
        return model
    model.save(path)
    arrays = load_npz(path)
    del arrays['arguments']
    return {name: array.tobytes() for name, array in arrays.items()}


@pytest.mark.parametrize('cls,arguments', [
    (imsat.IMSATClustering, dict(delta=1e-4)),
    (imsat.IMSATClustering, dict(n_init=2)), (imsat.IMSATHasher, {}),
    (imsat.DeepHasher, dict(sampling='sweep')), (imsat.DAEKMeans, {}),
    pytest.param(imsat.DEC, {}, marks=pytest.mark.slow),
    (imsat.DEC, dict(max_epochs=4))])
def test_more_epochs(tmp_path, cls, arguments):
    path, out = tmp_path / 'model.npz', tmp_path / 'out'
    whole = fit(cls, path, epochs=4, **arguments)
    first = {**arguments, 'max_epochs': 1} if 'max_epochs' in arguments \
        else arguments
    fit(cls, epochs=2, out=out, **first)
    assert fit(cls, path, epochs=4, out=out, resume=True,
               **arguments) == whole
    # And once more, when it is there.
    assert fit(cls, path, epochs=4, out=out, resume=True,
               **arguments) == whole


def test_more_restarts(tmp_path):
    path, out = tmp_path / 'model.npz', tmp_path / 'out'
    whole = fit(imsat.IMSATClustering, path, epochs=2, n_init=3)
    fit(imsat.IMSATClustering, epochs=2, n_init=2, out=out)
    before = snapshots(out / 'restart-1')[-1].stat().st_mtime_ns
    assert fit(imsat.IMSATClustering, path, epochs=2, n_init=3, out=out,
               resume=True) == whole
    assert snapshots(out / 'restart-1')[-1].stat().st_mtime_ns == before


@pytest.mark.parametrize('cls', [imsat.IMSATClustering, imsat.DEC])
def test_fewer_epochs(tmp_path, cls):
    fit(cls, epochs=4, out=tmp_path)
    kept = {path: path.read_bytes() for path in tmp_path.rglob('*.npz')}
    with pytest.raises(InputError, match=r'is of epoch \d, but no more than'):
        fit(cls, epochs=2, out=tmp_path, resume=True)
    assert kept == {path: path.read_bytes()
                    for path in tmp_path.rglob('*.npz')}


def other(cls, name, declaration, value):
    """Another value that a parameter of an estimator may have."""
    objective = imsat.HashingObjective(lam=.2) \
        if cls is imsat.IMSATHasher else imsat.ClusteringObjective(mu=1.)
    given = dict(random_state=1, hidden=(5,), prior=[.4, .6], delta=.1,
                 regularizer=imsat.RPT(), image_shape=(2, 3), n_clusters=3,
                 n_bits=3, distortion=dict(shear=.1), n_code=3,
                 objective=objective, batch_size=10)
    if name in given:
        return given[name]
    if isinstance(declaration.kind, Auto):
        return 7
    if isinstance(declaration.kind, Choice):
        return next(n for n in declaration.kind.names if n != value)
    assert not isinstance(declaration.kind, Flag)
    return value / 2 or .5 if isinstance(value, float) else value + 1


@pytest.mark.parametrize('cls', [
    imsat.IMSATClustering, imsat.IMSATHasher, imsat.DeepHasher, imsat.DEC])
def test_what_it_was_made_with(tmp_path, cls):
    model = fit(cls, epochs=1, out=tmp_path)
    for name, declaration in declarations(cls).items():
        if declaration.how or name in (
                'epochs', 'max_epochs', 'select', 'halving') \
                or name == 'n_init' and cls is not imsat.DEC:
            continue
        now = other(cls, name, declaration, getattr(model, name))
        changed = dict(epochs=1, out=tmp_path, resume=True, **{name: now})
        with pytest.raises(InputError) as info:
            if name in ('n_clusters', 'n_bits'):
                cls(**{**quickly(cls), **changed}).fit(X)
            else:
                fit(cls, **changed)
        message = str(info.value)
        assert f'another {name} (' in message and '\n' not in message, name
        if isinstance(now, float | int | str):
            assert f'and not {now})' in message


def test_another_estimator(tmp_path):
    fit(imsat.IMSATClustering, epochs=1, out=tmp_path)
    with pytest.raises(InputError, match='another estimator .IMSATClustering '
                                         'and not IMSATHasher'):
        fit(imsat.IMSATHasher, epochs=1, out=tmp_path, resume=True)


def test_a_function_of_ones_own(tmp_path):
    def still(x, rng):
        return x

    def mirrored(x, rng):
        return x[:, ::-1]
    arguments = dict(epochs=1, out=tmp_path)
    fit(imsat.IMSATHasher, regularizer=imsat.Augmentation(still), **arguments)
    fit(imsat.IMSATHasher, regularizer=imsat.Augmentation(still), resume=True,
        **arguments)
    with pytest.raises(InputError, match='another regularizer .*mirrored'):
        fit(imsat.IMSATHasher, regularizer=imsat.Augmentation(mirrored),
            resume=True, **arguments)


def test_other_data(tmp_path):
    fit(imsat.IMSATClustering, epochs=1, out=tmp_path)
    with pytest.raises(InputError, match='other data'):
        imsat.IMSATClustering(2, epochs=1, out=tmp_path, resume=True, **{
            name: value for name, value in QUICK.items()
            if name in declarations(imsat.IMSATClustering)}).fit(X + 1)


def test_dec_takes_over_the_phases_of_its_autoencoder(tmp_path):
    path = tmp_path / 'model.npz'
    whole = fit(imsat.DEC, path, epochs=2)
    fit(imsat.DAEKMeans, epochs=2, out=tmp_path / 'out')
    before = snapshots(tmp_path / 'out' / 'fine-tuning')[-1].stat().st_mtime_ns
    assert fit(imsat.DEC, path, epochs=2, out=tmp_path / 'out',
               resume=True) == whole
    assert snapshots(tmp_path / 'out' / 'fine-tuning')[-1].stat(
        ).st_mtime_ns == before


def test_every_array_is_checked(tmp_path):
    rim = dict(out=tmp_path, regularizer='weight-decay')
    fit(imsat.IMSATClustering, epochs=2, **rim)
    first, path = snapshots(tmp_path)
    first.unlink()
    arrays = load_npz(path)
    del arrays['extensions/LogReport/_summary/_names']

    def refuse(arrays, match=r'000002\.npz'):
        numpy.savez(path, **arrays)
        with pytest.raises(InputError, match=match) as info:
            fit(imsat.IMSATClustering, epochs=3, resume=True, **rim)
        assert '\n' not in str(info.value)
    refuse(arrays, '_names is missing')
    arrays = {**arrays, 'extensions/LogReport/_summary/_names': '[]'}
    # One of each kind.
    for name in {key.rpartition('/')[2]: key for key in arrays}.values():
        array = numpy.asarray(arrays[name])
        refuse({key: a for key, a in arrays.items() if key != name})
        refuse({**arrays, name: array[None]})
        refuse({**arrays, name: array.astype('S')
                if array.dtype.kind == 'U' else array.astype(complex)})
        if array.ndim:
            refuse({**arrays, name: array.ravel()[0]})
            refuse({**arrays, name: array.ravel()[:1]})
            refuse({**arrays, name: array * numpy.nan})
        elif array.dtype.kind == 'i':
            refuse({**arrays, name: array - 1000})
            refuse({**arrays, name: array + .5})
    refuse({**arrays, 'updater/model:main/l9/W': X})
    for text in '', '{}', '3', '{"a"', '[1]', '[' * 10 ** 5:
        refuse({**arrays, 'extensions/LogReport/_log': text})
        refuse({**arrays, 'made_with': text})


def test_a_snapshot_of_an_earlier_version(tmp_path):
    fit(imsat.IMSATClustering, epochs=1, out=tmp_path)
    path, = snapshots(tmp_path)
    arrays = load_npz(path)
    made_with = json.loads(str(arrays.pop('made_with')))
    assert made_with['lam'] == .1 and made_with['n_clusters'] == 2
    save_npz(path, arrays)
    with pytest.raises(InputError, match='does not say what it was made with'):
        fit(imsat.IMSATClustering, epochs=1, out=tmp_path, resume=True)


def test_epochs_of_a_million_and_more(tmp_path):
    """Of more digits: 1,000,000 comes after 999,999."""
    epochs = 7, 999_999, 1_000_000, 2_000_000, 10_000_000
    names = [f'snapshot-{epoch:06d}.npz' for epoch in epochs]
    for name in *names[::-1], 'snapshot-12345.npz', 'snapshot-0000008.npz', \
            'snapshot-mine.npz', 'snapshot-1000000.npz.bak':
        (tmp_path / name).touch()
    assert [path.name for path in snapshots(tmp_path)] == names


def test_a_run_goes_on_beyond_a_million_epochs(tmp_path):
    """The newest is loaded, and what is old removed."""
    def trainer(epochs, epoch=0):
        iterator = IndexIterator(40, 40)  # an epoch is one step
        iterator.iteration = epoch
        network = imsat.Encoder(6, 1, hidden=())
        updater = Updater(
            iterator, Adam().setup(network), X, lambda network, x, *_: {
                'loss': chainer.functions.mean(network(x))})
        return chainer.training.Trainer(
            updater, (epochs, 'epoch'),
            extensions=[Snapshot(tmp_path, epochs, 0, {})])
    trainer(1_000_001, 999_997).run()
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        'snapshot-1000000.npz', 'snapshot-1000001.npz']
    resumed = trainer(1_000_002)
    resume_from(tmp_path, resumed, 1_000_002, {})
    assert resumed.updater.epoch == 1_000_001


@pytest.mark.parametrize('damaged', [1, 2])
def test_damaged_ones_are_passed_over(tmp_path, damaged):
    path, out = tmp_path / 'model.npz', tmp_path / 'out'
    whole = fit(imsat.IMSATClustering, path, epochs=4)
    fit(imsat.IMSATClustering, epochs=3, out=out)
    for snapshot in snapshots(out)[-damaged:]:
        content = bytearray(snapshot.read_bytes())
        weights = load_npz(snapshot)['updater/model:main/l1/W'].tobytes()
        content[content.index(weights)] ^= 1
        snapshot.write_bytes(content)
    then = 'going back' if damaged == 1 else 'starting over'
    with pytest.warns(UserWarning, match=then):
        assert fit(imsat.IMSATClustering, path, epochs=4, out=out,
                   resume=True) == whole
    # Two are whole again.
    assert [snapshot.name for snapshot in snapshots(out)] == [
        'snapshot-000003.npz', 'snapshot-000004.npz']
    assert [load_npz(snapshot).keys() for snapshot in snapshots(out)]
