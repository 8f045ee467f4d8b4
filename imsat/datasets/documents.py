"""Documents as tf-idf."""
import csv
import re
import typing
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy

from imsat.datasets.dataset import Dataset
from imsat.datasets.points import MISSING, is_missing
from imsat.datasets.preparation import NUMBERS, Preparation, Words
from imsat.datasets.texts import NUMBER, SEPARATORS, read_text
from imsat.datasets.vocabulary import most_frequent
from imsat.errors import InputError

WORDS = 2000
# A word of the vocabulary is in so many documents at least, and in such a
# share at most: those in more say little, in any language.  English stop words
# are left out as well: K-means of five newsgroups has .86 without, .69 with.
LEAST, MOST = 2, .5
ONLY_NUMBERS = re.compile(r'[\d\s.,;+e-]*\d[\d\s.,;+e-]*', re.I)


def learn_words(documents: Sequence[str], source: typing.Any) -> Words:
    """The vocabulary of documents: their most frequent words."""
    from sklearn.feature_extraction.text import (
        CountVectorizer, TfidfTransformer)

    vectorizer = CountVectorizer(stop_words='english', min_df=LEAST,
                                 max_df=MOST)
    try:
        counts = vectorizer.fit_transform(documents)
    except ValueError as e:  # no words are left
        raise InputError(
            f'the {len(documents)} documents of {source} have no word that is '
            f'in {LEAST} or more of them, in {MOST:.0%} of them at most, and '
            f'no English stop word; give more documents') from e
    columns = most_frequent(numpy.asarray(counts.sum(axis=0)).ravel(), WORDS)
    words = vectorizer.get_feature_names_out()[columns].tolist()
    return Words(words, TfidfTransformer().fit(counts[:, columns]).idf_)


def as_dataset(path: Path, documents: Sequence[str],
               like: Preparation | None = None,
               place: Callable[[int], str] = 'row {}'.format,
               **fields: typing.Any) -> Dataset:
    """The data set of some documents.

    Args:
        path (path): The file.
        documents (list of str): Of it.
        like (Preparation): Whose vocabulary is taken; None learns one.
        place: Says where a document is.
        fields: Others of the Dataset.
    """
    words = like and like.words
    note = 'the vocabulary of the data that were learnt from'
    if not words:
        words = learn_words(documents, path)
        note = (f'the {len(words.vocabulary)} most frequent of the words that '
                f'are in {LEAST} or more documents and in {MOST:.0%} of them '
                f'at most, without scikit-learn\'s English stop words')
    x = words.weigh(documents, path, place)
    return Dataset(
        Path(path.name.removesuffix('.gz')).stem, x, names=words.vocabulary,
        documents=list(documents), preparation=Preparation(
            x.shape[1], words=words, values=NUMBERS), notes=[
            f'{len(documents)} documents as (1 + log tf) idf, each scaled to '
            f'length 1; {note}.'], **fields)


def read_documents(path: Path) -> list[str]:
    """The documents of a text file, one a line.

    Raises:
        InputError: For an empty line, and for a file of numbers, also where
            names or labels stand beside them, which would be the words.
    """
    lines = read_text(path).rstrip('\n').split('\n')
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise InputError(f'line {number} of {path} is empty; write a '
                             f'document a line, or remove the line')
    if all(map(ONLY_NUMBERS.fullmatch, lines)) or _are_table(lines):
        raise InputError(f'{path} holds numbers, and no documents, which is '
                         f'what a .txt file is read for; rename it to .csv')
    return lines


def _are_table(lines):
    """Whether most lines have as many values each, most of them numbers."""
    for separator in SEPARATORS:
        # Documents hardly ever do, so that few are looked at value by value.
        (width, n), = Counter(len(_values(line, separator))
                              for line in lines).most_common(1)
        if n > len(lines) / 2 and sum(
                len(values) == width and _are_numbers(values)
                for values in (_values(line, separator) for line in lines)
        ) > len(lines) / 2:
            return True
    return False


def _values(line, separator):
    if '"' in line:
        try:
            return next(csv.reader([line], delimiter=separator,
                                   skipinitialspace=True))
        except csv.Error:  # longer than a value of a table may be
            return [line]
    return line.split(None if separator == ' ' else separator)


def _are_numbers(values):
    """Whether most values are; those that are missing may have been some."""
    numbers = sum(bool(NUMBER.fullmatch(value.strip())) for value in values)
    missing = sum(is_missing(value, MISSING) for value in values)
    return numbers > 0 and numbers + missing > len(values) / 2
