"""Features of ResNet-50 (He et al., 2016), through Chainer's own."""
import chainer
import numpy
from chainer.links.model.vision.resnet import ResNet50Layers, prepare

from imsat.errors import InputError
from imsat.files import load_npz


class ResNetFeatures:
    """Calls with images give their 2,048 features at the layer pool5.

    Args:
        weights (path): An npz file of :class:`chainer.links.ResNet50Layers`,
            which ``ResNet50Layers.convert_caffemodel_to_npz`` makes from
            the model that the authors of ResNet published.
        device (chainer.backend.Device): Where to compute.

    Raises:
        InputError: If the file does not hold those weights.
    """

    def __init__(self, weights, device=None):
        self.device = device or chainer.get_device('@numpy')
        load_npz(weights)  # says what is wrong with a damaged file
        try:
            self.model = ResNet50Layers(pretrained_model=str(weights))
        except (KeyError, ValueError, TypeError) as e:
            reason = ' '.join(str(e).split())
            raise InputError(
                f'{weights} does not hold the weights of Chainer\'s '
                f'ResNet50Layers ({reason}); make it with '
                f'ResNet50Layers.convert_caffemodel_to_npz') from e
        self.model.to_device(self.device)

    def __call__(self, images, size=(224, 224)):
        """Features of images, shape (N, height, width, 3), uint8, RGB.

        Each is scaled to ``size``, as Chainer prepares images for ResNet.

        Returns:
            numpy.ndarray: Shape (N, 2048), float32.
        """
        x = numpy.stack([prepare(image, size) for image in images])
        with chainer.using_config('train', False), chainer.no_backprop_mode():
            x = chainer.Variable(self.device.send(x))
            y = self.model(x, layers=['pool5'])['pool5']
        return chainer.get_device('@numpy').send(y.array)
