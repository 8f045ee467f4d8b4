"""The benchmark of selection: what it keeps, and what each rule picks."""
import itertools
import json

import numpy
import pytest

import benchmark_selection as benchmark
from common import markdown
from imsat import InputError
from imsat.estimators import comparison
from imsat.storage import load_json, load_npz, save_json, save_npz

RNG = numpy.random.default_rng(0)
X = numpy.concatenate([RNG.normal(c, 1, (40, 3)) for c in (0, 6)])
Y = numpy.repeat([0, 1], 40)


@pytest.fixture
def out(monkeypatch, tmp_path):
    monkeypatch.setattr(benchmark, 'OTHERS', {'two': lambda _: (X, Y)})
    monkeypatch.setattr(comparison, 'LESSONS', 2)
    monkeypatch.setenv('IMSAT_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'out'


def run(out, *options):
    benchmark.run(benchmark.get_options(['--out', str(out), *options]))


def test_runs_and_tables(out, tmp_path, capsys):
    run(out, 'two', '--runs', '2', '--epochs', '4')
    first = (out / 'two-4/seed-0.npz').read_bytes()
    run(out, 'two', '--runs', '3', '--epochs', '4')
    assert (out / 'two-4/seed-0.npz').read_bytes() == first
    judged = load_json(out / 'two-4/criteria.json')
    assert [run[-1]['seed'] for run in judged] == [0, 1, 2]
    assert [entry['epoch'] for entry in judged[0]] == [1, 2, 3, 4]
    # What was not measured then is added.
    path = out / 'two-4/seed-0.npz'
    arrays = load_npz(path)
    told = benchmark.about(arrays)
    del told['learnt']
    save_npz(path, {**arrays, 'about': json.dumps(told)})
    run(out, 'two', '--runs', '3', '--epochs', '4')
    assert load_json(out / 'two-4/criteria.json') == judged
    # Those of other epochs are others, of other settings refused.
    (out / 'two-5').symlink_to('two-4')
    with pytest.raises(InputError, match='another epochs .4 and not 5'):
        run(out, 'two', '--epochs', '5')
    (out / 'two-5').unlink()
    # One that was lost is run again, and what is printed is its own.
    (out / 'two-4/seed-1.npz').unlink()
    capsys.readouterr()
    run(out, 'two', '--runs', '3', '--epochs', '4')
    printed, = capsys.readouterr().out.splitlines()
    assert f'seed 1: accuracy {judged[1][-1]["accuracy"]:.4f}, objective ' \
        f'{judged[1][-1]["objective"]:.4f}' in printed
    page = tmp_path / 'page.md'
    page.write_text(f'before\n{markdown.BEGIN}\n{markdown.END}\nafter\n')
    run(out, '--table', str(page), '--record', str(tmp_path / 'runs.json'))
    record = load_json(tmp_path / 'runs.json')
    assert [run['seed'] for run in record['two-4']] == [0, 1, 2]
    assert [run['accuracy'] for run in record['two-4']] == [
        run[-1]['accuracy'] for run in judged]
    assert all(run['device'] and run['commit'] for run in record['two-4'])
    text = page.read_text()
    assert '3 runs of 4 epochs' in text
    for title, _ in benchmark.CRITERIA.values():
        assert f'| {title} |' in text
    assert '| all of them joined |' in text
    # Of others, which are not there, all stays.
    others = '### three\n\nas it is\n\n| a |\n| --- |\n| 1 |\n\n### a\n\nb'
    page.write_text(f'{markdown.BEGIN}\n{others}\n\n### two-4\n\nold\n'
                    f'{markdown.END}\n')
    save_json(tmp_path / 'runs.json', {'three': [{'seed': 7}], 'two-4': []})
    run(out, '--table', str(page), '--record', str(tmp_path / 'runs.json'))
    assert load_json(tmp_path / 'runs.json') == {
        'three': [{'seed': 7}], 'two-4': record['two-4']}
    again = page.read_text()
    assert again.startswith(
        f'{markdown.BEGIN}\n### a\n\nb\n\n### three\n\nas it is\n\n'
        f'| a |\n| --- |\n| 1 |\n\n### two-4\n\n3 ')
    assert text.split('### two-4')[1].split(markdown.END)[0] == again.split(
        '### two-4')[1].split(markdown.END)[0]
    with pytest.raises(InputError, match="no 'x'; choose among"):
        run(out, 'x')


def test_of_neighbors_by_loops():
    clusters = RNG.integers(0, 3, 30)
    indices = numpy.array([RNG.choice(30, 12, False) for _ in range(30)])
    told = benchmark.of_neighbors(clusters, indices)
    pairs = [(clusters[i], clusters[j])
             for i in range(30) for j in indices[i, :10]]
    same = numpy.mean([a == b for a, b in pairs])
    assert told['agreement_10'] == pytest.approx(same)
    p = [numpy.mean([a == c for a, _ in pairs]) for c in range(3)]
    q = [numpy.mean([b == c for _, b in pairs]) for c in range(3)]
    chance = sum(a * a for a in p)
    assert told['above_chance'] == pytest.approx(
        (same - chance) / (1 - chance))
    information = sum(
        pair * numpy.log(pair / (p[a] * q[b]))
        for a, b in itertools.product(range(3), range(3))
        if (pair := numpy.mean([each == (a, b) for each in pairs])))
    assert told['information'] == pytest.approx(information)
    assert told['agreement'] == pytest.approx(
        information ** 2 / -(p * numpy.log(p)).sum())


def test_one_cluster_for_all_tells_nothing():
    told = benchmark.of_neighbors(numpy.zeros(30, int), numpy.array(
        [RNG.choice(30, 12, False) for _ in range(30)]))
    assert told['agreement_10'] == 1
    assert told['above_chance'] == told['information'] == 0


def test_held_out():
    # On a line, in two halves: only points at the border can be wrong.
    n = 100
    distance = abs(numpy.arange(n)[:, None] - numpy.arange(n))
    indices = distance.argsort(axis=1, kind='stable')[:, 1:51]
    assert .9 < benchmark.held_out(numpy.arange(n) // 50, indices) < 1
    clusters = RNG.integers(0, 2, n)
    assert .3 < benchmark.held_out(clusters, indices) < .7


def test_what_a_network_learns_of_a_half(monkeypatch):
    monkeypatch.setattr(comparison, 'LESSONS', 20)
    assert benchmark.learnt(Y, X.astype('f')) == 1
    # What is by chance can be learnt by heart, and tells of no others.
    x = RNG.normal(size=(100, 50)).astype('f')
    assert .3 < benchmark.learnt(RNG.integers(0, 2, 100), x) < .7


def test_picks():
    accuracy = numpy.array([.5, .9, .7, .6])
    runs = [dict(objective=-a) for a in accuracy]
    index = benchmark.subsets(4, 2)
    assert len(index) == 6
    picked = benchmark.picks(benchmark.values_of(runs, 'objective', index),
                             accuracy[index])
    assert picked.tolist() == pytest.approx(
        [max(pair) for pair in itertools.combinations(accuracy, 2)])
    assert benchmark.correlation(runs, 'objective', accuracy) == \
        pytest.approx(1)
    # The last two agree, so that of any subset with both one is picked.
    agreement = numpy.zeros((4, 4))
    agreement[2, 3] = agreement[3, 2] = 1
    for run, row in zip(runs, agreement):
        run['agreement_with'] = row.tolist()
    index = numpy.array([[0, 2, 3], [1, 3, 2]])
    picked = benchmark.picks(benchmark.values_of(runs, 'consensus', index),
                             accuracy[index])
    assert set(picked) <= {.7, .6}


def test_halves():
    # By the first evaluation 0 and 1 of four go on, by the second 1 does.
    judged = [[dict(epoch=4, objective=a), dict(epoch=8, objective=b),
               dict(epoch=12, objective=0)]
              for a, b in [(1, 5), (2, 4), (3, 1), (4, 0)]]
    assert benchmark.halve(judged, 'objective', numpy.array(
        [[0, 1, 2, 3], [3, 1, 2, 0]])).tolist() == [1, 1]


def test_joined(tmp_path):
    # Two say the same by other names, of one point the third knows better.
    sure = numpy.array([[.9, .1], [.6, .4], [.2, .8], [.1, .9]])
    other = numpy.array([[.9, .1], [.1, .9], [.2, .8], [.1, .9]])
    for i, p in enumerate((sure, sure[:, ::-1], other)):
        numpy.savez(tmp_path / f'seed-{i}.npz', probability=p)
    agreement = [[0, 1, .5], [1, 0, .5], [.5, .5, 0]]
    found = benchmark.joined(
        tmp_path, [[dict(agreement_with=row)] for row in agreement],
        [0, 1, 1, 1])
    # Of .6, .6 and .1 the mean is below a half.
    assert found[3] == [1] and sorted(found[2]) == [.75, 1, 1]


def test_many_subsets_are_drawn():
    index = benchmark.subsets(40, 10)
    assert index.shape == (benchmark.MOST, 10)
    assert all(len(set(row)) == 10 for row in index[:50])
