"""report.html: all about a run in one file, for a browser of any width."""
import base64
import dataclasses
import io
from xml.etree import ElementTree

import numpy
import scipy.sparse
from PIL import Image

from imsat.estimators.centering import moments
from imsat.on_disk import OnDisk
from imsat.pictures.images import are_strokes
from imsat.storage import atomic_write

MOST_GROUPS = 100
# Of points on disk, and numbers of all these.
MOST_POINTS, MOST_NUMBERS = 20_000, 1 << 24
EXAMPLES = 8
UNCERTAIN = 12
COLUMNS = 5  # that differ most, of a group
WORDS = 12
LETTERS = 200  # of a document
STYLE = '''
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: auto;
       padding: 1rem; color: #1a202c; background: #fff }
h1, h2, h3 { line-height: 1.2 } h2 { margin-top: 2.5rem }
h3 { margin: 1.5rem 0 .3rem } p { margin: .3rem 0 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .15rem .8rem .15rem 0; text-align: left;
         border-bottom: 1px solid #e2e8f0 }
div { overflow-x: auto } img { max-width: 100%; height: auto }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f1f5f9;
      padding: .6rem }
figure { margin: 1rem 0; overflow-x: auto } figure img { min-width: 36rem }
td:first-child { white-space: nowrap }
.images { image-rendering: pixelated }
.warning { border-left: 4px solid #dd6b20; padding-left: .6rem }
small { color: #4a5568 }
'''


def tag(name, /, *children, **attributes):
    """An element; texts are escaped when it is written."""
    element = ElementTree.Element(
        name, {key.rstrip('_'): str(value)
               for key, value in attributes.items()})
    for child in children:
        if isinstance(child, ElementTree.Element):
            element.append(child)
        elif len(element):
            element[-1].tail = (element[-1].tail or '') + str(child)
        else:
            element.text = (element.text or '') + str(child)
    return element


def table(titles, rows):
    return tag('div', tag(
        'table', tag('tr', *(tag('th', title) for title in titles)),
        *(tag('tr', *(tag('td', cell) for cell in row)) for row in rows)))


def picture(png, text, **attributes):
    return tag('img', src='data:image/png;base64,'
               + base64.b64encode(png).decode(), alt=text, **attributes)


def named(data, rows=None):
    """The names of points of a data set, as the report has them; of all, or
    of some rows."""
    rows = range(data.x.shape[0]) if rows is None else rows
    return [data.index[i] for i in rows] if data.index \
        else [f'row {i}' for i in rows]


def sample_of(data, seed):
    """A data set to be shown, and the rows that it has: all, or of one on
    disk some by chance."""
    n, d = data.x.shape
    if not isinstance(data.x, OnDisk):
        return data, numpy.arange(n)
    most = min(n, MOST_POINTS, max(1, MOST_NUMBERS // d))
    rows = numpy.sort(numpy.random.default_rng(seed).choice(n, most, False))
    return dataclasses.replace(
        data, x=data.x[rows], y=None if data.y is None else data.y[rows],
        index=named(data, rows)), rows


class Points:
    """How points are shown.

    Args:
        data (Dataset): That of the run.
        names (list of str): Of all points, e.g. ``'row 3'``.
    """

    def __init__(self, data, names):
        self.x, self.titles = data.x, data.names
        self.names, self.documents = names, data.documents
        self.pixels, self.shape = data.images or (None, None)
        if self.shape is not None:
            self.darkest, self.brightest = (
                float(self.pixels.min()), float(self.pixels.max()))
            self.are_strokes = len(self.shape) == 2 and are_strokes(
                self.pixels, (self.darkest, self.brightest))
        sparse = scipy.sparse.issparse(self.x)
        self.mean, variance = moments(self.x)
        self.spread = numpy.sqrt(variance)
        self.squares = numpy.asarray(self.x.multiply(self.x).sum(
            axis=1)).ravel() if sparse else numpy.einsum(
                'ij,ij->i', self.x, self.x, dtype=numpy.float64)

    def images(self, rows):
        """Some points as images, side by side; nothing for other points."""
        if self.shape is None or not len(rows):
            return []
        height, width, *colours = self.shape
        values = (self.pixels[rows].astype(float) - self.darkest) \
            / ((self.brightest - self.darkest) or 1)
        tiles = numpy.ones((len(rows), height + 1, width + 1, *colours))
        tiles[:, :height, :width] = \
            (1 - values if self.are_strokes else values).reshape(
                -1, *self.shape)
        stream = io.BytesIO()
        Image.fromarray((255 * numpy.concatenate(tiles, axis=1)).astype(
            numpy.uint8)).save(stream, 'PNG')
        return [picture(stream.getvalue(), self.named(rows),
                        class_='images',
                        style=f'width: min(100%, {3.5 * len(rows)}rem)')]

    def named(self, rows):
        return ', '.join(self.names[i] for i in rows)

    def nearest_to_mean(self, members):
        """Of some points those nearest to their mean, the nearest first."""
        x = self.x[members]
        distance = self.squares[members] - 2 * (x @ moments(x)[0])
        return members[numpy.argsort(distance, kind='stable')[:EXAMPLES]]

    def differences(self, members):
        """What columns of some points differ most in from all others."""
        n, m = self.x.shape[0], len(members)
        if self.shape is not None or m == n:
            return []
        inside, _ = moments(self.x[members])
        outside = (n * self.mean - m * inside) / (n - m)
        if self.documents is not None:
            order = numpy.argsort(outside - inside)[:WORDS]
            return [tag('p', 'its words: ', ', '.join(
                self.titles[j] for j in order if inside[j] > outside[j]))]
        share = numpy.abs(inside - outside) / numpy.where(
            self.spread, self.spread, numpy.inf)
        titles = self.titles or [f'column {j}' for j in range(len(share))]
        return [table(
            ['differs most in', 'mean here', 'of all others',
             'difference / spread'],
            [[titles[j], f'{inside[j]:.4g}', f'{outside[j]:.4g}',
              f'{(inside[j] - outside[j]) / self.spread[j]:+.2f}']
             for j in numpy.argsort(-share)[:COLUMNS] if share[j]])]


def about_sample(seen, n):
    """What a report of a sample says of it, a list of sentences."""
    m = seen.x.shape[0]
    return [] if m == n else [
        f'What follows shows {m:,} of {n:,} points, by chance.']


def write_report(path, title, args, result, *, sentences, scores, pictures,
                 points, kind, groups, certainty, uncertain):
    """Writes the report.

    Args:
        path (path): Of the file, beside the pictures.
        title (str): What was asked.
        args: The options.
        result (dict): Of result.json.
        sentences (list of str): What the result means.
        scores (tuple): Titles and rows of a table; None without.
        pictures (list of str): Names of files.
        points (Points): All points.
        kind (str): What the groups are.
        groups (list of tuple): Of each cluster, or code, its title and the
            numbers of its points.
        certainty (array): Of each point, shape (N,); None without.
        uncertain: Function of a point's number, what to say of it.
    """
    body = [tag('h1', title), *(tag('p', note) for note in result['notes']),
            tag('pre', args.command)]
    body += [tag('p', 'Warning: ', warning, class_='warning')
             for warning in result['warnings']]
    body += [tag('h2', 'What came out')]
    if scores is not None:
        body.append(table(*scores))
    body += [tag('p', sentence) for sentence in sentences]
    if len(result['restarts']) > 1:
        body += [tag('h2', 'Restarts'), restarts_of(result)]
    body += [tag('h2', 'Pictures'), *(
        tag('figure', picture((path.parent / name).read_bytes(), name))
        for name in pictures if (path.parent / name).is_file())]
    body += [tag('h2', kind), tag(
        'p', 'With the points nearest to the mean of each.' + (
            f' The {MOST_GROUPS} largest of {len(groups)}.'
            if len(groups) > MOST_GROUPS else ''))]
    largest = sorted(range(len(groups)), key=lambda i: -len(groups[i][1]))
    for i in sorted(largest[:MOST_GROUPS]):
        body += about_group(*groups[i], points, certainty)
    if certainty is not None:
        rows = numpy.argsort(certainty, kind='stable')[:UNCERTAIN]
        body += [tag('h2', 'Least certain points'), *points.images(rows),
                 table(['point', 'certainty', ''],
                       [[points.names[i], f'{certainty[i]:.3f}', uncertain(i)]
                        for i in rows])]
    write_page(path, title, [*body, *how_it_was_made(
        result, 'predict.py says the same of new points.')])


def how_it_was_made(result, note):
    """The last heading, and what belongs below it."""
    return tag('h2', 'How it was made'), table(
        ['', ''], [
            ['seconds', f'{result["seconds"]:.0f}'],
            ['on', result['device']], ['threads', result['threads']],
            *([name.replace('_', ' '), in_short(value)] for name, value in
              result.get('chosen', {}).items() if value is not None),
            *result['versions'].items()]), tag('p', tag(
                'small', f'config.json beside this file has all options; '
                f'--config takes it. {note}'))


def in_short(value):
    """Numbers in few digits."""
    if isinstance(value, list):
        return ', '.join(map(in_short, value))
    return f'{value:.4g}' if isinstance(value, float) else str(value)


def write_page(path, title, body):
    """Writes an HTML file of some elements, atomically."""
    page = tag('html', tag(
        'head', tag('meta', charset='utf-8'),
        tag('meta', name='viewport',
            content='width=device-width, initial-scale=1'),
        tag('title', title), tag('style', STYLE)), tag('body', *body),
        lang='en')
    text = '<!DOCTYPE html>\n' + ElementTree.tostring(
        page, encoding='unicode', method='html')
    with atomic_write(path) as f:
        # A file's name may have what is no letter.
        f.write(text.encode('utf-8', 'xmlcharrefreplace'))


def about_group(title, members, points, certainty):
    """A heading, size, certainty and examples of a group."""
    m, n = len(members), points.x.shape[0]
    size = f'{m} point{"" if m == 1 else "s"}, {m / n:.1%}'
    if certainty is not None and m:
        size += f'; certainty {certainty[members].mean():.3f} on average'
    yield tag('h3', title)
    yield tag('p', size)
    if m:
        rows = points.nearest_to_mean(members)
        yield from points.images(rows)
        yield from points.differences(members)
        if points.documents is not None:
            yield from (tag('p', points.documents[i][:LETTERS])
                        for i in rows[:3])
        yield tag('p', tag('small', points.named(rows)))


def restarts_of(result):
    """The table of all restarts."""
    keys = [key for key in ('seed', 'epochs', 'start', 'mu', 'objective',
                            'told', 'surety', 'agreement', 'majority',
                            'accuracy', 'seconds', 'kept')
            if any(restart.get(key) is not None
                   for restart in result['restarts'])]
    return table(keys, [[_cell(restart.get(key)) for key in keys]
                        for restart in result['restarts']])


def _cell(value):
    if isinstance(value, bool):
        return 'yes' if value else ''
    if isinstance(value, float):
        return f'{value:.4f}'
    return '' if value is None else value
