"""The words that texts are counted by."""
import numpy


def most_frequent(counts: numpy.ndarray, words: int) -> numpy.ndarray:
    """Columns of the words with the highest counts, in ascending order.

    Of words with equal counts those in the first columns are taken, on any
    machine.
    """
    return numpy.sort(numpy.argsort(-counts, kind='stable')[:words])
