"""features.py, as a user runs it."""
import functools

import numpy
import pytest
import scripts
from PIL import Image

from imsat.datasets import load_dataset
from imsat.datasets.features.gist import gist
from imsat.datasets.features.resnet import ResNetFeatures

RNG = numpy.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (3, 32, 32, 3)).astype('u1')
run = functools.partial(scripts.run, 'features')


@pytest.fixture
def images(tmp_path):
    path = tmp_path / 'images.npz'
    numpy.savez(path, images=IMAGES, y=[0, 1, 0])
    return path


@pytest.mark.parametrize('kind', ['gray', 'color'])
def test_gist(images, tmp_path, kind):
    out = tmp_path / 'out.npz'
    process = run('gist', '--dataset', images, '--out', out, '--kind', kind)
    assert process.returncode == 0 and '3/3' in process.stderr
    data = load_dataset(str(out))
    numpy.testing.assert_allclose(data.x, gist(IMAGES, kind), rtol=1e-5)
    assert data.y.tolist() == [0, 1, 0] and 'GIST' in data.notes[0]


def test_resnet(images, tmp_path, resnet_weights):
    out = tmp_path / 'out.npz'
    process = run('resnet50', '--dataset', images, '--out', out,
                  '--weights', resnet_weights, '--size', 64, '--chunk', 2)
    assert process.returncode == 0 and '3/3' in process.stderr
    data = load_dataset(str(out))
    expected = ResNetFeatures(resnet_weights)(IMAGES, (64, 64))
    # Chunks of 2 and of 3 images are summed in other orders, and small
    # features are what is left of terms as large as the largest.
    numpy.testing.assert_allclose(data.x, expected, rtol=1e-3,
                                  atol=1e-6 * expected.max())
    assert data.y.tolist() == [0, 1, 0] and 'SHA-256' in data.notes[0]


def test_a_network_on_a_folder(tmp_path):
    onnx = pytest.importorskip('onnx')
    pytest.importorskip('onnxruntime')
    helper = onnx.helper
    onnx.save(helper.make_model(helper.make_graph(
        [helper.make_node('GlobalAveragePool', ['x'], ['y'])], 'network',
        [helper.make_tensor_value_info(
            'x', onnx.TensorProto.FLOAT, ['N', 3, 'h', 'w'])],
        [helper.make_empty_tensor_value_info('y')]), ir_version=8,
        opset_imports=[helper.make_opsetid('', 17)]), tmp_path / 'mean.onnx')
    for kind, image in zip('aab', IMAGES):
        (tmp_path / 'photos' / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(
            tmp_path / 'photos' / kind / f'{image[0, 0, 0]}.png')
    out = tmp_path / 'out.npz'
    options = ['--model', tmp_path / 'mean.onnx', '--dataset',
               tmp_path / 'photos', '--out', out, '--preset', 'unit',
               '--size', 32, '--chunk', 1]
    process = run(*options, killed=(
        'imsat.datasets.features.onnx', 'ONNXFeatures.__call__', 3))
    assert process.returncode < 0 and not out.exists()
    process = run('onnx', *options, killed=(
        'imsat.datasets.features.onnx', 'ONNXFeatures.__call__', 2))
    assert process.returncode == 0, 'it began anew'
    assert process.stdout == f'{out} has 3 features of each of 3 images\n'
    data = load_dataset(str(out))
    order = sorted([0, 1], key=lambda i: str(IMAGES[i, 0, 0, 0])) + [2]
    assert data.index == [path.relative_to(tmp_path / 'photos').as_posix()
                          for path in sorted(tmp_path.glob('photos/*/*'))]
    numpy.testing.assert_array_equal(data.thumbnails, IMAGES[order])
    numpy.testing.assert_allclose(
        data.x, IMAGES[order].mean(axis=(1, 2)) / 255, rtol=1e-5)
    assert data.y.tolist() == ['a', 'a', 'b'] and 'SHA-256' in data.notes[0]


@pytest.mark.parametrize('options,message', [
    (['gist', '--dataset', 'mnist', '--out', 'a.npz'], 'not known'),
    (['gist', '--dataset', 'a.npz', '--out', 'b.npz'], 'no file a.npz'),
    (['gist', '--dataset', 'svhn', '--data-dir', '.', '--out', 'b.npz'],
     'train_32x32.mat'),
    (['resnet50', '--dataset', 'none', '--weights', 'none', '--out', 'b.csv'],
     'b.csv is no name'),  # before anything is read
    (['gist', '--dataset', 'IMAGES', '--out', 'b.npz', '--device', '99'],
     'no GPU 99'),
    (['resnet50', '--dataset', 'IMAGES', '--out', 'b.npz',
      '--weights', 'none.npz'], 'none.npz'),
    (['resnet50', '--dataset', 'IMAGES', '--out', 'b.npz',
      '--weights', 'IMAGES'], 'ResNet50Layers'),
    (['onnx', '--dataset', 'IMAGES', '--out', 'b.npz', '--model', 'IMAGES'],
     'no ONNX network'),
    (['resnet50', '--dataset', 'IMAGES', '--out', 'b.npz', '--weights',
      'WEIGHTS', '--size', '200000'], 'smaller --chunk, or')])
def test_errors(images, resnet_weights, options, message):
    options = [dict(IMAGES=images, WEIGHTS=resnet_weights).get(option, option)
               for option in options]
    process = run(*options)
    assert process.returncode == 2 and message in process.stderr
    assert process.stderr.count('\n') == 1 and 'Traceback' not in \
        process.stderr


def test_help_says_where_the_weights_are():
    assert 'resnet50 --help' in ' '.join(run('--help').stdout.split())
    process = run('resnet50', '--help')
    assert process.returncode == 0
    for text in ('github.com/KaimingHe/deep-residual-networks',
                 'convert_caffemodel_to_npz', '(N, height, width, 3)'):
        assert text in process.stdout


def test_quiet(images, tmp_path):
    process = scripts.run_anew('features', 'gist', '--dataset', images,
                               '--out', tmp_path / 'a.npz', '--quiet')
    assert (process.returncode, process.stderr) == (0, '')


def test_what_is_read_is_not_written_over(images, tmp_path, resnet_weights):
    link = tmp_path / 'link.npz'
    link.symlink_to(images)
    for out in images, link:
        before = images.read_bytes()
        process = run('gist', '--dataset', images, '--out', out)
        assert process.returncode == 2
        assert 'is what is read, and would be lost' in process.stderr
        assert images.read_bytes() == before
    for options in ['resnet50', '--weights'], ['--model']:
        process = run(*options, resnet_weights, '--dataset', images,
                      '--out', resnet_weights)
        assert process.returncode == 2 and 'would be lost' in process.stderr
