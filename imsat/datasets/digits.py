"""The handwritten digits that come with scikit-learn."""
import numpy

from imsat.datasets.dataset import Dataset
from imsat.datasets.sources import Files, register


@register('digits')
def load_digits(files: Files) -> Dataset:
    """scikit-learn's handwritten digits, 1,797 x 64, 0..16 to -1..1."""
    import sklearn.datasets

    digits = sklearn.datasets.load_digits()
    x = (digits.data / 8 - 1).astype(numpy.float32)
    return Dataset('digits', x, digits.target, (8, 8),
                   ['Pixels x / 8 - 1.'])
