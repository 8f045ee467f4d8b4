"""Done once by the server of scripts.py: what each script that it forks would
else import, compile or draw anew.
"""
import tempfile
from pathlib import Path

import imsat
import matplotlib.backends.backend_agg  # noqa: F401
import sklearn.datasets
from imsat.pictures import contingency, learning_curves

import clustering  # noqa: F401
import hashing  # noqa: F401

POINTS = sklearn.datasets.load_iris().data[:40]
CLUSTERS = imsat.IMSATClustering(
    2, hidden=(2,), epochs=1, batch_size=20, n_init=1).fit_predict(POINTS)

# With the fonts.
with tempfile.TemporaryDirectory() as folder:
    contingency(Path(folder) / 'a.png', CLUSTERS, CLUSTERS)
    learning_curves(Path(folder) / 'a.png', [[{'epoch': 1, 'main/sat': 1}]])
