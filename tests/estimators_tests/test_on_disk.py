"""Points that are memory-mapped are learnt from as those in memory."""
import importlib
import tracemalloc
import warnings

import numpy
import pytest
from sklearn.datasets import make_blobs

import imsat
from imsat import InputError, on_disk
from imsat.estimators import base, centering, selection
from imsat.on_disk import OnDisk
from imsat.training import evaluation

neighbors = importlib.import_module('imsat.neighbors')  # not the function
X, Y = make_blobs(330, 6, centers=4, random_state=0)
SHORT = dict(hidden=(10,), epochs=2, batch_size=50, random_state=0)
MAKERS = {
    'clusters': lambda **kw: imsat.IMSATClustering(4, **SHORT, **kw),
    'prior': lambda **kw: imsat.IMSATClustering(
        4, prior=[.1, .2, .3, .4], **SHORT, **kw),
    'bits': lambda **kw: imsat.IMSATHasher(3, **SHORT, **kw),
    'codes': lambda **kw: imsat.IMSATHasher(
        2, objective=imsat.CodeObjective((3, 3)), **SHORT, **kw)}


@pytest.fixture(autouse=True)
def short_trainings_collapse():
    warnings.simplefilter('ignore', imsat.CollapseWarning)


@pytest.fixture
def mapped(tmp_path, monkeypatch):
    """``mapped(x)``: x on disk, which is never read as a whole."""
    def read_all(self, dtype=None, copy=None):
        raise AssertionError('all points were copied')
    monkeypatch.setattr(OnDisk, '__array__', read_all)

    def save(x):
        numpy.save(tmp_path / 'x.npy', x)
        return numpy.load(tmp_path / 'x.npy', mmap_mode='r')
    return save


def same(model, other, x):
    assert model.objective_ == other.objective_
    numpy.testing.assert_array_equal(model.center_, other.center_)
    for ours, theirs in zip(model.encoder_.params(),
                            other.encoder_.params()):
        numpy.testing.assert_array_equal(ours.array, theirs.array)
    numpy.testing.assert_array_equal(model.predict_proba(x[:20]),
                                     other.predict_proba(x[:20]))
    numpy.testing.assert_array_equal(model.transform(x), other.transform(x))


@pytest.mark.parametrize('make', MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize('options', [
    {}, {'scale': 'standard'}, {'regularizer': 'weight-decay'},
    {'step': 'graph'}], ids=str)
def test_bit_for_bit(tmp_path, make, options):
    x = X + 100  # which is moved
    numpy.save(tmp_path / 'x.npy', x)
    there = numpy.load(tmp_path / 'x.npy', mmap_mode='r')
    same(make(**options).fit(there), make(**options).fit(x), there)


@pytest.mark.parametrize('dtype', ['f4', 'f2', 'u1', 'i8', '>f4', '>i2', '?'])
def test_dtypes(tmp_path, dtype):
    x = (X * 4 + 128).clip(0, 255).astype(dtype)
    if dtype == '?':
        x = X > 0
    numpy.save(tmp_path / 'x.npy', x)
    there = numpy.load(tmp_path / 'x.npy', mmap_mode='r')
    make = MAKERS['clusters']
    same(make().fit(there), make().fit(x), there)


def test_every_method_takes_them(tmp_path):
    numpy.save(tmp_path / 'x.npy', X)
    there = numpy.load(tmp_path / 'x.npy', mmap_mode='r')
    for make in (lambda: imsat.KMeansClustering(4, random_state=0),
                 lambda: imsat.ITQHasher(3, random_state=0)):
        assert make().fit(OnDisk([there])).objective_ \
            == make().fit(X).objective_


@pytest.mark.parametrize('make', MAKERS.values(), ids=MAKERS)
def test_by_blocks(mapped, make, monkeypatch):
    """As it goes for what memory does not hold, to rounding."""
    x = X.astype('f')
    expected = make(sampling='shuffle-buffer', neighbor_search='sampled')
    with pytest.warns(UserWarning, match='neighbour .* are estimated'):
        expected.fit(x)
    # imsat.neighbors is the function.
    for module in base, importlib.import_module('imsat.neighbors'):
        monkeypatch.setattr(module, 'LARGE', 500)
    monkeypatch.setattr(on_disk, 'BLOCK', 200)
    monkeypatch.setattr(on_disk, 'LARGE_RESULT', 200)
    monkeypatch.setattr(evaluation, 'BATCH', 70)
    monkeypatch.setattr(evaluation, 'ROUND', 2)
    with pytest.warns(UserWarning, match='neighbour .* are estimated'):
        model = make(sampling='shuffle-buffer').fit(mapped(x), Y)
    best = model.restarts_[0]
    assert isinstance(best.logits.base, numpy.memmap)
    numpy.testing.assert_allclose(best.logits, expected.restarts_[0].logits,
                                  1e-4, 1e-4)
    assert model.objective_ == pytest.approx(expected.objective_, 1e-5)
    assert best.terms == pytest.approx(expected.restarts_[0].terms, 1e-5,
                                       1e-7)
    numpy.testing.assert_array_equal(
        model.transform(mapped(x)), model.transform(x))


def test_what_memory_holds(mapped, monkeypatch):
    n, d = 100_000, 32
    x = mapped(numpy.random.default_rng(0).normal(size=(n, d)))
    model = imsat.IMSATClustering(
        2, regularizer='weight-decay', hidden=(), epochs=1, batch_size=5000,
        sampling='shuffle-buffer', random_state=0)
    model.fit(x[:6000])  # what is allocated once
    monkeypatch.setattr(on_disk, 'LARGE_RESULT', 1 << 16)
    for module in on_disk, centering:
        monkeypatch.setattr(module, 'BLOCK', 1 << 16)
    tracemalloc.start()
    model.fit(x).predict(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Of 26 MB, and 3 for a batch.  Clusters take 8 bytes a point, twice.
    assert peak < 16 * n + 8e6


@pytest.mark.parametrize('weighted', [False, True])
def test_what_memory_joining_takes(tmp_path, monkeypatch, weighted):
    """The same as in memory, but for the rounding of sums over all."""
    n, k = 50_000, 20
    rng = numpy.random.default_rng(0)
    logits = [rng.normal(size=(n, k)).astype('f') for _ in range(3)]
    logits[1:] = [x + logits[0][:, order] for x, order in zip(
        logits[1:], (rng.permutation(k), rng.permutation(k)))]
    weight = rng.uniform(size=n) if weighted else None

    def joined(all_logits):
        restarts = [base.Restart(0, i, logits=x, terms=dict(sat=.1 * i))
                    for i, x in enumerate(all_logits)]
        networks = [imsat.Encoder(2, k, ()) for _ in restarts]
        for network in networks:
            network.l1.b.array[:] = range(k)
        assert selection.most_alike(restarts) == 0
        network, restart = selection.join(
            networks, restarts, 0, imsat.ClusteringObjective(), weight)
        return [network.l1.b.array for network in network], restart
    orders, expected = joined(logits)
    monkeypatch.setattr(on_disk, 'BLOCK', 1 << 14)
    monkeypatch.setattr(on_disk, 'LARGE_RESULT', 1 << 14)
    for i, x in enumerate(logits):
        numpy.save(tmp_path / f'{i}.npy', x)
    there = [numpy.load(tmp_path / f'{i}.npy', mmap_mode='r')
             for i in range(len(logits))]
    tracemalloc.start()
    found, restart = joined(there)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    numpy.testing.assert_array_equal(found, orders)
    assert isinstance(restart.logits.base, numpy.memmap)
    numpy.testing.assert_array_equal(restart.logits, expected.logits)
    assert restart.objective == pytest.approx(expected.objective, 1e-9)
    # The information of points with weights is that of all at once.
    assert weighted or peak < 24 * n + 5e6


def test_shuffling_is_advised(mapped, monkeypatch):
    monkeypatch.setattr(base, 'LARGE', 500)
    with pytest.warns(UserWarning, match="'shuffle-buffer' reads them side"):
        MAKERS['clusters'](regularizer='weight-decay').fit(mapped(X))


@pytest.mark.parametrize('value', [numpy.nan, numpy.inf, 1e20])
def test_refused(mapped, value):
    x = X.copy()
    x[200, 3] = value
    with pytest.raises(InputError, match='NaN|infinity|largest value'):
        MAKERS['clusters']().fit(mapped(x))
    model = MAKERS['clusters'](regularizer='weight-decay').fit(mapped(X))
    with pytest.raises(InputError, match='expecting 6 features'):
        model.predict(mapped(X[:, :4]))


def test_cut_short_while_it_trains(mapped, tmp_path, monkeypatch):
    x = mapped(numpy.tile(X, (20, 1)))
    train = evaluation.predict

    def cut(*args):
        with open(tmp_path / 'x.npy', 'r+b') as f:
            f.truncate(1000)
        return train(*args)
    monkeypatch.setattr(evaluation, 'predict', cut)
    with pytest.raises(InputError, match='was cut short'):
        MAKERS['clusters'](regularizer='weight-decay').fit(x)


@pytest.mark.filterwarnings('ignore:the distances of')
@pytest.mark.filterwarnings('ignore:the sampling')
def test_several_restarts_of_points_that_stay_on_disk(mapped, monkeypatch):
    for module in base, neighbors:
        monkeypatch.setattr(module, 'LARGE', X.size)
    x = mapped(X.astype('f'))
    model = MAKERS['clusters'](n_init=2).fit(x)
    assert model.select_ == 'objective'
    same(model, MAKERS['clusters'](n_init=2, select='objective').fit(x), X)
    for options in dict(n_init=2, select='agreement'), \
            dict(regularizer='neighbor'):
        with pytest.raises(InputError, match='read all points into memory'):
            MAKERS['clusters'](**options).fit(x)
    with pytest.raises(InputError, match='read all points into memory'):
        imsat.choose_n_clusters(MAKERS['clusters'](), x, [2, 3])


def test_neighbours_of_more_than_memory_holds(mapped, monkeypatch):
    monkeypatch.setattr(neighbors, 'available_memory', lambda: X.size)
    with pytest.raises(InputError, match='do not fit into memory'):
        imsat.neighbors(OnDisk([mapped(X.astype('f'))]), 3)


@pytest.mark.parametrize('name', [
    pytest.param('clusters', marks=pytest.mark.slow), 'bits'])
def test_restarts_at_once_of_points_on_disk(tmp_path, name):
    numpy.save(tmp_path / 'x.npy', X.astype('f'))
    x = numpy.load(tmp_path / 'x.npy', mmap_mode='r')
    same(MAKERS[name](n_init=2, n_jobs=2).fit(x),
         MAKERS[name](n_init=2).fit(x), X)
