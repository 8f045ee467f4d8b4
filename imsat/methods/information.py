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
# The footnotes of the tables.
PENALTY = ('H(Y) has the fixed weight mu = 4 of the authors\' code in place '
           'of the constraint of Eq. 10, whose sequence of penalties '
           '(Appendix B) could not be had.')
DECAYED = ('Weight decay of all parameters; which ones the authors decayed is '
           'not known.')
DISTORTED = ('The ranges of the affine distortion (Appendix F) could not be '
             'had; these are those of Koch et al. (2015).')

CLUSTERING = {
    'linear-rim': Method('Linear RIM', IMSATClustering, {**DECAY, **LINEAR},
                         DECAY_DEFAULTS, (PENALTY, DECAYED)),
    'deep-rim': Method('Deep RIM', IMSATClustering, DECAY, DECAY_DEFAULTS,
                       (PENALTY, DECAYED)),
    'linear-imsat-vat': Method(
        'Linear IMSAT (VAT)', IMSATClustering, {**VAT, **LINEAR},
        {'lam': 1.6, 'alpha': .4}, (PENALTY,)),
    'imsat-rpt': Method(
        'IMSAT (RPT)', IMSATClustering, {'regularizer': 'rpt'},
        {'lam': .05, 'alpha': 2.5}, (PENALTY,)),
    'imsat-vat': Method('IMSAT (VAT)', IMSATClustering, VAT,
                        {'lam': .1, 'alpha': .25}, (PENALTY,)),
    'imsat-affine': Method(
        'IMSAT (affine)', IMSATClustering, {'regularizer': 'affine'},
        {'lam': .1}, (PENALTY, DISTORTED)),
    'imsat-vat-affine': Method(
        'IMSAT (VAT & affine)', IMSATClustering,
        {'regularizer': 'vat-affine'}, {'lam': .1, 'alpha': .25},
        (PENALTY, DISTORTED)),
}

HASHING = {
    'linear-rim': Method('Linear RIM', IMSATHasher, {**DECAY, **LINEAR},
                         DECAY_DEFAULTS, (DECAYED,)),
    'deep-rim': Method('Deep RIM', IMSATHasher, DECAY, DECAY_DEFAULTS,
                       (DECAYED,)),
    'imsat-vat': Method('IMSAT (VAT)', IMSATHasher, VAT,
                        {'lam': .1, 'alpha': .25}),
}
