"""The script as a user runs it: what it writes, and what it says of errors.
"""
import functools
import gzip
import json
import os
import resource
import struct

import numpy
import pytest
import scripts
from PIL import Image
from sklearn.cluster import KMeans

import clustering
from imsat import IMSATClustering, InputError, clustering_accuracy
from imsat.storage import load_npz

QUICK = ['--hidden', '40-40', '--epochs', '2', '--restarts', '2']
RNG = numpy.random.RandomState(0)
X = numpy.concatenate([RNG.normal(c, 1, (150, 3)) for c in (0, 6)])
Y = numpy.repeat([0, 1], 150)

run = functools.partial(scripts.run, 'clustering')


@pytest.fixture(scope='module')
def digits(tmp_path_factory):
    out = tmp_path_factory.mktemp('digits')
    process = run(*QUICK, '--out', out, draw=True)
    assert process.returncode == 0, process.stderr
    return out, process


def test_result(digits):
    out, _ = digits
    result = json.loads((out / 'result.json').read_text())
    for key in ('dataset', 'seed', 'n', 'clusters', 'accuracy', 'nmi', 'ari',
                'conditional_entropy', 'marginal_entropy', 'kl_to_prior',
                'seconds', 'steps_per_second', 'device', 'versions'):
        assert result[key] is not None, key
    assert (result['dataset'], result['n'], result['clusters']) == \
        ('digits', 1797, 10)
    # Whose loops differ from NumPy's in the last digit.
    numba = pytest.importorskip('numba')
    assert result['versions']['numba'] == numba.__version__
    assert len(result['restarts']) == 2
    kept = [r for r in result['restarts'] if r['kept']]
    assert kept[0]['agreement'] == max(r['agreement']
                                       for r in result['restarts'])
    assert result['select'] == result['chosen']['select'] == 'agreement'
    # What belongs together is one: scores, assignments, entropies, model.
    from sklearn.datasets import load_digits
    data = load_digits()
    assigned = load_npz(out / 'assignments.npz')
    assert result['accuracy'] == kept[0]['accuracy'] == clustering_accuracy(
        data.target, assigned['cluster'])
    p = assigned['probability'].astype('d')
    assert p.shape == (1797, 10)
    numpy.testing.assert_array_equal(p.argmax(axis=1), assigned['cluster'])
    conditional = -(p * numpy.log(p + 1e-8)).sum(axis=1).mean()
    mean = p.mean(axis=0)
    numpy.testing.assert_allclose(
        [result['conditional_entropy'], result['marginal_entropy']],
        [conditional, -(mean * numpy.log(mean)).sum()], 1e-5)
    # The 1e-8 inside the logarithms is a ten millionth of log (1 / 10).
    numpy.testing.assert_allclose(
        result['kl_to_prior'], numpy.log(10) - result['marginal_entropy'],
        atol=2e-7)
    model = IMSATClustering.load(out / 'model.npz')
    numpy.testing.assert_array_equal(
        model.predict(data.data / 8 - 1), assigned['cluster'])
    x = (data.data / 8 - 1).astype('f')
    kmeans = KMeans(10, n_init=12, random_state=0).fit_predict(x)
    assert result['kmeans']['accuracy'] == clustering_accuracy(
        data.target, kmeans)


def test_log(digits):
    out, _ = digits
    log = json.loads((out / 'log').read_text())
    assert [entry['epoch'] for entry in log] == [1, 2]
    assert [entry['iteration'] for entry in log] == [7, 14]
    for key in ('main/loss', 'main/sat', 'main/conditional_entropy',
                'all/marginal_entropy', 'all/accuracy'):
        assert numpy.isfinite([entry[key] for entry in log]).all()


def test_summary(digits):
    out, process = digits
    for text in ('ACC', 'NMI', 'ARI', 'IMSAT', 'K-means', 'cluster sizes',
                 'learning_curves.png'):
        assert text in process.stdout
    assert 'step' in process.stderr  # the progress bar


def test_pictures(digits):
    out, _ = digits
    for name in ('learning_curves', 'contingency', 'cluster_samples',
                 'cluster_sizes'):
        with Image.open(out / f'{name}.png') as image:
            assert image.width > 300 and image.height > 200
            # More than a few colours: something is drawn.
            assert len(image.convert('L').getcolors()) > 20


def test_help():
    process = run('--help')
    assert (process.returncode, process.stderr) == (0, '')
    text = ' '.join(process.stdout.split())
    for option in ('dataset data-dir out seed device clusters epochs '
                   'batch-size hidden restarts lam mu alpha neighbor xi '
                   'power-iterations prior delta resume quiet').split():
        assert f'--{option}' in text
    for symbol in ('lambda', 'sigma_t(x)', 'q(y)', 'Eq. 6', 'Eq. 17',
                   'Eq. 10'):
        assert symbol in text


@pytest.fixture
def points(tmp_path):
    numpy.savez(tmp_path / 'points.npz', x=X, y=Y)
    return tmp_path


def test_own_npz(points):
    process = run('--dataset', 'points.npz', *QUICK, '--quiet', cwd=points)
    assert process.stdout == '' and scripts.says_nothing(process.stderr)
    out = points / 'results' / 'clustering-points-seed0'
    result = json.loads((out / 'result.json').read_text())
    assert result['clusters'] == 2 and result['n'] == 300
    assert not (out / 'cluster_samples.png').exists()


def test_own_csv_without_labels(points):
    numpy.savetxt(points / 'points.csv', X, delimiter=',')
    process = run('--dataset', 'points.csv', '--clusters', 3, *QUICK, '--out',
                  'out', cwd=points)
    assert process.returncode == 0, process.stderr
    result = json.loads((points / 'out' / 'result.json').read_text())
    assert result['accuracy'] is result['nmi'] is result['ari'] is None
    assert result['kmeans'] is None
    assert sum(result['sizes']) == 300
    assert 'ACC' not in process.stdout


def test_prior_and_delta(points):
    (points / 'prior.txt').write_text('.25, .75\n')
    process = run('--dataset', 'points.npz', '--prior', 'prior.txt',
                  '--delta', .5, *QUICK, '--out', 'out', cwd=points)
    assert process.returncode == 0, process.stderr
    config = json.loads((points / 'out' / 'config.json').read_text())
    assert config['options']['delta'] == .5


def test_a_prior_with_a_damaged_head(tmp_path):
    path = tmp_path / 'prior.npy'
    numpy.save(path, [.5, .5])
    whole = path.read_bytes()
    for i in range(len(whole) - 16):  # up to the numbers themselves
        path.write_bytes(whole[:i] + b'(' + whole[i + 1:])
        try:
            assert clustering.read_prior(str(path)).tolist() == [.5, .5]
        except InputError as e:
            assert 'prior.npy can not be used' in str(e)


def mnist_file(folder):
    (folder / 'train-images-idx3-ubyte.gz').write_bytes(gzip.compress(
        struct.pack('>HBB3i', 0, 8, 3, 60000, 28, 28) + bytes(999)))


BAD = {
    'nan': (dict(x=numpy.where(X == X[5, 1], numpy.nan, X)), [], 'row 5'),
    'one dimension': (dict(x=X[:, 0]), [], 'shape (300,)'),
    'empty': (dict(x=X[:0]), [], 'shape (0, 3)'),
    'labels': (dict(x=X, y=Y[1:]), [], 'one label for each'),
    'equal': (dict(x=numpy.ones((300, 3))), [], 'nothing to cluster'),
    'batch': (dict(x=X, y=Y), ['--batch-size', 301], 'choose at most 300'),
    'few': (dict(x=X[:100], y=Y[:100]), ['--clusters', 2, '--batch-size',
                                         101], 'choose at most 100'),
    'clusters': (dict(x=X, y=Y), ['--clusters', 301], 'choose at most 300'),
    'no clusters': (dict(x=X), [], 'say how many clusters with --clusters'),
    'neighbour': (dict(x=X, y=Y), ['--neighbor', 300], 'from 1 to 299'),
    'device': (dict(x=X, y=Y), ['--device', 7], 'there is no GPU 7'),
    'prior': (dict(x=X, y=Y), ['--prior', 'prior.txt'], 'sum to 1'),
    'prior length': (dict(x=X, y=Y), ['--prior', 'long.txt'], '4 entries'),
    'no prior': (dict(x=X, y=Y), ['--prior', 'nothing.txt'], 'nothing.txt'),
    'delta': (dict(x=X, y=Y), ['--delta', 0], 'delta'),
    'seed': (dict(x=X, y=Y), ['--seed', -1], 'seed'),
    'out is a file': (dict(x=X, y=Y), ['--out', 'prior.txt'], 'prior.txt'),
    'no dataset': (None, [], 'there is no file'),
    'half dataset': (b'PK\x03\x04', [], 'damaged'),
    'half IDX': (dict(x=X), ['--dataset', 'mnist', '--data-dir', '.'],
                 'fetch it again'),
}


@pytest.mark.parametrize('case', BAD)
def test_bad_input(tmp_path, case):
    data, options, message = BAD[case]
    (tmp_path / 'prior.txt').write_text('.5 .6')
    (tmp_path / 'long.txt').write_text('.25 .25 .25 .25')
    mnist_file(tmp_path)
    if isinstance(data, bytes):
        (tmp_path / 'points.npz').write_bytes(data)
    elif data is not None:
        numpy.savez(tmp_path / 'points.npz', **data)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    process = run(*scripts.once('--dataset', 'points.npz', *QUICK, *options,
                                '--quiet'), cwd=tmp_path)
    assert process.returncode == 2
    assert process.stdout == ''
    assert process.stderr.startswith('clustering.py: ')
    assert process.stderr.count('\n') == 1, 'one sentence'
    assert message in process.stderr
    for path, content in before.items():
        assert path.read_bytes() == content


# Quickly: test_a_disk_that_is_full_at_any_file.
@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, 'geteuid'), reason='needs POSIX')
@pytest.mark.parametrize('limit', [20_000, 100_000])
def test_full_disk(points, limit):
    """No file may grow beyond the limit: the snapshots, or the model, fail.
    """
    def set_limit():
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    options = scripts.once(
        '--dataset', 'points.npz', *QUICK, '--hidden', '200-200', '--out',
        'out', '--quiet', '--threads', 1)
    process = scripts.run_anew('clustering', *options, cwd=points,
                               preexec_fn=set_limit)
    assert process.returncode == 2
    *others, error = process.stderr.splitlines()
    assert error.startswith('clustering.py: ')
    assert 'free some space' in error and '--resume goes on' in error
    # Neighbours can be found again.
    assert all(' is not kept' in line for line in others)
    assert not list((points / 'out').rglob('*~'))  # no half-written file
    process = run(*options, '--resume', cwd=points)
    assert process.returncode == 0, process.stderr


@pytest.fixture(scope='module')
def half_learnt(tmp_path_factory):
    """Folder of a short run with --mu within this process, and its figures.
    """
    import imsat
    out, figures = tmp_path_factory.mktemp('half_learnt'), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('IMSAT_CACHE', str(out / 'cache'))
        patch.setattr(imsat.pictures.clustering, 'save',
                      lambda figure, path: figures.update({path.stem: figure}))
        clustering.run(clustering.get_options([
            '--mu', '2', '--lam', '.3', '--hidden', '20', '--epochs', '3',
            '--restarts', '1', '--no-kmeans', '--quiet', '--threads', '1',
            '--out', str(out / 'out')]))
    return out / 'out', figures


def test_scores_are_those_of_sklearn(half_learnt):
    from sklearn.datasets import load_digits
    from sklearn import metrics
    out, _ = half_learnt
    result = json.loads((out / 'result.json').read_text())
    labels = load_digits().target
    clusters = load_npz(out / 'assignments.npz')['cluster']
    assert result['nmi'] == metrics.normalized_mutual_info_score(
        labels, clusters)
    assert result['ari'] == metrics.adjusted_rand_score(labels, clusters)
    assert .01 < result['ari'] < .99 and .01 < result['nmi'] < .99


def test_mu(half_learnt):
    out, _ = half_learnt
    options = json.loads((out / 'config.json').read_text())['options']
    assert (options['mu'], options['lam']) == (2, .3)
    result = json.loads((out / 'result.json').read_text())
    p = load_npz(out / 'assignments.npz')['probability'].astype('d')
    mean = p.mean(axis=0)
    information = .3 * (-(p * numpy.log(p)).sum(axis=1).mean()
                        + 2 * (mean * numpy.log(mean)).sum())
    # Probabilities are kept in float32.
    numpy.testing.assert_allclose(result['objective'] - result['sat'],
                                  information, rtol=1e-5)


def test_pictures_are_of_the_assignments(half_learnt):
    from sklearn.datasets import load_digits
    data = load_digits()
    out, figures = half_learnt
    clusters = load_npz(out / 'assignments.npz')['cluster']
    bars, = figures['cluster_sizes'].axes[0].containers
    assert [bar.get_height() for bar in bars] == [
        (clusters == k).sum() for k in range(10)]

    axes = figures['contingency'].axes[0]
    names = [[int(tick.get_text()) for tick in ticks] for ticks in (
        axes.get_yticklabels(), axes.get_xticklabels())]
    drawn = {text.get_position()[::-1]: int(text.get_text())
             for text in axes.texts}
    for i, label in enumerate(names[0]):
        for j, cluster in enumerate(names[1]):
            assert drawn.get((i, j), 0) == numpy.sum(
                (data.target == label) & (clusters == cluster))
    right = clustering_accuracy(data.target, clusters)
    assert f'{right:.1%}' in axes.get_title()

    canvas = numpy.ma.filled(
        figures['cluster_samples'].axes[0].images[0].get_array(), numpy.nan)
    cells = canvas.reshape(10, 9, 15, 9)[:, :8, :, :8].swapaxes(1, 2)
    for k, row in enumerate(cells.reshape(10, 15, 64)):
        members = {tuple(x) for x in data.data[clusters == k] / 8 - 1}
        shown = {tuple(x) for x in row if not numpy.isnan(x).any()}
        assert shown <= members and len(shown) == min(len(members), 15)


def test_groups_that_lie_apart(tmp_path, monkeypatch, capsys):
    """Rings of 150 and 50 points, within this process."""
    import imsat
    from sklearn.datasets import make_circles
    x, y = make_circles(300, noise=.05, factor=.3, random_state=0)
    rows = numpy.concatenate([numpy.flatnonzero(y == 0),
                              numpy.flatnonzero(y == 1)[:50]])
    numpy.save(tmp_path / 'rings.npy', x[rows])
    figures = {}
    monkeypatch.setenv('IMSAT_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(imsat.estimators.clustering, 'LEAST_STEPS', 200)
    monkeypatch.setattr(imsat.pictures.clustering, 'save',
                        lambda figure, path: figures.update(
                            {path.stem: figure}))
    clustering.run(clustering.get_options([
        '--dataset', str(tmp_path / 'rings.npy'), '--clusters', '2',
        '--hidden', '100', '--epochs', '50', '--threads', '1', '--no-kmeans',
        '--out', str(tmp_path / 'out')]))
    out = capsys.readouterr().out
    assert ', with 25, 75 % as prior' in out or ', with 75, 25 %' in out
    result = json.loads((tmp_path / 'out' / 'result.json').read_text())
    assert sorted(result['sizes']) == [50, 150]
    first, second = result['restarts']
    assert f'restarts by what they tell of neighbours: {first["told"]:.4f}, ' \
        f'1.0000 kept' in out and second['kept']
    stairs, = figures['cluster_sizes'].axes[0].patches[2:]
    assert stairs.get_data().values.tolist() == result['sizes']


@pytest.mark.parametrize('start,why,mu,prior,words', [
    ('random', 'neighbors', 4, None, 'what came out was no better'),
    ('K-means', 'neighbors', 1, None, 'from there, with mu = 1.'),
    ('K-means', 'surety', 4, [.2, .8], 'from there, with 20, 80 % as prior.')])
def test_what_is_said_of_starts(start, why, mu, prior, words):
    result = dict(restarts=[{'start': 'random', 'why': None, 'mu': 4},
                            {'start': 'K-means', 'why': why, 'mu': 1}],
                  start=start, mu=mu, chosen={'prior': prior})
    sentence, = clustering.about_starts(result)
    assert sentence.startswith('The clusters of K-means ' + (
        'fit' if why == 'neighbors' else 'lie apart'))
    assert sentence.rstrip('.').endswith(words.rstrip('.'))
    assert clustering.about_starts({'restarts': [{}]}) == []


@pytest.mark.parametrize('start,words', [
    ('random', '; what came out was no better.'),
    ('K-means', '; that with 4 is kept.')])
def test_what_is_said_of_a_third_start(start, words):
    others = [{'start': 'K-means', 'why': 'neighbors', 'mu': mu}
              for mu in (1., 1., 4., 4.)]
    sentence, = clustering.about_starts(dict(
        restarts=[{'start': 'random', 'why': None, 'mu': 4.}, *others],
        start=start, mu=4., chosen={'prior': None}))
    assert sentence.endswith(
        f'with mu = 1, which lost clusters, and 4{words}')
