class KernelError(Exception):
    """What a compiler, a launch or compute-sanitizer would report."""
