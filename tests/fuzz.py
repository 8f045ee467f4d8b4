"""Damages files at random and asks every reader what it makes of them.

    python tests/fuzz.py --count 20000 --seed 0

A reader must give what the file held before, or what the damaged file truly
says -- where a reader written here by another route, or none, says what that
is -- or refuse it in one sentence.  A cache may be computed again, a snapshot
skipped.  Printed is the table of docs/robustness.md; the exit code is 1 if
anything else happened.  --keep FOLDER keeps the files that did it.
"""
import argparse
import ast
import collections
import contextlib
import csv
import dataclasses
import functools
import gzip
import hashlib
import io
import json
import math
import os
import random
import re
import resource
import signal
import struct
import sys
import tempfile
import time
import typing
import warnings
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parents[1]
if __name__ == '__main__':
    os.environ['OPENBLAS_NUM_THREADS'] = '1'
    sys.path[:0] = [str(ROOT / 'experiments'), str(ROOT)]

import numpy  # noqa: E402
import scipy.io  # noqa: E402
import scipy.sparse  # noqa: E402
from PIL import Image  # noqa: E402
from sklearn.feature_extraction.text import (  # noqa: E402
    ENGLISH_STOP_WORDS)

import clustering  # noqa: E402
from common.options import RUN_OPTIONS  # noqa: E402
import imsat  # noqa: E402
import score_codes  # noqa: E402
from common.unlike import load_reference  # noqa: E402
from imsat import datasets, storage  # noqa: E402
from imsat.datasets import (  # noqa: E402
    Files, cache, cifar, images, mnist, newsgroups, omniglot, stl, svhn)
from imsat.datasets.features.extract import extract  # noqa: E402
from imsat.estimators import ITQHasher  # noqa: E402
from tabulation.runs import Record  # noqa: E402

SECONDS = 5  # in which a file of some KB must be read
GROWTH = 128  # MB that reading it may take
# What may happen; what follows None must not.
COLUMNS = ('as before', 'says so', 'refused', 'wrongly accepted',
           'other exceptions', 'memory', 'time')
ALLOWED = COLUMNS[:3]


@dataclasses.dataclass
class Reader:
    """Of one kind of files.

    Args:
        name (str): What the table calls it.
        path (Path): Of the file.
        files (list of bytes): Whole ones, of which the first is damaged.
        read: Called without arguments; what the file at ``path`` says.
        says: What a file of these bytes says, by another route; raises if
            nothing.  None: whatever differs from before is wrong.
        is_text (bool): Whether words are replaced as well.
    """
    name: str
    path: Path
    files: list
    read: typing.Callable
    says: typing.Callable | None = None
    is_text: bool = False


def npz(**arrays):
    stream = io.BytesIO()
    numpy.savez(stream, **arrays)
    return stream.getvalue()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def pair(data):
    return data.x, data.y


def readers(folder, stack):
    """Every Reader, with files below ``folder``."""
    rng = numpy.random.default_rng(0)
    x = rng.normal(size=(40, 3)).astype('f')
    y = numpy.repeat([0, 1], 20)
    yield from tables(folder, rng, x, y)
    yield from arrays_and_folders(folder, rng, x)
    yield from publishers(folder, rng, stack)
    yield from saved(folder, x, stack)
    yield from texts(folder)


def tables(folder, rng, x, y):
    files = [npz(x=x, y=y), npz(x=x[:, :2], y=y + 1, notes=['other'])]
    path = write(folder / 'points.npz', files[0])
    yield Reader('points .npz', path, files,
                 lambda path=path: pair(datasets.load_dataset(str(path))))
    pixels = rng.integers(0, 256, (4, 6, 6, 3)).astype('u1')
    path = write(folder / 'images.npz', npz(images=pixels, y=y[:4]))
    yield Reader('images .npz', path, [
        path.read_bytes(), npz(images=pixels[::-1], y=y[4:8])],
        lambda path=path: images.load_images(str(path)))
    lines = [','.join(f'{value:.4f}' for value in row) for row in x]
    named = ['a,b,c,y', *(f'{line},{"ab"[label]}'
                          for line, label in zip(lines, y))]
    for name, content in ('names', named), ('no names', lines):
        path = write(folder / name / 'points.csv',
                     ('\n'.join(content) + '\n').encode())
        yield Reader(f'.csv, {name}', path, [
            path.read_bytes(), '\n'.join(named[::-1]).encode()],
            lambda path=path: pair(datasets.load_dataset(str(path))),
            says_csv, is_text=True)


def arrays_and_folders(folder, rng, x):
    """What is no table, and how it was made points of."""
    def load(path):
        return lambda: datasets.load_dataset(
            str(path), image_size='6x5' if path.is_dir() else None,
            verbose=False).x
    sparse = scipy.sparse.random(20, 8, .3, 'csr', random_state=0)
    files = []
    for matrix in sparse, sparse[::-1] * 2:
        stream = io.BytesIO()
        scipy.sparse.save_npz(stream, matrix)
        files.append(stream.getvalue())
    path = write(folder / 'sparse.npz', files[0])
    read = load(path)
    yield Reader('sparse .npz', path, files,
                 lambda read=read: read().toarray())
    files = [npy(x[:, 0:2].astype('f8')), npy(x[:9].astype('f8'))]
    path = write(folder / 'points.npy', files[0])
    yield Reader('.npy', path, files, load(path), says_npy)
    parts = [npy(x[start:start + n].astype('f8'))
             for start, n in ((9, 8), (17, 5), (0, 9), (22, 7))]
    for name, large in ('.npy parts', math.inf), ('.npy parts on disk', 1):
        path = folder / name / '1.npy'
        for i in 0, 2:
            write(path.with_name(f'{i}.npy'), parts[2 + i // 2])

        def read(at=str(path.parent), large=large):
            with mock.patch.object(datasets.arrays, 'LARGE', large):
                return numpy.asarray(datasets.load_dataset(at).x)
        yield Reader(name, path, parts[:2], read, lambda content: (
            numpy.concatenate([*map(says_npy, (
                parts[2], content, parts[3]))])))
    pixels = rng.integers(0, 256, (3, 6, 5, 3)).astype('u1')
    for i, image in enumerate(pixels):
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, 'png')
        path = write(folder / f'folder/{i}.png', stream.getvalue())
    yield Reader('folder of PNG', path, [
        path.read_bytes(), path.with_name('0.png').read_bytes()],
        load(path.parent))
    lines = [b'the cat and the dog', b'a dog, a cat, food', b'food for a cat',
             b'the end and more food', b'end of it']
    path = write(folder / 'texts.txt', b'\n'.join(lines))
    read = load(path)
    yield Reader('.txt', path, [path.read_bytes(), b'\n'.join(lines[::-1])],
                 lambda read=read: read().toarray(), says_texts, is_text=True)
    data = datasets.load_dataset(str(path))
    path = folder / 'preprocessing.npz'
    data.preparation.save(path)

    def preparation(path=path):
        how = datasets.Preparation.load(path)
        return how.dimension, how.words.vocabulary, how.words.idf
    yield Reader('preprocessing.npz', path, [
        path.read_bytes(), files[0]], preparation)
    arrays = dict(codes=rng.integers(0, 2, (20, 6)), labels=x[:20, 0] > 0,
                  query=numpy.arange(3))
    path = write(folder / 'others.npz', npz(**arrays))
    yield Reader('CODES.npz', path, [path.read_bytes(), npz(
        **{**arrays, 'query': numpy.arange(9)})],
        lambda path=path: score_codes.read_codes(path))


def npy(array):
    stream = io.BytesIO()
    numpy.save(stream, array)
    return stream.getvalue()


def says_npy(content):
    """Number by number, of float64 alone, as the format is described."""
    assert content[:8] == b'\x93NUMPY\1\0'
    n, = struct.unpack('<H', content[8:10])
    head = ast.literal_eval(content[10:10 + n].decode('latin-1').strip())
    assert head.keys() == {'descr', 'fortran_order', 'shape'}
    order, kind = re.fullmatch('([<>])(f8|f4|i8|i4|u8|u4)', head['descr']
                               ).groups()
    rows, columns = head['shape']
    code = dict(f8='d', f4='f', i8='q', i4='i', u8='Q', u4='I')[kind]
    values = struct.unpack(f'{order}{rows * columns}{code}', content[10 + n:])
    x = numpy.array(values, 'f').reshape(
        (columns, rows) if head['fortran_order'] else (rows, columns))
    assert numpy.isfinite(x).all()
    return x.T if head['fortran_order'] else x


def says_texts(content):
    """tf-idf by its formula, word by word."""
    text = content.decode('utf-8-sig')
    assert '\0' not in text
    lines = re.split('\r\n|\r|\n', text)
    while lines and not lines[-1]:
        lines.pop()
    assert lines and all(map(str.strip, lines))
    counts = [collections.Counter(re.findall(r'\b\w\w+\b', line.lower()))
              for line in lines]
    n, used = len(lines), collections.Counter(
        word for count in counts for word in count)
    words = sorted(word for word, f in used.items() if 2 <= f <= n / 2
                   and word not in ENGLISH_STOP_WORDS)
    idf = {word: math.log((1 + n) / (1 + used[word])) + 1 for word in words}
    x = numpy.array([[
        (1 + math.log(count[word])) * idf[word] if count[word] else 0
        for word in words] for count in counts])
    return x / numpy.maximum(numpy.linalg.norm(x, axis=1, keepdims=True), 1e-9)


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def says_csv(content):
    """By the csv module and float()."""
    lines = csv.reader(io.StringIO(content.decode('utf-8-sig')), strict=True)
    rows = [row for row in lines if row and (len(row) > 1 or row[0].strip())]
    names, y = None, None
    if 'y' in map(str.strip, rows[0]) or not any(map(is_number, rows[0])):
        names, *rows = rows
        assert len(set(map(str.strip, names))) == len(names)
    assert rows and len({len(row) for row in rows + [names or rows[0]]}) == 1
    if names and 'y' in map(str.strip, names):
        label = list(map(str.strip, names)).index('y')
        y = [row.pop(label).strip() for row in rows]
        assert all(y) and 'nan' not in y
        y = numpy.array(y)
    x = numpy.array([list(map(float, row)) for row in rows], 'f')
    assert numpy.isfinite(x).all()
    return x, y


def publishers(folder, rng, stack):
    """Files of data sets, in the publishers' formats."""
    patch = functools.partial(_patch, stack)
    pixels = rng.integers(0, 256, (5, 4, 3)).astype('u1')
    plain = idx(pixels)
    for name, files in (('IDX', [plain, idx(pixels[:2])]), (
            'IDX .gz', [gzip.compress(plain, mtime=0),
                        gzip.compress(idx(pixels[:2]), mtime=9)])):
        path = write(folder / name / 'pixels', files[0])
        yield Reader(name, path, files,
                     lambda path=path: datasets.read_idx(path), says_idx)
    for i, name in enumerate(mnist.FILES):
        content = idx(pixels[:, 0, 0] % 10 if i % 2 else pixels + i)
        patch(mnist.FILES, name, hashlib.md5(content).hexdigest())
        path = write(folder / 'mnist' / name, content)
    yield Reader('MNIST', path, [path.read_bytes(), plain],
                 lambda: pair(datasets.load_dataset('mnist', folder)))

    parts = {'data_batch_1': 10, 'test_batch': 10}
    stack.enter_context(mock.patch.object(cifar, 'PER_FILE', parts))
    batches = [b''.join(bytes([i]) + rng.bytes(3072) for i in range(10))
               for _ in parts]
    for name, batch in zip(parts, batches):
        path = write(folder / f'cifar-10-batches-bin/{name}.bin', batch)

    def says_cifar(content):
        assert len(content) == 30730
        labels, planes = [], []
        for part in batches[0], content:
            for i in range(0, 30730, 3073):
                labels.append(part[i])
                planes.append(numpy.frombuffer(part, 'u1', 3072, i + 1
                                               ).reshape(3, 1024).T)
        assert sorted(labels) == sorted([*range(10)] * 2)
        return numpy.array(planes).reshape(20, 32, 32, 3), \
            numpy.array(labels)
    yield Reader('CIFAR-10', path, batches[::-1],
                 lambda: cifar.read_cifar10(Files(folder)), says_cifar)

    below, parts = folder / 'stl10_binary', {}
    for part in 'train', 'test':
        contents = rng.bytes(27648), bytes([3])
        for kind, content in zip('Xy', contents):
            path = write(below / f'{part}_{kind}.bin', content)
        parts[part] = 1, *(hashlib.md5(c).hexdigest() for c in contents)
    stack.enter_context(mock.patch.object(stl, 'PARTS', parts))
    path = below / 'train_X.bin'
    yield Reader('STL-10', path, [path.read_bytes(), rng.bytes(27648)],
                 lambda: stl.read_stl(Files(folder)))

    for name in svhn.FILES:
        stream = io.BytesIO()
        scipy.io.savemat(stream, {
            'X': rng.integers(0, 256, (32, 32, 3, 2)).astype('u1'),
            'y': numpy.array([[1], [10]], 'u1')}, do_compression=True)
        path = write(folder / name, stream.getvalue())
        patch(svhn.FILES, name,
              (hashlib.md5(stream.getvalue()).hexdigest(), 2))
    yield Reader('SVHN', path, [path.read_bytes(), plain],
                 lambda: svhn.read_svhn(Files(folder)))

    drawings = []
    for _ in range(2):
        stream = io.BytesIO()
        Image.fromarray(rng.random((105, 105)) < .9).save(stream, 'png')
        drawings.append(stream.getvalue())
    path = write(folder / 'drawing.png', drawings[0])
    yield Reader('Omniglot', path, drawings,
                 lambda path=path: omniglot.read_drawing(path))

    stack.enter_context(mock.patch.object(newsgroups, 'GROUPS', 1))
    stack.enter_context(mock.patch.object(
        newsgroups, 'POSTS', {'train': 2, 'test': 1}))
    post = b'From: x\n\napple pear'
    write(folder / '20news/20news-bydate-test/comp/1', post)
    path = write(folder / '20news/20news-bydate-train/comp/2',
                 b'From: y\n\npear pear plum, Apple the apple, banana.\n')
    write(path.with_name('3'), b'\n\nbanana pear')
    yield Reader(
        '20 Newsgroups', path, [path.read_bytes(), post],
        lambda: pair(datasets.load_dataset('20news', folder, words=2,
                                           least=1)),
        lambda content: says_20news([content, b'\n\nbanana pear', post]),
        is_text=True)

    matrix = scipy.sparse.random(60, 30, .3, 'csr', 'f', rng)
    arrays = dict(data=matrix.data, indices=matrix.indices,
                  indptr=matrix.indptr, shape=matrix.shape,
                  y=rng.integers(0, 4, 60))
    path = write(folder / 'rcv1_singleroot.npz', npz(**arrays))
    yield Reader('RCV1', path, [
        path.read_bytes(), npz(**{**arrays, 'y': arrays['y'][::-1]})],
        lambda: pair(datasets.load_dataset('reuters', folder, points=20,
                                           words=5)))


def _patch(stack, values, name, value):
    stack.enter_context(mock.patch.dict(values, {name: value}))


def idx(array):
    return struct.pack(f'>HBB{array.ndim}i', 0, 8, array.ndim, *array.shape) \
        + array.tobytes()


def says_idx(content):
    """Number by number, as the publisher describes the format."""
    if content[:2] == b'\x1f\x8b':
        content = gzip.decompress(content)
    types = {8: 'B', 9: 'b', 11: 'h', 12: 'i', 13: 'f', 14: 'd'}
    zero, kind, n = struct.unpack('>HBB', content[:4])
    assert zero == 0
    shape = struct.unpack(f'>{n}i', content[4:4 + 4 * n])
    values = struct.unpack(f'>{math.prod(shape)}{types[kind]}',
                           content[4 + 4 * n:])
    return numpy.array(values, f'>{types[kind]}').reshape(shape)


def says_20news(posts):
    """Two words by counts, tf-idf by its formula."""
    counts = [collections.Counter(
        word for word in re.findall(r'\b\w\w+\b', post.decode('latin-1')
                                    .partition('\n\n')[2].lower())
        if word not in ENGLISH_STOP_WORDS) for post in posts]
    totals = sum(counts, collections.Counter())
    words = sorted(sorted(totals), key=lambda word: -totals[word])[:2]
    words.sort()
    rows = [[count[word] for word in words] for count in counts]
    rows = [row for row in rows if sum(row)]
    x = numpy.zeros((len(rows), 2), 'f')
    for j in range(2):
        frequency = sum(row[j] > 0 for row in rows)
        for i, row in enumerate(rows):
            if row[j]:
                x[i, j] = (1 + math.log(row[j])) * (
                    math.log((1 + len(rows)) / (1 + frequency)) + 1)
    return x, numpy.zeros(len(rows), int)


def saved(folder, x, stack):
    """What the library saves for itself."""
    def fit(**options):
        return imsat.IMSATClustering(
            2, hidden=(4,), epochs=2, batch_size=10, random_state=0,
            n_neighbors=3, snapshot_seconds=0, **options).fit(x)

    def other(path, save):
        save(path)
        return path.read_bytes()
    model = fit()
    path, spare = folder / 'model.npz', folder / 'spare.npz'
    yield Reader('model.npz, a network', path, [
        other(path, model.save), other(spare, imsat.IMSATClustering(
            3, hidden=(), epochs=1, batch_size=10).fit(x).save)],
        lambda path=path: imsat.IMSATClustering.load(path).predict_proba(x))
    hasher = ITQHasher(2).fit(x)
    path = folder / 'hasher.npz'
    yield Reader('model.npz, a projection', path, [
        other(path, hasher.save), other(spare, ITQHasher(3).fit(x).save)],
        lambda path=path: ITQHasher.load(path).transform(x))

    at = folder / 'run'
    at.mkdir()
    fit(out=at)
    first, last = sorted(at.glob('snapshot-*.npz'))
    whole = last.read_bytes()
    older = first.read_bytes()

    def resume():
        # Whatever it does, it ends where it did: but for a sentence.
        write(first, older)
        (at / 'log').unlink(missing_ok=True)
        model = fit(out=at, resume=True)
        return model.predict_proba(x), model.objective_
    yield Reader('snapshot', last, [whole, older], resume)

    index = imsat.HammingIndex(16)
    index.add(numpy.arange(40, dtype='u1').reshape(20, 2))
    path = folder / 'index.npz'
    files = [other(path, index.save)]
    index.add(numpy.zeros((3, 2), 'u1'))
    files.append(other(spare, index.save))

    def search(path=path):
        index = imsat.HammingIndex.load(path)
        return index.search(numpy.zeros((2, 2), 'u1'), 5)
    yield Reader('HammingIndex', path, files, search)
    path = folder / 'codes.npz'
    yield Reader('codes.npz', path, [
        npz(query_codes=index.codes[:3], query_index=numpy.arange(3)),
        npz(query_codes=index.codes[5:7], query_index=numpy.arange(2))],
        lambda path=path: storage.load_npz(path))

    path = folder / 'reference.npz'
    yield Reader('reference.npz', path, [npz(
        points=x[rows].astype('f'), distance=1. + len(rows), rate=.01)
        for rows in (range(9), range(4))],
        lambda path=path: load_reference(path, x.shape[1]))

    def sigma(scale=1):
        return imsat.neighbor_distance(scale * x, 3, folder / 'sigma')
    sigma()
    path, = (folder / 'sigma').iterdir()
    sigma(2)
    spare, = set((folder / 'sigma').iterdir()) - {path}
    yield Reader('cache: sigma', path, [
        path.read_bytes(), spare.read_bytes()], sigma)

    def prepared(name='fuzz', add=0):
        return pair(cache.prepared(name, [x], {}, lambda: (
            x + add, numpy.zeros(40), ['a note'])))
    prepared()
    prepared('other', 1)
    path, = storage.default_cache().glob('fuzz-*.npz')
    yield Reader('cache: data set', path, [
        path.read_bytes(), next(storage.default_cache().glob(
            'other-*.npz')).read_bytes()], prepared)

    def features():
        with extract(x, numpy.negative, 'fuzz', 20, False) as negative:
            # The chunks go when all is done.
            kept.update((path, path.read_bytes()) for path in
                        storage.default_cache().glob('fuzz/*.npz'))
            return negative
    kept = {}
    features()
    (path, whole), (_, spare) = kept.items()
    yield Reader('cache: features', path, [whole, spare], features)


def texts(folder):
    """What is text, or may be."""
    path = write(folder / 'prior.txt', b'.25 .5, .125\n.125\n')
    yield Reader('--prior, text', path, [path.read_bytes(), b'1'],
                 lambda path=path: clustering.read_prior(str(path)),
                 says_prior, is_text=True)
    stream = io.BytesIO()
    numpy.save(stream, [.25, .5, .25])
    path = write(folder / 'prior.npy', stream.getvalue())
    # No checksum: the numbers are what they are.
    yield Reader('--prior, .npy', path, [path.read_bytes(), b''],
                 lambda path=path: clustering.read_prior(str(path)),
                 lambda content: says_prior(npy_text(content)))
    path = write(folder / 'distortion', b'rotation=5,shear=.1,center=2:3')
    yield Reader('--distortion', path, [path.read_bytes(), b'shift=1'],
                 lambda path=path: clustering.get_options([
                     '--distortion', path.read_bytes().decode('latin-1')]
                 ).distortion, says_distortion, is_text=True)

    config = {'options': dict(
        vars(clustering.get_options(['--threads', '1'])), lam=.2,
        hidden=[30, 20], epochs=7), 'data': {'n': 3, 'notes': ['a']}}
    for name in RUN_OPTIONS:
        config['options'].pop(name, None)
    files = [json.dumps(c, indent=1).encode() for c in (
        config, {'options': dict(config['options'], seed=5, mu=1.)})]
    path = write(folder / 'config.json', files[0])

    def options(path=path):
        found = vars(clustering.get_options(['--config', str(path)]))
        return {name: found[name] for name in config['options']
                if found[name] is not None}

    def says_options(content):
        said = strict_json(content)['options']
        assert said.keys() <= config['options'].keys()
        usual = vars(clustering.get_options([
            '--threads=1', f'--method={said.get("method", "imsat-vat")}',
            f'--dataset={said.get("dataset", "digits")}']))
        usual['threads'] = len(os.sched_getaffinity(0))
        given = {name: value for name, value in said.items()
                 if value is not None}
        return {name: value for name, value in {**{
            name: usual[name] for name in config['options']}, **given}.items()
            if value is not None}
    yield Reader('config.json', path, files, options, says_options,
                 is_text=True)

    runs = ROOT.joinpath('docs/runs.json').read_text().splitlines()
    files = ['\n'.join(['{"notes": {', runs[1].rstrip(','), ' },', '"runs": {',
                        f'{a},', b.rstrip(','), ' }}']).encode()
             for a, b in ((runs[-5].rstrip(','), runs[-4]),
                          (runs[-7].rstrip(','), runs[-6]))]
    path = write(folder / 'runs.json', files[0])

    def record():
        record = Record(path)
        return record.notes, record.runs

    def says_record(content):
        said = strict_json(content)
        assert said.keys() == {'notes', 'runs'}
        return said['notes'], said['runs']
    yield Reader('runs.json', path, files, record, says_record, is_text=True)


def says_prior(content):
    values = [float(word) for word in re.split(r'[\s,]+', content.decode())
              if word]
    assert values and min(values) > 0 and abs(sum(values) - 1) <= 1.1e-6
    return numpy.array(values) / numpy.array(values).sum()


def npy_text(content):
    """The numbers of a .npy file, of float64 only, as text."""
    assert content[:8] == b'\x93NUMPY\x01\0'
    n = struct.unpack('<H', content[8:10])[0]
    head = re.fullmatch(rb"\{'descr': '([<>])f8', 'fortran_order': "
                        rb"(?:False|True), 'shape': \((\d+),\), \} *\n?",
                        content[10:10 + n])
    values = struct.unpack(f'{head[1].decode()}{int(head[2])}d',
                           content[10 + n:])
    return ' '.join(map(repr, values)).encode()


def says_distortion(content):
    ranges = {}
    for part in content.decode('latin-1').split(','):
        name, value = part.split('=')
        ranges[name] = [float(v) for v in value.split(':')] \
            if name == 'center' else float(value)
    assert ranges.keys() <= {'rotation', 'shear', 'scale', 'shift', 'center',
                             'probability'}
    return ranges


def strict_json(content):
    def once(pairs):
        assert len({name for name, _ in pairs}) == len(pairs)
        return dict(pairs)
    return json.loads(content.decode(), object_pairs_hook=once)


# --- damage

WORDS = ['', 'nan', 'inf', '-inf', '1e999', '1e-400', '-1', '0', '.5', '1.5',
         '1e30', '9' * 30, '9' * 5000, 'true', 'null', 'NaN', 'abc', '"', "'",
         '""', '[]', '{}', '[' * 2000, ',', ';', '\t', '\n', '\r\n', '\n\n',
         '\0', 'é', '\ufeff', '\ud800', 'y', '1,5', '"a, b"', '0x10', '1_0',
         ' ', '#', ':', '=', '\\u0000', '\\ud800', 'hashing']
TOKEN = re.compile(rb'[\w.+-]+|\s+|.', re.S)


def damage(content, other, is_text, rng):
    """The content after one accident or a few."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = rng.choice(TEXT + BINARY if is_text else BINARY)(
            content, other, rng)
    return content


def place(content, rng):
    return rng.randrange(len(content) or 1)


def flip(content, other, rng):
    if not content:
        return content
    i, changed = place(content, rng), bytearray(content)
    changed[i] ^= 1 << rng.randrange(8)
    return bytes(changed)


def set_byte(content, other, rng):
    i = place(content, rng)
    return content[:i] + bytes([rng.choice((0, 1, 127, 128, 255,
                                            rng.randrange(256)))]) \
        + content[i + 1:]


def cut(content, other, rng):
    return content[:place(content, rng)]


def behead(content, other, rng):
    return content[place(content, rng):]


def extend(content, other, rng):
    return content + rng.choice((b'\0', b'\n', content, other,
                                 rng.randbytes(rng.randrange(1, 40))))


def swap(content, other, rng):
    i, j, k = sorted(place(content, rng) for _ in range(3))
    return content[:i] + content[j:k] + content[i:j] + content[k:]


def leave_out(content, other, rng):
    i = place(content, rng)
    return content[:i] + content[i + rng.randrange(1, 20):]


def repeat(content, other, rng):
    i = place(content, rng)
    j = i + rng.randrange(1, 40)
    return content[:j] + content[i:]


def blank(content, other, rng):
    i, n = place(content, rng), rng.randrange(1, 64)
    return content[:i] + bytes(len(content[i:i + n])) + content[i + n:]


def splice(content, other, rng):
    return content[:place(content, rng)] + other[place(other, rng):]


def overwrite(content, other, rng):
    i, n = place(content, rng), rng.randrange(1, 64)
    j = place(other, rng)
    return content[:i] + other[j:j + n] + content[i + n:]


def on_tokens(change):
    def changed(content, other, rng):
        tokens = TOKEN.findall(content) or [b'']
        # Mostly what says something, and not what stands between.
        words = [i for i, token in enumerate(tokens) if token[:1].isalnum()]
        i = rng.choice(words) if words and rng.random() < .8 else \
            rng.randrange(len(tokens))
        change(tokens, i, rng)
        return b''.join(tokens)
    return changed


@on_tokens
def replace_word(tokens, i, rng):
    tokens[i] = rng.choice(WORDS).encode('utf-8', 'surrogatepass')


@on_tokens
def insert_word(tokens, i, rng):
    tokens.insert(i, rng.choice(WORDS).encode('utf-8', 'surrogatepass'))


@on_tokens
def swap_words(tokens, i, rng):
    j = rng.randrange(len(tokens))
    tokens[i], tokens[j] = tokens[j], tokens[i]


@on_tokens
def delete_word(tokens, i, rng):
    del tokens[i]


def shuffle_lines(content, other, rng):
    lines = content.splitlines(keepends=True)
    if lines:
        lines.insert(rng.randrange(len(lines)),
                     lines.pop(rng.randrange(len(lines))))
    return b''.join(lines)


BINARY = [flip, flip, set_byte, cut, behead, extend, swap, leave_out, repeat,
          blank, splice, overwrite]
TEXT = 4 * [replace_word] + [insert_word, insert_word, swap_words,
                             delete_word, shuffle_lines]


# --- judgement

class TimeOut(BaseException):
    """Raised by the alarm."""


def same(a, b):
    if isinstance(a, numpy.ndarray) or isinstance(b, numpy.ndarray):
        a, b = numpy.asarray(a), numpy.asarray(b)
        if a.shape != b.shape:
            return False
        if a.dtype.kind in 'SU' or b.dtype.kind in 'SU':
            return a.astype(str).tolist() == b.astype(str).tolist()
        return numpy.allclose(a.astype('d'), b.astype('d'), 1e-6, 1e-6)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(
            same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return isinstance(b, list | tuple) and len(a) == len(b) and all(
            map(same, a, b))
    return a == b or a != a and b != b


@contextlib.contextmanager
def quiet():
    with warnings.catch_warnings(record=True) as told, \
            contextlib.redirect_stderr(io.StringIO()), \
            contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter('always')
        yield told


def judge(reader, whole, content):
    """A name of COLUMNS, and what there is to say of it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with quiet() as told:
            value = reader.read()
        if any('damaged' in str(w.message) for w in told):
            # What can be computed again was; is it right as well?
            return ('refused', '') if same(value, whole) \
                else ('wrongly accepted', 'computed again')
    except imsat.InputError as e:
        text = str(e)
        if len(text) < 20 or len(text.splitlines()) > 1:
            return 'other exceptions', f'no sentence: {text!r}'
        return 'refused', ''
    except SystemExit as e:  # argparse
        return ('refused', '') if e.code == 2 else ('other exceptions',
                                                    repr(e))
    except TimeOut:
        return 'time', ''
    except Exception as e:
        return 'other exceptions', f'{type(e).__name__}: {e}'
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if after - before > GROWTH << 10:
            return 'memory', f'{(after - before) >> 10} MB'  # noqa: B012
    if same(value, whole):
        return 'as before', ''
    try:
        if reader.says is not None and same(value, reader.says(content)):
            return 'says so', ''
    except (Exception, SystemExit) as e:
        return 'wrongly accepted', f'{type(e).__name__} {e}; {value!r}'
    return 'wrongly accepted', repr(value)


def fuzz(seed, count, seconds=math.inf, only='', keep=None):
    """Damages ``count`` files, as many of every reader.

    Returns:
        dict: By reader, how often which of COLUMNS was the case.
    """
    def expire(*args):
        raise TimeOut
    signal.signal(signal.SIGALRM, expire)
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(mock.patch.dict(
            os.environ, IMSAT_CACHE=str(folder / 'cache')))
        with quiet():
            chosen = [reader for reader in readers(folder, stack)
                      if only in reader.name]
            if not chosen:
                raise SystemExit(f'there is no reader with {only!r} in its '
                                 f'name')
            for reader in chosen:
                write(reader.path, reader.files[0])
            wholes = [reader.read() for reader in chosen]
        table = {reader.name: collections.Counter() for reader in chosen}
        for i in range(count):
            if time.monotonic() - begun > seconds:
                break
            reader, whole = (values[i % len(chosen)]
                             for values in (chosen, wholes))
            rng = random.Random(f'{seed} {reader.name} {i // len(chosen)}')
            content = damage(*reader.files[:2], reader.is_text, rng)
            write(reader.path, content)
            verdict, why = judge(reader, whole, content)
            write(reader.path, reader.files[0])
            table[reader.name][verdict] += 1
            if verdict not in ALLOWED:
                print(f'{reader.name}, {i}: {verdict}: '
                      + ' '.join(why.split())[:300], file=sys.stderr)
                if keep:
                    write(Path(keep, f'{reader.name}-{i}'), content)
    return table


def markdown(table):
    rows = [[name, sum(counts.values()), *(counts[c] for c in COLUMNS)]
            for name, counts in table.items()]
    rows.append(['in all', *(sum(column) for column in list(zip(*rows))[1:])])
    head = ['reader', 'files', *COLUMNS]
    return '\n'.join(f'| {" | ".join(map(str, row))} |' for row in [
        head, ['---'] * len(head), *rows])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--count', type=int, default=20000, metavar='N', help='of files')
    add('--seconds', type=float, default=math.inf, metavar='S', help='at most')
    add('--seed', type=int, default=0, metavar='N')
    add('--only', default='', metavar='TEXT', help='in the name of a reader')
    add('--keep', metavar='FOLDER')
    args = parser.parse_args()
    table = fuzz(**vars(args))
    print(markdown(table))
    return int(any(counts.keys() - set(ALLOWED)
                   for counts in table.values()))


if __name__ == '__main__':
    sys.exit(main())
