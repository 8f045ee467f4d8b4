"""Hash codes by IMSAT (section 3.4)."""
import dataclasses
from typing import Any, ClassVar

import numpy
from sklearn.utils.validation import check_is_fitted
from typing_extensions import Self

from imsat.errors import InputError
from imsat.estimators.base import Hasher, all_or_nothing
from imsat.estimators.imsat import IMSATEstimator
from imsat.functions.mutual_information import heads
from imsat.functions.probabilities import bit_log_softmax, log_softmax
from imsat.hints import Labels, Points
from imsat.links.encoder import Encoder
from imsat.losses.objectives import HashingObjective, Objective
from imsat.on_disk import blocks_of
from imsat.parameters import again, documented
from imsat.retrieval.codes import codes_of, head_codes_of
from imsat.storage import AnyPath
from imsat.training.evaluation import softmax


@documented
@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class IMSATHasher(Hasher, IMSATEstimator):
    """Hash codes by IMSAT (section 3.4), in scikit-learn's form.

    With ``objective=imsat.CodeObjective(sizes)`` the codes have M outputs of
    V_1, ..., V_M values instead of D bits (section 3.2.1).

    Attributes:
        codes_ (array): Codes of the training points: bits, shape
            (N, ceil(D / 8)), uint8, see :func:`imsat.retrieval.pack_bits`;
            or M values each, shape (N, M), see
            :func:`imsat.retrieval.head_codes_of`.
        sizes_ (tuple of int or None): V_1, ..., V_M; None of bits.

    Example:
        >>> x = numpy.random.default_rng(0).normal(size=(200, 4))
        >>> hasher = imsat.IMSATHasher(12, hidden=(20,), epochs=2,
        ...                            batch_size=50, random_state=0).fit(x)
        >>> hasher.codes_.shape, hasher.codes_.dtype
        ((200, 2), dtype('uint8'))
    """
    _task: ClassVar[str] = 'hashing'

    hidden: tuple = again(IMSATEstimator, 'hidden', default=(400, 400))

    def make_objective(self) -> Objective:
        """``objective``, or else the HashingObjective of the arguments."""
        if self.objective is not None:
            return self.objective
        return HashingObjective(self.lam)

    @all_or_nothing
    def fit(self, X: Points, y: Labels = None,
            sample_weight: Any = None) -> Self:
        super().fit(X, y, sample_weight=sample_weight)
        self._keep(self.restarts_[self.best_restart_].logits)
        self._warn_of_constant(
            self.codes_, self.n_bits if self.sizes_ is None else None)
        return self

    @classmethod
    def load(cls, path: AnyPath) -> Self:
        self = super().load(path)
        self.sizes_ = self._asked_sizes
        return self

    @classmethod
    def from_encoder(cls, encoder: Encoder, **arguments: Any) -> Self:
        self = super().from_encoder(encoder, **arguments)
        self.make_objective().check(self._n_fitted)
        self.sizes_ = self._asked_sizes
        return self

    def __setstate__(self, state):
        super().__setstate__(state)
        if hasattr(self, 'encoder_') and not hasattr(self, 'sizes_'):
            self.sizes_ = self._asked_sizes  # a pickle of before

    def _check_data(self, X, y=None):
        checked = super()._check_data(X, y)
        if self.warm_start and hasattr(self, 'encoder_'):
            self._check_sizes()
        self.sizes_ = self._asked_sizes
        return checked

    def _check_chunk(self, X):
        X = super()._check_chunk(X)
        self._check_sizes()
        return X

    def _keep(self, logits):
        self.codes_ = self._codes(logits)

    def _fitted_arrays(self):
        self._check_sizes()
        return super()._fitted_arrays()

    def _check_sizes(self):
        """InputError where the objective takes the fitted outputs for others.
        """
        if self.sizes_ != self._asked_sizes:
            raise InputError(
                f"what is fitted can't be used: its outputs are "
                f'{_outputs(self.sizes_)}, and those of objective '
                f'{_outputs(self._asked_sizes)}; set the parameters to what '
                f'they were in fit, or fit again')

    def transform(self, X: Points) -> numpy.ndarray:
        """Codes of the points of X, as ``codes_``."""
        return self._codes(self._logits(X))

    def predict_proba(self, X: Points) -> numpy.ndarray:
        """p(Y_d = 1|x), shape (N, D), float64; of M outputs the
        probabilities of all their values, shape (N, V_1 + ... + V_M)."""
        logits = self._logits(X)
        if self.sizes_ is None:
            return 1 / (1 + numpy.exp(-logits.astype(numpy.float64)))
        return numpy.concatenate(
            [softmax(logits[:, head]) for head in heads(self.sizes_)], axis=1)

    def predict_log_proba(self, X: Points) -> numpy.ndarray:
        """The logarithms of :meth:`predict_proba`, finite however small p."""
        logits = self._logits(X).astype(numpy.float64)
        if self.sizes_ is None:
            return bit_log_softmax(logits)[0]
        return numpy.concatenate(
            [log_softmax(logits[:, head]) for head in heads(self.sizes_)],
            axis=1)

    def score(self, X: Points, y: Labels = None,
              sample_weight: Any = None) -> float:
        """Eq. 14 of the codes of X, in nats: the information of all outputs
        less what pairs of them share; ignores ``y``."""
        check_is_fitted(self)
        self._check_sizes()
        information = self._information(X, sample_weight)
        return (information.marginal_entropy
                - information.conditional_entropy
                - information.pairwise_information)

    @property
    def _asked_sizes(self):
        sizes = self.make_objective().sizes
        return None if sizes is None else tuple(sizes)  # a list of a file

    def _codes(self, logits):
        sizes = self.sizes_
        return numpy.concatenate([
            codes_of(block) if sizes is None else head_codes_of(block, sizes)
            for _, block in blocks_of(logits)])

    @property
    def _n_outputs(self):
        sizes = self._asked_sizes
        return self.n_bits if sizes is None else sum(sizes)

    @property
    def _n_groups(self):
        # An output is a bit, or one of several values.
        return max(self._asked_sizes or (2,))

    @property
    def _n_features_out(self):
        if self.sizes_ is None:
            return super()._n_features_out
        return len(self.sizes_)

    def _summarize(self, logits, labels):
        return self._count_codes(logits)


def _outputs(sizes):
    return 'bits' if sizes is None else f'of {list(sizes)} values'
