"""Information Maximizing Self-Augmented Training (Hu et al., ICML 2017).

``import imsat`` makes Chainer run on today's Python, NumPy and CuPy.
"""
import importlib.util
import sys
from pathlib import Path

from imsat import compat

compat.apply()


def _find_kernels() -> None:
    """Makes the checkout's ``cuda/`` importable as ``imsat.cuda``.

    An installed package has it already.
    """
    if importlib.util.find_spec('imsat.cuda') is not None:
        return
    folder = Path(__file__).parents[1] / 'cuda'
    spec = importlib.util.spec_from_file_location(
        'imsat.cuda', folder / '__init__.py',
        submodule_search_locations=[str(folder)])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules['imsat.cuda'] = module
    spec.loader.exec_module(module)
    globals()['cuda'] = module


_find_kernels()

from imsat import (
    datasets, devices, estimators, functions, links, losses, metrics,
    retrieval)
from imsat.errors import InputError
from imsat.estimators.clustering import IMSATClustering
from imsat.estimators.hashing import IMSATHasher
from imsat.links.encoder import Encoder
from imsat.links.original import load_original
from imsat.losses.augmentation import AffineDistortion
from imsat.losses.objectives import (
    ClusteringObjective, CodeObjective, HashingObjective)
from imsat.losses.regularizers import rpt, vat, weight_decay
from imsat.metrics import clustering_accuracy
from imsat.neighbors import neighbor_distance
from imsat.retrieval.index import HammingIndex

__version__ = '0.1.0'

__all__ = [
    'AffineDistortion',
    'ClusteringObjective',
    'CodeObjective',
    'Encoder',
    'HammingIndex',
    'HashingObjective',
    'IMSATClustering',
    'IMSATHasher',
    'InputError',
    'clustering_accuracy',
    'datasets',
    'devices',
    'estimators',
    'functions',
    'links',
    'load_original',
    'losses',
    'metrics',
    'neighbor_distance',
    'retrieval',
    'rpt',
    'vat',
    'weight_decay',
]
