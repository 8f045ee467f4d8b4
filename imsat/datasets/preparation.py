"""How points were made of what a file holds, to make others alike."""
import dataclasses
import json
import math
import typing
import warnings
from collections.abc import Callable, Sequence

import numpy

from imsat.errors import InputError
from imsat.parameters import is_sequence, is_whole
from imsat.storage import AnyPath, Like, check_arrays, load_npz, save_npz

# What was done to the values of a file: of bytes that are pixels x / 128 - 1,
# and nothing to other bytes, nor to numbers of any other kind.
SCALED, BYTES, NUMBERS = VALUES = 'scaled', 'bytes', 'numbers'


class Words(typing.NamedTuple):
    """What documents are weighed by.

    Attributes:
        vocabulary (list of str): A column of x each.
        idf (numpy.ndarray): Its weight, shape (d,), float64.
    """
    vocabulary: list[str]
    idf: numpy.ndarray

    def weigh(self, documents: Sequence[str], source: typing.Any,
              place: Callable[[int], str]) -> typing.Any:
        """(1 + log tf) idf of documents, each scaled to length 1.

        Returns:
            scipy.sparse.csr_matrix: Shape (N, d), float32.
        """
        from sklearn.feature_extraction.text import (
            CountVectorizer, TfidfTransformer)

        counts = CountVectorizer(vocabulary=self.vocabulary).transform(
            documents)
        empty = numpy.flatnonzero(counts.getnnz(axis=1) == 0)
        if len(empty):
            warnings.warn(
                f'{source}: {len(empty)} of {len(documents)} documents have '
                f'no word of the vocabulary, so that nothing tells them '
                f'apart; the first is in {place(int(empty[0]))}')
        tfidf = TfidfTransformer(sublinear_tf=True)
        tfidf.idf_ = self.idf
        return tfidf.transform(counts).astype(numpy.float32)


@dataclasses.dataclass(frozen=True)
class Preparation:
    """How points were made of what a file holds, to make others alike.

    A run keeps it beside its model.  :func:`imsat.datasets.load_dataset`
    takes it as ``like`` and reads another file so.

    Attributes:
        dimension (int): d, the number of features.
        names (list of str): Of the columns of a table that are features.
        label, index, text (str or int): The columns of a table that hold
            these, by name, or by number from 1 where it has no names.
        columns: Those that were asked for as features.
        image_shape (tuple): Of the points that are images.
        words (Words): What documents were weighed by.
        made_by (str): Of features of images, what has made them.
        values (str): ``'scaled'`` of bytes that are pixels, which became
            x / 128 - 1, ``'bytes'`` of others, which stayed, ``'numbers'`` of
            any other kind; None if that is not known, as of files that are
            older than this attribute: what is an image by itself is scaled.

    Example:
        >>> from imsat.datasets import Preparation, load_dataset
        >>> with open('old.csv', 'w') as f:
        ...     _ = f.write('a,b\\n1,2\\n3,4\\n')
        >>> load_dataset('old.csv').preparation.save('how.npz')
        >>> with open('new.csv', 'w') as f:
        ...     _ = f.write('b,c,a\\n6,7,5\\n')
        >>> load_dataset('new.csv', like=Preparation.load('how.npz')).x
        array([[5., 6.]], dtype=float32)
    """
    dimension: int
    names: list[str] | None = None
    label: str | int | None = None
    index: str | int | None = None
    columns: typing.Any = None
    text: str | int | None = None
    image_shape: tuple[int, ...] | None = None
    words: Words | None = None
    made_by: str | None = None
    values: str | None = None

    def save(self, path: AnyPath) -> None:
        """Writes it to an npz file, without pickle."""
        how = {field.name: getattr(self, field.name)
               for field in dataclasses.fields(self)}
        arrays = {}
        if self.words is not None:
            how['words'], arrays['idf'] = self.words
        save_npz(path, {'preparation': json.dumps(how), **arrays})

    @classmethod
    def load(cls, path: AnyPath) -> 'Preparation':
        """What :meth:`save` wrote.

        Raises:
            InputError: If the file is damaged or holds anything else.
        """
        arrays = load_npz(path)
        try:
            how = json.loads(str(arrays.pop('preparation')))
            vocabulary = how.pop('words')
            if vocabulary is not None:
                how['words'] = Words(vocabulary, arrays['idf'])
            self = cls(**how)
        except (KeyError, TypeError, ValueError, AttributeError,
                RecursionError) as e:
            raise InputError(f'{path} does not say how points were prepared '
                             f'({e!r}); name that of a run') from e
        check_arrays(arrays, {} if self.words is None else {
            'idf': Like((self.dimension,), least=0)}, path,
            'name that of a run')
        return dataclasses.replace(
            self, image_shape=self.image_shape and tuple(self.image_shape))

    def __post_init__(self):
        if not self._is_sound():
            raise InputError('of a preparation a value is of another kind; '
                             'take that of a data set, or load one')

    def _is_sound(self):
        """Whether all is of its kind."""
        d, shape, words = self.dimension, self.image_shape, self.words
        return is_whole(d) and d > 0 and isinstance(words, Words | None) \
            and isinstance(self.made_by, str | None) \
            and (self.values is None or isinstance(self.values, str)
                 and self.values in VALUES) \
            and all(texts is None or _are_texts(texts, d) for texts in (
                self.names, words and words.vocabulary)) and all(
            column is None or isinstance(column, str) or is_whole(column)
            for column in (self.label, self.index, self.text)) and (
            self.columns is None or isinstance(self.columns, str)
            or is_sequence(self.columns) and all(
                isinstance(column, str) or is_whole(column)
                for column in self.columns)) and (
            shape is None or is_sequence(shape) and len(shape) in (2, 3)
            and all(map(is_whole, shape)) and min(shape) > 0
            and math.prod(shape) == d)


def _are_texts(texts, n):
    return is_sequence(texts) and all(
        isinstance(text, str) for text in texts) and len(set(texts)) == n \
        and len(texts) == n
