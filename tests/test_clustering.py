import warnings

import numpy
import pytest
import scipy.sparse
from sklearn.datasets import make_blobs
from sklearn.utils.estimator_checks import check_estimator

import imsat
from imsat import IMSATClustering, InputError, clustering_accuracy

# Three round clusters that anything should find.
X, Y = make_blobs(300, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)
SMALL = dict(hidden=(30, 30), epochs=4, batch_size=50, random_state=1)
LONGER = {**SMALL, 'epochs': 40}

EXPECTED_FAILURES = {
    # The data of these two have ten and more rows of zeros alone, duplicates
    # for which sigma is 0; test_sparse stands in for them.
    'check_estimator_sparse_array': 'duplicates are refused',
    'check_estimator_sparse_matrix': 'duplicates are refused',
}


def test_check_estimator():
    # Sizes that go with scikit-learn's data of ten to fifty points.
    estimator = IMSATClustering(3, hidden=(30,), epochs=12, batch_size=8,
                                n_neighbors=9, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        results = check_estimator(
            estimator, expected_failed_checks=EXPECTED_FAILURES)
    failed = {r['check_name'] for r in results if r['status'] == 'xfail'}
    assert failed == set(EXPECTED_FAILURES)


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
    numpy.testing.assert_allclose(model.score(X), information, 1e-5)


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
    model = IMSATClustering(3, n_init=3, **SMALL).fit(X, Y)
    objectives = [r['objective'] for r in model.restarts_]
    assert len(set(objectives)) == 3
    assert model.best_restart_ == int(numpy.argmin(objectives))
    assert model.objective_ == min(objectives)
    best = model.restarts_[model.best_restart_]
    numpy.testing.assert_array_equal(model.labels_,
                                     best['logits'].argmax(axis=1))
    assert best['log'][-1]['all/accuracy'] == \
        clustering_accuracy(Y, model.labels_)
    # A restart is a run of its own from the seed that is recorded.
    for restart in model.restarts_:
        alone = IMSATClustering(
            3, **{**SMALL, 'random_state': restart['seed']}).fit(X)
        assert alone.objective_ == restart['objective']


def test_labels_only_add_to_the_log():
    with_labels = IMSATClustering(3, **SMALL).fit(X, Y)
    without = IMSATClustering(3, **SMALL).fit(X)
    assert with_labels.objective_ == without.objective_
    assert 'all/accuracy' not in without.restarts_[0]['log'][-1]


@pytest.mark.parametrize('options', [
    dict(sampling='sweep'), dict(regularizer='rpt'), dict(hidden=()),
    dict(initialization='he'), dict(power_iterations=2),
    dict(regularizer=imsat.augmentation(
        lambda x, rng: x + rng.normal(0, .3, x.shape).astype('f'))),
    dict(delta=.01)])
def test_options(options):
    model = IMSATClustering(3, **{**LONGER, **options}).fit(X)
    # Chance is .4; that the option works at all is what is tested.
    assert clustering_accuracy(Y, model.labels_) > .6


def test_prior_is_met_within_delta():
    x, _ = make_blobs([150, 100, 50], centers=[[0, 0], [6, 0], [0, 6]],
                      random_state=0)
    prior = numpy.array([1 / 2, 1 / 3, 1 / 6])
    model = IMSATClustering(3, prior=prior, delta=.01, **LONGER).fit(x)
    mean = model.predict_proba(x).mean(axis=0)
    divergence = (mean * numpy.log(mean / prior)).sum()
    assert divergence <= .01
    numpy.testing.assert_allclose(model.restarts_[0]['kl_to_prior'],
                                  divergence, 1e-4)


def test_penalty_is_raised_while_the_divergence_is_too_big():
    # A tolerance that is never met.
    model = IMSATClustering(3, delta=1e-12, **LONGER).fit(X)
    weight, last = .4, numpy.inf
    for entry in model.restarts_[0]['log']:
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


def test_one_of_its_own_can_not_be_saved(tmp_path):
    model = IMSATClustering(3, regularizer=imsat.rpt, **SMALL).fit(X)
    with pytest.raises(InputError, match='of your own'):
        model.save(tmp_path / 'model.npz')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('options,message', [
    (dict(batch_size=301), 'n_samples = 300.*size of a batch is 301'),
    (dict(n_clusters=301), 'n_samples = 300.*number of clusters is 301'),
    (dict(n_neighbors=300), 'choose one from 1 to 299'),
    (dict(n_neighbors=0), 'choose one from 1 to 299'),
    (dict(n_clusters=0), 'n_clusters'), (dict(n_init=0), 'n_init'),
    (dict(epochs=2.5), 'epochs'), (dict(batch_size=1), 'batch_size'),
    (dict(power_iterations=-1), 'power_iterations'),
    (dict(initialization='no'), 'he'), (dict(sampling='no'), 'sweep'),
    (dict(regularizer='no'), 'vat'), (dict(prior=[.5, .5]), '2 entries'),
    (dict(prior=[.5, .5, .5]), 'sum to 1'), (dict(delta=0.), 'delta'),
    (dict(device=99), 'no GPU 99')])
def test_bad_arguments(options, message):
    with pytest.raises(InputError, match=message) as info:
        IMSATClustering(**{'n_clusters': 3, **SMALL, **options}).fit(X)
    assert '\n' not in str(info.value)


@pytest.mark.parametrize('x,y,message', [
    (numpy.where(X == X[0, 0], numpy.nan, X), None, 'NaN'),
    (numpy.where(X == X[0, 0], numpy.inf, X), None, 'infinity'),
    (X[:, 0], None, '1D'), (X[:0], None, 'minimum'),
    (X, Y[:-1], '299 labels for 300 points'),
    (numpy.repeat(X[:20], 15, axis=0), None, '300 points have 10 or more')])
def test_bad_data(x, y, message):
    with pytest.raises(ValueError, match=message):
        IMSATClustering(3, **SMALL).fit(x, y)


def test_constant_features_do_no_harm():
    x = numpy.concatenate([X, numpy.full((300, 3), 7.)], axis=1)
    model = IMSATClustering(3, **SMALL).fit(x)
    assert numpy.isfinite(model.objective_)
    assert numpy.isfinite(model.transform(x)).all()
