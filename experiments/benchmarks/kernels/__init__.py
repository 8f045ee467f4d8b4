"""Kernels on a GPU: cases, clock and report."""
