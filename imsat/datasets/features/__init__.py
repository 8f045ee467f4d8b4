from imsat.datasets.features.extract import extract
from imsat.datasets.features.gist import gabor_filters, gist
from imsat.datasets.features.resnet import ResNetFeatures

__all__ = ['ResNetFeatures', 'extract', 'gabor_filters', 'gist']
