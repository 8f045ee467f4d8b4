"""What is drawn of hash codes, as Matplotlib has it."""
import numpy
import pytest
from matplotlib.colors import to_hex
from sklearn.metrics import mutual_info_score

from imsat.pictures.training import BLUE, GREY, ORANGE


def test_retrieval(drawn):
    numbers = numpy.array([1, 2, 10])
    precision, recall = numpy.array([.9, .7, .3]), numpy.array([.1, .4, 1])
    left, right = drawn('retrieval', numbers, precision, recall)
    for axes, x in (left, recall), (right, numbers):
        curve, of_all = axes.lines
        assert curve.get_xdata().tolist() == x.tolist()
        assert curve.get_ydata().tolist() == precision.tolist()
        assert set(of_all.get_ydata()) == {.3}
    assert (left.get_xscale(), right.get_xscale()) == ('linear', 'log')


def test_bits(drawn):
    # Of bits that are sure the table of two is a count.
    p = numpy.random.RandomState(0).choice(2, (50, 4), p=[.3, .7])
    p[:, 3] = 1 - p[:, 0]
    left, right, _ = drawn('bits', p.astype('d'))
    bars, = left.containers
    assert [bar.get_height() for bar in bars] == [
        sum(column) / 50 for column in p.T.tolist()]
    middle, = left.lines
    assert set(middle.get_ydata()) == {.5}
    information = right.images[0].get_array()
    for i in range(4):
        for j in range(4):
            expected = 0 if i == j else mutual_info_score(p[:, i], p[:, j])
            numpy.testing.assert_allclose(information[i, j], expected,
                                          atol=1e-12)


def test_there_is_no_bit_beyond_the_last(drawn):
    p = numpy.random.RandomState(0).random((50, 16))
    left, right, _ = drawn('bits', p)
    for axis in left.xaxis, right.xaxis, right.yaxis:
        low, high = sorted(axis.get_view_interval())
        shown = [tick for tick in axis.get_ticklocs() if low <= tick <= high]
        assert shown and set(shown) <= set(range(16))
    # What pairs share here is noise, and stays pale.
    image = right.images[0]
    assert image.get_array().max() < .2 * image.get_clim()[1]


def test_outputs_of_several_values(drawn):
    values = numpy.random.RandomState(0).choice(3, (60, 2), p=[.6, .3, .1])
    p = numpy.concatenate([numpy.eye(3)[column] for column in values.T], 1)
    left, right, _ = drawn('bits', p, (3, 3))
    bars, = left.containers
    for bar, column in zip(bars, values.T):
        share = numpy.array([(column == value).mean() for value in range(3)])
        numpy.testing.assert_allclose(
            bar.get_height(), -(share * numpy.log(share)).sum()
            / numpy.log(3), 1e-12)
    information = right.images[0].get_array()
    numpy.testing.assert_allclose(
        information[0, 1], mutual_info_score(*values.T), 1e-9)
    assert information[0, 0] == information[1, 1] == 0


def test_nearest_images(drawn):
    # Every image is constant, of its own number.
    query_x, gallery_x = (numpy.repeat(numpy.arange(n)[:, None] + start, 6, 1)
                          for n, start in ((2, 0.), (5, 10.)))
    neighbors = numpy.array([[4, 0, 2], [1, 3, 4]])
    distances = numpy.array([[0, 1, 5], [2, 2, 3]])
    axes, = drawn(
        'nearest_images', query_x, numpy.array([7, 8]), gallery_x,
        numpy.array([7, 8, 8, 7, 7]), neighbors, distances, (2, 3))
    assert [numpy.unique(image.get_array()).tolist()
            for image in axes.images] == [
        [0], [14], [10], [12], [1], [11], [13], [14]]
    assert [text.get_text() for text in axes.texts] == [
        'query', '0', '1', '5', 'query', '2', '2', '3']
    assert [to_hex(frame.get_edgecolor()) for frame in axes.patches] == [
        BLUE, GREY, GREY, ORANGE, BLUE, GREY, ORANGE, ORANGE]
    # Two rows of four, each image in its frame and its text above.
    corners = [frame.get_xy() for frame in axes.patches]
    columns, rows = map(sorted, map(set, zip(*corners)))
    assert corners == [(x, y) for y in rows for x in columns]
    assert (len(columns), len(rows)) == (4, 2)
    for image, frame, text in zip(axes.images, axes.patches, axes.texts):
        assert image.get_array().shape == (2, 3)
        left, right, bottom, top = image.get_extent()
        assert (left, top) == frame.get_xy()
        assert (right - left, bottom - top) == pytest.approx((3, 2))
        x, y = text.get_position()
        assert left < x < right and top - 1 < y < top
    low, high = axes.get_xlim(), axes.get_ylim()
    assert low[0] < columns[0] and columns[-1] + 3 < low[1]
    assert high[1] < rows[0] and rows[-1] + 2 < high[0]


def test_images_share_a_scale_of_grey(drawn):
    query_x = numpy.array([[-1., 3.]])
    axes, = drawn('nearest_images', query_x, [0], 9 * query_x,
                  numpy.array([0]), numpy.array([[0]]), numpy.array([[1]]),
                  (1, 2))
    assert [image.get_clim() for image in axes.images] == 2 * [(-1, 3)]


def test_nearest_in_colour(drawn):
    query_x = numpy.array([[-1., 1, 3, 3, 1, -1]])
    axes, = drawn(
        'nearest_images', query_x, [0], 2 * query_x, numpy.array([0]),
        numpy.array([[0]]), numpy.array([[1]]), (1, 2, 3))
    query, nearest = axes.images
    assert query.get_array().tolist() == [[[0, .5, 1], [1, .5, 0]]]
    # On the query's scale, and no further.
    assert nearest.get_array().tolist() == [
        [[0, .75, 1], [1, .75, 0]]]


def test_nearest_of_several_labels(drawn):
    labels = numpy.array([[1, 1, 0], [0, 0, 1], [0, 1, 1]])
    x = numpy.arange(6.).reshape(3, 2)
    axes, = drawn('nearest_images', x[:1], labels[:1], x, labels,
                  numpy.array([[1, 2]]), numpy.array([[1, 1]]), (1, 2))
    assert [to_hex(frame.get_edgecolor()) for frame in axes.patches] == [
        BLUE, ORANGE, GREY]
