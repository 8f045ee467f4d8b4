"""Differentiable functions of the paper, on NumPy's and CuPy's arrays."""
from imsat.functions.affine import affine_transform
from imsat.functions.divergence import code_kl, sigmoid_kl, softmax_kl
from imsat.functions.entropy import softmax_entropy
from imsat.functions.mutual_information import pairwise_mutual_information
from imsat.functions.mutual_information_of_bits import (
    sigmoid_mutual_information)
from imsat.functions.mutual_information_of_codes import (
    code_mutual_information)
from imsat.functions.normalization import batch_normalization_relu

__all__ = ['affine_transform', 'batch_normalization_relu', 'code_kl',
           'code_mutual_information', 'pairwise_mutual_information',
           'sigmoid_kl', 'sigmoid_mutual_information', 'softmax_entropy',
           'softmax_kl']
