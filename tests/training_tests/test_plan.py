"""The plan of a step against Chainer's graph, and the authors' code."""
import functools

import chainer
import numpy
import pytest
from threadpoolctl import threadpool_limits

import imsat
from imsat.functions import compiled
from imsat.losses.regularizers import move_rows
from imsat.training import Adam, IndexIterator, Updater, plan
from imsat.training.iterators import draw_neighbors
from original import replay
from original.comparison import Trace, first_parting

SHAPE = 4, 4
PRIOR = numpy.array([.1, .2, .3, .4])
VAT, AFFINE = imsat.VAT(), imsat.Affine(SHAPE)
RIM = imsat.ClusteringObjective(lam=1.)
CLUSTERING, HASHING = imsat.ClusteringObjective(), imsat.HashingObjective()


def mirror(x, rng):
    return numpy.where(rng.random((len(x), 1)) < .5, x[:, ::-1], x)


# Every method of Table 1, both tasks, M x V and Eq. 10: the objective, the
# regulariser, the hidden layers and the outputs.
METHODS = {
    'linear RIM': (RIM, imsat.WeightDecay(.005), (), 4),
    'deep RIM': (RIM, imsat.WeightDecay(.005), (12, 9), 4),
    'RIM of weights': (RIM, imsat.WeightDecay(.005, True), (12,), 4),
    'linear IMSAT (VAT)': (CLUSTERING, VAT, (), 4),
    'IMSAT (RPT)': (CLUSTERING, imsat.RPT(), (12, 9), 4),
    'IMSAT (VAT)': (CLUSTERING, VAT, (12, 9), 4),
    'IMSAT (affine)': (CLUSTERING, AFFINE, (12, 9), 4),
    'IMSAT (VAT & affine)': (CLUSTERING, imsat.Mean(VAT, AFFINE), (12, 9), 4),
    'three iterations': (CLUSTERING, imsat.VAT(1., 3), (12, 9), 4),
    'no iteration': (CLUSTERING, imsat.VAT(1., 0), (12, 9), 4),
    'no step': (CLUSTERING, imsat.VAT(0.), (12, 9), 4),
    'prior': (imsat.ClusteringObjective(prior=PRIOR), VAT, (12, 9), 4),
    'delta': (imsat.ClusteringObjective(delta=.01), VAT, (12, 9), 4),
    'IMSAT (neighbours)': (CLUSTERING, imsat.Neighbor(3), (12, 9), 4),
    'IMSAT (VAT & neighbours)': (CLUSTERING, imsat.Mean(
        VAT, imsat.Neighbor(3)), (12, 9), 4),
    'mirrored': (CLUSTERING, imsat.Augmentation(mirror), (12, 9), 4),
    'nested': (CLUSTERING, imsat.Mean(AFFINE, imsat.Mean(
        VAT, imsat.WeightDecay(.01))), (12, 9), 4),
    'hashing, linear RIM': (HASHING, imsat.WeightDecay(.005), (), 5),
    'hashing, deep RIM': (HASHING, imsat.WeightDecay(.005), (12, 9), 5),
    'hashing': (HASHING, VAT, (12, 9), 5),
    'codes': (imsat.CodeObjective((3, 2, 4)), VAT, (12, 9), 9)}


@pytest.fixture(params=['numba', 'numpy'])
def loops(request, monkeypatch):
    """With the compiled loops and without."""
    if request.param == 'numba':
        pytest.importorskip('numba', reason='numba is not installed')
    else:
        monkeypatch.setattr(compiled, 'get_numba', lambda: None)


def make(objective, regularizer, hidden, n_out, step='plan', dtype='d',
         x=None):
    """An updater of a network whose parameters are all of order 1."""
    rng = numpy.random.RandomState(0)
    with chainer.using_config('dtype', numpy.dtype(dtype)):
        encoder = imsat.Encoder(16, n_out, hidden)
    for name, parameter in sorted(encoder.namedparams()):
        parameter.array[...] = name.endswith('gamma') \
            + .3 * rng.normal(size=parameter.shape)
    data = rng.normal(size=(60, 16)).astype(dtype)
    near = functools.partial(
        draw_neighbors, data if x is None else x,
        rng.randint(0, 60, (60, 3)), chainer.get_device('@numpy'))
    return Updater(
        IndexIterator(60, 20), Adam(alpha=.002).setup(encoder),
        data if x is None else x, imsat.IMSATLoss(
            objective, regularizer, numpy.full(60, 1.5, 'f'), 3, near),
        step=step)


def run(updater, steps):
    """The terms of each step, as floats."""
    encoder, terms = updater.get_optimizer('main').target, []
    reporter = chainer.Reporter()
    reporter.add_observer('main', encoder)
    for _ in range(steps):
        observation = {}
        with reporter, reporter.scope(observation):
            updater.update()
        terms.append({name: float(getattr(term, 'array', term))
                      for name, term in observation.items()})
    return terms


def test_a_batch_of_another_size_draws_anew():
    updater = make(*METHODS['hashing'])
    step = plan.Plan(updater.get_optimizer('main'), updater.loss)
    with threadpool_limits(2):
        for t, n in enumerate((20, 10, 20)):
            assert all(map(numpy.isfinite, step(
                updater.x, numpy.arange(n), t).values()))


def test_another_objective_for_a_while(monkeypatch):
    called = []
    monkeypatch.setattr(plan.Plan, '__call__', lambda *args: called.append(
        args) or {'loss': numpy.zeros(())})
    updater = make(*METHODS['prior'])
    planned = updater.loss.objective
    run(updater, 2)
    assert len(called) == 2
    updater.loss.objective = imsat.ClusteringObjective(mu=1.)
    run(updater, 3)
    assert len(called) == 2
    updater.loss.objective = planned
    run(updater, 1)
    assert len(called) == 3


def state_of(updater):
    return chainer.serializers.npz.serialize(updater)


@pytest.mark.by_turns(3)
@pytest.mark.parametrize('method', METHODS)
def test_agrees_with_the_graph(loops, method):
    planned, graph = (make(*METHODS[method], step)
                      for step in ('plan', 'graph'))
    assert (planned.step, graph.step) == ('plan', 'graph')
    for ours, expected in zip(run(planned, 50), run(graph, 50), strict=True):
        assert set(ours) == set(expected)
        for name in ours:
            # Terms are differences of what is of order 1.
            assert ours[name] == pytest.approx(
                expected[name], rel=1e-12, abs=1e-14), name
    states = state_of(planned), state_of(graph)
    assert set(states[0]) == set(states[1])
    for name, expected in states[1].items():
        if expected.dtype.kind != 'f' or name == 'update_seconds':
            continue
        # The exact gradient of biases below a normalization is 0, and the
        # means follow them: of order 1, moved by what rounding says.
        noise = '/b/' in name or name.endswith('avg_mean') \
            or name.endswith(('l1/b', 'l2/b'))
        scale = abs(expected).max()
        atol = 1e-10 if noise else 1e-12 * scale
        assert abs(states[0][name] - expected).max() <= atol, name


@pytest.mark.parametrize('dtype', ['d', 'f'])
@pytest.mark.parametrize('file', replay.STEP_FILES)
def test_agrees_with_the_authors_code(loops, monkeypatch, file, dtype):
    trace = Trace(file, dtype)
    directions = iter(trace['d0'])
    monkeypatch.setattr(plan, 'draw_rows', lambda *args: next(directions))
    start = replay.start(trace)
    start.loss.regularizer = imsat.VAT(xi=10.)
    planned = plan.Plan(start.optimizer, start.loss)
    steps, n = trace['x'].shape[:2]
    comparisons = []

    def compare(key, actual, expected=None):
        comparisons.append(trace.compare(
            key, actual, expected, **replay.tolerance_of(trace, key)))
    for t in range(steps):
        terms = planned(start.x, numpy.arange(t * n, (t + 1) * n), t)
        names = {'loss_total': 'loss', 'loss_vat': 'sat', **{
            theirs: ours for ours, theirs in start.terms.items()}}
        for theirs, ours in names.items():
            compare(theirs, terms[ours], trace[theirs][t])
        if t == 0:
            for name, gradient in start.gradients().items():
                compare(f'grad1.{name}', gradient)
        if t in (0, steps - 1):
            for name in replay.names_of(start.encoder):
                key = f'after{t + 1}.{name}'
                compare(key, replay.array_of(start.encoder, name), trace[key]
                        - name.endswith('avg_var')
                        * replay.eps_in_variance(n, t + 1))
    assert len(comparisons) > 50 and first_parting(comparisons) is None


@pytest.mark.parametrize('before,after', [
    ('plan', 'plan'), ('plan', 'graph'), ('graph', 'plan')])
def test_goes_on_from_a_snapshot(loops, before, after):
    method = METHODS['IMSAT (VAT & affine)']
    first, second, through = (make(*method, step, 'd')
                              for step in (before, after, before))
    run(first, 7)
    if before == 'graph':
        run(second, 1)  # what it holds is overwritten
    chainer.serializers.NpzDeserializer(state_of(first)).load(second)
    run(second, 4)
    run(through, 11)
    expected = state_of(through)
    for name, value in state_of(second).items():
        if name != 'update_seconds' and value.dtype.kind == 'f':
            if before == after:
                assert (value == expected[name]).all(), name
            else:
                numpy.testing.assert_allclose(
                    value, expected[name], rtol=1e-9, atol=1e-10)


def replace(parameter):
    parameter.array = parameter.array.copy()


@pytest.mark.parametrize('change', [
    replace, chainer.Parameter.cleargrad, chainer.Parameter.zerograd])
def test_what_others_do_with_parameters(change):
    first, second = (make(*METHODS['IMSAT (VAT)']) for _ in range(2))
    for updater in first, second:
        run(updater, 2)
    for parameter in second.get_optimizer('main').target.params():
        change(parameter)
    assert run(second, 2) == run(first, 2)


def test_frozen_parameters_stay():
    updater = make(*METHODS['IMSAT (VAT)'])
    optimizer = updater.get_optimizer('main')
    optimizer.target.l1.disable_update()
    assert not plan.is_planned(optimizer, updater.x, updater.loss)


class Twice(imsat.VAT):
    def __call__(self, *args, **options):
        return 2 * super().__call__(*args, **options)


class Sure(imsat.ClusteringObjective):
    def combine(self, information, penalty=None):
        return information.conditional_entropy


@pytest.mark.parametrize('change', [
    dict(regularizer=Twice()), dict(objective=Sure()),
    dict(regularizer=imsat.Mean(VAT, imsat.VAT(1.))),
    dict(x=numpy.ones((60, 16), 'f'))])
def test_all_else_goes_through_the_graph(change):
    arguments = dict(objective=CLUSTERING, regularizer=VAT, hidden=(5,),
                     n_out=4)
    assert make(**arguments).step == 'plan'
    assert make(**{**arguments, **change}).step == 'graph'


@pytest.mark.parametrize('transform', [
    lambda x, rng: x.astype(str), lambda x, rng: x[:1]])
def test_an_augmentation_of_another_kind(transform):
    updater = make(CLUSTERING, imsat.Augmentation(transform), (5,), 4)
    with pytest.raises(imsat.InputError, match='return an array of num'):
        updater.update()


@pytest.mark.parametrize('step', ['plan', 'graph'])
def test_an_estimator_says_which_it_was(step):
    x = numpy.random.RandomState(0).normal(size=(40, 3)).astype('f')
    model = imsat.IMSATClustering(
        2, hidden=(4,), epochs=1, batch_size=20, step=step).fit(x)
    assert model.restarts_[0].summary()['step'] == step


@pytest.mark.parametrize('scale', [1., 1e-30, 1e30])
@pytest.mark.parametrize('dtype', ['d', 'f'])
def test_rows_are_moved(loops, dtype, scale):
    rng = numpy.random.RandomState(0)
    x, d = rng.normal(size=(2, 5, 37)).astype(dtype)
    d[3] = 0  # is not moved
    radius = rng.uniform(size=5).astype(dtype)
    expected = x + [radius[i] * d[i] / (numpy.linalg.norm(d[i]) or 1)
                    for i in range(5)]
    out = numpy.empty_like(x)
    move_rows(x, d * d.dtype.type(scale), radius, out)
    numpy.testing.assert_allclose(
        out, expected, rtol=0, atol=1e-6 if dtype == 'f' else 1e-14)
    d[1, 2] = numpy.nan
    move_rows(x, d, radius, out)
    assert numpy.isnan(out[1]).all() and not numpy.isnan(out[[0, 2]]).any()
