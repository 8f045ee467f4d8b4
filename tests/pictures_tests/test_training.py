"""The curves of a training, as Matplotlib and as Pillow have them."""
import os

import numpy
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from imsat.pictures.training import (
    BLUE, GREY, ORANGE, learning_curves, save)


def log(*accuracies, **last):
    """Of one restart; what else is known only after the last epoch."""
    entries = [{'epoch': i, 'all/accuracy': accuracy}
               for i, accuracy in enumerate(accuracies, 1)]
    entries[-1].update(last)
    return entries


def curves(axes):
    return [(line.get_color(), [*line.get_xdata()], [*line.get_ydata()])
            for line in axes.lines]


def test_learning_curves(drawn):
    logs = [log(.1, .2, .3), log(.4, .6, .5)]
    axes, = drawn('learning_curves', logs, best=1)
    assert curves(axes) == [(GREY, [1, 2, 3], [.1, .2, .3]),
                            (BLUE, [1, 2, 3], [.4, .6, .5])]
    assert axes.lines[1].zorder > axes.lines[0].zorder
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        'other restarts', 'kept']


def test_what_h_y_can_be_is_above_its_lines(drawn):
    entry = {'epoch': 1, 'all/marginal_entropy': .6}
    axes, = drawn('learning_curves', [[entry]], most_entropy=numpy.log(3),
                  prior=[.5, .25, .25])
    lines = {text.get_text(): text for text in axes.texts}
    # .5 of one and .5 of two nats of base 2.
    for text, value in ('at most 1.1', numpy.log(3)), (
            "the prior's 1.04", 1.5 * numpy.log(2)):
        assert lines[text].xy[1] == pytest.approx(value)
        assert lines[text].get_position()[1] > 0
        assert any(line.get_ydata()[0] == pytest.approx(value)
                   for line in axes.lines)
    assert axes.get_ylim()[1] > 1.1 * numpy.log(3)


def test_what_a_log_has_gets_a_panel(drawn):
    first, second = drawn('learning_curves', [
        log(.1, .2, **{'main/sat': .7, 'main/loss': 1, 'elapsed_time': 9})])
    assert curves(first) == [(BLUE, [2], [.7])]
    assert curves(second) == [(BLUE, [1, 2], [.1, .2])]
    assert [axes.get_title().split(':')[0] for axes in (first, second)] == [
        'R', 'ACC']
    assert second.get_legend() is None


@pytest.mark.parametrize('epochs,marker', [(1, '.'), (4, '.'), (5, 'None')])
def test_few_points_can_be_seen(drawn, epochs, marker):
    axes, = drawn('learning_curves', [log(*epochs * [.5])])
    assert axes.lines[0].get_marker() == marker


def test_axes_begin_at_0_and_noise_stays_small(drawn):
    entropies = [2.30001, 2.30002, 2.30001]
    logs = [[{'epoch': i, 'all/marginal_entropy': entropy,
              'main/sat': 1e-9 * i} for i, entropy in enumerate(entropies, 1)]]
    even, sat = drawn('learning_curves', logs, most_entropy=numpy.log(10))
    for axes in even, sat:
        low, high = axes.get_ylim()
        values = axes.lines[-1].get_ydata()
        assert low == 0 and numpy.ptp(values) < .01 * high
    limit = even.lines[0]
    assert set(limit.get_ydata()) == {numpy.log(10)}
    assert even.get_ylim()[1] > numpy.log(10)


def test_curves_of_several_runs(drawn):
    logs = [log(.1, .2), [{'epoch': 1, 'main/sat': .3}], log(.4, .6)]
    sat, accuracy = drawn('learning_curves', logs, names=[*'abc'])
    assert [t.get_text() for t in accuracy.get_legend().get_texts()] \
        == [*'abc']
    assert curves(accuracy)[2] == ('C2', [1, 2], [.4, .6])
    assert curves(sat)[1] == ('C1', [1], [.3])


def test_save(tmp_path):
    figure = Figure((3, 2), facecolor=ORANGE)
    assert save(figure, tmp_path / 'a.png') is figure
    with Image.open(tmp_path / 'a.png') as image:
        assert (image.format, image.size) == ('PNG', (330, 220))
        pixels = numpy.asarray(image.convert('RGB')).reshape(-1, 3)
    assert numpy.unique(pixels, axis=0).tolist() == [
        [round(255 * part) for part in to_rgb(ORANGE)]]


def test_names_are_no_formulas(tmp_path):
    learning_curves(tmp_path / 'a.png', [log(.1), log(.2)],
                    names=[r'$\no_formula$', 'b'])


def test_names_that_are_no_utf8(tmp_path):
    """As folders on Linux may be called."""
    figure = learning_curves(
        tmp_path / 'a.png', [log(.1), log(.2)],
        names=[os.fsdecode(b'caf\xe9'), 'café'])
    assert [text.get_text() for text in figure.axes[0].get_legend(
        ).get_texts()] == ['caf\\udce9', 'café']
