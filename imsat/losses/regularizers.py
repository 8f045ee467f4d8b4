"""R of Eq. 1, self-augmented training (section 3.2.2) above all.

The pure functions are called as ``(forward, distance, x, radius, y, rng)``:

- ``forward``: from a batch to logits, without touching running statistics;
- ``distance``: of two sets of logits, e.g. :func:`functions.softmax_kl`;
- ``x``: array, shape (B, d);
- ``radius``: array, shape (B,), of each point's ball, alpha sigma_t(x) of
  Eq. 17, in the units of x; whatever needs no radius ignores it;
- ``y``: the clean logits, where they are known already: Variable or array of
  shape (B, M), never differentiated;
- ``rng``: ``numpy.random.Generator`` for all that is random,

and return a 0-dimensional Variable, R_SAT of Eq. 4 up to a constant.

Around them are values, one for each regulariser: a :class:`Regularizer` holds
its parameters and says what it needs.  Those with a name are in
:data:`REGULARIZERS`.
"""
import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import chainer
import chainer.functions as F
import numpy

from imsat.cuda import directions, runtime
from imsat.errors import InputError
from imsat.functions.compiled import compiled
from imsat.functions.normal_numbers import standard_normal
from imsat.hints import Array, VariableOrArray
from imsat.losses.augmentation import AffineDistortion, check_augmented
from imsat.parameters import (
    AUTO, FUNCTION, GENERATOR, Auto, Choice, Flag, Kind, Number, OneOf,
    Tensor, Whole, again, check_argument, check_value, checked, declarations,
    documented, from_arguments, is_number, parameter)

# Of "auto" for xi.  MNIST's 10 are .19 sqrt(784) radii: docs/defaults.md.
REACH = .19

# From a batch to logits, and of two sets of logits.
Forward: TypeAlias = Callable[..., chainer.Variable]
Distance: TypeAlias = Callable[..., chainer.Variable]
# What the pure functions are given.
_of_all: dict[str, Kind] = dict(
    forward=FUNCTION, distance=FUNCTION, x=Tensor(2),
    y=Tensor(optional=True))
_of_radius: dict[str, Kind] = dict(
    **_of_all, radius=Tensor(), direction=Tensor(optional=True),
    rng=OneOf(numpy.random.Generator, GENERATOR.wanted, optional=True))


@checked(**_of_all, augmented=Tensor())
def self_augmented_training(
        forward: Forward, distance: Distance, x: Array, augmented: Array,
        y: VariableOrArray | None = None) -> chainer.Variable:
    """Eqs. 3 and 4: how far predictions move from ``x`` to ``augmented``."""
    return distance(clean_logits(forward, x, y), forward(augmented))


@checked(**_of_all, transform=FUNCTION)
def augmentation(
        forward: Forward, distance: Distance, x: Array,
        radius: Array | None = None, y: VariableOrArray | None = None,
        rng: numpy.random.Generator | None = None, *,
        transform: Callable[..., VariableOrArray]) -> chainer.Variable:
    """The regulariser of any augmentation T (section 3.2.2).

    Args:
        transform: Function ``(x, rng)`` to the augmented batch, an array or
            Variable of x's shape.
    """
    # A copy, as it may work in place.
    augmented = check_augmented(transform(x.copy(), rng), x)
    return self_augmented_training(forward, distance, x, augmented, y)


@checked(**_of_radius)
def rpt(forward: Forward, distance: Distance, x: Array, radius: Array,
        y: VariableOrArray | None = None,
        rng: numpy.random.Generator | None = None,
        direction: Array | None = None) -> chainer.Variable:
    """Random perturbation training: r uniform on the sphere of ``radius``.

    Args:
        forward: Function from a batch to logits, shape (B, M), that leaves
            running statistics alone.
        distance: Function of two sets of logits, e.g.
            :func:`functions.softmax_kl`.
        x (array): The batch, shape (B, d).
        radius (array): alpha sigma_t(x) of Eq. 17, shape (B,), in the units
            of x.
        y (Variable or array): The clean logits, shape (B, M), if they are
            known already.
        rng (numpy.random.Generator): For all that is random.
        direction (array): Shape (B, d), replaces the draw from ``rng``; it
            is normalised here.

    Returns:
        Variable: R_SAT of Eq. 4 up to a constant, 0-dimensional.

    Example:
        Who predicts the same everywhere is not moved.

        >>> loss = imsat.rpt(
        ...     lambda x: x * 0, imsat.functions.softmax_kl,
        ...     numpy.ones((4, 2)), radius=numpy.ones(4),
        ...     rng=numpy.random.default_rng(0))
        >>> float(loss.array)
        0.0
    """
    d = _unit_rows(x, radius, rng, direction)
    return self_augmented_training(
        forward, distance, x,
        x + radius.astype(d.dtype, copy=False)[:, None] * d, y)


@checked(**_of_radius, power_iterations=Whole(0), xi=OneOf(
    chainer.get_array_types(), 'give a finite number from 0, or an array',
    Number()))
def vat(forward: Forward, distance: Distance, x: Array, radius: Array,
        y: VariableOrArray | None = None,
        rng: numpy.random.Generator | None = None,
        direction: Array | None = None, *, xi: Any,
        power_iterations: int) -> chainer.Variable:
    """Virtual adversarial training: r of Eq. 6 (Miyato et al. 2016).

    The direction in which ``distance`` grows fastest is found by power
    iteration from a random one.  A point whose gradient vanishes is not
    perturbed.

    Args:
        forward, distance, x, radius, y, rng: As for :func:`rpt`.
        direction (array): Shape (B, d), replaces the draw from ``rng``.
        xi (float or array): Step of the finite difference, in the units of x;
            an array has one for each point, shape (B,).
        power_iterations (int): At least 0, which leaves the random direction.

    Returns:
        Variable: R_SAT of Eq. 4 up to a constant, 0-dimensional.

    Example:
        Two logits that are the coordinates: the worst move changes their
        difference most, and is felt.

        >>> loss = imsat.vat(
        ...     lambda x: x, imsat.functions.softmax_kl,
        ...     numpy.zeros((1, 2)), radius=numpy.ones(1), xi=1.,
        ...     power_iterations=1, direction=numpy.array([[1., 0.]]))
        >>> round(float(loss.array), 3)
        0.232
    """
    y = clean_logits(forward, x, y)
    d = _unit_rows(x, radius, rng, direction)
    if not is_number(xi):
        if xi.shape != x.shape[:1]:
            raise InputError(f'xi has shape {xi.shape} for a batch of shape '
                             f'{x.shape}; give a number, or one for each '
                             f'point')
        xi = xi.astype(d.dtype, copy=False)[:, None]
    for k in range(power_iterations):
        d = chainer.Variable(scale_rows(d) if k else d)
        moved = distance(y, forward(x + xi * d))
        # Only what leads to d is differentiated, no parameter.
        gradient, = chainer.grad([moved], [d])
        d = gradient.array
    return self_augmented_training(
        forward, distance, x,
        x + scale_rows(d, radius.astype(d.dtype, copy=False)), y)


def scale_rows(d, radius=None):
    """Rows of length ``radius``, shape (B,), or 1; rows of zeros stay.

    Gradients of 1e-30 are common at the start, so rows are scaled by their
    largest entry before they are squared.
    """
    if runtime.current.holds(d):
        return directions.scale_rows(d, radius)
    largest = numpy.abs(d).max(axis=1, keepdims=True)
    d = d / numpy.where(largest > 0, largest, 1)
    d /= numpy.sqrt(numpy.maximum(
        numpy.einsum('ij,ij->i', d, d)[:, None], d.dtype.type(1e-30)))
    if radius is not None:
        d *= radius[:, None]
    return d


def move_rows(x, d, radius, out, index=None):
    """Writes x, moved along the rows of d by ``radius``, to ``out``.

    All of shape (B, d) but for the radius, (B,), or that of all points and
    the batch's ``index``, (B,); see :func:`scale_rows`.
    """
    if runtime.current.holds(x):
        directions.perturb(x, d, radius, index, out)
        return
    radius = radius if index is None else radius[index]
    loop = _move_loop()
    if loop is None:
        numpy.add(x, scale_rows(d, radius), out=out)
    else:
        loop(x, d, radius, d.dtype.type(numpy.finfo(d.dtype).tiny ** .8), out)


# Sums in any order may go side by side.
@compiled(fastmath={'reassoc', 'nsz'})
def _move_loop(x, d, radius, least, out):
    one = d.dtype.type(1)
    for i in range(len(d)):
        row, start, end = d[i], x[i], out[i]
        scale = one
        for _ in range(2):
            squares = d.dtype.type(0)
            for j in range(len(row)):
                part = row[j] / scale
                squares += part * part
            if least < squares < numpy.inf:
                break
            # They were too small or too large; or all are 0.
            largest = numpy.abs(row).max()
            scale = one if largest == 0 else largest
        length = radius[i] / numpy.sqrt(max(squares, least))
        for j in range(len(row)):
            end[j] = start[j] + row[j] / scale * length


@checked(network=OneOf(chainer.Link, 'give a chainer.Link'), rate=Number(),
         weights_only=Flag())
def weight_decay(network: chainer.Link, rate: float,
                 weights_only: bool = False) -> chainer.Variable:
    """The regulariser of RIM: rate / 2 times the squares of all parameters.

    Its gradient is that of ``chainer.optimizer_hooks.WeightDecay(rate)``.
    Scale and shift of batch normalizations have to be among them: whatever
    the scale of the weights beneath, it undoes it.

    Args:
        network (chainer.Link): Whose parameters.
        weights_only (bool): Leave biases, scales and shifts alone, as Gomes
            et al. (2010) do with the biases of linear RIM.
    """
    params = [param for param in network.params()
              if param.name == 'W' or not weights_only]
    # Each as one row: a pass over memory and no temporaries.
    return rate / 2 * sum(
        F.sum(F.batch_l2_norm_squared(F.reshape(param, (1, -1))))
        for param in params)


def clean_logits(forward, x, y=None):
    """The logits of a batch as an array, a constant; y if they are known."""
    if y is None:
        with chainer.no_backprop_mode():
            y = forward(x)
    return y.array if isinstance(y, chainer.Variable) else y


def _unit_rows(x, radius, rng, direction):
    if radius.shape != x.shape[:1]:
        raise InputError(f'the radius has shape {radius.shape} for a batch '
                         f'of shape {x.shape}; give a number for each point')
    if direction is not None:
        if direction.shape != x.shape:
            raise InputError(f'the direction has shape {direction.shape} for '
                             f'a batch of shape {x.shape}; give a row for '
                             f'each point')
        return scale_rows(direction)
    check_argument('rng', rng, GENERATOR)
    dtype = x.dtype if x.dtype == numpy.float64 else numpy.float32
    d = draw_rows(x.shape, dtype, rng, runtime.current.holds(x))
    return d if runtime.current.holds(d) else scale_rows(d)


def draw_rows(shape, dtype, rng, on_gpu=False):
    """Rows of any lengths in directions that are uniform on the sphere."""
    if on_gpu:
        # There from the start, by a generator keyed by this one.
        return directions.random(shape, dtype, seed=rng.integers(2 ** 63))
    return standard_normal(rng, shape, dtype)


class Regularizer:
    """R of Eq. 1 as a value.

    One of your own defines ``__call__``, is a frozen dataclass if it has
    parameters, and says what it needs.

    Attributes:
        needs_radius (bool): Whether it needs sigma_t(x) of Eq. 17.
        needs_images (bool): Whether points have to be images.
        needs_neighbors (int): How many of the nearest of each point it takes
            others from; then it is called with ``near`` as well, see
            :class:`Neighbor`.
        is_shift_invariant (bool): Whether it is the same wherever the points
            lie, so that they may be centred first.
        is_scale_free (bool): Whether it is the same in whatever unit points
            and radii are, so that they may be scaled first.

    Example:
        Predictions must not change when features are dropped.

        >>> class Dropout(imsat.Regularizer):
        ...     def __call__(self, network, distance, x, radius=None, y=None,
        ...                  rng=None):
        ...         moved = x * (rng.random(x.shape) < .9)
        ...         return distance(y, network(moved.astype(x.dtype),
        ...                                    update_statistics=False))
        >>> x = numpy.random.default_rng(0).normal(size=(40, 3))
        >>> model = imsat.IMSATClustering(2, hidden=(8,), epochs=2,
        ...                               regularizer=Dropout())
        >>> model.fit(x).labels_.shape
        (40,)
    """
    needs_radius: Any = False
    needs_images: Any = False
    needs_neighbors: Any = 0
    is_shift_invariant: Any = False
    is_scale_free: Any = False

    def __call__(self, network: Forward, distance: Distance, x: Array,
                 radius: Array | None = None,
                 y: VariableOrArray | None = None,
                 rng: numpy.random.Generator | None = None
                 ) -> chainer.Variable:
        """R of a batch, a 0-dimensional Variable.

        Args:
            network (chainer.Link): Called as ``network(x,
                update_statistics=False)`` it gives logits, shape (B, M).
            distance: Function of two sets of logits.
            x (array): The batch, shape (B, d).
            radius (array): alpha sigma_t(x) of Eq. 17, shape (B,), in the
                units of x; whatever needs no radius ignores it.
            y (Variable or array): The clean logits, shape (B, M), which
                are not differentiated; training gives an array of them.
            rng (numpy.random.Generator): For all that is random.
        """
        raise TypeError(f'{type(self).__name__} does not say what it costs; '
                        f'define __call__')

    def __post_init__(self):
        check_value(self)

    def check(self, dimension: int) -> None:
        """Raises InputError unless it suits points of so many features."""


def untraced(network):
    """The network, which leaves the running statistics as they are."""
    return functools.partial(network, update_statistics=False)


@documented
@dataclasses.dataclass(frozen=True)
class VAT(Regularizer):
    """Virtual adversarial training, :func:`vat` (Eqs. 5 and 6).

    Example:
        >>> imsat.VAT(xi=1.)
        VAT(xi=1.0, power_iterations=1)
    """
    needs_radius = is_shift_invariant = True

    xi: float | str = parameter(
        AUTO, Auto(Number()), 'step of the finite difference in Eq. 6\'s '
        'power iteration, in the units of the data (the authors\' code: 10); '
        f'"auto": {REACH} sqrt(d) times the point\'s own radius, alpha '
        'sigma_t(x)',
        kw_only=False)
    power_iterations: int = parameter(
        1, Whole(0), 'of Eq. 6, each a forward and a backward pass',
        kw_only=False)

    def __call__(self, network, distance, x, radius=None, y=None, rng=None):
        radius = radius.astype(x.dtype, copy=False)
        return vat(untraced(network), distance, x, radius, y, rng,
                   xi=self.step(radius, x.shape[1]),
                   power_iterations=self.power_iterations)

    @property
    def is_scale_free(self):
        return self.xi == AUTO

    def step(self, radius, d):
        """xi, a number; or one for each point, shape (B,), from their
        ``radius`` and the number of features ``d``.

        Of a random direction only 1 / sqrt(d) lies along the one that is
        sought, so that steps of radius sqrt(d) go equally far along that one.
        """
        return REACH * d ** .5 * radius if self.xi == AUTO else self.xi


@dataclasses.dataclass(frozen=True)
class RPT(Regularizer):
    """Random perturbation training, :func:`rpt` (section 3.2.2).

    Example:
        >>> imsat.RPT().needs_radius
        True
    """
    needs_radius = is_shift_invariant = is_scale_free = True

    def __call__(self, network, distance, x, radius=None, y=None, rng=None):
        return rpt(untraced(network), distance, x, radius, y, rng)


@documented
@dataclasses.dataclass(frozen=True)
class WeightDecay(Regularizer):
    """Weight decay, the regulariser of RIM, :func:`weight_decay`.

    Example:
        >>> imsat.WeightDecay(.01).needs_radius
        False
    """
    is_shift_invariant = True

    rate: float = parameter(
        .005, Number(), 'R of Eq. 1 is RATE / 2 times the squares of all '
        'parameters', argument='weight_decay', kw_only=False)
    weights_only: bool = parameter(
        False, Flag(), 'leave biases, scales and shifts alone', option='',
        kw_only=False)

    def __call__(self, network, distance, x, radius=None, y=None, rng=None):
        return weight_decay(network, self.rate, self.weights_only)


@dataclasses.dataclass(frozen=True)
class Augmentation(Regularizer):
    """Self-augmented training by any augmentation T (section 3.2.2).

    Args:
        transform: Function ``(x, rng)`` of a batch, an array of shape (B, d),
            and a ``numpy.random.Generator`` to the augmented batch, an array
            or Variable of x's shape.

    Example:
        >>> mirror = imsat.Augmentation(lambda x, rng: x[:, ::-1])
        >>> model = imsat.IMSATClustering(10, regularizer=mirror)
    """
    transform: Callable = parameter(
        None, OneOf(Callable, 'give a function (x, rng)'),
        kw_only=False)

    def __call__(self, network, distance, x, radius=None, y=None, rng=None):
        return augmentation(untraced(network), distance, x, y=y, rng=rng,
                            transform=self.transform)


class Ranges(Kind):
    """Arguments of AffineDistortion, by name."""
    metavar = 'NAME=VALUE,...'
    wanted = 'give a dict of arguments of imsat.AffineDistortion'

    known = {name: declaration for name, declaration
             in declarations(AffineDistortion).items()
             if name != 'image_shape'}

    def allows(self, value):
        return isinstance(value, Mapping) \
            and self.known.keys() >= value.keys()

    def problem(self, value):
        problem = super().problem(value)
        if problem or value is None:
            return problem
        problems = (f'has a {name} that {problem}' for name, given
                    in value.items()
                    if (problem := self.known[name].kind.problem(given)))
        return next(problems, None)

    def parse(self, text):
        pairs = [pair.split('=') for pair in text.split(',')]
        ranges = {name: [float(place) for place in value.split(':')]
                  if name == 'center' else float(value)
                  for name, value in pairs}
        if not self.allows(ranges):
            raise ValueError
        return ranges


def _default_ranges():
    return ','.join(
        f'{field.name}={field.default:g}'.replace('=0', '=')
        for field in dataclasses.fields(AffineDistortion)
        if isinstance(field.default, float))


@documented
@dataclasses.dataclass(frozen=True)
class Affine(Regularizer):
    """Self-augmented training by random affine distortions (section 4.2.4).

    Example:
        >>> imsat.Affine((28, 28), dict(rotation=5)).needs_images
        True
    """
    needs_images = True

    image_shape: tuple | None = again(
        AffineDistortion, 'image_shape', kw_only=False)
    distortion: dict | None = parameter(
        None, Ranges(optional=True), f'of the affine methods, by default '
        f'{_default_ranges()}: degrees, shares and pixels, either way, and '
        f'how often each is applied; center=ROW:COLUMN names the pixel that '
        f'stays, by default the middle', kw_only=False)

    def transform(self):
        """The random distortion, an :class:`imsat.AffineDistortion`."""
        return AffineDistortion(self.image_shape, **(self.distortion or {}))

    def __call__(self, network, distance, x, radius=None, y=None, rng=None):
        return augmentation(untraced(network), distance, x, y=y, rng=rng,
                            transform=self.transform())

    def check(self, dimension):
        self.transform().check(dimension)


@documented
@dataclasses.dataclass(frozen=True)
class Neighbor(Regularizer):
    """Self-augmented training by neighbours: T(x) is one of the points
    nearest to x, at random (section 3.2.2).

    An estimator finds them; ``near`` of a call is a function ``(rng, k)`` to
    an array like x that has one of the k nearest of each of its points.

    Example:
        >>> half = imsat.Mean(imsat.VAT(), imsat.Neighbor(5))
        >>> half.needs_neighbors, half.needs_radius
        (5, True)
    """
    is_shift_invariant = is_scale_free = True

    nearest: int = parameter(
        10, Whole(1), 'of the neighbor methods: a point must have the answer '
        'of each of so many that are nearest to it', kw_only=False)

    @property
    def needs_neighbors(self):
        return self.nearest

    def __call__(self, network, distance, x, radius=None, y=None, rng=None,
                 near=None):
        check_argument('near', near, FUNCTION)
        return self_augmented_training(untraced(network), distance, x,
                                       near(rng, self.nearest), y)


_a_value = OneOf(Regularizer, 'give a value such as imsat.VAT(xi=1)')


@dataclasses.dataclass(frozen=True)
class Mean(Regularizer):
    """Half of one regulariser and half of another (Eq. 18).

    Args:
        first, second (Regularizer): Any two.

    Example:
        >>> imsat.Mean(imsat.VAT(), imsat.Affine((28, 28))).needs_images
        True
    """
    first: Regularizer = parameter(None, _a_value, kw_only=False)
    second: Regularizer = parameter(None, _a_value, kw_only=False)

    @property
    def needs_radius(self):
        return self.first.needs_radius or self.second.needs_radius

    @property
    def needs_images(self):
        return self.first.needs_images or self.second.needs_images

    @property
    def needs_neighbors(self):
        return max(self.first.needs_neighbors, self.second.needs_neighbors)

    @property
    def is_shift_invariant(self):
        return self.first.is_shift_invariant \
            and self.second.is_shift_invariant

    @property
    def is_scale_free(self):
        return self.first.is_scale_free and self.second.is_scale_free

    def __call__(self, network, distance, x, radius=None, y=None, rng=None,
                 near=None):
        y = clean_logits(untraced(network), x, y)
        first, second = (
            part(network, distance, x, radius, y, rng,
                 **({'near': near} if part.needs_neighbors else {}))
            for part in (self.first, self.second))
        return .5 * first + .5 * second

    def check(self, dimension):
        self.first.check(dimension)
        self.second.check(dimension)


# By name: a class, or two for half of each (Eq. 18), made from those of an
# estimator's arguments that they declare.
REGULARIZERS: dict[str, tuple[Any, ...]] = {
    'vat': (VAT,), 'rpt': (RPT,), 'weight-decay': (WeightDecay,),
    'affine': (Affine,), 'vat-affine': (VAT, Affine), 'neighbor': (Neighbor,),
    'vat-neighbor': (VAT, Neighbor)}


@documented
@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class RegularizerParameters:
    """What an estimator takes to make a regulariser.

    A regulariser by name is made from the others of these parameters; a
    value brings its own.
    """
    regularizer: str | Regularizer = parameter(
        'vat', OneOf(Regularizer, f'choose one of {", ".join(REGULARIZERS)} '
                     f'or give a value such as imsat.VAT(xi=1)',
                     Choice(REGULARIZERS)), 'R of Eq. 1, by name, made from '
        'the following arguments, or as a value', option='')
    xi: float = again(VAT, 'xi')
    power_iterations: int = again(VAT, 'power_iterations')
    weight_decay: float = again(WeightDecay, 'rate')
    image_shape: tuple | None = again(Affine, 'image_shape')
    distortion: dict | None = again(Affine, 'distortion')
    nearest: int = again(Neighbor, 'nearest')

    def make_regularizer(self) -> Regularizer:
        """The Regularizer of ``regularizer``."""
        if isinstance(self.regularizer, Regularizer):
            return self.regularizer
        return functools.reduce(Mean, (
            from_arguments(part, vars(self))
            for part in REGULARIZERS[self.regularizer]))
