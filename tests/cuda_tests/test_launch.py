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
            assert x * y * z in (256, 1024) and z == 1
            assert 1 <= shape.grid[0] < 2 ** 31
            assert 1 <= shape.grid[1] < 2 ** 16 and shape.grid[2] == 1
        # Chunks of rows cover all of them, and none is empty.
        assert columns.grid[1] * chunk >= n_rows
        assert (columns.grid[1] - 1) * chunk < max(n_rows, 1)
        assert columns.grid[0] * 32 >= width


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
        shape, chunk = launch.gram(n_rows, width)
        x, y, z = shape.grid
        assert x == y >= 1 and 64 * x >= width > 64 * (x - 1) or width == 0
        assert 1 <= z < 2 ** 16 and shape.block == (16, 16, 1)
        assert z * chunk >= n_rows and (z - 1) * chunk < max(n_rows, 1)
        x, y, z = launch.product(n_rows, width).grid
        assert 1 <= x < 2 ** 31 and 1 <= y < 2 ** 16 and z == 1
        assert 64 * x >= n_rows and 64 * y >= width
