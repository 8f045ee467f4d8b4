"""What an estimator's file may hold: what its save() wrote, or a sentence."""
import json

import numpy
import pandas
import pytest

import imsat
from imsat import InputError
from imsat.estimators.imsat import IMSATEstimator
from imsat.storage import load_npz

X = numpy.random.RandomState(0).normal(size=(60, 6)).astype('f')
QUICK = dict(hidden=(5, 4), epochs=1, batch_size=30, random_state=0)
MODELS = {
    'kmeans': (imsat.KMeansClustering, dict(random_state=0)),
    'dae': (imsat.DAEKMeans, dict(QUICK, n_code=2)),
    'dec': (imsat.DEC, dict(QUICK, n_code=2, max_epochs=1)),
    'rim': (imsat.IMSATClustering, dict(QUICK, regularizer='weight-decay')),
    'imsat': (imsat.IMSATClustering, dict(QUICK, prior=[.2, .3, .5])),
    'consensus': (imsat.IMSATClustering, dict(
        QUICK, n_init=2, select='consensus')),
    'spectral': (imsat.SpectralHasher, {}),
    'itq': (imsat.ITQHasher, dict(random_state=0)),
    'deep hash': (imsat.DeepHasher, QUICK),
    'hasher': (imsat.IMSATHasher, QUICK),
    'codes': (imsat.IMSATHasher, dict(
        QUICK, objective=imsat.CodeObjective((2, 3)))),
}
HEAD = {'estimator', 'arguments', 'objective', 'n_features_in'}
# Nor what arguments came to, which files of before have not.
OTHERS = {*HEAD, 'settled'}


# Of classes that others of them, or what is made of them, have as well.
MORE = 'dae', 'rim', 'consensus', 'codes'


@pytest.fixture(scope='module', params=[
    pytest.param(name, marks=pytest.mark.slow if name in MORE else [])
    for name in MODELS])
def saved(request, tmp_path_factory):
    """A class, and the arrays of a file that it saved."""
    cls, arguments = MODELS[request.param]
    path = tmp_path_factory.mktemp('models') / 'model.npz'
    cls(3, **arguments).fit(X).save(path)
    return cls, load_npz(path)


def refuse(cls, arrays, tmp_path, *parts):
    path = tmp_path / 'changed.npz'
    numpy.savez(path, **arrays)
    with pytest.raises(InputError) as info:
        cls.load(path)
    message = str(info.value)
    assert 'changed.npz' in message and '\n' not in message
    for part in parts:
        assert part in message


def spoilt(array):
    """What no array of a file may become."""
    yield array[..., None]
    yield array[None]
    yield array.astype(complex)
    yield array.astype(str)
    yield array.astype(bool)
    if array.ndim:
        # These would be broadcast.
        yield array.ravel()[0]
        yield array[:1] if len(array) > 1 else numpy.repeat(array, 2, axis=0)
        yield array.ravel()[:1]
        yield array[..., :1] if array.shape[-1] > 1 else \
            numpy.repeat(array, 2, axis=-1)
    if array.dtype.kind == 'f':
        for value in numpy.nan, numpy.inf, -numpy.inf:
            changed = numpy.array(array)
            changed.flat[-1] = value
            yield changed
        yield array.astype(int)
    else:
        yield array - 100
        yield array + .5


@pytest.mark.by_turns(2)
def test_every_array_is_checked(saved, tmp_path):
    cls, arrays = saved
    fitted = arrays.keys() - OTHERS
    assert fitted
    for name in sorted(fitted):
        without = {key: array for key, array in arrays.items() if key != name}
        # Files of 0.1.0, which moved nothing, have neither.
        if name not in ('center_', 'spread_'):
            refuse(cls, without, tmp_path)
        for array in spoilt(arrays[name]):
            refuse(cls, {**arrays, name: array}, tmp_path)
    for name in [name for name in fitted if name.endswith('avg_var')]:
        refuse(cls, {**arrays, name: -arrays[name] - 1}, tmp_path, 'below 0')
        # Infinite as the float32 that it becomes.
        refuse(cls, {**arrays, name: numpy.full(arrays[name].shape, 1e300)},
               tmp_path, 'infinite')
    refuse(cls, {**arrays, 'l9/W': numpy.eye(2)}, tmp_path, 'l9/W')


def test_the_head_is_checked(saved, tmp_path):
    cls, arrays = saved
    for name in sorted(HEAD):
        without = {key: array for key, array in arrays.items() if key != name}
        refuse(cls, without, tmp_path)
        for value in (numpy.array([1, 2]), numpy.array(1j), numpy.array('x'),
                      numpy.array(b'{}'), numpy.array(True)):
            refuse(cls, {**arrays, name: value}, tmp_path)
    for d in 0, -1, 5, 7, 2 ** 31 - 1, 10 ** 12:
        refuse(cls, {**arrays, 'n_features_in': d}, tmp_path)


def test_arguments_agree_with_the_arrays(saved, tmp_path):
    cls, arrays = saved
    arguments = json.loads(str(arrays['arguments']))
    size = 'n_bits' if 'n_bits' in arguments else 'n_clusters'
    changes = [{size: value} for value in (
        2, 4, 0, -1, 10 ** 12, 10 ** 30, 3.5, None, '3', [3], True)
        if not (cls is imsat.IMSATHasher and value in (2, 4)
                and arguments['objective'])]
    if 'hidden' in arguments:
        changes += [{'hidden': hidden} for hidden in (
            [10 ** 12, 4], [5, 10 ** 9], [5], [4, 5], [5, 4, 3], [], 'abc',
            None, [[5], [4]], [5, [4]], {'a': 1})]
    for change in changes:
        refuse(cls, {**arrays, 'arguments': json.dumps(
            {**arguments, **change})}, tmp_path)


def test_arguments_are_the_models_alone(saved, tmp_path):
    cls, arrays = saved
    arguments = json.loads(str(arrays['arguments']))
    for name, value in dict(out='elsewhere', cache='elsewhere', device=0,
                            resume=True, verbose=True, snapshot_seconds=0,
                            unknown=1).items():
        refuse(cls, {**arrays, 'arguments': json.dumps(
            {**arguments, name: value})}, tmp_path, name)
    for text in ('', '[]', 'null', '3', '{"a"', '[' * 100000,
                 '{"a":' * 100000, '{"random_state": NaN}',
                 '{"random_state": 1e999}', '{"random_state": -1}',
                 '{"random_state": {"value": "VAT"}}',
                 '{"random_state": {"value": "os"}}',
                 '{"random_state": {"value": []}}'):
        refuse(cls, {**arrays, 'arguments': text}, tmp_path)


def test_what_arguments_came_to_is_checked(saved, tmp_path):
    cls, arrays = saved
    settled = json.loads(str(arrays.get('settled', '{}')))
    assert bool(settled) == issubclass(cls, IMSATEstimator)
    for change in (*({name: value} for name in settled for value in (
            'auto', [3], 'x', -1, {'value': 'VAT'})), dict(epochs=3)):
        refuse(cls, {**arrays, 'settled': json.dumps({**settled, **change})},
               tmp_path, 'of its arguments')
    for text in '', '[]', 'null', '{"mu": 1}', '[' * 100000:
        refuse(cls, {**arrays, 'settled': text}, tmp_path)
    if 'prior' in settled:
        refuse(cls, {**arrays, 'settled': json.dumps(
            {**settled, 'prior': [.5, .5]})}, tmp_path, '2 entries')
    arrays = {name: arrays[name] for name in arrays if name != 'settled'}
    numpy.savez(tmp_path / 'before.npz', **arrays)
    assert not hasattr(cls.load(tmp_path / 'before.npz'), 'batch_size_')


@pytest.mark.parametrize('value', [
    {'value': 'VAT', 'xi': 'a'}, {'value': 'VAT', 'no': 1},
    {'value': 'Mean', 'first': 1, 'second': 2}, {'value': 'Mean'},
    {'value': 'Regularizer'}, {'value': 'Augmentation', 'transform': 'a'},
    {'value': 'HashingObjective'}, {'lam': 1}, 'no', 3, None, [1]])
def test_values_are_checked(tmp_path, value):
    path = tmp_path / 'model.npz'
    imsat.IMSATClustering(3, **QUICK).fit(X).save(path)
    arrays = load_npz(path)
    arguments = {**json.loads(str(arrays['arguments'])), 'regularizer': value}
    refuse(imsat.IMSATClustering, {
        **arrays, 'arguments': json.dumps(arguments)}, tmp_path)


def test_reordered_columns_are_refused_after_load(saved, tmp_path):
    cls, arrays = saved
    arguments = dict(MODELS.values())[cls]
    table = pandas.DataFrame(X, columns=list('abcdef'))
    path = tmp_path / 'model.npz'
    model = cls(3, **arguments).fit(table)
    model.save(path)
    loaded = cls.load(path)
    numpy.testing.assert_array_equal(loaded.transform(table),
                                     model.transform(table))
    with pytest.raises(InputError, match='same order'):
        loaded.transform(table[list('bacdef')])
    with pytest.raises(InputError, match='feature names'):
        loaded.transform(table.rename(columns={'a': 'z'}))
    # The names come back whole.
    loaded.save(tmp_path / 'again.npz')
    assert (tmp_path / 'again.npz').read_bytes() == path.read_bytes()
    refuse(cls, {**load_npz(path), 'feature_names_in': ['a', 'b']}, tmp_path,
           'feature_names_in')


@pytest.mark.parametrize('name', [
    'imsat', pytest.param('hasher', marks=pytest.mark.slow)])
def test_an_encoder_is_checked(tmp_path, name):
    cls, arguments = MODELS[name]
    path = tmp_path / 'model.npz'
    cls(3, **arguments).fit(X).save(path)
    arrays = load_npz(path)
    numpy.testing.assert_array_equal(
        imsat.load_original(path).l1.W.array, arrays['l1/W'])
    for key in sorted(arrays.keys() - OTHERS):
        for array in spoilt(arrays[key]):
            if key == 'l1/W' and array.shape == (5, 1):
                continue  # of another number of features
            numpy.savez(path, **{**arrays, key: array})
            with pytest.raises(InputError, match=r'model\.npz'):
                imsat.load_original(path)
    numpy.savez(path, **{**arrays, 'l9/W': arrays['l1/W']})
    with pytest.raises(InputError, match='l9/W is not known'):
        imsat.load_original(path)
