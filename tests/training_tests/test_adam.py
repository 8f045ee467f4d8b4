import chainer
import numpy
import pytest

from imsat.training import adam


@pytest.mark.parametrize('dtype', ['f', 'd'])
@pytest.mark.parametrize('shape', [(), (3,), (37, 11)])
@pytest.mark.parametrize('options', [
    {}, dict(alpha=.002, beta1=.9), dict(weight_decay_rate=.01, eta=.5),
    dict(amsgrad=True)])
def test_bits_of_chainers(monkeypatch, dtype, shape, options):
    monkeypatch.setattr(adam, 'BLOCK', 64)
    rng = numpy.random.RandomState(0)
    start = rng.normal(size=shape).astype(dtype)
    links = []
    for optimizer in (chainer.optimizers.Adam, adam.Adam):
        link = chainer.Link()
        with link.init_scope():
            link.w = chainer.Parameter(numpy.array(start))
        links.append((link, optimizer(**options).setup(link)))
    for step in range(adam.FLUSH_EVERY + 8):
        # From 1e-10 up: eps matters for small gradients.
        gradient = (10. ** (step % 11 - 10) * rng.normal(size=shape)
                    ).astype(dtype)
        for link, optimizer in links:
            link.w.grad = numpy.array(gradient)
            optimizer.update()
        (a, _), (b, _) = links
        numpy.testing.assert_array_equal(a.w.array, b.w.array)
        for name, state in a.w.update_rule.state.items():
            numpy.testing.assert_array_equal(
                state, b.w.update_rule.state[name])


def test_numbers_on_their_way_to_zero_arrive():
    link = chainer.Link()
    with link.init_scope():
        link.w = chainer.Parameter(numpy.array([1, 1, 1e-30, 0], 'f'))
    optimizer = adam.Adam().setup(link)
    # A gradient once, then none: m decays by .9 a step, w stays.
    for step in range(25 * adam.FLUSH_EVERY):
        link.w.grad = numpy.array([1, step == 0, 0, 0], 'f')
        optimizer.update()
    w, m = link.w.array, link.w.update_rule.state['m']
    assert (w[2:] == 0).all() and (w[:2] != 0).all()
    assert (m[1:] == 0).all() and m[0] == pytest.approx(1)


def test_no_gradient():
    link = chainer.Link()
    with link.init_scope():
        link.w = chainer.Parameter(numpy.ones(3))
    optimizer = adam.Adam().setup(link)
    link.cleargrads()
    optimizer.update()
    assert (link.w.array == 1).all()


def test_constants(golden):
    trace = golden('init_stats')
    hyperparam = adam.Adam(alpha=.002).hyperparam
    for name in ('alpha', 'beta1', 'beta2', 'eps'):
        assert getattr(hyperparam, name) == trace[f'adam_{name}']
