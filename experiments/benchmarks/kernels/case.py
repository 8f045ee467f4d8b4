"""What a benchmark of a kernel consists of."""
import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

import numpy

import imsat  # before Chainer  # noqa: F401
import chainer

EPS = 1e-8
FLOAT = 4  # bytes of a float32


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """A function of ``imsat.cuda``, and what it is compared with.

    Each of the contestants is prepared from the inputs, see :func:`direct`.
    That gives the function without arguments that is timed, or None to leave
    out this size; the function returns an array or a tuple of arrays, None
    for one that this contestant does not compute.

    Attributes:
        name (str): What ``--kernel`` calls it.
        paper, large (sequence of dict): Sizes.  At those of the paper it is
            launches that cost, at large ones memory or arithmetic.
        tiny (dict): The size of tests without a GPU.
        inputs: ``(rng, **size)`` to a tuple of NumPy arrays, or of anything
            else that all contestants take as it is.
        ours: ``(*inputs)`` to the function of the kernels.
        plain: ``(xp, *inputs)`` to that of the plain expression for NumPy or
            CuPy, on float64 also the reference for all.
        original: ``(xp, *inputs)`` to that of the authors' formulation, with
            Chainer where they use it; None where they have none.
        torch: ``(torch, wrap, *tensors)`` to PyTorch's, where ``wrap`` is
            torch.compile or gives back what it is given; None likewise.
        n_bytes: ``(**size)`` to what goes through memory: of each launch
            every input and output once, but no blocks' partial sums.
        operations: ``(**size)`` to the arithmetic that it can't do without,
            numbers by the names of ``kernels.timing``; none where memory
            takes longer anyway.
        at_most: ``(**size)`` to the milliseconds that are aimed at, or None.
        tolerance (float): The largest error that float32 explains, relative
            to the largest entry of an array.
        compared: From the outputs to what of them can be compared.
    """
    name: str
    paper: Sequence
    large: Sequence
    tiny: dict
    inputs: Callable
    ours: Callable
    plain: Callable
    original: Callable | None = None
    torch: Callable | None = None
    n_bytes: Callable
    operations: Callable = lambda **size: {}
    at_most: Callable = lambda **size: None
    tolerance: float = 1e-5
    compared: Callable = lambda *outputs: outputs

    def contestants(self, xp, torch=None, compiled=True):
        """Names, each with a function of the inputs that prepares it.

        Args:
            xp (module): NumPy or CuPy, of which the inputs will be.
            torch (module): PyTorch, or None.
            compiled (bool): Whether torch.compile takes part.
        """
        prepare = {'ours': self.ours,
                   'plain': functools.partial(self.plain, xp)}
        if self.original:
            prepare['original'] = functools.partial(self.original, xp)
        if torch and self.torch:
            wraps = {'torch': lambda f: f, 'compiled': torch.compile}
            for name in ('torch', 'compiled')[:1 + compiled]:
                prepare[name] = lambda *inputs, wrap=wraps[name]: self.torch(
                    torch, wrap, *(torch.from_dlpack(x) if is_array(x) else x
                                   for x in inputs))
        return prepare

    def reference(self, xp, inputs):
        """The plain expression's outputs on float64."""
        return self.plain(xp, *(
            x.astype('d') if is_array(x) and x.dtype.kind == 'f' else x
            for x in inputs))()

    def error(self, xp, outputs, expected):
        """The largest error of all outputs, relative to the largest entry.

        Infinite where shapes differ or one is NaN.
        """
        pairs = [(to_array(xp, a), b) for a, b in zip(
            as_tuple(outputs), as_tuple(expected), strict=True)
            if a is not None]
        actual, expected = (self.compared(*each) for each in zip(*pairs))
        return max(map(relative_error, actual, expected))


def direct(function, prepare=lambda *inputs: inputs):
    """A contestant: a function of the inputs, or of what is prepared of them.

    Args:
        function: Is timed.
        prepare: ``(*inputs)`` to a tuple; is not.
    """
    return lambda *inputs: functools.partial(function, *prepare(*inputs))


def on_torch(function, prepare=lambda torch, *tensors: tensors):
    """As :func:`direct`, of PyTorch; both functions take ``torch`` first."""
    return lambda torch, wrap, *tensors: functools.partial(
        wrap(lambda *prepared: function(torch, *prepared)),
        *prepare(torch, *tensors))


def as_tuple(outputs):
    return outputs if isinstance(outputs, (tuple, list)) else (outputs,)


def is_array(x):
    return hasattr(x, '__dlpack__')


def to_array(xp, x):
    """An array of NumPy or CuPy from a Variable, a tensor or an array."""
    if isinstance(x, chainer.Variable):
        return x.array
    return xp.from_dlpack(x.detach()) if hasattr(x, 'detach') else x


def relative_error(a, b):
    if a.shape != b.shape:
        return math.inf
    if a.size == 0:
        return 0.
    a, b = a.astype('d'), b.astype('d')
    error = float(abs(a - b).max()) / (float(abs(b).max()) or 1.)
    return math.inf if math.isnan(error) else error


def differentiable(name, *, inputs, gradients, n_wanted, ours, plain,
                   original=None, affordable=lambda *inputs: True, torch,
                   n_bytes, operations=2 * (lambda **size: {},), **case):
    """The two cases of a function and of its gradient.

    A forward pass keeps what the backward pass needs; the latter is timed
    alone, again and again on what was kept.

    Args:
        name (str): They are called ``name_forward`` and ``name_backward``.
        inputs: As in :class:`Case`.
        gradients: ``(rng, **size)`` to the upstream gradients, one for each
            output, that the second case has as further inputs.
        n_wanted (int): How many of the inputs, from the first, are
            differentiated.
        ours (pair): Forward, ``(*inputs)`` to outputs and what they keep, and
            backward, ``(*inputs, kept, *gradients)``.
        plain (pair): ``(xp, *inputs)`` and ``(xp, kept, *gradients)``.
        original, torch: ``(*inputs)`` to the outputs, from Variables, and
            ``(torch, *inputs)``, from tensors; differentiated by Chainer and
            PyTorch.  The first is None where the authors have none.
        affordable: ``(*inputs)`` to whether theirs is measured at this size.
        n_bytes, operations (pair): As in :class:`Case`.
        case: What else a :class:`Case` has, the same for both.
    """
    def composed(*arrays):
        variables = [chainer.Variable(x) for x in arrays[:n_wanted]]
        return variables, functools.partial(
            original, *variables, *arrays[n_wanted:])

    def traced(torch_, wrap, *tensors):
        wanted = [x.detach().requires_grad_() for x in tensors[:n_wanted]]
        return wanted, on_torch(torch)(
            torch_, wrap, *wanted, *tensors[n_wanted:])

    forward = Case(
        name=f'{name}_forward', inputs=inputs, n_bytes=n_bytes[0],
        operations=operations[0],
        ours=direct(lambda *inputs: ours[0](*inputs)[0]),
        plain=direct(lambda xp, *inputs: plain[0](xp, *inputs)[0]),
        original=original and (
            lambda xp, *inputs: composed(*inputs)[1]
            if affordable(*inputs) else None),
        torch=lambda torch, wrap, *inputs: traced(torch, wrap, *inputs)[1],
        **case)

    # The gradients are the last of the second case's inputs.
    n = len(gradients(numpy.random.default_rng(0), **case['tiny']))

    def by_chainer(xp, *inputs):
        if not affordable(*inputs[:-n]):
            return None
        variables, function = composed(*inputs[:-n])
        gs = [chainer.Variable(g) for g in inputs[-n:]]
        return functools.partial(
            chainer.grad, as_tuple(function()), variables, gs)

    def by_torch(torch, wrap, *inputs):
        wanted, function = traced(torch, wrap, *inputs[:-n])
        return functools.partial(
            torch.autograd.grad, function(), wanted, inputs[-n:],
            retain_graph=True)

    backward = Case(
        name=f'{name}_backward', n_bytes=n_bytes[1],
        operations=operations[1],
        inputs=lambda rng, **size: (
            *inputs(rng, **size), *gradients(rng, **size)),
        ours=direct(ours[1], lambda *inputs: (
            *inputs[:-n], ours[0](*inputs[:-n])[1], *inputs[-n:])),
        plain=direct(plain[1], lambda xp, *inputs: (
            xp, plain[0](xp, *inputs[:-n])[1], *inputs[-n:])),
        original=original and by_chainer,
        torch=by_torch, **case)
    return forward, backward
