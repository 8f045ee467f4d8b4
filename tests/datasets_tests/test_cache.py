import numpy
import pytest

from imsat.datasets.cache import prepared

X = numpy.eye(3, dtype='f')


def prepare():
    return X, numpy.arange(3), ['a note']


def test_where_nothing_can_be_kept(tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('IMSAT_CACHE', str(tmp_path / 'file'))
    with pytest.warns(UserWarning, match='three-.* is not kept .* let IMSAT'):
        data = prepared('three', [X], {}, prepare)
    numpy.testing.assert_array_equal(data.x, X)
    assert data.notes == ['a note']
