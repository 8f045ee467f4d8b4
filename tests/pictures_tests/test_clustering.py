"""What is drawn of clusters, as Matplotlib has it."""
import os

import numpy
import pytest
import scipy.sparse

from imsat.pictures import contingency


@pytest.mark.parametrize('prior,expected', [
    (None, [2, 2, 2, 2]), ([.5, .25, .125, .125], [4, 2, 1, 1])])
def test_cluster_sizes(drawn, prior, expected):
    clusters = numpy.array([3, 0, 1, 3, 1, 3, 3, 3])
    axes, = drawn('cluster_sizes', clusters, 4, prior)
    bars, = axes.containers
    assert [bar.get_height() for bar in bars] == [1, 2, 0, 5]
    assert [bar.get_center()[0] for bar in bars] == [0, 1, 2, 3]
    line, = set(axes.patches) - set(bars)
    numpy.testing.assert_allclose(line.get_data().values, expected)


def test_contingency(drawn):
    labels = numpy.array([*'aaaabbbccccc'])
    # 7 goes with a, 2 with b, 5 with c, and 9 with none.
    clusters = numpy.array([7, 7, 7, 5, 2, 2, 9, 5, 5, 5, 5, 7])
    table = [[3, 0, 1, 0], [0, 2, 0, 1], [1, 0, 4, 0]]
    axes, _ = drawn('contingency', labels, clusters)
    assert [t.get_text() for t in axes.get_yticklabels()] == [*'abc']
    assert [t.get_text() for t in axes.get_xticklabels()] == [*'7259']
    written = numpy.zeros((3, 4), int)
    for text in axes.texts:
        j, i = text.get_position()
        written[i, j] = text.get_text()
    assert written.tolist() == table
    numpy.testing.assert_allclose(
        axes.images[0].get_array(),
        [[.75, 0, .25, 0], [0, 2 / 3, 0, 1 / 3], [.2, 0, .8, 0]])
    assert '75.0%' in axes.get_title()  # 9 of 12


def test_contingency_of_few_clusters(drawn):
    # Label 1 is left without a cluster, and is in its place.
    axes, _ = drawn('contingency', [0, 1, 2, 2, 0], [4, 4, 3, 3, 4])
    assert [t.get_text() for t in axes.get_yticklabels()] == [*'012']
    assert [t.get_text() for t in axes.get_xticklabels()] == [*'43']
    assert {text.get_position(): text.get_text() for text in axes.texts} == {
        (0, 0): '2', (0, 1): '1', (1, 2): '2'}
    assert frames(axes) == [(0, 0), (1, 2)]
    assert '80.0%' in axes.get_title()


def frames(axes):
    """Column and row of each cell that is framed."""
    framed, = axes.collections
    return [tuple(path.vertices[:4].mean(axis=0))
            for path in framed.get_paths()]


def test_empty_clusters_are_seen(drawn):
    clusters = numpy.array([1, 1, 4, 4, 4])
    axes, _ = drawn('contingency', [0, 0, 1, 1, 0], clusters, 6)
    assert [t.get_text() for t in axes.get_xticklabels()] == [*'140235']
    assert {text.get_position(): text.get_text() for text in axes.texts} == {
        (0, 0): '2', (1, 0): '1', (1, 1): '2'}
    axes, = drawn('cluster_sizes', clusters, 6)
    crosses, = axes.lines
    assert crosses.get_xdata().tolist() == [0, 2, 3, 5]
    axes, = drawn('cluster_samples', numpy.ones((5, 6)), (2, 3), clusters, 6)
    assert [t.get_text() for t in axes.get_yticklabels()] == [
        '0 (empty)', '1', '2 (empty)', '3 (empty)', '4', '5 (empty)']


def test_cluster_samples(drawn):
    # Every point is an image of its own number.
    clusters = numpy.random.RandomState(0).choice(4, 60, p=[.1, .3, .6, 0])
    x = numpy.repeat(numpy.arange(60.)[:, None], 6, axis=1)
    axes, = drawn('cluster_samples', x, (2, 3), clusters, 4, columns=15)
    canvas = numpy.ma.filled(axes.images[0].get_array(), numpy.nan)
    # A line below and to the right of each.
    assert canvas.shape == (4 * 3, 15 * 4)
    cells = canvas.reshape(4, 3, 15, 4)
    assert numpy.isnan(cells[:, 2]).all()
    assert numpy.isnan(cells[..., 3]).all()
    for k, row in enumerate(cells[:, :2, :, :3].swapaxes(1, 2)):
        members, = numpy.nonzero(clusters == k)
        shown = [image[0, 0] for image in row if not numpy.isnan(image).any()]
        assert all((image == image[0, 0]).all() for image in row[:len(shown)])
        assert len(shown) == len(set(shown)) == min(len(members), 15)
        assert set(shown) <= set(members)
    assert [t.get_text() for t in axes.get_yticklabels()] == [
        *'012', '3 (empty)']


def test_not_all_of_many_clusters(drawn):
    axes, = drawn('cluster_samples', numpy.ones((7, 6)), (2, 3),
                  numpy.arange(7), 7, columns=2, most_rows=5)
    assert axes.images[0].get_array().shape == (5 * 3, 2 * 4)
    assert [t.get_text() for t in axes.get_yticklabels()] == [*'01234']
    assert 'the first 5 of 7' in axes.get_title()


@pytest.mark.parametrize('dark,cmap', [(.7, 'gray_r'), (.3, 'gray')])
def test_photographs_are_not_negatives(drawn, dark, cmap):
    # Ink on paper has mostly ground, which is the darkest.
    x = numpy.random.default_rng(0).uniform(.2, 1, (40, 50))
    x[:, :int(50 * dark)] = 0
    axes, = drawn('cluster_samples', x, (5, 10), numpy.zeros(40, int), 1)
    assert axes.images[0].get_cmap().name == cmap


def test_numbers_of_clusters(drawn):
    values = [dict(a=numpy.array([.1, .3]), b=numpy.array([1., 1.])),
              dict(a=numpy.array([.5, .7]), b=numpy.array([.5, .9]))]
    axes = drawn('cluster_numbers', [3, 5], values, 5)
    assert [a.get_title() for a in axes[:2]] == ['a', 'b']
    best, mean, *dots = axes[0].lines
    assert set(best.get_xdata()) == {5}
    numpy.testing.assert_allclose(mean.get_xydata(), [[3, .2], [5, .6]])
    numpy.testing.assert_allclose(
        numpy.concatenate([dot.get_ydata() for dot in dots]),
        [.1, .3, .5, .7])


def test_the_seed_chooses_the_samples(drawn):
    x = numpy.repeat(numpy.arange(60.)[:, None], 6, axis=1)

    def canvas(seed):
        axes, = drawn('cluster_samples', x, (2, 3), numpy.zeros(60, int), 1,
                      seed=seed)
        return numpy.ma.filled(axes.images[0].get_array(), -1)
    assert (canvas(3) == canvas(3)).all()
    assert (canvas(3) != canvas(4)).any()


def test_counts_of_large_tables_are_not_written(drawn):
    axes, _ = drawn('contingency', numpy.arange(31), numpy.arange(31))
    assert not axes.texts
    assert (axes.images[0].get_array() == numpy.eye(31)).all()


def test_ticks_of_a_hundred_clusters_can_be_read(drawn):
    axes, _ = drawn('contingency', numpy.arange(250), numpy.arange(250))
    for ticks in axes.get_xticks(), axes.get_yticks():
        assert ticks.tolist() == [*range(0, 250, 3)]
    inches = axes.figure.get_size_inches()
    assert (inches > 250 / 3 * 8 / 72).all()  # texts of 8 points


@pytest.mark.parametrize('columns', [1, 3])
def test_embedding(drawn, columns):
    # One direction has all of the variance but a little.
    rng = numpy.random.default_rng(0)
    clusters = numpy.repeat([0, 2], 30)
    x = rng.normal(0, .01, (60, columns))
    x[:, 0] += 9 * (clusters == 2)
    p = numpy.full((60, 3), .1)
    p[numpy.arange(60), clusters] = .8
    p[7] = .4, .3, .3
    left, right, _ = drawn('embedding', x, clusters, p)
    at = left.collections[0].get_offsets()[:, 0]
    kind = left.collections[0].get_array()
    assert abs(at[kind == 0].mean() - at[kind == 2].mean()) > 8.9
    assert at[kind == 0].std() < .1
    # The least certain is drawn last.
    certainty = right.collections[0].get_array()
    assert certainty.tolist() == [.8] * 59 + [.4]
    assert '100% of the variance' in left.get_xlabel()
    assert sorted(t.get_text() for t in left.texts) == ['0', '2']


def test_embedding_without_probabilities(drawn):
    axes, = drawn('embedding', numpy.eye(4), numpy.array([0, 0, 1, 1]))
    assert len(axes.collections[0].get_offsets()) == 4


def test_embedding_of_sparse_points(drawn):
    rng = numpy.random.default_rng(0)
    x = numpy.where(rng.random((40, 6)) < .5, rng.normal(size=(40, 6)), 0)
    clusters = numpy.zeros(40, int)
    at = [drawn('embedding', form(x), clusters)[0].collections[0]
          .get_offsets() for form in (numpy.asarray, scipy.sparse.csr_matrix)]
    # But for the directions' signs.
    numpy.testing.assert_allclose(*map(numpy.abs, at), atol=1e-5)


def test_samples_in_colour(drawn):
    # One colour each, from -1 to 3: red, and what is half green, half blue.
    colours = numpy.array([[3., -1, -1], [-1, 1, 1]])
    x = numpy.repeat(colours[:, None], 6, axis=1).reshape(2, 18)
    axes, = drawn('cluster_samples', x, (2, 3, 3), numpy.array([1, 0]), 2,
                  columns=2)
    image = axes.images[0].get_array()
    assert image.shape == (6, 8, 3)
    numpy.testing.assert_array_equal(image[3:5, :3],
                                     numpy.ones((2, 3, 1)) * [1, 0, 0])
    numpy.testing.assert_array_equal(image[:2, :3],
                                     numpy.ones((2, 3, 1)) * [0, .5, .5])
    # White between and beside.
    image[3:5, :3] = image[:2, :3] = 1
    assert (image == 1).all()


def test_labels_are_no_formulas(tmp_path):
    """Drawn for good, as Matplotlib reads a formula only then."""
    path = tmp_path / 'a.png'
    contingency(path, [r'$\no_formula$', 'US$ 5 to $_'], [0, 1])
    assert path.stat().st_size


def test_labels_that_are_no_utf8(tmp_path, drawn):
    """As folders on Linux may be called.  Drawn for good, as above."""
    name = os.fsdecode(b'caf\xe9')
    contingency(tmp_path / 'b.png', [name, 'café'], [name, '\ud83d'])
    axes, _ = drawn('contingency', [name, 'café', name * 9], [name, 1, 2])
    cut = 'caf\\udce9caf\\udce9caf\\...'
    assert {t.get_text() for t in axes.get_yticklabels()} == {
        'café', 'caf\\udce9', cut}
    assert {t.get_text() for t in axes.get_xticklabels()} == {
        '1', '2', 'caf\\udce9'}


def test_labels_of_several_kinds(drawn):
    labels = numpy.array([1, 'a', 'a', b'a'], object)
    axes, _ = drawn('contingency', labels, [0, 1, 1, 0])
    assert sorted(t.get_text() for t in axes.get_yticklabels()) == [
        '1', 'a', "b'a'"]


@pytest.mark.parametrize('shape', [(40, 1), (40, 2), (3, 4), (2, 2)])
def test_embedding_of_few_sparse_columns_or_rows(drawn, shape):
    x = numpy.random.default_rng(0).normal(size=shape)
    clusters = numpy.zeros(len(x), int)
    at = [drawn('embedding', form(x), clusters)[0].collections[0]
          .get_offsets() for form in (numpy.asarray, scipy.sparse.csr_matrix)]
    numpy.testing.assert_allclose(*map(numpy.abs, at), atol=1e-9)


def test_long_labels_are_cut(drawn):
    axes, _ = drawn('contingency', ['a' * 99, 'b' * 25], [0, 1])
    assert [t.get_text() for t in axes.get_yticklabels()] == [
        'a' * 22 + '...', 'b' * 25]
