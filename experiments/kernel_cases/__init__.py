"""What experiments/benchmark_kernels.py measures: a file for each family.

To add a kernel, declare a :class:`Case`, or with :func:`differentiable` two,
in the file of its family and name that file here.
"""
from kernel_cases import (
    batch_normalization, directions, divergence, information, pairs)

CASES = (*information.CASES, *pairs.CASES, *divergence.CASES,
         *directions.CASES, *batch_normalization.CASES)
