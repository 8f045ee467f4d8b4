"""Documents, a line or a row of a table each."""
import gzip
import math
import re
from collections import Counter

import numpy
import pandas
import pytest
import scipy.sparse

from imsat import InputError
from imsat.datasets import Preparation, documents, load_dataset, texts

TEXTS = ['The cat sat on the mat', 'A dog, a Dog and the dog!',
         'dog food; cat food', 'Éclairs for the cat', 'éclairs and food',
         'mat of a cat', 'said "éclairs, please"']


# Of scikit-learn's list, those that are used here.
STOP = {'the', 'and', 'on', 'of', 'for', 'please'}


def naive(texts, vocabulary=None, idf=None):
    """tf-idf as the docstring says it, word by word."""
    counts = [Counter(re.findall(r'\w\w+', text.lower())) for text in texts]
    n = len(texts)
    frequency = Counter(word for count in counts for word in count)
    if vocabulary is None:
        vocabulary = sorted(word for word, f in frequency.items()
                            if 2 <= f <= n / 2 and word not in STOP)
        idf = [math.log((1 + n) / (1 + frequency[word])) + 1
               for word in vocabulary]
    x = numpy.zeros((n, len(vocabulary)))
    for row, count in zip(x, counts):
        for j, word in enumerate(vocabulary):
            if count[word]:
                row[j] = (1 + math.log(count[word])) * idf[j]
    norms = numpy.linalg.norm(x, axis=1, keepdims=True)
    return vocabulary, idf, x / numpy.where(norms, norms, 1)


def load(path, content=None, **options):
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes)
                         else content.encode())
    return load_dataset(str(path), **options)


@pytest.mark.parametrize('name', ['a.txt', 'a.txt.gz', 'a.csv', 'a.tsv',
                                  'a.csv.gz', 'a.parquet'])
def test_documents(tmp_path, name):
    options = {}
    if '.txt' in name:
        content = '\r\n'.join(TEXTS).encode('utf-8-sig') + b'\r\n'
    else:
        options = dict(text='body', label='kind', index='id')
        frame = pandas.DataFrame({'id': range(7, 14), 'body': TEXTS,
                                  'kind': list('uvuvuvu'), 'n': .5})
        if name == 'a.parquet':
            pytest.importorskip('pyarrow')
            frame.to_parquet(tmp_path / name)
            content = None
        else:
            content = frame.to_csv(
                None, sep='\t' if 'tsv' in name else ',', index=False).encode()
    if name.endswith('.gz'):
        content = gzip.compress(content)
    data = load(tmp_path / name, content, **options)
    vocabulary, _, x = naive(TEXTS)
    assert data.names == vocabulary and 'éclairs' in vocabulary
    assert scipy.sparse.issparse(data.x) and data.x.dtype == numpy.float32
    numpy.testing.assert_allclose(data.x.toarray(), x, 1e-6)
    assert data.documents == TEXTS and data.name == 'a'
    if options:
        assert ''.join(data.y) == 'uvuvuvu'
        assert data.index == [str(i) for i in range(7, 14)]


def test_the_most_frequent_words(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, 'WORDS', 2)
    # cat is in four of seven; dog is there 4 times in two, mat twice.
    data = load(tmp_path / 'a.txt', '\n'.join(TEXTS))
    counts = Counter(word for text in TEXTS
                     for word in re.findall(r'\w\w+', text.lower()))
    kept = naive(TEXTS)[0]
    assert data.names == sorted(sorted(
        kept, key=lambda word: (-counts[word], word))[:2])


def test_new_documents(tmp_path):
    how = load(tmp_path / 'a.txt', '\n'.join(TEXTS)).preparation
    how.save(tmp_path / 'how.npz')
    how = Preparation.load(tmp_path / 'how.npz')
    new = ['Cats and a cat', 'mat mat dog food unheard']
    expected = naive(new, *naive(TEXTS)[:2])[2]
    x = load(tmp_path / 'new.txt', '\n'.join(new), like=how).x
    numpy.testing.assert_allclose(x.toarray(), expected, 1e-6)
    x = load(tmp_path / 'new.csv', f'n,t\n1,{new[0]}\n2,{new[1]}\n',
             text='t', like=how).x
    numpy.testing.assert_allclose(x.toarray(), expected, 1e-6)
    with pytest.warns(UserWarning, match='1 of 2 documents .* line 2'):
        x = load(tmp_path / 'new.txt', 'food\nnothing known', like=how).x
    assert x[1].nnz == 0
    # What is weighed already.
    numpy.savez(tmp_path / 'a.npz', x=expected)
    numpy.testing.assert_allclose(load(tmp_path / 'a.npz', like=how).x,
                                  expected, 1e-6)
    with pytest.raises(InputError, match='features, and what was learnt'):
        load(tmp_path / 'new.csv', 'a,b\n1,2\n', like=how)
    rows = load(tmp_path / 'a.npz').preparation
    with pytest.raises(InputError, match='holds documents'):
        load(tmp_path / 'new.txt', like=rows)


def test_a_table_keeps_its_columns(tmp_path):
    content = 'kind,body\n' + ''.join(
        f'{i % 2},"{text}"\n' for i, text in enumerate(
            text.replace('"', "'") for text in TEXTS))
    how = load(tmp_path / 'a.csv', content, text='body',
               label='kind').preparation
    new = load(tmp_path / 'new.csv', 'x,body\n1,the cat\n2,dog food\n',
               like=how)
    assert new.y is None and new.documents == ['the cat', 'dog food']


@pytest.mark.parametrize('content,message', [
    (b'', 'line 1 .* is empty'), (b'\n\n', 'line 1 .* is empty'),
    (b'a cat\n\na dog\n', 'line 2 .* is empty'),
    (b'a cat\n \t \na dog\n', 'line 2 .* is empty'),
    (b'one\ntwo\nthree\n', 'give more documents'),
    (b'the cat\nthe cat\nthe cat', 'give more documents'),
    (b'the and\nthe cat\nof and\na b\nx1\ny1', 'give more documents'),
    (b'! ?\n...\n', 'give more documents'),
    (b'1 2 3\n4 5 6\n', 'holds numbers'),
    (b'1.5e-3, -2\n4;5\n', 'holds numbers'),
    ('caf\u00e9\nthe\n'.encode('latin-1'), 'UTF-8'),
    ('caf\u00e9\nthe\n'.encode('utf-16'), 'UTF-8'),
    ('caf\u00e9\nthe\n'.encode('utf-16-le'), 'UTF-8'),
    (b'a cat\0\na dog\n', 'UTF-8'),
    (b'cat dog\ncat dog\ncat dog\nx1 y1\nx2 y2\nx3 y3\n' * 1, None)])
def test_bad_texts(tmp_path, content, message):
    if message is None:
        with pytest.warns(UserWarning, match='3 of 6 documents'):
            load(tmp_path / 'a.txt', content)
        return
    with pytest.raises(InputError, match=message) as info:
        load(tmp_path / 'a.txt', content)
    assert '\n' not in str(info.value) and 'a.txt' in str(info.value)


def iris(separator, head=(), quote=''):
    """Lines as UCI's iris.data has them, read by nothing but its label."""
    rng = numpy.random.default_rng(0)
    return [*head, *(separator.join([
        *(f'{value:.1f}' for value in rng.normal(5 + i // 20, 1, 4)),
        quote + ('setosa', 'versicolor', 'virginica')[i // 20] + quote])
        for i in range(60))]


@pytest.mark.parametrize('lines', [
    *map(iris, (',', ';', '\t', '|', ' ', ', ', '   ')),
    iris(',', ['sepal length,width,petal length,width,kind']),
    iris(',', ['# of Fisher', '# 1936'], '"'),
    [line.replace('.', ',') for line in iris(';')],
    ['x,y,kind', *(f'{i / 7:.2f},{i / 3:.2f},kind {i % 3}'
                   for i in range(90))],
    # Some are missing; a text of several words; a single column.
    [line.replace('5.', '?', 1) for line in iris(',')],
    [line.replace('setosa', '"the setosa, of Alaska"') for line in iris(',')],
    ['height', *(f'{i}.25' for i in range(10, 30))]])
def test_a_table_is_not_read_by_its_words(tmp_path, lines):
    for name in 'a.txt', 'a.txt.gz':
        content = '\n'.join(lines).encode()
        with pytest.raises(InputError, match='holds numbers, and no document'):
            load(tmp_path / name, gzip.compress(content)
                 if '.gz' in name else content)


@pytest.mark.filterwarnings('ignore:.*no word of the vocabulary')
@pytest.mark.parametrize('lines', [
    [f'call 555 0{i} 12 by 2024-01-{i:02}' for i in range(10, 30)],
    ['1 2 3', '4,5,6', '7;8;9', '10 11 12'],
    [f'{i} 2024 4.5' for i in range(len(TEXTS) - 1)],
    [f'{i},"a cat, a dog"' for i in range(9)], ['none'] * 9,
    [f'he said "{i} cats' for i in range(9)]])
def test_numbers_among_documents(tmp_path, lines):
    """A few in lines of words, and a few lines of them."""
    lines = [*lines, *TEXTS]
    assert load(tmp_path / 'a.txt', '\n'.join(lines)).documents == lines


@pytest.mark.parametrize('content,options,message', [
    ('a,b\nx,1\n,2\n', dict(text='a'), "line 3 .* has no text"),
    ('a,b\nx,1\nnan,2\n', dict(text='a'), "line 3 .* has no text"),
    ('a,b\nx,1\ny,2\n', dict(text='c'), "text names 'c'"),
    ('a,b\nx,1\ny,2\n', dict(text='a', columns='b'), 'only one of them'),
    ('a,b\nx,1\ny,2\n', dict(text='a', label='a'), 'that of the labels'),
    ('a,b\nx,1\ny\n', dict(text='a'), 'line 3 .* has 1 values')])
def test_bad_columns_of_text(tmp_path, content, options, message):
    with pytest.raises(InputError, match=message):
        load(tmp_path / 'a.csv', content, **options)
    numpy.savez(tmp_path / 'a.npz', x=numpy.eye(2))
    for name in 'digits', str(tmp_path / 'a.npz'):
        with pytest.raises(InputError, match='no table'):
            load_dataset(name, text='a')


def test_a_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr(texts, 'available_memory', lambda: 1e6)
    content = gzip.compress(b'a cat\n' * 10 ** 6)
    assert len(content) < 1e5
    for name, column in ('a.txt.gz', None), ('a.csv.gz', 'cat'):
        with pytest.raises(InputError, match='more than 0 MB of text'):
            load(tmp_path / name, content, text=column)
