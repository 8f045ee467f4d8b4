"""What arguments may be, for type hints."""
from typing import TypeAlias

import chainer
import numpy
from chainer.backends import cuda

# NumPy's or CuPy's; without CuPy the second is a class that has no instances.
Array: TypeAlias = numpy.ndarray | cuda.ndarray
VariableOrArray: TypeAlias = chainer.Variable | Array
