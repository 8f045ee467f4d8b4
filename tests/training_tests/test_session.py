import os

import numpy

from imsat import IMSATClustering


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = numpy.random.RandomState(0).normal(size=(60, 3))
    IMSATClustering(2, hidden=(5,), epochs=2, batch_size=30,
                    random_state=0).fit(x)
    assert os.listdir(tmp_path) == []
