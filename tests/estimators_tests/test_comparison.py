import threading
import warnings

import numpy
import pytest
import threadpoolctl
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn import datasets
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, mutual_info_score

import imsat
from imsat.estimators import clustering, comparison

RNG = numpy.random.default_rng(0)
CENTERS = RNG.normal(0, 3, (4, 6)).astype('f')
SIZES = 40, 120, 80, 60
X = (numpy.repeat(CENTERS, SIZES, axis=0)
     + RNG.normal(size=(300, 6))).astype('f')
OPTIONS = dict(hidden=(20,), epochs=50, random_state=0)  # 200 steps


@pytest.fixture(autouse=True)
def early(monkeypatch):
    """Others are compared with after 200 steps, where 1,000 take long."""
    monkeypatch.setattr(clustering, 'LEAST_STEPS', 200)


@pytest.mark.parametrize('kind', [numpy.asarray, sparse.csr_array])
def test_a_network_learns_labels(kind):
    network = imsat.Encoder(6, 4, hidden=(30,))
    labels = cdist(X, CENTERS).argmin(axis=1)
    comparison.teach(network, kind(X), labels, 50, 0)
    model = imsat.IMSATClustering.from_encoder(network)
    assert (model.predict(X) == labels).mean() > .98


def test_what_is_told_of_neighbors():
    nearest = imsat.neighbors(X, 5)[1]
    labels = numpy.arange(300) % 4 // 2 * 2
    judged = comparison.judge(labels, nearest)
    of_points, of_others = numpy.repeat(labels, 5), labels[nearest].ravel()
    told = mutual_info_score(of_points, of_others)
    assert judged.used == 2
    numpy.testing.assert_allclose(judged.told, told / numpy.log(2))
    numpy.testing.assert_allclose(
        judged.agreement, told ** 2 / numpy.log(2))


CIRCLES, RINGS = datasets.make_circles(300, noise=.05, factor=.3,
                                       random_state=0)


def test_spectral_clustering_counts_where_groups_lie_apart():
    compared = comparison.compare(CIRCLES, RNG.normal(size=(300, 2)))
    assert compared.method == 'spectral clustering'
    assert adjusted_rand_score(RINGS, compared.labels) == 1
    assert compared.tells_more(.9) and compared.ours.told < .05
    # Whoever finds them too is not outdone.
    assert not comparison.compare(CIRCLES, numpy.eye(2)[RINGS]).is_better


def test_k_means_counts_otherwise():
    labels = numpy.repeat(range(4), SIZES)
    compared = comparison.compare(X, numpy.eye(4)[labels])
    assert compared.method == 'K-means' and not compared.is_better
    kmeans = KMeans(4, n_init=10, random_state=0).fit(X)
    assert adjusted_rand_score(kmeans.labels_, compared.labels) == 1
    # Where it is better, the better of both.
    compared = comparison.compare(X, RNG.normal(size=(300, 4)))
    assert compared.is_better
    nearest = imsat.neighbors(X, 10)[1]
    assert compared.theirs.agreement == max(
        comparison.judge(each, nearest).agreement for each in (
            comparison.by_kmeans(X, 4), comparison.by_graph(nearest, 4)))


def test_two_at_once_leave_warnings_and_threads_as_they_were(monkeypatch):
    """The one that begins first is done first, unless it is alone."""
    def by_kmeans(points, k):
        if threading.current_thread() is first:
            begun.set()
            both.wait(.5)
        else:
            both.set()
            first.join()
        return numpy.repeat(range(4), SIZES)
    begun, both = threading.Event(), threading.Event()
    first, second = (threading.Thread(target=comparison.compare, args=(
        X, numpy.eye(4)[numpy.repeat(range(4), SIZES)])) for _ in range(2))
    monkeypatch.setattr(comparison, 'by_kmeans', by_kmeans)
    monkeypatch.setattr(comparison, 'by_graph', lambda nearest, k: by_kmeans(
        X, k))

    def threads():
        return [(pool['filepath'], pool['num_threads'])
                for pool in threadpoolctl.threadpool_info()]
    with threadpoolctl.threadpool_limits(2, 'openmp'):
        before = list(warnings.filters), threads()
        first.start()
        begun.wait()
        second.start()
        second.join()
        assert (list(warnings.filters), threads()) == before


def test_many_clusters(monkeypatch):
    """Of each some points, and no graph, which takes long."""
    monkeypatch.setattr(comparison, 'COMPARED', 70)
    monkeypatch.setattr(comparison, 'GRAPHED', 3)
    monkeypatch.setattr(comparison, 'by_graph', None)
    compared = comparison.compare(X, RNG.normal(size=(300, 4)))
    assert compared.method == 'K-means' and len(compared.chosen) == 80
    assert compared.is_better
    kmeans = KMeans(4, n_init=10, random_state=0).fit(X[compared.chosen])
    assert adjusted_rand_score(kmeans.labels_, compared.labels) == 1
    assert comparison.compare(X[:79], RNG.normal(size=(79, 4))) is None
    # Of many it is enough that they tell a little more.
    little = compared._replace(theirs=comparison.Judged(4, .90, 1.2),
                               ours=comparison.Judged(4, .89, 1.1))
    assert not little.is_better
    monkeypatch.setattr(comparison, 'MANY', 3)
    assert little.is_better


def test_a_large_share_of_little_is_not_better():
    x = numpy.concatenate([RNG.normal(size=(388, 9)),
                           RNG.normal(9, size=(12, 9))])
    few = numpy.repeat([0, 1], [388, 12])
    judged = comparison.judge(few, imsat.neighbors(x, 10)[1])
    few = comparison.Compared('', few, judged._replace(told=.9), judged, None,
                              x, None)
    halves = comparison.Judged(2, .7, .34)
    assert not few._replace(ours=halves).is_better
    assert few._replace(ours=halves._replace(agreement=.01)).is_better
    # But where groups lie apart it is.
    assert judged.told > .99 and few._replace(
        theirs=judged, ours=halves).is_better


def test_groups_that_no_plane_parts():
    model = imsat.IMSATClustering(2, **{**OPTIONS, 'hidden': (100,)})
    model.fit(CIRCLES)
    assert imsat.clustering_accuracy(RINGS, model.labels_) == 1
    assert [r.terms['start'] for r in model.restarts_] == [
        'random', 'spectral clustering']
    assert model.warnings_ == []


@pytest.mark.parametrize('options', [
    {}, pytest.param(dict(n_init=2, n_jobs=2), marks=pytest.mark.slow)],
    ids=str)
def test_what_a_class_overrides_counts_in_all_starts(options):
    class Own(imsat.IMSATClustering):
        def __init__(self, extra=None, **others):
            super().__init__(2, **others)
            self.extra = extra

        def fit(self, X, y=None):
            self.seen_ = []
            return super().fit(X, y)

        def make_regularizer(self):
            self.seen_.append(self.extra)
            return imsat.RPT()
    options = {**OPTIONS, 'hidden': (100,), **options}
    own = Own('something', **options).fit(CIRCLES)
    model = imsat.IMSATClustering(2, regularizer='rpt', **options)
    model.fit(CIRCLES)
    assert [r.terms['start'] for r in own.restarts_][-1] \
        == 'spectral clustering'
    assert [(r.seed, r.objective) for r in own.restarts_] == [
        (r.seed, r.objective) for r in model.restarts_]
    numpy.testing.assert_array_equal(own.transform(CIRCLES),
                                     model.transform(CIRCLES))
    assert type(own) is Own and set(own.seen_) == {'something'}
    assert not {'_start', '_compared'} & vars(own).keys()


def test_outputs_that_were_lost():
    """Of 4 groups two are one: what is told is as much, but there are fewer
    clusters."""
    labels = numpy.repeat(range(4), SIZES)
    nearest = imsat.neighbors(X, 10)[1]
    right, merged = (comparison.judge(each, nearest)
                     for each in (labels, labels // 2 * 2))
    compared = comparison.Compared('', labels, right, merged, None, X, nearest)
    assert merged.told + comparison.BETTER > right.told and compared.is_better
    assert not compared._replace(theirs=merged, ours=right).is_better
    # Half of a group is no cluster: it tells less.
    halves = labels.copy()
    halves[numpy.flatnonzero(labels == 1)[::2]] = 4
    halves = comparison.judge(halves, nearest)
    assert halves.used == 5
    assert not compared._replace(theirs=halves, ours=right).is_better


def test_with_a_prior_mu_stays(monkeypatch):
    """As if others were always better."""
    monkeypatch.setattr(comparison, 'BETTER', -1)
    # And both used as many outputs.
    monkeypatch.setattr(comparison.Compared, 'judge',
                        lambda *args: comparison.Judged(4, .5, .5))
    prior = [.1, .2, .3, .4]
    model = imsat.IMSATClustering(4, prior=prior, **OPTIONS).fit(X)
    assert [(r.terms['mu'], r.terms['start']) for r in model.restarts_] == [
        (4, 'random'), (4, 'K-means')]
    # The same objective: the lower is kept.
    assert model.objective_ == min(r.objective for r in model.restarts_)
    # Whichever is kept, its clusters are in the prior's order.
    assert list(numpy.bincount(model.labels_).argsort()) == [0, 1, 2, 3]


def test_groups_of_unlike_sizes_that_lie_apart(tmp_path):
    """The objective alone would have halves: with mu = 1, too."""
    x, y = datasets.make_moons(800, noise=.05, random_state=1)
    index = numpy.concatenate([numpy.flatnonzero(y == 0),
                               numpy.flatnonzero(y == 1)[:100]])
    model = imsat.IMSATClustering(2, **{**OPTIONS, 'hidden': (100,)})
    x, y = x[index], y[index]
    model.fit(x)
    assert imsat.clustering_accuracy(y, model.labels_) == 1
    assert sorted(model.prior_) == [.2, .8] and model.mu_ == 4
    assert model.select_ == 'told' and not hasattr(model, '_start')
    # What goes on keeps it, from a file too, and what sees chunks can't.
    model.save(tmp_path / 'model.npz')
    loaded = imsat.IMSATClustering.load(tmp_path / 'model.npz')
    assert loaded.mu_ == 4
    numpy.testing.assert_array_equal(loaded.prior_, model.prior_)
    for one in loaded, model:
        one.set_params(warm_start=True).fit(x)
    numpy.testing.assert_array_equal(loaded.transform(x), model.transform(x))
    assert imsat.clustering_accuracy(y, model.labels_) == 1
    model.partial_fit(x)
    assert model.prior_ is None
    # It would be that of the rows.
    model = imsat.IMSATClustering(2, **OPTIONS).fit(
        x, sample_weight=1. + 9 * y)
    assert model.prior_ is None and len(model.restarts_) == 2


def test_groups_that_points_are_not_sure_of(monkeypatch):
    """The clusters are right, but H(Y) wants them to be of like size."""
    y = numpy.repeat([0, 1], [270, 30])
    x = RNG.normal(size=(300, 10)) + 5. * y[:, None]
    model = imsat.IMSATClustering(2, **OPTIONS)
    with monkeypatch.context() as patch:
        patch.setattr(comparison, 'SURE', 0)
        unsure = model.fit(x).predict_proba(x)
    assert len(model.restarts_) == 1 and model.prior_ is None
    assert imsat.clustering_accuracy(y, model.labels_) == 1
    assert unsure.max(axis=1).mean() < .8
    model.fit(x)
    assert [r.terms['why'] for r in model.restarts_] == [None, 'surety']
    assert model.best_restart_ == 1 and sorted(model.prior_) == [.1, .9]
    assert imsat.clustering_accuracy(y, model.labels_) == 1
    assert model.predict_proba(x).max(axis=1).mean() > .98
    # A prior is kept to, and weights would make others of the sizes.
    for options in dict(prior=[.5, .5]), {}:
        model = imsat.IMSATClustering(2, **OPTIONS, **options).fit(
            x, sample_weight=None if options else numpy.ones(300))
        assert len(model.restarts_) == 1


@pytest.mark.parametrize('told,used,select', [
    ((.9976, .9974), (2, 2), 'surety'), ((.99, .994), (2, 2), 'told'),
    ((.9976, .9974), (2, 3), 'told'), ((.9, .99), (2, 2), 'told')])
def test_by_what_two_starts_are_told(told, used, select):
    model = imsat.IMSATClustering(2)
    first, second = (comparison.Compared(
        '', RINGS, comparison.Judged(2, .99, .5), comparison.Judged(
            used[i], told[i], .5), None, None, None) for i in range(2))
    assert model._criterion(first, second) == select
    together = first._replace(theirs=comparison.Judged(2, .9, .5))
    assert model._criterion(together, second) == 'agreement'
    model.prior = [.2, .8]
    assert model._criterion(first, second) == 'objective'


def test_the_surer_of_two_that_tell_alike():
    """However little less it tells, and whichever came first."""
    y = numpy.repeat([0, 1], [270, 30])
    x = RNG.normal(size=(300, 10)) + 5. * y[:, None]
    model = imsat.IMSATClustering(2, **OPTIONS).fit(x)
    assert model.select_ == 'surety'
    first, second = (r.terms['surety'] for r in model.restarts_)
    assert first < .5 and second > .9 and model.best_restart_ == 1


def test_how_sure_points_are():
    p = numpy.array([[.5, .5], [.9, .1], [.8, .2], [.2, .8]])
    most = numpy.log(4) - .75 * numpy.log(3)  # of three and one
    mean = p.mean(axis=0)
    told = (p * numpy.log(p / mean)).sum(axis=1).mean()
    logits = numpy.log(p)
    logits[0, 0] += 1e-9
    assert comparison.surety_of(logits) == pytest.approx(told / most, 1e-6)
    assert comparison.surety_of(99 * logits[1:]) == pytest.approx(1)
    assert comparison.surety_of(logits[:3]) == 0


@pytest.mark.parametrize('told,rate', [(.99, .02), (.9, .2)])
def test_groups_that_lie_apart_are_learnt_slowly(told, rate):
    theirs = comparison.Judged(2, told, .5)
    second = clustering.SecondStart(2, learning_rate=.2)
    first = imsat.IMSATClustering(2)
    first.mu_, first.prior_ = 4., None
    second.begin(first, comparison.Compared(
        '', RINGS, theirs, theirs, None, None, None), None)
    assert second._rate == rate


@pytest.mark.slow
def test_fewer_groups_than_clusters():
    x = numpy.repeat(RNG.normal(0, 9, (6, 3)), 50, axis=0)
    warnings.simplefilter('ignore', imsat.CollapseWarning)
    for seed in range(4):
        model = imsat.IMSATClustering(7, **{**OPTIONS, 'random_state': seed})
        assert len(model.fit(x).labels_) == 300


def test_other_errors_leave_nothing_behind(monkeypatch, tmp_path):
    """KeyboardInterrupt with snapshots, and whatever else is raised."""
    def stop(*args):
        raise KeyboardInterrupt
    with monkeypatch.context() as patch:
        patch.setattr(clustering, 'teach', stop)
        model = imsat.IMSATClustering(2, out=str(tmp_path), **{
            **OPTIONS, 'hidden': (100,)})
        with pytest.raises(KeyboardInterrupt):
            model.fit(CIRCLES)
    assert not hasattr(model, '_start') and not hasattr(model, '_part')
    model.set_params(resume=True).fit(CIRCLES)
    assert imsat.clustering_accuracy(RINGS, model.labels_) == 1
    snapshot, = (tmp_path / 'second-start').glob('snapshot*')
    assert len(list(tmp_path.glob('snapshot*'))) == 1
    # From something else it does not go on.
    with monkeypatch.context() as patch:
        patch.setattr(comparison.Compared, 'sizes', numpy.array([.4, .6]))
        with pytest.raises(imsat.InputError, match='prior_'):
            model.fit(CIRCLES)


def test_the_better_of_two_that_are_better(monkeypatch):
    judged = {0: comparison.Judged(2, .84, 1.1), 1: comparison.Judged(
        2, .87, 1.05), 2: comparison.Judged(2, .8, 1.)}
    monkeypatch.setattr(comparison, 'judge',
                        lambda labels, nearest: judged[labels[0]])
    for name, label in (('by_graph', 0), ('by_kmeans', 1)):
        monkeypatch.setattr(comparison, name, lambda *args, label=label:
                            numpy.full(300, label))
    compared = comparison.compare(X, numpy.eye(3)[numpy.full(300, 2)])
    assert compared.method == 'K-means' and compared.is_better


def test_overlapping_groups_have_mu_1(monkeypatch):
    monkeypatch.setattr(comparison, 'BETTER', -1)
    monkeypatch.setattr(comparison, 'APART', 2)
    monkeypatch.setattr(comparison.Compared, 'agrees_more', True)
    model = imsat.IMSATClustering(4, **OPTIONS).fit(X)
    assert [r.terms['mu'] for r in model.restarts_] == [4, 1]
    assert model.prior_ is None


@pytest.mark.slow
def test_clusters_that_a_second_start_loses_come_back(monkeypatch, tmp_path,
                                                      capsys):
    """Without H(Y) long perturbations make clusters one."""
    monkeypatch.setattr(comparison, 'BETTER', -1)
    monkeypatch.setattr(comparison, 'APART', 2)
    monkeypatch.setattr(comparison.Compared, 'agrees_more', True)
    monkeypatch.setattr(clustering, 'UNEVEN', 0.)
    warnings.simplefilter('ignore', imsat.CollapseWarning)
    options = dict(OPTIONS, alpha=3., out=str(tmp_path))
    model = imsat.IMSATClustering(4, verbose=True, **options).fit(X)
    assert [(r.terms['start'], r.terms['mu']) for r in model.restarts_] == [
        ('random', 4), ('K-means', 0), ('K-means', 4)]
    used = [len(numpy.unique(r.logits.argmax(axis=1)))
            for r in model.restarts_]
    assert used[1] < 4 and model.mu_ == 4
    assert model.best_restart_ == max(range(3), key=lambda i: (
        used[i], model.restarts_[i].terms['agreement'])) != 1
    assert 'clusters were lost: once more from those of K-means with mu = 4' \
        in capsys.readouterr().out
    # What was made goes on from there.
    labels = model.labels_
    model.set_params(resume=True, verbose=False).fit(X)
    numpy.testing.assert_array_equal(model.labels_, labels)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()
                  ) == ['second-start', 'third-start']
    assert not {'_start', '_compared', '_part'} & vars(model).keys()


def test_ctrl_c_in_the_third_start_is_told_of_with_the_second(monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt
    monkeypatch.setattr(comparison, 'BETTER', -1)
    monkeypatch.setattr(comparison, 'APART', 2)
    monkeypatch.setattr(comparison.Compared, 'agrees_more', True)
    monkeypatch.setattr(comparison.Compared, 'lost_outputs', True)
    monkeypatch.setattr(clustering, '_worth', lambda select, fitted, compared:
                        isinstance(fitted, clustering.SecondStart))
    monkeypatch.setattr(clustering.ThirdStart, '_network', interrupt)
    with pytest.warns(imsat.CollapseWarning, match='stopped on its way'):
        model = imsat.IMSATClustering(4, **OPTIONS).fit(X)
    assert [r.terms['mu'] for r in model.restarts_] == [4, 1]
    assert model.best_restart_ == 1
    assert any('stopped on its way' in note for note in model.warnings_)


def test_outputs_that_are_used_count_first():
    nearest = imsat.neighbors(X, 10)[1]
    right, fewer = (comparison.judge(numpy.repeat(range(4), SIZES) // by,
                                     nearest) for by in (1, 2))
    fewer = fewer._replace(agreement=right.agreement + .1)
    compared = comparison.Compared(
        '', None, right._replace(told=.5), fewer, None, X, nearest)
    assert compared.lost_outputs
    assert compared.rank(right) > compared.rank(fewer)
    many = compared._replace(theirs=right._replace(used=101, told=.5))
    assert not many.lost_outputs
    assert many.rank(fewer) > many.rank(right)


@pytest.mark.parametrize('error', [imsat.DivergenceError, KeyboardInterrupt])
def test_what_was_fitted_is_kept(monkeypatch, tmp_path, error):
    monkeypatch.setattr(comparison, 'BETTER', -1)

    def stop(*args):
        raise error
    monkeypatch.setattr(clustering, 'teach', stop)
    warnings.simplefilter('ignore', imsat.CollapseWarning)
    model = imsat.IMSATClustering(4, **OPTIONS).fit(X)
    assert ('fit was stopped on its way' in ' '.join(model.warnings_)) == (
        error is KeyboardInterrupt)
    alone = imsat.IMSATClustering(4, mu=4, **OPTIONS).fit(X)
    assert vars(model).keys() == vars(alone).keys()
    assert model.mu_ == 4 and len(model.restarts_) == 1
    numpy.testing.assert_array_equal(model.predict_proba(X),
                                     alone.predict_proba(X))
    # What has snapshots goes on from them.
    model.set_params(out=str(tmp_path))
    if error is KeyboardInterrupt:
        with pytest.raises(KeyboardInterrupt):
            model.fit(X)
    else:
        model.fit(X)


@pytest.mark.slow
def test_a_seed_that_was_drawn_makes_both_starts_again():
    options = {**OPTIONS, 'random_state': numpy.random.RandomState(7)}
    model = imsat.IMSATClustering(4, **options).fit(X)
    seeds = [restart.seed for restart in model.restarts_]
    assert len(seeds) > 1 and len(set(seeds)) == 1
    assert model.random_state is options['random_state']
    again = imsat.IMSATClustering(
        4, **{**OPTIONS, 'random_state': seeds[0]}).fit(X)
    assert again.objective_ == model.objective_


def test_a_pickle_of_before_goes_on_with_what_was_chosen():
    model = imsat.IMSATClustering(2, **{**OPTIONS, 'epochs': 1}).fit(X)
    model.mu_, model.prior_ = 1., numpy.array([.8, .2])
    assert model.make_objective().mu == 1
    del model._chosen  # which it does not have
    objective = model.make_objective()
    assert objective.mu == 1 and objective.prior.tolist() == [.8, .2]
    assert imsat.IMSATClustering(2).make_objective().mu == 4
