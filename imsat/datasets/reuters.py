"""Reuters, RCV1."""
import gzip

import numpy
import scipy.sparse

from imsat.datasets.cache import prepared
from imsat.datasets.dataset import Dataset
from imsat.datasets.sources import Files, register
from imsat.datasets.vocabulary import most_frequent
from imsat.errors import InputError
from imsat.storage import load_npz

SITE = 'https://ndownloader.figshare.com/files'
# File of LYRL2004: its number at SITE and SHA-256, in the order of documents.
VECTORS = {
    'lyrl2004_vectors_train.dat.gz': (
        5976057,
        '5468f656d0ba7a83afc7ad44841cf9a53048a5c083eedc005dcdb5cc768924ae'),
    'lyrl2004_vectors_test_pt0.dat.gz': (
        5976069,
        'ed40f7e418d10484091b059703eeb95ae3199fe042891dcec4be6696b9968374'),
    'lyrl2004_vectors_test_pt1.dat.gz': (
        5976066,
        '87700668ae45d45d5ca1ef6ae9bd81ab0f5ec88cc95dcef9ae7838f727a13aa6'),
    'lyrl2004_vectors_test_pt2.dat.gz': (
        5976063,
        '48143ac703cbe33299f7ae9f4995db49a258690f60e5debbff8995c34841c7f5'),
    'lyrl2004_vectors_test_pt3.dat.gz': (
        5976060,
        'dfcb0d658311481523c6e6ca0c3f5a3e1d3d12cde5d7a8ce629a9006ec7dbb39')}
QRELS = {
    'rcv1v2.topics.qrels.gz': (
        5976048,
        '2a98e5e5d8b770bded93afc8930d88299474317fe14181aee1466cc754d0d1c1')}
FEATURES = 47236
TOPICS = 'CCAT', 'GCAT', 'MCAT', 'ECAT'


@register('reuters')
def load_reuters(files: Files, seed: int = 0, points: int = 10000,
                 words: int = 2000, norm: str | None = None) -> Dataset:
    """RCV1: documents of a single root topic, their most frequent words.

    From the files of LYRL2004, fetched where they are not there, or from
    ``rcv1/rcv1_singleroot.npz``: a CSR matrix (``data``, ``indices``,
    ``indptr``, ``shape``) of tf-idf features and ``y``, the number of the
    root topic in ``TOPICS``.

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
    arrays = load_npz(path, ('data', 'indices', 'indptr', 'shape', 'y'))
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

    paths = [files.published(
        f'rcv1/{name}', f'{SITE}/{number}', sha256,
        'put the files of LYRL2004 there, or a sample of your own, '
        'rcv1_singleroot.npz')
        for name, (number, sha256) in {**VECTORS, **QRELS}.items()]
    parts = sklearn.datasets.load_svmlight_files(
        [str(path) for path in paths[:-1]], n_features=FEATURES)
    features = scipy.sparse.vstack(parts[0::2]).tocsr()
    documents = numpy.concatenate(parts[1::2]).astype(numpy.int64)
    roots = {}
    with gzip.open(paths[-1], 'rt', encoding='ascii') as f:
        for line in f:
            topic, document, _ = line.split()
            if topic in TOPICS:
                roots.setdefault(int(document), set()).add(topic)
    topics = [roots.get(document, ()) for document in documents.tolist()]
    single = numpy.array([len(names) == 1 for names in topics])
    y = numpy.array([TOPICS.index(*names) for names in topics
                     if len(names) == 1])
    return features[single], y
