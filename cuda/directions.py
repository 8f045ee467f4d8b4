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

    Args:
        d (cupy.ndarray): Shape (B, D), float32 or float64.
        radius (cupy.ndarray): Shape (B,), of d's dtype; None for 1.
    """
    d = arguments.array('d', d, (None, None))
    radius = arguments.optional('radius', radius, d.shape[:1], (d.dtype,))
    out = runtime.current.empty(d.shape, d.dtype)
    _source.launch('scale_rows', launch.rows(*d.shape),
                   (d, *d.shape, radius, out), T=d.dtype)
    return out
