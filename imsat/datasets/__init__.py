"""The data sets of the paper, and files of one's own."""
from imsat.datasets.dataset import Dataset
from imsat.datasets.idx import read_idx
from imsat.datasets.loading import load_dataset
from imsat.datasets.preparation import Preparation
from imsat.datasets.sources import SOURCES, Files, register
from imsat.datasets.split import split_queries

# Each of these registers its data sets, in this order.
from imsat.datasets import (  # NOQA
    digits, mnist, omniglot, stl, cifar, svhn, reuters, newsgroups)

__all__ = ['SOURCES', 'Dataset', 'Files', 'Preparation', 'load_dataset',
           'read_idx', 'register', 'split_queries']
