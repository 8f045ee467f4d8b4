"""Features of ResNet-50 (He et al., 2016), through Chainer's own."""
import typing

import chainer
import numpy
from chainer.links.model.vision.resnet import ResNet50Layers, prepare

from imsat.errors import InputError
from imsat.storage import AnyPath, load_npz, reason_of

# ResNet50Layers inherits this method, but fails in it, and today's protobuf
# reads Chainer's description of the format only in Python.
CONVERT = (
    'PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=python python -c "import imsat; '
    'from chainer.links.model.vision.resnet import ResNetLayers; '
    'ResNetLayers.convert_caffemodel_to_npz(\'ResNet-50-model.caffemodel\', '
    '\'ResNet-50-model.npz\')"')


class ResNetFeatures:
    """Calls with images give their 2,048 features at the layer pool5.

    Args:
        weights (path): An npz file of :class:`chainer.links.ResNet50Layers`,
            which the shell command :data:`CONVERT` makes from the model that
            the authors of ResNet published.
        device (chainer.backend.Device): Where to compute.

    Raises:
        InputError: If the file does not hold those weights.
    """

    def __init__(self, weights: AnyPath, device: typing.Any = None) -> None:
        self.device = device or chainer.get_device('@numpy')
        arrays = load_npz(weights)  # says what is wrong with a damaged file
        try:
            self.model = ResNet50Layers(pretrained_model=str(weights))
        except (KeyError, ValueError, TypeError) as e:
            raise InputError(
                f'{weights} does not hold the weights of Chainer\'s '
                f'ResNet50Layers ({reason_of(e)}); make it with {CONVERT}'
            ) from e
        known = chainer.serializers.DictionarySerializer()
        known.save(self.model)
        unknown = sorted(arrays.keys() - known.target.keys())
        if unknown:
            raise InputError(
                f'{weights} holds {unknown[0]}, which ResNet-50 has not; give '
                f'the weights of ResNet-50, as {CONVERT} makes them')
        self.model.to_device(self.device)

    def __call__(self, images: numpy.ndarray,
                 size: tuple[int, int] = (224, 224)) -> numpy.ndarray:
        """Features of images, shape (N, height, width, 3), uint8, RGB.

        Each is scaled to ``size``, as Chainer prepares images for ResNet.

        Returns:
            numpy.ndarray: Shape (N, 2048), float32.
        """
        x = numpy.stack([prepare(image, size) for image in images])
        with chainer.using_config('train', False), chainer.no_backprop_mode():
            y = self.model(chainer.Variable(self.device.send(x)),
                           layers=['pool5'])['pool5']
        return chainer.get_device('@numpy').send(y.array)
