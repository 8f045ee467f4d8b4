"""Labels of all kinds, by themselves and in what compares them."""
import decimal
import fractions

import numpy
import pandas
import pytest

import imsat
from imsat import InputError, clustering_accuracy
from imsat.labels import classes_of, number_labels
from imsat.metrics import clustering_scores
from imsat.retrieval import pack_bits, retrieval_scores
from imsat.retrieval.codes import distance_histograms

BIG = 2 ** 53
X = numpy.random.RandomState(0).normal(size=(40, 3))
# Two classes, of 20 points each.
HALVES = [0] * 20 + [1] * 20
KINDS = {
    'list': HALVES,
    'bool': numpy.array(HALVES, bool),
    'uint64': numpy.array(HALVES, 'u8') + BIG,
    'float': numpy.array(HALVES, float),
    'text': numpy.array(['no', 'yes'])[HALVES],
    'bytes': numpy.array([b'no', b'yes'])[HALVES],
    'objects': numpy.array(['no', 'yes'], object)[HALVES],
    'text and numbers': numpy.array(['no', 7], object)[HALVES],
    'fractions': numpy.array([fractions.Fraction(1, 3), 7], object)[HALVES],
    'dates': numpy.array(['2001-01-01', '2002-02-02'], 'M8[D]')[HALVES],
    'big endian': numpy.array(HALVES, '>i4'),
    'column': numpy.array(HALVES)[:, None],
    'series': pandas.Series(HALVES, index=range(40, 80)),
    'categories': pandas.Series(['no', 'yes'], dtype='category')[HALVES],
    'nullable': pandas.array(HALVES, 'Int64'),
    # Lists that NumPy would take for text, or for float64.
    'mixed list': [['a', b'a'][half] for half in HALVES],
    'number and text': [[1, '1'][half] for half in HALVES],
    'bool and text': [[True, 'True'][half] for half in HALVES],
    'tuple': tuple([1, '1'][half] for half in HALVES),
    'list of columns': [[[1, '1'][half]] for half in HALVES],
    'large': [2 ** 70 + half for half in HALVES],
    'one class': ['a'] * 40,
    'unsorted': list(reversed(HALVES)),
}
MISSING = {
    'none': ['a', None] * 20, 'nan': [0, numpy.nan] * 20,
    'nan and text': ['a', numpy.nan] * 20,
    'column of nan and text': [['a'], [numpy.nan]] * 20,
    'nan as NumPy writes it': numpy.array(['a', numpy.nan] * 20),
    'no name': ['a', ' '] * 20,
    'nan among objects': numpy.array(['a', numpy.nan] * 20, object),
    'nullable': pandas.array([0, None] * 20, 'Int64'),
    'categories': pandas.Series(['a', None] * 20, dtype='category'),
    'no time': numpy.array(['2001-01-01', 'NaT'] * 20, 'M8[D]'),
    'masked': numpy.ma.masked_equal(HALVES, 1),
    'masked in rows': list(numpy.ma.masked_equal(HALVES, 1)[:, None]),
    'no order': [decimal.Decimal('NaN'), decimal.Decimal(1)] * 20,
    'two columns': numpy.zeros((40, 2)), 'two columns of 20':
    numpy.zeros((20, 2)), 'a number': 3, 'text': 'abc', 'lists': [[0]] * 39
    + [[0, 1]], 'arrays of two shapes': [numpy.zeros((2, 3)), numpy.zeros(
        (2, 4))], 'no hash': numpy.array([{}] * 40, object), 'none at all': [],
    'too few': HALVES[1:], 'too many': [*HALVES, 0]}


@pytest.mark.parametrize('kind', KINDS)
def test_any_kind(kind):
    labels = KINDS[kind]
    wanted = numpy.zeros(40, int) if kind == 'one class' else \
        numpy.array(HALVES[::-1] if kind == 'unsorted' else HALVES)
    numbers, = number_labels(labels)
    assert numbers.dtype == numpy.int64
    # The same classes, whatever their numbers are.
    assert ((numbers[:, None] == numbers) == (wanted[:, None] == wanted)).all()
    assert clustering_scores(labels, wanted) == dict(
        accuracy=1, nmi=1, ari=1, purity=1)
    codes = pack_bits(numpy.random.RandomState(1).rand(40, 9) < .5)
    assert retrieval_scores(codes, labels, codes, labels, 9) \
        == retrieval_scores(codes, wanted, codes, wanted, 9)


def test_large_numbers_of_a_list_are_told_apart():
    assert classes_of([2 ** 63 + 1, -1, 2 ** 63])[0] == [
        -1, 2 ** 63, 2 ** 63 + 1]
    assert classes_of([BIG + 1, .5, BIG])[0] == [.5, BIG, BIG + 1]


@pytest.mark.parametrize('kind', MISSING)
def test_what_are_no_labels(kind, tmp_path):
    codes = pack_bits(numpy.zeros((40, 9)))
    model = imsat.IMSATClustering(2, hidden=(), epochs=1, batch_size=20,
                                  n_neighbors=3, out=tmp_path / 'out')
    refusing = [lambda: clustering_accuracy(MISSING[kind], HALVES),
                lambda: clustering_scores(HALVES, MISSING[kind]),
                lambda: model.fit(X, MISSING[kind])]
    if kind != 'lists':  # of several labels a point
        refusing.append(lambda: retrieval_scores(
            codes, MISSING[kind], codes, HALVES, 9))
    for refuse in refusing:
        with pytest.raises(InputError, match='label') as info:
            refuse()
        assert '\n' not in str(info.value)
    assert not (tmp_path / 'out').exists(), 'it had begun'


@pytest.mark.parametrize('estimator', [
    imsat.IMSATClustering, imsat.DEC, imsat.DAEKMeans])
def test_labels_that_count_are_checked(estimator):
    for labels in MISSING['none'], MISSING['two columns']:
        with pytest.raises(InputError, match='label'):
            estimator(2, batch_size=20).fit(X, labels)


@pytest.mark.parametrize('labels', [numpy.zeros(7), 'ab', 5])
def test_labels_of_other_points(labels):
    with pytest.raises(InputError, match='labels'):
        imsat.IMSATHasher(2, batch_size=20).fit(X, labels)


@pytest.mark.parametrize('estimator', [
    imsat.IMSATClustering, imsat.DEC, imsat.DeepHasher, imsat.IMSATHasher,
    imsat.KMeansClustering, imsat.ITQHasher, imsat.SpectralHasher])
def test_labels_change_nothing(estimator):
    arguments = {name: value for name, value in dict(
        hidden=(4,), n_code=2, epochs=1, max_epochs=1, batch_size=20,
        n_neighbors=3, random_state=0).items()
        if hasattr(estimator, name)}
    without = estimator(2, **arguments).fit(X)
    # Of the points of codes each may have several.
    several = [MISSING['two columns']] if 'Hash' in estimator.__name__ else []
    for labels in KINDS['text and numbers'], KINDS['categories'], *several:
        with_labels = estimator(2, **arguments).fit(X, labels)
        assert without.objective_ == with_labels.objective_
        numpy.testing.assert_array_equal(without.transform(X),
                                         with_labels.transform(X))


# Pairs of arrays that NumPy compares as float64 or as text.
@pytest.mark.parametrize('q_labels,g_labels', [
    (numpy.array([BIG, BIG + 1], 'i8'),
     numpy.array([BIG, BIG + 1, BIG, BIG + 1], 'u8')),
    (numpy.array([BIG + 1, BIG], 'u8'),
     numpy.array([BIG, BIG + 1, BIG, BIG + 1], 'i8')),
    (numpy.array([1, 2 ** 64 - 1], 'u8'),
     numpy.array([1, 2 ** 64 - 1, -1, 2], object)),
    (numpy.array([True, False]), numpy.array([1, 0, 2, 3], 'u1')),
    (numpy.array([.5, float(BIG)]),
     numpy.array([.5, BIG, BIG + 1, 'a'], object)),
])
def test_labels_of_two_dtypes(q_labels, g_labels):
    relevance = numpy.array([[q == g for g in g_labels.tolist()]
                             for q in q_labels.tolist()])
    rng = numpy.random.RandomState(0)
    q, g = rng.rand(2, 8) < .5, rng.rand(4, 8) < .5
    distance = (q[:, None] != g).sum(axis=2)
    scores = retrieval_scores(pack_bits(q), q_labels, pack_bits(g), g_labels,
                              8)
    step = []
    for relevant, distances in zip(relevance, distance):
        # Precision at the end of each group of ties.
        within = [distances <= d for d in distances[relevant]]
        step.append(numpy.mean([relevant[w].mean() for w in within]))
    assert scores['map_step'] == pytest.approx(numpy.mean(step), rel=1e-12)
    assert scores['precision_at_500'] == relevance.sum(1).mean() / 500


def test_histograms_of_two_dtypes():
    codes = pack_bits(numpy.zeros((2, 8)))
    for q_labels, g_labels, relevant in (
            (numpy.array([BIG, BIG + 1]), numpy.array([BIG, BIG], 'u8'),
             [2, 0]),
            (numpy.array([-1, 1]), numpy.array([2 ** 64 - 1, 1], 'u8'),
             [0, 1])):
        _, found = distance_histograms(codes, q_labels, codes, g_labels, 8)
        assert found[:, 0].tolist() == relevant


def test_text_is_no_number():
    codes = pack_bits(numpy.zeros((1, 8)))
    for query, gallery in (['1'], [1]), ([b'1'], ['1']), (['1'], [1.]):
        with pytest.raises(InputError, match='no item of the gallery'):
            retrieval_scores(codes, query, codes, gallery, 8)


@pytest.mark.parametrize('labels,classes', [
    (['10', '2', '-1', '2'], ['-1', '2', '10']),
    (['07', '7', '1'], ['1', '07', '7']),
    (['10', '2', 'a'], ['10', '2', 'a']),
    (['1.5', '10', '2'], ['1.5', '10', '2'])])
def test_text_of_whole_numbers_is_in_their_order(labels, classes):
    for array in numpy.array(labels), numpy.array(labels, object):
        found, places = classes_of(array)
        assert found == classes
        assert [found[place] for place in places] == labels
