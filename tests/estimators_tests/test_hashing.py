import numpy
import pytest
from sklearn.datasets import make_blobs

import imsat
from imsat import IMSATClustering, IMSATHasher, InputError
from imsat.functions import sigmoid_mutual_information
from imsat.retrieval.codes import codes_of, to_numpy, unpack_bits

X, Y = make_blobs(300, centers=[[0, 0], [6, 0], [0, 6], [6, 6]],
                  random_state=0)
SMALL = dict(hidden=(30, 30), epochs=4, batch_size=50, random_state=1)


@pytest.mark.parametrize('n_bits,width', [(1, 1), (8, 1), (11, 2)])
def test_codes(n_bits, width):
    model = IMSATHasher(n_bits, **SMALL).fit(X)
    assert model.codes_.shape == (300, width)
    assert model.codes_.dtype == numpy.uint8
    numpy.testing.assert_array_equal(model.transform(X), model.codes_)
    p = model.predict_proba(X)
    assert p.shape == (300, n_bits)
    numpy.testing.assert_array_equal(unpack_bits(model.codes_, n_bits),
                                     p > .5)
    assert len(model.get_feature_names_out()) == width


@pytest.mark.parametrize('dtype', ['f', 'd'])
def test_codes_of_logits(xp, dtype):
    logits = numpy.random.RandomState(0).normal(size=(40, 19)).astype(dtype)
    logits[3] = 0  # a probability of a half gives 0
    logits[4, :2] = 1e-30, -1e-30
    numpy.testing.assert_array_equal(
        unpack_bits(to_numpy(codes_of(xp.asarray(logits))), 19), logits > 0)


def test_points_of_a_blob_have_near_codes():
    model = IMSATHasher(8, **{**SMALL, 'epochs': 20}).fit(X)
    index = imsat.HammingIndex(8)
    index.add(model.codes_)
    _, ids = index.search(model.codes_, 40)
    # Chance is .25, and single runs reach .5 to 1.
    assert (Y[ids] == Y[:, None]).mean() > .6


def test_score_is_the_information():
    model = IMSATHasher(5, n_init=2, **SMALL).fit(X)
    p = model.predict_proba(X)
    conditional, marginal, pairs = (
        term.array
        for term in sigmoid_mutual_information(numpy.log(p / (1 - p))))
    numpy.testing.assert_allclose(model.score(X),
                                  marginal - conditional - pairs, 1e-4)
    for restart in model.restarts_:
        numpy.testing.assert_allclose(
            restart.objective, restart.terms['sat'] + .1 * (
                restart.terms['conditional_entropy']
                - restart.terms['marginal_entropy']
                + restart.terms['pairwise_information']), 1e-12)
    objectives = [restart.objective for restart in model.restarts_]
    assert model.objective_ == min(objectives)


def test_log():
    model = IMSATHasher(5, **SMALL).fit(X)
    last = model.restarts_[0].log[-1]
    assert last['all/distinct_codes'] == len(numpy.unique(model.codes_))
    for key in ('conditional_entropy', 'marginal_entropy',
                'pairwise_information'):
        numpy.testing.assert_allclose(last[f'all/{key}'],
                                      model.restarts_[0].terms[key])


def test_save_and_load(tmp_path):
    model = IMSATHasher(9, **SMALL).fit(X)
    model.save(tmp_path / 'model.npz')
    loaded = IMSATHasher.load(tmp_path / 'model.npz')
    numpy.testing.assert_array_equal(loaded.transform(X), model.codes_)
    with pytest.raises(InputError, match='no IMSATClustering'):
        IMSATClustering.load(tmp_path / 'model.npz')


@pytest.mark.parametrize('n_bits', [0, 257, 2.5, '16'])
def test_bad_bits(n_bits):
    with pytest.raises(InputError, match='give a whole number from 1 to 256'):
        IMSATHasher(n_bits, **SMALL).fit(X)


def test_outputs_of_several_values(tmp_path):
    objective = imsat.CodeObjective((3, 4, 2), lam=.2)
    model = IMSATHasher(objective=objective, **SMALL).fit(X)
    assert model.codes_.shape == (len(X), 3)
    assert model.codes_.dtype == numpy.uint8
    p = model.predict_proba(X)
    for head, column in zip(numpy.split(p, [3, 7], axis=1), model.codes_.T):
        numpy.testing.assert_allclose(head.sum(axis=1), 1)
        numpy.testing.assert_array_equal(head.argmax(axis=1), column)
    assert model.get_feature_names_out().tolist() == [
        f'imsathasher{i}' for i in range(3)]
    model.save(tmp_path / 'model.npz')
    loaded = IMSATHasher.load(tmp_path / 'model.npz')
    assert loaded.objective.lam == .2
    numpy.testing.assert_array_equal(loaded.transform(X), model.codes_)


def test_one_output_is_clustering_by_eq_7():
    hasher = IMSATHasher(objective=imsat.CodeObjective((3,)), **SMALL).fit(X)
    clusters = imsat.IMSATClustering(3, mu=1, **SMALL).fit(X)
    numpy.testing.assert_allclose(hasher.objective_, clusters.objective_, 1e-3)
    assert (hasher.codes_[:, 0] == clusters.labels_).mean() > .99
