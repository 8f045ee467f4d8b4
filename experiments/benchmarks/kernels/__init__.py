"""What experiments/benchmark_kernels.py measures: a file for each family.

To add a kernel, declare a :class:`Case`, or with :func:`differentiable` two,
in the file of its family and name that file here.
"""
from benchmarks.kernels import at_once, hamming, losses, nearest, training

CASES = (*losses.CASES, *training.CASES, *at_once.CASES, *nearest.CASES,
         *hamming.CASES)
