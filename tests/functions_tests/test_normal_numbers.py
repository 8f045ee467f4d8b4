"""Normal numbers against NumPy's own."""
import threading

import numpy
import pytest

from imsat.functions import compiled, normal_numbers
from imsat.functions.normal_numbers import LEAST, TAIL, standard_normal
from imsat.losses.regularizers import draw_rows

SHAPES = [(LEAST,), (LEAST + 1,), (250, 784), (3, 4, 1001)]


@pytest.fixture
def fast(monkeypatch):
    """Numbers that NumPy did not draw itself."""
    pytest.importorskip('numba', reason='numba is not installed')
    assert normal_numbers._is_the_same()
    drawn = []

    def draw(*args, draw=normal_numbers._draw):
        drawn.append(draw(*args))
        return drawn[-1]
    monkeypatch.setattr(normal_numbers, '_draw', draw)
    yield
    assert drawn


def generators(seed):
    return [numpy.random.default_rng(seed) for _ in range(2)]


def assert_same(ours, numpys):
    assert ours.dtype == numpys.dtype
    numpy.testing.assert_array_equal(ours, numpys)


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('before', range(3))
def test_the_same_numbers_and_what_comes_after(fast, shape, before):
    for seed in range(5):
        ours, numpys = generators((seed, 7))
        for rng in ours, numpys:  # half a word may be left of these
            rng.integers(1 << 32, size=before, dtype=numpy.uint32)
        assert_same(draw_rows(shape, 'f', ours),
                    numpys.standard_normal(shape, dtype='f'))
        assert_same(ours.integers(1 << 32, size=3, dtype=numpy.uint32),
                    numpys.integers(1 << 32, size=3, dtype=numpy.uint32))
        assert ours.random() == numpys.random()


@pytest.mark.parametrize('block', [1, 2, 37])
def test_words_that_come_in_small_blocks(fast, monkeypatch, block):
    monkeypatch.setattr(normal_numbers, 'BLOCK', block)
    ours, numpys = generators(3)
    expected = numpys.standard_normal(30000, dtype='f')
    # All three ways to a number are taken.
    assert (abs(expected) > TAIL).any()
    assert_same(standard_normal(ours, (30000,), 'f'), expected)


def test_threads_that_share_a_generator(fast):
    ours, numpys = generators(5)
    drawn = []
    threads = [threading.Thread(target=lambda: drawn.extend(
        standard_normal(ours, (LEAST,), 'f') for _ in range(20)))
        for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = [numpys.standard_normal(LEAST, dtype='f') for _ in range(40)]
    # Each of the draws is whole, whoever had it.
    assert {each.tobytes() for each in drawn} == {
        each.tobytes() for each in expected}


def test_ctrl_c_leaves_the_generator_as_it_was(fast, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt
    ours, numpys = generators(6)
    ours.integers(9, dtype=numpy.uint32)
    numpys.integers(9, dtype=numpy.uint32)
    with monkeypatch.context() as patch:
        patch.setattr(normal_numbers, '_tables', interrupt)
        with pytest.raises(KeyboardInterrupt):
            normal_numbers._draw(ours, (LEAST,))
    assert_same(standard_normal(ours, (LEAST,), 'f'),
                numpys.standard_normal(LEAST, dtype='f'))


def test_others_are_drawn_by_numpy(monkeypatch):
    monkeypatch.setattr(normal_numbers, '_draw', None)
    for shape, dtype, bits in [
            ((LEAST - 1,), 'f', numpy.random.PCG64),
            ((LEAST,), 'd', numpy.random.PCG64),
            ((LEAST,), 'f', numpy.random.Philox)]:
        ours, numpys = (numpy.random.Generator(bits(1)) for _ in range(2))
        assert_same(standard_normal(ours, shape, dtype),
                    numpys.standard_normal(shape, dtype=dtype))


@pytest.mark.parametrize('fault', ['no numba', 'other tables'])
def test_numpy_draws_where_ours_would_differ(monkeypatch, fault):
    if fault == 'no numba':
        monkeypatch.setattr(compiled, 'get_numba', lambda: None)
    else:
        pytest.importorskip('numba', reason='numba is not installed')
        widths, below, heights = normal_numbers._tables()
        monkeypatch.setattr(normal_numbers, '_tables', lambda: (
            widths, below - 1, heights))
        normal_numbers._is_the_same.cache_clear()
        assert not normal_numbers._is_the_same()
    try:
        ours, numpys = generators(2)
        assert_same(standard_normal(ours, (LEAST,), 'f'),
                    numpys.standard_normal(LEAST, dtype='f'))
    finally:
        normal_numbers._is_the_same.cache_clear()
