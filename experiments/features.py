"""Computes features of images: an npz file that can be clustered.

    python experiments/features.py gist --dataset cifar10 \\
        --out cifar10-gist.npz
    python experiments/clustering.py --dataset cifar10-gist.npz

    python experiments/features.py resnet50 --dataset stl --weights FILE.npz \\
        --out DATA_DIR/stl-resnet50.npz
    python experiments/clustering.py --dataset stl --data-dir DATA_DIR

    python experiments/features.py onnx --model FILE.onnx --dataset FOLDER \\
        --preset imagenet --out images.npz
    python experiments/clustering.py --dataset images.npz --clusters 10

An interrupted run goes on where it was.  "gist --help", "resnet50 --help" and
"onnx --help" say more: the second where the weights are.
"""
import argparse
import functools
import hashlib
import math
import sys
from pathlib import Path

import imsat
from common.scripts import (
    a_file, a_path, main, parser_for, positive, refuse_inputs)
from imsat.datasets.features.gist import KINDS, NOTES, gist
from imsat.datasets.features.loaders import check_output, save_features
from imsat.datasets.features.onnx import (
    LAYOUTS, POOLS, PRESETS, SIZE, ONNXFeatures)
from imsat.datasets.features.resnet import CONVERT, ResNetFeatures
from imsat.datasets.images import IMAGES, load_images
from imsat.devices import available_memory, get_device

RESUME = 'the same command goes on where it was'
GIST = """GIST of square images.

load_dataset('cifar10-gist') and 'svhn' do the same by themselves, once.
"""
RESNET50 = f"""The features of ResNet-50 at its layer pool5.

The weights are those of chainer.links.ResNet50Layers.  The file is made from
ResNet-50-model.caffemodel, which
https://github.com/KaimingHe/deep-residual-networks has, in a minute by

    {CONVERT}
"""
ONNX = """Features of any network for images, an ONNX file, by ONNX Runtime.

Presets say what is done to pixels from 0 to 1: imagenet as torchvision and
DINOv2 have it, clip, half for -1 to 1, unit for 0 to 1, caffe for blue, green
and red from 0 to 255 without their means.  Needs pip install 'imsat[onnx]'.
"""


def get_options(argv=None):
    parser = parser_for(__doc__)
    commands = parser.add_subparsers(metavar='gist|resnet50|onnx',
                                     required=True)
    add = add_command(commands, 'gist', GIST, '(N, n, n, 3)', gist_features,
                      1000)
    add('--kind', choices=sorted(KINDS), default='gray',
        help='gray: 512 features as LMgist; color: 960 as lear_gist; default '
             'gray')
    add('--out', type=a_file, required=True, metavar='FILE.npz')
    add = add_command(commands, 'resnet50', RESNET50, '(N, height, width, 3)',
                      resnet50_features, 100)
    add('--weights', type=a_path, required=True, metavar='FILE.npz',
        help="of Chainer's ResNet50Layers")
    add('--out', type=a_file, required=True, metavar='FILE.npz',
        help='DATA_DIR/DATASET-resnet50.npz is where --dataset looks for it')
    add('--size', type=positive, default=224, metavar='N',
        help='pixels to which images are scaled; default 224')
    add = add_command(commands, 'onnx', ONNX, '(N, height, width, 3)',
                      onnx_features, 100)
    add('--model', type=a_path, required=True, metavar='FILE.onnx',
        help='the network')
    add('--out', type=a_file, required=True, metavar='FILE.npz')
    add('--preset', choices=sorted(PRESETS), default='imagenet',
        help='means and order of the channels; default imagenet')
    add('--mean', type=three, metavar='X,X,X',
        help='in place of the preset\'s, in the order of the channels')
    add('--std', type=three, metavar='X,X,X',
        help='standard deviations, likewise')
    add('--channels', choices=('rgb', 'bgr'),
        help='their order; default: that of the preset')
    add('--size', type=height_width, metavar='N|HxW',
        help='pixels to which images are scaled; default: what the network '
             f'takes, or {SIZE}')
    add('--layout', choices=LAYOUTS,
        help='where the channels are; default: from the network')
    add('--layer', metavar='NAME',
        help='whose output is taken; default: the first of the network')
    add('--pool', choices=POOLS,
        help='of a layer with many tokens or places: those of the first '
             'token, the mean, or all')
    add('--axis', type=positive, metavar='N',
        help='which axis of that layer has the numbers of a token or place, '
             'counted from the images, which are 0; default: the last of '
             'tokens, and of places as their sides tell')
    argv = sys.argv[1:] if argv is None else argv
    # "features.py --model FILE" says enough.
    if argv[:1] != ['onnx'] and any(
            text.split('=')[0] == '--model' for text in argv):
        argv = ['onnx', *argv]
    return parser.parse_args(argv)


def three(text):
    numbers = tuple(map(float, text.split(',')))
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise argparse.ArgumentTypeError(f'{text} is not three numbers')
    return numbers


def height_width(text):
    sides = tuple(map(positive, text.split('x')))
    if len(sides) > 2:
        raise argparse.ArgumentTypeError(f'{text} is no N or HxW')
    return sides * 2 if len(sides) == 1 else sides


def add_command(commands, name, description, shape, features, chunk):
    """A parser with the options that all features have.

    Returns:
        Its method that adds an option.
    """
    parser = commands.add_parser(
        name, help=description.splitlines()[0], description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(features=features)
    add = parser.add_argument
    add('--dataset', type=a_path, required=True,
        metavar='|'.join([*IMAGES, 'FILE.npz', 'FOLDER']),
        help=f'FILE.npz with images, shape {shape}, uint8, and optionally y; '
             f'or a folder of PNG or JPEG images')
    add('--data-dir', type=a_path, metavar='DIR',
        help="the folder above the publishers' files; default: the "
             'environment variable IMSAT_DATA')
    add('--device', type=int, default=-1, metavar='-1|N',
        help='-1 the CPU, N GPU number N; default -1')
    add('--chunk', type=positive, default=chunk, metavar='N',
        help=f'images at a time; default {chunk}')
    add('--quiet', action='store_true', help='no progress')
    return add


def gist_features(args):
    """Returns what computes the features, its name and a note about it, and
    to what size images of a folder are read."""
    device, cpu = get_device(args.device), get_device(-1)

    def compute(part):
        return cpu.send(gist(device.send(part), args.kind))
    return compute, f'gist-{args.kind}', NOTES[args.kind], None


def resnet50_features(args):
    """As :func:`gist_features`."""
    compute = functools.partial(
        ResNetFeatures(args.weights, get_device(args.device)),
        size=(args.size, args.size))
    sha = hashlib.sha256(Path(args.weights).read_bytes()).hexdigest()
    return compute, f'resnet50-{args.size}-{sha[:16]}', (
        f'Features of ResNet-50 at pool5, images scaled to {args.size} x '
        f'{args.size}, weights with SHA-256 {sha}.'), (args.size,) * 2


def onnx_features(args):
    """As :func:`gist_features`."""
    features = ONNXFeatures(
        args.model, args.layer, args.size, args.layout, args.preset,
        args.mean, args.std, args.channels, args.pool, args.axis,
        args.device)
    return features, features.kind, features.note, features.size


def run(args):
    check_output(args.out)
    refuse_inputs(args.out, args.dataset, getattr(args, 'weights', None),
                  getattr(args, 'model', None))
    compute, kind, note, size = args.features(args)
    images, labels, names = load_images(args.dataset, args.data_dir, size)
    check_room(min(args.chunk, len(images)), size or images.shape[1:3])
    n, d = save_features(
        args.out, images, labels, names, compute, kind, [note], args.chunk,
        verbose=not args.quiet, on_gpu=args.device >= 0)
    reading = getattr(compute, 'reading', '')
    print(f'{args.out} has {d} features of each of {n} images'
          + (f', {reading}' if reading else ''))


def check_room(chunk, size):
    """InputError where a chunk of images of a size does not fit into memory:
    bytes, and as they are prepared and as a network takes them."""
    if 9 * 3 * chunk * math.prod(size) > available_memory():
        raise imsat.InputError(
            f'{chunk} images of {size[0]} x {size[1]} at a time do not fit '
            f'into memory; take a smaller --chunk, or smaller images')


if __name__ == '__main__':
    sys.exit(main(run, get_options, RESUME))
