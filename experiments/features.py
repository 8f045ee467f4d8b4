"""Computes features of images: x and y in one npz file.

    python experiments/features.py gist --dataset cifar10 \\
        --out cifar10-gist.npz
    python experiments/clustering.py --dataset cifar10-gist.npz

    python experiments/features.py resnet50 --dataset stl --weights FILE.npz \\
        --out DATA_DIR/stl-resnet50.npz
    python experiments/clustering.py --dataset stl --data-dir DATA_DIR

An interrupted run goes on where it was.  "gist --help" and "resnet50 --help"
say more: the second where the weights are.
"""
import argparse
import functools
import hashlib
import sys
from pathlib import Path

from common.scripts import a_path, main, parser_for, positive
from imsat.datasets.features.gist import KINDS, NOTES, gist
from imsat.datasets.features.loaders import save_features
from imsat.datasets.features.resnet import CONVERT, ResNetFeatures
from imsat.datasets.images import IMAGES, load_images
from imsat.devices import get_device

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


def get_options(argv=None):
    parser = parser_for(__doc__)
    commands = parser.add_subparsers(metavar='gist|resnet50', required=True)
    add = add_command(commands, 'gist', GIST, '(N, n, n, 3)', gist_features)
    add('--kind', choices=sorted(KINDS), default='gray',
        help='gray: 512 features as LMgist; color: 960 as lear_gist; default '
             'gray')
    add('--out', type=a_path, required=True, metavar='FILE.npz')
    add = add_command(commands, 'resnet50', RESNET50, '(N, height, width, 3)',
                      resnet50_features)
    add('--weights', type=a_path, required=True, metavar='FILE.npz',
        help="of Chainer's ResNet50Layers")
    add('--out', type=a_path, required=True, metavar='FILE.npz',
        help='DATA_DIR/DATASET-resnet50.npz is where --dataset looks for it')
    add('--size', type=positive, default=224, metavar='N',
        help='pixels to which images are scaled; default 224')
    add('--chunk', type=positive, default=100, metavar='N',
        help='images at a time; default 100')
    return parser.parse_args(argv)


def add_command(commands, name, description, shape, features):
    """A parser with the options that all features have.

    Returns:
        Its method that adds an option.
    """
    parser = commands.add_parser(
        name, help=description.splitlines()[0], description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(features=features, chunk=1000)
    add = parser.add_argument
    add('--dataset', type=a_path, required=True,
        metavar='|'.join([*IMAGES, 'FILE.npz']),
        help=f'FILE.npz with images, shape {shape}, uint8, and optionally y')
    add('--data-dir', type=a_path, metavar='DIR',
        help="the folder above the publishers' files; default: the "
             'environment variable IMSAT_DATA')
    add('--device', type=int, default=-1, metavar='-1|N',
        help='-1 the CPU, N GPU number N; default -1')
    add('--quiet', action='store_true', help='no progress')
    return add


def gist_features(args):
    """Returns what computes the features, its name and a note about it."""
    device, cpu = get_device(args.device), get_device(-1)

    def compute(part):
        return cpu.send(gist(device.send(part), args.kind))
    return compute, f'gist-{args.kind}', NOTES[args.kind]


def resnet50_features(args):
    """As :func:`gist_features`."""
    compute = functools.partial(
        ResNetFeatures(args.weights, get_device(args.device)),
        size=(args.size, args.size))
    sha = hashlib.sha256(Path(args.weights).read_bytes()).hexdigest()
    return compute, f'resnet50-{args.size}-{sha[:16]}', (
        f'Features of ResNet-50 at pool5, images scaled to {args.size} x '
        f'{args.size}, weights with SHA-256 {sha}.')


def run(args):
    images, labels = load_images(args.dataset, args.data_dir)
    compute, kind, note = args.features(args)
    save_features(args.out, images, labels, compute, kind, [note], args.chunk,
                  verbose=not args.quiet)


if __name__ == '__main__':
    sys.exit(main(run, get_options, RESUME))
