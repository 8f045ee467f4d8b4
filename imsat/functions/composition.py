"""What the fused functions share."""
import chainer
import numpy
from chainer import function_node
from chainer.utils import type_check

from imsat.cuda import runtime
from imsat.errors import InputError, InputTypeError
from imsat.ranks import current


class FusedFunction(function_node.FunctionNode):
    """A function whose value and gradient are computed in few passes.

    Subclasses define ``forward_cpu`` and ``forward_gpu``, which retain
    inputs, and the three methods below; or ``backward``.

    Attributes:
        joins_ranks (bool): Whether it is no mean over points, so that ranks
            that share a batch have to exchange something.  Its ``_cpu``
            methods do so, for whatever arrays.
    """
    joins_ranks = False

    def backward_cpu(self, indexes, inputs, grad_outputs):
        """From tuples of arrays to gradients, None where there is none."""
        raise NotImplementedError

    def backward_gpu(self, indexes, inputs, grad_outputs):
        """As :meth:`backward_cpu`."""
        raise NotImplementedError

    def _compose(self, *inputs):
        """The same function composed of Chainer's, a tuple."""
        raise NotImplementedError

    def forward(self, inputs):
        if self._has_kernels(inputs):
            return self.forward_gpu(inputs)
        return self.forward_cpu(inputs)

    def _has_kernels(self, inputs):
        return runtime.current.holds(inputs[0]) \
            and not (self.joins_ranks and current().size > 1)

    def backward(self, indexes, grad_outputs):
        inputs = self.get_retained_inputs()
        if chainer.config.enable_backprop:
            if self.joins_ranks and current().size > 1:
                raise InputError('the gradient of a gradient is not shared '
                                 'out to ranks; use one')
            return gradient_of(self._compose, inputs, grad_outputs)
        gradients = self.backward_arrays(
            indexes, tuple(x.array for x in inputs),
            tuple(None if g is None else g.array for g in grad_outputs))
        return tuple(None if g is None else chainer.as_variable(g)
                     for g in gradients)

    def backward_arrays(self, indexes, inputs, grad_outputs):
        """As :meth:`backward_cpu`, wherever the arrays are."""
        backward = (self.backward_gpu if self._has_kernels(inputs)
                    else self.backward_cpu)
        return backward(indexes, inputs, grad_outputs)


def expect_float(name, x):
    """Refuses an input of ``check_type_forward`` that is no float; or float16,
    as the kernels do: in it sums overflow, and an eps of 1e-8 is 0."""
    type_check.expect(x.dtype.kind == 'f')
    if type_check.eval(x.dtype) == numpy.float16:
        raise InputTypeError(f'{name} has dtype float16; give float32 or '
                             f'float64')


def expect_table(name, x):
    """Refuses what :func:`expect_float` does, and what has no mean over
    points or columns: another number of dimensions, no row, no column."""
    expect_float(name, x)
    type_check.expect(x.ndim == 2)
    shape = type_check.eval(x.shape)
    if 0 in shape:
        raise InputError(f'{name} has shape {shape}; give at least one row '
                         f'and one column')


class InformationFunction(FusedFunction):
    """Three terms of logits, shape (B, M)."""
    joins_ranks = True

    def check_type_forward(self, in_types):
        type_check._argname(in_types, ('y',))
        y, = in_types
        expect_table('y', y)

    def value_and_gradient(self, y, weights, values, gy):
        """All of a step at once, of arrays, without a graph.

        Args:
            y (array): Logits.
            weights (array): Of the terms, shape (3,).
            values (array): Shape (4,), to write the terms and their weighted
                sum to.
            gy (array): Of y's shape, to write the gradient of that sum to.
        """
        on_gpu = runtime.current.holds(y)
        at_once = self.value_and_gradient_gpu if on_gpu \
            else self.value_and_gradient_cpu
        if at_once(y, weights, values, gy):
            return
        for i, value in enumerate(self.forward((y,))):
            values[i] = value
        values[3] = weights.dot(values[:3])
        gy[...], = self.backward_arrays(
            (0,), (y,), scalars(weights) if on_gpu else tuple(
                weight if weight else None for weight in weights))

    def value_and_gradient_gpu(self, y, weights, values, gy):
        """The same in kernels of its own, if there are; whether it did."""
        return False

    def value_and_gradient_cpu(self, y, weights, values, gy):
        """The same in a compiled loop, if there is one; whether it did."""
        return False


def scalars(values):
    """The numbers in an array as 0-dimensional arrays on its device."""
    return tuple(values[i:i + 1].reshape(()) for i in range(len(values)))


def gradient_of(compose, inputs, grad_outputs):
    """Gradients that can be differentiated once more.

    A fused function computes its gradient on arrays.  Where that itself is
    to be differentiated, the same function composed of Chainer's takes over.

    Args:
        compose: Function of ``*inputs`` to a tuple of Variables.
        inputs (tuple of Variable): What to differentiate by.
        grad_outputs (tuple): A gradient for each output, or None.
    """
    pairs = [(y, gy) for y, gy in zip(compose(*inputs), grad_outputs)
             if gy is not None]
    outputs, grad_outputs = zip(*pairs)
    return tuple(chainer.grad(outputs, inputs, grad_outputs,
                              enable_double_backprop=True))
