"""Eq. 1: objectives and regularisers as values, and the loss of both."""
from imsat.losses.augmentation import AffineDistortion
from imsat.losses.loss import IMSATLoss
from imsat.losses.objectives import (
    ClusteringObjective, CodeObjective, HashingObjective, Objective)
from imsat.losses.regularizers import (
    REGULARIZERS, RPT, VAT, Affine, Augmentation, Mean, Neighbor,
    Regularizer, WeightDecay, rpt, vat, weight_decay)

__all__ = ['Affine', 'AffineDistortion', 'Augmentation',
           'ClusteringObjective', 'CodeObjective', 'HashingObjective',
           'IMSATLoss', 'Mean', 'Neighbor', 'Objective', 'REGULARIZERS',
           'RPT', 'Regularizer', 'VAT', 'WeightDecay', 'rpt', 'vat',
           'weight_decay']
