import chainer
import numpy
import pytest

from imsat.training.iterators import (
    SAMPLINGS, IndexIterator, sample_permutation)
from imsat.randomness import generator, restart_seeds


def test_samples_as_the_original_does(golden):
    # 12 draws of 250 out of 3,000 after np.random.seed(3)
    expected = golden('split')['get_seed3.indices']
    rng = numpy.random.RandomState(3)
    for batch in expected:
        numpy.testing.assert_array_equal(
            sample_permutation(rng, 3000, 250), batch)


def test_permutation():
    iterator = IndexIterator(3000, 250, seed=1)
    batches = [next(iterator) for _ in range(12)]
    for batch in batches:
        assert len(set(batch)) == 250
    # 3000 (1 - (1 - 250 / 3000)^12) = 1944 are expected, with s.d. about 22.
    assert abs(len(set(numpy.concatenate(batches))) - 1944) < 5 * 22
    assert iterator.epoch == 1 and iterator.is_new_epoch


def test_sweep():
    iterator = IndexIterator(25, 6, 'sweep', seed=1)
    epochs = [numpy.concatenate([next(iterator) for _ in range(4)])
              for _ in range(2)]
    for epoch in epochs:
        assert len(set(epoch)) == 24
    assert (epochs[0] != epochs[1]).any()


@pytest.mark.parametrize('n', [1, 1000, 65_536, 65_537, 200_000])
def test_shuffle_buffer(n):
    size = min(n, 250)
    iterator = IndexIterator(n, size, 'shuffle-buffer', seed=1)
    epochs = [numpy.concatenate([next(iterator) for _ in range(n // size)])
              for _ in range(2)]
    for epoch in epochs:
        assert len(set(epoch)) == len(epoch) == n // size * size
        assert 0 <= epoch.min() <= epoch.max() < n
    if n > 1:
        assert (epochs[0] != epochs[1]).any()


def test_buffers_are_read_in_blocks():
    n = 4 * 65_536 - 5000
    iterator = IndexIterator(n, 1000, 'shuffle-buffer', seed=1)
    order = numpy.concatenate([next(iterator) for _ in range(n // 1000)])
    # No block is read again once 64 others have been.
    last = {}
    for place, block in enumerate((order // 1024).tolist()):
        assert place - last.setdefault(block, place) < 65_536
    # A buffer has rows from each part, and mixes them.
    first = order[:60_000]
    parts = numpy.bincount(first // (4 * 1024), minlength=64)
    assert parts[:62].min() > .8 * 60_000 / 64
    assert abs(numpy.corrcoef(numpy.arange(60_000), first)[0, 1]) < .02


@pytest.mark.parametrize('sampling', ['permutation', 'sweep',
                                      'shuffle-buffer'])
def test_epochs_and_resuming(sampling):
    one = IndexIterator(10, 3, sampling, seed=2)
    epochs, news = [], []
    for _ in range(7):
        next(one)
        epochs.append(one.epoch)
        news.append(one.is_new_epoch)
    assert epochs == [0, 0, 1, 1, 1, 2, 2]
    assert news == [False, False, True, False, False, True, False]
    assert one.previous_epoch_detail == 2 and one.epoch_detail == 7 / 3
    state = chainer.serializers.npz.serialize(one)
    other = IndexIterator(10, 3, sampling, seed=2)
    chainer.serializers.NpzDeserializer(state).load(other)
    for _ in range(7):
        numpy.testing.assert_array_equal(next(one), next(other))


def test_streams_differ():
    draws = {tuple(generator(*key).integers(1 << 60, size=2)) for key in
             [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (1, 1, 1)]}
    assert len(draws) == 5


def test_seeds_of_restarts():
    seeds = restart_seeds(5, 4)
    assert seeds[0] == 5 and len(set(seeds)) == 4
    assert restart_seeds(5, 2) == seeds[:2]
    assert not set(restart_seeds(6, 4)) & set(seeds)


@pytest.mark.parametrize('sampling', SAMPLINGS)
@pytest.mark.parametrize('weight', [None, numpy.arange(1., 31.)])
def test_drawn_ahead_are_the_same_batches(sampling, weight):
    one, other = (IndexIterator(30, 4, sampling, 1, weight)
                  for _ in range(2))
    other.draw_ahead()
    for _ in range(15):
        assert next(other).tolist() == next(one).tolist()
    state = chainer.serializers.npz.serialize(one)
    for _ in range(3):
        next(one), next(other)
    for iterator in one, other:
        chainer.serializers.NpzDeserializer(state).load(iterator)
    assert next(other).tolist() == next(one).tolist()
    other.finalize()
    other.finalize()
    assert next(other).tolist() == next(one).tolist()
