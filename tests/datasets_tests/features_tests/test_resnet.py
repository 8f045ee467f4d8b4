import chainer
import numpy
import pytest
from PIL import Image

from imsat import InputError
from imsat.datasets.features.resnet import ResNetFeatures

RNG = numpy.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (2, 32, 32, 3)).astype('u1')


def test_features(resnet_weights):
    """As Chainer's own way of extracting gives them."""
    model = chainer.links.ResNet50Layers(pretrained_model=None)
    chainer.serializers.load_npz(resnet_weights, model)
    with chainer.using_config('train', False), chainer.no_backprop_mode():
        expected = model.extract(
            [Image.fromarray(image) for image in IMAGES],
            layers=['pool5'], size=(64, 64))['pool5'].array
    found = ResNetFeatures(resnet_weights)(IMAGES, size=(64, 64))
    assert found.shape == (2, 2048) and found.dtype == numpy.float32
    numpy.testing.assert_allclose(found, expected, rtol=1e-5)
    assert len(numpy.unique(expected)) > 1000


def test_damaged(resnet_weights, tmp_path):
    path = tmp_path / 'weights.npz'
    path.write_bytes(resnet_weights.read_bytes()[:10 ** 6])
    with pytest.raises(InputError, match='damaged'):
        ResNetFeatures(path)


@pytest.mark.parametrize('change', ['missing', 'shape', 'deeper'])
def test_other_weights(resnet_weights, tmp_path, change):
    arrays = dict(numpy.load(resnet_weights))
    if change == 'missing':
        del arrays['res5/b2/conv2/W']
    elif change == 'deeper':  # as ResNet-101 is
        arrays['res4/b10/conv1/W'] = arrays['res4/b5/conv1/W']
    else:
        arrays['conv1/W'] = arrays['conv1/W'][:, :, :3, :3]
    numpy.savez(tmp_path / 'weights.npz', **arrays)
    with pytest.raises(InputError, match='convert_caffemodel_to_npz'):
        ResNetFeatures(tmp_path / 'weights.npz')
