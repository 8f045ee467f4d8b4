"""Every argument of what is public, given what it may not be: a sentence or
a result, nothing else.

What is swept comes from the declarations and signatures: a new parameter or
function is swept by itself, or has to be named here.
"""
import dataclasses
import decimal
import fractions
import functools
import importlib.util

import chainer
import numpy
import pytest
from chainer.utils.type_check import InvalidType

import imsat
from imsat import InputError, functions
from imsat.losses import regularizers
from imsat.losses.values import VALUES as LOSSES
from imsat.parameters import declarations, shown

VALUES = [
    None, '', 'abc', b'abc', True, False, -1, 0, 1, 2, 1.5, -1e-9, 1e-300,
    1e400, -1e400, float('nan'), 10 ** 30, -10 ** 30, 10 ** 400, 10 ** 5000,
    1j, decimal.Decimal('.1'), fractions.Fraction(1, 3), numpy.int8(3),
    numpy.uint64(3), numpy.uint64(2 ** 64 - 1), numpy.float16(.5),
    numpy.longdouble(.5),
    numpy.bool_(True), numpy.str_('abc'), numpy.array(3), numpy.array(.5),
    numpy.array('abc'), numpy.array([]), numpy.array([1.5, numpy.nan]),
    numpy.array([[1, 2], [3, 4]]), numpy.array([None, object()]), [], (), [1],
    (3, 4), [1.5], ['a'], [None], [[1], [1, 2]], [10 ** 30],
    [True], [-1], [.2, .3, .5], {}, {'a': 1}, {1, 2}, object(), int, len,
    numpy.random.RandomState(0), numpy.random.default_rng(0), slice(3),
    range(3), memoryview(b'abc')]

X = numpy.random.RandomState(0).normal(size=(24, 6)).astype('f')
QUICK = dict(hidden=(3,), epochs=1, batch_size=12, n_code=2, max_epochs=1,
             n_init=1, n_neighbors=2, iterations=2, image_shape=(2, 3),
             random_state=0)
ESTIMATORS = {name: getattr(imsat.estimators, name)
              for name in imsat.estimators.__all__}


def sentence(function, *args, **kwargs):
    """The sentence with which a call is refused; None for a result."""
    try:
        function(*args, **kwargs)
    except InputError as error:
        message = str(error)
        assert message and '\n' not in message and len(message) < 600
        return message


@pytest.fixture(autouse=True)
def in_its_own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope='module')
def tried():
    """Parameters and values that an estimator has been fitted with."""
    return set()


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('name', ESTIMATORS)
def test_estimators(name, tried):
    cls = ESTIMATORS[name]
    quick = {key: value for key, value in QUICK.items()
             if key in declarations(cls)}
    wrong = []
    for parameter, declaration in declarations(cls).items():
        for i, value in enumerate(VALUES):
            model = cls(3, **quick).set_params(**{parameter: value})
            try:
                message = sentence(model.check, X)
                if message is not None:
                    assert (declaration.argument or parameter) in message
                # What is allowed and unusual is tried once.
                elif type(value) not in USUAL and (parameter, i) not in tried:
                    tried.add((parameter, i))
                    sentence(model.fit, X)
            except Exception as error:
                wrong.append((parameter, shown(value), repr(error)[:200]))
    assert not wrong, '\n'.join(map(str, wrong))


@pytest.mark.parametrize('name', ['IMSATClustering', 'DEC', 'DeepHasher'])
def test_numbers_of_numpy(name):
    """What a negative or a large uint8 would be is not met with."""
    cls = ESTIMATORS[name]
    quick = {key: value for key, value in QUICK.items()
             if key in declarations(cls)}
    model = cls(3, **quick).fit(X)
    other = cls(numpy.uint8(3), **{
        key: numpy.uint8(value) if type(value) is int else value
        for key, value in quick.items()}).fit(X)
    assert other.get_params() == model.get_params()
    assert other.objective_ == model.objective_


@pytest.mark.parametrize('name', ['IMSATClustering', 'DEC', 'DeepHasher'])
def test_what_no_memory_holds(name):
    for hidden in [2 ** 31 - 1], [10 ** 6, 10 ** 6]:
        model = ESTIMATORS[name](3, hidden=hidden, batch_size=12)
        assert 'GB to train' in sentence(model.fit, X)


def test_networks_that_no_memory_holds():
    huge = [2 ** 31 - 1, 2 ** 31 - 1]
    assert 'GB where there' in sentence(imsat.Encoder, 1, 2, huge)
    for network in imsat.links.Autoencoder, imsat.links.TanhNetwork:
        assert 'GB where there' in sentence(network, 1, huge)


USUAL = type(None), bool, int, float, str, tuple, list


@pytest.mark.parametrize('name', sorted(LOSSES))
def test_values(name):
    cls = LOSSES[name]
    for field in dataclasses.fields(cls):
        assert field.metadata, f'{field.name} of {name} is not declared'
        for value in VALUES:
            sentence(cls, **{**GIVEN.get(name, {}), field.name: value})


GIVEN = {'CodeObjective': dict(sizes=(2, 3)),
         'Augmentation': dict(transform=len),
         'Mean': dict(first=imsat.RPT(), second=imsat.RPT())}


CODES = imsat.retrieval.pack_bits(numpy.eye(4, 9))
HEADS = numpy.eye(4, 3, dtype='u1')
LOGITS = numpy.random.RandomState(0).normal(size=(4, 5))
LABELS = [0, 1, 0, 1]


def index(**arguments):
    """Calls a method of a HammingIndex of four codes."""
    method, arguments = arguments.pop('method'), arguments
    codes = imsat.HammingIndex(9)
    codes.add(CODES)
    return getattr(codes, method)(**arguments)


RNG = numpy.random.default_rng(0)
PASSES = dict(forward=lambda x: x, distance=functions.softmax_kl, x=LOGITS,
              y=None)
BALL = dict(radius=numpy.ones(4), rng=RNG, direction=None)
# A call of each function of the library, and which arguments are swept.
CALLS = {
    imsat.clustering_accuracy: dict(labels=LABELS, clusters=LABELS),
    imsat.metrics.clustering_scores: dict(labels=LABELS, clusters=LABELS),
    imsat.metrics.match_clusters: dict(labels=LABELS, clusters=LABELS),
    imsat.metrics.neighbor_information: dict(
        clusters=LABELS, indices=[[1], [2], [3], [0]]),
    imsat.neighbor_distance: dict(x=X, t=2, cache=None, method='exact'),
    imsat.neighbors: dict(x=X, k=2, cache=None, method='exact'),
    imsat.load_original: dict(path='missing.npz'),
    imsat.HammingIndex: dict(n_bits=9),
    imsat.devices.get_device: dict(number=-1),
    imsat.datasets.split_queries: dict(y=LABELS, per_class=1, seed=0),
    imsat.retrieval.code_width: dict(n_bits=9),
    imsat.retrieval.codes_of: dict(logits=LOGITS),
    imsat.retrieval.count_distinct: dict(codes=CODES),
    imsat.retrieval.hamming_distance: dict(a=CODES, b=CODES),
    imsat.retrieval.head_codes_of: dict(logits=LOGITS, sizes=(2, 3)),
    imsat.retrieval.nearest_head_codes: dict(
        queries=HEADS, gallery=HEADS, k=2),
    imsat.retrieval.pack_bits: dict(bits=numpy.eye(4, 9)),
    imsat.retrieval.retrieval_scores: dict(
        query_codes=CODES, query_labels=LABELS, gallery_codes=CODES,
        gallery_labels=LABELS, n_bits=9, k=2),
    imsat.retrieval.unpack_bits: dict(codes=CODES, n_bits=9),
    imsat.AffineDistortion: dict(
        image_shape=(2, 3), rotation=1., shear=.1, scale=.1, shift=1.,
        probability=.5, center=None),
    imsat.Encoder: dict(n_in=3, n_out=2, hidden=(4,),
                        initialization='he', rng=None),
    imsat.links.Autoencoder: dict(n_in=3, sizes=(2,), rng=None),
    imsat.links.Ensemble: {},  # of links alone
    imsat.links.StudentClusters: dict(
        encoder=imsat.links.Autoencoder(3, (2,)).encoder,
        centers=numpy.eye(2, dtype='f')),
    imsat.links.TanhNetwork: dict(n_in=3, sizes=(2,)),
    imsat.links.corrupt: dict(h=LOGITS, rng=RNG, rate=.5),
    imsat.links.target_distribution: dict(q=abs(LOGITS)),
    functions.affine_transform: dict(
        x=numpy.ones((4, 2, 3)), matrix=numpy.ones((4, 2, 3))),
    functions.batch_normalization_relu: dict(
        x=LOGITS, gamma=numpy.ones(5), beta=numpy.ones(5), eps=1e-5,
        running_mean=numpy.zeros(5), running_var=numpy.ones(5), decay=.9),
    functions.code_kl: dict(y0=LOGITS, y1=LOGITS, sizes=(2, 3), eps=1e-8),
    functions.code_mutual_information: dict(
        y=LOGITS, sizes=(2, 3), eps=1e-8),
    functions.pairwise_mutual_information: dict(
        p=abs(LOGITS) / 9, sizes=(2, 3)),
    functions.sigmoid_kl: dict(y0=LOGITS, y1=LOGITS, eps=1e-8),
    functions.sigmoid_mutual_information: dict(y=LOGITS, eps=1e-8),
    functions.softmax_entropy: dict(
        y=LOGITS, prior=[.2, .2, .2, .2, .2], eps=1e-8),
    functions.softmax_kl: dict(y0=LOGITS, y1=LOGITS, eps=1e-8),
    regularizers.self_augmented_training: dict(
        **PASSES, augmented=LOGITS),
    regularizers.augmentation: dict(
        **PASSES, transform=lambda x, rng: x),
    imsat.rpt: dict(**PASSES, **BALL),
    imsat.vat: dict(**PASSES, **BALL, xi=1., power_iterations=1),
    imsat.losses.weight_decay: dict(
        network=chainer.links.Linear(2, 2), rate=.1, weights_only=True),
}
METHODS = {
    'add': dict(codes=CODES, ids=[5, 9, 7, 8]), 'remove': dict(ids=[1]),
    'search': dict(queries=CODES, k=2),
    'search_radius': dict(queries=CODES, r=2)}
if importlib.util.find_spec('faiss'):
    METHODS['to_faiss'] = dict(kind='flat', lists=None, probes=2, tables=1,
                               width=None, flips=1)


def test_the_tools_are_all_here():
    named = set(CALLS)
    for module in map(importlib.import_module, (
            'imsat.retrieval', 'imsat.metrics', 'imsat.neighbors',
            'imsat.functions', 'imsat.links')):
        public = getattr(module, '__all__', None) or [
            name for name, value in vars(module).items()
            if getattr(value, '__module__', '') == module.__name__
            and not name.startswith('_') and name not in INNER]
        assert {getattr(module, name) for name in public} <= named


# Functions for the module itself and its tests.
INNER = 'by_float64',


def sweep(function, arguments):
    wrong = []
    for name in arguments:
        for value in VALUES:
            try:
                sentence(function, **{**arguments, name: value})
            except (FileNotFoundError, IsADirectoryError):
                assert function is imsat.load_original
            except Exception as error:
                # Chainer's own sentence for another shape, and what a
                # function says that is called as it can't be.
                if not (type(error) is InvalidType
                        and isinstance(value, numpy.ndarray | tuple | list)
                        or callable(arguments[name]) and callable(value)):
                    wrong.append((name, shown(value), repr(error)[:150]))
    assert not wrong, '\n'.join(map(str, wrong))


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('function', CALLS, ids=lambda call: call.__name__)
def test_functions(function):
    if function is not imsat.load_original:
        assert sentence(function, **CALLS[function]) is None
    sweep(function, CALLS[function])


@pytest.mark.parametrize('method', METHODS)
def test_methods_of_an_index(method):
    sweep(functools.partial(index, method=method), METHODS[method])


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('name', ['a.csv', 'a.txt', 'a.npy', 'digits'])
def test_load_dataset(name):
    with open('a.csv', 'w') as f:
        f.write('b,c,t\n2.5,3,cat\n4,6.5,dog\n5,7,cat dog\n')
    with open('a.txt', 'w') as f:
        f.write('a cat dog\na dog mat\ncat mat\nfig\n')
    numpy.save('a.npy', numpy.eye(4))
    load = functools.partial(imsat.datasets.load_dataset, name)
    sweep(load, dict(
        columns='b,c' if name == 'a.csv' else None, data_dir=None, fetch=True,
        verbose=False, label=None, index=None, text=None, labels=None,
        image_size=None))
    sweep(imsat.datasets.load_dataset, dict(name=name))
