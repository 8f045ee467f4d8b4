"""Matrix products of x less the means of its columns, for pairs of outputs."""
from imsat.cuda import arguments, kernels, launch, runtime

# Half a gigabyte for each of the two matrices of all pairs in float64.
MAX_WIDTH = 8192

_source = kernels.Source('centred_products.cu', [
    {**variant, 'TILE': tile}
    for variant in kernels.FLOATS for tile in launch.TILES])


def check_width(name, width):
    """Raises ValueError for more columns than MAX_WIDTH."""
    if width > MAX_WIDTH:
        raise ValueError(
            f'{name} has {width} columns, and a matrix of all their pairs; '
            f'give {MAX_WIDTH} or fewer')


def covariances(x, mean):
    """Parts of the covariances of columns, one for each chunk of rows.

    Args:
        x (cupy.ndarray): Shape (B, S), float32 or float64.
        mean (cupy.ndarray): Of its columns, shape (S,), of x's dtype.

    Returns:
        Array of shape (chunks, S, S), to be summed over the chunks.
    """
    x, mean = _checked(x, mean)
    n, width = x.shape
    shape, chunk, tile = launch.gram(n, width)
    out = runtime.current.empty((shape.grid[2], width, width), x.dtype)
    _source.launch('centred_covariances', shape, (
        x, mean, n, width, chunk, out), T=x.dtype, TILE=tile)
    return out


def times(x, mean, matrix):
    """(x - mean) matrix, for a matrix of shape (S, S), of x's dtype."""
    x, mean = _checked(x, mean)
    matrix = arguments.array('matrix', matrix, 2 * mean.shape, (x.dtype,))
    out = runtime.current.empty(x.shape, x.dtype)
    shape, tile = launch.product(*x.shape)
    _source.launch('centred_times', shape, (
        x, mean, matrix, *x.shape, out), T=x.dtype, TILE=tile)
    return out


def _checked(x, mean):
    x = arguments.array('x', x, (None, None))
    check_width('x', x.shape[1])
    return x, arguments.array('mean', mean, x.shape[1:], (x.dtype,))
