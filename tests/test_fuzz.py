"""A share of what tests/fuzz.py does by hand."""
import os

import pytest

fuzz = pytest.importorskip('fuzz', reason='needs what POSIX alone has')


@pytest.mark.skipif(os.name != 'posix', reason='limits of POSIX')
def test_damaged_files():
    table = fuzz.fuzz(seed=1, count=700, seconds=60)
    wrong = {name: dict(counts) for name, counts in table.items()
             if counts.keys() - set(fuzz.ALLOWED)}
    assert not wrong, fuzz.markdown(table)
