"""Columns far from 0 or on unlike scales: the right answer, or a word."""
import re
import warnings

import numpy
import pandas
import pytest
import scipy.sparse
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics import mutual_info_score

import imsat
from imsat import (
    DEC, CollapseWarning, DAEKMeans, DeepHasher, IMSATClustering,
    IMSATHasher, InputError, ITQHasher, KMeansClustering, SpectralHasher,
    clustering_accuracy)
from imsat.estimators import clustering
from imsat.randomness import restart_seeds
from imsat.retrieval import unpack_bits
from imsat.storage import load_npz, save_npz
from imsat.training.iterators import dense

X, Y = make_blobs(1000, 6, centers=4, random_state=0)
ONE = numpy.ones((1000, 1))
OPTIONS = dict(hidden=(100, 100), epochs=30, batch_size=100, random_state=0)
SHORT = {**OPTIONS, 'hidden': (10,), 'epochs': 2}
NOISE = numpy.random.default_rng(0).normal(size=(1000, 1))
FAR = {
    'constant': numpy.hstack([X, 1e4 * ONE]),
    'constant-1000': numpy.hstack([X, 1e3 * ONE]),
    'constant-float32': numpy.hstack([X, 2e9 * ONE]).astype('f'),
    'varying': numpy.hstack([X, 1e4 + NOISE]),
    'everything': X + 1e3,
    'float32': (X - 1e4).astype('f'),
    'float64-alone': X + 1e8,
    'integers': (100 * X).round().astype(int) + 10 ** 9,
}


@pytest.fixture(autouse=True)
def no_word():
    """Nothing is warned of unless a test expects it."""
    with warnings.catch_warnings():
        warnings.simplefilter('error', CollapseWarning)
        yield


@pytest.mark.parametrize('name,options', [
    pytest.param('constant', {}, marks=pytest.mark.slow), ('everything', {}),
    pytest.param('constant', dict(hidden=()), marks=pytest.mark.slow),
    ('everything', dict(hidden=(), regularizer='weight-decay', lam=1.))])
def test_clusters_far_from_0(name, options):
    x = FAR[name]
    kmeans = KMeans(4, n_init=5, random_state=0).fit_predict(x)
    assert clustering_accuracy(Y, kmeans) >= .99
    model = IMSATClustering(4, **{**OPTIONS, **options}).fit(x)
    assert clustering_accuracy(kmeans, model.labels_) >= .99
    numpy.testing.assert_array_equal(model.predict(x[:7]), model.labels_[:7])


@pytest.mark.parametrize('name', FAR)
def test_whatever_the_offset(name):
    warnings.simplefilter('ignore', CollapseWarning)  # of the short training
    x = FAR[name]
    by_hand = x - x.mean(axis=0, dtype='d')
    # Of the constant data the other columns stay where they are.
    if name.startswith(('constant', 'varying')):
        by_hand[:, :6] = x[:, :6]
    model = IMSATClustering(4, **SHORT).fit(x)
    expected = IMSATClustering(4, **SHORT).fit(by_hand)
    numpy.testing.assert_array_equal(model.transform(x),
                                     expected.transform(by_hand))


@pytest.mark.parametrize('make', [
    lambda: IMSATClustering(4, regularizer='rpt', **SHORT),
    lambda: IMSATClustering(4, regularizer=imsat.Mean(
        imsat.VAT(), imsat.WeightDecay()), **SHORT),
    lambda: IMSATHasher(3, **SHORT),
    lambda: DAEKMeans(4, hidden=(8,), n_code=2, epochs=1, batch_size=100,
                      random_state=0),
    lambda: DEC(4, hidden=(8,), n_code=2, epochs=1, max_epochs=1,
                batch_size=100, random_state=0),
    lambda: DeepHasher(2, hidden=(4,), epochs=2, batch_size=100,
                       random_state=0),
    lambda: KMeansClustering(4, random_state=0),
    lambda: ITQHasher(3, random_state=0), lambda: SpectralHasher(3)])
@pytest.mark.filterwarnings('ignore::sklearn.exceptions.ConvergenceWarning')
def test_as_centred_by_hand(tmp_path, make):
    warnings.simplefilter('ignore', CollapseWarning)  # of the short training
    x, rows = X + 1e8, slice(0, 50)
    by_hand = x - x.mean(axis=0)
    model, expected = make().fit(x), make().fit(by_hand)
    assert not expected.center_.any()
    numpy.testing.assert_array_equal(model.center_, x.mean(axis=0))
    assert model.objective_ == expected.objective_
    numpy.testing.assert_array_equal(model.transform(x[rows]),
                                     expected.transform(by_hand[rows]))
    model.save(tmp_path / 'model.npz')
    loaded = type(model).load(tmp_path / 'model.npz')
    numpy.testing.assert_array_equal(loaded.transform(x[rows]),
                                     model.transform(x[rows]))
    if isinstance(model, KMeansClustering):
        numpy.testing.assert_array_equal(
            model.centers_, expected.centers_ + x.mean(axis=0))


def test_files_of_earlier_versions_load(tmp_path):
    warnings.simplefilter('ignore', CollapseWarning)
    model = IMSATClustering(4, **SHORT).fit(X)
    model.save(tmp_path / 'model.npz')
    arrays = load_npz(tmp_path / 'model.npz')
    numpy.testing.assert_array_equal(arrays.pop('center_'), numpy.zeros(6))
    del arrays['spread_']
    save_npz(tmp_path / 'old.npz', arrays)
    old = IMSATClustering.load(tmp_path / 'old.npz')
    numpy.testing.assert_array_equal(old.transform(X), model.transform(X))


def test_sparse_stays_sparse_and_says_the_same():
    # Half zeros; the last column has a 0 as well.
    x = numpy.where(numpy.random.default_rng(0).random(X.shape) < .5, X, 0)
    x = numpy.hstack([x, 1e4 * ONE])
    x[3, 6] = 0
    warnings.simplefilter('ignore', CollapseWarning)
    dense = IMSATClustering(4, **SHORT).fit(x)
    assert dense.center_.nonzero()[0].tolist() == [6]
    for kind in scipy.sparse.csr_matrix, scipy.sparse.csr_array:
        sparse = IMSATClustering(4, **SHORT).fit(kind(x))
        numpy.testing.assert_array_equal(sparse.center_, dense.center_)
        numpy.testing.assert_array_equal(sparse.transform(kind(x)),
                                         dense.transform(x))


def test_a_run_far_from_0_is_resumed(tmp_path):
    warnings.simplefilter('ignore', CollapseWarning)
    options = {**SHORT, 'snapshot_seconds': 0., 'epochs': 3}
    whole = IMSATClustering(4, **options, out=tmp_path).fit(FAR['constant'])
    (tmp_path / 'snapshot-000003.npz').unlink()
    resumed = IMSATClustering(4, **options, out=tmp_path,
                              resume=True).fit(FAR['constant'])
    assert resumed.objective_ == whole.objective_


@pytest.mark.parametrize('options', [
    {}, dict(hidden=()), dict(regularizer=imsat.Augmentation(
        lambda x, rng: x + rng.normal(0, .3, x.shape)))])
def test_a_collapse_is_told_of(options):
    if 'regularizer' not in options:
        options = {**options, 'center': 'never'}
    with pytest.warns(CollapseWarning) as told:
        model = IMSATClustering(4, **{**OPTIONS, **options}).fit(
            FAR['constant'])
    empty = 4 - len(numpy.unique(model.labels_))
    assert empty
    assert model.warnings_ == [str(w.message) for w in told
                               if w.category is CollapseWarning]
    assert any(f'{empty} of 4 clusters are empty; scale' in note
               for note in model.warnings_)


def test_running_averages_that_lag_are_told_of():
    warnings.simplefilter('ignore', CollapseWarning)
    model = IMSATClustering(4, **OPTIONS, center='never').fit(FAR['constant'])
    log = model.restarts_[0].log[-1]
    shown = [f'H(Y) is {log["all/marginal_entropy"]:.3g} nats over all data '
             f'and was {log["main/marginal_entropy"]:.3g} in the batches']
    assert [note.split(':')[0] for note in model.warnings_[:1]] == shown
    assert log['main/marginal_entropy'] > 1.2 > log['all/marginal_entropy']


def test_a_single_cluster_lags_behind_nothing():
    """Its H(Y) is 0, but for the rounding of float32."""
    model = IMSATClustering(1, **SHORT).fit(X)
    assert model.warnings_ == []
    assert abs(model.restarts_[0].log[-1]['all/marginal_entropy']) < 1e-6


@pytest.mark.parametrize('x,options', [
    (FAR['constant'], dict(center='never')),
    # Every point the same but for one coordinate: a bit or two.
    (numpy.hstack([NOISE, 0 * X]), {})])
def test_constant_bits_are_told_of(x, options):
    with pytest.warns(CollapseWarning) as told:
        hasher = IMSATHasher(6, **OPTIONS, **options).fit(x)
    bits = unpack_bits(hasher.codes_, 6)
    constant = sum(len(set(column)) == 1 for column in bits.T.tolist())
    told = [str(w.message) for w in told]
    assert bool(constant) == any(
        f'{constant} of 6 outputs are the same' in note for note in told)


def test_one_column_that_outweighs_the_others():
    with pytest.warns(CollapseWarning, match=r'column 6 has 9\d\.\d+% of all'):
        model = KMeansClustering(4, random_state=0).fit(
            numpy.hstack([X, 1e4 * NOISE]))
    assert len(model.warnings_) == 1


def test_what_float32_has_lost():
    with pytest.raises(InputError, match='column 0 .* float32 has steps of'):
        IMSATClustering(4, **OPTIONS).fit((X + 1e8).astype('f'))
    # As much of a column that does not vary is lost on nobody.
    KMeansClustering(4, n_init=1, random_state=0).fit(
        FAR['constant-float32'])


@pytest.mark.parametrize('offset', [-1, 0, 1, 2, 3, 5, 9])
def test_nothing_moves_near_0(offset):
    x = load_digits().data / 8 + offset
    mean = x.sum(axis=0) / len(x)
    far = sum(mean ** 2) > 25 * sum(((x - mean) ** 2).sum(axis=0)) / len(x)
    model = KMeansClustering(10, n_init=1, random_state=0).fit(x)
    assert model.center_.any() == far
    assert far == (offset > 2)


def two_crowds(d, distance):
    """Nine to one."""
    rng = numpy.random.default_rng(0)
    return numpy.concatenate([rng.normal(size=(270, d)),
                              rng.normal(distance, size=(30, d))])


UNLIKE = dict(hidden=(20,), epochs=50, random_state=0)  # 200 steps
CROWDS = [0] * 270 + [1] * 30


@pytest.fixture
def early(monkeypatch):
    """Others are compared with after 200 steps, where 1,000 take long."""
    monkeypatch.setattr(clustering, 'LEAST_STEPS', 200)


def test_worse_than_k_means(early):
    x = two_crowds(2, 14)
    model = IMSATClustering(2, mu=4, **UNLIKE)
    with pytest.warns(CollapseWarning, match='K-means fit the nearest'):
        model.fit(x)
    assert min(numpy.bincount(model.labels_)) > 60
    told, = re.findall(r'one of these (\d+)%;', model.warnings_[-1])
    nearest = imsat.neighbors(x, 10)[1]
    of_neighbors = model.labels_[nearest].ravel()
    of_points = numpy.repeat(model.labels_, 10)
    assert int(told) == round(100 * mutual_info_score(of_points, of_neighbors)
                              / mutual_info_score(of_points, of_points))
    good = IMSATClustering(2, prior=[.9, .1], **UNLIKE).fit(x)
    assert clustering_accuracy(CROWDS, good.labels_) == 1
    assert good.warnings_ == [] and len(good.restarts_) == 1


@pytest.mark.parametrize('n_init', [
    1, pytest.param(2, marks=pytest.mark.slow)])
def test_another_start_where_k_means_fits_better(early, n_init, tmp_path):
    x = two_crowds(4, 15)
    options = dict(n_init=n_init, **UNLIKE)
    model = IMSATClustering(2, out=tmp_path, **options).fit(x)
    assert clustering_accuracy(CROWDS, model.labels_) == 1
    assert model.warnings_ == [] and model.prior_.tolist() in (
        [.1, .9], [.9, .1])
    numpy.testing.assert_array_equal(model.predict(x), model.labels_)
    warnings.simplefilter('ignore', CollapseWarning)
    alone = IMSATClustering(2, mu=4, **options).fit(x)
    first, second = (model.restarts_[i:][:n_init] for i in (0, n_init))
    assert [r.objective for r in first] == [
        r.objective for r in alone.restarts_]
    assert {(r.terms['mu'], r.terms['start']) for r in first} == {
        (4, 'random')}
    assert {(r.terms['mu'], r.terms['start']) for r in second} == {
        (4, 'K-means')}
    assert model.best_restart_ >= n_init
    _, nearest = imsat.neighbors(x, 10)
    for labels, best in ((alone.labels_, first[alone.best_restart_]),
                         (model.labels_, model.restarts_[
                             model.best_restart_])):
        assert best.terms['agreement'] == \
            imsat.metrics.neighbor_agreement(labels, nearest)
    # Nothing of the first is lost, and neither is done again.
    again = IMSATClustering(2, out=tmp_path, resume=True, **options).fit(x)
    assert again.objective_ == model.objective_
    assert len(again.restarts_) == 2 * n_init
    # Whoever says mu gets it, and so does who trains for less.
    assert len(alone.restarts_) == n_init
    less = IMSATClustering(2, **{**options, 'epochs': 49}).fit(x)
    assert len(less.restarts_) == n_init and less.prior_ is None


def test_what_diverges_from_another_start_loses_nothing(early, monkeypatch):
    train = IMSATClustering._train

    def diverge(self, *args, **options):
        if self.prior_ is not None:
            raise imsat.DivergenceError('no')
        return train(self, *args, **options)
    monkeypatch.setattr(IMSATClustering, '_train', diverge)
    x = two_crowds(4, 15)
    with pytest.warns(CollapseWarning, match='K-means fit the nearest'), \
            pytest.warns(CollapseWarning, match='what began from the clusters '
                         'of K-means diverged, .* is kept: no'):
        model = IMSATClustering(2, **UNLIKE).fit(x)
    assert model.prior_ is None and len(model.restarts_) == 1
    with pytest.warns(CollapseWarning, match='K-means fit the nearest'):
        alone = IMSATClustering(2, mu=4, **UNLIKE).fit(x)
    assert vars(model).keys() == vars(alone).keys()
    numpy.testing.assert_array_equal(model.predict_proba(x),
                                     alone.predict_proba(x))


@pytest.mark.parametrize('lost', ['random', 'K-means'])
def test_restarts_of_either_start_may_diverge(early, monkeypatch, lost):
    train, (first, second) = IMSATClustering._train, restart_seeds(0, 2)

    def diverge(self, seed, session, **options):
        if seed == first and lost == (
                'random' if self.prior_ is None else 'K-means'):
            raise imsat.DivergenceError('no')
        return train(self, seed, session, **options)
    monkeypatch.setattr(IMSATClustering, '_train', diverge)
    x = two_crowds(4, 15)
    origin = '' if lost == 'random' else ' from the clusters of K-means'
    note = f'restart 1 of 2{origin} diverged and went no further: no'
    with pytest.warns(CollapseWarning, match=note):
        model = IMSATClustering(2, n_init=2, **UNLIKE).fit(x)
    # It is told whichever is kept.
    assert model.warnings_ == [note]
    assert clustering_accuracy(CROWDS, model.labels_) == 1
    runs = [(r.terms['start'], r.seed) for r in model.restarts_]
    assert runs == [run for run in (
        ('random', first), ('random', second), ('K-means', first),
        ('K-means', second)) if run != (lost, first)]
    if lost == 'K-means':  # two others tell how many clusters there are
        with pytest.warns(CollapseWarning, match='diverged'):
            tried = imsat.choose_n_clusters(
                IMSATClustering(n_init=2, **UNLIKE), x, [2, 3])
        assert {len(value['information']) for value in tried.values} == {2}


def test_when_k_means_is_not_compared_with(early):
    x = two_crowds(4, 15)
    options = {**UNLIKE, 'mu': 4}
    with pytest.warns(CollapseWarning, match='of 300 points one tells'):
        IMSATClustering(2, **options).fit(x)
    # After fewer steps, or with fewer points for each cluster.
    IMSATClustering(2, **{**options, 'epochs': 49}).fit(x)
    IMSATClustering(2, **{**options, 'batch_size': 9}).fit(x[-39:])


SECONDS = 1.7e9 + 20 * numpy.arange(60)[:, None] % 60 + X[:60, :2]


@pytest.mark.parametrize('scale', ['none', 'standard'])
@pytest.mark.parametrize('ask', ['predict', 'transform'])
def test_new_points_that_float32_has_lost(scale, ask):
    model = KMeansClustering(3, scale=scale, random_state=0).fit(SECONDS)
    for x in SECONDS, SECONDS[:1], SECONDS.astype(numpy.int64):
        getattr(model, ask)(x)
    for x in SECONDS.astype('f'), SECONDS[:1].astype('f'):
        with pytest.raises(InputError, match='column 0 .* float32 has steps'):
            getattr(model, ask)(x)


def test_what_is_computed_in_float32_refuses_what_that_loses(tmp_path):
    warnings.simplefilter('ignore', CollapseWarning)  # of the short training
    model = IMSATClustering(3, epochs=2, random_state=0).fit(SECONDS)
    with pytest.raises(InputError, match='float32 has steps'):
        model.radius(SECONDS.astype('f'))
    assert model.radius(SECONDS).shape == (60,)
    with pytest.raises(InputError, match='float32 has steps'):
        model.to_onnx(tmp_path / 'model.onnx')
    with pytest.raises(InputError, match='float32 has steps'):
        IMSATClustering(3, center='never', epochs=2).fit(SECONDS)


def test_half_precision_far_from_0():
    with pytest.raises(InputError, match='column 0 .* float16 has steps of'):
        KMeansClustering(4).fit((X[:, :1] + 3e3).astype(numpy.float16))
    frame = pandas.DataFrame({'a': X[:, 0], 'b': X[:, 1] + 1e8})
    KMeansClustering(4, random_state=0).fit(frame)
    with pytest.raises(InputError, match='column 1 .* float32 has steps of'):
        KMeansClustering(4).fit(frame.astype({'b': 'float32'}))


@pytest.mark.parametrize('scale', ['none', 'standard'])
@pytest.mark.parametrize('x', [X[:, :1], X, scipy.sparse.csr_array(X)],
                         ids=['a column', 'six', 'sparse'])
def test_one_point_that_outweighs_the_others(scale, x):
    KMeansClustering(4, scale=scale, random_state=0).fit(x)  # tells of nothing
    far = numpy.insert(dense(x), 7, 1e6, axis=0)
    far = type(x)(far) if scipy.sparse.issparse(x) else far
    with pytest.warns(CollapseWarning, match='point 7, .* 99.9% of all var'):
        KMeansClustering(4, scale=scale, random_state=0).fit(far)


@pytest.mark.parametrize('x', [
    SECONDS.astype('m8[s]'), SECONDS.astype('M8[ms]'),
    list(SECONDS.astype('m8[s]')),
    pandas.DataFrame(SECONDS).astype('datetime64[s]'),
    pandas.DataFrame({'a': SECONDS[:, 0],
                      'b': pandas.to_timedelta(SECONDS[:, 1], 's')})])
def test_dates_and_durations_are_no_numbers(x):
    for act in KMeansClustering(3).fit, ITQHasher(2).fit, \
            KMeansClustering(3, random_state=0).fit(SECONDS).predict:
        with pytest.raises(InputError, match='dates or durations'):
            act(x)
    with pytest.raises(InputError, match='sample_weight is not a finite'):
        IMSATClustering(3, epochs=2).fit(
            SECONDS, sample_weight=SECONDS[:, 0].astype('m8[s]'))


def test_texts_complex_weights_and_masked_rows():
    with pytest.raises(InputError, match='array of texts'):
        KMeansClustering(3).fit(SECONDS.astype(str))
    with pytest.raises(InputError, match='sample_weight is not a finite'):
        IMSATClustering(3, epochs=2).fit(SECONDS, sample_weight=1j + Y[:60])
    rows = [numpy.ma.array(row, mask=[False, i == 3])
            for i, row in enumerate(SECONDS)]
    with pytest.raises(InputError, match='masked'):
        KMeansClustering(3).fit(rows)
