"""Done once by the server of scripts.py: what each script that it forks would
else import, compile or load anew.
"""
import imsat
import matplotlib.backends.backend_agg  # noqa: F401
import sklearn.datasets

import clustering  # noqa: F401
import hashing  # noqa: F401

imsat.IMSATClustering(2, hidden=(2,), epochs=1, batch_size=20, n_init=1).fit(
    sklearn.datasets.load_iris().data[:40])
