"""Batch normalization and ReLU in one."""
import collections

from imsat.cuda import arguments, kernels, launch, runtime

Saved = collections.namedtuple('Saved', ['mean', 'inv_std'])

_source = kernels.Source('batch_normalization_relu.cu')


def forward(x, gamma, beta, eps=2e-5, running_mean=None, running_var=None,
            decay=.9):
    """Normalises by the statistics of the batch, then rectifies.

    Args:
        x (cupy.ndarray): Shape (B, D), float32 or float64.
        gamma, beta (cupy.ndarray): Shape (D,), of x's dtype.
        eps (float): Added to the variance, at least 0.
        running_mean, running_var (cupy.ndarray): Shape (D,), of x's dtype,
            contiguous, updated in place (the variance with its unbiased
            estimate), both or neither; an empty batch leaves them alone.
        decay (float): Of the running statistics, from 0 to 1.

    Returns:
        Array of x's shape, and what :func:`backward` needs.
    """
    x, gamma, beta = _inputs(x, gamma, beta)
    eps = arguments.number('eps', eps)
    decay = arguments.number('decay', decay, 0., 1.)
    (n, d), dtype, empty = x.shape, x.dtype, runtime.current.empty
    running = _running(running_mean, running_var, x)
    y = empty(x.shape, dtype)
    saved = Saved(empty(d, dtype), empty(d, dtype))
    shape, chunk = launch.columns(n, d)
    chunks = shape.grid[1]
    partials = empty((2, chunks, d), dtype)
    _source.launch('batch_normalization_statistics', shape,
                   (x, n, d, chunk, *partials), T=dtype)
    _source.launch('batch_normalization_relu_forward', shape, (
        x, gamma, beta, *partials, chunks, n, d, chunk, eps, decay, y,
        *saved, *running), T=dtype)
    return y, saved


def backward(x, gamma, beta, saved, gy):
    """The gradients with respect to x, gamma and beta.

    Args:
        x, gamma, beta (cupy.ndarray): As in :func:`forward`.
        saved (Saved): What that returned.
        gy (cupy.ndarray): Upstream gradient, of x's shape and dtype.
    """
    x, gamma, beta = inputs = _inputs(x, gamma, beta)
    (n, d), dtype, empty = x.shape, x.dtype, runtime.current.empty
    saved = [arguments.array(name, a, (d,), (dtype,))
             for name, a in zip(Saved._fields, saved)]
    gy = arguments.array('gy', gy, x.shape, (dtype,))
    gx, ggamma, gbeta = (empty(a.shape, dtype) for a in inputs)
    shape, chunk = launch.columns(n, d)
    chunks = shape.grid[1]
    gbetas, ggammas = empty((2, chunks, d), dtype)
    _source.launch('batch_normalization_relu_backward_sums', shape, (
        *inputs, *saved, gy, n, d, chunk, gbetas, ggammas), T=dtype)
    _source.launch('batch_normalization_relu_backward', shape, (
        *inputs, *saved, gy, gbetas, ggammas, chunks, n, d, chunk, gx,
        ggamma, gbeta), T=dtype)
    return gx, ggamma, gbeta


def forward_groups(x, gamma, beta, groups=1, bias=None, eps=2e-5,
                   running_mean=None, running_var=None, decay=.9,
                   learns_from=0, y=None, saved=None):
    """As :func:`forward`, for groups of rows, each by its own statistics.

    One launch, meant for groups of up to some thousand rows.

    Args:
        x (cupy.ndarray): Shape (G B, D), float32 or float64: one group of B
            rows after the other.
        gamma, beta (cupy.ndarray): Shape (D,), of x's dtype.
        groups (int): G, from 1 to 65535.
        bias (cupy.ndarray): Shape (D,), what would have been added to x.
            Normalised columns don't depend on it; running means do.
        eps, decay, running_mean, running_var: As in :func:`forward`.
        learns_from (int): The group that running statistics learn from.
        y (cupy.ndarray): Of x's shape, contiguous, to write to; None for a
            new array.
        saved (Saved): Two arrays of shape (G, D), to write to, likewise.

    Returns:
        y, and what :func:`backward_groups` needs.
    """
    x, gamma, beta = _inputs(x, gamma, beta)
    groups, size = _groups(x, groups)
    eps = arguments.number('eps', eps)
    decay = arguments.number('decay', decay, 0., 1.)
    learns_from = arguments.integer('learns_from', learns_from, 0, groups - 1)
    d, dtype = x.shape[1], x.dtype
    bias = arguments.optional('bias', bias, (d,), (dtype,))
    running = _running(running_mean, running_var, x)
    y = arguments.output('y', y, x.shape, dtype)
    saved = Saved(*(
        arguments.output(name, a, (groups, d), dtype) for name, a in zip(
            Saved._fields, (None, None) if saved is None else saved)))
    _source.launch(
        'batch_normalization_relu_groups_forward',
        launch.whole_columns(d, groups), (
            x, bias, gamma, beta, size, d, learns_from, eps, decay, y, *saved,
            *running),
        T=dtype)
    return y, saved


def backward_groups(x, gamma, beta, saved, gy, groups=1, gx=None,
                    ggamma=None, gbeta=None, gbias=None):
    """The gradients of :func:`forward_groups`, in one launch.

    Args:
        x, gamma, beta, groups: As there.
        saved (Saved): What that returned.
        gy (cupy.ndarray): Upstream gradient, of x's shape and dtype.
        gx (cupy.ndarray): Of x's shape, contiguous, to write to; None for a
            new array.  It may be gy itself.
        ggamma, gbeta (cupy.ndarray): Shape (D,), to write the sums over all
            groups to, both or neither; None leaves them out.
        gbias (cupy.ndarray): Shape (D,), to write the gradient of a bias to,
            which is 0; None leaves it out.

    Returns:
        gx
    """
    x, gamma, beta = _inputs(x, gamma, beta)
    groups, size = _groups(x, groups)
    d, dtype = x.shape[1], x.dtype
    saved = [arguments.array(name, a, (groups, d), (dtype,))
             for name, a in zip(Saved._fields, saved)]
    gy = arguments.array('gy', gy, x.shape, (dtype,))
    if (ggamma is None) != (gbeta is None):
        raise TypeError('give both of ggamma and gbeta, or none')
    if ggamma is not None:
        ggamma = arguments.in_place('ggamma', ggamma, (d,), (dtype,))
        gbeta = arguments.in_place('gbeta', gbeta, (d,), (dtype,))
    if gbias is not None:
        gbias = arguments.in_place('gbias', gbias, (d,), (dtype,))
    gx = arguments.output('gx', gx, x.shape, dtype)
    _source.launch(
        'batch_normalization_relu_groups_backward',
        launch.whole_columns(d, 1), (
            x, gamma, beta, *saved, gy, groups, size, d, gx, ggamma, gbeta,
            gbias),
        T=dtype)
    return gx


def _groups(x, groups):
    """How many, and the rows of each."""
    groups = arguments.integer('groups', groups, 1, 65535)
    if len(x) % groups:
        raise ValueError(f'x has {len(x)} rows, which are no {groups} groups '
                         f'of one size; give a multiple')
    return groups, len(x) // groups


def _running(mean, var, x):
    """Both running statistics, checked; None for an empty batch."""
    if (mean is None) != (var is None):
        raise TypeError('give both of running_mean and running_var, or none')
    if mean is None:
        return None, None
    shape, dtypes = x.shape[1:], (x.dtype,)
    mean = arguments.in_place('running_mean', mean, shape, dtypes)
    var = arguments.in_place('running_var', var, shape, dtypes)
    return (mean, var) if len(x) else (None, None)


def _inputs(x, gamma, beta):
    x = arguments.array('x', x, (None, None))
    return (x, *(arguments.array(name, a, x.shape[1:], (x.dtype,))
                 for name, a in (('gamma', gamma), ('beta', beta))))
