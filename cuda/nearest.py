"""The nearest of many points, and how far they are."""
import collections

from imsat.cuda import arguments, kernels, launch, runtime

# More slots for them would not fit into the shared memory of every GPU.
MAX_K = 1024
_SELECT_THREADS = 128  # also in the .cu file

Nearest = collections.namedtuple('Nearest', ['values', 'indices'])

_select = kernels.Source('select_nearest.cu')
# T is the type of the arithmetic, X that of the points.
_distance = kernels.Source('distance_of_rank.cu', [
    {'T': 'float64', 'X': x} for x in arguments.FLOATS])


def select(products, squares, k, start=0, nearest=None):
    """The k nearest points of each row so far.

    What a point and a row are apart, squared, is ``squares - 2 products``
    and the row's square, which is left out.  Of points that are equally far
    those with lower indices are nearer.

    Args:
        products (cupy.ndarray): Of R rows with a tile of N points, shape
            (R, N), float32 or float64.
        squares (cupy.ndarray): Of the tile's points with themselves, shape
            (N,), of the same dtype.
        k (int): From 1 to MAX_K; at most N for the first tile.
        start (int): Number of the tile's first point; tiles come in order.
        nearest (Nearest): What the tile before gave, updated in place; None
            for the first.

    Returns:
        Nearest: ``values``, distances as above, ascending, of the products'
        dtype, and ``indices``, int64, both of shape (R, k).  Distances of
        infinity or NaN are left out; if that leaves less than k, the rest is
        infinite, of index -1.
    """
    products = arguments.array('products', products, (None, None))
    (rows, columns), dtype = products.shape, products.dtype
    squares = arguments.array('squares', squares, (columns,), (dtype,))
    k = arguments.integer('k', k, 1, MAX_K)
    start = arguments.integer('start', start)
    known = 0 if nearest is None else k
    if nearest is None:
        arguments.integer('k', k, 1, columns)
        nearest = Nearest(runtime.current.empty((rows, k), dtype),
                          runtime.current.empty((rows, k), 'int64'))
    else:
        nearest = Nearest(*(
            arguments.in_place(name, array, (rows, k), (kind,))
            for name, array, kind in zip(
                Nearest._fields, nearest, (dtype, 'int64'))))
    # Beside the k, one column of each thread fits always.
    capacity = 256
    while capacity < k + _SELECT_THREADS:
        capacity *= 2
    _select.launch(
        'select_nearest',
        launch.shape((launch.blocks(rows),), (_SELECT_THREADS,),
                     capacity * (dtype.itemsize + 8)),
        (products, squares, rows, columns, start, known, k, capacity,
         *nearest), T=dtype)
    return nearest


def distance_of_rank(x, points, candidates, rank):
    """Distance of each point to the candidate that is next after ``rank``.

    Args:
        x (cupy.ndarray): Shape (N, d), float32 or float64.
        points (cupy.ndarray): Shape (R, d), of x's dtype.
        candidates (cupy.ndarray): Rows of x for each point, shape (R, K),
            int64, K at most MAX_K; others than 0 to N - 1 are infinitely far.
        rank (int): Number of candidates that are nearer, from 0 to K - 1.

    Returns:
        Array of shape (R,), float64: by differences, in float64.
    """
    x = arguments.array('x', x, (None, None))
    n, d = x.shape
    points = arguments.array('points', points, (None, d), (x.dtype,))
    rows = len(points)
    candidates = arguments.array(
        'candidates', candidates, (rows, None), ('int64',))
    k = arguments.integer('K', candidates.shape[1], 1, MAX_K)
    rank = arguments.integer('rank', rank, 0, k - 1)
    out = runtime.current.empty(rows, 'float64')
    _distance.launch(
        'distance_of_rank',
        launch.shape((launch.blocks(rows),), (32, launch.THREADS // 32),
                     k * out.dtype.itemsize),
        (x, points, candidates, n, rows, d, k, rank, out),
        T='float64', X=x.dtype)
    return out
