"""The last step of sums that many blocks share."""
from imsat.cuda import kernels, launch, runtime

_source = kernels.Source('sums.cu')


def sum_rows(partials):
    """Sums of rows in an order that never changes.

    Args:
        partials (cupy.ndarray): Shape (M, N), one for each block; contiguous.

    Returns:
        Array of shape (M,).
    """
    m, n = partials.shape
    out = runtime.current.empty(m, partials.dtype)
    _source.launch('sum_rows', launch.shape((m,), (launch.THREADS,)),
                   (partials, n, out), T=partials.dtype)
    return out
