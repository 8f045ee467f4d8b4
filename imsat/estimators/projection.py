"""Hashing by principal components: PCA-ITQ and spectral hashing."""
import dataclasses
from typing import Any

import numpy
from typing_extensions import Self

from imsat.errors import InputError
from imsat.estimators.base import (
    Estimator, Hasher, Restart, TrainedEstimator, all_or_nothing)
from imsat.hints import Labels, Points
from imsat.parameters import (
    Whole, again, argument_error, documented, parameter)
from imsat.retrieval.codes import pack_bits
from imsat.storage import Like

BLOCK = 5000  # points at a time: bounds memory


@documented
@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class ProjectionHasher(Hasher, Estimator):
    """A hasher that starts from the principal components of the data.

    Attributes:
        mean_ (array): Shape (d,).
        components_ (array): Shape (d, P), orthonormal columns, the direction
            of the largest variance first.
        codes_ (array): Codes of the training points, shape
            (N, ceil(D / 8)), uint8.
    """
    def transform(self, X: Points) -> numpy.ndarray:
        """Packed codes, shape (N, ceil(D / 8)), uint8."""
        X = self._check_new(X)
        return pack_bits(self._bits(self._project(X)))

    def _like(self):
        d = self.n_features_in_
        return {**super()._like(), 'mean_': Like((d,)),
                'components_': Like((d, min(self.n_bits, d)))}

    def _fit_pca(self, X, n):
        self.mean_, self.components_ = principal_components(X, n)
        return self._project(X)

    def _project(self, X):
        # In blocks, as the products turn X into float64.
        return numpy.concatenate([
            (X[start:start + BLOCK] - self.mean_) @ self.components_
            for start in range(0, len(X), BLOCK)])


def principal_components(x, n):
    """Mean, shape (d,), and the first n directions of the largest variance,
    shape (d, n), of x, in float64."""
    mean = x.mean(axis=0, dtype=numpy.float64)
    # Products in x's dtype would lose what is small beside the mean.
    covariance = numpy.zeros((x.shape[1], x.shape[1]))
    for start in range(0, len(x), BLOCK):
        centred = x[start:start + BLOCK] - mean
        covariance += centred.T @ centred
    _, vectors = numpy.linalg.eigh(covariance)
    return mean, vectors[:, ::-1][:, :n].copy()


@documented
@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class ITQHasher(ProjectionHasher):
    """PCA-ITQ (Gong et al. 2013): the rotation of the principal components
    that comes nearest to the corners of the cube.

    Attributes:
        rotation_ (array): Shape (D, D), orthogonal.
        objective_ (float): Mean of :math:`||b - v R||^2`, the quantisation
            error.
        n_iter_ (int): ``iterations``.

    Example:
        >>> x = numpy.random.default_rng(0).normal(size=(60, 8))
        >>> hasher = imsat.ITQHasher(4, random_state=0).fit(x)
        >>> hasher.transform(x).shape
        (60, 1)
    """
    n_init: int = again(TrainedEstimator, 'n_init')
    iterations: int = parameter(
        50, Whole(1), 'of PCA-ITQ: alternating codes and rotation, 50 in '
        'Gong et al.')

    @all_or_nothing
    def fit(self, X: Points, y: Labels = None) -> Self:
        """Learns from X, shape (N, d); ignores ``y``."""
        X, _ = self._check_data(X)
        v = self._fit_pca(X, self.n_bits)
        restarts = self.restarts(self.n_init)
        for seed, _ in restarts:
            rotation, errors = rotate_to_codes(
                v, self.iterations, numpy.random.RandomState(seed))
            log = [{'epoch': i + 1, 'all/quantization': error}
                   for i, error in enumerate(errors)]
            restarts.add(Restart(seed, errors[-1], log=log),
                         rotation_=rotation, n_iter_=len(errors))
        self.codes_ = pack_bits(self._bits(v))
        self._warn_of_constant(self.codes_, self.n_bits)
        return self

    def check(self, X: Any, y: Any = None) -> None:
        super().check(X, y)
        if self.n_bits > X.shape[1]:
            raise argument_error(
                self, 'n_bits', f'is {self.n_bits}, but {X.shape[1]} features '
                f'have no more than {X.shape[1]} principal components; ask '
                f'PCA-ITQ for at most {X.shape[1]} bits')

    def _like(self):
        return {**super()._like(),
                'rotation_': Like((self.n_bits, self.n_bits))}

    @property
    def _n_fitted(self):
        return len(self.rotation_)

    def _bits(self, v):
        return v @ self.rotation_ > 0


def rotate_to_codes(v, iterations, rng):
    """Alternates the best codes for a rotation and the best rotation for
    codes (section 3.2 of Gong et al.).

    Args:
        v (array): Shape (N, D), centred.
        rng (numpy.random.RandomState): Of the first rotation.

    Returns:
        tuple: The rotation R, shape (D, D), and the error, the mean of
        :math:`||sign(v R) - v R||^2`, after every iteration.
    """
    n_bits = v.shape[1]
    rotation, _, _ = numpy.linalg.svd(rng.normal(size=(n_bits, n_bits)))
    errors = []
    for _ in range(iterations):
        codes = numpy.where(v @ rotation > 0, 1., -1.)
        # Orthogonal Procrustes: the nearest rotation of v to the codes.
        left, _, right = numpy.linalg.svd(v.T @ codes)
        rotation = left @ right
        rotated = v @ rotation
        difference = numpy.where(rotated > 0, 1., -1.) - rotated
        errors.append(float(numpy.einsum('ij,ij', difference, difference)
                            / len(v)))
    return rotation, errors


@documented
@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class SpectralHasher(ProjectionHasher):
    """Spectral hashing (Weiss et al. 2008).

    The data are taken to fill the box of their principal components evenly.
    The bits are the signs of the D eigenfunctions of that box that vary
    slowest, constants apart: :math:`\\cos(k \\pi (v_j - a_j) / (b_j - a_j))`.

    Attributes:
        low_, extent_ (array): a and b - a, shape (P,), P = min(D, d).
        axes_, modes_ (array): j and k of every bit, shape (D,).

    Example:
        >>> x = numpy.random.default_rng(0).normal(size=(60, 8))
        >>> imsat.SpectralHasher(12).fit(x).codes_.shape
        (60, 2)
    """

    @all_or_nothing
    def fit(self, X: Points, y: Labels = None) -> Self:
        """Learns from X, shape (N, d); ignores ``y``."""
        X, _ = self._check_data(X)
        _refuse_same(X)  # some differ in float64 alone
        restarts = self.restarts()
        for seed, _ in restarts:
            v = self._fit_pca(X, self.n_bits)
            self.low_ = v.min(axis=0)
            self.extent_ = v.max(axis=0) - self.low_
            self.axes_, self.modes_, eigenvalues = slowest_modes(
                self.extent_, self.n_bits)
            restarts.add(Restart(seed, float(eigenvalues.sum())))
        self.codes_ = pack_bits(self._bits(v))
        self._warn_of_constant(self.codes_, self.n_bits)
        return self

    def check(self, X: Any, y: Any = None) -> None:
        super().check(X, y)
        if isinstance(X, numpy.ndarray):  # as fit has it, whatever was given
            _refuse_same(X)

    def _like(self):
        n, p = self.n_bits, min(self.n_bits, self.n_features_in_)
        return {**super()._like(), 'low_': Like((p,)),
                'extent_': Like((p,), least=0),
                'axes_': Like((n,), int, most=p - 1),
                'modes_': Like((n,), int, least=1, most=n)}

    @property
    def _n_fitted(self):
        return len(self.axes_)

    def _bits(self, v):
        phase = (v - self.low_) / numpy.where(self.extent_, self.extent_, 1)
        return numpy.cos(numpy.pi * self.modes_ * phase[:, self.axes_]) > 0


def _refuse_same(X):
    """InputError for points of which the box has no side."""
    if (X == X[0]).all():
        raise InputError('all points are the same, at least in float32, and '
                         'no bit tells them apart; give points that differ')


def slowest_modes(extent, n):
    """The n eigenfunctions of a box with the smallest eigenvalues.

    Args:
        extent (array): Lengths of the sides, shape (P,); sides of length 0
            have none.

    Returns:
        tuple: Axis j, mode k >= 1 and eigenvalue :math:`(k \\pi / L_j)^2` of
        each, three arrays of shape (n,), in ascending order.
    """
    modes = numpy.arange(1, n + 1)
    with numpy.errstate(divide='ignore'):
        eigenvalues = (numpy.pi * modes / extent[:, None]) ** 2
    order = numpy.argsort(eigenvalues, axis=None, kind='stable')[:n]
    axes, columns = numpy.unravel_index(order, eigenvalues.shape)
    return axes, modes[columns], eigenvalues[axes, columns]
