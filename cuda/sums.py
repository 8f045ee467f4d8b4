"""The last step of sums that many blocks share."""
from imsat.cuda import arguments, kernels, launch

_source = kernels.Source('sums.cu')


def sum_rows(partials, out=None):
    """Sums of rows in an order that never changes.

    Args:
        partials (cupy.ndarray): Shape (M, N), one for each block, M at least
            1, float32 or float64.
        out (cupy.ndarray): Shape (M,), to write to; None for a new array.

    Returns:
        out
    """
    partials = arguments.array('partials', partials, (None, None))
    m, n = partials.shape
    arguments.integer('M', m, 1)
    out = arguments.output('out', out, (m,), partials.dtype)
    _source.launch('sum_rows', launch.shape((m,), (launch.THREADS,)),
                   (partials, n, out), T=partials.dtype)
    return out


def scalars(values):
    """The numbers in an array as 0-dimensional arrays on its device."""
    return tuple(values[i:i + 1].reshape(()) for i in range(len(values)))
