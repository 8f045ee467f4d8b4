"""What is not finite: training stops, and says where."""
import chainer
import numpy
import pytest
from sklearn.datasets import make_blobs

import imsat
from imsat import (
    DEC, DAEKMeans, DeepHasher, DivergenceError, IMSATClustering,
    IMSATHasher, InputError, ITQHasher, KMeansClustering, SpectralHasher)
from imsat.storage import load_npz

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
pytestmark = pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')


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
