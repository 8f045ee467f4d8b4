from imsat.datasets.load import Dataset, load_dataset
from imsat.datasets.idx import read_idx

__all__ = ['Dataset', 'load_dataset', 'read_idx']
