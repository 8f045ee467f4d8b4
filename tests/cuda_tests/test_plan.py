"""The plan of a step in kernels, against Chainer's graph."""
import chainer
import numpy
import pytest
import scipy.sparse

import imsat
from cuda_tests.test_training_step import EmulatedDevice, linear_stays_there
from imsat.training import Adam, IndexIterator, Updater, plan

__all__ = ['linear_stays_there']  # a fixture
N, SIZE, D = 60, 20, 16
PRIOR = numpy.array([.1, .2, .3, .4])
CLUSTERING, HASHING = imsat.ClusteringObjective(), imsat.HashingObjective()
VAT, RPT = imsat.VAT(), imsat.RPT()


def mirror(x, rng):
    moved = x.copy()
    chosen = rng.random(len(x)) < .5
    moved[chosen] = x[chosen, ::-1]
    return moved


MIRRORED = imsat.Augmentation(mirror)
# The objective, the regulariser, hidden layers and outputs.
CAPTURED = {
    'clustering': (CLUSTERING, VAT, (12, 9), 4),
    'hashing': (HASHING, VAT, (12, 9), 5),
    'linear': (CLUSTERING, VAT, (), 4),
    'RPT': (CLUSTERING, RPT, (12, 9), 4),
    'VAT and RPT': (CLUSTERING, imsat.Mean(RPT, VAT), (12, 9), 4),
    'three iterations': (CLUSTERING, imsat.VAT(1., 3), (12,), 4),
    'no iteration': (HASHING, imsat.VAT(1., 0), (12,), 5),
    'prior': (imsat.ClusteringObjective(prior=PRIOR), VAT, (12,), 4),
    'delta': (imsat.ClusteringObjective(delta=.01), VAT, (12,), 4),
    'RIM': (CLUSTERING, imsat.WeightDecay(.05), (12, 9), 4),
    'RIM of weights': (CLUSTERING, imsat.WeightDecay(.05, True), (12,), 4),
    'hashing, RIM': (HASHING, imsat.WeightDecay(.05), (), 5),
    'RPT and decay': (CLUSTERING, imsat.Mean(imsat.WeightDecay(.05), RPT),
                      (12,), 4)}
UNCAPTURED = {
    'mirrored': (CLUSTERING, MIRRORED, (12,), 4),
    'mirrored and VAT': (CLUSTERING, imsat.Mean(MIRRORED, VAT), (12,), 4),
    'codes': (imsat.CodeObjective((3, 2, 4)), VAT, (12,), 9)}


@pytest.fixture
def make(device, request):
    """Makes an updater whose parameters are all of order 1."""
    if request.node.callspec.params['device'] == 'emulated':
        there = EmulatedDevice()
    else:
        there = chainer.get_device('@cupy:0')

    def made(objective, regularizer, hidden, n_out, step='plan', dtype='d',
             sparse=False):
        rng = numpy.random.RandomState(0)
        with chainer.using_config('dtype', numpy.dtype(dtype)):
            encoder = imsat.Encoder(D, n_out, hidden)
        for name, parameter in sorted(encoder.namedparams()):
            parameter.array[...] = name.endswith('gamma') \
                + .3 * rng.normal(size=parameter.shape)
        encoder.to_device(there)
        x = rng.normal(size=(N, D)).astype(dtype)
        x = scipy.sparse.csr_matrix(x) if sparse else there.send(x)
        loss = imsat.IMSATLoss(
            objective, regularizer,
            there.send(numpy.linspace(1, 2, N).astype('f')), seed=3)
        return Updater(
            IndexIterator(N, SIZE), Adam(alpha=.002).setup(encoder), x, loss,
            there, step)
    return made


def run(updater, steps):
    """The terms of each step, as floats; what grows, grows."""
    terms, reporter = [], chainer.Reporter()
    reporter.add_observer('main', updater.get_optimizer('main').target)
    for _ in range(steps):
        observation = {}
        with reporter, reporter.scope(observation):
            updater.update()
        terms.append({name: float(getattr(term, 'array', term))
                      for name, term in observation.items()})
        if updater.loss.objective.tolerance is not None:
            updater.loss.penalty *= 1.5
    return terms


def state_of(updater):
    state = chainer.serializers.npz.serialize(updater)
    return {name: value for name, value in state.items()
            if value.dtype.kind == 'f' and name != 'update_seconds'}


def check_agreement(planned, graph, steps):
    assert (planned.step, graph.step) == ('plan', 'graph')
    for ours, expected in zip(run(planned, steps), run(graph, steps)):
        assert ours == pytest.approx(expected, rel=1e-9, abs=1e-11)
    ours, expected = state_of(planned), state_of(graph)
    assert set(ours) == set(expected)
    for name, value in expected.items():
        # Below a normalization rounding decides of biases, which the running
        # means follow.
        if not name.endswith(('l1/b', 'l2/b', 'avg_mean')) \
                and not ('/b/' in name and '/l' in name):
            numpy.testing.assert_allclose(
                ours[name], value, rtol=1e-8, atol=1e-10, err_msg=name)


@pytest.mark.by_turns(2)
@pytest.mark.parametrize('method', [*CAPTURED, *UNCAPTURED])
def test_agrees_with_the_graph(make, method):
    method = {**CAPTURED, **UNCAPTURED}[method]
    check_agreement(make(*method), make(*method, 'graph'), 5)


@pytest.mark.parametrize('method', ['clustering', 'RPT', 'RIM'])
def test_sparse_data(make, method):
    check_agreement(make(*CAPTURED[method], sparse=True),
                    make(*CAPTURED[method], 'graph'), 4)


@pytest.mark.by_turns(2)
@pytest.mark.parametrize('dtype', 'df')
@pytest.mark.parametrize('method', CAPTURED)
def test_captured_steps_are_the_same_bits(make, monkeypatch, method, dtype):
    captured = make(*CAPTURED[method], dtype=dtype)
    terms = run(captured, 5)
    calls = []
    monkeypatch.setattr(
        plan.graph, 'captured', lambda step: calls.append(step) or step)
    uncaptured = make(*CAPTURED[method], dtype=dtype)
    assert run(uncaptured, 5) == terms and calls
    expected = state_of(uncaptured)
    for name, value in state_of(captured).items():
        assert (value == expected[name]).all(), name


@pytest.mark.parametrize('method', UNCAPTURED)
def test_what_cannot_be_captured_is_not(make, monkeypatch, method):
    monkeypatch.setattr(plan.graph, 'captured', None)
    run(make(*UNCAPTURED[method]), 2)


def replace_parameters(updater):
    for parameter in updater.get_optimizer('main').target.params():
        parameter.array = parameter.array.copy()


def replace_statistics(updater):
    bn = updater.get_optimizer('main').target.bn1
    bn.avg_mean, bn.avg_var = bn.avg_mean.copy(), bn.avg_var.copy()


def replace_radius(updater):
    updater.loss.radius = 2 * updater.loss.radius


def change_adam(updater):
    updater.get_optimizer('main').hyperparam.beta1 = .8


def change_rate(updater):
    updater.get_optimizer('main').hyperparam.alpha = .1


def change_batches(updater):
    updater.get_iterator('main').batch_size = 15


@pytest.mark.parametrize('change', [
    replace_parameters, replace_statistics, replace_radius, change_adam,
    change_rate, change_batches])
def test_nothing_captured_is_out_of_date(make, change):
    updaters = [make(*CAPTURED['clustering'], step)
                for step in ('plan', 'graph')]
    for updater in updaters:
        run(updater, 3)
        change(updater)
    check_agreement(*updaters, 3)


@pytest.mark.parametrize('index', [-1, N])
def test_no_point_is_read_that_is_none(make, index):
    updater = make(*CAPTURED['clustering'])
    run(updater, 3)
    updater.get_iterator('main').next = lambda: [0] * (SIZE - 1) + [index]
    with pytest.raises(IndexError, match='of 60 points'):
        updater.update()


def test_goes_on_from_a_snapshot(make):
    first, second, through = (make(*CAPTURED['clustering']) for _ in range(3))
    run(first, 4)
    run(second, 3)  # what it has captured goes on with other numbers
    state = chainer.serializers.npz.serialize(first)
    chainer.serializers.NpzDeserializer(state).load(second)
    run(second, 4)
    run(through, 8)
    expected = state_of(through)
    for name, value in state_of(second).items():
        assert (value == expected[name]).all(), name
