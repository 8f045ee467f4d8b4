"""The plan of a step against Chainer's graph, and the authors' code."""
import chainer
import numpy
import pytest

import imsat
from imsat.functions import compiled
from imsat.training import Adam, IndexIterator, Updater, plan
from original import replay
from original.comparison import first_parting
from original.traces import Trace

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
    return Updater(
        IndexIterator(60, 20), Adam(alpha=.002).setup(encoder),
        data if x is None else x, imsat.IMSATLoss(
            objective, regularizer, numpy.full(60, 1.5, 'f'), seed=3),
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


def state_of(updater):
    return chainer.serializers.npz.serialize(updater)


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
    start.loss.regularizer = VAT
    planned = plan.Plan(start.optimizer, start.loss)
    steps, n = trace['x'].shape[:2]
    comparisons = []

    def compare(key, actual, expected=None):
        comparisons.append(trace.compare(
            key, actual, expected, **replay.tolerance_of(trace, key)))
    for t, x in enumerate(trace['x']):
        terms = planned(x, numpy.arange(t * n, (t + 1) * n), t)
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
