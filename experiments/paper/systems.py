"""Every system of the paper by the name that the scripts call it."""
import dataclasses
import inspect

from imsat import InputError
from imsat.estimators import (
    DEC, DAEKMeans, DeepHasher, IMSATClustering, IMSATHasher, ITQHasher,
    KMeansClustering, SpectralHasher)
from imsat.losses import REGULARIZERS
from imsat.losses.regularizers import RegularizerParameters
from imsat.parameters import arguments_of, declarations, option_of
from paper.departures import DEPARTURES


@dataclasses.dataclass(frozen=True)
class System:
    """A system: an estimator and the arguments that make it this one.

    Args:
        title (str): As the paper's tables call it.
        estimator (type): Of :class:`imsat.estimators.base.Estimator`.
        fixed (dict): Arguments that define the system.
        defaults (dict): Hyper-parameters of section 4.2.3, where they differ
            from the estimator's own defaults.
        paper (dict): What else than :data:`PAPER` data sets by name take.
        departures (tuple of str): Where it departs from the paper, or had to
            be guessed; keys of :data:`paper.departures.DEPARTURES`.
    """
    title: str
    estimator: type
    fixed: dict = dataclasses.field(default_factory=dict)
    defaults: dict = dataclasses.field(default_factory=dict)
    departures: tuple = ()
    paper: dict = dataclasses.field(default_factory=dict)

    @property
    def notes(self):
        """The footnotes of the tables, a sentence for each departure."""
        return [DEPARTURES[key].note for key in self.departures]

    @property
    def ignored(self):
        """Options of its estimator that its regulariser has no use for."""
        parts = REGULARIZERS.get(self.fixed.get('regularizer'))
        if parts is None:
            return set()
        unused = {*declarations(RegularizerParameters), 'alpha', 'n_neighbors'}
        for part in parts:
            unused -= {*arguments_of(part).values()}
            if part.needs_radius:
                unused -= {'alpha', 'n_neighbors'}
            if part.is_scale_free:
                unused -= {'xi'}  # a number leaves the data in their unit
        own = declarations(self.estimator)
        return {option_of(name, own[name]) for name in unused & own.keys()}

    def get_defaults(self):
        """Every argument that can be chosen, with its default."""
        parameters = inspect.signature(self.estimator).parameters
        arguments = {name: parameter.default
                     for name, parameter in parameters.items()
                     if name not in self.fixed}
        return {**arguments, **self.defaults}

    def make(self, **arguments):
        """The estimator, with its arguments and then ``arguments``."""
        return self.estimator(**{**self.defaults, **self.fixed, **arguments})


# Table 1, and the others that Tables 3 to 5 compare with.
SYSTEMS = {
    'clustering': {
        'kmeans': System('K-means', KMeansClustering,
                         departures=('kmeans-initializations',)),
        'dae-kmeans': System('dAE+K-means', DAEKMeans,
                             departures=('autoencoder',),
                             paper=dict(batch_size=256)),
        'dec': System('DEC', DEC, departures=('autoencoder',),
                      paper=dict(batch_size=256)),
        'linear-rim': System(
            'Linear RIM', IMSATClustering,
            dict(regularizer='weight-decay', hidden=()),
            dict(lam=1.), ('penalty', 'weight-decay', 'rim-lambda')),
        'deep-rim': System(
            'Deep RIM', IMSATClustering, dict(regularizer='weight-decay'),
            dict(lam=1.), ('penalty', 'weight-decay', 'rim-lambda')),
        'linear-imsat-vat': System(
            'Linear IMSAT (VAT)', IMSATClustering,
            dict(regularizer='vat', hidden=()), dict(lam=1.6, alpha=.4),
            ('penalty',)),
        'imsat-rpt': System(
            'IMSAT (RPT)', IMSATClustering, dict(regularizer='rpt'),
            dict(lam=.05, alpha=2.5), ('penalty',)),
        'imsat-vat': System(
            'IMSAT (VAT)', IMSATClustering, dict(regularizer='vat'),
            departures=('penalty',)),
        'imsat-affine': System(
            'IMSAT (affine)', IMSATClustering, dict(regularizer='affine'),
            departures=('penalty', 'distortion')),
        'imsat-vat-affine': System(
            'IMSAT (VAT & affine)', IMSATClustering,
            dict(regularizer='vat-affine'),
            departures=('penalty', 'distortion')),
        'imsat-neighbor': System(
            'IMSAT (neighbours)', IMSATClustering,
            dict(regularizer='neighbor'), departures=('penalty',)),
        'imsat-vat-neighbor': System(
            'IMSAT (VAT & neighbours)', IMSATClustering,
            dict(regularizer='vat-neighbor'), departures=('penalty',)),
    },
    'hashing': {
        'spectral': System('Spectral hash', SpectralHasher),
        'pca-itq': System('PCA-ITQ', ITQHasher),
        'deep-hash': System('Deep Hash', DeepHasher,
                            departures=('deep-hash',)),
        'linear-rim': System(
            'Linear RIM', IMSATHasher,
            dict(regularizer='weight-decay', hidden=()),
            dict(lam=1.), ('weight-decay', 'rim-lambda')),
        'deep-rim': System(
            'Deep RIM', IMSATHasher, dict(regularizer='weight-decay'),
            dict(lam=1.), ('weight-decay', 'rim-lambda')),
        'imsat-vat': System('IMSAT (VAT)', IMSATHasher,
                            dict(regularizer='vat'),
                            departures=('hashing-epoch',)),
    },
}


# What is taken for data sets by name where an option could follow the data.
PAPER = dict(xi=10., mu=4., epochs=50, batch_size=250, neighbor=10)


def get_system(task, name):
    """The system of a name, for ``'clustering'`` or ``'hashing'``.

    Raises:
        InputError: If there is none.
    """
    if name not in SYSTEMS[task]:
        raise InputError(f'there is no {task} method {name!r}; choose one of '
                         f'{", ".join(sorted(SYSTEMS[task]))}')
    return SYSTEMS[task][name]
