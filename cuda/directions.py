"""Random directions, and rows of a given length: VAT's perturbations."""
from imsat.cuda import arguments, kernels, launch, runtime

_source = kernels.Source('directions.cu')


def random(shape, dtype, seed, step=0):
    """Rows drawn uniformly from the unit sphere.

    Each number depends on ``seed``, ``step``, D and its place alone: a run
    that is resumed at a step draws what it would have drawn.

    Args:
        shape (tuple): (B, D), each up to 2^32.
        dtype (dtype): float32 or float64.
        seed, step (int): From 0 to 2^63 - 1.

    Returns:
        cupy.ndarray: Of shape (B, D).
    """
    if len(shape) != 2:
        raise ValueError(f'shape is {shape}; give (B, D)')
    # Counters of the random numbers have words of 32 bits.
    n, d = (arguments.integer(name, size, 0, 2 ** 32)
            for name, size in zip('BD', shape))
    seed = arguments.integer('seed', seed)
    step = arguments.integer('step', step)
    dtype = arguments.dtype('dtype', dtype)
    out = runtime.current.empty((n, d), dtype)
    _source.launch('random_directions', launch.rows(n, d),
                   (n, d, seed, step, out), T=dtype)
    return out


def scale_rows(d, radius=None):
    """Rows of d, scaled to Euclidean length ``radius``; rows of 0 stay.

    Numbers below 1.2e-38, which a float32 has few digits of, are 0 on a GPU:
    CuPy compiles with ``-ftz=true``.

    Args:
        d (cupy.ndarray): Shape (B, D), float32 or float64.
        radius (cupy.ndarray): Shape (B,), of d's dtype; None for 1.
    """
    d = arguments.array('d', d, (None, None))
    radius = arguments.optional('radius', radius, d.shape[:1], (d.dtype,))
    out = runtime.current.empty(d.shape, d.dtype)
    _source.launch('scale_rows', launch.rows(*d.shape),
                   (d, *d.shape, radius, None, None, out), T=d.dtype)
    return out


def perturb_randomly(data, index, key, length=None, radius=None, batch=None,
                     moved=None):
    """A batch, and the same moved in directions of :func:`random`.

    One launch.  What changes from step to step is read from the device, so
    that a CUDA graph can be replayed.

    Args:
        data (cupy.ndarray): All points, shape (N, D), float32 or float64.
        index (cupy.ndarray): Which of them, shape (B,), int64, each from 0
            to N - 1; this is not checked.
        key (cupy.ndarray): seed and step of :func:`random`, shape (2,),
            int64.
        length (float): How far each is moved: VAT's xi.
        radius (cupy.ndarray): Or, in place of that, how far each of all
            points is, shape (N,), of the data's dtype.
        batch, moved (cupy.ndarray): Shape (B, D), to write to: each of its
            own, contiguous; None for new arrays.

    Returns:
        batch and moved.
    """
    data = arguments.array('data', data, (None, None))
    index = arguments.array('index', index, (None,), ('int64',))
    key = arguments.array('key', key, (2,), ('int64',))
    dtype, shape = data.dtype, (len(index), data.shape[1])
    if (length is None) == (radius is None):
        raise TypeError('give one of length and radius')
    radius = arguments.optional('radius', radius, data.shape[:1], (dtype,))
    length = 0. if length is None else arguments.number('length', length)
    batch = arguments.output('batch', batch, shape, dtype)
    moved = arguments.output('moved', moved, shape, dtype)
    _source.launch('random_perturbations', launch.rows(*shape), (
        data, index, *shape, key, radius, length, batch, moved), T=dtype)
    return batch, moved


def perturb(x, d, radius, index=None, out=None):
    """Rows of x, moved by their radius along those of d, in one launch.

    Args:
        x (cupy.ndarray): A batch, shape (B, D), float32 or float64.
        d (cupy.ndarray): Of its shape and dtype; rows of 0 move nothing.
        radius (cupy.ndarray): How far, shape (B,), of that dtype.
        index (cupy.ndarray): Or, of radii of all points, shape (N,), which
            are the batch's: shape (B,), int64, each from 0 to N - 1; this is
            not checked.
        out (cupy.ndarray): Of x's shape, to write to, neither x nor d; None
            for a new array.

    Returns:
        out
    """
    x = arguments.array('x', x, (None, None))
    d = arguments.array('d', d, x.shape, (x.dtype,))
    index = arguments.optional('index', index, x.shape[:1], ('int64',))
    radius = arguments.array(
        'radius', radius, x.shape[:1] if index is None else (None,),
        (x.dtype,))
    out = arguments.output('out', out, x.shape, x.dtype)
    _source.launch('scale_rows', launch.rows(*x.shape),
                   (d, *x.shape, radius, index, x, out), T=x.dtype)
    return out
