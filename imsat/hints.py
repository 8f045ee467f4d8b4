"""What arguments may be, for type hints."""
from typing import TypeAlias

import chainer
import numpy
import scipy.sparse
from chainer.backends import cuda
from numpy.typing import ArrayLike

# NumPy's or CuPy's; without CuPy the second is a class that has no instances.
Array: TypeAlias = numpy.ndarray | cuda.ndarray
VariableOrArray: TypeAlias = chainer.Variable | Array
# What estimators take: shape (N, d), and one label for each or none.
Points: TypeAlias = ArrayLike | scipy.sparse.spmatrix | scipy.sparse.sparray
Labels: TypeAlias = ArrayLike | None
