"""Every argument of what is public, given what it may not be: a sentence or
a result, nothing else.

What is swept comes from the declarations and signatures: a new parameter or
function is swept by itself, or has to be named here.
"""
import copy
import dataclasses
import decimal
import fractions
import functools
import importlib.util
import inspect
import re
from pathlib import Path

import chainer
import numpy
import pytest
from chainer.utils.type_check import InvalidType

import imsat
from imsat import InputError, functions, pictures
from imsat.losses import regularizers
from imsat.losses.values import VALUES as LOSSES
from imsat.parameters import declarations, shown
from imsat.training import extensions
from imsat.training.iterators import IndexIterator

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


def quickly(cls):
    """Arguments with which an estimator is soon fitted."""
    return {name: value for name, value in QUICK.items()
            if name in declarations(cls)}


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
    (tmp_path / 'pixels').write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]))


@pytest.fixture(scope='module')
def tried():
    """Parameters and values that an estimator has been fitted with."""
    return set()


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('name', ESTIMATORS)
def test_estimators(name, tried):
    cls = ESTIMATORS[name]
    quick = quickly(cls)
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
    quick = quickly(cls)
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
NETWORK = imsat.Encoder(6, 3, (4,))
CLUSTERS = numpy.arange(24) % 3
LOSS = imsat.IMSATLoss(imsat.ClusteringObjective(), imsat.VAT(),
                       numpy.ones(24, 'f'))
PASSES = dict(forward=lambda x: x, distance=functions.softmax_kl, x=LOGITS,
              y=None)
BALL = dict(radius=numpy.ones(4), rng=RNG, direction=None)
# A call of each function of the library, and which arguments are swept.
CALLS = {
    imsat.clustering_accuracy: dict(labels=LABELS, clusters=LABELS),
    imsat.metrics.adjusted_rand: dict(labels=LABELS, clusters=LABELS),
    imsat.metrics.clustering_scores: dict(labels=LABELS, clusters=LABELS),
    imsat.metrics.match_clusters: dict(labels=LABELS, clusters=LABELS),
    imsat.metrics.neighbor_agreement: dict(
        clusters=LABELS, indices=[[1], [2], [3], [0]]),
    imsat.metrics.neighbor_information: dict(
        clusters=LABELS, indices=[[1], [2], [3], [0]]),
    imsat.neighbor_distance: dict(x=X, t=2, cache=None, method='exact',
                                  progress=lambda n: None),
    imsat.neighbors: dict(x=X, k=2, cache=None, method='exact',
                          progress=lambda n: None),
    imsat.metrics.purity: dict(labels=LABELS, clusters=LABELS),
    imsat.load_original: dict(path='missing'),
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
        **PASSES, radius=None, rng=RNG, transform=lambda x, rng: x),
    imsat.rpt: dict(**PASSES, **BALL),
    imsat.vat: dict(**PASSES, **BALL, xi=1., power_iterations=1),
    imsat.losses.weight_decay: dict(
        network=chainer.links.Linear(2, 2), rate=.1, weights_only=True),
    imsat.IMSATLoss: dict(objective=LOSS.objective, seed=0, near=None,
                          regularizer=LOSS.regularizer, radius=LOSS.radius),
    imsat.choose_n_clusters: dict(
        estimator=imsat.IMSATClustering(3, hidden=3, epochs=1), X=X,
        n_clusters=[2, 3], criterion='stability'),
    imsat.datasets.Files: dict(folder=None, fetch=False, verbose=False),
    imsat.datasets.Preparation: dict(
        dimension=4, names=list('abcd'), label=None, index=1, columns=None,
        text='a', image_shape=(2, 2), words=None,
        made_by='gist-gray', values='numbers'),
    imsat.datasets.read_idx: dict(path='pixels', md5=None),
    imsat.training.IndexIterator: dict(n=6, batch_size=2, sampling='sweep',
                                       seed=0, weight=None),
    imsat.training.Session: dict(folder=None, resume=False, progress=None,
                                 snapshot_seconds=10., made_with=None,
                                 until=None, state=None),
    imsat.training.Updater: dict(
        iterator=imsat.training.IndexIterator(24, 12), x=X, loss=LOSS,
        optimizer=imsat.training.Adam().setup(NETWORK), device=None,
        step='graph'),
    extensions.Evaluator: dict(model=NETWORK, x=X, summarize=len, every=1,
                               last=None),
    extensions.GrowingPenalty: dict(loss=LOSS, delta=.1, growth=2.),
    extensions.LatePenalty: dict(loss=LOSS, x=X, epochs=1, weight=None),
    extensions.Progress: dict(total=3),
    pictures.bits: dict(path='a.png', p=abs(LOGITS) / 9, sizes=(2, 3)),
    pictures.cluster_numbers: dict(
        path='a.png', numbers=[2, 3], values=[{'a': [1.]}, {'a': [.5]}],
        best=2),
    pictures.cluster_samples: dict(
        path='a.png', x=X, image_shape=(2, 3), clusters=CLUSTERS,
        n_clusters=3, seed=0, columns=4, most_rows=2),
    pictures.cluster_sizes: dict(path='a.png', clusters=CLUSTERS,
                                 n_clusters=3, prior=[.2, .3, .5]),
    pictures.contingency: dict(path='a.png', labels=LABELS, clusters=LABELS,
                               n_clusters=0),
    pictures.embedding: dict(path='a.png', x=X, clusters=CLUSTERS,
                             p=numpy.full((24, 3), .3), seed=0, most=9),
    pictures.learning_curves: dict(
        path='a.png', logs=[[{'epoch': 1, 'main/sat': .5}]], best=0,
        most_entropy=1., names=['a'], prior=[.2, .8]),
    pictures.nearest_images: dict(
        path='a.png', query_x=X[:2], query_labels=[0, 1], gallery_x=X[:4],
        gallery_labels=LABELS, neighbors=numpy.array([[0, 2], [3, 1]]),
        distances=numpy.array([[0, 1], [1, 1]]), image_shape=(2, 3)),
    pictures.retrieval: dict(
        path='a.png', numbers=numpy.array([1, 2]),
        precision=numpy.array([1., .5]), recall=numpy.array([.5, 1.])),
}
METHODS = {
    'add': dict(codes=CODES, ids=[5, 9, 7, 8]), 'remove': dict(ids=[1]),
    'search': dict(queries=CODES, k=2),
    'search_radius': dict(queries=CODES, r=2),
    'save': dict(path='a.npz'), 'load': dict(path='missing')}
if importlib.util.find_spec('faiss'):
    METHODS['to_faiss'] = dict(kind='flat', lists=None, probes=2, tables=1,
                               width=None, flips=1)
    FAISS = index(method='to_faiss')
    METHODS['recall'] = dict(index=FAISS, queries=CODES, k=2)
    METHODS['from_faiss'] = dict(index=FAISS, n_bits=9)



# What docs/api describes, and what is used beside it.
MODULES = re.findall(r'^   (imsat[.\w]*)$', (
    Path(__file__).parents[1] / 'docs' / 'api' / 'index.rst').read_text(),
    re.M) + ['imsat.neighbors', 'imsat.labels', 'imsat.storage']
# Names, or how they begin, and why they are not swept here.
WITHOUT = {
    'imsat.cuda': 'swept in tests/cuda_tests/test_arguments.py',
    'imsat.parameters': 'what checks is this itself',
    'imsat.estimators.base': 'bases of the estimators, which are swept',
    'imsat.estimators.imsat': 'likewise',
    'imsat.links.original.names_of': 'of encoders that the caller has made',
    'imsat.links.original.array_of': 'likewise',
    'imsat.links.original.set_arrays': 'likewise',
    'imsat.links.original.encoder_from': 'load_original is swept',
    'imsat.training.adam.Adam': 'its arguments are those of Chainer',
    'imsat.training.extensions.LogReport': 'likewise',
    'imsat.training.extensions.reorder': 'a step of LatePenalty',
    'imsat.training.extensions.sort_outputs': 'likewise',
    'imsat.training.extensions.refill': 'likewise',
    'imsat.training.extensions.sizes_of': 'likewise',
    'imsat.training.extensions.check_finite': 'of DivergenceCheck',
    'imsat.estimators.cluster_numbers.ClusterNumbers':
        'holds what choose_n_clusters has found',
    'imsat.datasets.dataset.Dataset': 'holds what loaders have checked',
    'imsat.datasets.sources.register': 'decorates loaders where they are',
    'imsat.neighbors.by_float64': 'a step of neighbors',
    'imsat.neighbors.is_sampled': 'a step of neighbor_distance',
    'imsat.neighbors.distinct': 'of points that estimators have checked',
    'imsat.neighbors.have_copies': 'of what neighbors has found',
    'imsat.neighbors.without_copies': 'likewise',
    'imsat.neighbors.most_of_distinct': 'of numbers that were counted',
    'imsat.devices.how_many': 'words for a number that was counted',
    'imsat.devices.to_numpy': 'takes anything that NumPy takes',
    'imsat.devices.describe': 'of what get_device returns',
    'imsat.devices.weights_of': 'of the widths of a network',
    'imsat.devices.check_memory': 'likewise',
    'imsat.labels': 'swept as labels of all that takes some',
    'imsat.storage': 'of arrays and files of the library itself; paths are '
                     'swept'}
# Of these classes every method is swept, but for these, which fit calls, or
# others of the library, or scikit-learn has made.
WITH_METHODS = [*ESTIMATORS.values(), imsat.HammingIndex,
                imsat.training.Session, imsat.datasets.Preparation]
INNER = {'check', 'made_with', 'restarts', 'settle', 'train_code',
         'train_clusters', 'loss', 'set_fit_request', 'set_score_request'}


def public():
    """What is public and can be called, by its name."""
    for module in map(importlib.import_module, MODULES):
        for name in getattr(module, '__all__', None) or vars(module):
            value = getattr(module, name)
            if callable(value) and not name.startswith('_') and (
                    hasattr(module, '__all__')
                    or getattr(value, '__module__', '') == module.__name__) \
                    and not (isinstance(value, type)
                             and issubclass(value, BaseException)):
                yield f'{value.__module__}.{value.__qualname__}', value


def parameters_of(function):
    return {name for name, parameter in
            inspect.signature(function).parameters.items()
            if parameter.kind not in (parameter.VAR_POSITIONAL,
                                      parameter.VAR_KEYWORD)}


def test_all_that_is_public_is_swept():
    names = dict(public())
    swept = {*CALLS, *ESTIMATORS.values(), *LOSSES.values(),
             imsat.datasets.load_dataset}
    missing = {name for name, value in names.items()
               if value not in swept and parameters_of(value)
               and not any(f'{name}.'.startswith(f'{reason}.')
                           for reason in WITHOUT)}
    assert not missing, 'put them into CALLS, or into WITHOUT with a reason'
    assert len(names) > 90  # they are found


@pytest.mark.parametrize('function', CALLS, ids=lambda call: call.__name__)
def test_all_arguments_are_swept(function):
    assert parameters_of(function) == set(CALLS[function])


def methods_of(cls):
    """The methods of a class that are public and take something, by name."""
    for base in cls.__mro__[::-1]:
        if base.__module__.startswith('imsat'):
            for name in vars(base):
                method = getattr(cls, name)
                if inspect.isroutine(method) and name[0] != '_' \
                        and parameters_of(method) - {'self'}:
                    yield name


def test_all_methods_are_swept():
    swept = {imsat.HammingIndex: {*METHODS, 'to_faiss', 'recall',
                                  'from_faiss'},
             imsat.training.Session: {'run', 'below'},
             imsat.datasets.Preparation: {'save', 'load'}}
    for cls, names in swept.items():
        assert set(methods_of(cls)) == names
    # Those of values and networks, of what Chainer calls and of Files are
    # called by the library with what it has made.
    others = {value for name, value in public() if isinstance(value, type)
              and value not in swept and value not in ESTIMATORS.values()
              and not any(name.startswith(reason) for reason in WITHOUT)}
    assert {value.__module__.split('.')[1] for value in others} <= {
        'losses', 'links', 'training', 'datasets'}


def sweep(function, arguments):
    wrong = []
    for name in arguments:
        for value in VALUES:
            try:
                sentence(function, **{**arguments, name: value})
            except OSError:  # of the system, which names the file
                assert name in ('path', 'name')
            except Exception as error:
                # Chainer's own sentence for another shape, and what a
                # function says that is called as it can't be.
                if not (type(error) is InvalidType
                        and isinstance(value, numpy.ndarray | tuple | list)
                        or callable(arguments[name]) and callable(value)):
                    wrong.append((name, shown(value), repr(error)[:150]))
    assert not wrong, '\n'.join(map(str, wrong))


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('function', [
    call for call in CALLS if call.__module__[:14] != 'imsat.pictures'],
    ids=lambda call: call.__name__)
def test_functions(function):
    if CALLS[function].get('path') != 'missing':
        assert sentence(function, **CALLS[function]) is None
    sweep(function, CALLS[function])


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('name', pictures.__all__)
def test_pictures(name, monkeypatch):
    monkeypatch.setattr('matplotlib.figure.Figure.savefig',
                        lambda self, f, **kwargs: f.write(b'quick'))
    function = getattr(pictures, name)
    assert sentence(function, **CALLS[function]) is None
    sweep(function, CALLS[function])


@pytest.mark.parametrize('method', METHODS)
def test_methods_of_an_index(method):
    sweep(functools.partial(index, method=method), METHODS[method])


# What methods take, by the names of their parameters.
GIVEN_TO_METHODS = dict(
    X=X, y=None, path='missing', source='', preprocessing='',
    features=[*'abcde'],
    encoder=NETWORK, sample_weight=None)


@pytest.fixture(scope='module')
def swept():
    """Methods that have been swept, of whichever class."""
    return set()


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('name', ESTIMATORS)
def test_methods_of_estimators(name, swept):
    cls = ESTIMATORS[name]
    quick = quickly(cls)
    fitted = cls(3, **quick).fit(X)
    for method in dict.fromkeys(methods_of(cls)):
        model = copy.deepcopy(fitted)
        function = getattr(getattr(cls, method), '__func__',
                           getattr(cls, method))
        if method not in INNER and function not in swept:
            swept.add(function)
            # A method that takes something new names it there.
            sweep(getattr(model, method), {
                parameter: GIVEN_TO_METHODS[parameter]
                for parameter in parameters_of(getattr(model, method))})


def test_methods_of_a_session():
    updater = imsat.training.Updater(**CALLS[imsat.training.Updater])
    sweep(imsat.training.Session().run, dict(
        updater=updater, epochs=1, evaluators=[], is_done=lambda: True,
        keeps=False))
    sweep(imsat.training.Session('out').below, dict(name='a'))
    assert 'give the one that has them' in sentence(
        imsat.training.Session(resume=True).run, updater, 1)


def test_methods_of_a_preparation():
    how = imsat.datasets.Preparation(4)
    sweep(how.save, dict(path='a.npz'))
    sweep(how.load, dict(path='missing'))


@pytest.mark.parametrize('function', ['load_json', 'load_npy', 'load_npz',
                                      'save_json', 'save_npz'])
def test_paths(function):
    function = getattr(imsat.storage, function)
    sweep(functools.partial(function, **{
        name: {} for name in parameters_of(function) & {'value', 'arrays'}}),
        dict(path='missing'))


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
        image_size=None, like=None))
    sweep(imsat.datasets.load_dataset, dict(name=name))


@pytest.mark.filterwarnings('error::pytest.PytestUnraisableExceptionWarning')
@pytest.mark.parametrize('call', [
    lambda x: functions.sigmoid_kl(x, x), lambda x: IndexIterator(
        3, 2, weight=x[0])])
def test_masked_in_part(call):
    x = numpy.ma.array(numpy.ones((2, 3), 'f'), mask=numpy.eye(2, 3))
    assert 'is masked in part' in sentence(call, x)
    assert sentence(call, x.data) is None


class NeedsGradient:
    def __array__(self, dtype=None, copy=None):
        # What PyTorch says of its tensors.
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. "
                           'Use tensor.detach().numpy() instead.')


@pytest.mark.parametrize('call', [
    imsat.retrieval.codes_of, imsat.neighbors, imsat.KMeansClustering(2).fit,
    lambda x: imsat.clustering_accuracy(x, [0, 1]),
    lambda x: imsat.IMSATClustering(2).fit(X, sample_weight=x)])
def test_a_tensor_that_needs_a_gradient(call):
    assert 'tensor.detach()' in sentence(call, NeedsGradient())
