import os
import subprocess
from pathlib import Path

import chainer
import numpy
import pytest
from chainer import serializers

import imsat
from imsat.storage import load_npz

HERE = Path(__file__).parent
FILE = HERE / 'encoder_chainer1.npz'
PREDICTIONS = load_npz(HERE / 'predictions_chainer1.npz')

# A network of the original's shape, by name, in Chainer 1.
LOAD = '''
import sys
import chainer, chainer.functions as F, chainer.links as L, numpy
path, x, out, sizes = sys.argv[1:]
n_in, hidden1, hidden2, n_out = map(int, sizes.split('-'))
encoder = chainer.Chain(
    l1=L.Linear(n_in, hidden1), bn1=L.BatchNormalization(hidden1),
    l2=L.Linear(hidden1, hidden2), bn2=L.BatchNormalization(hidden2),
    l3=L.Linear(hidden2, n_out))
chainer.serializers.load_npz(path, encoder)
h = F.relu(encoder.bn1(encoder.l1(chainer.Variable(numpy.load(x))), test=True))
h = F.relu(encoder.bn2(encoder.l2(h), test=True))
numpy.save(out, encoder.l3(h).data)
'''


def predict(encoder, x):
    with chainer.using_config('train', False):
        return encoder(x).array


def test_reads_what_chainer_1_wrote():
    encoder = imsat.load_original(FILE)
    assert encoder.sizes == (6, 5, 4, 3)
    numpy.testing.assert_allclose(
        predict(encoder, PREDICTIONS['x']), PREDICTIONS['logits'], 1e-5, 1e-6)


@pytest.mark.parametrize('estimator', [
    imsat.IMSATClustering, imsat.IMSATHasher])
def test_estimator_of_it(tmp_path, estimator):
    model = estimator.from_encoder(imsat.load_original(FILE), alpha=.5)
    assert model.alpha == .5 and model.hidden == (5, 4)
    p = model.predict_proba(PREDICTIONS['x'])
    e = numpy.exp(PREDICTIONS['logits'].astype('d'))
    expected = e / (e + 1 if estimator is imsat.IMSATHasher
                    else e.sum(axis=1, keepdims=True))
    numpy.testing.assert_allclose(p, expected, 1e-5)
    model.save(tmp_path / 'model.npz')
    again = estimator.load(tmp_path / 'model.npz')
    numpy.testing.assert_array_equal(again.predict_proba(PREDICTIONS['x']), p)


def test_model_has_the_names_of_chainer_1(tmp_path):
    model = imsat.IMSATClustering.from_encoder(imsat.load_original(FILE))
    model.save(tmp_path / 'model.npz')
    ours, theirs = load_npz(tmp_path / 'model.npz'), load_npz(FILE)
    assert set(theirs) <= set(ours)
    for name in theirs:
        assert ours[name].shape == theirs[name].shape


def test_chainer_7_reads_a_model(tmp_path):
    model = imsat.IMSATClustering.from_encoder(imsat.load_original(FILE))
    model.save(tmp_path / 'model.npz')
    encoder = imsat.Encoder(6, 3, (5, 4))
    serializers.load_npz(tmp_path / 'model.npz', encoder)
    numpy.testing.assert_array_equal(
        predict(encoder, PREDICTIONS['x']),
        predict(model.encoder_, PREDICTIONS['x']))


def test_chainer_1_reads_a_model(tmp_path, python2):
    rng = numpy.random.RandomState(0)
    x = rng.normal(size=(60, 7)).astype('f')
    model = imsat.IMSATClustering(
        4, hidden=(6, 5), epochs=3, batch_size=20, random_state=0).fit(x)
    model.save(tmp_path / 'model.npz')
    numpy.save(tmp_path / 'x.npy', x)
    environment = {key: value for key, value in os.environ.items()
                   if key != 'PYTHONPATH'}
    subprocess.run([python2, '-c', LOAD, tmp_path / 'model.npz',
                    tmp_path / 'x.npy', tmp_path / 'y.npy', '7-6-5-4'],
                   check=True, env=environment)
    numpy.testing.assert_allclose(
        numpy.load(tmp_path / 'y.npy'), model.transform(x), 1e-4, 1e-6)


def test_any_depth(tmp_path):
    encoder = imsat.Encoder(4, 2, ())
    serializers.save_npz(tmp_path / 'linear.npz', encoder)
    assert imsat.load_original(tmp_path / 'linear.npz').sizes == (4, 2)


@pytest.mark.parametrize('change,part', [
    (lambda a: a.pop('l1/W'), 'l1/W is missing'),
    (lambda a: a.pop('bn2/avg_var'), 'bn2/avg_var is missing'),
    (lambda a: a.update({'l2/W': numpy.zeros((4, 9), 'f')}),
     'l2/W has shape (4, 9)'),
    (lambda a: a.update({'l3/b': numpy.zeros(9, 'f')}),
     'l3/b has shape (9,) and not (3,)')])
def test_no_encoder(tmp_path, change, part):
    arrays = load_npz(FILE)
    change(arrays)
    numpy.savez(tmp_path / 'broken.npz', **arrays)
    with pytest.raises(imsat.InputError) as e:
        imsat.load_original(tmp_path / 'broken.npz')
    assert part in str(e.value) and 'save' in str(e.value)


def test_a_model_without_its_network(tmp_path):
    model = imsat.IMSATClustering.from_encoder(imsat.load_original(FILE))
    model.save(tmp_path / 'model.npz')
    arrays = load_npz(tmp_path / 'model.npz')
    del arrays['l3/W']
    numpy.savez(tmp_path / 'model.npz', **arrays)
    with pytest.raises(imsat.InputError, match='l3/W'):
        imsat.IMSATClustering.load(tmp_path / 'model.npz')
