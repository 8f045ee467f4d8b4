"""Computes the GIST features of images: x and y in one npz file.

    python experiments/gist.py --dataset cifar10 --out cifar10-gist.npz
    python experiments/clustering.py --dataset cifar10-gist.npz

load_dataset('cifar10-gist') and 'svhn' do the same by themselves, once.  An
interrupted run goes on where it was.
"""
import argparse
import functools
import sys

from common.scripts import run_script
from imsat.datasets.prepared_features import GIST_NOTES, save_features
from imsat.datasets.images import IMAGES, load_images
from imsat.devices import get_device
from imsat.datasets.features import gist
from imsat.datasets.features.gist import KINDS


def parse(argv):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--dataset', required=True, metavar='|'.join([*IMAGES, 'FILE.npz']),
        help='FILE.npz with images, shape (N, n, n, 3), uint8, and optionally '
             'y')
    add('--kind', choices=sorted(KINDS), default='gray',
        help='gray: 512 features as LMgist; color: 960 as lear_gist; default '
             'gray')
    add('--data-dir', metavar='DIR',
        help="the folder above the publishers' files; default: the "
             'environment variable IMSAT_DATA')
    add('--out', required=True, metavar='FILE.npz')
    add('--device', type=int, default=-1, metavar='-1|N',
        help='-1 the CPU, N GPU number N; default -1')
    add('--quiet', action='store_true', help='no progress')
    return parser.parse_args(argv)


def run(args):
    device, cpu = get_device(args.device), get_device(-1)
    images, labels = load_images(args.dataset, args.data_dir)

    def compute(part):
        return cpu.send(gist(device.send(part), args.kind))
    save_features(args.out, images, labels, compute, f'gist-{args.kind}',
                  [GIST_NOTES[args.kind]], verbose=not args.quiet)


def main(argv=None):
    args = parse(argv)
    return run_script(functools.partial(run, args))


if __name__ == '__main__':
    sys.exit(main())
