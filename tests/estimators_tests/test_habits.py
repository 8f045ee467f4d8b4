"""What people know of scikit-learn's estimators, and expect of these."""
import contextlib
import itertools
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import joblib
import numpy
import pandas
import pytest
import scipy.special
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError

import imsat
from imsat import (
    DEC, CollapseWarning, DeepHasher, IMSATClustering,
    IMSATHasher, InputError, ITQHasher, KMeansClustering, SpectralHasher)
from imsat.estimators import base, clustering, selection
from imsat.training import IndexIterator

X, Y = make_blobs(300, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)
SMALL = dict(hidden=(30,), epochs=4, batch_size=50, random_state=1)
QUICK = dict(epochs=1, batch_size=100, random_state=0)

pytestmark = pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')


@pytest.mark.parametrize('make', [
    lambda hidden: IMSATClustering(3, hidden=hidden, **QUICK),
    lambda hidden: IMSATHasher(3, hidden=hidden, **QUICK),
    lambda hidden: DEC(3, hidden=hidden, n_code=2, max_epochs=1, **QUICK),
    lambda hidden: DeepHasher(2, hidden=hidden, **QUICK)])
def test_a_single_hidden_layer(tmp_path, make):
    one, same = clone(make(8)).fit(X), make((8,)).fit(X)
    assert one.get_params()['hidden'] == 8
    assert one.objective_ == same.objective_
    one.save(tmp_path / 'model.npz')
    numpy.testing.assert_array_equal(
        type(one).load(tmp_path / 'model.npz').transform(X),
        same.transform(X))


def test_networks_of_a_single_layer():
    assert imsat.Encoder(3, 2, 5).sizes == (3, 5, 2)
    assert imsat.links.TanhNetwork(3, 5).l1.W.shape == (5, 3)
    assert imsat.links.Autoencoder(3, 5).encoder[0].W.shape == (5, 3)


def steep(model):
    """Makes a model so sure that probabilities are 0 in floating point."""
    layer = list(model.encoder_.children())[-1]
    layer.W.array *= 1e5
    return model.transform(X).astype('d') if hasattr(model, 'labels_') \
        else None


def test_logarithms_of_probabilities():
    model = IMSATClustering(3, **SMALL).fit(X)
    for _ in range(2):
        log_p = model.predict_log_proba(X)
        numpy.testing.assert_allclose(
            log_p, scipy.special.log_softmax(model.transform(X).astype('d'),
                                             axis=1), rtol=1e-12)
        steep(model)
    assert log_p.min() < -800 and log_p.dtype == numpy.float64


def test_logarithms_of_bits():
    for options in {}, dict(objective=imsat.CodeObjective((2, 3))):
        model = IMSATHasher(3, **SMALL, **options).fit(X)
        numpy.testing.assert_allclose(
            model.predict_log_proba(X), numpy.log(model.predict_proba(X)),
            rtol=1e-6)
        steep(model)
        log_p = model.predict_log_proba(X)
        assert numpy.isfinite(log_p).all() and log_p.min() < -800


def test_logarithms_of_dec():
    model = DEC(3, hidden=8, n_code=2, max_epochs=1, **QUICK).fit(X)
    numpy.testing.assert_allclose(
        numpy.exp(model.predict_log_proba(X)), model.predict_proba(X), 1e-12)


@pytest.mark.parametrize('model,changes', [
    (IMSATClustering(3, **SMALL), dict(n_clusters=10)),
    (KMeansClustering(3, random_state=0), dict(n_clusters=10)),
    (DEC(3, hidden=8, n_code=2, max_epochs=1, **QUICK),
     dict(n_clusters=10, n_code=5)),
    (IMSATHasher(3, **SMALL), dict(n_bits=20)),
    (DeepHasher(3, hidden=8, **QUICK), dict(n_bits=20)),
    (ITQHasher(2), dict(n_bits=20)), (SpectralHasher(3), dict(n_bits=20))],
    ids=lambda value: type(value).__name__)
def test_what_is_fitted_counts(model, changes):
    before = model.fit(X).transform(X)
    score = model.score(X) if hasattr(model, 'score') else None
    model.set_params(**changes).set_output(transform='pandas')
    after = model.transform(X)
    numpy.testing.assert_array_equal(after, before)
    assert list(after) == model.get_feature_names_out().tolist()
    assert score is None or model.score(X) == score


def without_sizes(model):
    """From a pickle of before."""
    del model.sizes_
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize('again', [
    lambda model, path: model,
    lambda model, path: pickle.loads(pickle.dumps(model)),
    lambda model, path: without_sizes(model),
    lambda model, path: model.save(path) or IMSATHasher.load(path),
    lambda model, path: IMSATHasher.from_encoder(
        model.encoder_, objective=model.objective)],
    ids=['fitted', 'pickled', 'pickled before', 'loaded', 'of its encoder'])
@pytest.mark.parametrize('sizes,others', [
    (None, (2, 3)), ((2, 3), None), ((2, 3), (3, 2))])
def test_outputs_that_are_fitted_count(again, sizes, others, tmp_path):
    objective, other = (
        sizes and imsat.CodeObjective(sizes) for sizes in (sizes, others))
    path = tmp_path / 'model.npz'
    model = again(IMSATHasher(5, objective=objective, **SMALL).fit(X), path)

    def answers():
        return [model.transform(X), model.predict_proba(X),
                model.predict_log_proba(X), model.get_feature_names_out()]
    before, score = answers(), model.score(X)
    model.set_params(objective=other)
    for now, then in zip(answers(), before, strict=True):
        numpy.testing.assert_array_equal(now, then)
    path.unlink(missing_ok=True)
    for use in (lambda: model.score(X), lambda: model.save(path),
                lambda: model.partial_fit(X)):
        with pytest.raises(InputError, match='outputs are .*; set the param'):
            use()
    assert not path.exists()
    assert model.set_params(objective=objective).score(X) == score
    again = model.set_params(objective=other).fit(X)
    numpy.testing.assert_array_equal(again.transform(X), again.codes_)
    assert again.transform(X).shape != before[0].shape or sizes and others


def test_how_long_a_loaded_one_was_trained(tmp_path):
    model = IMSATClustering(3, **SMALL)
    with pytest.raises(NotFittedError):
        assert model.n_iter_
    model.fit(X).save(tmp_path / 'model.npz')
    loaded = IMSATClustering.load(tmp_path / 'model.npz')
    with pytest.raises(AttributeError, match='there after fit alone'):
        assert loaded.n_iter_


def test_how_long_was_trained():
    assert IMSATClustering(3, **SMALL).fit(X).n_iter_ == 4
    assert DeepHasher(2, hidden=8, **QUICK).fit(X).n_iter_ == 1
    # One of each layer, which are 2, of both, and DEC's own.
    assert DEC(3, hidden=8, n_code=2, max_epochs=1, tol=0.,
               **QUICK).fit(X).n_iter_ == 4
    assert ITQHasher(2, iterations=7).fit(X).n_iter_ == 7
    assert KMeansClustering(3, random_state=0).fit(X).n_iter_ > 0


@pytest.mark.parametrize('make', [
    lambda: IMSATClustering(3, n_init=3, **SMALL),
    lambda: IMSATHasher(3, **SMALL),
    lambda: DEC(3, hidden=8, n_code=2, max_epochs=1, **QUICK),
    lambda: DeepHasher(2, hidden=8, **QUICK)])
def test_a_pickle_has_the_network_and_no_more(make):
    model = make().fit(numpy.tile(X, (4, 1)))
    other = pickle.loads(pickle.dumps(model))
    numpy.testing.assert_array_equal(other.transform(X), model.transform(X))
    assert all(restart.logits is None for restart in other.restarts_)
    assert model.restarts_[0].logits is not None
    size = sum(array.nbytes for array in vars(model).values()
               if isinstance(array, numpy.ndarray))
    size += sum(param.array.nbytes for param in model.encoder_.params())
    assert len(pickle.dumps(model)) < size + 12000
    # Fit, and predictions, are those of the estimator.
    assert other.fit(X).objective_ == model.fit(X).objective_


def test_only_what_was_chosen_is_displayed():
    text = IMSATClustering(3, hidden=(7, 8), mu=1.5)._repr_mimebundle_()[
        'text/html']
    if 'parameters-table' not in text:
        pytest.skip('this scikit-learn shows no table')
    for name in 'n_clusters', 'hidden', 'mu':
        assert f'>{name}<' in text or name in text.split()
    for name in 'power_iterations', 'snapshot_seconds', 'neighbor_search':
        assert name not in text


def test_verbose_may_be_a_level(capsys):
    for verbose in 0, 1, 2, False, True:
        IMSATClustering(3, verbose=verbose, **QUICK).fit(X)
        out = capsys.readouterr()
        assert bool(out.out + out.err) == bool(verbose)


# --- Ctrl-C ----------------------------------------------------------------
class Interrupted(imsat.RPT):
    """Ctrl-C comes in the step of that number."""

    def __init__(self, step):
        super().__init__()
        object.__setattr__(self, 'steps', iter(range(step)))

    def __call__(self, *args, **kwargs):
        if chainer_trains() and next(self.steps, None) is None:
            object.__setattr__(self, 'steps', iter(range(10 ** 9)))
            raise KeyboardInterrupt
        return super().__call__(*args, **kwargs)


def chainer_trains():
    import chainer
    return chainer.config.train


@pytest.mark.parametrize('step,epochs', [(0, 0), (3, 0), (15, 2)])
def test_what_ctrl_c_leaves(step, epochs):
    model = IMSATClustering(3, regularizer=Interrupted(step), n_init=3, xi=1.,
                            **SMALL)
    with pytest.warns(CollapseWarning, match=f'stopped after {epochs} of 4 '
                                             f'epochs of restart 1 of 3'):
        model.fit(X, Y)
    assert len(model.restarts_) == 1 and model.n_iter_ == epochs
    numpy.testing.assert_array_equal(model.labels_, model.predict(X))
    whole = IMSATClustering(3, regularizer=imsat.RPT(), step='graph', xi=1.,
                            **{**SMALL, 'epochs': 2}).fit(X)
    # Five of ten steps, and three more.
    assert (model.objective_ == whole.objective_) == (step == 12)


def test_a_later_restart_that_is_stopped_competes(tmp_path):
    model = IMSATClustering(3, regularizer=Interrupted(30), n_init=3, xi=1.,
                            **SMALL).fit(X)
    assert len(model.restarts_) == 2
    assert model.objective_ == min(r.objective for r in model.restarts_)


def test_which_of_those_that_halving_has_begun_was_stopped():
    model = IMSATClustering(3, regularizer=Interrupted(15), n_init=4, xi=1.,
                            halving=True, **{**SMALL, 'epochs': 20})
    # Six epochs of five steps are the first round of the first.
    with pytest.warns(CollapseWarning, match='after 2 of 20 epochs of restart '
                                             '1 of 4'):
        model.fit(X)
    assert len(model.restarts_) == 1
    numpy.testing.assert_array_equal(model.labels_, model.predict(X))


# Four restarts by halves, 6 steps an epoch: 4 end after 6 epochs, 2 after 14.
HALVES = dict(SMALL, epochs=20, xi=1.)


def after(steps, seed):
    """A run alone, of so many steps, or stopped in the next."""
    options = {**HALVES, 'random_state': seed}
    if not steps % 6:
        options['epochs'], steps = steps // 6, 10 ** 9
    return IMSATClustering(3, regularizer=Interrupted(steps), **options).fit(X)


@pytest.mark.parametrize('step,seed,epochs,kept,steps', [
    (108, 1, [6, 6, 6, 0], 'best', 36), (164, 1, [6, 6, 9, 6], 'best', 36),
    pytest.param(164, 2, [9, 6, 6, 6], 'last', 56, marks=pytest.mark.slow),
    pytest.param(202, 1, [6, 6, 14, 7], 2, 84, marks=pytest.mark.slow),
    (250, 1, [6, 6, 15, 14], 'last', 94)])
def test_what_ctrl_c_leaves_of_halving(step, seed, epochs, kept, steps):
    """In the first round, at both ends of the second, where it is the best
    that goes on, too, and in the last."""
    model = IMSATClustering(3, regularizer=Interrupted(step), n_init=4,
                            halving=True, select='objective',
                            **{**HALVES, 'random_state': seed})
    model.fit(X)
    restarts = model.restarts_
    assert [restart.terms['epochs'] for restart in restarts] == epochs
    stopped = next(i for i, n in enumerate(epochs) if n not in (6, 14))
    assert f'{epochs[stopped]} of 20 epochs of restart {stopped + 1} of 4' \
        in model.warnings_[0]
    # R as it was in the last epoch.
    first = [restart.objective - restart.terms['sat']
             + restart.log[-1]['main/sat'] for restart in (
                 after(36, r.seed).restarts_[0] for r in restarts
                 if r.terms['epochs'])]
    expected = {'best': int(numpy.argmin(first)), 'last': stopped}.get(
        kept, kept)
    assert model.best_restart_ == expected
    alone = after(steps, restarts[expected].seed)
    numpy.testing.assert_array_equal(model.transform(X), alone.transform(X))
    numpy.testing.assert_array_equal(model.labels_, alone.labels_)
    assert model.objective_ == restarts[expected].objective


def was_stopped(model, x, message):
    """Whether Ctrl-C in fit left what was learnt, and a warning; without a
    message it is raised, and nothing is there."""
    if message is None:
        with pytest.raises(KeyboardInterrupt):
            model.fit(x)
        assert not hasattr(model, 'objective_')
        return False
    with pytest.warns(CollapseWarning, match=message):
        model.fit(x)
    return True


@pytest.mark.parametrize('call,message', [
    (1, None), (3, 'in round 1 of 3'), (6, 'in round 2 of 3')])
def test_ctrl_c_while_halving_looks_at_a_restart(monkeypatch, tmp_path, call,
                                                 message):
    """Once it is trained, before it is there."""
    def rank(self, restart, rank, indices):
        if next(calls) == call:
            raise KeyboardInterrupt
        return looked(self, restart, rank, indices)
    looked, calls = IMSATClustering._rank, itertools.count(1)
    monkeypatch.setattr(IMSATClustering, '_rank', rank)
    model = IMSATClustering(3, n_init=4, halving=True, **SMALL)
    if not was_stopped(model, X, message):
        return
    best = model.restarts_[model.best_restart_]
    assert len(model.restarts_) == min(call - 1, 4)
    last = max(r.terms['epochs'] for r in model.restarts_)
    assert best.terms['agreement'] == max(
        r.terms['agreement'] for r in model.restarts_
        if r.terms['epochs'] == last)
    numpy.testing.assert_array_equal(model.labels_, model.predict(X))
    calls = itertools.count(1)
    with pytest.raises(KeyboardInterrupt):
        model.set_params(out=tmp_path).fit(X)


def test_ctrl_c_while_halving_compares_restarts(monkeypatch):
    monkeypatch.setattr(selection, 'most_alike', interrupt)
    model = IMSATClustering(3, n_init=4, halving=True, select='majority',
                            **SMALL)
    with pytest.warns(CollapseWarning, match='in round 2 of 3'):
        model.fit(X)
    assert model.objective_ == min(r.objective for r in model.restarts_)
    assert [r.terms['epochs'] for r in model.restarts_] == 4 * [1]
    numpy.testing.assert_array_equal(model.labels_, model.predict(X))


def interrupt(*args):
    raise KeyboardInterrupt


def test_ctrl_c_while_others_are_compared(monkeypatch, tmp_path):
    monkeypatch.setattr(clustering, 'compare', interrupt)
    monkeypatch.setattr(clustering, 'LEAST_STEPS', 0)
    with pytest.warns(CollapseWarning, match='stopped before'):
        model = IMSATClustering(3, **SMALL).fit(X)
    numpy.testing.assert_array_equal(model.labels_, model.predict(X))
    with pytest.raises(KeyboardInterrupt):
        IMSATClustering(3, out=tmp_path, **SMALL).fit(X)


@pytest.mark.parametrize('step,message', [
    (3, None), (22, 'after 2 of 4 epochs of restart 1 of 2'),
    (43, 'in the first epoch of restart 2 of 2'),
    (65, 'after 2 of 4 epochs of restart 2 of 2')])
def test_ctrl_c_in_deep_hash(step, message):
    class Stopped(DeepHasher):
        def loss(self, *args):
            if next(steps) == step:
                raise KeyboardInterrupt
            return super().loss(*args)
    steps = itertools.count()
    model = Stopped(2, hidden=(6,), epochs=4, batch_size=X.shape[0] // 10,
                    n_init=2, random_state=0)
    if not was_stopped(model, X, message):
        return
    assert model.objective_ == min(r.objective for r in model.restarts_)
    numpy.testing.assert_array_equal(model.codes_, model.transform(X))


@pytest.mark.parametrize('make,epoch,phase', [
    *((make, epoch, phase) for make in (imsat.DAEKMeans, imsat.DEC)
      for epoch, phase in ((None, None), (1, 'layer-1'), (5, 'fine-tuning'))),
    pytest.param(imsat.DEC, 8, 'self-training', marks=pytest.mark.slow)])
def test_ctrl_c_in_phases(make, epoch, phase, monkeypatch):
    """Two layers of two epochs each, four of both, at most two of DEC."""
    x = numpy.random.RandomState(0).normal(size=(300, 3))

    def drawn(self):
        if next(steps) == step:
            raise KeyboardInterrupt
        return draw(self)
    draw = IndexIterator.__next__
    monkeypatch.setattr(IndexIterator, '__next__', drawn)
    steps, step = itertools.count(), 3 if epoch is None else 10 * epoch + 3
    model = make(3, hidden=(6,), n_code=2, epochs=4, random_state=0,
                 batch_size=30, learning_rate=.01, **dict(
                     max_epochs=2, tol=0.) if make is imsat.DEC else {})
    if not was_stopped(model, x, epoch and (
            f'stopped in {phase}, after {epoch} epochs')):
        return
    assert model.n_iter_ == epoch
    assert ('reconstruction' in model.restarts_[0].terms) == (epoch > 4)
    numpy.testing.assert_array_equal(model.labels_, model.predict(x))
    if make is imsat.DEC:
        q = model.predict_proba(x)
        p = q ** 2 / q.sum(axis=0)
        p /= p.sum(axis=1, keepdims=True)
        assert model.objective_ == pytest.approx(
            (p * numpy.log(p / q)).sum() / len(q), abs=1e-6)


def test_ctrl_c_among_those_to_join(tmp_path):
    """In the third of four: the second is kept, in an ensemble of four."""
    model = IMSATClustering(3, regularizer=Interrupted(60), n_init=4, xi=1.,
                            select='consensus', **SMALL)
    with pytest.warns(CollapseWarning, match='epochs of restart 3 of 4'):
        model.fit(X)
    *restarts, _ = model.restarts_
    agreements = [restart.terms['majority'] for restart in restarts]
    assert len(restarts) == 3 and max(agreements) == agreements[1]
    numpy.testing.assert_allclose(
        model.predict_proba(X), scipy.special.softmax(
            restarts[1].logits, axis=1), rtol=1e-4, atol=1e-7)
    model.regularizer = 'rpt'
    model.save(tmp_path / 'm.npz')
    numpy.testing.assert_array_equal(
        IMSATClustering.load(tmp_path / 'm.npz').predict(X), model.labels_)


@pytest.mark.parametrize('select,name', [
    ('majority', 'most_alike'), ('consensus', 'most_alike'),
    ('consensus', 'information_of')])
@pytest.mark.parametrize('before', [False, True])
def test_ctrl_c_while_restarts_are_compared(monkeypatch, tmp_path, select,
                                            name, before):
    """As if the objective had been asked for."""
    options = dict(SMALL, n_init=3)
    model = IMSATClustering(3, select=select, **options)
    if before:
        model.fit(2 * X[:150] + 1000.)
    monkeypatch.setattr(selection, name, interrupt)
    with pytest.warns(CollapseWarning, match='before restarts had been'):
        model.fit(X)
    alone = IMSATClustering(3, select='objective', **options).fit(X)
    assert model.objective_ == alone.objective_
    assert model.best_restart_ == alone.best_restart_
    assert len(model.restarts_) == 3
    numpy.testing.assert_array_equal(model.labels_, alone.labels_)
    numpy.testing.assert_array_equal(model.transform(X), alone.transform(X))
    # What has snapshots goes on from them.
    objective = model.objective_
    model.set_params(out=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:150])
    assert model.objective_ is objective and len(model.labels_) == len(X)


def test_ctrl_c_while_a_restart_is_evaluated():
    model = IMSATClustering(3, regularizer=Interrupted(55), n_init=4, xi=1.,
                            **SMALL)
    with pytest.warns(CollapseWarning, match='after 4 of 4 epochs of restart '
                                             '2 of 4'):
        model.fit(X)
    assert len(model.restarts_) == 2
    numpy.testing.assert_array_equal(model.labels_, model.predict(X))


def test_ctrl_c_among_restarts_at_once(monkeypatch, tmp_path):
    def apart(train, tasks, n_jobs):
        yield train(*tasks[0])
        raise KeyboardInterrupt
    monkeypatch.setattr(base, 'apart', apart)
    options = dict(SMALL, n_init=2, n_jobs=2)
    with pytest.warns(CollapseWarning, match='after 1 of 2 restarts'):
        model = IMSATClustering(3, **options).fit(X)
    assert len(model.restarts_) == 1
    numpy.testing.assert_array_equal(model.labels_, model.predict(X))
    with pytest.raises(KeyboardInterrupt):
        IMSATClustering(3, out=tmp_path, **options).fit(X)
    with pytest.warns(CollapseWarning, match='in round 1 of 2; what was lea'):
        model = IMSATClustering(3, halving=True, **options).fit(X)
    assert [r.terms['epochs'] for r in model.restarts_] == [2]
    numpy.testing.assert_array_equal(model.labels_, model.predict(X))
    monkeypatch.setattr(base, 'apart', lambda *args: iter(interrupt, None))
    with pytest.raises(KeyboardInterrupt):
        IMSATClustering(3, **options).fit(X)


def test_snapshots_are_gone_on_from_instead(tmp_path):
    model = IMSATClustering(3, regularizer=Interrupted(9), xi=1.,
                            out=tmp_path, **SMALL)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    assert not hasattr(model, 'objective_')


# --- Restarts at once ------------------------------------------------------
@pytest.mark.parametrize('more', [
    pytest.param({}, marks=pytest.mark.slow),
    dict(n_init=3, epochs=5, halving=True)])
def test_restarts_at_once_are_the_same(tmp_path, more):
    options = {**SMALL, 'n_init': 2, 'epochs': 2, **more}
    one = IMSATClustering(3, **options).fit(X, Y)
    two = IMSATClustering(3, n_jobs=2, out=tmp_path, **options).fit(X, Y)
    for a, b in zip(one.restarts_, two.restarts_):
        assert (a.seed, a.objective, a.terms) == (b.seed, b.objective, b.terms)
        numpy.testing.assert_array_equal(a.logits, b.logits)
        for x, y in zip(a.log, b.log):
            assert {**x, 'elapsed_time': 0} == {**y, 'elapsed_time': 0}
    numpy.testing.assert_array_equal(one.transform(X), two.transform(X))
    assert one.best_restart_ == two.best_restart_
    assert list((tmp_path / 'restart-1').glob('**/log'))


@pytest.mark.slow
@pytest.mark.skipif(os.name != 'posix', reason='parents of POSIX')
def test_they_end_with_the_process_that_asked_for_them(tmp_path):
    """What has been killed does not go on to write below ``out``."""
    script = tmp_path / 'script.py'
    script.write_text(textwrap.dedent(f'''
        import numpy, imsat
        if __name__ == '__main__':
            x = numpy.random.default_rng(0).normal(size=(300, 2))
            imsat.IMSATClustering(2, epochs=10 ** 6, n_init=2, n_jobs=2,
                                  out={str(tmp_path / "out")!r}).fit(x)
        '''))
    process = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE,
        start_new_session=True, env={
            **os.environ, 'PYTHONPATH': str(Path(imsat.__file__).parents[1])})
    logs = [tmp_path / 'out' / f'restart-{i}' / 'log' for i in range(2)]
    end = time.monotonic() + 120
    try:
        while time.monotonic() < end and not all(  # they are at work
                log.exists() for log in logs):
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(.1)
        assert all(log.exists() for log in logs)
        process.kill()
        # They hold the pipe as well: it ends with the last of them.
        assert process.communicate(timeout=60)[0] == b''
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.skipif(os.name != 'posix', reason='signals of POSIX')
def test_one_that_begins_after_that_process_has_gone(tmp_path, monkeypatch):
    gone = subprocess.Popen([sys.executable, '-c', ''])
    gone.wait()
    exits = []
    monkeypatch.setattr(base.os, '_exit', exits.append)
    host = base.socket.gethostname()
    for number, machine in ((gone.pid, host), (gone.pid, 'another'),
                            (os.getpid(), host), (os.getppid(), host)):
        with base.ending_with((machine, number)):
            pass
    assert exits == [1]


def test_as_many_threads_in_a_process(monkeypatch):
    seen = []

    class Parallel:
        def __init__(self, n_jobs, return_as):
            seen.append((n_jobs, return_as))

        def __call__(self, tasks):
            return (function(*args) for function, args, _ in tasks)
    monkeypatch.setattr(joblib, 'Parallel', Parallel)
    limits = []
    monkeypatch.setattr(
        'threadpoolctl.threadpool_limits',
        lambda n, api=None: limits.append(n) or contextlib.nullcontext())
    monkeypatch.setattr('threadpoolctl.threadpool_info', lambda: [
        dict(user_api='blas', num_threads=5),
        dict(user_api='openmp', num_threads=3)])
    model = IMSATClustering(3, n_jobs=-1, n_init=2, **SMALL).fit(X)
    assert seen == [(-1, 'generator')] and len(model.restarts_) == 2
    assert [n for n in limits if n != 1] == 2 * [dict(blas=5, openmp=3)]


# --- Warm starts -----------------------------------------------------------
def test_a_warm_start_goes_on_from_the_network():
    cold = IMSATClustering(3, **SMALL).fit(X)
    warm = IMSATClustering(3, warm_start=True, **SMALL).fit(X)
    # Nothing was there.
    assert warm.objective_ == cold.objective_
    before = warm.transform(X)
    warm.set_params(learning_rate=1e-15).fit(X)
    # Only the running statistics move.
    assert abs(warm.transform(X) - before).max() < .2 * abs(before).max()
    cold.set_params(learning_rate=1e-15).fit(X)
    assert abs(cold.transform(X)).max() < .2 * abs(before).max()


def test_a_warm_start_of_points_that_are_moved_otherwise():
    x = 5 * X + [3., 2000.]
    model = IMSATClustering(3, warm_start=True, center='never',
                            **{**SMALL, 'epochs': 20})
    # In the network's statistics, too, everything has come to rest.
    model.fit(x).set_params(learning_rate=1e-15, epochs=20).fit(x)
    before = model.predict_proba(x)
    for options in dict(center='auto'), dict(scale='standard'), dict(
            scale='none', center='never'):
        model.set_params(**options).fit(x)
        numpy.testing.assert_allclose(model.predict_proba(x), before,
                                      atol=.05)
        assert model.deviation_.max() > 1 or 'scale' not in options \
            or options['scale'] == 'none'


@pytest.mark.parametrize('step', [
    'plan', pytest.param('graph', marks=pytest.mark.slow)])
def test_a_warm_start_with_a_prior(step):
    y = numpy.repeat([0, 1], [160, 40])
    x = numpy.random.default_rng(1).normal(size=(200, 10)) + 5. * y[:, None]
    model = IMSATClustering(2, step=step, warm_start=True, **{
        **SMALL, 'epochs': 60}).fit(x)
    model.set_params(prior=[.2, .8], epochs=5).fit(x)
    assert numpy.bincount(model.labels_).tolist() == [40, 160]
    assert [entry['all/penalty'] for entry in model.restarts_[0].log] == \
        5 * [.4]


def test_a_prior_and_mu_that_are_no_longer_asked_for():
    """It goes on as from a network that knows nothing of them."""
    def fitted(**options):
        return IMSATClustering(3, **options, **SMALL).fit(X)
    asked = dict(prior=[.7, .2, .1], mu=2.)
    for goes_on in (lambda model: model.set_params(warm_start=True).fit(X),
                    lambda model: model.partial_fit(X)):
        model = goes_on(fitted(**asked).set_params(prior=None, mu='auto'))
        other = IMSATClustering.from_encoder(
            fitted(**asked).encoder_, **{
                name: SMALL[name] for name in SMALL if name != 'hidden'})
        other.center_[:] = model.center_
        other.deviation_[:] = model.deviation_
        other = goes_on(other)
        numpy.testing.assert_array_equal(model.transform(X),
                                         other.transform(X))
        assert model.mu_ == 4 and model.prior_ is None
        model.set_params(mu=3.).partial_fit(X)
        assert model.mu_ == 3
        assert model.set_params(mu='auto').partial_fit(X).mu_ == 4
    # What was chosen stays, see test_comparison.py.


def test_a_loaded_one_goes_on_as_the_fitted_one(tmp_path):
    path = tmp_path / 'model.npz'
    model = IMSATClustering(3, hidden=(30,), epochs=4, random_state=1).fit(X)
    model.mu_, model.prior_ = 1., None  # as a second start leaves it
    model.save(path)
    loaded = IMSATClustering.load(path)
    assert loaded.mu_ == 1 and loaded.mu == 'auto' and loaded.prior_ is None
    assert loaded.batch_size_ == model.batch_size_ == 75
    for one in loaded, model:
        one.partial_fit(X[:80]).partial_fit(X[80:150])
    numpy.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    # What was asked for is no longer what anything goes on with.
    for early in True, False:
        model = IMSATClustering(3, mu=2., **SMALL).fit(X)
        if early:
            model.set_params(mu='auto')
        model.save(path)
        loaded = IMSATClustering.load(path).set_params(mu='auto')
        assert loaded.partial_fit(X).mu_ == 4


class Told(IMSATClustering):
    def __init__(self, **more):  # which scikit-learn can't clone
        super().__init__(**{**more, 'hidden': [30]})


def test_a_file_of_a_class_of_ones_own(tmp_path):
    model = Told(n_clusters=3, epochs=1, batch_size=50, random_state=0).fit(X)
    model.save(tmp_path / 'model.npz')
    loaded = Told.load(tmp_path / 'model.npz')
    numpy.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    assert loaded.batch_size_ == 50


def test_an_encoder_and_an_objective_that_do_not_go_together():
    encoder = imsat.Encoder(2, 5, ())
    for sizes in (2, 2), (2, 9):
        with pytest.raises(InputError, match='sizes sum to'):
            IMSATHasher.from_encoder(
                encoder, objective=imsat.CodeObjective(sizes))


@pytest.mark.parametrize('cls,score', [
    (IMSATClustering, imsat.HashingObjective()),
    (IMSATClustering, imsat.CodeObjective((2, 1 + 1))),
    (IMSATClustering, imsat.ClusteringObjective(prior=[.5, .5])),
    (IMSATHasher, imsat.ClusteringObjective()),
    (IMSATHasher, imsat.CodeObjective((2, 2)))])
def test_scores_by_another_objective(cls, score):
    model = cls(3, **SMALL).fit(X)
    with pytest.raises(InputError, match='objective|sizes|prior'):
        model.set_params(objective=score).score(X)


def test_outputs_of_a_warm_start():
    model = IMSATHasher(5, warm_start=True, **SMALL).fit(X)
    before = model.codes_
    with pytest.raises(InputError, match=r'bits, and those .* \[2, 3\] val'):
        model.set_params(objective=imsat.CodeObjective((2, 3))).fit(X)
    assert model.codes_ is before and model.sizes_ is None


def test_warm_starts_that_can_not_be(tmp_path):
    model = IMSATClustering(3, warm_start=True, **SMALL).fit(X)
    with pytest.raises(InputError, match='2-30-3 units, and 2-30-4 are asked'):
        model.set_params(n_clusters=4).fit(X)
    with pytest.raises(InputError, match='take one of them'):
        model.set_params(n_clusters=3, resume=True, out=tmp_path).fit(X)

    frame = pandas.DataFrame(X, columns=['a', 'b'])
    model = IMSATClustering(3, warm_start=True, **SMALL).fit(frame)
    before = model.predict(frame)
    with pytest.raises(InputError, match=r"columns are \['b', 'a'\], and "
                                         r"those of the network .*'a', 'b'"):
        model.fit(frame[['b', 'a']])
    assert (model.predict(frame) == before).all()


# --- Weights ---------------------------------------------------------------
RNG = numpy.random.default_rng(0)
OBJECTIVES = [
    imsat.ClusteringObjective(), imsat.ClusteringObjective(
        prior=[.1, .1, .2, .2, .4], delta=.1),
    imsat.HashingObjective(), imsat.CodeObjective((2, 3))]


@pytest.mark.parametrize('objective', OBJECTIVES)
def test_a_whole_weight_is_as_so_many_copies(objective):
    from imsat.training.evaluation import information_of
    logits = RNG.normal(0, 3, (40, 5))
    weight = RNG.integers(0, 5, 40)
    copies = information_of(objective, logits.repeat(weight, axis=0))
    weighted = information_of(objective, logits, weight * .3)
    assert type(weighted) is type(copies)
    numpy.testing.assert_allclose(weighted, copies, rtol=1e-9, atol=1e-14)


def test_the_objective_of_points_with_weights():
    weight = numpy.repeat([1, 2, 4], 100)
    model = IMSATClustering(3, **SMALL).fit(X, sample_weight=weight)
    p = model.predict_proba(X.repeat(weight, axis=0))
    mean = p.mean(axis=0)
    information = -(p * numpy.log(p)).sum(axis=1).mean() \
        + 4 * (mean * numpy.log(mean)).sum()
    restart, = model.restarts_
    numpy.testing.assert_allclose(restart.objective - restart.terms['sat'],
                                  .1 * information, rtol=1e-6)
    log = restart.log[-1]
    assert log['all/marginal_entropy'] == restart.terms['marginal_entropy']
    numpy.testing.assert_allclose(
        model.score(X, sample_weight=weight),
        model.score(X.repeat(weight, axis=0)), 1e-6)


def test_the_regulariser_of_points_with_weights():
    class First(imsat.Regularizer):
        def __call__(self, network, distance, x, *args, **kwargs):
            import chainer.functions as F
            return F.mean(chainer_variable(x)[:, 0])
    # As many in all as there are points: each is there its weight's times.
    weight = numpy.tile([0, 1, 2], 100)
    model = IMSATClustering(3, regularizer=First(), **SMALL).fit(
        X, sample_weight=weight)
    numpy.testing.assert_allclose(
        model.restarts_[0].terms['sat'], weight @ X[:, 0] / 300, rtol=1e-4)


def chainer_variable(x):
    import chainer
    return chainer.as_variable(x)


def test_draws_by_weight():
    from imsat.training.iterators import sample_by_weight
    weight = numpy.array([0, 1, 2.5, 0, .5, 4])
    share, counts = 10 * weight / 8, numpy.zeros(6)
    for seed in range(400):
        drawn = sample_by_weight(numpy.random.default_rng(seed), weight, 10)
        count = numpy.bincount(drawn, minlength=6)
        assert len(drawn) == 10
        assert (abs(count - share) < 1).all()
        counts += count
    # A count is its share's whole part or one more: a deviation of half.
    assert (abs(counts / 400 - share) < 5 * .5 / 20).all()
    # Equal weights: within a batch no point comes twice.
    drawn = sample_by_weight(RNG, numpy.full(50, .3), 20)
    assert len(set(drawn)) == 20


@pytest.mark.parametrize('step', [
    'plan', pytest.param('graph', marks=pytest.mark.slow)])
def test_a_prior_is_that_of_the_weights(step):
    # Groups of one size, whose weights make them unequal.
    weight = numpy.array([3., 2., 1.])[Y]
    prior = numpy.array([1 / 2, 1 / 3, 1 / 6])
    model = IMSATClustering(3, prior=prior, step=step, **{
        **SMALL, 'epochs': 60}).fit(X, sample_weight=weight)
    assert imsat.clustering_accuracy(Y, model.labels_) > .95
    mean = weight @ model.predict_proba(X) / weight.sum()
    numpy.testing.assert_allclose(mean, prior, atol=.05)


@pytest.mark.parametrize('weight', [
    numpy.ones(299), numpy.ones((300, 1)), -numpy.ones(300),
    numpy.zeros(300), numpy.full(300, numpy.nan), numpy.full(300, 1e308),
    ['a'] * 300, 'abc', [[1], [1, 2]]])
def test_weights_that_are_none(weight):
    with pytest.raises(InputError, match='sample_weight is not a finite'):
        IMSATClustering(3, **SMALL).fit(X, sample_weight=weight)


def test_what_does_not_go_with_weights(tmp_path):
    weight = numpy.ones(300)
    with pytest.raises(InputError, match='in which every point'):
        IMSATClustering(3, sampling='sweep', **SMALL).fit(
            X, sample_weight=weight)

    class Own(imsat.ClusteringObjective):
        weighted_information = imsat.Objective.weighted_information

    class Changed(imsat.ClusteringObjective):
        def information(self, y):  # and not of points with weights
            return super().information(y)
    for own in Own(), Changed():
        model = IMSATClustering(3, objective=own, **SMALL)
        for use in (model.set_params(out=tmp_path / 'no').fit,
                    model.set_params(out=None).fit(X).score):
            with pytest.raises(InputError, match='leave sample_weight out'):
                use(X, sample_weight=weight)
    assert not (tmp_path / 'no').exists()  # before anything is learnt
    # A run with other weights is not gone on with.
    options = dict(SMALL, out=tmp_path)
    IMSATClustering(3, **options).fit(X, sample_weight=weight)
    for other in None, 2 * weight:
        with pytest.raises(InputError, match='other data'):
            IMSATClustering(3, resume=True, **options).fit(
                X, sample_weight=other)


def test_a_hasher_with_weights():
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        model = IMSATHasher(2, **SMALL).fit(X, sample_weight=1. + Y)
    p = model.predict_proba(X.repeat(1 + Y, axis=0))
    conditional = -(p * numpy.log(p) + (1 - p) * numpy.log(1 - p))
    numpy.testing.assert_allclose(
        model.restarts_[0].terms['conditional_entropy'],
        conditional.sum(axis=1).mean(), 1e-6)


MAKERS = [
    lambda: IMSATClustering(3, **SMALL), lambda: IMSATHasher(3, **SMALL),
    lambda: DEC(3, hidden=8, n_code=2, max_epochs=1, **QUICK),
    lambda: DeepHasher(2, hidden=8, **QUICK),
    lambda: ITQHasher(2, random_state=0), lambda: SpectralHasher(2),
    lambda: KMeansClustering(3, random_state=0)]


@pytest.mark.parametrize('make', MAKERS)
def test_a_fit_that_fails_leaves_what_was_fitted(make, monkeypatch):
    model = make().fit(X)

    def fitted():
        return {name: id(value) for name, value in vars(model).items()
                if name != 'learning_rate'}  # which is changed below

    def fail(*args, **kwargs):
        raise InputError('it fails once there is another centre')
    before = fitted()
    with monkeypatch.context() as patch, pytest.raises(
            InputError, match='once there is'):
        patch.setattr(type(model), 'restarts', fail)
        model.fit(X + 1000)
    assert fitted() == before
    if isinstance(model, (DEC, DeepHasher, IMSATClustering, IMSATHasher)):
        model.set_params(learning_rate=1e30)
        with pytest.raises(imsat.DivergenceError):
            model.fit(X + 1000)
        assert fitted() == before
    if isinstance(model, (IMSATClustering, IMSATHasher)):
        for fails in (lambda: model.fit(X + 1000, sample_weight=[1]),
                      lambda: model.partial_fit(X[:1])):
            with pytest.raises(InputError):
                fails()
            assert fitted() == before


@pytest.mark.parametrize('make', MAKERS)
def test_parameters_that_are_changed_after_fit(make, tmp_path):
    model = make().fit(X)
    expected = model.transform(X)
    model.set_params(**{name: value for name, value in dict(
        n_clusters=2, n_bits=1).items() if name in model.get_params()})
    with pytest.raises(InputError, match='set the parameters to what they '):
        model.save(tmp_path / 'model.npz')
    if hasattr(model, 'to_onnx'):
        pytest.importorskip('onnx')
        with pytest.raises(InputError, match='set the parameters to what '):
            model.to_onnx(tmp_path / 'model.onnx')
    assert not list(tmp_path.iterdir())
    if isinstance(model, (IMSATClustering, IMSATHasher)):
        other = pickle.loads(pickle.dumps(model))
        numpy.testing.assert_array_equal(other._logits(X), model._logits(X))
    model.set_params(**make().get_params()).save(tmp_path / 'model.npz')
    numpy.testing.assert_array_equal(
        type(model).load(tmp_path / 'model.npz').transform(X), expected)


def test_other_units_are_seen_before_neighbours_are_looked_for(monkeypatch):
    model = IMSATClustering(3, **SMALL).fit(X)

    def look(*args, **kwargs):
        raise AssertionError('neighbours were looked for')
    monkeypatch.setattr('imsat.estimators.imsat.neighbor_distance', look)
    with pytest.raises(InputError, match='2-30-3 units, and 2-31-3'):
        model.set_params(hidden=31, warm_start=True).fit(X)


@pytest.mark.parametrize('make', MAKERS)
def test_one_point(make):
    for x in X[:1], X[:0]:
        with pytest.raises(InputError, match='n_samples = .*two or more'):
            make().check(x)


@pytest.mark.parametrize('make,name', [
    (lambda: IMSATClustering(3, **SMALL), '_warn_of_empty'),
    (lambda: IMSATHasher(3, **SMALL), '_keep')])
@pytest.mark.parametrize('before', [False, True])
def test_ctrl_c_after_the_training_keeps_it(monkeypatch, make, name, before):
    model = make()
    if before:
        model.fit(X[:150])
        old = model.encoder_

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt
    monkeypatch.setattr(type(model), name, interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X)
    if before:
        assert model.encoder_ is not old
        assert len(getattr(model, 'labels_', X)) == len(X)
        assert not hasattr(model, 'codes_')
    monkeypatch.undo()
    numpy.testing.assert_array_equal(model.transform(X),
                                     make().fit(X).transform(X))


def test_saving_draws_no_random_number(tmp_path):
    model = IMSATClustering(3, **SMALL).fit(X)
    numpy.random.seed(0)
    model.save(tmp_path / 'model.npz')
    IMSATClustering.load(tmp_path / 'model.npz')
    drawn = numpy.random.random()
    numpy.random.seed(0)
    assert drawn == numpy.random.random()
