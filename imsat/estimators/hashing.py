import numpy

from imsat.cuda import hamming as kernels
from imsat.estimators.imsat import IMSATEstimator
from imsat.retrieval.codes import MOST_BITS, are_on_gpu, pack_bits
from imsat.losses.objectives import HashingObjective
from imsat.training.evaluation import information_of


class IMSATHasher(IMSATEstimator):
    """Hash codes by IMSAT (section 3.4), in scikit-learn's form.

    Args:
        n_bits (int): D, from 1 to 256.

    Other arguments, attributes and errors: see :class:`IMSATEstimator`.

    Attributes:
        codes_ (array): Codes of the training points, shape (N, ceil(D / 8)),
            uint8, see :func:`imsat.retrieval.codes.pack_bits`.
    """

    def __init__(self, n_bits=16, *, hidden=(400, 400),
                 initialization='original', n_init=1, epochs=50,
                 batch_size=250, lam=.1, alpha=.25, n_neighbors=10, xi=10.,
                 power_iterations=1, regularizer='vat', weight_decay=.005,
                 image_shape=None, distortion=None, sampling='permutation',
                 learning_rate=.002, device=-1, cache=False, out=None,
                 resume=False, snapshot_seconds=10., verbose=False,
                 random_state=None):
        super().__init__(
            hidden, initialization, n_init, epochs, batch_size, lam, alpha,
            n_neighbors, xi, power_iterations, regularizer, weight_decay,
            image_shape, distortion, sampling, learning_rate, device, cache,
            out, resume, snapshot_seconds, verbose, random_state)
        self.n_bits = n_bits

    def fit(self, X, y=None):
        super().fit(X, y)
        best = self.restarts_[self.best_restart_]
        self.codes_ = codes_of(best['logits'])
        return self

    def transform(self, X):
        """Packed codes, shape (N, ceil(D / 8)), uint8."""
        return codes_of(self._logits(X))

    def predict_proba(self, X):
        """p(Y_d = 1|x), shape (N, D), float64."""
        return 1 / (1 + numpy.exp(-self._logits(X).astype(numpy.float64)))

    def score(self, X, y=None):
        """Eq. 14 of the codes of X, in nats: the information of all bits
        less what pairs of them share; ignores ``y``."""
        information = information_of(self._objective(), self._logits(X))
        return -self._objective().combine(information) / self.lam

    def check(self, X, y=None):
        self._check_whole('n_bits', 1, MOST_BITS)
        super().check(X, y)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # codes are uint8
        return tags

    @property
    def _n_outputs(self):
        return self.n_bits

    @property
    def _n_features_out(self):
        return (self.n_bits + 7) // 8

    def _objective(self):
        return HashingObjective(self.lam)

    def _summarizer(self, labels):
        return lambda logits: {'distinct_codes': count_distinct(
            codes_of(logits))}


def codes_of(logits):
    """A bit is 1 where its probability exceeds a half, strictly.

    Args:
        logits (array): Shape (N, D), float32 or float64.
    """
    if are_on_gpu(logits):
        return kernels.pack_bits(logits)
    return pack_bits(logits > 0)


def count_distinct(codes):
    return len(numpy.unique(codes, axis=0))
