"""Information Maximizing Self-Augmented Training (Hu et al., ICML 2017).

``import imsat`` makes Chainer run on today's Python, NumPy and CuPy.
"""
import importlib.util
import sys
from pathlib import Path

from imsat import compat

compat.apply()


def _find_kernels():
    """Makes the checkout's ``cuda/`` importable as ``imsat.cuda``.

    An installed package has it already.
    """
    if importlib.util.find_spec('imsat.cuda') is not None:
        return
    folder = Path(__file__).parents[1] / 'cuda'
    spec = importlib.util.spec_from_file_location(
        'imsat.cuda', folder / '__init__.py',
        submodule_search_locations=[str(folder)])
    module = importlib.util.module_from_spec(spec)
    sys.modules['imsat.cuda'] = module
    spec.loader.exec_module(module)
    globals()['cuda'] = module


_find_kernels()

from imsat import functions  # NOQA
from imsat import links  # NOQA
from imsat.errors import InputError  # NOQA
from imsat.estimators import (  # NOQA
    DEC, DAEKMeans, DeepHasher, IMSATClustering, IMSATHasher, ITQHasher,
    KMeansClustering, SpectralHasher)
from imsat.links import Encoder  # NOQA
from imsat.links.original import load_original  # NOQA
from imsat.losses import (  # NOQA
    RPT, VAT, Affine, AffineDistortion, Augmentation, ClusteringObjective,
    CodeObjective, HashingObjective, IMSATLoss, Mean, Objective, Regularizer,
    WeightDecay, rpt, vat)
from imsat.metrics import clustering_accuracy  # NOQA
from imsat.neighbors import neighbor_distance  # NOQA
from imsat.retrieval import HammingIndex  # NOQA

__version__ = '0.2.0'
