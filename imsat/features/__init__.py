from imsat.features.extract import extract
from imsat.features.gist import gabor_filters, gist
from imsat.features.resnet import ResNetFeatures

__all__ = ['ResNetFeatures', 'extract', 'gabor_filters', 'gist']
