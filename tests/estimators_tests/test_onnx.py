"""Networks as ONNX, run by ONNX Runtime, against Chainer's."""
import json
import os

import numpy
import pandas
import pytest

import imsat
from imsat.retrieval.codes import unpack_bits

runtime = pytest.importorskip('onnxruntime')
onnx = pytest.importorskip('onnx')
# So little training leaves clusters empty.
pytestmark = pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')

RNG = numpy.random.RandomState(0)
X = numpy.concatenate([RNG.normal(c, 1, (60, 5)) for c in (0, 3, 6)]).astype(
    'f')
FAR = X + numpy.array([0, 1000, 0, 0, -300], 'f')
QUICK = dict(epochs=4, batch_size=30, random_state=0)
MODELS = {
    'clustering': imsat.IMSATClustering(3, hidden=(20, 10), **QUICK),
    'linear': imsat.IMSATClustering(3, hidden=(), regularizer='weight-decay',
                                    **QUICK),
    'consensus': imsat.IMSATClustering(3, hidden=(20,), n_init=3,
                                       select='consensus', **QUICK),
    'scaled': imsat.IMSATClustering(3, hidden=(20,), scale='standard',
                                    **QUICK),
    'scaled dec': imsat.DEC(3, hidden=(8,), n_code=2, max_epochs=3,
                            scale='standard', **QUICK),
    'hashing': imsat.IMSATHasher(12, hidden=(20,), **QUICK),
    'a byte': imsat.IMSATHasher(8, hidden=(20,), **QUICK),
    'linear hashing': imsat.IMSATHasher(3, hidden=(), **QUICK),
    'values': imsat.IMSATHasher(
        hidden=(20,), objective=imsat.CodeObjective((3, 5), .1), **QUICK),
    'many values': imsat.IMSATHasher(
        hidden=(), objective=imsat.CodeObjective((2, 300), .1), **QUICK),
    'dae-kmeans': imsat.DAEKMeans(3, hidden=(8,), n_code=2, **QUICK),
    'dec': imsat.DEC(3, hidden=(8, 7), n_code=2, max_epochs=3, **QUICK),
    'deep-hash': imsat.DeepHasher(10, hidden=(12,), **QUICK)}


@pytest.fixture(scope='module', params=MODELS)
def model(request):
    return MODELS[request.param].fit(FAR)


def run(path, x):
    session = runtime.InferenceSession(path, providers=[
        'CPUExecutionProvider'])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {'x': x})))


@pytest.mark.parametrize('n', [1, 7, 180])
def test_as_predicted(model, tmp_path, n):
    # New points, between clusters as well.
    x = FAR[:n] + numpy.random.RandomState(n).normal(0, 2, (n, 5)).astype('f')
    model.to_onnx(tmp_path / 'model.onnx')
    onnx.checker.check_model(tmp_path / 'model.onnx', full_check=True)
    found = run(tmp_path / 'model.onnx', x)
    if hasattr(model, 'predict_proba'):
        expected = model.predict_proba(x)
        numpy.testing.assert_allclose(found['probability'], expected,
                                      atol=1e-5)
    else:
        assert 'probability' not in found
    if hasattr(model, 'predict'):
        numpy.testing.assert_array_equal(found['cluster'], model.predict(x))
        assert found['cluster'].dtype == 'int64'
    else:
        codes = model.transform(x)
        numpy.testing.assert_array_equal(found['code'], codes)
        assert found['code'].dtype == codes.dtype
        if 'bits' in found:
            numpy.testing.assert_array_equal(
                found['bits'], unpack_bits(codes, model.n_bits))


def test_centring_is_tested():
    assert MODELS['clustering'].fit(FAR).center_[[1, 4]].all()


def test_a_half_is_no_bit(tmp_path):
    model = imsat.IMSATHasher(9, hidden=(), **QUICK).fit(X)
    for array in model.encoder_.l1.W.array, model.encoder_.l1.b.array:
        array[...] = 0
    model.to_onnx(tmp_path / 'model.onnx')
    found = run(tmp_path / 'model.onnx', X)
    assert (found['probability'] == .5).all()
    assert not found['bits'].any() and not found['code'].any()


def test_after_load(tmp_path):
    model = imsat.IMSATHasher(12, hidden=(20,), **QUICK).fit(FAR)
    model.save(tmp_path / 'model.npz')
    model.to_onnx(tmp_path / 'a.onnx')
    imsat.IMSATHasher.load(tmp_path / 'model.npz').to_onnx(
        tmp_path / 'b.onnx')
    assert (tmp_path / 'a.onnx').read_bytes() \
        == (tmp_path / 'b.onnx').read_bytes()


def test_metadata(tmp_path):
    x = pandas.DataFrame(FAR, columns=[*'abcde'])
    imsat.IMSATClustering(3, hidden=(4,), lam=.2, **QUICK).fit(x).to_onnx(
        tmp_path / 'model.onnx', source='My points.',
        preprocessing='In metres.')
    file = onnx.load(tmp_path / 'model.onnx')
    said = {prop.key: prop.value for prop in file.metadata_props}
    assert said['classes'] == 'clusters 0 to 2'
    assert said['preprocessing'].startswith('In metres. ')
    assert said['source'].startswith('My points. ')
    assert json.loads(said['features']) == [*'abcde']
    assert json.loads(said['arguments'])['lam'] == .2
    assert (file.producer_name, file.producer_version) == (
        'imsat', imsat.__version__)


def test_text_that_is_no_utf8(tmp_path):
    """As paths on Linux may be, of which a script makes the source."""
    name = os.fsdecode(b'caf\xe9')
    imsat.IMSATClustering(3, hidden=(4,), **QUICK).fit(FAR).to_onnx(
        tmp_path / 'model.onnx', source=name, preprocessing=name,
        features=[name, *'bcde'])
    said = {prop.key: prop.value for prop in
            onnx.load(tmp_path / 'model.onnx').metadata_props}
    for key in 'source', 'preprocessing':
        assert said[key].startswith('caf\\udce9 ')
    assert json.loads(said['features']) == [name, *'bcde']


def test_names_of_columns(tmp_path):
    model = imsat.IMSATClustering(3, hidden=(4,), **QUICK).fit(FAR)
    for kind in list, tuple, numpy.array, pandas.Index:
        model.to_onnx(tmp_path / 'model.onnx', features=kind([*'vwxyz']))
        said = onnx.load(tmp_path / 'model.onnx').metadata_props
        assert {prop.key: prop.value for prop in said}['features'] == \
            '["v", "w", "x", "y", "z"]'
    for features, message in ('vwxyz', 'a list of texts'), (
            [*'vwxy'], '4 names of 5 columns'), (
            [*'vwxy', 1], 'a list of texts'):
        with pytest.raises(imsat.InputError, match=message):
            model.to_onnx(tmp_path / 'model.onnx', features=features)


def test_without_onnx(tmp_path, monkeypatch):
    from imsat.estimators import onnx as module
    monkeypatch.setattr(module, 'helper', None)
    model = imsat.IMSATClustering(3, hidden=(4,), **QUICK).fit(FAR)
    with pytest.raises(imsat.InputError, match=r"install 'imsat\[onnx\]'"):
        model.to_onnx(tmp_path / 'model.onnx')
    assert not list(tmp_path.iterdir())


def test_before_fit(tmp_path):
    from sklearn.exceptions import NotFittedError
    with pytest.raises(NotFittedError):
        imsat.IMSATClustering(3).to_onnx(tmp_path / 'model.onnx')
