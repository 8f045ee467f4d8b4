"""A table of one's own, as text or Parquet."""
from imsat.datasets.tables.reading import SUFFIXES, read_table

__all__ = ['SUFFIXES', 'read_table']
