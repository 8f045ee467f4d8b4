"""A sequence of launches as one CUDA graph."""
from imsat.cuda import runtime


def captured(function):
    """``function`` in one launch, from its second call on.

    The first call of what is returned just calls the function, which builds
    its kernels.  The second captures what the function launches in a CUDA
    graph, and launches that; so does every later one, without any Python of
    the function's.  Nothing is waited for.

    Numbers of Python's that the function gave to kernels stay what they were
    at the second call, and so do addresses.  What changes from call to call
    has to be in arrays that stay where they are, and nothing but kernels and
    :func:`products.product` may compute: CuPy refuses copies from and to the
    host and its own products while it captures.

    Args:
        function: Takes nothing and returns nothing.

    Returns:
        Function without arguments.
    """
    warm, replay = False, None

    def call():
        nonlocal warm, replay
        if warm:
            replay = replay or runtime.current.capture(function)
            replay()
        else:
            function()
            warm = True
    return call
