import itertools

import numpy
import pytest
import scipy.sparse
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from imsat import InputError
from imsat.retrieval.codes import unpack_bits
from imsat.estimators import projection
from imsat.estimators.projection import (
    ITQHasher, SpectralHasher, principal_components, rotate_to_codes,
    slowest_modes)

X = (load_digits().data / 8 - 1).astype('f')


def rotation(angle):
    cos, sin = numpy.cos(angle), numpy.sin(angle)
    return numpy.array([[cos, -sin], [sin, cos]])


@pytest.mark.parametrize('block', [100, 5000])
def test_principal_components_are_scikit_learns(block, monkeypatch):
    monkeypatch.setattr(projection, 'BLOCK', block)
    expected = PCA(12, svd_solver='full').fit(X.astype('d'))
    mean, components = principal_components(X, 12)
    numpy.testing.assert_allclose(mean, expected.mean_, atol=1e-6)
    # Up to the sign of each.
    cosine = abs((components.T * expected.components_).sum(axis=1))
    numpy.testing.assert_allclose(cosine, 1, rtol=1e-9)


def test_components_far_from_the_origin():
    near = principal_components(X[:, 10:20].astype('d'), 5)[1]
    far = principal_components(X[:, 10:20].astype('d') + 1e6, 5)[1]
    numpy.testing.assert_allclose(abs((near * far).sum(axis=0)), 1, 1e-6)


class TestITQ:

    @pytest.mark.parametrize('seed', range(5))
    def test_the_error_never_rises(self, seed):
        v = PCA(16).fit_transform(X)
        r, errors = rotate_to_codes(v, 50, numpy.random.RandomState(seed))
        assert (numpy.diff(errors) <= 1e-9).all()
        assert errors[-1] < .9 * errors[0]
        numpy.testing.assert_allclose(r.T @ r, numpy.eye(16), atol=1e-12)
        # What the last of them says of R, written out.
        rotated = v @ r
        naive = sum((numpy.sign(value) - value) ** 2
                    for value in rotated.ravel()) / len(v)
        numpy.testing.assert_allclose(errors[-1], naive)

    @pytest.mark.parametrize('angle', [.1, 1., 2.5])
    def test_turned_corners(self, angle):
        # The corners of the square, turned: the answer turns them back, up
        # to the square's own symmetries, and nothing is left of the error.
        corners = numpy.array(list(itertools.product([-1., 1], repeat=2)))
        v = numpy.repeat(corners, 3, axis=0) @ rotation(angle)
        r, errors = rotate_to_codes(v, 50, numpy.random.RandomState(0))
        assert errors[-1] < 1e-20
        symmetry = rotation(angle) @ r
        numpy.testing.assert_allclose(abs(symmetry).max(axis=0), 1)

    def test_a_rectangle_by_hand(self):
        # +-2 along one axis, +-1/2 along the other, on that axis alone: the
        # error is least where both bits share the long side, at 45 degrees.
        # There the points are (+-sqrt 2, +-sqrt 2) and (+-s, -+s), s =
        # sqrt(1/8).
        v = numpy.array([[2, 0], [-2, 0], [0, .5], [0, -.5]]) @ rotation(.3)
        _, errors = rotate_to_codes(v, 50, numpy.random.RandomState(1))
        expected = ((2 ** .5 - 1) ** 2 + (1 - .125 ** .5) ** 2)
        numpy.testing.assert_allclose(errors[-1], expected)

    def test_codes(self):
        model = ITQHasher(16, random_state=0).fit(X)
        v = (X - X.mean(axis=0, dtype='d')) @ model.components_
        bits = unpack_bits(model.codes_, 16)
        numpy.testing.assert_array_equal(bits, v @ model.rotation_ > 0)
        assert model.objective_ == model.restarts_[0].log[-1][
            'all/quantization']
        several = ITQHasher(16, n_init=4, random_state=0).fit(X)
        objectives = [r.objective for r in several.restarts_]
        assert several.objective_ == min(objectives) <= model.objective_
        assert len(set(objectives)) == 4

    def test_more_bits_than_features(self):
        with pytest.raises(InputError, match='at most 64 bits'):
            ITQHasher(65).fit(X)


class TestSpectral:

    def test_a_uniform_box(self):
        # A grid that fills a box of 4 x 2 x 1, turned and moved.
        sides = numpy.array([4., 2, 1])
        counts = 40, 20, 10
        grid = numpy.stack(numpy.meshgrid(
            *((numpy.arange(n) + .5) / n for n in counts), indexing='ij'),
            axis=-1).reshape(-1, 3)
        turn, _ = numpy.linalg.qr(numpy.random.RandomState(0).normal(
            size=(3, 3)))
        x = (grid - .5) * sides @ turn + [5, -3, 1]
        model = SpectralHasher(5).fit(x)
        bits = unpack_bits(model.codes_, 5).astype(bool)
        # The eigenvalues (k pi / L)^2 in order: k/L of .25, .5 twice (k = 2
        # along 4 and k = 1 along 2), .75, 1 (three times).  The box of the
        # grid's points is a step shorter than the grid.
        extent = [3.9, 1.9, .9]
        numpy.testing.assert_allclose(model.extent_, extent, 1e-6)
        assert list(zip(model.axes_, model.modes_)) == [
            (0, 1), (0, 2), (1, 1), (0, 3), (0, 4)]
        for j, (axis, k) in enumerate([(0, 1), (0, 2), (1, 1), (0, 3),
                                       (0, 4)]):
            # Eigenvectors of the path of the grid's points, a Laplacian with
            # free ends, are the eigenfunctions at those points.
            n = counts[axis]
            path = 2 * numpy.eye(n) - numpy.eye(n, k=1) - numpy.eye(n, k=-1)
            path[0, 0] = path[-1, -1] = 1
            vector = numpy.linalg.eigh(path)[1][:, k]
            position = numpy.rint(grid[:, axis] * n - .5).astype(int)
            expected = vector[position] > 0
            # Up to the sign, and but for the columns at a zero crossing.
            clear = abs(vector[position]) > .1 * abs(vector).max()
            agree = (bits[:, j] == expected)[clear].mean()
            assert agree in (0, 1), (j, agree)
            assert clear.mean() > .7

    def test_modes_by_hand(self):
        axes, modes, eigenvalues = slowest_modes(numpy.array([2., .9, 0]), 5)
        assert list(zip(axes, modes)) == [(0, 1), (0, 2), (1, 1), (0, 3),
                                          (0, 4)]
        numpy.testing.assert_allclose(
            eigenvalues, numpy.pi ** 2 * numpy.array(
                [1 / 4, 1, 1 / .81, 9 / 4, 4]))

    def test_more_bits_than_features(self):
        model = SpectralHasher(40).fit(X[:, :20])
        assert model.components_.shape == (20, 20)
        assert unpack_bits(model.codes_, 40).std(axis=0).min() > 0

    @pytest.mark.filterwarnings('ignore::imsat.CollapseWarning')
    @pytest.mark.parametrize('point', [0, .1, 1e4, [1, -3, .1]])
    @pytest.mark.parametrize('options', [
        {}, dict(center='never'), dict(scale='standard')])
    def test_points_that_are_all_the_same(self, point, options):
        x = numpy.full((50, 3), point, float)
        with pytest.raises(InputError, match='all points are the same'):
            SpectralHasher(4, **options).fit(x)
        x[7, 1] += .5  # one is another
        codes = SpectralHasher(4, **options).fit(x).codes_
        assert (codes[7] != codes[0]).any()
        assert (numpy.delete(codes, 7, axis=0) == codes[0]).all()

    def test_points_that_differ_in_float64_alone(self):
        x = 1 + 1e-10 * numpy.arange(20.)[:, None]
        with pytest.raises(InputError, match='float32 has steps of'):
            SpectralHasher(2, center='never').fit(x)
        SpectralHasher(2).fit(x)  # its centre is subtracted before

    def test_sparse_points_are_refused_as_ever(self):
        x = scipy.sparse.csr_matrix(numpy.ones((9, 3)))
        SpectralHasher(2).check(x)  # as a script does
        with pytest.raises(InputError, match='[Ss]parse'):
            SpectralHasher(2).fit(x)
