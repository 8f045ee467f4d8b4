"""20 Newsgroups."""
import re
import tarfile

import numpy

from imsat.datasets.cache import prepared
from imsat.datasets.dataset import Dataset
from imsat.datasets.sources import Files, register
from imsat.datasets.vocabulary import most_frequent
from imsat.errors import InputError

URL = 'https://ndownloader.figshare.com/files/5975967'
SHA256 = '8f1b2514ca22a5ade8fbb9cfa5727df95fa587f4c87b786e15c759fa66d95610'
POSTS = {'train': 11314, 'test': 7532}
GROUPS = 20


@register('20news')
def load_20news(files: Files, words: int = 2000, least: int = 10,
                norm: str | None = None) -> Dataset:
    """20 Newsgroups as tf-idf, from the by-date folders or fetched.

    Args:
        words (int): Size of the vocabulary.
        least (int): Posts with fewer words of the vocabulary are left out.
        norm (str): ``'l2'`` scales every post to length 1.
    """
    folder = files.look_up('20news/20news-bydate-train',
                           '20news-bydate-train')
    posts, y = _fetch(files) if folder is None else _gather(
        folder.parent, _walk(folder.parent))

    def prepare():
        from sklearn.feature_extraction.text import (
            CountVectorizer, TfidfTransformer)

        # What precedes the first empty line is the header.
        bodies = [post.partition('\n\n')[2] for post in posts]
        counts = CountVectorizer(stop_words='english').fit_transform(bodies)
        totals = numpy.asarray(counts.sum(axis=0)).ravel()
        counts = counts[:, most_frequent(totals, words)]
        kept = numpy.asarray(counts.sum(axis=1)).ravel() >= least
        weights = TfidfTransformer(norm=norm, sublinear_tf=True)
        x = weights.fit_transform(counts[kept]).astype(numpy.float32)
        return x.toarray(), y[kept], [
            f'Posts without headers; scikit-learn\'s English stop words '
            f'removed; the {words} most frequent words; the {kept.sum()} of '
            f'{len(posts)} posts with {least} or more of them (the paper has '
            f'18,040; its rule is not known).',
            '(1 + log tf) idf, '
            + ('each post scaled to length 1.' if norm else
               'not scaled to length 1 (the paper does not say; its score of '
               'K-means is near only so).')]
    options = {'words': words, 'least': least, 'norm': norm}
    content = [post.encode() for post in posts] + [y]
    return prepared('20news', content, options, prepare)


def _walk(folder):
    for part in POSTS:
        for group in (folder / f'20news-bydate-{part}').glob('*'):
            if not group.is_dir():
                continue
            yield (part, group.name, ''), None
            for path in group.iterdir():
                yield (part, group.name, path.name), path.read_bytes()


def _gather(source, members, shuffle=False):
    """Posts and labels, the groups and the posts of each by name.

    Args:
        members (iterable): Of part, group and name, and content; without
            name the folder of a group.
        shuffle (bool): Whether the posts of each part are then in the order
            that scikit-learn gives them.
    """
    contents = dict(members)
    posts, labels = [], []
    for part, expected in POSTS.items():
        members = sorted(member for member in contents if member[0] == part)
        groups = sorted({group for _, group, _ in members})
        names = [member for member in members if member[2]]
        if len(groups) != GROUPS or len(names) != expected:
            raise InputError(
                f'{source} has {len(names)} posts in {len(groups)} groups in '
                f'20news-bydate-{part}, not {expected} in {GROUPS}; unpack '
                f'20news-bydate.tar.gz again')
        if shuffle:
            order = numpy.arange(len(names))
            numpy.random.RandomState(0).shuffle(order)
            names = [names[i] for i in order]
        posts += [contents[name].decode('latin-1') for name in names]
        labels += [groups.index(group) for _, group, _ in names]
    return posts, numpy.array(labels)


def _fetch(files):
    path = files.published(
        '20news/20news-bydate.tar.gz', URL, SHA256,
        'put 20news-bydate.tar.gz from http://qwone.com/~jason/20Newsgroups/ '
        'there, or unpack it there')
    with tarfile.open(path, 'r:gz') as tar:
        return _gather(path, _members(tar), shuffle=True)


def _members(tar):
    """As :func:`_walk`; nothing is unpacked, so that no name can do harm."""
    for member in tar:
        match = re.fullmatch(r'20news-bydate-(train|test)/([^/]+)/?([^/]*)',
                             member.name)
        if match and member.isfile() and match[3]:
            yield match.groups(), tar.extractfile(member).read()
        elif match and member.isdir() and not match[3]:
            yield match.groups(), None
