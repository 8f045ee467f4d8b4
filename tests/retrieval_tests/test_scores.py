import itertools

import numpy
import pandas
import pytest
import scipy.sparse
from sklearn.metrics import average_precision_score

from imsat import InputError
from imsat.retrieval import codes
from imsat.retrieval.codes import hamming_distance, pack_bits, unpack_bits
from imsat.retrieval.scores import (
    calc_average_precision, calc_histograms, calc_relevance_of_first,
    eval_curves, expected_relevant, retrieval_scores)


def random_case(n_queries, n_items, n_bits, classes, seed=0):
    rng = numpy.random.RandomState(seed)
    q_labels = rng.randint(classes, size=n_queries)
    # The first class has twice as many items.
    g_labels = rng.permutation(
        numpy.arange(n_items) % (classes + 1) % classes)
    prototype = rng.rand(classes, n_bits)
    return tuple(itertools.chain(*(
        (pack_bits(rng.rand(len(labels), n_bits) < prototype[labels]), labels)
        for labels in (q_labels, g_labels)))) + (n_bits,)


def golden_case(trace, xp=numpy):
    return (pack_bits(xp.asarray(trace['q_codes'])), trace['q_labels'],
            pack_bits(xp.asarray(trace['g_codes'])), trace['g_labels'],
            trace['q_codes'].shape[1])


def distance_and_relevance(q, q_labels, g, g_labels, n_bits):
    return (hamming_distance(q, g).astype(int),
            g_labels == q_labels[:, None])


def average_precision(relevant):
    """The definition, for items in an order without ties."""
    hits = numpy.flatnonzero(relevant)
    return ((1 + numpy.arange(len(hits))) / (1 + hits)).mean()


def tie_orders(distance):
    return [order for order in itertools.permutations(range(len(distance)))
            if (numpy.diff(distance[list(order)]) >= 0).all()]


@pytest.mark.parametrize('case', 'ABCDE')
def test_golden(golden, xp, case):
    trace = golden('metrics')(f'hash.{case}')
    scores = retrieval_scores(*golden_case(trace, xp))
    for name, key in (
            ('map_trapezoid', 'mAP'),
            ('map_trapezoid', 'derived.mAP_trapezoid'),
            ('map_step', 'mAP_sklearn020'),
            ('map_step', 'derived.mAP_step'),
            ('precision_at_500', 'derived.precN_stable'),
            ('precision_at_500_expected',
             'derived.precN_expected_random_ties'),
            ('precision_at_r2', 'precR')):
        assert scores[name] == pytest.approx(trace[key], abs=1e-12), name
        assert type(scores[name]) is float
    assert scores['empty_balls'] == (trace['n_withinR'] == 0).sum()
    assert type(scores['empty_balls']) is int
    relevant = trace['g_labels'] == trace['q_labels'][:, None]
    assert scores['precision_at_500_possible'] == pytest.approx(numpy.mean(
        [min(row.sum(), 500) for row in relevant]) / 500, abs=1e-12)
    assert len(scores) == 8


@pytest.mark.parametrize('case', 'ABCDE')
def test_golden_per_query(golden, xp, case):
    trace = golden('metrics')(f'hash.{case}')
    total, relevant = calc_histograms(*golden_case(trace, xp))
    trapezoid, step, _ = calc_average_precision(total, relevant)
    numpy.testing.assert_allclose(trapezoid, trace['ap_per_query'], 0, 1e-12)
    numpy.testing.assert_allclose(step, trace['ap_per_query_sklearn020'], 0,
                                  1e-12)
    in_ball = total[:, :3].sum(axis=1)
    numpy.testing.assert_array_equal(in_ball, trace['n_withinR'])
    numpy.testing.assert_allclose(
        relevant[:, :3].sum(axis=1),
        trace['precR_per_query'] * in_ball, 0, 1e-9)


@pytest.mark.parametrize('case', 'ABCD')
def test_precision_at_500_of_the_original(golden, case):
    # Its sort is unstable.  With the gallery in the order that it gave for a
    # query, the order of ties is the gallery's.
    trace = golden('metrics')(f'hash.{case}')
    q, q_labels, g, g_labels, n_bits = golden_case(trace)
    for i, order in enumerate(trace['order_quicksort']):
        first = calc_relevance_of_first(
            q[[i]], q_labels[[i]], g[order], g_labels[order], n_bits, 500)
        assert first.sum() / 500 == pytest.approx(trace['precN_per_query'][i],
                                               abs=1e-12)


@pytest.mark.parametrize('n_bits', [4, 16, 64])
def test_step_is_that_of_scikit_learn(n_bits):
    case = random_case(15, 300, n_bits, 3)
    distance, relevance = distance_and_relevance(*case)
    _, step, _ = calc_average_precision(*calc_histograms(*case))
    numpy.testing.assert_allclose(
        step, [average_precision_score(r, -d)
               for d, r in zip(distance, relevance)], 1e-12)


@pytest.mark.parametrize('n_bits', [1, 2, 8])
def test_expected_by_every_order_of_ties(n_bits):
    case = random_case(6, 7, n_bits, 2, seed=n_bits)
    distance, relevance = distance_and_relevance(*case)
    total, relevant = calc_histograms(*case)
    _, _, expected = calc_average_precision(total, relevant)
    numbers = numpy.arange(1, 8)
    among_first = expected_relevant(total, relevant, numbers)
    for i in range(6):
        orders = [relevance[i][list(order)]
                  for order in tie_orders(distance[i])]
        assert expected[i] == pytest.approx(
            numpy.mean([average_precision(order) for order in orders]))
        numpy.testing.assert_allclose(
            among_first[i], numpy.cumsum(orders, axis=1).mean(axis=0))


def test_expected_of_a_large_gallery():
    total = numpy.array([[1, 2, 0, 300000, 2, 5000000]])
    relevant = numpy.array([[1, 1, 0, 12345, 2, 7]])
    expected, rank, found = 0, 0, 0
    for t, r in zip(total[0], relevant[0]):
        if r:
            i = numpy.arange(1, t + 1)
            expected += (r / t * (
                found + 1 + (i - 1) * (r - 1) / max(t - 1, 1)) / (rank + i)
            ).sum() / relevant.sum()
        rank, found = rank + t, found + r
    assert calc_average_precision(total, relevant)[2][0] == pytest.approx(
        expected, abs=1e-9)


@pytest.mark.parametrize('n_items', [300, 500, 1200])
def test_precision_at_500_takes_ties_in_order(n_items):
    case = random_case(20, n_items, 6, 3)
    distance, relevance = distance_and_relevance(*case)
    order = numpy.argsort(distance, axis=1, kind='stable')[:, :500]
    found = numpy.take_along_axis(relevance, order, axis=1).sum(axis=1)
    assert retrieval_scores(*case)['precision_at_500'] == pytest.approx(
        found.mean() / 500, rel=1e-12)


def test_curves():
    case = random_case(8, 30, 3, 3)
    total, relevant = calc_histograms(*case)
    numbers, precision, recall = eval_curves(total, relevant)
    numpy.testing.assert_array_equal(numbers, numpy.arange(1, 31))
    distance, relevance = distance_and_relevance(*case)
    rng = numpy.random.RandomState(0)
    drawn = numpy.zeros((8, 30))
    for _ in range(2000):
        shuffled = rng.permutation(30)
        order = shuffled[numpy.argsort(distance[:, shuffled], axis=1,
                                       kind='stable')]
        drawn += numpy.take_along_axis(relevance, order, axis=1) / 2000
    found = numpy.cumsum(drawn, axis=1)
    # Standard error of a mean of 2,000 counts that vary by 1 or so, averaged
    # over 8 queries: .01.
    numpy.testing.assert_allclose(precision * numbers, found.mean(axis=0), 0,
                                  .05)
    numpy.testing.assert_allclose(
        recall, (found / relevance.sum(axis=1)[:, None]).mean(axis=0), 0,
        .005)
    assert recall[-1] == pytest.approx(1)
    assert len(eval_curves(total, relevant, 5)[0]) == 5


def test_any_kind_of_label(xp):
    q, q_labels, g, g_labels, n_bits = random_case(10, 50, 8, 3)
    expected = retrieval_scores(q, q_labels, g, g_labels, n_bits)
    q, g = xp.asarray(q), xp.asarray(g)
    names = numpy.array(['cat', 'ape', 'bee'])
    for labels in (names[q_labels], names[g_labels]), (
            xp.asarray(q_labels), xp.asarray(g_labels)):
        assert retrieval_scores(q, labels[0], g, labels[1], n_bits) \
            == expected


@pytest.mark.parametrize('q_labels,g_labels,message', [
    (None, [0, 1, 1], 'labels of the queries'),
    ([0], [0, 1, 1], 'labels of 2 queries'),
    ([0, 1], None, 'labels of the gallery items'),
    ([0, numpy.nan], [0, 1, 1], 'label of the queries is missing'),
    ([0, 1], [0, None, 1], 'label of the gallery items is missing'),
    ([0, 7], [0, 1, 1], 'has the label 7'),
    (['a', 'c'], ['a', 'b', 'b'], 'has the label c')])
def test_labels(q_labels, g_labels, message):
    with pytest.raises(InputError, match=message):
        retrieval_scores(pack_bits([[0], [1]]), q_labels,
                         pack_bits([[0], [1], [1]]), g_labels, 1)


def test_nothing_to_rank():
    none, one = pack_bits(numpy.zeros((0, 4))), pack_bits([[0, 1, 1, 0]])
    for q, g in ((none, one), (one, none)):
        with pytest.raises(InputError, match='at least one'):
            retrieval_scores(q, [0] * len(q), g, [0] * len(g), 4)


def test_codes_of_another_width():
    with pytest.raises(InputError, match='16 bits'):
        retrieval_scores(numpy.zeros((1, 2), 'u1'), [0],
                         numpy.zeros((1, 4), 'u1'), [0], 16)


# --- Codes of heads ---------------------------------------------------------
@pytest.mark.parametrize('n_heads,n_values', [(1, 7), (5, 7)])
def test_scores_of_heads(n_heads, n_values):
    rng = numpy.random.RandomState(0)
    g_labels, q_labels = numpy.arange(600) % 4, numpy.arange(9) % 4
    prototype = rng.randint(n_values, size=(4, n_heads))
    q, g = (numpy.where(rng.rand(len(labels), n_heads) < .5,
                        prototype[labels],
                        rng.randint(n_values, size=(len(labels), n_heads))
                        ).astype('u1') for labels in (q_labels, g_labels))
    scores = retrieval_scores(q, q_labels, g, g_labels, None)
    distance = numpy.array([[sum(a != b for a, b in zip(query, item))
                             for item in g.tolist()] for query in q.tolist()])
    relevance = g_labels == q_labels[:, None]
    assert scores['map_step'] == pytest.approx(numpy.mean([
        average_precision_score(r, -d)
        for d, r in zip(distance, relevance)]), rel=1e-12)
    order = numpy.argsort(distance, axis=1, kind='stable')[:, :500]
    assert scores['precision_at_500'] == pytest.approx(
        numpy.take_along_axis(relevance, order, axis=1).mean(), rel=1e-12)
    in_ball = distance < 3
    assert scores['empty_balls'] == (in_ball.sum(axis=1) == 0).sum()
    assert scores['precision_at_r2'] == pytest.approx(numpy.mean(
        [r[b].mean() if b.any() else 0 for r, b in zip(relevance, in_ball)]))


def test_scores_of_heads_of_two_values_are_those_of_bits():
    q, q_labels, g, g_labels, n_bits = random_case(15, 700, 16, 3)
    assert retrieval_scores(
        unpack_bits(q, n_bits), q_labels, unpack_bits(g, n_bits), g_labels,
        None) == retrieval_scores(q, q_labels, g, g_labels, n_bits)


# --- Several labels ---------------------------------------------------------
def sets_case(n_labels=5, n_queries=9, n_items=60, seed=0):
    rng = numpy.random.RandomState(seed)
    q, g = (rng.rand(n, n_labels) < .3 for n in (n_queries, n_items))
    q[:, 0] |= ~q.any(axis=1)  # an item may have no label, a query not
    g[0] = True
    codes = (pack_bits(rng.rand(len(labels), 6) < .5) for labels in (q, g))
    relevance = numpy.array([[bool(set(numpy.flatnonzero(a))
                                   & set(numpy.flatnonzero(b))) for b in g]
                             for a in q])
    return *codes, q, g, relevance


def as_lists(matrix, names, kind=list):
    return [kind(names[j] for j in numpy.flatnonzero(row)) for row in matrix]


@pytest.mark.parametrize('form', [
    lambda m: m, lambda m: m.astype(int), lambda m: m.astype('f'),
    lambda m: m.astype('f2'), lambda m: m.astype('>i4'),
    scipy.sparse.csr_matrix, scipy.sparse.coo_array, pandas.DataFrame,
    lambda m: as_lists(m, 'abcde'), lambda m: as_lists(m, 'abcde', set),
    lambda m: as_lists(m, [7, 3, -1, 10 ** 30, 'x'], tuple)])
def test_share_at_least_one_label(form):
    q_codes, g_codes, q, g, relevance = sets_case()
    scores = retrieval_scores(q_codes, form(q), g_codes, form(g), 6)
    distance = hamming_distance(q_codes, g_codes).astype(int)
    assert scores['map_step'] == pytest.approx(numpy.mean([
        average_precision_score(r, -d)
        for d, r in zip(distance, relevance)]), rel=1e-12)
    order = numpy.argsort(distance, axis=1, kind='stable')
    assert scores['precision_at_500'] == pytest.approx(
        relevance.sum(axis=1).mean() / 500)
    in_ball = distance < 3
    assert scores['precision_at_r2'] == pytest.approx(numpy.mean(
        [r[b].mean() if b.any() else 0 for r, b in zip(relevance, in_ball)]))
    first = calc_relevance_of_first(q_codes, form(q), g_codes, form(g), 6, 8)
    assert first.sum(axis=1).tolist() == numpy.take_along_axis(
        relevance, order[:, :8], axis=1).sum(axis=1).tolist()
    heads = retrieval_scores(unpack_bits(q_codes, 6), form(q),
                             unpack_bits(g_codes, 6), form(g), None)
    assert heads == scores


@pytest.mark.parametrize('block', [1, 7, 60])
def test_sets_in_blocks(monkeypatch, block):
    q_codes, g_codes, q, g, relevance = sets_case(seed=1)
    expected = calc_histograms(q_codes, q, g_codes, g, 6)
    monkeypatch.setattr(codes, 'BLOCK', block)
    for ours, whole in zip(calc_histograms(q_codes, q, g_codes, g, 6),
                           expected):
        numpy.testing.assert_array_equal(ours, whole)
    assert expected[1].sum(axis=1).tolist() == relevance.sum(axis=1).tolist()


def test_one_label_each_is_one_set_each():
    q, q_labels, g, g_labels, n_bits = random_case(15, 300, 8, 3)
    expected = retrieval_scores(q, q_labels, g, g_labels, n_bits, k=20)
    one_hot = numpy.eye(3)
    assert retrieval_scores(q, one_hot[q_labels], g, one_hot[g_labels],
                            n_bits, k=20) == expected
    assert retrieval_scores(q, q_labels, g, [[i] for i in g_labels], n_bits,
                            k=20) == expected


def test_sets_on_a_gpu(xp):
    q_codes, g_codes, q, g, _ = sets_case()
    assert retrieval_scores(
        xp.asarray(q_codes), xp.asarray(q), xp.asarray(g_codes),
        xp.asarray(g), 6) == retrieval_scores(q_codes, q, g_codes, g, 6)


@pytest.mark.parametrize('q_labels,g_labels,message', [
    (numpy.eye(2), [0, 1, 1], 'two forms'),
    (numpy.eye(2), numpy.ones((3, 3)), 'other columns'),
    (numpy.eye(2), [['a'], ['b'], []], 'two forms'),
    (numpy.eye(2) * 2, numpy.ones((3, 2)), 'row of 0 and 1'),
    (numpy.eye(2) * numpy.nan, numpy.ones((3, 2)), 'row of 0 and 1'),
    (numpy.ma.array(numpy.eye(2), mask=[[0, 1], [0, 0]]),
     numpy.ones((3, 2)), 'label of the queries is missing'),
    (numpy.eye(2), numpy.ma.masked_equal([[1, 1], [1, 1], [1, 0]], 0),
     'label of the gallery items is missing'),
    (numpy.eye(3), numpy.ones((3, 3)), 'labels of 2 queries'),
    (numpy.eye(2), numpy.ones((2, 2)), 'labels of 3 gallery items'),
    (numpy.eye(2).astype(str), numpy.ones((3, 2)), 'row of 0 and 1'),
    (numpy.zeros((2, 2)), numpy.ones((3, 2)), 'query 0 .* shares no label'),
    (numpy.eye(2), numpy.zeros((3, 2)), 'query 0 .* shares no label'),
    (numpy.eye(2), numpy.eye(3)[:, :2] * [1, 0], 'query 1 .* shares no'),
    ([['a'], []], [['a'], ['b'], []], 'query 1 .* shares no label'),
    ([['a'], ['c']], [['a'], ['b'], []], 'query 1 .* shares no label'),
    ([['a'], [None]], [['a'], ['b'], []], 'missing'),
    ([['a'], [numpy.nan]], [['a'], ['b'], []], 'missing'),
    ([['a'], [['b']]], [['a'], ['b'], []], 'neither a number nor text'),
    ([['a']], [['a'], ['b'], []], 'labels of 2 queries'),
    ([['a'], ['b']], [['a'], ['b']], 'labels of 3 gallery items'),
    ([[1, 0], [0, 1]], [[1, 1], [0, 1], [1, 0]], 'rows of 0 and 1'),
    (list(numpy.eye(2)), list(numpy.ones((3, 2))), 'rows of 0 and 1'),
    ([*numpy.eye(2, dtype=int)], [(1., 0.)] * 3, 'rows of 0 and 1'),
    ([['1', '0'], ['0', '1']], [['1', '0']] * 3, 'rows of 0 and 1'),
    (pandas.DataFrame(numpy.eye(2), columns=['cat', 'dog']),
     pandas.DataFrame(numpy.ones((3, 2)), columns=['bird', 'dog']),
     "columns of the queries' labels are .*'cat', 'dog'.*'bird', 'dog'"),
    (None, [['a'], ['b'], []], 'labels of 2 queries'),
    (5, [['a'], ['b'], []], 'labels of 2 queries'),
    ('ab', [['a'], ['b'], []], 'labels of 2 queries'),
    ({'a': 1, 'b': 2}, [['a'], ['b'], []], 'labels of 2 queries')])
def test_bad_sets(q_labels, g_labels, message):
    with pytest.raises(InputError, match=message):
        retrieval_scores(pack_bits([[0], [1]]), q_labels,
                         pack_bits([[0], [1], [1]]), g_labels, 1)


# --- mAP@k ------------------------------------------------------------------
@pytest.mark.parametrize('k', [1, 10, 499, 600, 10 ** 6])
def test_map_at_k(k):
    case = random_case(20, 600, 6, 3)
    distance, relevance = distance_and_relevance(*case)
    total = 0
    for d, r in zip(distance, relevance):
        ranked = sorted(range(600), key=lambda i: (d[i], i))[:k]
        precisions, found = [], 0
        for rank, i in enumerate(ranked, 1):
            if r[i]:
                found += 1
                precisions.append(found / rank)
        total += sum(precisions) / len(precisions) if precisions else 0
    scores = retrieval_scores(*case, k=k)
    assert scores.pop(f'map_at_{k}') == pytest.approx(total / 20, rel=1e-12)
    assert scores == retrieval_scores(*case)


def test_none_among_the_first():
    codes = pack_bits([[0, 0], [0, 0], [1, 1]])
    assert retrieval_scores(codes[:1], [1], codes, [0, 0, 1], 2,
                            k=2)['map_at_2'] == 0


def test_lists_in_a_series():
    codes = pack_bits([[0, 0], [0, 1], [1, 1]])
    lists = [['a'], ['b', 'c'], ['a', 'b']]
    assert retrieval_scores(
        codes[:1], pandas.Series(lists[:1]), codes, pandas.Series(lists), 2
    ) == retrieval_scores(codes[:1], lists[:1], codes, lists, 2)
