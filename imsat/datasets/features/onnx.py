"""Features of any network for images, an ONNX file, by ONNX Runtime."""
import functools
import hashlib
import json
import re
import warnings
from pathlib import Path

import numpy
from PIL import Image

from imsat.devices import usable_threads
from imsat.errors import ArgumentError, InputError
from imsat.parameters import Choice, checked, shown
from imsat.storage import AnyPath

# What networks take of pixels from 0 to 1: means and standard deviations that
# are taken away, in the order of the channels.
PRESETS = {
    'imagenet': ('rgb', (.485, .456, .406), (.229, .224, .225)),
    'clip': ('rgb', (.48145466, .4578275, .40821073),
             (.26862954, .26130258, .27577711)),
    'half': ('rgb', (.5,) * 3, (.5,) * 3),
    'unit': ('rgb', (0.,) * 3, (1.,) * 3),
    'caffe': ('bgr', (103.939 / 255, 116.779 / 255, 123.68 / 255),
              (1 / 255,) * 3)}
LAYOUTS, POOLS = ('nchw', 'nhwc'), ('first', 'mean', 'flatten')
DTYPES = {'tensor(float)': numpy.float32, 'tensor(float16)': numpy.float16}
# Shares of the largest number by which batches may differ.
ROUNDING = {numpy.float32: 1e-4, numpy.float16: 1e-2}
CUDA = 'CUDAExecutionProvider'
SIZE = 224  # where neither the network nor the user says one


class ONNXFeatures:
    """Calls with images give what a layer of a network says of them.

    Args:
        path (path): The ONNX file, with one input for images.  Weights in
            files beside it belong to it.
        layer (str): Whose output is taken, by the name that it has in the
            file; by default the network's first.
        size (tuple): (height, width) to which images are scaled, by default
            what the network takes, or SIZE.
        layout (str): ``'nchw'`` or ``'nhwc'``; by default from the shape of
            the input.
        preset (str): Of PRESETS: ``'imagenet'`` as torchvision and DINOv2
            have it, ``'clip'``, ``'half'`` for pixels from -1 to 1,
            ``'unit'`` for 0 to 1, ``'caffe'`` for blue, green and red from 0
            to 255 without their means.
        mean, std (sequence of float): In place of the preset's, in the order
            of the channels.
        channels (str): ``'rgb'`` or ``'bgr'``, in place of the preset's,
            whose means go along.
        pool (str): What is taken of a layer with many numbers a place or a
            token: ``'first'``, those of the first token, which stands for the
            image; ``'mean'`` over all; ``'flatten'``, all of them.
        axis (int): Which axis of that layer has these numbers, counted from
            the images, which are 0; by default the last of tokens, and of
            places that beside which the sides are as those of the images.
        device (int): -1 the CPU, N the GPU number N of ONNX Runtime.

    Attributes:
        size (tuple): What was taken.
        kind (str): What the features depend on, but for the device.
        note (str): The same in words.
        reading (str): What was made of the layer's numbers, once some images
            were seen; empty where each image has a single row of them.

    Raises:
        InputError: Without ONNX Runtime, and for what does not go with the
            network.
    """

    @checked(preset=Choice(PRESETS), layout=Choice(LAYOUTS),
             channels=Choice(('rgb', 'bgr')),
             pool=Choice(POOLS))
    def __init__(self, path: AnyPath, layer: str | None = None,
                 size: tuple[int, int] | None = None,
                 layout: str | None = None, preset: str = 'imagenet',
                 mean=None, std=None, channels: str | None = None,
                 pool: str | None = None, axis: int | None = None,
                 device: int = -1) -> None:
        usual, *of_preset = PRESETS[preset]
        self.channels = channels or usual
        order = slice(None, None, 1 if self.channels == usual else -1)
        self.mean, self.std = (
            _three(name, values[order] if given is None else given)
            for name, given, values in zip(('mean', 'std'), (mean, std),
                                           of_preset))
        if not (self.std > 0).all():
            raise ArgumentError('std', 'has a number that is not above 0; '
                                'give three that are', '--std')
        self.session, self.layer, sha = _open(Path(path), layer, device)
        self.pool, self.axis, self.reading = pool, axis, ''
        # How many copies of an image are taken at a time; 0: many images are.
        self._copies, self._is_tried = 0, False
        inputs = self.session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 \
                or inputs[0].type not in DTYPES:
            raise InputError(
                f'{path} takes '
                + ', '.join(f'{i.name} ({i.type} {i.shape})' for i in inputs)
                + ', and not one batch of images as float; export the part '
                'of it that takes images')
        shape, self.dtype = inputs[0].shape, DTYPES[inputs[0].type]
        self.input = inputs[0].name
        told = [name for name, axis in zip(LAYOUTS, (1, 3))
                if shape[axis] == 3]
        if layout and told and layout not in told:
            raise ArgumentError(
                'layout', f'is {layout!r}, but {path} takes {shape}, which is '
                f'{told[0]}; leave it out', '--layout')
        self.layout = layout or (told[0] if told else None)
        taken = [shape[axis] for name, axis in zip(LAYOUTS, (1, 3))
                 if self.layout in (None, name)]
        if all(isinstance(channels, int) and channels != 3
               for channels in taken):
            raise InputError(
                f'{path} takes {shape}, and no images of three channels, '
                f'which is what they have here; export a network that does')
        if self.layout is None:
            raise ArgumentError(
                'layout', f'is not known: {path} takes {shape}; give nchw or '
                f'nhwc', '--layout')
        places = (1, 2) if self.layout == 'nhwc' else (2, 3)
        known = [shape[axis] if isinstance(shape[axis], int) else None
                 for axis in places]
        wanted = size or (SIZE, SIZE)
        height, width = (int(k or w) for k, w in zip(known, wanted))
        self.size = height, width
        if size and self.size != tuple(size):
            raise ArgumentError(
                'size', f'is {size[0]} x {size[1]}, but {path} takes '
                f'{self.size[0]} x {self.size[1]}; leave it out', '--size')
        self.batch = shape[0] if isinstance(shape[0], int) else None
        settings = dict(
            layer=self.layer, size=self.size, layout=self.layout,
            channels=self.channels, mean=self.mean.tolist(),
            std=self.std.tolist(), pool=pool, axis=axis)
        self.kind = 'onnx-' + hashlib.sha256(
            (sha + json.dumps(settings)).encode()).hexdigest()[:16]
        self.note = (
            f'Features at {self.layer} of an ONNX network with SHA-256 {sha}, '
            f'images scaled to {self.size[0]} x {self.size[1]}, '
            f'{self.channels}, less {numpy.round(self.mean, 4).tolist()}, '
            f'divided by {numpy.round(self.std, 4).tolist()}'
            + (f', {pool}.' if pool else '.'))

    def __call__(self, images: numpy.ndarray) -> numpy.ndarray:
        """Features of images, shape (N, height, width, 3), uint8, RGB.

        Returns:
            numpy.ndarray: Shape (N, d), float32.
        """
        y = self._pooled(self._outputs(numpy.stack(
            [self._prepare(image) for image in images])))
        if not numpy.isfinite(y).all():
            raise InputError(f'{self.layer} gives NaN or infinity; choose the '
                             f'preset or means that the network was made for')
        return y

    def _outputs(self, x):
        """The layer's numbers, in batches that the network can take."""
        if self._copies:
            return self._by(x, 1, self._copies)
        # Of a lone image some networks lose the first axis.
        step = self.batch or max(2, len(x))
        try:
            y = self._by(x, step, step)
        except InputError:
            if self.batch:
                raise
            # Others are made for one, whatever they say.
            y = self._by(x, 1, 1)
            self._copies = 1
            return y
        if self._is_tried or len(x) == 1 or not numpy.isfinite(y).all():
            return y
        self._is_tried = True
        # One of two may be what the others are measured by.
        ends = [0, -1]
        alone = self._by(x[ends], 1, step)
        if abs(alone - y[ends]).max() <= ROUNDING[self.dtype] * abs(y).max():
            return y
        warnings.warn(
            f'what {self.layer} says of an image depends on the others of '
            f'its batch, so that each is taken alone; export the network for '
            f'use, and not for training or with dynamic quantization')
        self._copies = self.batch or 2
        return self._by(x, 1, self._copies)

    def _by(self, x, step, width):
        """The layer's numbers, of ``step`` images at a time, which are
        repeated until they are ``width``: a network may ask for so many."""
        parts = []
        for start in range(0, len(x), step):
            part = x[start:start + step]
            filled = numpy.resize(part, (width, *part.shape[1:]))
            parts.append(self._run(filled)[:len(part)])
        return numpy.concatenate(parts)

    def _prepare(self, image):
        if image.shape[:2] != self.size:
            image = numpy.asarray(Image.fromarray(image).resize(
                (self.size[1], self.size[0]), Image.Resampling.BICUBIC))
        if self.channels == 'bgr':
            image = image[..., ::-1]
        x = (image / numpy.float32(255) - self.mean) / self.std
        return (x.transpose(2, 0, 1) if self.layout == 'nchw' else x).astype(
            self.dtype)

    def _run(self, x):
        try:
            y, = self.session.run([self.layer], {self.input: x})
        except _faults() as e:
            raise InputError(
                f'the network can not take images of {self.size[0]} x '
                f'{self.size[1]} ({_reason(e)}); give another --size or '
                f'--layout, or a smaller --chunk where memory is short'
            ) from e
        if isinstance(y, numpy.ndarray) and len(x) == 1 \
                and y.shape[:1] != (1,):
            y = y[None]  # its network is for one image
        if not isinstance(y, numpy.ndarray) or y.dtype.kind != 'f' \
                or y.shape[:1] != x.shape[:1]:
            raise InputError(f'{self.layer} gives no numbers for each image; '
                             f'choose another layer (--layer)')
        return y.astype(numpy.float32)

    def _pooled(self, y):
        """A row of numbers for each image."""
        if y.ndim > 2 and y[0].size > max(y.shape[1:]):
            gives = (f'{self.layer} gives {_sides(y.shape[1:])} numbers an '
                     f'image')
            if self.pool is None:
                raise InputError(f'{gives}; choose --pool first, mean or '
                                 f'flatten, or another --layer')
            if self.pool == 'first' and y.ndim != 3:
                raise InputError(
                    f'{gives}, and no tokens, of which the first could be '
                    f'taken; choose --pool mean or flatten')
            if self.pool != 'flatten':
                y = numpy.moveaxis(y, self._axis_of(y.shape, gives), 1)
                self.reading = (
                    f'{"the first" if self.pool == "first" else "the mean"} '
                    f'of {_sides(y.shape[2:])} rows of {y.shape[1]} numbers')
                y = y.reshape(*y.shape[:2], -1)
                y = y[..., 0] if self.pool == 'first' else y.mean(axis=2)
        return y.reshape(len(y), -1)

    def _axis_of(self, shape, gives):
        """Which axis has the channels, the tokens or places aside."""
        if self.axis is not None:
            if 1 <= self.axis < len(shape):
                return self.axis
        elif len(shape) == 3:
            return 2
        elif len(shape) == 4:
            (height, width), sides = self.size, shape[1:]
            # Within a step of rounding, none of a square.
            found = [axis for axis, (a, b) in ((1, sides[1:]), (3, sides[:2]))
                     if abs(a * width - b * height) < max(height, width)]
            if len(found) == 1:
                return found[0]
        raise ArgumentError(
            'axis', ('is not known' if self.axis is None
                     else f'is {self.axis}') + f': {gives}; give that of the '
            f'numbers of a place, from 1 to {len(shape) - 1}', '--axis')


def _three(name, values):
    try:
        numbers = numpy.array(values, numpy.float32)
    except (TypeError, ValueError):
        numbers = numpy.empty(0, numpy.float32)
    if numbers.shape != (3,) or not numpy.isfinite(numbers).all():
        raise ArgumentError(name, f'is {shown(values)}; give three numbers, '
                            f'one a channel', f'--{name}')
    return numbers


def _sides(shape):
    return ' x '.join(map(str, shape))


def _open(path, layer, device):
    """A session of ONNX Runtime, the name of its layer, and the SHA-256 of
    the file and those with its weights."""
    try:
        import onnx
        import onnxruntime
        from google.protobuf.message import DecodeError
    except ImportError as e:
        raise InputError(f"an ONNX network needs more packages ({e}); install "
                         f"them: pip install 'imsat[onnx]'") from e
    content = path.read_bytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_threads()
    start = functools.partial(onnxruntime.InferenceSession,
                              sess_options=options,
                              providers=_providers(onnxruntime, device))
    try:
        model = onnx.load_from_string(content)
        sha = hashlib.sha256(content)
        del content  # a network takes gigabytes
        for beside in _files_beside(onnx, path, model):
            with open(beside, 'rb') as f:
                while block := f.read(1 << 20):
                    sha.update(block)
        names = [output.name for output in model.graph.output]
        known = [name for node in model.graph.node for name in node.output]
        if layer is None or layer in names:
            del model
            session = start(str(path))
        elif layer not in known:
            raise InputError(f'{path} has no layer {layer!r}; choose among '
                             f'{", ".join(known[-8:])}, ...')
        else:
            model.graph.output.append(
                onnx.helper.make_empty_tensor_value_info(layer))
            options.add_session_config_entry(
                'session.model_external_initializers_file_folder_path',
                str(_follow_links(onnx, path, model)))
            session = start(model.SerializeToString())
    except (*_faults(), DecodeError) as e:
        reason = _reason(e)
        raise InputError(
            f'{path} is no ONNX network that can be run ({reason}); '
            + ('update onnxruntime, or ' if re.search(
                r'opset|IR version', reason, re.IGNORECASE) else '')
            + 'export it again') from e
    if device >= 0 and session.get_providers()[0] != CUDA:
        raise ArgumentError('device', f'is {device}, which ONNX Runtime can '
                            f'not use; give another, or -1 for the CPU',
                            '--device')
    return session, layer or names[0], sha.hexdigest()


def _providers(onnxruntime, device):
    if device == -1:
        return ['CPUExecutionProvider']
    if device < -1:
        raise ArgumentError('device', f'is {device}; give the number of a '
                            f'GPU, or -1 for the CPU', '--device')
    if CUDA not in onnxruntime.get_available_providers():
        raise ArgumentError(
            'device', f'is {device}, and this ONNX Runtime is for CPUs alone; '
            f'install onnxruntime-gpu in its place, or give -1', '--device')
    return [(CUDA, {'device_id': device, 'use_tf32': 0}),
            'CPUExecutionProvider']


def _files_beside(onnx, path, model):
    """Where else the weights of a network are."""
    paths = [path.parent / name for name in sorted(
        {info.location for _, info in _weights_beside(onnx, model)})]
    for beside in paths:
        if not beside.is_file():
            raise InputError(f'weights of {path} are in {beside}, which is '
                             f'not there; put it there, or export the network '
                             f'again')
    return paths


def _follow_links(onnx, path, model):
    """Names the files that links beside a network lead to, as Hugging Face's
    cache has them, and which ONNX Runtime refuses; returns their folder."""
    folder = path.absolute().parent
    for tensor, info in _weights_beside(onnx, model):
        beside = (path.parent / info.location).resolve()
        if (path.parent / info.location).is_symlink():
            folder = beside.parent
            for entry in tensor.external_data:
                if entry.key == 'location':
                    entry.value = beside.name
    return folder


def _weights_beside(onnx, model):
    """Tensors that are in other files, and where."""
    helper = onnx.external_data_helper
    nodes = [*model.graph.node, *(node for function in model.functions
                                  for node in function.node)]
    for tensor in (*model.graph.initializer, *_tensors(nodes)):
        if helper.uses_external_data(tensor):
            yield tensor, helper.ExternalDataInfo(tensor)


def _tensors(nodes):
    """Those that nodes, and the graphs within them, have for attributes."""
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for graph in attribute.g, *attribute.graphs:
                yield from graph.initializer
                yield from _tensors(graph.node)


def _faults():
    """What ONNX Runtime raises."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state
    return tuple(kind for kind in vars(state).values() if isinstance(
        kind, type) and issubclass(kind, Exception)) + (RuntimeError,)


def _reason(error):
    """What ONNX Runtime says, without its code and the place in its own."""
    text = re.sub(r'\[ONNXRuntimeError\] : \d+ : \w+ : ', '',
                  ' '.join(str(error).split()))
    text = re.sub(r'\S*/onnxruntime\S*/\S+:\d+ .*?\) ', '', text, count=1)
    return text if len(text) <= 300 else '... ' + text[-300:]
