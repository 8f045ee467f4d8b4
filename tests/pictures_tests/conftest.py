import pytest

from imsat import pictures


@pytest.fixture
def drawn(tmp_path):
    """``drawn(name, ...)``: all axes of the picture of that name."""
    def draw(name, *args, **kwargs):
        figure = getattr(pictures, name)(tmp_path / 'a.png', *args, **kwargs)
        return figure.axes
    return draw
