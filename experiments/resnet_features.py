"""Computes ResNet-50's features of images: x and y in one npz file.

    python experiments/resnet_features.py --dataset stl --weights FILE.npz \\
        --out DATA_DIR/stl-resnet50.npz
    python experiments/clustering.py --dataset stl --data-dir DATA_DIR

The weights are those of chainer.links.ResNet50Layers.  The file is made from
ResNet-50-model.caffemodel, which
https://github.com/KaimingHe/deep-residual-networks has, in a minute by

    {convert}

An interrupted run goes on where it was.
"""
import argparse
import functools
import hashlib
import sys
from pathlib import Path

from common.scripts import positive, run_script
from imsat.datasets.prepared_features import save_features
from imsat.datasets.images import IMAGES, load_images
from imsat.devices import get_device
from imsat.datasets.features import ResNetFeatures
from imsat.datasets.features.resnet import CONVERT


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__.format(convert=CONVERT),
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--dataset', required=True, metavar='|'.join([*IMAGES, 'FILE.npz']),
        help='FILE.npz with images, shape (N, height, width, 3), uint8, and '
             'optionally y')
    add('--weights', required=True, metavar='FILE.npz',
        help="of Chainer's ResNet50Layers")
    add('--data-dir', metavar='DIR',
        help="the folder above the publishers' files; default: the "
             'environment variable IMSAT_DATA')
    add('--out', required=True, metavar='FILE.npz',
        help='DATA_DIR/DATASET-resnet50.npz is where --dataset looks for it')
    add('--device', type=int, default=-1, metavar='-1|N',
        help='-1 the CPU, N GPU number N; default -1')
    add('--size', type=positive, default=224, metavar='N',
        help='pixels to which images are scaled; default 224')
    add('--chunk', type=positive, default=100, metavar='N',
        help='images at a time; default 100')
    add('--quiet', action='store_true', help='no progress')
    return parser.parse_args(argv)


def run(args):
    images, labels = load_images(args.dataset, args.data_dir)
    compute = functools.partial(
        ResNetFeatures(args.weights, get_device(args.device)),
        size=(args.size, args.size))
    sha = hashlib.sha256(Path(args.weights).read_bytes()).hexdigest()
    save_features(
        args.out, images, labels, compute,
        f'resnet50-{args.size}-{sha[:16]}',
        [f'Features of ResNet-50 at pool5, images scaled to {args.size} x '
         f'{args.size}, weights with SHA-256 {sha}.'],
        args.chunk, verbose=not args.quiet)


def main(argv=None):
    args = parse(argv)
    return run_script(functools.partial(run, args))


if __name__ == '__main__':
    sys.exit(main())
