"""Information Maximizing Self-Augmented Training (Hu et al., ICML 2017).

``import imsat`` makes Chainer run on today's Python, NumPy and CuPy.  The
estimators, which need scikit-learn, are imported by their first use.
"""
import importlib.util
import sys
import typing
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
    datasets, devices, functions, links, losses, metrics, retrieval, training)
from imsat.errors import CollapseWarning, DivergenceError, InputError
from imsat.links import Encoder
from imsat.links.original import load_original
from imsat.losses import (
    RPT, VAT, Affine, AffineDistortion, Augmentation, ClusteringObjective,
    CodeObjective, HashingObjective, IMSATLoss, Mean, Neighbor, Objective,
    Regularizer, WeightDecay, rpt, vat)
from imsat.metrics import clustering_accuracy
from imsat.neighbors import neighbor_distance, neighbors
from imsat.retrieval import HammingIndex

if typing.TYPE_CHECKING:
    from imsat import estimators
    from imsat.estimators import (
        DEC, ClusterNumbers, DAEKMeans, DeepHasher, IMSATClustering,
        IMSATHasher, ITQHasher, KMeansClustering, SpectralHasher,
        choose_n_clusters)

__version__ = '0.2.0'

__all__ = [
    'Affine',
    'AffineDistortion',
    'Augmentation',
    'ClusterNumbers',
    'ClusteringObjective',
    'CodeObjective',
    'CollapseWarning',
    'DAEKMeans',
    'DEC',
    'DeepHasher',
    'DivergenceError',
    'Encoder',
    'HammingIndex',
    'HashingObjective',
    'IMSATClustering',
    'IMSATHasher',
    'IMSATLoss',
    'ITQHasher',
    'InputError',
    'KMeansClustering',
    'Mean',
    'Neighbor',
    'Objective',
    'RPT',
    'Regularizer',
    'SpectralHasher',
    'VAT',
    'WeightDecay',
    'choose_n_clusters',
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
    'neighbors',
    'retrieval',
    'rpt',
    'training',
    'vat',
]


def __getattr__(name: str) -> typing.Any:
    # scikit-learn takes longer to import than Chainer and all of imsat.
    if name not in __all__:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    estimators = importlib.import_module('imsat.estimators')
    return estimators if name == 'estimators' else getattr(estimators, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
