from imsat.functions.affine import affine_transform
from imsat.functions.batch_normalization_relu import batch_normalization_relu
from imsat.functions.bit_information import (
    bit_information_matrix, sigmoid_information)
from imsat.functions.code_information import code_information
from imsat.functions.divergence import code_kl, sigmoid_kl, softmax_kl
from imsat.functions.information import softmax_information

__all__ = ['affine_transform', 'batch_normalization_relu',
           'bit_information_matrix', 'code_information', 'code_kl',
           'sigmoid_information', 'sigmoid_kl', 'softmax_information',
           'softmax_kl']
