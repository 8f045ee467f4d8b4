"""Every method of the paper, in scikit-learn's form."""
from imsat.estimators.autoencoder import DEC, DAEKMeans
from imsat.estimators.cluster_numbers import (  # noqa: F401, no methods
    ClusterNumbers, choose_n_clusters)
from imsat.estimators.clustering import IMSATClustering
from imsat.estimators.deep_hash import DeepHasher
from imsat.estimators.hashing import IMSATHasher
from imsat.estimators.kmeans import KMeansClustering
from imsat.estimators.projection import ITQHasher, SpectralHasher

__all__ = ['DAEKMeans', 'DEC', 'DeepHasher', 'IMSATClustering', 'IMSATHasher',
           'ITQHasher', 'KMeansClustering', 'SpectralHasher']
