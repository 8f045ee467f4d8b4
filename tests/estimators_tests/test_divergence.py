"""What is not finite: training stops, and says where."""
import contextlib
import copy
import itertools
import pickle

import chainer
import numpy
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

import imsat
from imsat import (
    DEC, DAEKMeans, DeepHasher, DivergenceError, IMSATClustering,
    IMSATHasher, InputError, ITQHasher, KMeansClustering, SpectralHasher)
from imsat.randomness import restart_seeds
from imsat.storage import load_npz
from imsat.training.updater import Updater

X, Y = make_blobs(200, 6, centers=3, random_state=0)
SMALL = dict(hidden=(10,), epochs=4, batch_size=50, random_state=0)
CODE = dict(n_code=2, **SMALL)
ESTIMATORS = [
    IMSATClustering(3, **SMALL), IMSATHasher(3, **SMALL),
    IMSATClustering(3, regularizer='weight-decay', **SMALL),
    DAEKMeans(3, **CODE), DEC(3, **CODE), DeepHasher(3, **SMALL),
    KMeansClustering(3), ITQHasher(3), SpectralHasher(3)]
OUTLIER = X.copy()
OUTLIER[3, 2] = 1e30
pytestmark = [pytest.mark.filterwarnings(f'ignore:{what}') for what in (
    ':imsat.CollapseWarning', 'select chooses among restarts:UserWarning')]


@pytest.mark.parametrize('estimator', ESTIMATORS, ids=str)
def test_beyond_float32(estimator):
    for x in X * 1e30, X * 1e-30, OUTLIER, X * 1e300:
        with pytest.raises(InputError, match='largest value of the data'):
            estimator.fit(x)
    estimator.fit(X)
    for x in X * 1e30, OUTLIER, X * 1e39:
        with pytest.raises(InputError, match='largest value of the data'):
            estimator.transform(x)
    estimator.transform(X[:2] * 0)


@pytest.mark.parametrize('estimator', [
    IMSATClustering(3, lam=1e30, **SMALL),
    IMSATClustering(3, lam=1e20, mu=1e20, **SMALL),
    IMSATClustering(3, learning_rate=1e30, **SMALL),
    IMSATClustering(3, regularizer='weight-decay', weight_decay=1e35,
                    **SMALL),
    IMSATHasher(3, lam=1e30, **SMALL),
    IMSATHasher(3, learning_rate=1e30, **SMALL),
    DAEKMeans(3, learning_rate=1e30, **CODE),
    DEC(3, self_training_rate=1e30, **CODE),
    DeepHasher(3, balance=1e38, **SMALL),
    DeepHasher(3, learning_rate=1e30, **SMALL)], ids=str)
def test_stops(tmp_path, estimator):
    estimator.set_params(out=tmp_path, snapshot_seconds=0.)
    with pytest.raises(DivergenceError, match='in epoch 1, by step [1-4]; '):
        estimator.fit(X)
    for path in tmp_path.glob('**/snapshot-*.npz'):
        for array in load_npz(path).values():
            assert array.dtype.kind not in 'f' or numpy.isfinite(array).all()


def noise_until(step):
    """An augmentation that fails at a step, the first being 0."""
    calls = []

    def transform(x, rng):
        calls.append(None)
        return x + rng.normal(
            0, .1 if len(calls) <= step else numpy.nan, x.shape)
    return imsat.Augmentation(transform)


def test_the_last_good_snapshot_is_gone_on_with(tmp_path):
    options = dict(SMALL, snapshot_seconds=0.)
    whole = IMSATClustering(3, regularizer=noise_until(100), **options).fit(X)
    with pytest.raises(DivergenceError, match='main/sat.*epoch 3, by step 10'):
        IMSATClustering(3, regularizer=noise_until(9), out=tmp_path,
                        **options).fit(X)
    assert [path.name for path in sorted(tmp_path.glob('snapshot*'))] == [
        'snapshot-000001.npz', 'snapshot-000002.npz']
    resumed = IMSATClustering(3, regularizer=noise_until(100), out=tmp_path,
                              resume=True, **options).fit(X)
    assert resumed.objective_ == whole.objective_


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('setting', [
    dict(train=False), dict(enable_backprop=False),
    dict(dtype=chainer.mixed16), dict(dtype=numpy.dtype('float64')),
    dict(keep_graph_on_report=True), dict(debug=True)], ids=str)
@pytest.mark.parametrize('make', [
    lambda: IMSATClustering(3, **SMALL), lambda: DEC(3, **CODE),
    lambda: DeepHasher(3, **SMALL)])
def test_settings_of_the_user_make_no_difference(tmp_path, monkeypatch,
                                                 setting, make):
    expected = make().fit(X)
    expected.save(tmp_path / 'model.npz')
    with numpy.errstate(all='raise'):
        for name, value in setting.items():
            monkeypatch.setattr(chainer.global_config, name, value)
        model = make().fit(X)
        loaded = type(model).load(tmp_path / 'model.npz')
        assert model.objective_ == expected.objective_
        for other in model, loaded:
            numpy.testing.assert_array_equal(other.transform(X),
                                             expected.transform(X))
        if hasattr(model, 'score'):
            model.score(X)
    for param in model.encoder_.params():
        assert param.dtype == numpy.float32


def test_a_constraint_that_can_not_be_met_is_told_of():
    with pytest.warns(imsat.CollapseWarning, match='delta, although its pen'):
        model = IMSATClustering(3, delta=1e-12, **SMALL).fit(X)
    assert any('1e-12' in note for note in model.warnings_)


def now_and_then(x, rng):
    """An augmentation that fails at a few steps, not the same of each seed."""
    return x + rng.normal(0, .1 if rng.random() > .03 else numpy.nan, x.shape)


def with_restarts(cls=IMSATClustering, **options):
    return cls(3, **{**SMALL, 'n_init': 4, 'regularizer': imsat.Augmentation(
        now_and_then), **options})


def one_by_one(model):
    """By seed the objective of each restart that does not diverge alone."""
    objectives = {}
    for seed in restart_seeds(model.random_state, model.n_init):
        with contextlib.suppress(DivergenceError):
            objectives[seed] = clone(model).set_params(
                n_init=1, random_state=seed).fit(X).objective_
    return objectives


@pytest.mark.parametrize('model', [
    with_restarts(select='objective', random_state=1),
    with_restarts(select='objective', random_state=2, n_jobs=2),
    with_restarts(IMSATHasher, random_state=3)],
    ids=lambda model: f'{type(model).__name__}-{model.random_state}')
def test_restarts_that_diverge_are_left_out(model, tmp_path):
    alone = one_by_one(model)
    seeds = restart_seeds(model.random_state, 4)
    assert 1 < len(alone) < 4
    lost = ', '.join(str(i + 1) for i, seed in enumerate(seeds)
                     if seed not in alone)
    model.set_params(out=tmp_path / 'run')
    for resume in False, True:
        with pytest.warns(
                imsat.CollapseWarning, match=f'restarts? {lost} of 4 diverged '
                f'and went no further: .* became NaN .* in epoch'):
            model.set_params(resume=resume).fit(X)
        assert {r.seed: r.objective for r in model.restarts_} == alone
        assert model.objective_ == min(alone.values())
        kept = model.restarts_[model.best_restart_]
        assert alone[kept.seed] == model.objective_
        # What is saved has the seed that makes all of them again.
        copy.copy(model).set_params(regularizer='vat').save(
            tmp_path / 'model.npz')
        loaded = type(model).load(tmp_path / 'model.npz')
        assert loaded.random_state == model.seed_ == seeds[0]


def test_a_pickle_of_before_has_the_first_seed(tmp_path):
    model = KMeansClustering(3, random_state=numpy.random.RandomState(5))
    seed = numpy.random.RandomState(5).randint(2 ** 31)
    assert model.fit(X).seed_ == seed
    del model.seed_
    pickle.loads(pickle.dumps(model)).save(tmp_path / 'model.npz')
    assert KMeansClustering.load(tmp_path / 'model.npz').random_state == seed


@pytest.mark.parametrize('select', ['majority', 'consensus'])
def test_what_is_left_is_compared_or_joined(select):
    model = with_restarts(select=select, random_state=3)
    assert restart_seeds(3, 4)[0] not in one_by_one(model)
    model.fit(X)
    runs = [r for r in model.restarts_ if not r.is_joined]
    assert [r.seed for r in runs] == restart_seeds(3, 4)[1:]
    labels = [r.logits.argmax(axis=1) for r in runs]
    for i, run in enumerate(runs):
        assert run.terms['majority'] == pytest.approx(numpy.mean([
            adjusted_rand_score(labels[i], labels[j])
            for j in range(3) if j != i]))
    if select == 'consensus':
        assert len(model.encoder_) == 3


@pytest.mark.parametrize('model', [
    IMSATClustering(3, n_init=3, learning_rate=1e30, **SMALL),
    IMSATClustering(3, n_init=3, learning_rate=1e30, halving=True, **SMALL),
    DeepHasher(3, n_init=3, learning_rate=1e30, **SMALL)], ids=str)
def test_all_restarts_diverge(model):
    with pytest.raises(DivergenceError, match='in epoch 1, by step'):
        model.fit(X)
    assert not hasattr(model, 'restarts_') and not hasattr(model, 'seed_')


OH = DivergenceError('oh')


def fails(cls, seeds, monkeypatch, until=99, error=OH):
    """Makes the training of some seeds fail, in halving that of rounds which
    end after so many epochs."""
    train = cls._train

    def fail(self, seed, session, **options):
        if seed in seeds and (session.until or until) >= until:
            raise error
        return train(self, seed, session, **options)
    monkeypatch.setattr(cls, '_train', fail)


@pytest.mark.parametrize('until', [3, 4])
def test_halving_goes_on_with_what_does_not_diverge(until, monkeypatch):
    # Rounds end after 1, 3 and 4 epochs.
    options = {**SMALL, 'n_init': 4, 'halving': True}
    whole = IMSATClustering(3, **options).fit(X)
    first, = (r.seed for r in whole.restarts_ if r.terms['epochs'] == 4)
    second, = (r.seed for r in whole.restarts_ if r.terms['epochs'] == 3)
    fails(IMSATClustering, [first], monkeypatch, until)
    number = restart_seeds(0, 4).index(first) + 1
    with pytest.warns(imsat.CollapseWarning, match=f'restart {number} of 4 '
                      f'diverged and went no further: oh'):
        model = IMSATClustering(3, **options).fit(X)
    # It stays as it was in the round before.
    assert [r.seed for r in model.restarts_] == restart_seeds(0, 4)
    assert {r.seed: r.terms['epochs'] for r in model.restarts_
            if r.terms['epochs'] > 1} == {
                second: 4, **({first: 3} if until == 4 else {})}
    assert model.restarts_[model.best_restart_].seed == second
    monkeypatch.undo()
    alone = IMSATClustering(3, **{**SMALL, 'random_state': second}).fit(X)
    assert model.objective_ == alone.objective_


def test_the_better_half_is_of_those_that_did_not_diverge(monkeypatch):
    options = {**SMALL, 'n_init': 4, 'halving': True}
    whole = IMSATClustering(3, **options).fit(X)
    begun = [r.seed for r in whole.restarts_]
    lost = [r.seed for r in whole.restarts_ if r.terms['epochs'] == 1]
    assert begun.index(lost[0]) < 2  # or it would be behind in any order
    fails(IMSATClustering, lost[1:], monkeypatch, 1)
    model = IMSATClustering(3, **options).fit(X)
    expected = [(r.seed, r.objective) for r in whole.restarts_
                if r.seed != lost[1]]
    assert [(r.seed, r.objective) for r in model.restarts_] == expected
    assert model.objective_ == whole.objective_


def test_halving_without_the_first(monkeypatch):
    options = {**SMALL, 'n_init': 4, 'halving': True}
    seeds = restart_seeds(0, 4)
    fails(IMSATClustering, seeds[:3], monkeypatch, 1)
    model = IMSATClustering(3, **options).fit(X)
    assert [r.seed for r in model.restarts_] == seeds[3:]
    assert model.best_restart_ == 0 and model.n_iter_ == 4
    # Nothing else has been trained so far.
    fails(IMSATClustering, seeds[3:], monkeypatch, 4, DivergenceError('late'))
    with pytest.raises(DivergenceError, match='oh'):
        IMSATClustering(3, **options).fit(X)


def test_deep_hash_leaves_out_what_diverges(monkeypatch):
    seeds = restart_seeds(0, 3)
    fails(DeepHasher, seeds[:1], monkeypatch)
    model = DeepHasher(3, n_init=3, **SMALL).fit(X)
    assert [r.seed for r in model.restarts_] == seeds[1:]


@pytest.fixture
def stopped(monkeypatch):
    """A function after which Ctrl-C comes in the step of a number, the first
    being 1, where the weights have become NaN, or some factor more."""
    update = Updater.update_core

    def stop_in(number, factor=numpy.nan):
        steps = itertools.count(1)

        def stop(self):
            if next(steps) < number:
                return update(self)
            for param in self.get_optimizer('main').target.params():
                param.array *= factor
            raise KeyboardInterrupt
        monkeypatch.setattr(Updater, 'update_core', stop)
    return stop_in


@pytest.mark.parametrize('model', [
    IMSATClustering(3, **SMALL), DeepHasher(3, **SMALL),
    DAEKMeans(3, **CODE)], ids=str)
def test_nothing_is_kept_of_nan(model, stopped):
    stopped(6)
    with pytest.raises(DivergenceError, match='in epoch 2, by step 5; '):
        model.fit(X)


@pytest.mark.parametrize('model,first,second', [
    (IMSATClustering(3, n_init=3, **SMALL), 6, 18),
    (IMSATClustering(3, n_init=3, halving=True, **SMALL), 2, 6),
    (DeepHasher(3, n_init=3, **SMALL), 6, 18)], ids=str)
def test_ctrl_c_where_weights_are_nan(model, first, second, stopped):
    stopped(first)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    stopped(second)
    with pytest.warns(imsat.CollapseWarning, match='fit was stopped'):
        model.fit(X)
    assert [r.seed for r in model.restarts_] == [0]


@pytest.mark.parametrize('cls', [IMSATClustering, DeepHasher])
def test_restarts_have_their_numbers(cls, monkeypatch, stopped):
    fails(cls, restart_seeds(0, 3)[:1], monkeypatch)
    stopped(6, 1.)
    with pytest.warns(imsat.CollapseWarning, match='of restart 2 of 3; what'):
        model = cls(3, n_init=3, **SMALL).fit(X)
    assert [r.seed for r in model.restarts_] == restart_seeds(0, 3)[1:2]


@pytest.mark.parametrize('cls', [IMSATClustering, DeepHasher])
def test_ctrl_c_after_all_before_have_diverged(cls, monkeypatch):
    seeds = restart_seeds(0, 3)
    fails(cls, seeds[1:2], monkeypatch, error=KeyboardInterrupt)
    fails(cls, seeds[:1], monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        cls(3, n_init=3, **SMALL).fit(X)


def test_numbers_of_clusters_without_what_diverges(monkeypatch):
    seeds = restart_seeds(0, 3)
    estimator = IMSATClustering(n_init=3, **SMALL)
    fails(IMSATClustering, seeds[:1], monkeypatch)
    tried = imsat.choose_n_clusters(estimator, X, [2, 3])
    assert [len(value['information']) for value in tried.values] == [2, 2]
    assert 'on average of 2 seeds' in str(tried)
    fails(IMSATClustering, seeds[1:2], monkeypatch)
    with pytest.raises(DivergenceError, match='all restarts but one'):
        imsat.choose_n_clusters(estimator, X, [2, 3])
