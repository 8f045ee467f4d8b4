"""Where this project, the paper and the authors' code part ways.

What ``--faithful`` chooses, the footnotes of the tables and the report of
compare_original.py are made from this list.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Departure:
    """One such place.

    Attributes:
        what (str): Its name.
        paper, original (str): What the paper says and their code does.
        ours (str): What is done here by default, and why.
        switch (str): What chooses another behaviour.
        faithful (dict): Options of the scripts, with the values that do as
            the authors' code does.
        task (str): Whose script has these options; None for both.
        note (str): The footnote of the tables, where there is one.
    """
    what: str
    paper: str
    original: str
    ours: str
    switch: str = 'none'
    faithful: dict = dataclasses.field(default_factory=dict)
    task: str | None = None
    note: str = ''


DEPARTURES = {
    'methods': Departure(
        'methods',
        'those of Tables 1 and 3 to 5',
        'IMSAT (VAT) alone',
        'IMSAT (VAT); the others by their names',
        '`--method NAME`',
        faithful=dict(method='imsat-vat')),
    'training': Departure(
        'length of training',
        'Adam with step size .002; the rest in Appendix D, which could not be '
        'had',
        '50 epochs of batches of 250, Adam with .002',
        'as the original; for files of one\'s own more epochs and smaller '
        'batches where points are few, larger ones where clusters are many',
        '`--epochs N`, `--batch-size N`, `--learning-rate RATE`',
        faithful=dict(epochs=50, batch_size=250, learning_rate=.002)),
    'initialization': Departure(
        'initial weights',
        'Appendix D, which could not be had',
        'N(0, .1 / fan-in), the last layer N(0, 1e-4 / fan-in)',
        'as the original: the numbers can be held against it',
        '`--initialization he`: smaller, as PyTorch ports have it',
        faithful=dict(initialization='original')),
    'center': Departure(
        'data far from 0',
        'not said',
        'as they are',
        'columns whose mean is far from 0 beside their spread are moved to '
        'it; of the paper\'s data none are',
        '`--center never`',
        faithful=dict(center='never')),
    'scale': Departure(
        'scale of columns',
        'that of the data sets, section 4.2.1',
        'as they are',
        'as the original',
        '`--scale standard`',
        faithful=dict(scale='none')),
    'neighbor': Departure(
        'neighbour of Eq. 17',
        't = 10',
        'entry 10 of sorted distances, counted from 0: the 11th neighbour',
        'the paper\'s 10; for files of one\'s own less where clusters have '
        'few points, and sampled where points are very many',
        '`--neighbor 11`, `--neighbor-search exact`',
        faithful=dict(neighbor=11, neighbor_search='exact')),
    'power-iteration': Departure(
        'the direction of VAT',
        'a pair of forward and backward passes, Eq. 6',
        'one, with a step of xi = 10',
        'as the original; for files of one\'s own .19 sqrt(d) alpha '
        'sigma_t(x), which for MNIST is about 10',
        '`--xi XI`, `--power-iterations N`',
        faithful=dict(xi=10, power_iterations=1)),
    'penalty': Departure(
        'weight of H(Y), clustering',
        'mu = 1 in Eq. 7; Eq. 10 bounds KL[p(y) \\|\\| q(y)] by a growing '
        'penalty',
        'mu = 4, fixed',
        'as the original: the paper\'s penalty sequence could not be had',
        '`--mu 1`, `--delta D`, `--prior FILE`',
        faithful=dict(prior=None, delta=None), task='clustering',
        note='H(Y) has the fixed weight mu = 4 of the authors\' code in place '
             'of the constraint of Eq. 10, whose sequence of penalties '
             '(Appendix B) could not be had.'),
    'distance': Departure(
        'distance of SAT',
        'cross entropy, Eq. 3',
        'KL, whose gradient is the same up to the 1e-8',
        'as the original: 0 where nothing moves'),
    'logarithms': Departure(
        'logarithms',
        'exact',
        '1e-8 inside every one',
        'as the original',
        'argument `eps` of `imsat.functions`; 0 is exact'),
    'batches': Departure(
        'batches',
        'a mini-batch B, Eq. 15',
        'the first 250 of a fresh permutation: an epoch shows 63 % of the '
        'points',
        'as the original',
        '`--sampling sweep`',
        faithful=dict(sampling='permutation')),
    'queries': Departure(
        'queries of hashing',
        '100 a class; whether they are learnt from is not said (section '
        '4.3)',
        'learnt from as well, without labels',
        'as the original',
        '`--train-on gallery`, `--queries-per-class N`',
        faithful=dict(queries_per_class=100, train_on='all'),
        task='hashing'),
    'values': Departure(
        'outputs of hashing',
        'bits; section 3.2.1 allows outputs of more values',
        'bits',
        'as the original',
        '`--values V`',
        faithful=dict(values=None), task='hashing'),
    'hashing-epoch': Departure(
        'an epoch of hashing',
        'not said',
        'floor(gallery / 250) iterations, 276 on MNIST',
        'floor(points learnt from / 250), 280 on MNIST, as for clustering',
        'none; `--epochs` in proportion',
        note='An epoch has as many iterations as the points that are learnt '
             'from have batches, 280 on MNIST; in the authors\' code as many '
             'as the gallery has, 276.'),
    'map': Departure(
        'mAP',
        'convention not said',
        'area by trapezoids over groups of ties (scikit-learn up to 0.18)',
        'all three: trapezoids, steps (scikit-learn since 0.19), and the '
        'mean over random orders of ties',
        'none needed'),
    'precision': Departure(
        'precision at 500',
        'the 500 nearest',
        'ties as an unstable sort leaves them',
        'that of a stable sort and, beside it, the mean over random orders',
        'none needed'),
    'zero-gradient': Departure(
        'a gradient of 0 in VAT',
        'not said',
        'NaN, and with it the whole run',
        'the point is not perturbed'),
    'running-variance': Departure(
        'running variance',
        'not said',
        'Chainer 1 adds 2e-5 on a CPU, none by cuDNN; starts at 0',
        'Chainer 7: none; starts at 0 (Chainer 7 by itself: 1). Replays state '
        'the difference exactly; `load_original` keeps what was saved'),
    'clean-pass': Departure(
        'the clean pass',
        'not said',
        'twice, for the information and for SAT, with the same numbers',
        'once: it is faster',
        'none needed'),
    'pair-information': Departure(
        'float32 information of nearly independent bits',
        'not said',
        'off by 1e-5 (16 bits): it multiplies by a rounded 1 / 250',
        'right to float32\'s digits'),
    'random-numbers': Departure(
        'random numbers',
        'not said',
        'NumPy\'s and CuPy\'s global generators; `--seed` only for hashing',
        'generators keyed by seed, purpose and step: a run can be resumed',
        '`--seed N`'),
    'restarts': Departure(
        'restarts',
        'none; mean and deviation over 12 runs',
        'none',
        'none, but 2 on the small digits: what neighbours say, without '
        'labels, often tells good optima from bad ones',
        '`--restarts N`',
        faithful=dict(restarts=1)),
    'weight-decay': Departure(
        'weight decay of RIM',
        'R of Eq. 1; which parameters is not said',
        'no RIM',
        'of all parameters: with that of the weights alone, deep RIM stays '
        'far below the paper on MNIST',
        '`--weight-decay RATE`',
        note='Weight decay of all parameters; which ones the authors decayed '
             'is not known.'),
    'rim-lambda': Departure(
        'lambda of RIM',
        'open in Eq. 1; section 4.2.3 gives the rate of weight decay alone',
        'no RIM',
        '1, a guess: the rate is what is weighed against the information',
        '`--lam LAMBDA`',
        note='lambda of Eq. 1 is 1, a guess: of RIM the paper gives the rate '
             'of weight decay alone.'),
    'distortion': Departure(
        'affine distortion',
        'Appendix F, which could not be had',
        'none',
        'the ranges of Koch et al. (2015)',
        '`--distortion NAME=VALUE,...`',
        note='The ranges of the affine distortion (Appendix F) could not be '
             'had; these are those of Koch et al. (2015).'),
    'autoencoder': Departure(
        'autoencoder of dAE+K-means and DEC',
        'that of Xie et al. (2016), trained by SGD',
        'no autoencoder',
        'trained by Adam, a fifth of the iterations',
        note='The autoencoder is trained by Adam, 10,000 iterations a layer '
             'and 20,000 of all layers, a fifth of what Xie et al. give SGD.'),
    'kmeans-initializations': Departure(
        'the 12 initialisations of K-means',
        'the best objective of them',
        'no K-means',
        'of 10,000 dense points or more, in 64 columns up to a quarter as '
        'many, compared along an eighth as many principal components: it '
        'takes a fraction of the time',
        '`--restarts 1`: one, in all columns',
        note='Of 10,000 dense points or more, in 64 columns up to a quarter '
             'as many, the 12 initialisations are compared along an eighth '
             'as many principal components; the best goes on in all.'),
    'deep-hash': Departure(
        'Deep Hash',
        'figures of Erin Liong et al. (2015)',
        'no Deep Hash',
        'weights and scales of the terms are our own: those in print are for '
        'terms whose scale could not be had; variance about the mean, '
        'without which one code for all is best; Adam',
        '`--balance W`, `--independence W`, `--weight-decay RATE`',
        note='Weights and scales of the terms are chosen here: those that '
             'Erin Liong et al. print are for terms whose scale could not be '
             'had. The variance is taken about the mean, without which one '
             'code for all is best, and Adam trains.'),
}


def faithful(task):
    """The options with which a task's script does as the authors' code.

    Args:
        task (str): ``'clustering'`` or ``'hashing'``.

    Returns:
        dict: Values by option.
    """
    return {option: value for departure in DEPARTURES.values()
            if departure.task in (None, task)
            for option, value in departure.faithful.items()}
