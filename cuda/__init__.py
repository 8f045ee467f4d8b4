"""The hand-written kernels, launched on CuPy's arrays."""
# Imported as `cuda` (when the checkout is on sys.path) this makes way for
# NVIDIA's namespace package of that name; imported as `imsat.cuda` it is ours.
__path__ = __import__('pkgutil').extend_path(__path__, __name__)
