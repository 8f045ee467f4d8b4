"""The data sets of the paper, read from their publishers' files."""
from imsat.datasets.dataset import Dataset
from imsat.datasets.idx import read_idx
from imsat.datasets.load import load_dataset
from imsat.datasets.sources import SOURCES
# Each of these registers its data sets, in this order.
from imsat.datasets import (  # NOQA
    digits, mnist, omniglot, stl, cifar, svhn, reuters, newsgroups)

__all__ = ['Dataset', 'SOURCES', 'load_dataset', 'read_idx']
