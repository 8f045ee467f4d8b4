"""How many blocks of how many threads.

Shapes depend on sizes alone and not on the GPU, so that sums are taken in the
same order everywhere.
"""
from typing import NamedTuple


class Shape(NamedTuple):
    """Of a launch: blocks, threads of a block, bytes of shared memory."""
    grid: tuple[int, ...]
    block: tuple[int, ...]
    shared: int


THREADS = 256
# Eight blocks on each of an H200's 132 multiprocessors; the rest is a loop.
MAX_BLOCKS = 1056
# Rows and columns of a matrix product that a block may take.
TILES = 16, 32, 64
# What one block may be given at most (one_block.cuh).
BLOCK_ROWS, BLOCK_COLUMNS = 1024, 64
BLOCK_ELEMENTS = BLOCK_ROWS * BLOCK_COLUMNS
# Less of a gallery is not worth a block of its own.
MIN_CODES = 1024


def ceil_div(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


def shape(grid: tuple[int, ...], block: tuple[int, ...],
          shared: int = 0) -> Shape:
    """A Shape from tuples of one to three extents."""
    return Shape((*grid, 1, 1)[:3], (*block, 1, 1)[:3], shared)


def blocks(n: int) -> int:
    """At least one block and at most MAX_BLOCKS, for n blocks' work."""
    return min(max(n, 1), MAX_BLOCKS)


def rows(n_rows: int, width: int) -> Shape:
    """For kernels whose threads share rows (``reduce.cuh``).

    A row gets a thread for every four of its elements: part of a warp, a
    warp, or, where it is long, a block.
    """
    lanes = 1
    while lanes < 32 and 4 * lanes < width:
        lanes *= 2
    if width > 1024:
        lanes = THREADS
    if width > 8192:
        lanes = 2 * THREADS
    per_block = max(THREADS // lanes, 1)
    return shape((blocks(ceil_div(n_rows, per_block)),), (lanes, per_block))


def fits_one_block(n_rows: int, width: int) -> bool:
    """Whether a single block takes so much, by :func:`one_block`."""
    return n_rows <= BLOCK_ROWS and width <= BLOCK_COLUMNS


def one_block(width: int, itemsize: int) -> Shape:
    """For kernels of one block (``one_block.cuh``), of 1024 threads in
    float32 and half as many in float64.

    Of a row of up to BLOCK_COLUMNS elements each thread gets 16 bytes at
    most: what it loads at a time (``reduce.cuh``).
    """
    lanes = 1
    while lanes < 32 and lanes * 16 < width * itemsize:
        lanes *= 2
    return shape((1,), (lanes, 4096 // itemsize // lanes))


def pairs_of_columns(width: int) -> Shape:
    """For kernels whose threads share the pairs of a column.

    Since a pair takes long each thread has one, where there are few
    (``mutual_information.cuh``).
    """
    return rows(width, min(4 * width, 8192))


def columns(n_rows: int, width: int) -> tuple[Shape, int]:
    """For kernels that reduce columns: a Shape, and the rows of a block.

    A block takes 32 columns, 8 rows at a time, or, where there are less of
    them, fewer columns and more rows, of a chunk of rows; there are as many
    chunks (``grid[1]``) as keep the GPU busy.
    """
    lanes = 4
    while lanes < min(width, 32):
        lanes *= 2
    tiles = max(ceil_div(width, lanes), 1)
    chunks, chunk = split(n_rows, tiles, 64)
    return shape((tiles, chunks), (lanes, THREADS // lanes)), chunk


def whole_columns(width: int, groups: int) -> Shape:
    """For kernels whose blocks have all rows of up to 16 columns, of one of
    several groups of rows (``grid[1]``)."""
    lanes = 4
    while lanes < min(width, 16):
        lanes *= 2
    return shape((max(ceil_div(width, lanes), 1), groups),
                 (lanes, THREADS // lanes))


def gram(n_rows: int, width: int) -> tuple[Shape, int, int]:
    """For products of a matrix's columns: a Shape, the rows of a block, and
    the tile of the product that it takes, one of TILES.

    There are as many chunks of rows (``grid[2]``) as keep the GPU busy, of 32
    rows or more.
    """
    tile = _tile(width)
    tiles = max(ceil_div(width, tile), 1)
    blocks_of_chunk = tiles * (tiles + 1) // 2  # the others have no work
    chunks, chunk = split(n_rows, 4 * blocks_of_chunk, 32)
    return shape((tiles, tiles, chunks), (THREADS,)), chunk, tile


def product(n_rows: int, width: int) -> tuple[Shape, int]:
    """For matrix products by tiles: a Shape, and the tile."""
    return shape((max(ceil_div(n_rows, TILES[-1]), 1),
                  max(ceil_div(width, TILES[-1]), 1)), (THREADS,)), TILES[-1]


def _tile(width: int) -> int:
    """The smallest of TILES that has all columns, or the largest."""
    return next((tile for tile in TILES if width <= tile), TILES[-1])


def images(n: int, pixels: int) -> Shape:
    """For kernels whose blocks loop over n images, or over parts of them.

    Where there are few images several blocks (``grid[1]``) share each.
    """
    parts = min(MAX_BLOCKS // blocks(n), ceil_div(pixels, 4 * THREADS))
    return shape((blocks(n), max(parts, 1)), (THREADS,))


def split(n: int, tiles: int, least: int) -> tuple[int, int]:
    """Chunks of n, none empty, as many as keep the GPU busy.

    Args:
        tiles (int): How many blocks there are for each chunk.
        least (int): Size of a chunk below which more would not pay.

    Returns:
        tuple: How many chunks, and the size of each but the last.
    """
    chunks = max(min(MAX_BLOCKS // tiles, ceil_div(n, least)), 1)
    chunk = max(ceil_div(n, chunks), 1)
    return max(ceil_div(n, chunk), 1), chunk


def elements(n: int) -> Shape:
    """For kernels that loop over n elements."""
    return shape((blocks(ceil_div(n, THREADS)),), (THREADS,))


def warps(n: int) -> Shape:
    """For kernels that loop over n warps' work, blocks of 8 warps."""
    return shape((blocks(ceil_div(n, 8)),), (32, 8))


def packing(n_rows: int, width: int) -> Shape:
    """For ballots over rows (``pack_bits.cu``)."""
    lanes = 8 if width <= 8 else 16 if width <= 16 else 32
    per_block = THREADS // lanes
    return shape((max(ceil_div(width, 32), 1),
                  blocks(ceil_div(n_rows, 4 * per_block))),
                 (lanes, per_block))


def pairs(n: int, m: int) -> Shape:
    """For all pairs: 256 columns of m and, 32 at a time, rows of n."""
    return shape((max(ceil_div(m, THREADS), 1),
                  min(max(ceil_div(n, 32), 1), 65535)), (THREADS,))


def histograms(n_queries: int, n_gallery: int, n_words: int,
               n_counters: int) -> tuple[Shape, int]:
    """For ``hamming_histograms``: a Shape, and the codes of a chunk.

    With longer codes blocks have fewer threads: each has ``n_counters`` for
    itself, in shared memory, of which there are 48 KB.
    """
    threads = THREADS // n_words
    lanes = 1
    while lanes < min(n_queries, threads):
        lanes *= 2
    tiles = max(ceil_div(n_queries, lanes), 1)
    chunks, chunk = split(n_gallery, tiles, MIN_CODES)
    return shape((tiles, chunks), (lanes, threads // lanes),
                 4 * threads * n_counters), chunk
