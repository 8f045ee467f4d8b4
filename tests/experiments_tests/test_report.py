"""report.html as a browser reads it, and the words at the end of a run."""
import base64
import html.parser
import re
import shlex

import clustering
import hashing
import numpy
import pandas
import pytest
import scipy.sparse
from common.report import Points, about_group
from common.words import about_information, information_of_run

from imsat.datasets import Dataset
from imsat.storage import load_json, load_npz

# So little training leaves clusters empty.
pytestmark = pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')
NASTY = '<script>alert("1")</script> & \x27'
QUICK = ['--hidden', '9', '--epochs', '5', '--batch-size', '40', '--quiet',
         '--threads', '1']


class Page(html.parser.HTMLParser):
    """What a page consists of."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.feed(path.read_text(encoding='utf-8'))
        self.close()
        assert not self.open, 'an element that does not end'
        self.text = ' '.join(' '.join(self.texts).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ('meta', 'img'):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if 'style' not in self.open:
            self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Runs of a table whose columns and points have names that a page would
    take for its own."""
    folder = tmp_path_factory.mktemp('runs')
    rng = numpy.random.RandomState(0)
    x = rng.normal(0, 1, (120, 3))
    x[60:, 1] += 20
    pandas.DataFrame(x, columns=['a', NASTY, 'c']).assign(
        id=[f'<b>{i}' for i in range(120)]).to_csv(
        folder / 'points.csv', index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('IMSAT_CACHE', str(folder / 'cache'))
        patch.chdir(folder)
        patch.setattr('matplotlib.figure.Figure.savefig',
                      lambda self, f, **kwargs: f.write(b'a picture'))
        options = ['--dataset', 'points.csv', '--index', 'id', *QUICK]
        clustering.run(clustering.get_options(
            [*options, '--clusters', '3', '--restarts', '2', '--out', 'c']))
        hashing.run(hashing.get_options(
            [*options, '--bits', '4', '--out', 'h']))
    return folder


@pytest.mark.parametrize('out', ['c', 'h'])
def test_one_file_without_outside_resources(folder, out):
    page = Page(folder / out / 'report.html')
    assert not page.all('script') and not page.all('link')
    assert not page.all('b')
    sources = [image['src'] for image in page.all('img')]
    assert all(source.startswith('data:image/png;base64,')
               for source in sources)
    pictures = [base64.b64decode(source.partition(',')[2])
                for source in sources]
    assert len(pictures) == len([*(folder / out).glob('*.png')]) > 1
    assert set(pictures) == {b'a picture'}
    assert {'name': 'viewport', 'content':
            'width=device-width, initial-scale=1'} in page.all('meta')


def test_all_is_told(folder):
    page = Page(folder / 'c' / 'report.html')
    result = load_json(folder / 'c' / 'result.json')
    assert 'points: 120 points in 3 clusters by IMSAT (VAT)' in page.text
    for warning in result['warnings']:
        assert ' '.join(warning.split()) in page.text
    for restart in result['restarts']:
        assert f'{restart["seed"]} {restart["objective"]:.4f}' in page.text
    for k, size in enumerate(result['sizes']):
        assert re.search(rf'Cluster {k} {size} points?, {size / 120:.1%}',
                         page.text)
    # The points are so far apart in one column alone.
    assert page.text.count(NASTY) == sum(size > 0 for size in result['sizes'])
    # The least certain first.
    p = load_npz(folder / 'c' / 'assignments.npz')['probability']
    least = p.max(axis=1).argmin()
    assert f'point certainty <b>{least} {p[least].max():.3f}' in page.text


def test_the_command_makes_the_same_run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    command, = re.findall('<pre>(.*?)</pre>', (
        folder / 'c' / 'report.html').read_text())
    words = shlex.split(html.unescape(command))
    assert words[:2] == ['python', 'experiments/clustering.py']
    args = clustering.get_options(words[2:])
    options = load_json('c/config.json')['options']
    # What is "auto" the run has put in.
    asked = {name: getattr(args, name) for name in options}
    asked.update((name, options[name]) for name, value in asked.items()
                 if value == 'auto' and name in ('neighbor', 'batch_size',
                                                   'select'))
    assert asked == options


def test_a_report_that_fails_loses_nothing(folder, tmp_path, monkeypatch,
                                           capsys):
    monkeypatch.chdir(folder)

    def fail(*args, **kwargs):
        raise MemoryError
    monkeypatch.setattr(clustering, 'write_report', fail)
    args = clustering.get_options([
        '--dataset', 'points.npz', '--clusters', '2', '--method', 'kmeans',
        '--out', str(tmp_path)])
    numpy.savez('points.npz', x=numpy.eye(9))
    with pytest.raises(MemoryError):
        clustering.run(args)
    assert {'model.npz', 'assignments.csv', 'result.json'} <= {
        path.name for path in tmp_path.iterdir()}
    assert 'cluster sizes' in capsys.readouterr().out


def test_columns_that_differ():
    x = numpy.array([[0, 5, 9], [2, 5, 9], [10, 5, 7], [12, 5, 7]], 'f')
    points = Points(Dataset('', x, names=[*'abc']), [*'wxyz'])
    block, = points.differences(numpy.array([0, 1]))
    # (9 - 7) / 1 and (1 - 11) / sqrt(26).
    assert [[cell.text for cell in row] for row in block.iter('tr')][1:] == [
        ['c', '9', '7', '+2.00'], ['a', '1', '11', '-1.96']]
    assert points.differences(numpy.arange(4)) == []


def test_counts_are_no_words():
    x = numpy.array([[3, 0, 1, 0], [2, 0, 0, 0], [0, 0, 1, 0], [0, 2, 0, 0]],
                    'f')
    points = Points(Dataset('', x, names=[*'abcd']), [*'wxyz'])
    block, = points.differences(numpy.array([0, 1]))
    assert [row[0].text for row in block.iter('tr')][1:3] == ['a', 'b']


@pytest.mark.parametrize('form', [numpy.asarray, scipy.sparse.csr_matrix])
def test_words_of_texts(form):
    x = numpy.array([[3, 0, 1, 0], [2, 0, 0, 0], [0, 0, 1, 0], [0, 2, 0, 0]],
                    'f')
    points = Points(Dataset(
        '', form(x), names=['ship', 'sun', 'the', 'no'],
        documents=['ship ship', '<i>ship', 'the', 'sun']), [*'wxyz'])
    block, = points.differences(numpy.array([0, 1]))
    assert block.text == 'its words: ship'
    # Of (3, 0, 1, 0), (2, 0, 0, 0) and (0, 0, 1, 0) the mean is nearest to
    # the second.
    members = numpy.array([0, 1, 2])
    assert points.nearest_to_mean(members).tolist() == [1, 0, 2]
    said = [part.text for part in about_group('a', members, points, None)]
    assert said[-4:-1] == ['<i>ship', 'ship ship', 'the']


def test_nearest_to_the_mean_far_from_0():
    x = numpy.array([[0], [1], [2], [3], [40]], 'd')[:, [0, 0]] + [1e5, 0]
    points = Points(Dataset('', x), [*'vwxyz'])
    # Of 0, 1, 2, 3 the mean is 1.5.
    assert sorted(points.nearest_to_mean(numpy.arange(4))[:2]) == [1, 2]


@pytest.mark.parametrize('sign', [1, -1])
def test_images_are_drawn(sign):
    import io
    from PIL import Image
    x = sign * numpy.array([[-1, 1, 1, 1], [1, 1, 0, 1]], 'f')
    points = Points(Dataset('', x, image_shape=(2, 2)), [*'ab'])
    image, = points.images([1, 0])
    assert image.get('alt') == 'b, a'
    png = base64.b64decode(image.get('src').partition(',')[2])
    with Image.open(io.BytesIO(png)) as drawn:
        pixels = numpy.asarray(drawn)
    # Most is as large as can be, a photograph's sky, or as small, the paper
    # below strokes: both are light.  There is a line between images.
    assert pixels.tolist() == [[255, 255, 255, 0, 255, 255],
                               [127, 255, 255, 255, 255, 255], 6 * [255]]


def test_images_in_colour_are_as_they_are():
    import io
    from PIL import Image
    x = numpy.array([[0, 1, .2], [1, 0, 0]], 'f')
    points = Points(Dataset('', x, image_shape=(1, 1, 3)), [*'ab'])
    image, = points.images([0, 1])
    png = base64.b64decode(image.get('src').partition(',')[2])
    with Image.open(io.BytesIO(png)) as drawn:
        assert numpy.asarray(drawn)[0].tolist() == [
            [0, 255, 51], 3 * [255], [255, 0, 0], 3 * [255]]


def log_of(*information):
    return [{'all/marginal_entropy': 2 * i, 'all/conditional_entropy': i,
             'iteration': 1000} for i in information]


@pytest.mark.parametrize('values,change', [
    ([.1, .2, .3, .6, .5], -.05), ([1, 1, 1, 1], None), (range(10), 1.)])
def test_change_of_information(values, change):
    # Of ten epochs the last two, of five the last.
    found = information_of_run(log_of(*values), 2.)
    assert found['information_change'] == (
        change and pytest.approx(change))


@pytest.mark.parametrize('h,conditional,change,words', [
    (2, .01, .009, ['are sure', '100.0% of that: all alike',
                    'moved by 0.90% of that; 999 steps are too few']),
    (2, .01, .001, ['are sure', '100.0% of that: all alike',
                    'has converged']),
    (1.5, .4, .02, ['only partly sure', '75.0% of that: all alike',
                    'not converged: in the last fifth of the epochs I(X; Y) '
                    'rose by 2.0%']),
    (.6, 1.9, -.02, ['not sure', '30.0% of that: all alike',
                     'fell by 2.0%']),
    (2, .01, None, ['are sure', 'all alike', 'so short a training'])])
def test_words_about_information(h, conditional, change, words):
    first, *others = about_information(
        dict(marginal_entropy=h, conditional_entropy=conditional,
             most_information=2., information_change=change,
             steps=999 if change == .009 else 1000),
        'that 7 clusters can tell', 'they are {}sure', 'all alike')
    assert f'= {h - conditional:.3f} nats, {(h - conditional) / 2:.1%} of ' \
           f'the 2.000 that 7 clusters can tell' in first
    for sentence, wanted in zip(others, words, strict=True):
        assert wanted in sentence


def test_of_a_single_cluster_nothing_is_said():
    found = information_of_run(log_of(*range(9)), 0.)
    assert found == dict(most_information=0., information_change=None,
                         steps=1000)
    assert about_information({'marginal_entropy': 0., **found}, '', '',
                             '') == []
