"""Matrix products into arrays that are there already."""
from imsat.cuda import arguments, runtime


def product(a, b, out, add=False):
    """out = a b, or out += a b, as ``cupy.matmul(a, b, out=out)``.

    Unlike that it can be captured in a CUDA graph.

    Args:
        a, b (cupy.ndarray): Shapes (M, L) and (L, N), float32 or float64,
            each contiguous or the transpose of what is.
        out (cupy.ndarray): Shape (M, N), of their dtype, contiguous, neither
            a nor b.
        add (bool): Whether to add to what is there.

    Returns:
        out
    """
    out = arguments.in_place('out', out, (None, None))
    (m, n), dtypes = out.shape, (out.dtype,)
    arguments.check('a', a, (m, None), dtypes)
    arguments.check('b', b, (a.shape[1], n), dtypes)
    for name, x in (('a', a), ('b', b)):
        if not (x.flags.c_contiguous or x.flags.f_contiguous):
            raise ValueError(f'{name} is not contiguous, nor is its '
                             f'transpose; give a copy')
    if out.size:
        runtime.current.product(a, b, out, bool(add))
    return out
