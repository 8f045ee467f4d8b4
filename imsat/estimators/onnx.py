"""Trained networks as ONNX, for programs without Chainer; see
:meth:`imsat.estimators.base.TrainedEstimator.to_onnx`."""
import functools
import json

import numpy
from chainer import serializers

import imsat
from imsat.errors import InputError
from imsat.estimators.autoencoder import DEC, DAEKMeans
from imsat.estimators.centering import refuse_lost
from imsat.estimators.clustering import IMSATClustering
from imsat.estimators.deep_hash import DeepHasher
from imsat.estimators.hashing import IMSATHasher
from imsat.functions.mutual_information import heads
from imsat.links import Ensemble
from imsat.parameters import layers
from imsat.retrieval.codes import code_width
from imsat.storage import atomic_write
from imsat.utf8 import as_utf8

try:
    from onnx import TensorProto, helper, numpy_helper
except ImportError:
    helper = None  # type: ignore[assignment]

IR_VERSION, OPSET = 8, 17  # of 2022, which all runtimes know


def check_onnx() -> None:
    """Raises InputError without the package onnx."""
    if helper is None:
        raise InputError('without the package onnx no ONNX can be written; '
                         "install it: pip install 'imsat[onnx]'")


def write_onnx(model, path, source='', preprocessing='', features=None):
    """What ``to_onnx`` of a fitted estimator does."""
    check_onnx()
    refuse_lost(model.center_, model.spread_,  # of x, which is float32
                numpy.finfo(numpy.float32).eps)
    graph = Graph()
    x = 'x'
    if model.center_.any() or (model.deviation_ != 1).any():
        x = graph('Cast', x, to=TensorProto.DOUBLE)
        x = graph('Sub', x, model.center_)
        x = graph('Div', x, model.deviation_)
        x = graph('Cast', x, to=TensorProto.FLOAT)
    arrays = serializers.npz.serialize(model.encoder_)
    meaning = add_outputs(model, graph, x, arrays)
    names = getattr(model, 'feature_names_in_', None) \
        if features is None else features
    if names is not None and len(names) != model.n_features_in_:
        raise InputError(f'features are {len(names)} names of '
                         f'{model.n_features_in_} columns; give one of each, '
                         f'or None')
    file = helper.make_model(
        helper.make_graph(
            graph.nodes, type(model).__name__,
            [helper.make_tensor_value_info(
                'x', TensorProto.FLOAT, ['N', model.n_features_in_])],
            graph.outputs, graph.constants),
        producer_name='imsat', producer_version=imsat.__version__,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid('', OPSET)])
    metadata = {
        'estimator': type(model).__name__,
        'arguments': json.dumps(model.made_with((), type(model))),
        'classes': meaning,
        'preprocessing': ' '.join(filter(None, [
            preprocessing, 'x is what fit took, as float32; what the '
            'estimator does with it, centring included, is in the graph.'])),
        'source': ' '.join(filter(None, [
            source, 'https://arxiv.org/abs/1702.08720'])),
        **({} if names is None else {'features': json.dumps(list(names))})}
    helper.set_model_props(file, {
        name: as_utf8(text) for name, text in metadata.items()})
    with atomic_write(path) as f:
        f.write(file.SerializeToString(deterministic=True))


class Graph:
    """The nodes of an ONNX graph, a call for each."""

    def __init__(self):
        self.nodes, self.constants, self.outputs = [], [], []

    def __call__(self, op, *inputs, **attributes):
        """Adds a node; its inputs are names or arrays.

        Returns:
            str: The name of its output.
        """
        name = f'{op}{len(self.nodes)}'
        self.nodes.append(helper.make_node(
            op, [value if isinstance(value, str) else self._constant(value)
                 for value in inputs], [name], **attributes))
        return name

    def output(self, name, value, kind, *shape):
        """Calls a value an output, of a type, shape (N, ...)."""
        self.nodes.append(helper.make_node('Cast', [value], [name], to=kind))
        self.outputs.append(
            helper.make_tensor_value_info(name, kind, ['N', *shape]))

    def _constant(self, value):
        name = f'constant{len(self.constants)}'
        self.constants.append(
            numpy_helper.from_array(numpy.asarray(value), name))
        return name

    def linear(self, x, arrays, layer):
        return self('Gemm', x, arrays[f'{layer}/W'], arrays[f'{layer}/b'],
                    transB=1)

    def encoder(self, x, arrays, network):
        """Logits of an :class:`imsat.Encoder`."""
        for i in range(1, network.n_hidden + 1):
            x = self('BatchNormalization', self.linear(x, arrays, f'l{i}'), *(
                arrays[f'bn{i}/{name}'] for name in
                ('gamma', 'beta', 'avg_mean', 'avg_var')),
                epsilon=network[f'bn{i}'].eps)
            x = self('Relu', x)
        return self.linear(x, arrays, f'l{network.n_hidden + 1}')

    def clusters(self, logits):
        self.output('cluster', self('ArgMax', logits, axis=1, keepdims=0),
                    TensorProto.INT64)

    def bits(self, logits, n):
        """Bits that are 1 where logits are above 0, also as packed codes."""
        ones = self('Cast', self('Greater', logits, numpy.float32(0)),
                    to=TensorProto.FLOAT)
        self.output('bits', ones, TensorProto.UINT8, n)
        bit, place = numpy.arange(n), numpy.zeros((n, code_width(n)), 'f')
        place[bit, bit // 8] = 2. ** (7 - bit % 8)
        self.output('code', self('MatMul', ones, place), TensorProto.UINT8,
                    place.shape[1])
        return (f'bits 0 to {n - 1}; code has bit 0 as the highest of its '
                f'first byte')

    def scaled(self, x, shift, scale):
        return self('Mul', self('Sub', x, numpy.asarray(shift, 'f')),
                    numpy.asarray(scale, 'f'))


@functools.singledispatch
def add_outputs(model, graph, x, arrays):
    """Adds what a fitted estimator says of x, and says what that means.

    Args:
        x (str): Name of the points, centred.
        arrays (dict): Of the network, by Chainer's names.
    """
    raise InputError(f'a {type(model).__name__} can not be written as ONNX; '
                     f'write its encoder_')


@add_outputs.register
def _(model: IMSATClustering, graph, x, arrays):
    logits = [graph.encoder(x, serializers.npz.serialize(encoder), encoder)
              for encoder in (model.encoder_ if isinstance(
                  model.encoder_, Ensemble) else [model.encoder_])]
    p = [graph('Softmax', y, axis=1) for y in logits]
    if len(p) > 1:
        logits = p = [graph('Mean', *p)]
    graph.clusters(*logits)
    graph.output('probability', *p, TensorProto.FLOAT, model.n_clusters)
    return f'clusters 0 to {model.n_clusters - 1}'


@add_outputs.register
def _(model: IMSATHasher, graph, x, arrays):
    logits = graph.encoder(x, arrays, model.encoder_)
    sizes = model.make_objective().sizes
    if sizes is None:
        graph.output('probability', graph('Sigmoid', logits),
                     TensorProto.FLOAT, model.n_bits)
        return graph.bits(logits, model.n_bits)
    parts = [graph('Slice', logits, *(numpy.array([at]) for at in (
        head.start, head.stop, 1))) for head in heads(sizes)]
    graph.output('probability', graph('Concat', *(
        graph('Softmax', part, axis=1) for part in parts), axis=1),
        TensorProto.FLOAT, sum(sizes))
    graph.output('code', graph('Concat', *(
        graph('ArgMax', part, axis=1) for part in parts), axis=1),
        TensorProto.UINT8 if max(sizes) <= 256 else TensorProto.UINT16,
        len(sizes))
    return f'values from 0 of each output, of {list(sizes)} values'


@add_outputs.register
def _(model: DAEKMeans, graph, x, arrays):
    z, n_layers = graph.scaled(x, model.shift_, model.scale_), \
        len(model.encoder_.encoder)
    for i in range(n_layers):
        z = graph.linear(z, arrays, f'encoder/{i}')
        if i < n_layers - 1:
            z = graph('Relu', z)
    z = graph('Unsqueeze', z, numpy.array([1]))
    difference = graph('Sub', z, arrays['centers'])
    square = graph('ReduceSum', graph('Mul', difference, difference),
                   numpy.array([2]), keepdims=0)
    graph.clusters(graph('Neg', square))  # the nearest
    if isinstance(model, DEC):
        q = graph('Reciprocal', graph('Add', square, numpy.float32(1)))
        graph.output('probability', graph('Div', q, graph(
            'ReduceSum', q, numpy.array([1]))), TensorProto.FLOAT,
            model.n_clusters)
    return f'clusters 0 to {model.n_clusters - 1}'


@add_outputs.register
def _(model: DeepHasher, graph, x, arrays):
    h = graph.scaled(x, model.mean_, model.scale_)
    for i in range(1, len(layers(model.hidden)) + 2):
        h = graph('Tanh', graph.linear(h, arrays, f'l{i}'))
    return graph.bits(h, model.n_bits)
