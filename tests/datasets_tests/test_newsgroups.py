import codecs
import hashlib
import math
import pickle
import tarfile

import numpy
import pytest
import sklearn.datasets
import sklearn.feature_extraction.text

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


@pytest.fixture
def archive(folder, site, monkeypatch):
    """Serves the posts as they are published, and what is no post."""
    def serve(**others):
        path = site[0] / '20news-bydate.tar.gz'
        with tarfile.open(path, 'w:gz') as tar:
            for part in POSTS:
                tar.add(folder / f'20news/20news-bydate-{part}',
                        f'20news-bydate-{part}')
            for member in others.values():
                tar.addfile(member)
        monkeypatch.setattr(newsgroups, 'URL', f'{site[1]}/{path.name}')
        monkeypatch.setattr(newsgroups, 'SHA256', hashlib.sha256(
            path.read_bytes()).hexdigest())
        return path
    return serve


def test_fetched(folder, archive):
    """As scikit-learn reads the same folders."""
    archive()
    posts, y = [], []
    for part in POSTS:
        bunch = sklearn.datasets.load_files(
            folder / f'20news/20news-bydate-{part}', encoding='latin1')
        posts += bunch.data
        y += bunch.target.tolist()
    data = load_dataset('20news', folder / 'none', words=3, least=0)
    bodies = [post.partition('\n\n')[2] for post in posts]
    expected = sklearn.feature_extraction.text.TfidfVectorizer(
        norm=None, sublinear_tf=True, stop_words='english')
    numpy.testing.assert_array_equal(
        data.x, expected.fit_transform(bodies).toarray().astype('f'))
    assert data.y.tolist() == y and len(y) == 4


def test_archive_in_the_folder(folder, archive):
    archive().rename(folder / '20news-bydate.tar.gz')
    (folder / '20news').rename(folder / 'away')
    data = load_dataset('20news', folder, fetch=False, words=2, least=3)
    assert data.x.shape == (2, 2)


def test_members_that_are_no_posts(folder, archive, tmp_path):
    """Nothing is written, and links are not followed."""
    def link(name, target, kind=tarfile.SYMTYPE):
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        return member
    before = load_dataset('20news', folder, words=3, least=0)
    path = archive(
        up=tarfile.TarInfo('20news-bydate-train/../../../evil'),
        root=tarfile.TarInfo('/20news-bydate-train/comp/evil'),
        deep=tarfile.TarInfo('20news-bydate-train/comp/a/evil'),
        link=link('20news-bydate-train/comp/evil', '/etc/passwd'),
        hard=link('20news-bydate-train/comp/worse', '/etc/passwd',
                  tarfile.LNKTYPE))
    data = load_dataset('20news', tmp_path / 'none', words=3, least=0)
    assert sorted(data.x.tolist()) == sorted(before.x.tolist())
    assert not [*tmp_path.glob('**/evil')] and path.exists()


def test_nothing_is_unpickled(planted, archive):
    home, evil = planted
    content = codecs.encode(pickle.dumps(evil), 'zlib_codec')
    for name in '20news-bydate_py3.pkz', '20news-bydate.pkz':
        (home / name).write_bytes(content)
    with pytest.raises(InputError, match='20news-bydate.tar.gz'):
        load_dataset('20news', fetch=False)
    archive()
    load_dataset('20news', words=2, least=3)
    assert not evil.path.exists()
    with pytest.raises(TypeError):  # of what this one unpickles
        sklearn.datasets.fetch_20newsgroups(download_if_missing=False)
    assert evil.path.exists()


def test_out_of_reach(tmp_path, monkeypatch):
    monkeypatch.setattr(newsgroups, 'URL', 'http://127.0.0.1:1/a')
    with pytest.raises(InputError, match='20news-bydate.tar.gz'):
        load_dataset('20news', tmp_path)


def test_incomplete(folder):
    (folder / '20news/20news-bydate-test/comp/101').unlink()
    with pytest.raises(InputError, match='1 posts .*bydate-test, not 2'):
        load_dataset('20news', folder)
    (folder / '20news/20news-bydate-train/comp').rename(folder / 'away')
    with pytest.raises(InputError, match='bydate-train.*unpack'):
        load_dataset('20news', folder)


@pytest.mark.slow
def test_published(data_folder):
    data = load_dataset('20news', data_folder('20news'))
    # The paper has 18,040.
    assert data.x.shape == (18042, 2000)
    counts = numpy.bincount(data.y)
    assert len(counts) == 20 and round(100 * counts.max() / len(data.y)) == 5
