"""The pictures of a run.

Each function writes one PNG, atomically, and returns what it has drawn.
"""
from imsat.pictures.clustering import (
    cluster_numbers, cluster_samples, cluster_sizes, contingency, embedding)
from imsat.pictures.hashing import bits, nearest_images, retrieval
from imsat.pictures.training import learning_curves

__all__ = ['bits', 'cluster_numbers', 'cluster_samples', 'cluster_sizes',
           'contingency', 'embedding', 'learning_curves', 'nearest_images',
           'retrieval']
