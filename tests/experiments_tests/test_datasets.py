"""The script that prints Table 2."""
import subprocess
import sys

import numpy
import scipy.sparse
import scripts


def test_what_is_there_and_what_is_missing(tmp_path, monkeypatch):
    rng = numpy.random.default_rng(0)
    matrix = scipy.sparse.random(10500, 2500, .01, 'csr', 'f', random_state=0)
    (tmp_path / 'rcv1').mkdir()
    numpy.savez(tmp_path / 'rcv1' / 'rcv1_singleroot.npz', data=matrix.data,
                indices=matrix.indices, indptr=matrix.indptr,
                shape=matrix.shape, y=rng.integers(0, 4, 10500))
    monkeypatch.setenv('SCIKIT_LEARN_DATA', str(tmp_path / 'none'))
    process = scripts.run('datasets', '--data-dir', tmp_path, '--notes')
    assert process.returncode == 0, process.stderr
    table, missing, notes = process.stdout.split('\n\n')
    rows = {line.split()[0]: line.split()[1:] for line in
            table.splitlines()[1:]}
    assert set(rows) == {'digits', 'reuters'}
    # 182 of the 1,797 digits are threes.
    assert rows['digits'] == '1797 10 64 10.2'.split(' ')
    row = rows['reuters']
    assert row[:6] == '10000 10000 4 4 2000 2000'.split() and row[7] == '43'
    assert 25 <= float(row[6]) < 27
    missing = missing.splitlines()
    assert [line.split(':')[0] for line in missing] == [
        'mnist', 'omniglot', 'stl', 'cifar10', 'cifar100', 'cifar10-gist',
        'cifar100-gist', 'svhn', '20news']
    assert notes.splitlines()[1].startswith(
        'reuters: 10000 documents, drawn with seed 0')


def test_nobody_reads_on(tmp_path):
    process = subprocess.Popen(
        [sys.executable, str(scripts.EXPERIMENTS / 'datasets.py'),
         '--data-dir', str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()  # as head does
    assert (process.stderr.read(), process.wait()) == ('', 1)
