import numpy
import pytest
import scipy.sparse
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import NearestNeighbors

import imsat
from imsat import IMSATClustering, InputError, clustering_accuracy
from imsat.metrics import clustering_scores

# Three round clusters that anything should find.
X, Y = make_blobs(300, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)
SMALL = dict(hidden=(30, 30), epochs=4, batch_size=50, random_state=1)
LONGER = {**SMALL, 'epochs': 40}
ONE_STEP = {**SMALL, 'epochs': 1, 'batch_size': 300}


def test_finds_blobs():
    model = IMSATClustering(3, n_init=3, **LONGER).fit(X)
    assert clustering_accuracy(Y, model.labels_) > .9
    numpy.testing.assert_array_equal(model.predict(X), model.labels_)
    p = model.predict_proba(X)
    numpy.testing.assert_allclose(p.sum(axis=1), 1, 1e-12)
    numpy.testing.assert_array_equal(p.argmax(axis=1), model.labels_)
    logits = model.transform(X).astype('d')
    numpy.testing.assert_allclose(
        p, numpy.exp(logits) / numpy.exp(logits).sum(1, keepdims=True), 1e-6)
    mean = p.mean(axis=0)
    information = (p * numpy.log(p / mean)).sum(axis=1).mean()
    numpy.testing.assert_allclose(
        model.score(X), information * information / numpy.log(3), 1e-5)


def test_search_for_the_number_of_clusters():
    x, _ = make_blobs(480, 5, centers=4, cluster_std=.5, random_state=1)
    search = GridSearchCV(
        IMSATClustering(hidden=(50,), n_init=2, epochs=20, batch_size=40,
                        random_state=0),
        dict(n_clusters=[2, 4, 6]), cv=2, refit=False).fit(x / 5)
    assert search.best_params_ == dict(n_clusters=4)


def test_score_of_a_single_cluster():
    assert IMSATClustering(1, **SMALL).fit(X).score(X) == 0


def test_leaves_no_files_unless_told_where(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    IMSATClustering(3, **SMALL).fit(X)
    assert not list(tmp_path.iterdir())
    IMSATClustering(3, out='run', **SMALL).fit(X)
    assert [path.name for path in tmp_path.iterdir()] == ['run']


def test_sparse(device_number):
    small = dict(SMALL, device=device_number)
    x = numpy.where(abs(X) < .1, 0, X)
    assert (x == 0).any()
    for matrix in (scipy.sparse.csr_matrix(x), scipy.sparse.csr_array(x),
                   scipy.sparse.coo_matrix(x)):
        sparse = IMSATClustering(3, **small).fit(matrix)
        dense = IMSATClustering(3, **small).fit(x)
        numpy.testing.assert_array_equal(sparse.labels_, dense.labels_)
        numpy.testing.assert_array_equal(sparse.predict(matrix),
                                         sparse.labels_)


def test_restarts():
    model = IMSATClustering(3, n_init=3, select='objective', **SMALL).fit(X, Y)
    objectives = [r.objective for r in model.restarts_]
    assert len(set(objectives)) == 3
    assert model.best_restart_ == int(numpy.argmin(objectives))
    assert model.objective_ == min(objectives)
    best = model.restarts_[model.best_restart_]
    numpy.testing.assert_array_equal(model.labels_,
                                     best.logits.argmax(axis=1))
    assert best.log[-1]['all/accuracy'] == \
        clustering_accuracy(Y, model.labels_)
    # A restart is a run of its own from the seed that is recorded.
    for restart in model.restarts_:
        alone = IMSATClustering(
            3, **{**SMALL, 'random_state': restart.seed}).fit(X)
        assert alone.objective_ == restart.objective


@pytest.mark.parametrize('epochs,evaluations,options,expected', [
    (7, 3, {}, [2, 4, 6, 7]), (4, 9, {}, [1, 2, 3, 4]), (5, 1, {}, [5]),
    (3, 1, dict(delta=.1), [1, 2, 3])])
def test_evaluations(epochs, evaluations, options, expected):
    model, often = (IMSATClustering(3, **{
        **SMALL, 'epochs': epochs, 'evaluations': n, **options}).fit(X, Y)
        for n in (evaluations, epochs))
    log, full = model.restarts_[0].log, often.restarts_[0].log
    assert [entry['epoch'] for entry in log
            if 'all/accuracy' in entry] == expected
    # What is learnt is the same, and what is said of it.
    assert model.objective_ == often.objective_
    for entry, other in zip(log, full):
        assert entry.items() - {('elapsed_time', entry['elapsed_time'])} \
            <= other.items()


@pytest.mark.parametrize('objectives,best,select', [
    ([numpy.nan, 2., 1.], 2, 'objective'),
    ([2., numpy.nan, 3.], 0, 'objective'),
    ([numpy.nan, numpy.nan, 1.], 2, 'objective'),
    ([numpy.nan, numpy.nan, 1.], 2, 'agreement'),
    ([numpy.nan, 1., numpy.nan], 1, 'auto')])
def test_a_diverged_restart_is_not_kept(objectives, best, select):
    ranks = iter([(0., x) for x in objectives])

    class Ranked(imsat.ClusteringObjective):
        def rank(self, sat, information, penalty=None):
            return next(ranks)
    model = IMSATClustering(3, n_init=3, objective=Ranked(), select=select,
                            **SMALL).fit(X)
    assert model.best_restart_ == best


@pytest.mark.parametrize('x,options,message', [
    (X, dict(random_state=2), 'another random_state'),
    (X + 1, {}, 'other data')])
def test_another_run_is_not_gone_on_with(tmp_path, x, options, message):
    options = {**SMALL, 'out': tmp_path, **options}
    IMSATClustering(3, **{**options, 'random_state': 1}).fit(X)
    with pytest.raises(InputError, match=message):
        IMSATClustering(3, **options, resume=True).fit(x)


def test_labels_only_add_to_the_log():
    with_labels = IMSATClustering(3, **SMALL).fit(X, Y)
    without = IMSATClustering(3, **SMALL).fit(X)
    assert with_labels.objective_ == without.objective_
    assert 'all/accuracy' not in without.restarts_[0].log[-1]


@pytest.mark.parametrize('options', [
    dict(sampling='sweep'), dict(regularizer='rpt'), dict(hidden=()),
    dict(initialization='he'), dict(power_iterations=2),
    dict(regularizer=imsat.Augmentation(
        lambda x, rng: x + rng.normal(0, .3, x.shape).astype('f'))),
    dict(delta=.01)])
def test_options(options):
    model = IMSATClustering(3, **{**LONGER, **options}).fit(X)
    # Chance is .4; that the option works at all is what is tested.
    assert clustering_accuracy(Y, model.labels_) > .6


@pytest.mark.parametrize('options', [
    dict(), dict(alpha=.5), dict(n_neighbors=3), dict(xi=2.),
    dict(power_iterations=3), dict(power_iterations=0),
    dict(alpha=1., n_neighbors=20, xi=.5, power_iterations=2)])
def test_options_of_vat(monkeypatch, options):
    # What the network gets in a step: a batch, the steps of the power
    # iteration, and the adversarial batch.
    inputs, forward = [], imsat.Encoder.forward

    def recording(self, x, update_statistics=True):
        inputs.append(numpy.array(getattr(x, 'array', x), 'd'))
        return forward(self, x, update_statistics)

    update = imsat.training.updater.Updater.update_core

    def update_core(self):
        with monkeypatch.context() as patch:
            patch.setattr(imsat.Encoder, 'forward', recording)
            update(self)
    monkeypatch.setattr(imsat.training.updater.Updater, 'update_core',
                        update_core)
    IMSATClustering(3, step='graph', **ONE_STEP, **options).fit(X)

    options = {**dict(alpha=.25, n_neighbors=10, power_iterations=1),
               **options}
    x, *steps, adversarial = inputs
    assert len(steps) == options['power_iterations']
    # A number for xi leaves the data's unit; otherwise it is a power of two.
    unit = abs(x).max() / abs(X).max().astype('f')
    assert (unit == 1) == ('xi' in options) and numpy.log2(unit) % 1 == 0
    # The first of kneighbors is the point itself.
    t = options['n_neighbors']
    distances, _ = NearestNeighbors(n_neighbors=t + 1).fit(
        unit * X).kneighbors(x)
    radius = options['alpha'] * distances[:, t]
    # float32 rounds coordinates up to 32 by 1e-6.
    for step in steps:
        numpy.testing.assert_allclose(
            numpy.linalg.norm(step - x, axis=1),
            options.get('xi', .19 * 2 ** .5 * radius), atol=unit * 2e-6)
    numpy.testing.assert_allclose(
        numpy.linalg.norm(adversarial - x, axis=1), radius,
        atol=unit * 2e-6)


@pytest.mark.parametrize('options', [
    dict(), dict(lam=.3), dict(mu=1.5), dict(lam=2., mu=.5)])
def test_weights_of_the_information(options):
    lam, mu = options.get('lam', .1), options.get('mu', 4)
    model = IMSATClustering(3, **SMALL, **options).fit(X)
    p = model.predict_proba(X)
    mean = p.mean(axis=0)
    information = lam * (-(p * numpy.log(p)).sum(axis=1).mean()
                         + mu * (mean * numpy.log(mean)).sum())
    restart, = model.restarts_
    # The logarithms have 1e-8 inside, the expected values nothing.
    numpy.testing.assert_allclose(restart.objective - restart.terms['sat'],
                                  information, rtol=1e-6)


def test_sampling():
    # A regularizer that looks at the batches of one epoch.
    def shown(sampling):
        batches = []

        class Look(imsat.RPT):
            def __call__(self, network, distance, x, *args, **kwargs):
                batches.append(x)
                return super().__call__(network, distance, x, *args, **kwargs)
        IMSATClustering(3, regularizer=Look(), sampling=sampling, xi=10.,
                        **{**SMALL, 'epochs': 1}).fit(X)
        return numpy.unique(numpy.concatenate(batches[:6]), axis=0)
    points = numpy.unique(X.astype('f'), axis=0)
    numpy.testing.assert_array_equal(shown('sweep'), points)
    # 1 - (5 / 6)^6 = 67 % of them, with a deviation of 2 %.
    assert abs(len(shown('permutation')) / 300 - .67) < .1


def test_learning_rate():
    # Adam's first step from 0 is proportional to it.
    slow, fast = (IMSATClustering(3, learning_rate=rate, **ONE_STEP).fit(X)
                  .encoder_.bn1.beta.array for rate in (.002, .004))
    assert slow.all()
    numpy.testing.assert_array_equal(fast, 2 * slow)


@pytest.mark.parametrize('name,variances', [
    ('original', [.1 / 2, .1 / 200, 1e-4 / 300]),
    ('he', [.01 * 2 / 2, .01 * 2 / 200, 1e-8 * 2 / 300])])
def test_initialization(name, variances):
    # A rate at which nothing moves.
    model = IMSATClustering(
        3, initialization=name, learning_rate=1e-15, xi=1.,
        **{**ONE_STEP, 'hidden': (200, 300)}).fit(X)
    for i, variance in enumerate(variances, 1):
        w = model.encoder_[f'l{i}'].W.array
        # Five standard deviations of a sample's variance.
        assert abs(w.var() / variance - 1) < 5 * (2 / w.size) ** .5


def test_scores_of_a_partly_wrong_clustering():
    labels = numpy.array([0, 0, 0, 1, 1, 1])
    clusters = numpy.array([5, 5, 2, 2, 2, 2])
    # Of 15 pairs 4 are in one cluster rightly, of 6 in a class and 7 in a
    # cluster: 4 - 6 * 7 / 15 over (6 + 7) / 2 - 6 * 7 / 15.
    scores = clustering_scores(labels, clusters)
    assert scores['accuracy'] == 5 / 6
    assert scores['ari'] == pytest.approx(1.2 / 3.7, rel=1e-12)
    log = numpy.log
    shared = (2 * log(2) + log(.5) + 3 * log(1.5)) / 6
    mean = (log(2) - (log(1 / 3) + 2 * log(2 / 3)) / 3) / 2
    assert scores['nmi'] == pytest.approx(shared / mean, rel=1e-12)

    rng = numpy.random.RandomState(0)
    clusters = numpy.where(rng.uniform(size=300) < .3,
                           rng.randint(4, size=300), Y)
    scores = clustering_scores(Y, clusters)
    assert 0 < scores['ari'] < 1 and 0 < scores['nmi'] < 1
    assert scores['nmi'] == normalized_mutual_info_score(Y, clusters)
    assert scores['ari'] == adjusted_rand_score(Y, clusters)


def test_prior_is_met_within_delta():
    x, _ = make_blobs([150, 100, 50], centers=[[0, 0], [6, 0], [0, 6]],
                      random_state=0)
    prior = numpy.array([1 / 2, 1 / 3, 1 / 6])
    model = IMSATClustering(3, prior=prior, delta=.01, **LONGER).fit(x)
    mean = model.predict_proba(x).mean(axis=0)
    divergence = (mean * numpy.log(mean / prior)).sum()
    assert divergence <= .01
    numpy.testing.assert_allclose(model.restarts_[0].terms['kl_to_prior'],
                                  divergence, 1e-4)


def test_penalty_is_raised_while_the_divergence_is_too_big():
    # A tolerance that is never met.
    model = IMSATClustering(3, delta=1e-12, xi=10., **LONGER).fit(X)
    weight, last = .4, numpy.inf
    for entry in model.restarts_[0].log:
        assert entry['all/penalty'] == weight
        kl = entry['all/kl_to_prior']
        weight *= 2 if kl > .9 * last else 1
        last = kl
    assert weight > .4


def test_save_and_load(tmp_path):
    prior = numpy.array([.2, .3, .5])
    model = IMSATClustering(3, prior=prior, out=tmp_path / 'run',
                            **SMALL).fit(X)
    model.save(tmp_path / 'model.npz')
    loaded = IMSATClustering.load(tmp_path / 'model.npz')
    numpy.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    assert loaded.hidden == [30, 30] and loaded.out is None
    assert loaded.prior == prior.tolist()
    with pytest.raises(ValueError, match='features'):
        loaded.predict(X[:, :1])


@pytest.mark.parametrize('content', ['half', 'other'])
def test_load_what_is_none(tmp_path, content):
    path = tmp_path / 'model.npz'
    if content == 'half':
        IMSATClustering(3, **SMALL).fit(X).save(path)
        path.write_bytes(path.read_bytes()[:1000])
    else:
        numpy.savez(path, x=X)
    with pytest.raises(InputError, match='model.npz'):
        IMSATClustering.load(path)


@pytest.mark.parametrize('value', [
    imsat.VAT(.5, 2), imsat.RPT(), imsat.WeightDecay(.01),
    imsat.Affine((1, 2), dict(rotation=5)),
    imsat.Mean(imsat.VAT(1.), imsat.Affine((1, 2)))])
def test_values_are_saved(tmp_path, value):
    objective = imsat.ClusteringObjective(.2, 3, [.2, .3, .5])
    model = IMSATClustering(3, regularizer=value, objective=objective,
                            **{**SMALL, 'epochs': 1}).fit(X)
    model.save(tmp_path / 'model.npz')
    loaded = IMSATClustering.load(tmp_path / 'model.npz')
    assert loaded.objective == objective
    numpy.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    assert type(loaded.regularizer) is type(value)
    assert loaded.score(X) == model.score(X)


def test_a_value_wins_over_arguments():
    by_value = IMSATClustering(
        3, regularizer=imsat.VAT(xi=.5), xi=7.,
        objective=imsat.ClusteringObjective(lam=.3), lam=9., **SMALL).fit(X)
    by_name = IMSATClustering(3, xi=.5, lam=.3, **SMALL).fit(X)
    assert by_value.objective_ == by_name.objective_


def test_one_of_its_own_can_not_be_saved(tmp_path):
    still = imsat.Augmentation(lambda x, rng: x)
    model = IMSATClustering(3, regularizer=still, **SMALL).fit(X)
    with pytest.raises(InputError, match='of your own'):
        model.save(tmp_path / 'model.npz')
    assert not list(tmp_path.iterdir())


def test_augmentation_needs_no_neighbours():
    duplicates = numpy.repeat(X[:20], 15, axis=0)
    still = imsat.Augmentation(lambda x, rng: x)
    model = IMSATClustering(3, regularizer=still, **SMALL).fit(duplicates)
    assert model.restarts_[0].terms['sat'] == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize('options,message', [
    (dict(batch_size=301), 'batch_size is 301.*n_samples = 300'),
    (dict(n_clusters=301), 'n_clusters is 301.*n_samples = 300'),
    (dict(n_neighbors=300), 'choose one from 1 to 299'),
    (dict(n_neighbors=0), 'n_neighbors is 0; give a whole number from 1'),
    (dict(n_clusters=0), 'n_clusters'), (dict(n_init=0), 'n_init'),
    (dict(epochs=2.5), 'epochs'), (dict(batch_size=1), 'batch_size'),
    (dict(power_iterations=-1), 'power_iterations'),
    (dict(initialization='no'), 'he'), (dict(sampling='no'), 'sweep'),
    (dict(regularizer='no'), 'vat'), (dict(prior=[.5, .5]), '2 entries'),
    (dict(prior=[.5, .5, .5]), 'sum to 1'), (dict(delta=0.), 'delta'),
    (dict(device=99), 'no GPU 99'), (dict(device=-2), 'device is -2'),
    *((dict.fromkeys([name], value), f'{name} is {value}; give a finite')
      for name in ('lam', 'mu', 'alpha', 'xi', 'weight_decay')
      for value in (numpy.nan, numpy.inf, -1.)),
    *((dict(hidden=hidden), 'give the units of each')
      for hidden in (0, 2.5, '20-20', (0,), (20, 2.5))),
    (dict(device='cuda'), "device is 'cuda'"),
    (dict(n_neighbors=2.5), 'n_neighbors is 2.5'),
    (dict(prior=.5), 'must be positive numbers'),
    (dict(objective=imsat.CodeObjective((4,))), 'sizes sum to 4'),
    (dict(objective=imsat.HashingObjective), 'give a value such as'),
    (dict(regularizer=imsat.VAT), 'give a value such as'),
    (dict(epochs=True), 'epochs is True'), (dict(verbose=-1), 'verbose is -1'),
    (dict(batch_size=10 ** 30), 'batch_size'),
    (dict(random_state='a'), "random_state is 'a'"),
    (dict(out=''), "out is ''"), (dict(cache=3), 'cache is 3'),
    (dict(resume=True), 'give out')])
def test_bad_arguments(options, message):
    with pytest.raises(InputError, match=message) as info:
        IMSATClustering(**{'n_clusters': 3, **SMALL, **options}).fit(X)
    assert '\n' not in str(info.value)


@pytest.mark.parametrize('x,y,message', [
    (numpy.where(X == X[0, 0], numpy.nan, X), None, 'NaN'),
    (numpy.where(X == X[0, 0], numpy.inf, X), None, 'infinity'),
    (X[:, 0], None, '1D'), (X[:0], None, 'minimum'),
    (X, Y[:-1], '299 labels for 300 points')])
def test_bad_data(x, y, message):
    with pytest.raises(ValueError, match=message):
        IMSATClustering(3, **SMALL).fit(x, y)


def test_constant_features_do_no_harm():
    x = numpy.concatenate([X, numpy.full((300, 3), 7.)], axis=1)
    model = IMSATClustering(3, **SMALL).fit(x)
    assert numpy.isfinite(model.objective_)
    assert numpy.isfinite(model.transform(x)).all()


def test_a_prior_comes_when_it_did_where_a_run_goes_on(tmp_path, monkeypatch):
    options = dict(SMALL, prior=[.5, .3, .2], out=tmp_path, epochs=4,
                   snapshot_seconds=0)
    IMSATClustering(3, **options).fit(X)
    options.update(epochs=12, resume=True)

    def come(*args):
        raise AssertionError('it came twice')
    monkeypatch.setattr('imsat.training.extensions.sort_outputs', come)
    monkeypatch.setattr('imsat.training.extensions.refill', come)
    with pytest.warns(UserWarning, match='after 2 epochs.* not after 6'):
        model = IMSATClustering(3, **options).fit(X)
    weights = [entry['all/penalty'] for entry in model.restarts_[0].log]
    assert weights == [0.] * 2 + [.4] * 10
