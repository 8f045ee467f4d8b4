"""RIM and IMSAT: Table 1, with the hyper-parameters of section 4.2.3.

RIM maximises I(X; Y), lambda = 1, and varies the rate of weight decay.
"""
from imsat.clustering import IMSATClustering
from imsat.hashing import IMSATHasher
from imsat.methods.method import Method

DECAY = {'regularizer': 'weight-decay'}
DECAY_DEFAULTS = {'lam': 1., 'weight_decay': .005}
VAT = {'regularizer': 'vat'}
LINEAR = {'hidden': ()}

CLUSTERING = {
    'linear-rim': Method('Linear RIM', IMSATClustering, {**DECAY, **LINEAR},
                         DECAY_DEFAULTS),
    'deep-rim': Method('Deep RIM', IMSATClustering, DECAY, DECAY_DEFAULTS),
    'linear-imsat-vat': Method(
        'Linear IMSAT (VAT)', IMSATClustering, {**VAT, **LINEAR},
        {'lam': 1.6, 'alpha': .4}),
    'imsat-rpt': Method('IMSAT (RPT)', IMSATClustering,
                        {'regularizer': 'rpt'}, {'lam': .05, 'alpha': 2.5}),
    'imsat-vat': Method('IMSAT (VAT)', IMSATClustering, VAT,
                        {'lam': .1, 'alpha': .25}),
    'imsat-affine': Method('IMSAT (affine)', IMSATClustering,
                           {'regularizer': 'affine'}, {'lam': .1}),
    'imsat-vat-affine': Method('IMSAT (VAT & affine)', IMSATClustering,
                               {'regularizer': 'vat-affine'},
                               {'lam': .1, 'alpha': .25}),
}

HASHING = {
    'linear-rim': Method('Linear RIM', IMSATHasher, {**DECAY, **LINEAR},
                         DECAY_DEFAULTS),
    'deep-rim': Method('Deep RIM', IMSATHasher, DECAY, DECAY_DEFAULTS),
    'imsat-vat': Method('IMSAT (VAT)', IMSATHasher, VAT,
                        {'lam': .1, 'alpha': .25}),
}
