import math
from urllib.error import URLError

import numpy
import pytest
import sklearn.datasets

from imsat import InputError
from imsat.datasets import load_dataset, newsgroups

# Two groups; after the header: apple 3, apple 1 pear 2, pear 1, plum 3 apple.
POSTS = {'train': {'comp': ['From: x\nplum plum\n\napple Apple the apple'],
                   'sci': ['S: y\n\napple pear\n\npear']},
         'test': {'comp': ['S: z\n\npear', 'S: z\n\nplum plum plum apple'],
                  'sci': []}}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for part, groups in POSTS.items():
        for group, posts in groups.items():
            place = tmp_path / '20news' / f'20news-bydate-{part}' / group
            place.mkdir(parents=True)
            for i, post in enumerate(posts):
                (place / f'{100 + i}').write_text(post, encoding='latin-1')
    monkeypatch.setattr(newsgroups, 'POSTS', {'train': 2, 'test': 2})
    monkeypatch.setattr(newsgroups, 'GROUPS', 2)
    return tmp_path


def check(data):
    # There are 5 apples, 3 pears, 3 plums: apple and pear are the two words.
    # The first two posts have three of them each.
    def weight(count, documents):
        idf = math.log((1 + 2) / (1 + documents)) + 1
        return (1 + math.log(count)) * idf if count else 0
    expected = [[weight(3, 2), 0], [weight(1, 2), weight(2, 1)]]
    numpy.testing.assert_allclose(data.x, expected, rtol=1e-6)
    assert data.x.dtype == numpy.float32
    assert data.y.tolist() == [0, 1]
    assert '2 of 4 posts' in data.notes[0]


def test_small(folder):
    check(load_dataset('20news', folder, words=2, least=3))
    check(load_dataset('20news', folder / '20news', words=2, least=3))
    data = load_dataset('20news', folder, words=2, least=3, norm='l2')
    numpy.testing.assert_allclose((data.x ** 2).sum(axis=1), 1, rtol=1e-6)


def test_fetched(tmp_path, monkeypatch):
    def fetch(subset, shuffle, download_if_missing):
        assert (subset, shuffle, download_if_missing) == ('all', False, True)
        posts = [(post, label) for groups in POSTS.values()
                 for label, group in enumerate(groups)
                 for post in groups[group]]
        data, target = zip(*posts)
        return sklearn.utils.Bunch(data=list(data),
                                   target=numpy.array(target))
    monkeypatch.setattr(sklearn.datasets, 'fetch_20newsgroups', fetch)
    check(load_dataset('20news', tmp_path, words=2, least=3))


@pytest.mark.parametrize('error', [URLError('no network'), OSError('none')])
def test_out_of_reach(tmp_path, monkeypatch, error):
    def fetch(**kwargs):
        raise error
    monkeypatch.setattr(sklearn.datasets, 'fetch_20newsgroups', fetch)
    with pytest.raises(InputError, match='20news-bydate.tar.gz'):
        load_dataset('20news', tmp_path)


def test_incomplete(folder):
    (folder / '20news/20news-bydate-test/comp/101').unlink()
    with pytest.raises(InputError, match='1 posts .*bydate-test, not 2'):
        load_dataset('20news', folder)
    (folder / '20news/20news-bydate-train/comp').rename(folder / 'away')
    with pytest.raises(InputError, match='bydate-train.*unpack'):
        load_dataset('20news', folder)


def test_published(data_folder):
    data = load_dataset('20news', data_folder('20news'))
    # The paper has 18,040.
    assert data.x.shape == (18042, 2000)
    counts = numpy.bincount(data.y)
    assert len(counts) == 20 and round(100 * counts.max() / len(data.y)) == 5
