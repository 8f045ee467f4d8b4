"""What experiments/benchmark_kernels.py measures: a file for each family.

To add a kernel, declare a :class:`Case`, or with :func:`differentiable` two,
in the file of its family and name that file here.
"""
from benchmarks.kernels.cases import (
    affine, batch_normalization, directions, divergence, entropy, hamming,
    mutual_information, nearest)

CASES = (*entropy.CASES, *mutual_information.CASES, *divergence.CASES,
         *directions.CASES, *affine.CASES, *batch_normalization.CASES,
         *nearest.CASES, *hamming.CASES)
