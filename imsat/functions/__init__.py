from imsat.functions.batch_normalization_relu import batch_normalization_relu
from imsat.functions.divergence import sigmoid_kl, softmax_kl
from imsat.functions.information import (
    sigmoid_information, softmax_information)

__all__ = ['batch_normalization_relu', 'sigmoid_information', 'sigmoid_kl',
           'softmax_information', 'softmax_kl']
