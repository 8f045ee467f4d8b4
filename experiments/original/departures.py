"""Where this project, the paper and the authors' code part ways."""
from typing import NamedTuple


class Departure(NamedTuple):
    """One such place.

    ``default`` is ours and why; ``switch`` what chooses another behaviour.
    """
    what: str
    paper: str
    original: str
    default: str
    switch: str


DEPARTURES = (
    Departure(
        'initial weights',
        'Appendix D, which could not be had',
        'N(0, .1 / fan-in), the last layer N(0, 1e-4 / fan-in)',
        'as the original: the numbers can be held against it',
        '`--initialization he`: smaller, as PyTorch ports have it'),
    Departure(
        'neighbour of Eq. 17',
        't = 10',
        'entry 10 of sorted distances, counted from 0: the 11th neighbour',
        'the paper\'s 10',
        '`--neighbor 11`'),
    Departure(
        'weight of H(Y), clustering',
        'mu = 1 in Eq. 7; Eq. 10 bounds KL[p(y) \\|\\| q(y)] by a growing '
        'penalty',
        'mu = 4, fixed',
        'as the original: the paper\'s penalty sequence could not be had',
        '`--mu 1`, `--delta D`, `--prior FILE`'),
    Departure(
        'distance of SAT',
        'cross entropy, Eq. 3',
        'KL, whose gradient is the same up to the 1e-8',
        'as the original: 0 where nothing moves',
        'none'),
    Departure(
        'logarithms',
        'exact',
        '1e-8 inside every one',
        'as the original',
        'argument `eps` of `imsat.functions`; 0 is exact'),
    Departure(
        'batches',
        'a mini-batch B, Eq. 15',
        'the first 250 of a fresh permutation: an epoch shows 63 % of the '
        'points',
        'as the original',
        '`--sampling sweep`'),
    Departure(
        'queries of hashing',
        '100 a class; whether they are learnt from is not said (section '
        '4.3)',
        'learnt from as well, without labels',
        'as the original',
        '`--train-on gallery`'),
    Departure(
        'an epoch of hashing',
        'not said',
        'floor(gallery / 250) iterations, 276 on MNIST',
        'floor(points learnt from / 250), 280 on MNIST, as for clustering',
        'none; `--epochs` in proportion'),
    Departure(
        'mAP',
        'convention not said',
        'area by trapezoids over groups of ties (scikit-learn up to 0.18)',
        'all three: trapezoids, steps (scikit-learn since 0.19), and the '
        'mean over random orders of ties',
        'none needed'),
    Departure(
        'precision at 500',
        'the 500 nearest',
        'ties as an unstable sort leaves them',
        'that of a stable sort and, beside it, the mean over random orders',
        'none needed'),
    Departure(
        'a gradient of 0 in VAT',
        'not said',
        'NaN, and with it the whole run',
        'the point is not perturbed',
        'none'),
    Departure(
        'running variance',
        'not said',
        'Chainer 1 adds 2e-5 on a CPU, none by cuDNN; starts at 0',
        'Chainer 7: none; starts at 0 (Chainer 7 by itself: 1). Replays state '
        'the difference exactly; `load_original` keeps what was saved',
        'none'),
    Departure(
        'the clean pass',
        'not said',
        'twice, for the information and for SAT, with the same numbers',
        'once: it is faster',
        'none needed'),
    Departure(
        'float32 information of nearly independent bits',
        'not said',
        'off by 1e-5 (16 bits): it multiplies by a rounded 1 / 250',
        'right to float32\'s digits',
        'none'),
    Departure(
        'random numbers',
        'not said',
        'NumPy\'s and CuPy\'s global generators; `--seed` only for hashing',
        'generators keyed by seed, purpose and step: a run can be resumed',
        '`--seed N`'),
    Departure(
        'restarts',
        'none; mean and deviation over 12 runs',
        'none',
        'none, but 2 on the small digits: the objective, without labels, '
        'often tells good optima from bad ones',
        '`--restarts N`'),
)
