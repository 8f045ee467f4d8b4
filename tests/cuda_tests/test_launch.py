import itertools

from imsat.cuda import launch

SIZES = [0, 1, 2, 31, 32, 33, 250, 1024, 1025, 8193, 100_000, 70_000,
         2 ** 31 + 7, 10 ** 10]


def test_limits():
    for n_rows, width in itertools.product(SIZES, SIZES):
        columns, chunk = launch.columns(n_rows, width)
        for shape in (launch.rows(n_rows, width), columns,
                      launch.images(n_rows, width),
                      launch.elements(n_rows)):
            x, y, z = shape.block
            assert x * y * z in (256, 512) and z == 1
            assert 1 <= shape.grid[0] < 2 ** 31
            assert 1 <= shape.grid[1] < 2 ** 16 and shape.grid[2] == 1
        # Chunks of rows cover all of them, and none is empty.
        assert columns.grid[1] * chunk >= n_rows
        assert (columns.grid[1] - 1) * chunk < max(n_rows, 1)
        assert columns.grid[0] * columns.block[0] >= width
        # Most of a narrow matrix's lanes have a column.
        assert columns.block[0] < 2 * max(min(width, 32), 3)


def test_limits_of_codes():
    for n, m in itertools.product(SIZES, SIZES):
        pairs, warps = launch.pairs(n, m), launch.warps(n)
        assert pairs.grid[0] * 256 >= m and pairs.grid[1] <= 65535
        assert 1 <= min(pairs.grid) and 1 <= warps.grid[0] < 2 ** 31
        for n_bits in (1, 16, 32, 64, 128, 256):
            n_words = -(-n_bits // 32)
            shape, chunk = launch.histograms(n, m, n_words, n_bits + 2)
            (tiles, chunks, _), (lanes, slices, _), shared = shape
            assert lanes * slices * n_words == 256
            assert tiles * lanes >= n and 1 <= tiles < 2 ** 31
            # Chunks cover all codes, and none is empty.
            assert chunks * chunk >= m and 1 <= chunks < 2 ** 16
            assert (chunks - 1) * chunk < max(m, 1)
            # A tile's codes and labels are in shared memory as well.
            assert shared + (4 + 8 / n_words) * 1024 <= 48 << 10
            # Memory of a search: bounded, or a counter for each result.
            counters = lanes * tiles * chunks * (n_bits + 1)
            assert counters <= max(10 ** 7, 2 * n * (n_bits + 1))


def test_packing():
    for n, width in itertools.product(SIZES, (8, 9, 16, 17, 256, *SIZES)):
        (columns, blocks, _), (lanes, rows, _), _ = launch.packing(n, width)
        assert lanes in (8, 16, 32) and lanes * rows == 256
        assert 1 <= blocks < 2 ** 16 and 1 <= columns < 2 ** 31
        assert columns * lanes >= width


def test_lanes_of_a_row():
    for width in SIZES:
        lanes, rows, _ = launch.rows(10, width).block
        assert lanes & (lanes - 1) == 0
        # A row is within a warp, or has the block.
        assert lanes <= 32 or rows == 1


def test_tiles_of_products():
    for n_rows, width in itertools.product(SIZES, SIZES):
        if width > 8193:
            continue
        shape, chunk, tile = launch.gram(n_rows, width)
        x, y, z = shape.grid
        assert x == y >= 1 and tile * x >= width
        assert width > tile * (x - 1) or width == 0
        assert 1 <= z < 2 ** 16 and shape.block == (256, 1, 1)
        assert z * chunk >= n_rows and (z - 1) * chunk < max(n_rows, 1)
        shape, tile = launch.product(n_rows, width)
        x, y, z = shape.grid
        assert 1 <= x < 2 ** 31 and 1 <= y < 2 ** 16 and z == 1
        assert tile * x >= n_rows and tile * y >= width


def test_tiles_that_hold_a_narrow_matrix():
    assert [launch.gram(99, width)[2] for width in (0, 1, 16, 17, 32, 33, 999)
            ] == [16, 16, 16, 32, 32, 64, 64]
