"""Features of small networks that are made here, against sums by hand."""
import numpy
import pytest
from PIL import Image

from imsat import InputError
from imsat.datasets.features.onnx import PRESETS, ONNXFeatures

pytest.importorskip('onnxruntime')
onnx = pytest.importorskip('onnx')
helper, FLOAT = onnx.helper, onnx.TensorProto.FLOAT

RNG = numpy.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 6, 4, 3)).astype('u1')
W = RNG.normal(size=(7, 3)).astype('f')


def write(path, nodes, shape, kind=FLOAT, **constants):
    """A network from x to y."""
    onnx.save(helper.make_model(helper.make_graph(
        nodes, 'network', [helper.make_tensor_value_info('x', kind, shape)],
        [helper.make_empty_tensor_value_info('y')],
        [onnx.numpy_helper.from_array(value, name)
         for name, value in constants.items()]),
        ir_version=8, opset_imports=[helper.make_opsetid('', 17)]), path)
    return path


def convolution(path, shape=('N', 3, 'h', 'w'), nhwc=False, kind=FLOAT):
    """Of each pixel W times its colours, and then means over all pixels."""
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    x = 'x'
    nodes = []
    if nhwc:
        nodes = [helper.make_node('Transpose', ['x'], ['z'],
                                  perm=[0, 3, 1, 2])]
        x = 'z'
    return write(path, [
        *nodes, helper.make_node('Conv', [x, 'W'], ['pixels']),
        helper.make_node('GlobalAveragePool', ['pixels'], ['y'])],
        shape, kind, W=W[:, :, None, None].astype(dtype))


def expected(images, preset='imagenet', w=W):
    """The same in float64."""
    channels, mean, std = PRESETS[preset]
    x = images.astype(float) / 255
    if channels == 'bgr':
        x = x[..., ::-1]
    return ((x - mean) / std).mean(axis=(1, 2)) @ w.T


@pytest.fixture
def network(tmp_path):
    return convolution(tmp_path / 'network.onnx')


@pytest.mark.parametrize('preset', PRESETS)
def test_presets(network, preset):
    y = ONNXFeatures(network, size=(6, 4), preset=preset)(IMAGES)
    assert y.dtype == numpy.float32
    numpy.testing.assert_allclose(y, expected(IMAGES, preset), rtol=1e-4,
                                  atol=1e-4)


def test_own_means_and_order(network):
    features = ONNXFeatures(network, size=(6, 4), mean=(.1, .2, .3),
                            std=(1, 2, 4), channels='bgr')
    x = (IMAGES[..., ::-1] / 255. - [.1, .2, .3]) / [1, 2, 4]
    numpy.testing.assert_allclose(
        features(IMAGES), x.mean(axis=(1, 2)) @ W.T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('shape,nhwc,kind,tolerance', [
    (('N', 'h', 'w', 3), True, FLOAT, 1e-4),
    ((2, 3, 6, 4), False, FLOAT, 1e-4),  # two images at a time, of five
    ((1, 6, 4, 3), True, FLOAT, 1e-4)])
def test_layouts_and_fixed_batches(tmp_path, shape, nhwc, kind, tolerance):
    path = convolution(tmp_path / 'network.onnx', shape, nhwc, kind)
    features = ONNXFeatures(path, size=(6, 4))
    numpy.testing.assert_allclose(features(IMAGES), expected(IMAGES),
                                  rtol=tolerance, atol=tolerance)


def test_layers_and_pools(network):
    pixels = (IMAGES / 255. - PRESETS['imagenet'][1]) \
        / PRESETS['imagenet'][2] @ W.T

    def of(pool, layer='pixels'):
        return ONNXFeatures(network, layer, (6, 4), pool=pool)(IMAGES)
    numpy.testing.assert_allclose(of('mean'), expected(IMAGES), rtol=1e-4,
                                  atol=1e-4)
    numpy.testing.assert_allclose(
        of('flatten'), pixels.transpose(0, 3, 1, 2).reshape(5, -1),
        rtol=1e-4, atol=1e-4)
    with pytest.raises(InputError, match='pixels gives 7 x 6 x 4 numbers an '
                       'image; choose --pool'):
        of(None)
    with pytest.raises(InputError, match="no layer 'z'; choose among pixels"):
        of(None, 'z')


def test_tokens(tmp_path):
    # Pixels row by row, as tokens of three numbers each.
    path = write(tmp_path / 'network.onnx', [
        helper.make_node('Reshape', ['x', 'to'], ['z']),
        helper.make_node('Transpose', ['z'], ['y'], perm=[0, 2, 1])],
        ('N', 3, 6, 4), to=numpy.array([0, 3, -1]))
    first, mean = (ONNXFeatures(path, preset='unit', pool=pool)(IMAGES)
                   for pool in ('first', 'mean'))
    numpy.testing.assert_allclose(first, IMAGES[:, 0, 0] / 255, rtol=1e-5)
    numpy.testing.assert_allclose(mean, IMAGES.mean(axis=(1, 2)) / 255,
                                  rtol=1e-4)


def test_images_are_scaled(tmp_path):
    path = convolution(tmp_path / 'network.onnx', ('N', 3, 8, 5))
    features = ONNXFeatures(path)
    assert features.size == (8, 5)
    scaled = numpy.stack([numpy.asarray(Image.fromarray(image).resize(
        (5, 8), Image.Resampling.BICUBIC)) for image in IMAGES])
    numpy.testing.assert_allclose(features(IMAGES), expected(scaled),
                                  rtol=1e-4, atol=1e-4)
    assert ONNXFeatures(convolution(path)).size == (224, 224)


def test_what_features_depend_on(network):
    kinds = {ONNXFeatures(network, **options).kind for options in (
        {}, dict(size=(6, 4)), dict(preset='clip'), dict(channels='bgr'),
        dict(layer='pixels'), dict(pool='mean'), dict(std=(1, 1, 2)))}
    assert len(kinds) == 7
    assert ONNXFeatures(network).kind in kinds


def test_weights_in_another_file(network, tmp_path):
    def save(factor):
        model = onnx.load(network)
        weights, = model.graph.initializer
        weights.raw_data = (factor * W).tobytes()
        (tmp_path / 'weights').unlink(missing_ok=True)
        onnx.save(model, path, save_as_external_data=True, location='weights',
                  size_threshold=0)
    path = tmp_path / 'graph.onnx'
    kinds, graphs = set(), set()
    for factor in 1, 2:
        save(factor)
        graphs.add(path.read_bytes())
        features = ONNXFeatures(path, size=(6, 4))
        kinds.add(features.kind)
        numpy.testing.assert_allclose(
            features(IMAGES), expected(IMAGES, w=factor * W), rtol=1e-4,
            atol=1e-4)
        inner = ONNXFeatures(path, 'pixels', (6, 4), pool='mean')
        numpy.testing.assert_allclose(
            inner(IMAGES), expected(IMAGES, w=factor * W), rtol=1e-4,
            atol=1e-4)
    assert len(graphs) == 1 and len(kinds) == 2

    # As links lead to them from Hugging Face's cache.
    blobs, snapshot = tmp_path / 'blobs', tmp_path / 'snapshot'
    blobs.mkdir()
    snapshot.mkdir()
    for name in 'graph.onnx', 'weights':
        (tmp_path / name).rename(blobs / f'hash of {name}')
        (snapshot / name).symlink_to(blobs / f'hash of {name}')
    for layer, pool in (None, None), ('pixels', 'mean'):
        linked = ONNXFeatures(snapshot / 'graph.onnx', layer, (6, 4),
                              pool=pool)
        numpy.testing.assert_allclose(linked(IMAGES), expected(
            IMAGES, w=2 * W), rtol=1e-4, atol=1e-4)
        assert linked.kind == (inner if layer else features).kind
    (snapshot / 'weights').unlink()
    with pytest.raises(InputError, match='are in .*snapshot/weights, which '
                                         'is not there; put it there'):
        ONNXFeatures(snapshot / 'graph.onnx')


def test_weights_within_a_node_in_another_file(tmp_path):
    path, kinds = tmp_path / 'network.onnx', set()
    for factor in 1, 2:
        value = onnx.numpy_helper.from_array(factor * W[:, :, None, None])
        write(path, [helper.make_node('Constant', [], ['W'], value=value),
                     helper.make_node('Conv', ['x', 'W'], ['pixels']),
                     helper.make_node('GlobalAveragePool', ['pixels'], ['y'])],
              ('N', 3, 6, 4))
        model = onnx.load(path)
        (tmp_path / 'weights').unlink(missing_ok=True)
        onnx.save(model, path, save_as_external_data=True, location='weights',
                  size_threshold=0, convert_attribute=True)
        features = ONNXFeatures(path)
        kinds.add(features.kind)
        numpy.testing.assert_allclose(
            features(IMAGES), expected(IMAGES, w=factor * W), rtol=1e-4,
            atol=1e-4)
    assert len(kinds) == 2


def test_no_gpu(network):
    onnxruntime = pytest.importorskip('onnxruntime')
    with pytest.raises(InputError, match='device is -3; give the number'):
        ONNXFeatures(network, device=-3)
    if 'CUDAExecutionProvider' in onnxruntime.get_available_providers():
        pytest.skip('this ONNX Runtime has GPUs')
    with pytest.raises(InputError, match='device is 0, and this ONNX Runtime '
                                         'is for CPUs alone'):
        ONNXFeatures(network, device=0)


@pytest.mark.parametrize('shape,options,message', [
    (('N', 3, 8, 5), dict(size=(6, 4)), '6 x 4, but .* takes 8 x 5'),
    (('N', 'c', 'h', 'w'), {}, 'is not known: .*; give nchw or nhwc'),
    (('N', 3, 'h', 'w'), dict(layout='nhwc'), "'nhwc', but .* is nchw; leave"),
    (('N', 3, 'h', 'w'), dict(std=(1, 0, 1)), 'not above 0'),
    (('N', 3, 'h', 'w'), dict(mean=(1, 2)), 'mean is .*; give three numbers'),
    (('N', 3, 'h', 'w'), dict(std=(1, 2, numpy.inf)), 'give three numbers'),
    (('N', 3, 'h', 'w'), dict(preset='other'), 'preset .*choose one of'),
    (('N', 1, 'h', 4), {}, 'no images of three channels'),
    (('N', 1, 'h', 'w'), dict(layout='nchw'), 'no images of three channels')])
def test_what_does_not_go_together(tmp_path, shape, options, message):
    path = convolution(tmp_path / 'network.onnx', shape)
    with pytest.raises(InputError, match=message):
        ONNXFeatures(path, **options)


def test_of_no_images(tmp_path):
    path = write(tmp_path / 'network.onnx', [
        helper.make_node('Identity', ['x'], ['y'])], ('N', 3, 8))
    with pytest.raises(InputError, match=r"x \(tensor\(float\) \['N', 3, 8\]"
                                         r"\), and not one batch of images"):
        ONNXFeatures(path)


def test_no_network(tmp_path):
    path = tmp_path / 'network.onnx'
    for content in b'', b'no network', convolution(path).read_bytes()[:-40]:
        path.write_bytes(content)
        with pytest.raises(InputError, match='network.onnx is no ONNX '
                           'network that can be run'):
            ONNXFeatures(path)


def test_infinite(tmp_path):
    path = write(tmp_path / 'network.onnx', [
        helper.make_node('ReduceMean', ['x'], ['z'], axes=[2, 3]),
        helper.make_node('Log', ['z'], ['y'])], ('N', 3, 6, 4))
    with pytest.raises(InputError, match='NaN or infinity'):
        ONNXFeatures(path)(numpy.zeros_like(IMAGES))


@pytest.mark.parametrize('preset,other', [('imagenet', 'bgr'),
                                          ('caffe', 'rgb')])
def test_means_go_along_with_their_colours(network, preset, other):
    channels, mean, std = PRESETS[preset]
    x = IMAGES[..., ::-1] if channels == 'bgr' else IMAGES
    x = ((x / 255. - mean) / std)[..., ::-1]
    features = ONNXFeatures(network, size=(6, 4), preset=preset,
                            channels=other)
    numpy.testing.assert_allclose(features(IMAGES), x.mean(axis=(1, 2)) @ W.T,
                                  rtol=1e-4, atol=1e-3)


SQUARE = RNG.integers(0, 256, (5, 6, 6, 3)).astype('u1')


@pytest.mark.parametrize('images', [IMAGES, SQUARE])
@pytest.mark.parametrize('inputs', ['nchw', 'nhwc'])
@pytest.mark.parametrize('places_first', [False, True])
def test_the_axis_of_the_channels(tmp_path, images, inputs, places_first):
    # Whatever the layout of the input, that of a layer is its own.
    nodes, x = [], 'x'
    if inputs == 'nhwc':
        x = 'z'
        nodes.append(helper.make_node('Transpose', ['x'], ['z'],
                                      perm=[0, 3, 1, 2]))
    nodes.append(helper.make_node('Conv', [x, 'W'], [
        'w' if places_first else 'y']))
    if places_first:
        nodes.append(helper.make_node('Transpose', ['w'], ['y'],
                                      perm=[0, 2, 3, 1]))
    sides = images.shape[1:3]
    shape = ('N', 3, *sides) if inputs == 'nchw' else ('N', *sides, 3)
    path = write(tmp_path / 'network.onnx', nodes, shape,
                 W=W[:, :, None, None])
    features = ONNXFeatures(path, preset='unit', pool='mean')
    numpy.testing.assert_allclose(
        features(images), (images / 255.).mean(axis=(1, 2)) @ W.T, rtol=1e-4,
        atol=1e-5)
    assert features.reading == (f'the mean of {sides[0]} x {sides[1]} rows '
                                f'of 7 numbers')
    with pytest.raises(InputError, match='no tokens, of which the first'):
        ONNXFeatures(path, preset='unit', pool='first')(images)


def test_an_axis_that_can_not_be_told(tmp_path):
    # Three channels of 3 x 3 pixels.
    path = write(tmp_path / 'network.onnx', [
        helper.make_node('Identity', ['x'], ['y'])], ('N', 3, 3, 3))
    images = IMAGES[:, :3, :3]

    def of(axis):
        return ONNXFeatures(path, preset='unit', pool='mean', axis=axis)(
            images)
    with pytest.raises(InputError, match='axis is not known: y gives 3 x 3 x '
                                         '3 numbers an image; give that of'):
        of(None)
    with pytest.raises(InputError, match='axis is 4: y gives'):
        of(4)
    x = images.transpose(0, 3, 1, 2) / 255.
    numpy.testing.assert_allclose(of(1), x.mean(axis=(2, 3)), rtol=1e-5)
    numpy.testing.assert_allclose(of(3), x.mean(axis=(1, 2)), rtol=1e-5)


def test_channels_before_tokens(tmp_path):
    path = write(tmp_path / 'network.onnx', [
        helper.make_node('Reshape', ['x', 'to'], ['y'])], ('N', 3, 6, 4),
        to=numpy.array([0, 3, -1]))
    x = IMAGES.transpose(0, 3, 1, 2).reshape(5, 3, 24) / 255.
    for axis, of in (None, 1), (2, 1), (1, 2):
        features = ONNXFeatures(path, preset='unit', pool='mean', axis=axis)
        numpy.testing.assert_allclose(features(IMAGES), x.mean(axis=of),
                                      rtol=1e-4)


@pytest.mark.parametrize('nodes,to', [
    # All sides of 1 are lost, that of a lone image too.
    ([helper.make_node('GlobalAveragePool', ['x'], ['z']),
      helper.make_node('Squeeze', ['z'], ['y'])], None),
    # Made for one image, whatever it says of its input.
    ([helper.make_node('GlobalAveragePool', ['x'], ['z']),
      helper.make_node('Reshape', ['z', 'to'], ['y'])], [1, 3])])
def test_batches_that_a_network_can_not_take(tmp_path, nodes, to):
    path = write(tmp_path / 'network.onnx', nodes, ('N', 3, 6, 4),
                 **({} if to is None else {'to': numpy.array(to)}))
    for n in 1, 2, 5:
        y = ONNXFeatures(path, preset='unit')(IMAGES[:n])
        numpy.testing.assert_allclose(
            y, IMAGES[:n].mean(axis=(1, 2)) / 255, rtol=1e-4)


def test_a_network_that_is_too_new(tmp_path):
    model = onnx.load(convolution(tmp_path / 'network.onnx'))
    model.ir_version = 99
    onnx.save(model, tmp_path / 'network.onnx')
    with pytest.raises(InputError, match='IR version: 99, max supported .*; '
                                         'update onnxruntime, or export'):
        ONNXFeatures(tmp_path / 'network.onnx')


def test_by_the_brightest_of_a_batch(tmp_path):
    """As dynamic quantization does it."""
    path = write(tmp_path / 'network.onnx', [
        helper.make_node('ReduceMax', ['x'], ['most'], keepdims=0),
        helper.make_node('Div', ['x', 'most'], ['z']),
        helper.make_node('GlobalAveragePool', ['z'], ['y'])],
        ('N', 3, 6, 4))
    images = IMAGES // 2
    images[0, 0, 0] = 255
    with pytest.warns(UserWarning, match='depends on the others of its'):
        y = ONNXFeatures(path, preset='unit')(images)
    numpy.testing.assert_allclose(
        y, images.mean(axis=(1, 2)) / images.max(axis=(1, 2, 3))[:, None],
        rtol=1e-4)


@pytest.mark.parametrize('batch', ['N', 3])
def test_an_image_does_not_depend_on_others(tmp_path, batch):
    """Less the mean of the batch, as batch normalization in training."""
    path = write(tmp_path / 'network.onnx', [
        helper.make_node('GlobalAveragePool', ['x'], ['z']),
        helper.make_node('Flatten', ['z'], ['rows']),
        helper.make_node('ReduceMean', ['rows'], ['mean'], axes=[0]),
        helper.make_node('Mul', ['mean', 'half'], ['part']),
        helper.make_node('Sub', ['rows', 'part'], ['y'])],
        (batch, 3, 6, 4), half=numpy.float32(.5))
    for n in 5, 2:
        with pytest.warns(UserWarning, match='depends on the others of its'):
            y = ONNXFeatures(path, preset='unit')(IMAGES[:n])
        # Of copies of one image that is their mean.
        numpy.testing.assert_allclose(
            y, IMAGES[:n].mean(axis=(1, 2)) / 255 / 2, rtol=1e-4)


def test_a_network_for_one_image_without_an_axis_for_it(tmp_path):
    path = write(tmp_path / 'network.onnx', [
        helper.make_node('GlobalAveragePool', ['x'], ['z']),
        helper.make_node('Squeeze', ['z'], ['y'])], (1, 3, 6, 4))
    numpy.testing.assert_allclose(
        ONNXFeatures(path, preset='unit')(IMAGES),
        IMAGES.mean(axis=(1, 2)) / 255, rtol=1e-4)


def test_means_as_an_array(network):
    means = [.1, .2, .3]
    one, other = (ONNXFeatures(network, size=(6, 4), mean=given)(IMAGES)
                  for given in (means, numpy.array(means)))
    numpy.testing.assert_array_equal(one, other)
