"""Reuters, RCV1."""
from urllib.error import URLError

import numpy
import scipy.sparse

from imsat.datasets.cache import prepared
from imsat.datasets.dataset import Dataset
from imsat.datasets.sources import Files, register
from imsat.datasets.vocabulary import most_frequent
from imsat.errors import InputError
from imsat.storage import load_npz

TOPICS = 'CCAT', 'GCAT', 'MCAT', 'ECAT'


@register('reuters')
def load_reuters(files: Files, seed: int = 0, points: int = 10000,
                 words: int = 2000, norm: str | None = None) -> Dataset:
    """RCV1: documents of a single root topic, their most frequent words.

    From scikit-learn's fetcher, or from ``rcv1/rcv1_singleroot.npz``: a CSR
    matrix (``data``, ``indices``, ``indptr``, ``shape``) of tf-idf features
    and ``y``, the number of the root topic in ``TOPICS``.

    Args:
        seed (int): Of the sample.
        points (int): Size of the sample.
        words (int): Size of the vocabulary.
        norm (str): ``'l2'`` scales what is left of every document to length
            1; None leaves it as it is, where all 47,236 weights had length 1.
    """
    path = files.look_up('rcv1/rcv1_singleroot.npz', 'rcv1_singleroot.npz')
    features, y = _fetch(files) if path is None else _read(path)

    def prepare():
        from sklearn.preprocessing import normalize

        in_documents = numpy.bincount(features.indices,
                                      minlength=features.shape[1])
        x = features[:, most_frequent(in_documents, words)]
        rows = numpy.flatnonzero(numpy.diff(x.indptr))
        if len(rows) < points:
            raise InputError(f'RCV1 has {len(rows)} documents of a single '
                             f'root topic here; {points} are needed')
        rng = numpy.random.default_rng(seed)
        rows = numpy.sort(rng.choice(rows, points, replace=False))
        notes = [
            f'{points} documents, drawn with seed {seed}, of the {len(y)} '
            f'with exactly one of the root topics {", ".join(TOPICS)}; the '
            f'{words} words that occur in most of them.',
            'The tf-idf weights are those of LYRL2004 (logarithmic tf; stop '
            'words removed, stems), not computed again from counts; '
            + ('each document scaled to length 1.' if norm else
               'documents not scaled to length 1 again (the paper does not '
               'say; its score of K-means is near only so).')]
        if path is not None:
            notes.append(
                f'From {path.name}, which is another sample of RCV1 than the '
                f'paper\'s, with other idf weights.')
        x = normalize(x[rows], norm) if norm else x[rows]
        return x.toarray().astype(numpy.float32), y[rows], notes
    options = {'seed': seed, 'points': points, 'words': words, 'norm': norm,
               'sample': path is not None}
    content = features.data, features.indices, features.indptr, y
    return prepared('reuters', content, options, prepare)


def _read(path):
    arrays = load_npz(path)
    try:
        features = scipy.sparse.csr_matrix(
            (arrays['data'], arrays['indices'], arrays['indptr']),
            shape=tuple(arrays['shape']))
        y = arrays['y']
        # Indices out of range would only be noticed later, if at all.
        features.check_format()
        if y.shape != features.shape[:1] or set(y) - set(range(len(TOPICS))):
            raise ValueError(f'y has shape {y.shape}')
    except (KeyError, ValueError, TypeError) as e:
        raise InputError(f'{path} holds no CSR matrix with labels from 0 to '
                         f'{len(TOPICS) - 1} ({e}); get it again') from e
    return features, y


def _fetch(files):
    import sklearn.datasets

    try:
        rcv1 = sklearn.datasets.fetch_rcv1(download_if_missing=files.fetch)
    except (URLError, OSError) as e:
        raise InputError(
            f'RCV1 could not be fetched ({e}); run once where scikit-learn\'s '
            f'fetch_rcv1() reaches the network, or put a sample of your own, '
            f'rcv1_singleroot.npz, into the folder that --data-dir or '
            f'IMSAT_DATA names') from e
    names = rcv1.target_names.tolist()
    roots = rcv1.target[:, [names.index(topic) for topic in TOPICS]].toarray()
    single = roots.sum(axis=1) == 1
    return rcv1.data[single], roots[single].argmax(axis=1)
