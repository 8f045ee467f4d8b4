"""The networks."""
from imsat.links.autoencoder import (
    Autoencoder, StudentClusters, corrupt, target_distribution)
from imsat.links.encoder import Encoder
from imsat.links.ensemble import Ensemble
from imsat.links.tanh_network import TanhNetwork

__all__ = ['Autoencoder', 'Encoder', 'Ensemble', 'StudentClusters',
           'TanhNetwork', 'corrupt', 'target_distribution']
