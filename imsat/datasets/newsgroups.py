"""20 Newsgroups."""
from urllib.error import URLError

import numpy

from imsat.datasets.cache import prepared
from imsat.datasets.dataset import Dataset
from imsat.datasets.sources import Files, register
from imsat.datasets.vocabulary import most_frequent
from imsat.errors import InputError

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
    posts, y = _fetch(files) if folder is None else _read(folder.parent)

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


def _read(folder):
    posts, labels = [], []
    for part, expected in POSTS.items():
        before = len(posts)
        groups = sorted((folder / f'20news-bydate-{part}').glob('*'))
        groups = [group for group in groups if group.is_dir()]
        for label, group in enumerate(groups):
            for path in sorted(group.iterdir()):
                posts.append(path.read_bytes().decode('latin-1'))
                labels.append(label)
        if len(groups) != GROUPS or len(posts) - before != expected:
            raise InputError(
                f'{folder} has {len(posts) - before} posts in {len(groups)} '
                f'groups in 20news-bydate-{part}, not {expected} in {GROUPS}; '
                f'unpack 20news-bydate.tar.gz again')
    return posts, numpy.array(labels)


def _fetch(files):
    import sklearn.datasets

    try:
        bunch = sklearn.datasets.fetch_20newsgroups(
            subset='all', shuffle=False, download_if_missing=files.fetch)
    except (URLError, OSError) as e:
        raise InputError(
            f'20 Newsgroups could not be fetched ({e}); unpack '
            f'20news-bydate.tar.gz from http://qwone.com/~jason/20Newsgroups/ '
            f'into the folder that --data-dir or IMSAT_DATA names') from e
    return bunch.data, bunch.target
