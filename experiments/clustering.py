"""Clusters a data set by IMSAT (VAT) and writes down all about it.

    python experiments/clustering.py                    the digits of sklearn
    python experiments/clustering.py --dataset mnist    Table 3
    python experiments/clustering.py --dataset points.npz --clusters 7
"""
import argparse
import errno
import platform
import subprocess
import sys
import warnings
from pathlib import Path

import numpy
import scipy
import sklearn
import threadpoolctl
from sklearn.cluster import KMeans

import imsat
import chainer
from imsat import devices, pictures
from imsat.datasets import load_dataset
from imsat.files import load_json, save_json, save_npz
from imsat.metrics import clustering_scores
from imsat.neighbors import digest
from imsat.objectives import check_prior

# What a newcomer sees in half a minute; see the README.
DIGITS_RESTARTS = 2
# Options that say how to run, not what to compute.
RUN_OPTIONS = 'out', 'resume', 'quiet', 'config', 'data_dir', 'snapshot_seconds'


def get_parser():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--dataset', default='digits', metavar='digits|mnist|FILE',
        help='FILE.npz with x and optionally y, or FILE.csv, a point a line '
             '(a column named y holds labels); default digits')
    add('--data-dir', metavar='DIR',
        help="folder of MNIST's four IDX files, plain or .gz; default: the "
             'environment variable IMSAT_DATA, or else MNIST is fetched once')
    add('--out', metavar='DIR',
        help='results; default results/clustering-DATASET-seedN')
    add('--seed', type=int, default=0, metavar='N',
        help='of every random number; default 0')
    add('--device', type=int, default=-1, metavar='-1|N',
        help='-1 the CPU, N GPU number N; default -1')
    add('--threads', type=int, metavar='N',
        help='of BLAS; the last digits depend on it; default: all cores')
    add('--clusters', type=int, metavar='K',
        help='K; default: the number of classes, where there are labels')
    add('--epochs', type=int, default=50,
        help='of floor(N / batch size) iterations each; default 50')
    add('--batch-size', type=int, default=250, help='|B| of Eq. 15; default '
        '250')
    add('--hidden', default='1200-1200', type=hidden_sizes,
        help='units of the hidden layers (section 4.1), or "linear"; default '
             '1200-1200')
    add('--restarts', type=int,
        help='runs from different seeds, of which the one with the lowest '
             'objective is kept, without labels; default 1, the paper\'s; '
             f'{DIGITS_RESTARTS} for digits')
    add('--lam', type=float, default=.1,
        help='lambda of Eqs. 1, 7, 10: weight of the information; default .1')
    add('--mu', type=float, default=4,
        help='weight of H(Y) beside H(Y|X): 1 is Eq. 7, 4 the authors\' code '
             'and the default; the penalty of Eq. 10 starts at lambda mu')
    add('--alpha', type=float, default=.25,
        help='Eq. 17: perturbations have length alpha sigma_t(x); default .25')
    add('--neighbor', type=int, default=10, metavar='T',
        help='t of Eq. 17, the paper\'s 10 by default (the authors\' code '
             'takes the 11th)')
    add('--xi', type=float, default=10,
        help='step of the finite difference in Eq. 6\'s power iteration, in '
             'the units of the data; default 10')
    add('--power-iterations', type=int, default=1, metavar='N',
        help='of Eq. 6, each a forward and a backward pass; default 1')
    add('--prior', metavar='FILE',
        help='q(y) of Eq. 10, K numbers that sum to 1 (text or .npy); '
             'default uniform')
    add('--delta', type=float, metavar='D',
        help='tolerance of Eq. 10 in nats: the penalty grows until '
             'KL[p(y) || q(y)] <= D (the paper: .01 h(q)); default: none, the '
             'fixed weight mu')
    add('--initialization', choices=sorted(imsat.links.INITIALIZATIONS),
        default='original', help='of the weights: "original", the default, '
        'as the authors\' code draws them; "he" smaller, see the README')
    add('--sampling', choices=imsat.training.iterators.SAMPLINGS,
        default='permutation', help='the first |B| of a fresh permutation '
        'every iteration, as in the authors\' code (default), or a sweep over '
        'all points')
    add('--config', metavar='FILE',
        help='take the options from the config.json of an earlier run')
    add('--resume', action='store_true',
        help='go on from the last snapshot below --out')
    add('--snapshot-seconds', type=float, default=10, metavar='S',
        help='least time between two snapshots, at ends of epochs; default '
             '10')
    add('--quiet', action='store_true', help='no progress, no summary')
    return parser


def hidden_sizes(text):
    if text == 'linear':
        return []
    sizes = [int(size) for size in text.split('-')]
    if min(sizes) < 1:
        raise ValueError
    return sizes


def parse(argv):
    parser = get_parser()
    args = parser.parse_args(argv)
    if args.config:
        options = load_json(args.config)['options']
        unknown = set(options) - set(vars(args))
        if unknown:
            raise imsat.InputError(f'{args.config} has options that are not '
                                   f'known: {", ".join(sorted(unknown))}')
        parser.set_defaults(**options)
        args = parser.parse_args(argv)
    if args.restarts is None:
        args.restarts = DIGITS_RESTARTS if args.dataset == 'digits' else 1
    if args.threads is None:
        args.threads = devices.available_cores()
    if args.out is None:
        args.out = (f'results/clustering-{Path(args.dataset).stem}'
                    f'-seed{args.seed}')
    return args


def prepare_out(out, config, resume):
    """Writes config.json; refuses a folder that holds another run."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / 'config.json'
    if path.exists():
        earlier = load_json(path)
        for group in 'options', 'data':
            for key, value in config[group].items():
                before = earlier.get(group, {}).get(key)
                if before != value:
                    raise imsat.InputError(
                        f'{out} holds a run with another {key} ({before} and '
                        f'not {value}); choose another --out or remove that '
                        f'folder')
        if resume:
            return
    save_json(path, config)


def read_prior(path):
    try:
        if path.endswith('.npy'):
            return check_prior(numpy.load(path, allow_pickle=False))
        text = Path(path).read_text(encoding='utf-8').replace(',', ' ')
        return check_prior(numpy.array(text.split(), dtype=float))
    except ValueError as e:
        raise imsat.InputError(f'the prior {path} can not be used: {e}') from e


def git_commit():
    here = Path(__file__).parent
    try:
        return subprocess.run(
            ['git', 'describe', '--always', '--dirty', '--abbrev=10'],
            cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def get_versions():
    return dict(imsat=imsat.__version__, commit=git_commit(),
                python=platform.python_version(),
                chainer=chainer.__version__, numpy=numpy.__version__,
                scipy=scipy.__version__, sklearn=sklearn.__version__)


def cluster_by_kmeans(data, n_clusters, seed):
    """Scores of K-means: 12 initialisations, the best objective (4.2.3)."""
    kmeans = KMeans(n_clusters, n_init=12, random_state=seed)
    return clustering_scores(data.y, kmeans.fit_predict(data.x))


def run(args):
    out = Path(args.out)
    data = load_dataset(args.dataset, args.data_dir)
    if args.clusters is None:
        if data.y is None:
            raise imsat.InputError(f'{args.dataset} has no labels to count; '
                                   f'say how many clusters with --clusters K')
        args.clusters = len(numpy.unique(data.y))
    prior = None if args.prior is None else read_prior(args.prior)

    model = imsat.IMSATClustering(
        args.clusters, hidden=args.hidden, initialization=args.initialization,
        n_init=args.restarts, epochs=args.epochs, batch_size=args.batch_size,
        lam=args.lam, mu=args.mu, alpha=args.alpha, n_neighbors=args.neighbor,
        xi=args.xi, power_iterations=args.power_iterations, prior=prior,
        delta=args.delta, sampling=args.sampling, device=args.device,
        cache=True, out=out, resume=args.resume,
        snapshot_seconds=args.snapshot_seconds, verbose=not args.quiet,
        random_state=args.seed)
    model.check(data.x, data.y)
    options = {key: value for key, value in vars(args).items()
               if key not in RUN_OPTIONS}
    prepare_out(out, {
        'options': options,
        'data': {'n': len(data.x), 'dimension': data.x.shape[1],
                 'sha256': digest(data.x)},
        'versions': get_versions()}, args.resume)
    model.fit(data.x, data.y)
    save_results(out, args, data, model)


def save_results(out, args, data, model):
    clusters = model.labels_
    best = model.restarts_[model.best_restart_]
    scores = clustering_scores(data.y, clusters)
    kmeans = None
    if data.y is not None:
        kmeans = cluster_by_kmeans(data, args.clusters, args.seed)
    result = dict(
        dataset=data.name, seed=args.seed, n=len(data.x),
        clusters=args.clusters, **scores,
        **{key: best[key] for key in (
            'conditional_entropy', 'marginal_entropy', 'kl_to_prior',
            'objective', 'sat')},
        seconds=sum(r['seconds'] for r in model.restarts_),
        steps_per_second=best['steps_per_second'],
        device=devices.describe(devices.get_device(args.device)),
        threads=args.threads, kmeans=kmeans,
        sizes=numpy.bincount(clusters, minlength=args.clusters).tolist(),
        restarts=[
            {**{key: value for key, value in restart.items()
                if key not in ('clusters', 'log')},
             **clustering_scores(data.y, restart['clusters']),
             'kept': i == model.best_restart_}
            for i, restart in enumerate(model.restarts_)],
        versions=get_versions())

    model.save(out / 'model.npz')
    save_npz(out / 'assignments.npz', {
        'cluster': clusters,
        'probability': model.predict_proba(data.x).astype(numpy.float32)})
    save_json(out / 'log', best['log'])
    logs = [restart['log'] for restart in model.restarts_]
    names = ['learning_curves.png', 'cluster_sizes.png']
    pictures.learning_curves(out / names[0], logs, model.best_restart_)
    pictures.cluster_sizes(out / names[1], clusters, args.clusters,
                           model.prior)
    if data.y is not None:
        names.append('contingency.png')
        pictures.contingency(out / names[-1], data.y, clusters)
    if data.image_shape is not None:
        names.append('cluster_samples.png')
        pictures.cluster_samples(out / names[-1], data.x, data.image_shape,
                                 clusters, args.clusters, args.seed)
    save_json(out / 'result.json', result)
    if not args.quiet:
        print_summary(out, data, result, names)


def print_summary(out, data, result, names):
    print(f'\n{data.name}: {result["n"]} points in {result["clusters"]} '
          f'clusters, {result["seconds"]:.0f} s, '
          f'{result["steps_per_second"]:.1f} steps/s')
    if result['accuracy'] is not None:
        print(f'{"":10}{"ACC":>7}{"NMI":>7}{"ARI":>7}')
        for name, scores in ('IMSAT', result), ('K-means', result['kmeans']):
            print(f'{name:10}{scores["accuracy"]:7.1%}{scores["nmi"]:7.3f}'
                  f'{scores["ari"]:7.3f}')
    if len(result['restarts']) > 1:
        print('restarts by objective: ' + ', '.join(
            f'{r["objective"]:.4f}'
            + (f' (ACC {r["accuracy"]:.1%})' if r['accuracy'] is not None
               else '') + (' kept' if r['kept'] else '')
            for r in result['restarts']))
    print(f'H(Y|X) {result["conditional_entropy"]:.3f}, '
          f'H(Y) {result["marginal_entropy"]:.3f} nats; cluster sizes '
          + ' '.join(map(str, result['sizes'])))
    print(f'results and pictures in {out}/: ' + ', '.join(names))


def fail(message):
    message = ' '.join(str(message).split())
    print(f'{Path(sys.argv[0]).name}: {message}', file=sys.stderr)
    return 2


def main(argv=None):
    warnings.formatwarning = lambda message, *args: f'warning: {message}\n'
    try:
        args = parse(argv)
        with threadpoolctl.threadpool_limits(args.threads):
            run(args)
    except imsat.InputError as e:
        return fail(e)
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return fail(f'{e}; free some space and add --resume: what was '
                        f'saved before is whole')
        return fail(f'{e}; name another file or folder, or change its '
                    f'permissions')
    except KeyboardInterrupt:
        print('\nstopped; --resume goes on from the last snapshot',
              file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
